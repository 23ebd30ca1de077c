//! Why an alarm is what it is, in CloudWatch's words and as JSON.

use core::fmt::Write as _;

use state::{Alarm, AlarmState, AlarmStatistic, AlarmTerms, Comparison, MissingData};
use types::Timestamp;

use super::judge::is_breaching;

/// The datapoints that an evaluation counts, newest first: when the period began, and its value.
pub(super) fn looked_at(
    terms: &AlarmTerms,
    newest_first: &[(i64, Option<f64>)],
) -> Vec<(i64, f64)> {
    let real = newest_first.iter().filter_map(|(at, value)| Some((*at, (*value)?)));
    real.take(terms.periods as usize).collect()
}

/// `Threshold Crossed: 1 out of the last 1 datapoints [7.0 (22/11/26 16:00:00)] was greater than the
/// threshold (5.0) (minimum 1 datapoint for OK -> ALARM transition).`
pub(super) fn of(alarm: &Alarm, state: AlarmState, looked_at: &[(i64, f64)]) -> String {
    let terms = &alarm.terms;
    let gaps = terms.periods as usize - looked_at.len().min(terms.periods as usize);
    if state == AlarmState::InsufficientData {
        let (word, verb) = plural(gaps, "datapoint", "datapoints");
        return format!("Insufficient Data: {gaps} {word} {verb} unknown.");
    }
    if looked_at.is_empty() {
        let (periods, _) = plural(gaps, "period", "periods");
        let treated = treated(terms.missing, gaps);
        return format!(
            "Threshold Crossed: no datapoints were received for {gaps} {periods}{treated}."
        );
    }
    let wanted = state == AlarmState::Alarm;
    // Where there is none on the side that it turned to, what is missing has decided.
    let told = wanted == looked_at.iter().any(|it| is_breaching(terms, it.1) == wanted);
    let counted: Vec<_> = looked_at.iter().filter(|it| is_breaching(terms, it.1) == told).collect();
    let points: Vec<_> =
        counted.iter().map(|(at, it)| format!("{it:?} ({})", clock(*at))).collect();
    let (_, verb) = plural(counted.len(), "", "");
    let not = if told { "" } else { "not " };
    let needed = match state {
        AlarmState::Alarm => terms.breaches,
        AlarmState::Ok | AlarmState::InsufficientData => terms.periods - terms.breaches + 1,
    };
    let (word, _) = plural(needed as usize, "datapoint", "datapoints");
    format!(
        "Threshold Crossed: {} out of the last {} datapoints [{}] {verb} {not}{} the threshold ({:?}){} \
         (minimum {needed} {word} for {} -> {} transition).",
        counted.len(),
        terms.periods,
        points.join(", "),
        than(terms.comparison),
        terms.threshold,
        treated(terms.missing, gaps),
        word_of(alarm.state),
        word_of(state),
    )
}

/// What was made of gaps, where that decides something.
fn treated(missing: MissingData, gaps: usize) -> String {
    let (points, verb) = plural(gaps, "datapoint", "datapoints");
    let side = match missing {
        MissingData::Breaching => "Breaching",
        MissingData::NotBreaching => "NonBreaching",
        MissingData::Missing | MissingData::Ignore => return String::new(),
    };
    match gaps {
        0 => String::new(),
        _ => format!(" and {gaps} missing {points} {verb} treated as [{side}]"),
    }
}

fn plural(count: usize, one: &'static str, many: &'static str) -> (&'static str, &'static str) {
    if count == 1 { (one, "was") } else { (many, "were") }
}

fn than(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::AtLeast => "greater than or equal to",
        Comparison::Above => "greater than",
        Comparison::Below => "less than",
        Comparison::AtMost => "less than or equal to",
    }
}

/// The word of a state.
pub(super) fn word_of(state: AlarmState) -> &'static str {
    match state {
        AlarmState::Ok => "OK",
        AlarmState::Alarm => "ALARM",
        AlarmState::InsufficientData => "INSUFFICIENT_DATA",
    }
}

/// `22/11/26 16:00:00`.
fn clock(second: i64) -> String {
    let text = Timestamp(second.saturating_mul(1000)).rfc3339();
    let part = |range: core::ops::Range<usize>| text.get(range).unwrap_or_default();
    format!("{}/{}/{} {}", part(8..10), part(5..7), part(2..4), part(11..19))
}

/// The same for programs, as CloudWatch writes it.
pub(super) fn data(
    alarm: &Alarm,
    state: AlarmState,
    looked_at: &[(i64, f64)],
    now: Timestamp,
) -> String {
    let terms = &alarm.terms;
    let statistic = match terms.statistic {
        AlarmStatistic::SampleCount => "SampleCount",
        AlarmStatistic::Average => "Average",
        AlarmStatistic::Sum => "Sum",
        AlarmStatistic::Minimum => "Minimum",
        AlarmStatistic::Maximum => "Maximum",
    };
    let oldest_first: Vec<_> = looked_at.iter().rev().map(|it| format!("{:?}", it.1)).collect();
    let mut text = format!(r#"{{"version":"1.0","queryDate":"{}""#, now.rfc3339());
    if let Some((at, _)) = looked_at.last() {
        let from = Timestamp(at.saturating_mul(1000)).rfc3339();
        let _ = write!(text, r#","startDate":"{from}""#);
    }
    let _ = write!(
        text,
        r#","state":"{}","statistic":"{statistic}","period":{},"recentDatapoints":[{}],"threshold":{:?}}}"#,
        word_of(state),
        terms.period.as_secs(),
        oldest_first.join(","),
        terms.threshold,
    );
    text
}
