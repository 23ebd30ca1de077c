//! Directories in `work/` for things that are being made.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::durable;
use super::error::{StoreError, failed};

/// A directory that is being filled; removed when dropped, unless it was renamed before.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
    /// Locked, so that the collector leaves it alone.
    directory: File,
}

impl Scratch {
    pub(crate) fn new(work: &Path, purpose: &str) -> Result<Self, StoreError> {
        let path = durable::fresh_directory(work, purpose).map_err(failed("write in", work))?;
        // The root directory of a layer that does not describe it is open to the image's users.
        fs::set_permissions(&path, Permissions::from_mode(0o755)).map_err(failed("make", &path))?;
        let directory = File::open(&path).map_err(failed("open", &path))?;
        directory.lock_shared().map_err(failed("lock", &path))?;
        Ok(Self { path, directory })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Moves it, whole and on disk, to its place.
    pub(crate) fn keep(&self, to: &Path) -> Result<(), StoreError> {
        rustix::fs::syncfs(&self.directory).map_err(|it| failed("sync", &self.path)(it.into()))?;
        durable::rename(&self.path, to).map_err(failed("keep", to))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // After the rename there is nothing here; after a failure the collector tries again.
        let _ = fs::remove_dir_all(&self.path);
    }
}
