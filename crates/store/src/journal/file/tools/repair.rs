//! Mends a damaged journal by leaving something out. What is left out stays in files named `cut-…`.

use crate::journal::disk::Disk;
use crate::journal::error::Attempt;
use crate::journal::file::catalog::{
    Catalog, lock, read_whole, segment_name, snapshot_name, unfinished,
};
use crate::journal::file::segment::{self, End, Header};
use crate::journal::{JournalError, Lsn};

/// Cuts the log off at a byte of a segment, losing what comes after it: the last resort when the
/// log is damaged. What is cut off stays in files named `cut-…`. Answers with the last record left.
///
/// # Errors
///
/// [`JournalError::InUse`] while a region runs on it. [`JournalError::Unsuitable`] if no sound
/// record ends there, or a snapshot holds later records, so that cutting would not help.
pub fn truncate_at(disk: &dyn Disk, file: &str, offset: u64) -> Result<Lsn, JournalError> {
    let _lock = lock(disk)?;
    let catalog = Catalog::read(disk)?;
    let place = catalog.segments.iter().position(|it| segment_name(it.start) == file);
    let Some(place) = place else {
        return Err(JournalError::Unsuitable(format!("there is no segment {file}")));
    };
    let (_, later) = catalog.segments.split_at(place + 1);
    let bytes = read_whole(disk, file)?;
    let left = last_before(file, &bytes, offset)?;
    if let Some(newest) = catalog.newest_snapshot().filter(|it| *it > left) {
        let what = format!("{} holds records after {left}", snapshot_name(newest));
        return Err(JournalError::Unsuitable(what));
    }
    // Later segments go first and the last of them first of all, so that a crash leaves no gap.
    for segment in later.iter().rev() {
        let name = segment_name(segment.start);
        disk.rename(&name, &format!("cut-{name}")).attempt("setting aside", &name)?;
        disk.sync_folder().attempt("syncing the folder without", &name)?;
    }
    keep_copy(disk, &format!("cut-{file}-{offset}"), &bytes, offset)?;
    let mut segment = disk.open_to_write(file).attempt("opening", file)?;
    segment.truncate(offset).attempt("cutting", file)?;
    segment.sync().attempt("syncing", file)?;
    Ok(left)
}

/// The last of the sound records that end at this byte.
fn last_before(file: &str, bytes: &[u8], offset: u64) -> Result<Lsn, JournalError> {
    let header = Header::read(file, bytes)?;
    let before = usize::try_from(offset).ok().and_then(|it| bytes.get(..it)).unwrap_or(bytes);
    let found = segment::scan(file, before, header.start, End::Open, &mut |_, _| Ok(()))?;
    if found.end_offset != offset {
        let near = found.end_offset;
        let what = format!(
            "no sound record of {file} ends at byte {offset}, the last before it at {near}"
        );
        return Err(JournalError::Unsuitable(what));
    }
    Ok(found.end.lsn)
}

/// Writes what is about to be cut off to a file of its own.
fn keep_copy(disk: &dyn Disk, name: &str, bytes: &[u8], from: u64) -> Result<(), JournalError> {
    let tail = usize::try_from(from).ok().and_then(|it| bytes.get(it..)).unwrap_or_default();
    let temporary = unfinished(name);
    let mut copy = disk.create(&temporary).attempt("creating", &temporary)?;
    copy.write_at(0, tail).attempt("writing", &temporary)?;
    copy.sync().attempt("syncing", &temporary)?;
    disk.rename(&temporary, name).attempt("renaming to", name)?;
    disk.sync_folder().attempt("syncing the folder for", name)
}

/// Sets a damaged newest snapshot aside, losing nothing: the one before it and the log after that
/// hold the same rows. Answers with the last record in the snapshot that counts now, zero if it is
/// the log alone.
///
/// # Errors
///
/// [`JournalError::InUse`] while a region runs on it; [`JournalError::Unsuitable`] if there is no
/// snapshot, or the log does not reach back to the one before.
pub fn set_snapshot_aside(disk: &dyn Disk) -> Result<Lsn, JournalError> {
    let _lock = lock(disk)?;
    let mut catalog = Catalog::read(disk)?;
    let Some(newest) = catalog.snapshots.pop() else {
        return Err(JournalError::Unsuitable("there is no snapshot".to_owned()));
    };
    let before = catalog.newest_snapshot().unwrap_or_default();
    if catalog.live_segments().first().map(|it| it.start) != Some(before) {
        let what = format!("the log does not reach back to record {before}");
        return Err(JournalError::Unsuitable(what));
    }
    let name = snapshot_name(newest);
    disk.rename(&name, &format!("cut-{name}")).attempt("setting aside", &name)?;
    disk.sync_folder().attempt("syncing the folder without", &name)?;
    Ok(before)
}
