//! The time of the day as HTTP writes it.

use types::Timestamp;

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// As RFC 9110, 5.6.7 has it: `Sun, 22 Nov 2026 07:06:33 GMT`.
pub(crate) fn http(at: Timestamp) -> String {
    let weekday = at.0.div_euclid(86_400_000).rem_euclid(7);
    let weekday = usize::try_from(weekday).ok().and_then(|it| DAYS.get(it)).unwrap_or(&"Thu");
    let text = at.rfc3339();
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let month = part(5, 7).parse::<usize>().unwrap_or(1);
    let month = MONTHS.get(month.wrapping_sub(1)).unwrap_or(&"Jan");
    format!("{weekday}, {} {month} {} {} GMT", part(8, 10), part(0, 4), part(11, 19))
}

/// As access logs have it, with microseconds: `2026-11-22T07:06:33.029000Z`.
pub(crate) fn iso(at: Timestamp) -> String {
    let mut text = at.rfc3339();
    text.pop();
    format!("{text}.{:03}000Z", at.0.rem_euclid(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_rfc_has_it() {
        assert_eq!(http(Timestamp(0)), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(http(Timestamp(784_111_777_000)), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(iso(Timestamp(784_111_777_029)), "1994-11-06T08:49:37.029000Z");
    }
}
