//! Connections that wait at a listening socket which is closed go to another one of its address.
//!
//! Source: the kernel's `ip-sysctl`, `tcp_migrate_req`: without it those connections are reset. The
//! setting is the machine's, so that several handovers may be under way at once: a file says how it
//! was before the first of them, and a lock on it that there still is one. Whoever finds the file
//! without a lock puts right what was killed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

const MIGRATE: &str = "/proc/sys/net/ipv4/tcp_migrate_req";
/// Gone after a restart of the machine, as the setting is.
const FILE: &str = "/run/landfall.tcp_migrate_req";

/// While one process takes the place of another at the same addresses. The setting is put back when
/// the last of them is dropped.
#[derive(Debug)]
pub struct Handover {
    /// `None` where the setting is not to be had: what waits at the wrong moment is reset, as it
    /// always was.
    held: Option<(Place, File)>,
}

/// Where the setting is, and where it is remembered.
#[derive(Debug, Clone)]
struct Place {
    setting: PathBuf,
    file: PathBuf,
}

impl Handover {
    /// Begins.
    pub fn begin() -> Self {
        Self { held: Place::machine().begin().ok() }
    }

    /// Puts the setting back if the last handover was killed before it could.
    ///
    /// # Errors
    ///
    /// If the file or the setting cannot be read or written.
    pub fn recover() -> io::Result<()> {
        Place::machine().recover()
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        if let Some((place, file)) = self.held.take() {
            // What cannot be put back now is put back by the next one that begins or recovers.
            let _ = place.end(&file);
        }
    }
}

impl Place {
    fn machine() -> Self {
        Self { setting: MIGRATE.into(), file: FILE.into() }
    }

    fn begin(self) -> io::Result<(Self, File)> {
        let now = fs::read_to_string(&self.setting)?;
        loop {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&self.file)?;
            let is_first = is_alone(&file)?;
            if !is_first {
                flock(&file, FlockOperation::LockShared)?;
            }
            // Whoever ended in the meantime has removed it.
            if !is_at(&file, &self.file)? {
                continue;
            }
            if is_first {
                if remembered(&mut file)?.is_empty() {
                    file.write_all(now.trim().as_bytes())?;
                }
                if let Err(error) = fs::write(&self.setting, "1") {
                    fs::remove_file(&self.file)?;
                    return Err(error);
                }
                flock(&file, FlockOperation::LockShared)?;
            }
            return Ok((self, file));
        }
    }

    fn end(&self, file: &File) -> io::Result<()> {
        if is_alone(file)? && is_at(file, &self.file)? {
            self.put_back(file)?;
        }
        Ok(())
    }

    fn recover(&self) -> io::Result<()> {
        match OpenOptions::new().read(true).write(true).open(&self.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(file) => self.end(&file),
        }
    }

    fn put_back(&self, mut file: &File) -> io::Result<()> {
        let mut before = String::new();
        io::Seek::rewind(&mut file)?;
        file.read_to_string(&mut before)?;
        if !before.is_empty() {
            fs::write(&self.setting, before)?;
        }
        fs::remove_file(&self.file)
    }
}

fn remembered(file: &mut File) -> io::Result<String> {
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text)
}

/// Locks the file if nobody else has.
fn is_alone(file: &File) -> io::Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let own = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (own.dev(), own.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(folder: &Path) -> Place {
        let place = Place { setting: folder.join("setting"), file: folder.join("file") };
        fs::write(&place.setting, "0\n").expect("writes");
        place
    }

    fn setting(place: &Place) -> String {
        fs::read_to_string(&place.setting).expect("reads").trim().to_owned()
    }

    fn begin(place: &Place) -> Handover {
        Handover { held: Some(place.clone().begin().expect("begins")) }
    }

    #[test]
    fn the_setting_is_put_back_when_the_last_handover_is_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = place(folder.path());
        let first = begin(&place);
        let second = begin(&place);
        assert_eq!(setting(&place), "1");
        drop(first);
        place.recover().expect("somebody is under way");
        assert_eq!(setting(&place), "1");
        drop(second);
        assert_eq!(setting(&place), "0");
        assert!(!place.file.exists());
    }

    #[test]
    fn what_a_killed_handover_left_is_put_right_by_the_next_start() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = place(folder.path());
        let kill = |mut it: Handover| {
            // The kernel takes the lock with the process; nothing else happens.
            drop(it.held.take());
        };
        kill(begin(&place));
        assert_eq!(setting(&place), "1");
        place.recover().expect("recovers");
        assert_eq!(setting(&place), "0");
        assert!(!place.file.exists());
        place.recover().expect("nothing to do");

        kill(begin(&place));
        drop(begin(&place));
        assert_eq!(setting(&place), "0", "the next handover remembers how it was at first");
    }
}
