//! Copies a journal while it is in use: the newest snapshot and the log after it.

use std::sync::Arc;

use super::catalog::{Catalog, segment_name, snapshot_name, unfinished};
use crate::journal::disk::Disk;
use crate::journal::error::Attempt;
use crate::journal::{JournalError, Lsn};

/// How much is copied at once, in bytes.
const CHUNK_BYTES: u64 = 1024 * 1024;

/// A copy to be made, of everything that was durable when it was asked for. It may run on any
/// thread; the files it needs stay until it is dropped.
pub struct Backup {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) snapshot: Option<Lsn>,
    /// The segments after it and how much of each.
    pub(super) segments: Vec<(Lsn, u64)>,
    pub(super) end: Lsn,
    pub(super) _at_work: Arc<()>,
}

impl Backup {
    /// Copies to an empty folder and makes the copy durable; answers with the last record in it.
    ///
    /// The copy is a journal like any other. Never let both serve the same instances.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unsuitable`] if the folder holds a journal already;
    /// [`JournalError::Failed`] if reading or writing fails.
    pub fn copy_to(self, target: &dyn Disk) -> Result<Lsn, JournalError> {
        let there = Catalog::read(target)?;
        if !there.segments.is_empty() || !there.snapshots.is_empty() {
            let what = "the folder for the backup holds a journal already";
            return Err(JournalError::Unsuitable(what.to_owned()));
        }
        if let Some(snapshot) = self.snapshot {
            let name = snapshot_name(snapshot);
            let size = self.disk.open_to_read(&name).and_then(|it| it.size());
            copy(&*self.disk, target, &name, size.attempt("measuring", &name)?)?;
        }
        for (start, size) in &self.segments {
            copy(&*self.disk, target, &segment_name(*start), *size)?;
        }
        target.sync_folder().attempt("syncing", "the folder of the backup")?;
        Ok(self.end)
    }
}

/// Copies the beginning of a file to a file of the same name.
fn copy(source: &dyn Disk, target: &dyn Disk, name: &str, size: u64) -> Result<(), JournalError> {
    let from = source.open_to_read(name).attempt("opening", name)?;
    let temporary = unfinished(name);
    let mut to = target.create(&temporary).attempt("creating a copy of", name)?;
    let mut offset = 0;
    while offset < size {
        let length = CHUNK_BYTES.min(size - offset);
        let mut chunk = vec![0; usize::try_from(length).unwrap_or_default()];
        from.read_at(offset, &mut chunk).attempt("reading", name)?;
        to.write_at(offset, &chunk).attempt("writing a copy of", name)?;
        offset += length;
    }
    to.sync().attempt("syncing a copy of", name)?;
    target.rename(&temporary, name).attempt("renaming a copy to", name)
}
