//! Points in time as the query language writes them.

use core::cmp::Ordering;

use types::Timestamp;

const DAY: i64 = 24 * 60 * 60;

/// A time as precise as it was written: a second, or a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Seconds since 1970-01-01T00:00:00Z.
    start: i64,
    /// How many seconds it stands for.
    length: i64,
}

impl Moment {
    /// Reads `2018-06-18`, or with `T22:28:28`, and then `Z`, `+01:00` or nothing, which is UTC.
    /// A fraction of a second is dropped.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let Some((date, time)) = text.split_once('T') else {
            return Some(Self { start: day(text)?.checked_mul(DAY)?, length: DAY });
        };
        let zone_at = time.find(['Z', '+', '-']).unwrap_or(time.len());
        let (clock, zone) = time.split_at_checked(zone_at)?;
        let start = day(date)?.checked_mul(DAY)? + of_day(clock)? - offset(zone)?;
        Some(Self { start, length: 1 })
    }

    /// Its beginning.
    pub(super) fn begins(self) -> Timestamp {
        Timestamp(self.start.saturating_mul(1000))
    }

    /// Whether that point lies in it.
    pub(super) fn holds(self, at: Timestamp) -> bool {
        (0..self.length).contains(&(at.0.div_euclid(1000) - self.start))
    }

    /// How that point stands to its beginning, by seconds.
    pub(super) fn compared(self, at: Timestamp) -> Ordering {
        at.0.div_euclid(1000).cmp(&self.start)
    }
}

fn digits(text: &str, length: usize) -> Option<i64> {
    (text.len() == length && text.bytes().all(|it| it.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// Days since 1970-01-01.
fn day(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, '-');
    let year = digits(parts.next()?, 4)?;
    let month = digits(parts.next()?, 2).filter(|it| (1..=12).contains(it))?;
    let day = digits(parts.next()?, 2).filter(|it| (1..=length(year, month)).contains(it))?;
    // Years that begin in March put the leap day last.
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

fn length(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Seconds since midnight of `22:28:28` or `22:28`, with or without a fraction.
fn of_day(clock: &str) -> Option<i64> {
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    if fraction.is_empty() || !fraction.bytes().all(|it| it.is_ascii_digit()) {
        return None;
    }
    let mut parts = clock.splitn(3, ':');
    let hour = digits(parts.next()?, 2).filter(|it| *it < 24)?;
    let minute = digits(parts.next()?, 2).filter(|it| *it < 60)?;
    let second = parts.next().map_or(Some(0), |it| digits(it, 2)).filter(|it| *it < 61)?;
    Some(hour * 3600 + minute * 60 + second)
}

/// Seconds that a zone lies ahead of UTC.
fn offset(zone: &str) -> Option<i64> {
    if zone.is_empty() || zone == "Z" {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let digits_only: String = zone.get(1..)?.chars().filter(|it| *it != ':').collect();
    let hour = digits(digits_only.get(..2)?, 2).filter(|it| *it < 24)?;
    let minute = digits(digits_only.get(2..)?, 2).filter(|it| *it < 60)?;
    Some(sign * (hour * 3600 + minute * 60))
}
