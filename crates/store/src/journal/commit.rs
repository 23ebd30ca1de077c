//! Batches between being written and being durable.

use core::fmt;
use std::collections::VecDeque;

use super::{JournalError, Lsn};

type Sync = Box<dyn FnOnce() -> Result<(), JournalError> + Send>;

/// Batches that a journal has written and not synced yet.
///
/// Dropped without its sync, nothing after it is ever settled.
#[must_use = "batches are durable when their sync has run and is settled"]
pub struct Commit {
    number: u64,
    lsn: Lsn,
    sync: Sync,
}

/// How the sync of a [`Commit`] went, for [`Journal::settle`](super::Journal::settle).
#[derive(Debug)]
#[must_use = "batches are durable when the journal has settled them"]
pub struct Synced {
    number: u64,
    outcome: Result<(), JournalError>,
}

impl Commit {
    /// The place of the last batch; of an empty commit that of the last batch before it.
    pub fn lsn(&self) -> Lsn {
        self.lsn
    }

    /// Syncs, and waits for it.
    pub fn sync(self) -> Synced {
        Synced { number: self.number, outcome: (self.sync)() }
    }
}

impl fmt::Debug for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commit").field("lsn", &self.lsn).finish_non_exhaustive()
    }
}

/// All commits under way, in order.
#[derive(Debug)]
pub(super) struct Flights {
    /// Everything up to here is durable.
    settled: Lsn,
    next: u64,
    under_way: VecDeque<Flight>,
}

#[derive(Debug)]
struct Flight {
    number: u64,
    lsn: Lsn,
    synced: bool,
}

impl Flights {
    /// Nothing is under way; everything up to here is durable.
    pub(super) fn at(settled: Lsn) -> Self {
        Self { settled, next: 0, under_way: VecDeque::new() }
    }

    /// Everything up to here is durable.
    pub(super) fn settled(&self) -> Lsn {
        self.settled
    }

    /// Whether nothing is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Everything up to this place is written, and this is how it is synced.
    pub(super) fn begin(
        &mut self,
        lsn: Lsn,
        sync: impl FnOnce() -> Result<(), JournalError> + Send + 'static,
    ) -> Commit {
        let number = self.next;
        self.next += 1;
        self.under_way.push_back(Flight { number, lsn, synced: false });
        Commit { number, lsn, sync: Box::new(sync) }
    }

    /// Takes in how a sync went; answers up to where everything is durable now.
    pub(super) fn settle(&mut self, synced: Synced) -> Result<Lsn, JournalError> {
        synced.outcome?;
        if let Some(it) = self.under_way.iter_mut().find(|it| it.number == synced.number) {
            it.synced = true;
        }
        while let Some(first) = self.under_way.pop_front_if(|it| it.synced) {
            self.settled = first.lsn;
        }
        Ok(self.settled)
    }
}
