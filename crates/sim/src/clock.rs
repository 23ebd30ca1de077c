//! The clock of a simulated machine, which faults set, and the one that its process decides by.

use core::cell::Cell;
use core::time::Duration;

use types::{SteadyClock, Timestamp};

/// When the simulated world begins.
const EPOCH: i64 = 1_700_000_000_000;

/// A machine's clock.
#[derive(Debug)]
pub(crate) struct Clock {
    /// How far it is off, in milliseconds.
    offset: i64,
    steady: Cell<SteadyClock>,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { offset: 0, steady: Cell::new(SteadyClock::new(Duration::ZERO, Timestamp(EPOCH))) }
    }

    /// Sets it by so many milliseconds.
    pub(crate) fn step(&mut self, milliseconds: i64) {
        self.offset += milliseconds;
    }

    /// What it shows; `now` are milliseconds since the world began.
    pub(crate) fn shows(&self, now: u64) -> Timestamp {
        Timestamp(EPOCH + i64::try_from(now).unwrap_or(i64::MAX) + self.offset)
    }

    /// A process begins, and with it another count of time.
    pub(crate) fn begin(&self, now: u64) {
        self.steady.set(SteadyClock::new(Duration::from_millis(now), self.shows(now)));
    }

    /// What the process decides by.
    pub(crate) fn steady(&self, now: u64) -> Timestamp {
        let mut steady = self.steady.get();
        let time = steady.tell(Duration::from_millis(now), self.shows(now));
        self.steady.set(steady);
        time
    }
}
