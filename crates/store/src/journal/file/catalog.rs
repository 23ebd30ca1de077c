//! Which files the folder of a journal has, by their names.

use std::io;

use crate::journal::disk::Disk;
use crate::journal::error::{Attempt, damaged};
use crate::journal::{JournalError, Lsn};

/// A file that holds nothing but space, given back when there is no other.
pub(super) const RESERVE: &str = "reserve";

const SEGMENT: &str = "log-";
const SNAPSHOT: &str = "snapshot-";
const UNFINISHED: &str = ".tmp";

/// The segments and snapshots of a journal. Both are named by the LSN of the last record before
/// the segment, or in the snapshot, with leading zeros so that names sort like numbers.
#[derive(Debug, Clone, Default)]
pub(super) struct Catalog {
    /// In order. The last one is the one that counts, the one before is kept for operators.
    pub(super) snapshots: Vec<Lsn>,
    /// In order, all that are closed.
    pub(super) segments: Vec<Closed>,
}

/// A segment to which nothing is appended any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) start: Lsn,
    pub(super) bytes: u64,
}

/// The name of the segment after this record.
pub(super) fn segment_name(start: Lsn) -> String {
    format!("{SEGMENT}{:020}", start.0)
}

/// The name of the snapshot up to this record.
pub(super) fn snapshot_name(end: Lsn) -> String {
    format!("{SNAPSHOT}{:020}", end.0)
}

/// The name of a file until it is finished.
pub(super) fn unfinished(name: &str) -> String {
    format!("{name}{UNFINISHED}")
}

/// Keeps other processes from using the journal until the guard is dropped.
pub(super) fn lock(disk: &dyn Disk) -> Result<Box<dyn Send>, JournalError> {
    disk.lock().map_err(|source| match source.kind() {
        io::ErrorKind::WouldBlock => JournalError::InUse,
        _ => JournalError::Failed { attempted: "locking the folder".to_owned(), source },
    })
}

/// Removes what a crash has left unfinished.
pub(super) fn remove_unfinished(disk: &dyn Disk) -> Result<(), JournalError> {
    for name in disk.list().attempt("listing", "the folder")? {
        if name.ends_with(UNFINISHED) {
            disk.remove(&name).attempt("removing", &name)?;
        }
    }
    Ok(())
}

/// Removes a file if there is one of this name.
pub(super) fn remove_if_there(disk: &dyn Disk, name: &str) -> Result<(), JournalError> {
    match disk.remove(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        answer => answer.attempt("removing", name),
    }
}

/// All bytes of a file.
pub(super) fn read_whole(disk: &dyn Disk, name: &str) -> Result<Vec<u8>, JournalError> {
    let file = disk.open_to_read(name).attempt("opening", name)?;
    let size = file.size().attempt("measuring", name)?;
    let size = usize::try_from(size).map_err(|_| damaged(name, 0, "it is too large to be read"))?;
    let mut bytes = vec![0; size];
    file.read_at(0, &mut bytes).attempt("reading", name)?;
    Ok(bytes)
}

impl Catalog {
    /// Reads the folder. The open segment is among the segments, as the last one.
    pub(super) fn read(disk: &dyn Disk) -> Result<Self, JournalError> {
        let mut catalog = Self::default();
        for name in disk.list().attempt("listing", "the folder")? {
            if let Some(start) = number(&name, SEGMENT) {
                catalog.segments.push(Closed { start, bytes: size(disk, &name)? });
            } else if let Some(end) = number(&name, SNAPSHOT) {
                catalog.snapshots.push(end);
            }
        }
        catalog.snapshots.sort_unstable();
        catalog.segments.sort_unstable_by_key(|it| it.start);
        Ok(catalog)
    }

    /// The snapshot that counts, if there is one.
    pub(super) fn newest_snapshot(&self) -> Option<Lsn> {
        self.snapshots.last().copied()
    }

    /// The closed segments after the snapshot that counts.
    pub(super) fn live_segments(&self) -> &[Closed] {
        let base = self.newest_snapshot().unwrap_or_default();
        let first = self.segments.partition_point(|it| it.start < base);
        self.segments.get(first..).unwrap_or_default()
    }

    /// Removes all but the newest `keep` snapshots, and the segments which those do not need.
    /// `open` is the start of the open segment. While there are fewer snapshots everything stays.
    pub(super) fn prune(
        &mut self,
        disk: &dyn Disk,
        keep: usize,
        open: Lsn,
    ) -> Result<(), JournalError> {
        let Some(surplus) = self.snapshots.len().checked_sub(keep) else { return Ok(()) };
        let Some(oldest_kept) = self.snapshots.get(surplus).copied() else { return Ok(()) };
        for snapshot in self.snapshots.drain(..surplus) {
            let name = snapshot_name(snapshot);
            disk.remove(&name).attempt("removing", &name)?;
        }
        while let Some(first) = self.segments.first() {
            let end = self.segments.get(1).map_or(open, |it| it.start);
            if end > oldest_kept {
                break;
            }
            let name = segment_name(first.start);
            disk.remove(&name).attempt("removing", &name)?;
            // One after the other, so that a crash leaves no gap between those that are left.
            disk.sync_folder().attempt("syncing the folder without", &name)?;
            self.segments.remove(0);
        }
        Ok(())
    }
}

fn number(name: &str, prefix: &str) -> Option<Lsn> {
    let digits = name.strip_prefix(prefix)?;
    let plain = digits.len() == 20 && digits.bytes().all(|it| it.is_ascii_digit());
    if plain { digits.parse().ok().map(Lsn) } else { None }
}

fn size(disk: &dyn Disk, name: &str) -> Result<u64, JournalError> {
    disk.open_to_read(name).and_then(|it| it.size()).attempt("measuring", name)
}
