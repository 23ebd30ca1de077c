//! The belt between the thread that decides and those that sync.

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

/// The belt.
#[derive(Default)]
pub(super) struct Belt {
    content: Mutex<Content>,
    moved: Condvar,
}

impl Belt {
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

    /// Waits for everything there is; `None` once the belt is closed and empty.
    pub(super) fn take(&self) -> Option<Load<Transaction, Release>> {
        let mut content = self.content();
        while content.load.is_empty() {
            if content.closed {
                return None;
            }
            content = self.wait(content);
        }
        Some(core::mem::take(&mut content.load))
    }

    /// So many answers wait no more.
    pub(super) fn released(&self, answers: usize) {
        let mut content = self.content();
        let full = content.waiting > WAITING_MAX;
        content.waiting -= answers;
        if full {
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
