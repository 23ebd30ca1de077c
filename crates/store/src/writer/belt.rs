//! The belt between the thread that decides and those that sync.
//!
//! What lies there is taken when it is a fair share of all that waits. Were every few answers to
//! begin a sync, all would soon be under way for a few answers each, and the many would wait for one
//! to end; were a few to wait while hardly any sync is under way, they would join the next bunch,
//! and all answers would go round in one bunch while the machine idles in between. So a share is
//! the larger the more syncs are under way. No timer is needed: syncs end, and then less is a fair
//! share.

use core::time::Duration;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::Release;
use crate::{Load, Transaction};

/// Answers that may wait for a sync; beyond it the writer waits for the journal.
const WAITING_MAX: usize = 16_384;

/// What lies there, and how much is further on.
#[derive(Default)]
struct Content {
    load: Load<Transaction, Release>,
    /// Answers that wait here or further on.
    waiting: usize,
    /// Syncs that are for some of them.
    under_way: usize,
    closed: bool,
}

impl Content {
    /// Whether as many answers wait here as each of the other syncs would have if all had the
    /// same; fewer while most are free, more when few are.
    fn is_fair_share(&self, syncs_at_once: usize) -> bool {
        let here = self.load.releases.len();
        let further_on = self.waiting - here;
        let free = syncs_at_once.saturating_sub(self.under_way);
        !self.load.is_empty() && here * (syncs_at_once - 1) * free >= further_on * self.under_way
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
        self.tell(&content);
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
        content.under_way += usize::from(!load.transactions.is_empty());
        if load.is_empty() { Taken::End } else { Taken::Load(load) }
    }

    /// A sync has ended.
    pub(super) fn synced(&self) {
        let mut content = self.content();
        content.under_way -= 1;
        self.tell(&content);
    }

    /// So many answers wait no more.
    pub(super) fn released(&self, answers: usize) {
        let mut content = self.content();
        let was_full = content.waiting > WAITING_MAX;
        content.waiting -= answers;
        if was_full {
            self.moved.notify_all();
        }
        self.tell(&content);
    }

    /// Wakes whoever waits for a load, if there is one that is worth a sync: waking for nothing
    /// would cost as much as a small sync.
    fn tell(&self, content: &Content) {
        if content.is_fair_share(self.syncs_at_once) {
            self.moved.notify_all();
        }
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, content: MutexGuard<'a, Content>) -> MutexGuard<'a, Content> {
        self.moved.wait(content).unwrap_or_else(PoisonError::into_inner)
    }
}
