//! Points in time as people write them: a date, a time, or so long ago.

use core::time::Duration;

use types::Timestamp;

/// A point in time, or a distance from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// That very point.
    At(Timestamp),
    /// So long ago.
    Ago(Duration),
}

impl Moment {
    /// The point in time that it means now.
    pub(crate) fn before(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => {
                Timestamp(now.0.saturating_sub(i64::try_from(ago.as_millis()).unwrap_or(i64::MAX)))
            }
        }
    }
}

/// Reads `2026-11-22`, `2026-11-22T08:00:00Z`, `90s`, `30m`, `12h` or `7d`.
pub(crate) fn moment(text: &str) -> Result<Moment, String> {
    if let Some(at) = plan::query::moment(text) {
        return Ok(Moment::At(at));
    }
    units(text).map(Moment::Ago).ok_or_else(|| {
        "it has to be a date, a time such as 2026-11-22T08:00:00Z, or so long ago: 90s, 30m, 12h, 7d"
            .into()
    })
}

/// Reads a length of time, `90s`, `30m`, `12h` or `7d`, that is not zero.
pub(crate) fn distance(text: &str) -> Result<Duration, String> {
    let some = units(text).filter(|it| !it.is_zero());
    some.ok_or_else(|| "it has to be a length of time such as 90s, 30m, 12h or 7d".into())
}

fn units(text: &str) -> Option<Duration> {
    let units = [('s', 1), ('m', 60), ('h', 60 * 60), ('d', 24 * 60 * 60)];
    let read = |(unit, seconds): &(char, u64)| {
        let count: u64 = text.strip_suffix(*unit)?.parse().ok()?;
        Some(Duration::from_secs(count.checked_mul(*seconds)?))
    };
    units.iter().find_map(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    #[test]
    fn times_are_dates_or_distances() {
        let read = |text: &str| moment(text).map(|it| NOW.0 - it.before(NOW).0);
        assert_eq!(read("2027-01-15T08:00:00Z"), Ok(0));
        assert_eq!(read("2027-01-15"), Ok(8 * 60 * 60 * 1000));
        for (text, seconds) in [("90s", 90), ("30m", 1800), ("12h", 43_200), ("7d", 604_800)] {
            assert_eq!(read(text), Ok(seconds * 1000), "{text}");
        }
        assert_eq!(distance("2m"), Ok(Duration::from_mins(2)));
        assert!(distance("0s").is_err() && distance("2026-11-22").is_err());
        for bad in ["", "yesterday", "7", "-7d", "2027-13-01", "99999999999999999999d"] {
            assert!(moment(bad).is_err(), "{bad}");
        }
    }
}
