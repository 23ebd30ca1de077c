//! The history: what is over and must still be told, in files that only grow.
//!
//! An [`Archive`] holds entries of one kind in the order of their coming. It knows of an entry its
//! identity, its time and the keys that it is found by; what its body says is others' business.
//! Memory grows with the number of segments, not of entries: a full segment lies beside an index
//! of its own, which queries read by halves.
//!
//! What [`Archive::append`] has answered with success is durable. What a crash or a failing disk
//! has left half done is cut off before anything else is written, and an entry that is there
//! already is not written again: whoever does not know how an append ended repeats it.

mod files;
mod frame;
mod index;
mod query;
mod segment;
mod segments;

#[cfg(test)]
mod tests;

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use files::{Failure, File, Files, MemoryFiles, RealFiles};
pub use frame::{Entry, Key};
pub use query::{By, Found, Place, Query};

use segments::Segments;

/// How long entries are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// For ever.
    Forever,
    /// So many days after their time; whole segments go, once their youngest entry is as old.
    Days(u32),
}

/// The disk said no. Nothing that was durable is lost by that.
#[derive(Debug, thiserror::Error)]
#[error("{attempted} failed")]
pub struct HistoryError {
    /// What was attempted on what.
    pub attempted: String,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

/// Says what was attempted when the disk says no.
pub(crate) trait Attempt<T> {
    /// Turns a system error into ours.
    fn attempt(self, what: &str, name: &str) -> Result<T, HistoryError>;
}

impl<T> Attempt<T> for io::Result<T> {
    fn attempt(self, what: &str, name: &str) -> Result<T, HistoryError> {
        self.map_err(|source| HistoryError { attempted: format!("{what} {name}"), source })
    }
}

/// Entries of one kind, in one folder.
pub struct Archive {
    segments: Mutex<Segments>,
}

impl Archive {
    /// Opens the archive in a folder. Cuts off what a crash has torn; makes anew an index that is
    /// missing or damaged.
    ///
    /// # Errors
    ///
    /// The folder cannot be read.
    pub fn open(files: Box<dyn Files>) -> Result<Self, HistoryError> {
        Ok(Self { segments: Mutex::new(Segments::open(files)?) })
    }

    /// Adds those entries that are not there yet; all are durable when this returns. `now` is in
    /// milliseconds since 1970: a segment holds entries of one day's coming.
    ///
    /// # Errors
    ///
    /// The disk said no. Some of the entries may have become durable all the same; adding all of
    /// them again is right.
    pub fn append(&self, entries: &[Entry], now: i64) -> Result<(), HistoryError> {
        self.lock().append(entries, now)
    }

    /// Entries of a query, those that came last first. `accepts` is asked about each and may say
    /// no. Costs what is looked at, at most some ten thousand entries, and some reads for each
    /// segment.
    ///
    /// # Errors
    ///
    /// The disk said no.
    pub fn find(
        &self,
        query: &Query,
        accepts: &mut dyn FnMut(&Entry) -> bool,
    ) -> Result<Found, HistoryError> {
        self.lock().find(query, accepts)
    }

    /// Drops segments whose youngest entry is older than that; answers how many.
    ///
    /// # Errors
    ///
    /// The disk said no.
    pub fn expire(&self, retention: Retention, now: i64) -> Result<usize, HistoryError> {
        match retention {
            Retention::Forever => Ok(0),
            Retention::Days(days) => self.lock().expire(now - i64::from(days) * DAY),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Segments> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Milliseconds of a day.
const DAY: i64 = 24 * 60 * 60 * 1000;
