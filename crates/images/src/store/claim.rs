//! Claims: one process (and one thread) at a time does a piece of work; the others wait and
//! then find it done.
//!
//! A claim is a file locked with `flock(2)`: the kernel lets go of it when its owner dies, so
//! there are no stale claims. The file's name may be renamed or removed by the owner; whoever
//! waited then notices that what it locked is not what the name means any more.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often an asynchronous waiter asks for a claim. Waiting in the kernel would hold a thread
/// that cannot be told to stop.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// What to do with a claim's file when the claim ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Afterwards {
    /// The file was only there to be locked.
    Remove,
    /// The file holds something, or has been renamed.
    Keep,
}

/// A locked file; unlocked when dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    /// Open for reading and writing.
    pub(crate) file: File,
    path: PathBuf,
    afterwards: Afterwards,
}

impl Claim {
    /// Waits for the claim, blocking the thread.
    pub(crate) fn wait(path: &Path, afterwards: Afterwards) -> io::Result<Self> {
        loop {
            let file = open(path)?;
            file.lock()?;
            if is_still(&file, path)? {
                return Ok(Self { file, path: path.to_owned(), afterwards });
            }
        }
    }

    /// Takes the claim if nobody has it.
    pub(crate) fn take(path: &Path, afterwards: Afterwards) -> io::Result<Option<Self>> {
        loop {
            let file = open(path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(it)) => return Err(it),
            }
            if is_still(&file, path)? {
                return Ok(Some(Self { file, path: path.to_owned(), afterwards }));
            }
        }
    }

    /// Waits for the claim. Cancelling leaves nothing but an empty file.
    pub(crate) async fn ask(path: &Path, afterwards: Afterwards) -> io::Result<Self> {
        loop {
            if let Some(claim) = Self::take(path, afterwards)? {
                return Ok(claim);
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the claim's file when the claim ends.
    pub(crate) fn discard(mut self) {
        self.afterwards = Afterwards::Remove;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.afterwards == Afterwards::Remove {
            // While it is still locked, so that nobody's new file is removed. Left behind, it
            // costs an empty file until the next collection.
            let _ = fs::remove_file(&self.path);
        }
        // Closing the file alone would not let go of it while a process that is just being started
        // has it open as well, until that runs its program.
        let _ = self.file.unlock();
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// Whether the path still names the file that was locked.
fn is_still(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(it) => Ok(it.dev() == ours.dev() && it.ino() == ours.ino()),
        Err(it) if it.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(it) => Err(it),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_held_by_one_and_leaves_no_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("layer");
        let first = Claim::wait(&path, Afterwards::Remove).expect("free");
        assert!(Claim::take(&path, Afterwards::Remove).expect("no error").is_none());
        drop(first);
        assert!(!path.exists());
        assert!(Claim::take(&path, Afterwards::Remove).expect("no error").is_some());
    }

    #[test]
    fn a_claim_ends_though_a_process_that_is_being_started_has_its_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("layer");
        let first = Claim::wait(&path, Afterwards::Keep).expect("free");
        // What a fork has until it runs its program.
        let inherited = first.file.try_clone().expect("opens");
        drop(first);
        assert!(Claim::take(&path, Afterwards::Keep).expect("no error").is_some());
        drop(inherited);
    }

    #[test]
    fn who_waited_for_a_file_that_was_renamed_locks_a_new_one() {
        let directory = tempfile::tempdir().expect("a directory");
        let (path, done) = (directory.path().join("part"), directory.path().join("blob"));
        let first = Claim::wait(&path, Afterwards::Keep).expect("free");
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| Claim::wait(&path, Afterwards::Keep).expect("free later"));
            fs::rename(&path, &done).expect("renames");
            drop(first);
            let second = waiter.join().expect("no panic");
            assert!(is_still(&second.file, &path).expect("no error"));
            assert!(!is_still(&second.file, &done).expect("no error"));
        });
    }
}
