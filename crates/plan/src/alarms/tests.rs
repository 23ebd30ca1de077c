//! The tables of CloudWatch's documentation, and when alarms are looked at.

use std::collections::BTreeMap;

use state::{AlarmStatistic, Comparison, MissingData};

use super::*;
use crate::payload::tests::home;

fn terms(periods: u32, breaches: u32, missing: MissingData) -> AlarmTerms {
    AlarmTerms {
        namespace: "Shop".into(),
        metric: "Errors".into(),
        dimensions: BTreeMap::new(),
        unit: None,
        statistic: AlarmStatistic::Sum,
        period: Duration::from_mins(1),
        periods,
        breaches,
        threshold: 5.0,
        comparison: Comparison::Above,
        missing,
    }
}

fn alarm(name: &str, seconds: u64) -> Alarm {
    let terms =
        AlarmTerms { period: Duration::from_secs(seconds), ..terms(3, 3, MissingData::Missing) };
    Alarm {
        name: name.into(),
        spec: Vec::new(),
        terms,
        state: AlarmState::Ok,
        reason: String::new(),
        reason_data: None,
        state_updated_at: Timestamp(0),
        state_changed_at: Timestamp(0),
        configured_at: Timestamp(0),
        tags: Vec::new(),
    }
}

/// Oldest first: `0` is good, `X` is breaching, `-` is missing.
fn values(picture: &str) -> Vec<Option<f64>> {
    let one = |it: &str| match it {
        "0" => Some(1.0),
        "X" => Some(9.0),
        _ => None,
    };
    picture.split(' ').rev().map(one).collect()
}

fn judged(terms: &AlarmTerms, picture: &str) -> String {
    // `HOLD`: whatever it was before, it is that still.
    let befores = [AlarmState::Ok, AlarmState::Alarm, AlarmState::InsufficientData];
    let after = befores.map(|it| judge(terms, it, &values(picture)).unwrap_or(it));
    if after == befores {
        return "HOLD".into();
    }
    assert!(after.iter().all(|it| *it == after[0]), "{picture}: {after:?}");
    reason::word_of(after[0]).into()
}

#[track_caller]
fn check(periods: u32, breaches: u32, table: &str) {
    use MissingData::{Breaching, Ignore, Missing, NotBreaching};
    for line in table.lines().map(str::trim).filter(|it| !it.is_empty()) {
        let (picture, expected) = line.split_once(": ").expect("a colon");
        let modes = [Missing, Ignore, Breaching, NotBreaching];
        let found = modes.map(|it| judged(&terms(periods, breaches, it), picture));
        assert_eq!(found.join(" "), expected, "{picture}");
    }
}

#[test]
fn missing_data_count_as_the_documentation_says() {
    check(
        3,
        3,
        "0 - X - X: OK OK OK OK
         0 - - - -: OK OK OK OK
         - - - - -: INSUFFICIENT_DATA HOLD ALARM OK
         0 X X - X: ALARM ALARM ALARM ALARM
         - - X - -: ALARM HOLD ALARM OK
         X - - - -: ALARM HOLD ALARM OK
         - - - - 0: OK OK OK OK
         - - - - X: HOLD HOLD ALARM OK
         - - - X -: HOLD HOLD ALARM OK
         - - - X 0: OK OK OK OK
         - - X - 0: OK OK OK OK
         X X X X X: ALARM ALARM ALARM ALARM
         X X X X 0: OK OK OK OK",
    );
}

#[test]
fn some_of_the_datapoints_are_enough_where_it_is_configured_so() {
    check(
        3,
        2,
        "0 - X - X: ALARM ALARM ALARM ALARM
         0 0 X 0 X: ALARM ALARM ALARM ALARM
         0 - X - -: OK OK ALARM OK
         - - - - 0: OK OK ALARM OK
         - - - X -: ALARM HOLD ALARM OK
         - - - X X: ALARM ALARM ALARM ALARM
         X X 0 0 X: OK OK OK OK",
    );
    check(
        1,
        1,
        "- - X: ALARM ALARM ALARM ALARM\n- X 0: OK OK OK OK\nX - -: ALARM ALARM ALARM ALARM",
    );
}

#[test]
fn values_at_the_threshold_are_breaching_where_the_comparison_says_so() {
    use Comparison::{Above, AtLeast, AtMost, Below};
    for (comparison, expected) in [
        (AtLeast, [false, true, true]),
        (Above, [false, false, true]),
        (Below, [true, false, false]),
        (AtMost, [true, true, false]),
    ] {
        let terms = AlarmTerms { comparison, ..terms(1, 1, MissingData::Missing) };
        let found = [4.0, 5.0, 6.0].map(|it| judge::is_breaching(&terms, it));
        assert_eq!(found, expected, "{comparison:?}");
    }
}

#[test]
fn an_alarm_is_due_once_a_period_and_when_it_was_written() {
    let mut state = State::new(home());
    for (name, seconds) in [("minutely", 60), ("quick", 10)] {
        state.apply(Change::from(alarm(name, seconds)));
    }
    let at = |seconds: i64| Timestamp(seconds * 1000);
    let due = |from: i64, to: i64| super::due(&state, Some(at(from)), at(to)).join(" ");
    assert_eq!(super::due(&state, None, at(500)).len(), 2, "after a restart, all of them");
    assert_eq!(super::due(&state, Some(at(500)), at(499)).len(), 2, "the clock was set back");
    assert_eq!(due(606, 609), "");
    assert_eq!(due(609, 610), "", "its datapoint may still come");
    assert_eq!(due(610, 611), "quick");
    assert_eq!(due(611, 612), "");
    assert_eq!(due(664, 665), "minutely");
    assert_eq!(due(612, 700), "minutely quick", "each once, however late one looks");

    let written = Alarm { configured_at: at(720), ..alarm("hourly", 3600) };
    state.apply(Change::from(written));
    assert_eq!(super::due(&state, Some(at(719)), at(720)), ["hourly"]);
}

#[test]
fn what_was_found_says_why() {
    let alarm = alarm("errors", 60);
    let points = BTreeMap::from([(480, 1.0), (600, 7.0), (660, 8.5), (720, 9.0)]);
    let now = Timestamp(787_000);
    assert_eq!(window(&alarm.terms, now), ((480, 780), 60));
    let found = evaluate(&alarm, now, |at| points.get(&at).copied()).expect("it goes off");
    assert_eq!(
        found.reason,
        "Threshold Crossed: 3 out of the last 3 datapoints [9.0 (01/01/70 00:12:00), 8.5 (01/01/70 \
         00:11:00), 7.0 (01/01/70 00:10:00)] were greater than the threshold (5.0) (minimum 3 \
         datapoints for OK -> ALARM transition)."
    );
    assert!(found.reason_data.contains(r#""recentDatapoints":[7.0,8.5,9.0]"#), "{found:?}");

    let quiet = evaluate(&alarm, now, |_| None).expect("nothing is known");
    assert_eq!(quiet.reason, "Insufficient Data: 3 datapoints were unknown.");
    assert_eq!(evaluate(&alarm, now, |_| Some(1.0)), None, "it is OK, and stays so");
}

#[test]
fn a_finding_about_an_older_row_is_dropped() {
    let mut state = State::new(home());
    let seen = alarm("errors", 60);
    let finding = evaluate(&seen, Timestamp(787_000), |_| Some(9.0)).expect("it goes off");
    let set = turned(seen.clone(), AlarmState::Alarm, "by hand".into(), None, Timestamp(5));
    for (row, expected) in [(seen, "Threshold"), (set, "by hand")] {
        state.apply(Change::from(row));
        note(&mut Draft::new(&mut state), finding.clone(), Timestamp(787_000));
        let reason = &state.alarms()["errors"].reason;
        assert!(reason.starts_with(expected), "{reason}");
    }
}
