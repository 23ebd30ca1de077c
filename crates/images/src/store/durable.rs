//! Writing files so that a crash leaves the old content or the new, and nothing between.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Makes a name in `directory` that no living process uses: our process number, a count and a
/// purpose. Names left by a dead process of the same number are stepped over by the caller's
/// "must not exist".
pub(crate) fn fresh_name(directory: &Path, purpose: &str) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    directory.join(format!("{}-{count}.{purpose}", std::process::id()))
}

/// Makes a directory with a fresh name.
pub(crate) fn fresh_directory(within: &Path, purpose: &str) -> io::Result<PathBuf> {
    loop {
        let path = fresh_name(within, purpose);
        match fs::create_dir(&path) {
            Err(it) if it.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|()| path),
        }
    }
}

/// Makes a file with a fresh name, open for writing.
pub(crate) fn fresh_file(within: &Path, purpose: &str) -> io::Result<(PathBuf, File)> {
    loop {
        let path = fresh_name(within, purpose);
        match File::create_new(&path) {
            Err(it) if it.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|file| (path, file)),
        }
    }
}

/// Replaces a file: written beside it, synced, renamed over it, the directory synced.
pub(crate) fn replace(path: &Path, work: &Path, bytes: &[u8]) -> io::Result<()> {
    let (temporary, mut file) = fresh_file(work, "new")?;
    let written = file.write_all(bytes).and_then(|()| place(&file, &temporary, path));
    if written.is_err() {
        // The error that is reported is the first one; the file is garbage either way.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Replaces a file whole, but leaves it to the system when it reaches the disk: for what only has
/// to outlive processes, not the machine.
pub(crate) fn replace_unsynced(path: &Path, work: &Path, bytes: &[u8]) -> io::Result<()> {
    let (temporary, mut file) = fresh_file(work, "new")?;
    let written = file.write_all(bytes).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // As above.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Moves a file that is written to its place for good.
pub(crate) fn place(file: &File, from: &Path, to: &Path) -> io::Result<()> {
    file.sync_all()?;
    rename(from, to)
}

/// Renames and makes the rename durable.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_directory(to.parent().unwrap_or(to))
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
