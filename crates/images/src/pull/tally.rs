//! Adds up the progress of all parts of a pull.

use std::sync::{Mutex, PoisonError};

use super::Watch;
use crate::store::Progress;

pub(super) struct Tally {
    progress: Mutex<Progress>,
    watch: Watch,
}

impl Tally {
    pub(super) fn new(watch: Watch) -> Self {
        Self { progress: Mutex::default(), watch }
    }

    pub(super) fn expect(&self, bytes_total: u64, layers_total: usize) {
        self.change(|it| {
            it.bytes_total = bytes_total;
            it.layers_total = layers_total;
        });
    }

    pub(super) fn add(&self, bytes: u64) {
        self.change(|it| it.bytes_done = it.bytes_done.saturating_add(bytes));
    }

    /// Bytes that have to come again.
    pub(super) fn take_back(&self, bytes: u64) {
        self.change(|it| it.bytes_done = it.bytes_done.saturating_sub(bytes));
    }

    pub(super) fn layer_done(&self) {
        self.change(|it| it.layers_done += 1);
    }

    fn change(&self, change: impl FnOnce(&mut Progress)) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut progress);
        let now = *progress;
        // The callback is not ours; it may take its time without holding up the count.
        drop(progress);
        (self.watch)(now);
    }
}
