//! The belt between the thread that decides and those that sync.
//!
//! What lies there is taken when it is a fair share of all that waits. Were the first answer after a
//! sync to begin the next one alone, all syncs would soon be under way for a few answers each, and
//! the many would wait for one to end. No timer is needed: syncs end, and then less is a fair share.

use core::time::Duration;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::Release;
use crate::{Load, Transaction};

/// Answers that may wait for a sync; beyond it the writer waits for the journal.
const WAITING_MAX: usize = 16_384;

/// What lies there, and how many answers wait here or further on.
#[derive(Default)]
struct Content {
    load: Load<Transaction, Release>,
    waiting: usize,
    closed: bool,
}

impl Content {
    /// Whether as many answers wait here as each of the syncs would have if all had the same.
    fn is_fair_share(&self, syncs_at_once: usize) -> bool {
        let here = self.load.releases.len();
        let further_on = self.waiting - here;
        !self.load.is_empty() && here * (syncs_at_once - 1) >= further_on
    }
}

/// After so long without a load something else may be looked after.
const PATIENCE: Duration = Duration::from_secs(1);

/// What comes of waiting at the belt.
pub(super) enum Taken {
    /// All that lay there.
    Load(Load<Transaction, Release>),
    /// Nothing has come for a while.
    Nothing,
    /// The belt is closed and empty.
    End,
}

/// The belt.
pub(super) struct Belt {
    content: Mutex<Content>,
    moved: Condvar,
    syncs_at_once: usize,
}

impl Belt {
    /// A belt for so many threads that sync.
    pub(super) fn new(syncs_at_once: usize) -> Self {
        Self { content: Mutex::default(), moved: Condvar::new(), syncs_at_once }
    }

    /// Lays something down, once few enough answers wait.
    pub(super) fn put(&self, mut load: Load<Transaction, Release>) {
        if load.is_empty() {
            return;
        }
        let mut content = self.content();
        while content.waiting > WAITING_MAX {
            content = self.wait(content);
        }
        content.waiting += load.releases.len();
        content.load.transactions.append(&mut load.transactions);
        content.load.releases.append(&mut load.releases);
        self.moved.notify_all();
    }

    /// Nothing more comes.
    pub(super) fn close(&self) {
        self.content().closed = true;
        self.moved.notify_all();
    }

    /// Waits until what is there is worth a sync, and takes all of it.
    pub(super) fn take(&self) -> Taken {
        let mut content = self.content();
        while !content.closed && !content.is_fair_share(self.syncs_at_once) {
            let waited = self.moved.wait_timeout(content, PATIENCE);
            let (found, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            content = found;
            if waited.timed_out() && !content.closed && content.load.is_empty() {
                return Taken::Nothing;
            }
        }
        let load = core::mem::take(&mut content.load);
        if load.is_empty() { Taken::End } else { Taken::Load(load) }
    }

    /// So many answers wait no more.
    pub(super) fn released(&self, answers: usize) {
        self.content().waiting -= answers;
        self.moved.notify_all();
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, content: MutexGuard<'a, Content>) -> MutexGuard<'a, Content> {
        self.moved.wait(content).unwrap_or_else(PoisonError::into_inner)
    }
}
