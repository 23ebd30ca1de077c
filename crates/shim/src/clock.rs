//! The clocks of this machine.

use std::time::{Duration, Instant, SystemTime};

use types::Timestamp;

/// Time since 1970.
pub(crate) fn since_epoch() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Now, as it is told to others.
pub(crate) fn now() -> Timestamp {
    Timestamp(i64::try_from(since_epoch().as_millis()).unwrap_or(i64::MAX))
}

/// A point on the clock that only goes forward, for deadlines.
pub(crate) fn steady() -> Instant {
    Instant::now()
}
