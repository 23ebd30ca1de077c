//! The region's history: an archive of tasks and one of the audit trail, and the questions that
//! state and history answer together.

mod archivist;
mod questions;

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use api::landfall::{Field, Record};
use telemetry::history::{Archive, Entry, HistoryError, Key, RealFiles, Retention};
use types::Timestamp;

pub use archivist::Archivist;
pub(crate) use questions::{answer, boxed, decode, refused};

/// Everything that the region keeps of what is over.
pub struct History {
    tasks: Archive,
    audits: Archive,
    retention: Retention,
    /// Why nothing can be put into it at the moment.
    trouble: Mutex<Option<String>>,
}

impl History {
    /// Opens the history in a folder, making it if there is none.
    ///
    /// # Errors
    ///
    /// [`HistoryError`].
    pub fn open(folder: &Path, retention: Retention) -> Result<Self, HistoryError> {
        Ok(Self {
            tasks: archive(&folder.join("tasks"))?,
            audits: archive(&folder.join("audit"))?,
            retention,
            trouble: Mutex::new(None),
        })
    }

    /// Puts records into it; they are durable when this returns. What is there already is not put
    /// in again.
    ///
    /// # Errors
    ///
    /// [`HistoryError`]: all of them are to be put in again.
    pub fn keep(
        &self,
        tasks: &[Record],
        audits: &[Record],
        now: Timestamp,
    ) -> Result<(), HistoryError> {
        let entries = |them: &[Record]| them.iter().map(entry).collect::<Vec<_>>();
        self.tasks.append(&entries(tasks), now.0)?;
        self.audits.append(&entries(audits), now.0)
    }

    /// Drops what has been kept for long enough; answers how many segments went.
    ///
    /// # Errors
    ///
    /// [`HistoryError`].
    pub fn expire(&self, now: Timestamp) -> Result<usize, HistoryError> {
        let tasks = self.tasks.expire(self.retention, now.0)?;
        Ok(tasks + self.audits.expire(self.retention, now.0)?)
    }

    /// Why nothing can be put into it at the moment; what should be stays in the state.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes how it stands; answers whether that is news.
    fn note(&self, trouble: Option<String>) -> bool {
        let mut known = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let news = known.is_some() != trouble.is_some();
        *known = trouble;
        news
    }
}

fn archive(folder: &Path) -> Result<Archive, HistoryError> {
    let files = RealFiles::open(folder).map_err(|source| HistoryError {
        attempted: format!("making {}", folder.display()),
        source,
    })?;
    Archive::open(Box::new(files))
}

fn entry(record: &Record) -> Entry {
    let Record { identity, at, keys, body } = record;
    let keys = keys.iter().map(|(field, text)| key(*field, text)).collect();
    Entry { identity: *identity, at: at.0, keys, body: body.clone() }
}

fn key(field: Field, text: &str) -> Key {
    Key::of_text(field as u8, text)
}
