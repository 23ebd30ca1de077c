//! CloudWatch alarms: when each is to be evaluated, over which time, and what comes of it.
//!
//! An alarm looks at whole periods, which begin at multiples of their length, and is evaluated once
//! in each, shortly after one has ended. Source: Amazon CloudWatch User Guide, "Alarm evaluation" and
//! "Configuring how CloudWatch alarms treat missing data".

mod judge;
mod reason;

use core::time::Duration;

use state::{Alarm, AlarmState, AlarmTerms, Change, Draft, State};
use types::Timestamp;

pub use judge::judge;

/// A datapoint may come in so long after the end of its period: what machines measure is gathered
/// and carried first.
const LATE: Duration = Duration::from_secs(5);
/// But never by more than this part of a period.
const LATE_PART: u32 = 10;

/// Periods before the N that an alarm looks at whose data may stand in for missing ones. Source: as
/// above; CloudWatch looks at five for N = 3, and says of others only that there are more than N.
const SPARE: u32 = 2;

/// What an alarm was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    name: String,
    /// The row that was looked at: a newer one is not touched.
    configured_at: Timestamp,
    state_updated_at: Timestamp,
    state: AlarmState,
    reason: String,
    reason_data: String,
}

/// How long after the end of a period it is looked at.
fn late(period: Duration) -> Duration {
    LATE.min(period / LATE_PART)
}

fn milliseconds(it: Duration) -> i64 {
    i64::try_from(it.as_millis()).unwrap_or(i64::MAX).max(1)
}

/// How many periods of that length can be looked at by a time.
fn ended(period: Duration, now: Timestamp) -> i64 {
    (now.0 - milliseconds(late(period))).div_euclid(milliseconds(period))
}

/// Names of the alarms that are to be evaluated: those of which a period has ended since the last
/// look, and those that were written since. All of them where there was no look yet, or the clock
/// was set back. O(lengths of periods + alarms named).
pub fn due(state: &State, last: Option<Timestamp>, now: Timestamp) -> Vec<String> {
    let indexes = state.indexes();
    let Some(last) = last.filter(|it| *it <= now) else {
        return state.alarms().keys().cloned().collect();
    };
    let periods = indexes.alarms_by_period().iter();
    let over = periods.filter(|(period, _)| ended(**period, now) > ended(**period, last));
    let mut names: Vec<String> = over.flat_map(|(_, names)| names.iter().cloned()).collect();
    let new = indexes.alarms_by_age().range((last, String::new())..);
    names.extend(new.map(|(_, name)| name.clone()));
    names.sort_unstable();
    names.dedup();
    names
}

/// The time that an evaluation looks at, in seconds since 1970, its end not being part of it, and
/// the length of a period.
pub fn window(terms: &AlarmTerms, now: Timestamp) -> ((i64, i64), i64) {
    let period = i64::try_from(terms.period.as_secs()).unwrap_or(i64::MAX).max(1);
    let to = ended(terms.period, now).saturating_mul(period);
    let periods = i64::from(terms.periods.saturating_add(SPARE));
    ((to.saturating_sub(period.saturating_mul(periods)), to), period)
}

/// What an alarm is, given what `value` says of the period that begins at a second since 1970.
/// `None` if it stays as it is.
pub fn evaluate(
    alarm: &Alarm,
    now: Timestamp,
    value: impl Fn(i64) -> Option<f64>,
) -> Option<Finding> {
    let terms = &alarm.terms;
    let ((from, to), period) = window(terms, now);
    let steps = (1..).map(|it| to - it * period).take_while(|it| *it >= from);
    let newest_first: Vec<(i64, Option<f64>)> = steps.map(|at| (at, value(at))).collect();
    let values: Vec<Option<f64>> = newest_first.iter().map(|it| it.1).collect();
    let state = judge(terms, alarm.state, &values)?;
    if state == alarm.state {
        return None;
    }
    let looked_at = reason::looked_at(terms, &newest_first);
    Some(Finding {
        name: alarm.name.clone(),
        configured_at: alarm.configured_at,
        state_updated_at: alarm.state_updated_at,
        state,
        reason: reason::of(alarm, state, &looked_at),
        reason_data: reason::data(alarm, state, &looked_at, now),
    })
}

/// Writes down what an alarm was found to be, unless somebody has changed it since it was looked at.
pub fn note(draft: &mut Draft<'_>, finding: Finding, now: Timestamp) {
    let Some(alarm) = draft.state().alarms().get(&finding.name) else { return };
    let is_same = alarm.configured_at == finding.configured_at
        && alarm.state_updated_at == finding.state_updated_at;
    if is_same {
        let alarm = Alarm::clone(alarm);
        let data = Some(finding.reason_data);
        draft.change(Change::from(turned(alarm, finding.state, finding.reason, data, now)));
    }
}

/// An alarm in a state that it was found in or set to.
pub fn turned(
    alarm: Alarm,
    state: AlarmState,
    reason: String,
    reason_data: Option<String>,
    now: Timestamp,
) -> Alarm {
    let state_changed_at = if alarm.state == state { alarm.state_changed_at } else { now };
    Alarm { state, reason, reason_data, state_updated_at: now, state_changed_at, ..alarm }
}

#[cfg(test)]
mod tests;
