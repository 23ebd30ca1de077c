//! The log store: groups of streams of events, each stream a file that only grows.
//!
//! One lock guards the catalog; events are read without it, because a stream's file is only ever
//! appended to or replaced whole.

mod catalog;
mod event;
mod pattern;
mod retention;
mod search;
mod stream;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use catalog::Catalog;

pub use catalog::{GroupFacts, StreamFacts};
pub use event::Event;
pub use pattern::{Pattern, PatternError};
pub use search::{Found, Place, Search};
pub use stream::{From, Page};

/// An answer of the log store other than success.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// There is no such group.
    #[error("The specified log group does not exist.")]
    NoGroup,
    /// There is no such stream.
    #[error("The specified log stream does not exist.")]
    NoStream,
    /// There is such a group.
    #[error("The specified log group already exists")]
    GroupExists,
    /// There is such a stream.
    #[error("The specified log stream already exists")]
    StreamExists,
    /// The disk said no.
    #[error("{attempted} failed")]
    Disk {
        /// What was attempted on what.
        attempted: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Says what was attempted when the disk says no.
pub(crate) trait Attempt<T> {
    /// Turns a system error into ours.
    fn attempt(self, what: &str, path: &Path) -> Result<T, LogError>;
}

impl<T> Attempt<T> for std::io::Result<T> {
    fn attempt(self, what: &str, path: &Path) -> Result<T, LogError> {
        self.map_err(|source| LogError::Disk {
            attempted: format!("{what} {}", path.display()),
            source,
        })
    }
}

/// All logs of a region, in one folder.
#[derive(Debug)]
pub struct LogStore {
    catalog: Mutex<Catalog>,
}

impl LogStore {
    /// Opens the store in a folder, making it if there is none. Cuts off what a crash has torn.
    ///
    /// # Errors
    ///
    /// [`LogError::Disk`].
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, LogError> {
        Ok(Self { catalog: Mutex::new(Catalog::open(root.into())?) })
    }

    /// Makes a group.
    ///
    /// # Errors
    ///
    /// [`LogError::GroupExists`], [`LogError::Disk`].
    pub fn create_group(&self, facts: GroupFacts) -> Result<(), LogError> {
        self.lock().create_group(facts)
    }

    /// Removes a group and all its streams.
    ///
    /// # Errors
    ///
    /// [`LogError::NoGroup`], [`LogError::Disk`].
    pub fn delete_group(&self, name: &str) -> Result<(), LogError> {
        self.lock().delete_group(name)
    }

    /// Changes what is known of a group: retention, tags.
    ///
    /// # Errors
    ///
    /// [`LogError::NoGroup`], [`LogError::Disk`].
    pub fn change_group(
        &self,
        name: &str,
        change: impl FnOnce(&mut GroupFacts),
    ) -> Result<(), LogError> {
        self.lock().change_group(name, change)
    }

    /// Groups whose name begins so, in order of names, with their size in bytes.
    pub fn groups(&self, prefix: &str) -> Vec<(GroupFacts, u64)> {
        self.lock().groups(prefix)
    }

    /// Makes a stream.
    ///
    /// # Errors
    ///
    /// [`LogError::NoGroup`], [`LogError::StreamExists`], [`LogError::Disk`].
    pub fn create_stream(&self, group: &str, name: &str, now: i64) -> Result<(), LogError> {
        self.lock().create_stream(group, name, now)
    }

    /// Removes a stream.
    ///
    /// # Errors
    ///
    /// [`LogError::NoGroup`], [`LogError::NoStream`], [`LogError::Disk`].
    pub fn delete_stream(&self, group: &str, name: &str) -> Result<(), LogError> {
        self.lock().delete_stream(group, name)
    }

    /// Streams of a group whose name begins so, in order of names.
    ///
    /// # Errors
    ///
    /// [`LogError::NoGroup`].
    pub fn streams(&self, group: &str, prefix: &str) -> Result<Vec<StreamFacts>, LogError> {
        self.lock().streams(group, prefix)
    }

    /// Adds events to a stream; they are on disk when this returns.
    ///
    /// # Errors
    ///
    /// [`LogError::NoGroup`], [`LogError::NoStream`], [`LogError::Disk`].
    pub fn append(&self, group: &str, stream: &str, events: &[Event]) -> Result<(), LogError> {
        self.lock().append(group, stream, events)
    }

    /// Gives back the disk space of events that are past their group's retention at `now`
    /// (milliseconds since 1970); gives its bytes. Costs the reading of what is given back.
    ///
    /// # Errors
    ///
    /// [`LogError::Disk`]; streams looked at before have given theirs.
    pub fn expire(&self, now: i64) -> Result<u64, LogError> {
        let ageing = self.lock().ageing();
        let mut given = 0;
        for (group, stream) in ageing {
            // One lock for each, so that writers do not wait for all.
            given += self.lock().expire(&group, &stream, now)?;
        }
        Ok(given)
    }

    /// A page of a stream's events.
    ///
    /// # Errors
    ///
    /// [`LogError::NoGroup`], [`LogError::NoStream`], [`LogError::Disk`].
    pub fn read(
        &self,
        group: &str,
        stream: &str,
        from: From,
        limits: &stream::Limits,
    ) -> Result<Page, LogError> {
        let reader = self.lock().reader(group, stream)?;
        reader.page(from, limits)
    }

    /// Events of several streams that match, in order of time.
    ///
    /// # Errors
    ///
    /// [`LogError::NoGroup`], [`LogError::Disk`].
    pub fn search(&self, group: &str, search: &Search) -> Result<Found, LogError> {
        let readers = self.lock().readers(group, |name| search.includes(name))?;
        search.run(&readers)
    }

    fn lock(&self) -> MutexGuard<'_, Catalog> {
        self.catalog.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub use stream::Limits;

#[cfg(test)]
mod tests;
