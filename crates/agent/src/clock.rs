//! The clock of the machine.

use std::time::{SystemTime, UNIX_EPOCH};

use types::Timestamp;

/// Now.
pub(crate) fn now() -> Timestamp {
    of(SystemTime::now())
}

/// A time of a file or of the machine.
pub(crate) fn of(time: SystemTime) -> Timestamp {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
