//! The clock of the machine, and the one that the control plane decides by.

use core::cell::Cell;
use core::time::Duration;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use types::{SteadyClock, Timestamp};

/// The clock of the machine.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The clock that the control plane decides by: deadlines come also when the machine's is set back.
pub(crate) fn steady_clock() -> impl Fn() -> Timestamp + Send {
    let started = Instant::now();
    let clock = Cell::new(SteadyClock::new(Duration::ZERO, now()));
    move || {
        let mut steady = clock.get();
        let time = steady.tell(started.elapsed(), now());
        clock.set(steady);
        time
    }
}
