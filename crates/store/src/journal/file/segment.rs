//! A segment of the log: a header of 44 bytes and records, one after the other.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `LFLOG` and three zeros |
//! | 4 | version of the format of the file |
//! | 4 | version of the rows in it |
//! | 8 | LSN of the last record before it |
//! | 8 | epoch of that record |
//! | 4 | CRC of that record |
//! | 4 | zero |
//! | 4 | CRC-32C of the header before this |

use std::collections::VecDeque;

use super::bytes::Cursor;
use super::record::{Kind, Record, settles_later};
use crate::journal::error::damaged;
use crate::journal::{Epoch, JournalError, Lsn, OperationId};

/// The version of the format of segments and snapshots that this release writes.
pub(super) const FORMAT: u32 = 1;

/// The size of a segment's header.
pub(super) const HEADER_BYTES: usize = 44;

const MAGIC: [u8; 8] = *b"LFLOG\0\0\0";

/// A point between two records of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// The record before it; zero at the beginning.
    pub lsn: Lsn,
    /// The epoch of the owner at this point.
    pub epoch: Epoch,
    /// The checksum of the record before it.
    pub chain: u32,
    /// The last batch before it.
    pub operation: Option<OperationId>,
}

/// What a segment's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) schema: u32,
    /// The end of the segment before it; segments do not know the last operation.
    pub(super) start: Position,
}

/// Whether a record at the end may be torn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Other segments follow, so every byte was durable.
    Closed,
    /// It is the last segment, where a crash may have torn the last write.
    Open,
}

/// What a scan has found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scanned {
    /// The end of the last sound record.
    pub(super) end: Position,
    /// Where in the file that is.
    pub(super) end_offset: u64,
    /// Where in the file that begins of which no later record says that it was durable.
    pub(super) unsettled_offset: u64,
    /// How many sound records there are.
    pub(super) records: u64,
}

impl Header {
    /// The header as it is stored.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&self.schema.to_le_bytes());
        bytes.extend_from_slice(&self.start.lsn.0.to_le_bytes());
        bytes.extend_from_slice(&self.start.epoch.0.to_le_bytes());
        bytes.extend_from_slice(&self.start.chain.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads the header at the beginning of a segment.
    pub(super) fn read(file: &str, bytes: &[u8]) -> Result<Self, JournalError> {
        let mut cursor = Cursor::new(bytes);
        check_format(file, &mut cursor, MAGIC)?;
        Self::read_rest(bytes, cursor)
            .ok_or_else(|| damaged(file, 0, "the header of the segment is not as it was written"))
    }

    fn read_rest(bytes: &[u8], mut cursor: Cursor<'_>) -> Option<Self> {
        let schema = cursor.u32()?;
        let lsn = Lsn(cursor.u64()?);
        let epoch = Epoch(cursor.u64()?);
        let chain = cursor.u32()?;
        let [0, 0, 0, 0] = cursor.array()? else { return None };
        let sound = crc32c::crc32c(bytes.get(..cursor.at())?) == cursor.u32()?;
        let start = Position { lsn, epoch, chain, operation: None };
        sound.then_some(Self { schema, start })
    }
}

/// Reads which format a file has, and refuses one that is newer.
pub(super) fn check_format(
    file: &str,
    cursor: &mut Cursor<'_>,
    magic: [u8; 8],
) -> Result<(), JournalError> {
    if cursor.array() != Some(magic) {
        return Err(damaged(file, 0, "it does not begin as a file of the journal does"));
    }
    match cursor.u32() {
        Some(FORMAT) => Ok(()),
        Some(found) if found > FORMAT => {
            let file = file.to_owned();
            Err(JournalError::TooNew { file, what: "format version", found, supported: FORMAT })
        }
        _ => Err(damaged(file, 8, "its format version is none that ever was")),
    }
}

/// Goes through the records of a segment that begins at `start`, and hands out each one with its
/// offset in the file.
pub(super) fn scan<'a>(
    file: &str,
    bytes: &'a [u8],
    start: Position,
    end: End,
    each: &mut dyn FnMut(&Record<'a>, u64) -> Result<(), JournalError>,
) -> Result<Scanned, JournalError> {
    let mut at = HEADER_BYTES;
    let begin = at as u64;
    let mut found = Scanned { end: start, end_offset: begin, unsettled_offset: begin, records: 0 };
    let mut unsettled = VecDeque::new();
    while let Some(rest) = bytes.get(at..)
        && !rest.is_empty()
    {
        let Some(record) = Record::read(rest).filter(|it| follows(it, found.end)) else {
            check_torn(file, rest, found, end)?;
            break;
        };
        each(&record, found.end_offset)?;
        unsettled.push_back((record.stamp.lsn, found.end_offset));
        while unsettled.pop_front_if(|(lsn, _)| *lsn <= record.stamp.settled).is_some() {}
        found.end = after(&record, found.end);
        at += record.size();
        found.end_offset = at as u64;
        found.records += 1;
    }
    if let Some((_, offset)) = unsettled.front() {
        found.unsettled_offset = *offset;
    }
    Ok(found)
}

/// Whether a record is the next one after a point of the log.
fn follows(record: &Record<'_>, point: Position) -> bool {
    let stamp = record.stamp;
    let epoch_follows = match record.kind {
        Kind::Acquired => stamp.epoch > point.epoch,
        Kind::Batch | Kind::Closed => stamp.epoch == point.epoch,
    };
    epoch_follows
        && stamp.lsn.0 == point.lsn.0 + 1
        && stamp.previous == point.chain
        && stamp.settled < stamp.lsn
}

/// The point after a record.
fn after(record: &Record<'_>, point: Position) -> Position {
    let id = if record.kind == Kind::Batch { Cursor::new(record.payload).u128() } else { None };
    Position {
        lsn: record.stamp.lsn,
        epoch: record.stamp.epoch,
        chain: record.crc,
        operation: id.map(OperationId).or(point.operation),
    }
}

/// Accepts bytes that are no record only where a crash can have left them.
fn check_torn(file: &str, rest: &[u8], found: Scanned, end: End) -> Result<(), JournalError> {
    let lost = Lsn(found.end.lsn.0 + 1);
    if end == End::Closed {
        let what = format!("record {lost} is not as it was written, and other segments follow");
        return Err(damaged(file, found.end_offset, what));
    }
    if Record::read(rest).is_some() {
        let what =
            format!("the record here is sound but does not continue record {}", found.end.lsn);
        return Err(damaged(file, found.end_offset, what));
    }
    if settles_later(rest, lost) {
        let what = format!("record {lost} is not as it was written, but later records are");
        return Err(damaged(file, found.end_offset, what));
    }
    Ok(())
}
