//! Why a journal says no, by what its caller does next.

use std::io;

use super::{Epoch, OperationId};

/// An answer of a journal other than success.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Somebody else owns the region now: step down. Nothing was written.
    #[error("epoch {asked} does not own the region, {current} does")]
    Fenced {
        /// The epoch of the caller.
        asked: Epoch,
        /// The epoch of the owner.
        current: Epoch,
    },
    /// The region must be acquired before it is loaded. Nothing was read.
    #[error("the region has not been acquired")]
    NotAcquired,
    /// A batch that no journal stores. Nothing was written.
    #[error("batch {id}: its {what} has {bytes} bytes, at most {most} are stored")]
    TooLarge {
        /// Which batch.
        id: OperationId,
        /// What of it is too large.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// No room, not even the reserve. Nothing was written.
    #[error("no space is left for {attempted}")]
    Full {
        /// What needed the space.
        attempted: String,
        /// What the system said.
        source: io::Error,
    },
    /// Writing or reading failed. Whether the last commit is durable is unknown: end the process.
    #[error("{attempted} failed")]
    Failed {
        /// What was attempted on what.
        attempted: String,
        /// What the system said.
        source: io::Error,
    },
    /// An earlier call failed, so this journal does nothing any more: end the process.
    #[error("the journal has failed before and must be opened again")]
    Broken,
    /// Another process has the folder open.
    #[error("another process uses this journal")]
    InUse,
    /// What is stored is not what was written: an operator must look (`landfall journal check`).
    #[error("{file} is damaged at byte {offset}: {what}")]
    Damaged {
        /// The file.
        file: String,
        /// Where in it the damage begins, in bytes.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// Written by a newer release: start that one.
    #[error("{file} has {what} {found}; this release reads up to {supported}")]
    TooNew {
        /// The file.
        file: String,
        /// Which version: of the file format or of the rows.
        what: &'static str,
        /// The version found.
        found: u32,
        /// The newest version this release knows.
        supported: u32,
    },
    /// This release has forgotten how to read rows as old as these: start an older one in between.
    #[error("no migration leads from rows of version {from} to version {to}")]
    NoMigration {
        /// The version of the stored rows.
        from: u32,
        /// The version this release needs.
        to: u32,
    },
    /// Two rows have the same table and key after a migration, which is an error in the migration.
    #[error("the migration made two rows of table {table} with the same key {key:?}")]
    RowsCollide {
        /// The table of both.
        table: u8,
        /// The key of both.
        key: Vec<u8>,
    },
    /// A stored row that its reader could not take.
    #[error("row {key:?} of table {table} was not accepted")]
    Row {
        /// The row's table.
        table: u8,
        /// The row's key.
        key: Vec<u8>,
        /// Why not.
        source: Box<dyn core::error::Error + Send + Sync>,
    },
    /// A journal tool was asked for something that makes no sense on this journal.
    #[error("{0}")]
    Unsuitable(String),
}

impl JournalError {
    /// Whether this was said before anything was written, so that the journal still works.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Fenced { .. } | Self::NotAcquired | Self::TooLarge { .. } | Self::Full { .. }
        )
    }
}

/// Says what was attempted, for an error of the system.
pub(super) trait Attempt<T> {
    /// Names the attempt if it failed.
    fn attempt(self, what: &str, file: &str) -> Result<T, JournalError>;
}

impl<T> Attempt<T> for io::Result<T> {
    fn attempt(self, what: &str, file: &str) -> Result<T, JournalError> {
        self.map_err(|source| JournalError::Failed { attempted: format!("{what} {file}"), source })
    }
}

/// An error about a place in a file.
pub(super) fn damaged(file: &str, offset: u64, what: impl Into<String>) -> JournalError {
    JournalError::Damaged { file: file.to_owned(), offset, what: what.into() }
}
