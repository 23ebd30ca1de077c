//! What is on its way to the journal and who waits for it, in order: no threads, no clock.

use std::collections::VecDeque;

use crate::Transaction;
use crate::journal::{Commit, Epoch, Journal, JournalError, Lsn, Room, Synced};

/// What was decided between two looks at the journal, and who waits until it is durable.
#[derive(Debug)]
pub struct Load<T, R> {
    /// In the order in which they were decided.
    pub transactions: Vec<T>,
    /// What is done with the answers that have seen them, and whatever came before.
    pub releases: VecDeque<R>,
}

/// What comes of a [`Load`].
#[derive(Debug)]
pub enum Begun<R> {
    /// It is durable, and given out again, once this sync and those before it are settled.
    Sync(Commit),
    /// Nothing was decided; the answers wait for what is under way.
    Joined,
    /// Nothing was decided and nothing is under way: the answers may go.
    Free(VecDeque<R>),
}

/// The loads between the writer and the journal; several syncs may be under way at once.
///
/// Production runs the syncs on threads ([`crate::Writer`]), the simulator in any order it likes;
/// what is given out, and when, is decided here.
pub struct Pipeline<T, R> {
    journal: Box<dyn Journal>,
    epoch: Epoch,
    under_way: VecDeque<(Lsn, Load<T, R>)>,
}

impl<T, R> Default for Load<T, R> {
    fn default() -> Self {
        Self { transactions: Vec::new(), releases: VecDeque::new() }
    }
}

impl<T, R> Load<T, R> {
    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.transactions.is_empty() && self.releases.is_empty()
    }
}

impl<T: AsRef<Transaction>, R> Pipeline<T, R> {
    /// For a journal whose region was acquired under this epoch and that has nothing under way.
    pub fn new(journal: Box<dyn Journal>, epoch: Epoch) -> Self {
        Self { journal, epoch, under_way: VecDeque::new() }
    }

    /// How many loads are on their way.
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// How much more the journal can take.
    pub fn room(&self) -> Room {
        self.journal.room()
    }

    /// Looks whether there is space again where there was none.
    ///
    /// # Errors
    ///
    /// As [`Journal::look_for_room`]. Nothing may be shown any more.
    pub fn look_for_room(&mut self) -> Result<Room, JournalError> {
        self.journal.look_for_room()?;
        Ok(self.room())
    }

    /// Hands a load to the journal.
    ///
    /// # Errors
    ///
    /// As [`Journal::begin`]. What was decided may be on no disk: it stays under way for ever, and
    /// nothing may be shown any more.
    pub fn begin(&mut self, mut load: Load<T, R>) -> Result<Begun<R>, JournalError> {
        if load.transactions.is_empty() {
            let Some((_, last)) = self.under_way.back_mut() else {
                return Ok(Begun::Free(load.releases));
            };
            last.releases.append(&mut load.releases);
            return Ok(Begun::Joined);
        }
        let batches: Vec<_> = load.transactions.iter().map(|it| it.as_ref().batch()).collect();
        let begun = self.journal.begin(self.epoch, &batches);
        let lsn = begun.as_ref().map_or(Lsn(u64::MAX), Commit::lsn);
        self.under_way.push_back((lsn, load));
        begun.map(Begun::Sync)
    }

    /// Takes in how a sync went; gives out what is durable now, in order. Nothing, if an earlier
    /// sync is still under way.
    ///
    /// # Errors
    ///
    /// As [`Journal::settle`]. Nothing may be shown any more.
    pub fn settle(&mut self, synced: Synced) -> Result<Vec<Load<T, R>>, JournalError> {
        let durable = self.journal.settle(synced)?;
        let mut loads = Vec::new();
        while let Some((_, load)) = self.under_way.pop_front_if(|(lsn, _)| *lsn <= durable) {
            loads.push(load);
        }
        Ok(loads)
    }

    /// Ends in good order.
    ///
    /// # Errors
    ///
    /// As [`Journal::close`].
    pub fn close(self) -> Result<(), JournalError> {
        self.journal.close()
    }

    /// Ends as a process does that is killed: gives out what is under way, of which a prefix may be
    /// durable.
    pub fn abandon(self) -> Vec<T> {
        self.under_way.into_iter().flat_map(|(_, load)| load.transactions).collect()
    }
}
