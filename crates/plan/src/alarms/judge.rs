//! Datapoints in, a state out.

use state::{AlarmState, AlarmTerms, Comparison, MissingData};

/// What an alarm is, given the values of the periods that it looks at, newest first; a period
/// without data has none. `None`: it stays what it is.
///
/// Values of older periods than the N newest stand in for missing ones. Only where fewer than N are
/// there in all does it matter what missing ones count as.
pub fn judge(terms: &AlarmTerms, before: AlarmState, values: &[Option<f64>]) -> Option<AlarmState> {
    let wanted = terms.periods as usize;
    let real: Vec<bool> =
        values.iter().flatten().take(wanted).map(|it| is_breaching(terms, *it)).collect();
    let breaching = real.iter().filter(|it| **it).count();
    let gaps = wanted.saturating_sub(real.len());
    let needed = terms.breaches as usize;
    let alarm_if = |it: bool| Some(if it { AlarmState::Alarm } else { AlarmState::Ok });
    if gaps == 0 || breaching >= needed {
        return alarm_if(breaching >= needed);
    }
    match terms.missing {
        MissingData::Breaching => alarm_if(breaching + gaps >= needed),
        MissingData::NotBreaching => Some(AlarmState::Ok),
        // Something is there, and it is good.
        MissingData::Missing | MissingData::Ignore if breaching < real.len() => {
            Some(AlarmState::Ok)
        }
        MissingData::Ignore => Some(before),
        MissingData::Missing if real.is_empty() => Some(AlarmState::InsufficientData),
        // All that is there is bad. One that is old enough would have counted M times by now, had it
        // gone on; a younger one is waited for.
        MissingData::Missing => {
            let oldest = values.iter().rposition(Option::is_some).map_or(0, |it| it + 1);
            if oldest >= needed { Some(AlarmState::Alarm) } else { None }
        }
    }
}

/// Whether a value is on the bad side of the threshold.
pub(super) fn is_breaching(terms: &AlarmTerms, value: f64) -> bool {
    match terms.comparison {
        Comparison::AtLeast => value >= terms.threshold,
        Comparison::Above => value > terms.threshold,
        Comparison::Below => value < terms.threshold,
        Comparison::AtMost => value <= terms.threshold,
    }
}
