//! Scalars as text: in forms, XML, headers, paths and query strings.

use crate::{DecodeError, Timestamp, TimestampFormat};
use jiff::fmt::rfc2822;

/// The name of a number that is not finite.
pub fn special_number(value: f64) -> Option<&'static str> {
    match value {
        value if value.is_nan() => Some("NaN"),
        f64::INFINITY => Some("Infinity"),
        f64::NEG_INFINITY => Some("-Infinity"),
        _ => None,
    }
}

/// The number that is not finite and has this name.
pub fn named_number(name: &str) -> Option<f64> {
    match name {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// Any number as text.
pub fn double(value: f64) -> String {
    special_number(value).map_or_else(|| format!("{value:?}"), str::to_owned)
}

/// Text as a number. Unlike Rust's own parser it takes only AWS's names for special numbers.
pub fn parse_double(text: &str) -> Result<f64, DecodeError> {
    let is_number = text.bytes().all(|it| it.is_ascii_digit() || b"+-.eE".contains(&it));
    let number = if is_number { text.parse().ok() } else { named_number(text) };
    number.ok_or_else(|| DecodeError::unparsable(text, "a Double"))
}

/// A whole number of 32 bits; a fraction of zeros, as in `1.0` or `1e3`, is none.
pub fn integer(text: &str) -> Result<i32, DecodeError> {
    let whole = text.parse().ok().or_else(|| i32::try_from(whole(text)?).ok());
    whole.ok_or_else(|| DecodeError::unparsable(text, "an Integer"))
}

/// A whole number of 64 bits; a fraction of zeros is none.
pub fn long(text: &str) -> Result<i64, DecodeError> {
    let whole = text.parse().ok().or_else(|| whole(text));
    whole.ok_or_else(|| DecodeError::unparsable(text, "a Long"))
}

/// A number that is written with a fraction or exponent but has none.
#[expect(clippy::cast_possible_truncation, reason = "checked against the range before")]
fn whole(text: &str) -> Option<i64> {
    // Beyond 2^53 a double no longer tells whole numbers apart.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let real = parse_double(text).ok()?;
    (real.fract() == 0.0 && real.abs() <= EXACT).then_some(real as i64)
}

/// `true` or `false`.
pub fn boolean(text: &str) -> Result<bool, DecodeError> {
    match text {
        "true" | "True" | "TRUE" => Ok(true),
        "false" | "False" | "FALSE" => Ok(false),
        _ => Err(DecodeError::unparsable(text, "a Boolean")),
    }
}

/// A point in time in one of the forms of the models.
pub fn timestamp(value: Timestamp, format: TimestampFormat) -> String {
    let ends = if value.0 < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    let time = jiff::Timestamp::from_millisecond(value.0).unwrap_or(ends);
    match format {
        TimestampFormat::EpochSeconds => epoch_seconds(value),
        TimestampFormat::Iso8601 => time.to_string(),
        TimestampFormat::HttpDate => {
            let printed = rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&time);
            printed.unwrap_or_else(|_| time.to_string())
        }
    }
}

/// Seconds since 1970, with a fraction if there is one.
pub fn epoch_seconds(value: Timestamp) -> String {
    let sign = if value.0 < 0 { "-" } else { "" };
    let (seconds, milliseconds) = (value.0.unsigned_abs() / 1000, value.0.unsigned_abs() % 1000);
    if milliseconds == 0 {
        return format!("{sign}{seconds}");
    }
    let text = format!("{sign}{seconds}.{milliseconds:03}");
    text.trim_end_matches('0').to_owned()
}

/// A point in time in any of the forms of the models.
pub fn parse_timestamp(text: &str) -> Result<Timestamp, DecodeError> {
    if let Ok(seconds) = parse_double(text) {
        return Ok(Timestamp::from_seconds(seconds));
    }
    let time = text
        .parse::<jiff::Timestamp>()
        .ok()
        .or_else(|| rfc2822::DateTimeParser::new().parse_timestamp(text).ok());
    let time = time.ok_or_else(|| DecodeError::unparsable(text, "a Timestamp"))?;
    Ok(Timestamp(time.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_written_as_every_format_asks() {
        let time = Timestamp(1_769_903_999_500);
        let written = |format| timestamp(time, format);
        assert_eq!(written(TimestampFormat::EpochSeconds), "1769903999.5");
        assert_eq!(written(TimestampFormat::Iso8601), "2026-01-31T23:59:59.5Z");
        assert_eq!(written(TimestampFormat::HttpDate), "Sat, 31 Jan 2026 23:59:59 GMT");
        assert_eq!(epoch_seconds(Timestamp(-1_500)), "-1.5");
        assert_eq!(epoch_seconds(Timestamp(1_000)), "1");
    }

    #[test]
    fn timestamps_are_read_in_every_format() {
        let time = Timestamp(1_769_903_999_000);
        for text in [
            "1769903999",
            "1.769903999E9",
            "2026-01-31T23:59:59Z",
            "2026-02-01T00:59:59+01:00",
            "Sat, 31 Jan 2026 23:59:59 GMT",
        ] {
            assert_eq!(parse_timestamp(text), Ok(time), "{text}");
        }
        assert!(parse_timestamp("yesterday").is_err());
    }

    #[test]
    fn whole_numbers_may_be_written_with_a_point() {
        assert_eq!(integer("1.0"), Ok(1));
        assert_eq!(integer("1e3"), Ok(1000));
        assert!(integer("1.5").is_err());
        assert!(integer("2147483648").is_err());
        assert_eq!(long("-9223372036854775808"), Ok(i64::MIN));
        assert!(long("9223372036854775808").is_err());
        assert!(parse_double("inf").is_err());
    }
}
