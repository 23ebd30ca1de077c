//! What a journal promises: acquire a region, load its rows, commit batches of changes.
//!
//! A journal stores *rows*, not commands, so that new code can read old data. A [`Batch`] is the
//! changes of one input and takes effect whole or not at all, at any crash. Several batches are
//! committed with one sync, and several such syncs may be under way at once ([`Commit`]).

mod commit;
pub mod disk;
mod error;
pub mod file;
pub mod memory;
mod schema;

use core::fmt;

pub use commit::{Commit, Synced};
pub use error::JournalError;
pub use file::tools;
pub use schema::{Migration, Schema};

/// The most bytes of one key.
pub const KEY_BYTES_MOST: usize = 64 * 1024;

/// The most bytes of one batch in its stored form: keys, values and a few bytes for each change.
///
/// A batch is one write in memory before it is one on disk; an input that changes more than this
/// has gone wrong.
pub const BATCH_BYTES_MOST: usize = 64 * 1024 * 1024;

/// How often a region has been acquired. The owner with the highest epoch is the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(pub u64);

/// The place of a batch in the journal (log sequence number), counted from one.
///
/// Numbers rise but are not dense: acquiring a region takes one too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn(pub u64);

/// The name of one batch, unique for ever, by which an unknown outcome is resolved.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(pub u128);

/// One stored row. Tables are small numbers; keys order the rows inside a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// Which table the row is in.
    pub table: u8,
    /// The row's name in its table, at most [`KEY_BYTES_MOST`].
    pub key: Vec<u8>,
    /// What the row says.
    pub value: Vec<u8>,
}

/// One change of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// The row is this from now on, whatever it was.
    Put(Row),
    /// The row is gone from now on, if it was there.
    Delete {
        /// Which table the row was in.
        table: u8,
        /// The row's name in its table.
        key: Vec<u8>,
    },
}

/// The changes of one input, in order. They become durable together or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The name of this batch; never used for another.
    pub id: OperationId,
    /// The changes; a later one for the same row wins.
    pub ops: Vec<Op>,
}

/// How much more the place where the journal lies can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// As much as usual.
    Ample,
    /// Only the reserve is left: take in what frees things (stops, deletes) and refuse the rest.
    ReserveOnly,
}

/// Where the changes of a region are made durable.
///
/// Acquire first, then load once, then commit. After an error other than a refusal
/// ([`JournalError::is_refusal`]) the outcome of the last commit is unknown and the journal
/// answers [`JournalError::Broken`] for ever: a sync is never repeated, because the second one may
/// report a success that the first one has lost. Drop it, open it again (or end the process), and
/// ask [`Journal::last_operation`] how far the commits had come.
pub trait Journal: Send {
    /// Takes ownership of the region: raises the fencing epoch, durably, and returns it.
    ///
    /// # Errors
    ///
    /// [`JournalError::Full`] if there is no room to write it down;
    /// [`JournalError::Failed`] if it could not be made durable.
    fn acquire(&mut self) -> Result<Epoch, JournalError>;

    /// Hands out every live row once, ordered by table and key, and says what they are the state of.
    ///
    /// Rows of an older schema come out as the newest one. O(rows), plus a sort of what was
    /// written since the last snapshot.
    ///
    /// # Errors
    ///
    /// [`JournalError::Damaged`] if what is stored is not what was written; and any error of `each`.
    fn load(
        &mut self,
        each: &mut dyn FnMut(Row) -> Result<(), JournalError>,
    ) -> Result<Lsn, JournalError>;

    /// Appends batches, in order, and gives out the one sync that makes them durable. It may run on
    /// any thread, beside those of earlier and later batches.
    ///
    /// After a crash a prefix of all that was begun is there, each batch whole. An empty slice
    /// writes nothing.
    ///
    /// # Errors
    ///
    /// [`JournalError::Fenced`] if `epoch` is not the owner's, [`JournalError::TooLarge`] and
    /// [`JournalError::Full`]: nothing was written, the journal works on.
    /// [`JournalError::Failed`]: any number of the batches may be durable; the journal is broken.
    fn begin(&mut self, epoch: Epoch, batches: &[Batch]) -> Result<Commit, JournalError>;

    /// Takes in how a sync went; answers up to where everything is durable now, which is before a
    /// batch whose own sync, or that of an earlier one, has not been taken in yet.
    ///
    /// # Errors
    ///
    /// The error of the sync, after which the journal is broken and answers for no later batch,
    /// however its sync went.
    fn settle(&mut self, synced: Synced) -> Result<Lsn, JournalError>;

    /// Makes batches durable, in order, with one sync; answers with the place of the last one.
    ///
    /// # Errors
    ///
    /// As [`Journal::begin`] and [`Journal::settle`].
    fn commit(&mut self, epoch: Epoch, batches: &[Batch]) -> Result<Lsn, JournalError> {
        let begun = self.begin(epoch, batches)?;
        self.settle(begun.sync())
    }

    /// The name of the last batch that was begun; none if there never was one. After opening that
    /// is the last one which has outlived the process before.
    fn last_operation(&self) -> Option<OperationId>;

    /// Ends in good order, so that damage to the last write can be told from a crash.
    ///
    /// # Errors
    ///
    /// As [`Journal::commit`]; the journal is closed all the same.
    fn close(self: Box<Self>) -> Result<(), JournalError>;

    /// Looks whether there is space again where there was none. Nobody may commit anything until
    /// then: what would only grow the state is refused.
    ///
    /// # Errors
    ///
    /// As [`Journal::begin`].
    fn look_for_room(&mut self) -> Result<(), JournalError> {
        Ok(())
    }

    /// How much more fits. Ask before deciding on an input, refuse what would only grow the state.
    fn room(&self) -> Room;
}

impl Op {
    /// The table and the key of the row that changes.
    pub fn place(&self) -> (u8, &[u8]) {
        match self {
            Self::Put(row) => (row.table, &row.key),
            Self::Delete { table, key } => (*table, key),
        }
    }
}

impl Batch {
    /// Refuses what no journal may store.
    ///
    /// # Errors
    ///
    /// [`JournalError::TooLarge`] by [`KEY_BYTES_MOST`] or [`BATCH_BYTES_MOST`].
    pub fn check(&self) -> Result<(), JournalError> {
        let too_large =
            |what, bytes, most| JournalError::TooLarge { id: self.id, what, bytes, most };
        let mut total = 0;
        for op in &self.ops {
            let (_, key) = op.place();
            if key.len() > KEY_BYTES_MOST {
                return Err(too_large("key", key.len(), KEY_BYTES_MOST));
            }
            let value = if let Op::Put(row) = op { row.value.len() } else { 0 };
            total += file::OP_BYTES_MOST + key.len() + value;
        }
        if total > BATCH_BYTES_MOST {
            return Err(too_large("batch", total, BATCH_BYTES_MOST));
        }
        Ok(())
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OperationId({self})")
    }
}
