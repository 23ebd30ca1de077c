//! The clock of the machine, and the one that deadlines are kept by.

use core::time::Duration;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use types::{SteadyClock, Timestamp};

/// Now.
pub(crate) fn now() -> Timestamp {
    of(SystemTime::now())
}

/// A time of a file or of the machine.
pub(crate) fn of(time: SystemTime) -> Timestamp {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The clock of the agent's core: deadlines come also when the machine's is set back.
pub(crate) struct Steady {
    started: Instant,
    clock: SteadyClock,
}

impl Steady {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), clock: SteadyClock::new(Duration::ZERO, now()) }
    }

    pub(crate) fn now(&mut self) -> Timestamp {
        self.clock.tell(self.started.elapsed(), now())
    }
}
