//! One record of the log: a header of 40 bytes and a payload.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | length of the payload |
//! | 4 | CRC-32C of all other bytes of the record |
//! | 8 | its LSN, one more than that of the record before it |
//! | 8 | the epoch of the owner that wrote it |
//! | 8 | the LSN up to which everything was durable when it was written |
//! | 4 | the CRC of the record before it, so that records form a chain |
//! | 1 | what it is; then three zeros |
//!
//! The payload of a batch is its operation id (16), the number of its changes (4) and the changes:
//! kind (1), table (1), key length (4), of a put the value length (4), key, value.

use super::bytes::{Cursor, stored_length};
use crate::journal::{BATCH_BYTES_MOST, Batch, Epoch, Lsn, Op, OperationId};

/// The size of a record without its payload.
pub(super) const HEADER_BYTES: usize = 40;

/// What a change needs beside its key and value, at most.
pub(super) const OP_BYTES_MOST: usize = 10;

/// What a batch needs beside its changes.
const BATCH_BYTES: usize = 20;

const PUT: u8 = 1;
const DELETE: u8 = 2;

/// Where a record stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) lsn: Lsn,
    pub(super) epoch: Epoch,
    /// Everything up to here was durable before this record was written.
    pub(super) settled: Lsn,
    /// The CRC of the record before this one.
    pub(super) previous: u32,
}

/// What a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Somebody acquired the region; the payload is empty.
    Acquired,
    /// A batch of changes.
    Batch,
    /// The owner closed the journal, so that nothing before this is unsettled.
    Closed,
}

/// A record whose CRC is right.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) stamp: Stamp,
    pub(super) crc: u32,
    pub(super) kind: Kind,
    pub(super) payload: &'a [u8],
}

/// A change as it lies in a payload.
#[derive(Debug, Clone, Copy)]
pub(super) struct StoredOp<'a> {
    pub(super) table: u8,
    pub(super) key: &'a [u8],
    /// Of a put the value and where in the payload it begins.
    pub(super) put: Option<(&'a [u8], usize)>,
}

impl Kind {
    fn code(self) -> u8 {
        match self {
            Self::Acquired => 1,
            Self::Batch => 2,
            Self::Closed => 3,
        }
    }

    fn of(code: u8) -> Option<Self> {
        [Self::Acquired, Self::Batch, Self::Closed].into_iter().find(|it| it.code() == code)
    }
}

/// Appends the record of a batch and answers with its CRC.
pub(super) fn write_batch(buffer: &mut Vec<u8>, stamp: Stamp, batch: &Batch) -> u32 {
    write(buffer, stamp, Kind::Batch, |buffer| {
        buffer.extend_from_slice(&batch.id.0.to_le_bytes());
        buffer.extend_from_slice(&stored_length(batch.ops.len()).to_le_bytes());
        for op in &batch.ops {
            write_op(buffer, op);
        }
    })
}

/// Appends a record without payload and answers with its CRC.
pub(super) fn write_mark(buffer: &mut Vec<u8>, stamp: Stamp, kind: Kind) -> u32 {
    write(buffer, stamp, kind, |_| {})
}

fn write(
    buffer: &mut Vec<u8>,
    stamp: Stamp,
    kind: Kind,
    payload: impl FnOnce(&mut Vec<u8>),
) -> u32 {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; 8]);
    buffer.extend_from_slice(&stamp.lsn.0.to_le_bytes());
    buffer.extend_from_slice(&stamp.epoch.0.to_le_bytes());
    buffer.extend_from_slice(&stamp.settled.0.to_le_bytes());
    buffer.extend_from_slice(&stamp.previous.to_le_bytes());
    buffer.extend_from_slice(&[kind.code(), 0, 0, 0]);
    payload(buffer);

    let record = buffer.get_mut(start..).unwrap_or_default();
    let length = stored_length(record.len() - HEADER_BYTES).to_le_bytes();
    let (head, rest) = record.split_at_mut(8);
    let crc = checksum(length, rest);
    head.copy_from_slice(&[length, crc.to_le_bytes()].concat());
    crc
}

fn write_op(buffer: &mut Vec<u8>, op: &Op) {
    let (table, key) = op.place();
    let key_length = stored_length(key.len()).to_le_bytes();
    match op {
        Op::Put(row) => {
            buffer.extend_from_slice(&[PUT, table]);
            buffer.extend_from_slice(&key_length);
            buffer.extend_from_slice(&stored_length(row.value.len()).to_le_bytes());
            buffer.extend_from_slice(key);
            buffer.extend_from_slice(&row.value);
        }
        Op::Delete { .. } => {
            buffer.extend_from_slice(&[DELETE, table]);
            buffer.extend_from_slice(&key_length);
            buffer.extend_from_slice(key);
        }
    }
}

fn checksum(length: [u8; 4], rest: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&length), rest)
}

impl<'a> Record<'a> {
    /// The record at the beginning of these bytes, if there is a whole and sound one.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let claimed = Self::read_claimed(bytes)?;
        let rest = bytes.get(8..HEADER_BYTES + claimed.payload.len())?;
        let length = stored_length(claimed.payload.len()).to_le_bytes();
        (checksum(length, rest) == claimed.crc).then_some(claimed)
    }

    /// What the header at the beginning of these bytes claims, if there are bytes enough.
    fn read_claimed(bytes: &'a [u8]) -> Option<Self> {
        let mut header = Cursor::new(bytes);
        let length = header.length()?;
        let crc = header.u32()?;
        let stamp = Stamp {
            lsn: Lsn(header.u64()?),
            epoch: Epoch(header.u64()?),
            settled: Lsn(header.u64()?),
            previous: header.u32()?,
        };
        let [kind, 0, 0, 0] = header.array()? else { return None };
        let kind = Kind::of(kind)?;
        if length > BATCH_BYTES_MOST + BATCH_BYTES {
            return None;
        }
        Some(Self { stamp, crc, kind, payload: header.take(length)? })
    }

    /// How many bytes it takes in the log.
    pub(super) fn size(&self) -> usize {
        HEADER_BYTES + self.payload.len()
    }

    /// The operation id and the changes of a batch; none if the payload is not of that form.
    pub(super) fn batch(&self) -> Option<(OperationId, Vec<StoredOp<'a>>)> {
        let mut payload = Cursor::new(self.payload);
        let id = OperationId(payload.u128()?);
        let count = payload.length()?;
        // A count that lies must not make us set memory aside, so the vector grows as it is read.
        let mut ops = Vec::new();
        for _ in 0..count {
            ops.push(read_op(&mut payload)?);
        }
        payload.is_empty().then_some((id, ops))
    }
}

fn read_op<'a>(payload: &mut Cursor<'a>) -> Option<StoredOp<'a>> {
    let kind = payload.u8()?;
    let table = payload.u8()?;
    let key_length = payload.length()?;
    match kind {
        PUT => {
            let value_length = payload.length()?;
            let key = payload.take(key_length)?;
            let begin = payload.at();
            let value = payload.take(value_length)?;
            Some(StoredOp { table, key, put: Some((value, begin)) })
        }
        DELETE => Some(StoredOp { table, key: payload.take(key_length)?, put: None }),
        _ => None,
    }
}

/// Whether some later bytes hold a sound record that was written when `lost` was durable already.
///
/// If so, the record `lost` was not torn by a crash but damaged later. A record of the same write
/// says nothing: a crash may keep the end of a write and lose its beginning.
pub(super) fn settles_later(bytes: &[u8], lost: Lsn) -> bool {
    let most = lost.0.saturating_add(bytes.len() as u64);
    (0..bytes.len()).any(|start| {
        let Some(candidate) = bytes.get(start..) else { return false };
        let claims_it = Record::read_claimed(candidate).is_some_and(|it| {
            it.stamp.settled >= lost && it.stamp.lsn > it.stamp.settled && it.stamp.lsn.0 <= most
        });
        claims_it && Record::read(candidate).is_some()
    })
}
