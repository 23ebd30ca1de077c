//! A snapshot: a header of 60 bytes, blocks of rows in order of table and key, and an end block.
//!
//! | bytes | header |
//! |---|---|
//! | 8 | `LFSNAP` and two zeros |
//! | 4 | version of the format of the file |
//! | 4 | version of the rows in it |
//! | 8, 8, 4 | LSN, epoch and CRC of the last record it holds |
//! | 4, 16 | whether there is a last operation, and its id |
//! | 4 | CRC-32C of the header before this |
//!
//! A block: length of its payload (4), CRC-32C of the rest of the block (4), its number from zero (8), how many
//! rows it has (4), the rows. A row: table (1), key length (4), value length (4), key, value. The
//! end block has no rows; its payload is the number of all rows (8).

use super::bytes::{Cursor, stored_length};
use super::segment::{FORMAT, Position, check_format};
use crate::journal::disk::{Disk, DiskFile};
use crate::journal::error::{Attempt, damaged};
use crate::journal::{Epoch, JournalError, Lsn, OperationId, Row};

const MAGIC: [u8; 8] = *b"LFSNAP\0\0";
const HEADER_BYTES: usize = 60;
const BLOCK_HEADER_BYTES: usize = 20;

/// A block is written when it has this many bytes: one read or write of a good size.
const BLOCK_BYTES: usize = 256 * 1024;

/// After so many bytes a snapshot in the making is synced, so that the sync of a commit next to it
/// never waits for a gigabyte.
const SYNC_EVERY_BYTES: u64 = 8 * 1024 * 1024;

/// What a snapshot's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) schema: u32,
    /// The point of the log whose rows these are.
    pub(super) position: Position,
}

/// Writes a snapshot under a temporary name.
pub(super) struct Writer {
    name: String,
    file: Box<dyn DiskFile>,
    offset: u64,
    synced: u64,
    block: Vec<u8>,
    rows_in_block: u32,
    blocks: u64,
    rows: u64,
}

/// Reads the rows of a snapshot, checking all that can be checked.
pub(super) struct Reader {
    name: String,
    file: Box<dyn DiskFile>,
    size: u64,
    /// Where the next block begins.
    offset: u64,
    block: Vec<u8>,
    /// How much of the block has been read.
    at: usize,
    rows_left: u32,
    blocks: u64,
    rows: u64,
    last: Option<(u8, Vec<u8>)>,
    ended: bool,
}

impl Header {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&self.schema.to_le_bytes());
        bytes.extend_from_slice(&self.position.lsn.0.to_le_bytes());
        bytes.extend_from_slice(&self.position.epoch.0.to_le_bytes());
        bytes.extend_from_slice(&self.position.chain.to_le_bytes());
        let operation = self.position.operation;
        bytes.extend_from_slice(&u32::from(operation.is_some()).to_le_bytes());
        bytes.extend_from_slice(&operation.map_or(0, |it| it.0).to_le_bytes());
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads the header of a snapshot.
    pub(super) fn read(disk: &dyn Disk, name: &str) -> Result<Self, JournalError> {
        Ok(open(disk, name)?.0)
    }

    fn decode(file: &str, bytes: &[u8]) -> Result<Self, JournalError> {
        let mut cursor = Cursor::new(bytes);
        check_format(file, &mut cursor, MAGIC)?;
        Self::decode_rest(bytes, cursor)
            .ok_or_else(|| damaged(file, 0, "the header of the snapshot is not as it was written"))
    }

    fn decode_rest(bytes: &[u8], mut cursor: Cursor<'_>) -> Option<Self> {
        let schema = cursor.u32()?;
        let lsn = Lsn(cursor.u64()?);
        let epoch = Epoch(cursor.u64()?);
        let chain = cursor.u32()?;
        let has_operation = cursor.u32()? == 1;
        let id = OperationId(cursor.u128()?);
        let sound = crc32c::crc32c(bytes.get(..cursor.at())?) == cursor.u32()?;
        let position = Position { lsn, epoch, chain, operation: has_operation.then_some(id) };
        sound.then_some(Self { schema, position })
    }
}

impl Writer {
    /// Begins a snapshot in a new file.
    pub(super) fn create(
        disk: &dyn Disk,
        name: &str,
        header: Header,
    ) -> Result<Self, JournalError> {
        let mut file = disk.create(name).attempt("creating", name)?;
        let bytes = header.encode();
        file.write_at(0, &bytes).attempt("writing", name)?;
        Ok(Self {
            name: name.to_owned(),
            file,
            offset: bytes.len() as u64,
            synced: 0,
            block: vec![0; BLOCK_HEADER_BYTES],
            rows_in_block: 0,
            blocks: 0,
            rows: 0,
        })
    }

    /// Adds a row, which must be the next in order. Writes a block when it is full, and says so.
    pub(super) fn push(&mut self, row: &Row) -> Result<Pushed, JournalError> {
        self.block.push(row.table);
        self.block.extend_from_slice(&stored_length(row.key.len()).to_le_bytes());
        self.block.extend_from_slice(&stored_length(row.value.len()).to_le_bytes());
        self.block.extend_from_slice(&row.key);
        self.block.extend_from_slice(&row.value);
        self.rows_in_block += 1;
        self.rows += 1;
        if self.block.len() < BLOCK_BYTES {
            return Ok(Pushed::Kept);
        }
        self.write_block()?;
        Ok(Pushed::BlockWritten)
    }

    /// Writes what is left and makes the file durable; answers with its size and its rows.
    pub(super) fn finish(mut self) -> Result<(u64, u64), JournalError> {
        if self.rows_in_block > 0 {
            self.write_block()?;
        }
        self.block.extend_from_slice(&self.rows.to_le_bytes());
        self.write_block()?;
        self.file.sync().attempt("syncing", &self.name)?;
        Ok((self.offset, self.rows))
    }

    fn write_block(&mut self) -> Result<(), JournalError> {
        let length = stored_length(self.block.len() - BLOCK_HEADER_BYTES).to_le_bytes();
        if let Some((head, _)) = self.block.split_first_chunk_mut::<BLOCK_HEADER_BYTES>() {
            let number = self.blocks.to_le_bytes();
            let rows = self.rows_in_block.to_le_bytes();
            let fields = [&length[..], &[0; 4], &number, &rows].concat();
            head.copy_from_slice(&fields);
        }
        let crc = block_checksum(&self.block).to_le_bytes();
        if let Some(place) = self.block.get_mut(4..8) {
            place.copy_from_slice(&crc);
        }
        self.file.write_at(self.offset, &self.block).attempt("writing", &self.name)?;
        self.offset += self.block.len() as u64;
        self.block.truncate(BLOCK_HEADER_BYTES);
        self.rows_in_block = 0;
        self.blocks += 1;
        if self.offset - self.synced >= SYNC_EVERY_BYTES {
            self.file.sync().attempt("syncing", &self.name)?;
            self.synced = self.offset;
        }
        Ok(())
    }
}

/// Whether a row was only kept in memory or filled a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushed {
    Kept,
    BlockWritten,
}

/// The CRC of a block but for the field it stands in.
fn block_checksum(block: &[u8]) -> u32 {
    let length = crc32c::crc32c(block.get(..4).unwrap_or_default());
    crc32c::crc32c_append(length, block.get(8..).unwrap_or_default())
}

fn open(disk: &dyn Disk, name: &str) -> Result<(Header, Box<dyn DiskFile>, u64), JournalError> {
    let file = disk.open_to_read(name).attempt("opening", name)?;
    let size = file.size().attempt("measuring", name)?;
    if size < HEADER_BYTES as u64 {
        return Err(damaged(name, 0, "the snapshot is shorter than its header"));
    }
    let mut bytes = [0; HEADER_BYTES];
    file.read_at(0, &mut bytes).attempt("reading", name)?;
    Ok((Header::decode(name, &bytes)?, file, size))
}

impl Reader {
    /// Opens a snapshot and reads its header.
    pub(super) fn open(disk: &dyn Disk, name: &str) -> Result<Self, JournalError> {
        let (_, file, size) = open(disk, name)?;
        Ok(Self {
            name: name.to_owned(),
            file,
            size,
            offset: HEADER_BYTES as u64,
            block: Vec::new(),
            at: 0,
            rows_left: 0,
            blocks: 0,
            rows: 0,
            last: None,
            ended: false,
        })
    }

    /// The next row in order; none after the last one.
    pub(super) fn next(&mut self) -> Result<Option<Row>, JournalError> {
        while self.rows_left == 0 {
            if self.ended {
                return Ok(None);
            }
            self.next_block()?;
        }
        let mut cursor = Cursor::new(self.block.get(self.at..).unwrap_or_default());
        let row = read_row(&mut cursor).ok_or_else(|| self.damage("a row is cut off"))?;
        self.at += cursor.at();
        self.rows_left -= 1;
        self.rows += 1;
        if self.rows_left == 0 && self.at != self.block.len() {
            return Err(self.damage("a block has more bytes than rows"));
        }
        self.check_order(&row)?;
        Ok(Some(row))
    }

    fn next_block(&mut self) -> Result<(), JournalError> {
        let left = self.size - self.offset;
        let mut header = [0; BLOCK_HEADER_BYTES];
        if left < header.len() as u64 {
            return Err(self.damage("the snapshot ends before its end block"));
        }
        self.file.read_at(self.offset, &mut header).attempt("reading", &self.name)?;
        let mut cursor = Cursor::new(&header);
        let fields = (cursor.u32(), cursor.u32(), cursor.u64(), cursor.u32());
        let (Some(length), Some(crc), Some(number), Some(rows)) = fields else {
            return Err(self.damage("a block has no header"));
        };
        let end = BLOCK_HEADER_BYTES as u64 + u64::from(length);
        if end > left {
            return Err(self.damage("a block reaches beyond the end of the snapshot"));
        }
        self.block.resize(usize::try_from(end).unwrap_or(usize::MAX), 0);
        self.file.read_at(self.offset, &mut self.block).attempt("reading", &self.name)?;
        if block_checksum(&self.block) != crc || number != self.blocks {
            return Err(self.damage(format!("block {} is not as it was written", self.blocks)));
        }
        self.at = BLOCK_HEADER_BYTES;
        self.rows_left = rows;
        self.blocks += 1;
        if rows == 0 {
            self.check_end(left - end)?;
        }
        self.offset += end;
        Ok(())
    }

    fn check_end(&mut self, bytes_after: u64) -> Result<(), JournalError> {
        let mut payload = Cursor::new(self.block.get(self.at..).unwrap_or_default());
        if payload.u64() != Some(self.rows) || !payload.is_empty() || bytes_after > 0 {
            return Err(self.damage("the end block does not fit what is before it"));
        }
        self.ended = true;
        Ok(())
    }

    fn check_order(&mut self, row: &Row) -> Result<(), JournalError> {
        if let Some((table, key)) = &mut self.last {
            if (*table, key.as_slice()) >= (row.table, row.key.as_slice()) {
                return Err(self.damage("rows are not in order"));
            }
            *table = row.table;
            key.clone_from(&row.key);
        } else {
            self.last = Some((row.table, row.key.clone()));
        }
        Ok(())
    }

    fn damage(&self, what: impl Into<String>) -> JournalError {
        damaged(&self.name, self.offset, what)
    }
}

fn read_row(cursor: &mut Cursor<'_>) -> Option<Row> {
    let table = cursor.u8()?;
    let key_length = cursor.length()?;
    let value_length = cursor.length()?;
    let key = cursor.take(key_length)?.to_vec();
    let value = cursor.take(value_length)?.to_vec();
    Some(Row { table, key, value })
}
