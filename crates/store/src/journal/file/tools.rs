//! What an operator can do to a journal: check it, read it, cut its end off.
//!
//! Checking and reading take no lock and change nothing, so they can be done beside a running
//! region; then the end of the log may look torn, and files may vanish while they are read.

mod repair;

pub use repair::{set_snapshot_aside, truncate_at};

use super::catalog::{Catalog, Closed, read_whole, segment_name, snapshot_name};
use super::record::{Kind, Record, StoredOp};
use super::segment::{self, End, Header, Position, Scanned};
use super::snapshot::{self, Reader};
use crate::journal::disk::Disk;
use crate::journal::error::{Attempt, damaged};
use crate::journal::{Batch, Epoch, JournalError, Lsn, Op, OperationId, Row};

/// What is found in a folder.
#[derive(Debug)]
pub struct Report {
    /// Each file, in order of its rows.
    pub files: Vec<FileReport>,
    /// The end of the log as far as it is sound.
    pub end: Position,
}

/// What is found in one file.
#[derive(Debug)]
pub struct FileReport {
    /// Its name.
    pub name: String,
    /// Whether it is a snapshot or a segment.
    pub kind: FileKind,
    /// Its size.
    pub bytes: u64,
    /// The version of its rows; none if its header cannot be read.
    pub schema: Option<u32>,
    /// How many rows (of a snapshot) or records (of a segment) are sound.
    pub entries: u64,
    /// The last record it holds.
    pub end: Lsn,
    /// Where a torn last write begins, in bytes; the next opening cuts it off.
    pub torn_at: Option<u64>,
    /// What is wrong with it, if anything is.
    pub fault: Option<JournalError>,
}

/// The two kinds of files that hold something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// All rows at one point.
    Snapshot,
    /// Records of the log.
    Segment,
}

/// One record of the log, in readable form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The segment it is in.
    pub file: String,
    /// Where in the segment it begins, in bytes.
    pub offset: u64,
    /// Its place in the log.
    pub lsn: Lsn,
    /// The epoch of its writer.
    pub epoch: Epoch,
    /// What it says.
    pub what: What,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The region was acquired under this epoch.
    Acquired,
    /// A batch was committed.
    Batch(Batch),
    /// The owner closed the journal.
    Closed,
}

impl Report {
    /// Whether nothing is wrong. A torn last write is not wrong.
    pub fn is_sound(&self) -> bool {
        self.files.iter().all(|it| it.fault.is_none())
    }
}

/// Checks every byte of every file. Damage does not end the check; it stands in the report.
///
/// # Errors
///
/// [`JournalError::Failed`] if the folder cannot be listed.
pub fn verify(disk: &dyn Disk) -> Result<Report, JournalError> {
    let catalog = Catalog::read(disk)?;
    let mut files: Vec<FileReport> = Vec::new();
    files.extend(catalog.snapshots.iter().map(|it| verify_snapshot(disk, *it)));
    let mut end = match catalog.segments.first() {
        Some(first) if first.start > Lsn(0) => snapshot_position(disk, first.start),
        _ => Some(Position::default()),
    };
    let mut last_sound = end.unwrap_or_default();
    for (number, segment) in catalog.segments.iter().enumerate() {
        let is_last = number + 1 == catalog.segments.len();
        let (report, found) = verify_segment(disk, *segment, end, is_last);
        files.push(report);
        end = found;
        last_sound = found.unwrap_or(last_sound);
    }
    Ok(Report { files, end: last_sound })
}

/// The point of the log that a snapshot ends at, if it can be read.
fn snapshot_position(disk: &dyn Disk, end: Lsn) -> Option<Position> {
    snapshot::Header::read(disk, &snapshot_name(end)).ok().map(|it| it.position)
}

fn verify_snapshot(disk: &dyn Disk, end: Lsn) -> FileReport {
    let mut report = blank(FileKind::Snapshot, snapshot_name(end));
    report.end = end;
    let mut read = || {
        let file = disk.open_to_read(&report.name).attempt("opening", &report.name)?;
        report.bytes = file.size().attempt("measuring", &report.name)?;
        report.schema = Some(snapshot::Header::read(disk, &report.name)?.schema);
        let mut rows = Reader::open(disk, &report.name)?;
        while rows.next()?.is_some() {
            report.entries += 1;
        }
        Ok(())
    };
    report.fault = read().err();
    report
}

/// Checks a segment and that it continues at `before`, if that is known.
fn verify_segment(
    disk: &dyn Disk,
    segment: Closed,
    before: Option<Position>,
    is_last: bool,
) -> (FileReport, Option<Position>) {
    let mut report = blank(FileKind::Segment, segment_name(segment.start));
    report.end = segment.start;
    let mut read = || {
        let bytes = read_whole(disk, &report.name)?;
        report.bytes = bytes.len() as u64;
        let header = Header::read(&report.name, &bytes)?;
        report.schema = Some(header.schema);
        let start = before.unwrap_or(header.start);
        if header.start != (Position { operation: None, ..start }) {
            return Err(damaged(&report.name, 16, "it does not continue what is before it"));
        }
        let end = if is_last { End::Open } else { End::Closed };
        let found = segment::scan(&report.name, &bytes, start, end, &mut |record, offset| {
            report.entries += 1;
            entry(&report.name, record, offset).map(drop)
        })?;
        report.end = found.end.lsn;
        report.torn_at = (found.end_offset < report.bytes).then_some(found.end_offset);
        Ok(found.end)
    };
    match read() {
        Ok(end) => (report, Some(end)),
        Err(fault) => {
            report.fault = Some(fault);
            (report, None)
        }
    }
}

fn blank(kind: FileKind, name: String) -> FileReport {
    FileReport {
        name,
        kind,
        bytes: 0,
        schema: None,
        entries: 0,
        end: Lsn(0),
        torn_at: None,
        fault: None,
    }
}

/// Hands out the rows of the newest snapshot; answers with the last record in it, if there is one.
///
/// # Errors
///
/// [`JournalError::Damaged`], and any error of `each`.
pub fn rows(
    disk: &dyn Disk,
    each: &mut dyn FnMut(Row) -> Result<(), JournalError>,
) -> Result<Option<Lsn>, JournalError> {
    let Some(newest) = Catalog::read(disk)?.newest_snapshot() else { return Ok(None) };
    let mut reader = Reader::open(disk, &snapshot_name(newest))?;
    while let Some(row) = reader.next()? {
        each(row)?;
    }
    Ok(Some(newest))
}

/// Hands out every record that is still in the log, also those that are in a snapshot as well.
///
/// # Errors
///
/// [`JournalError::Damaged`] where the log is, after all records before that; and any error of
/// `each`.
pub fn records(
    disk: &dyn Disk,
    each: &mut dyn FnMut(Entry) -> Result<(), JournalError>,
) -> Result<(), JournalError> {
    let catalog = Catalog::read(disk)?;
    let last = catalog.segments.last().copied();
    for segment in &catalog.segments {
        let end = if Some(*segment) == last { End::Open } else { End::Closed };
        scan_segment(disk, segment.start, end, each)?;
    }
    Ok(())
}

fn scan_segment(
    disk: &dyn Disk,
    start: Lsn,
    end: End,
    each: &mut dyn FnMut(Entry) -> Result<(), JournalError>,
) -> Result<Scanned, JournalError> {
    let name = segment_name(start);
    let bytes = read_whole(disk, &name)?;
    let header = Header::read(&name, &bytes)?;
    segment::scan(&name, &bytes, header.start, end, &mut |record, offset| {
        each(entry(&name, record, offset)?)
    })
}

fn entry(file: &str, record: &Record<'_>, offset: u64) -> Result<Entry, JournalError> {
    let what = match record.kind {
        Kind::Acquired => What::Acquired,
        Kind::Closed => What::Closed,
        Kind::Batch => {
            let (id, ops) = record
                .batch()
                .ok_or_else(|| damaged(file, offset, "the changes are not of the known form"))?;
            What::Batch(batch(id, &ops))
        }
    };
    let (lsn, epoch) = (record.stamp.lsn, record.stamp.epoch);
    Ok(Entry { file: file.to_owned(), offset, lsn, epoch, what })
}

fn batch(id: OperationId, stored: &[StoredOp<'_>]) -> Batch {
    let op = |it: &StoredOp<'_>| match it.put {
        Some((value, _)) => {
            Op::Put(Row { table: it.table, key: it.key.to_vec(), value: value.to_vec() })
        }
        None => Op::Delete { table: it.table, key: it.key.to_vec() },
    };
    Batch { id, ops: stored.iter().map(op).collect() }
}
