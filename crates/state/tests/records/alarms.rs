//! Alarms, and the deployments that they watch.

use core::time::Duration;
use std::collections::BTreeMap;

use state::{Alarm, AlarmState, AlarmStatistic, AlarmTerms, Comparison, MissingData, Tag};

use super::at;

pub(super) fn all() -> Vec<super::Named> {
    vec![("44-alarm", alarm().into()), ("44-alarm-least", least_alarm().into())]
}

fn alarm() -> Alarm {
    let least = least_alarm();
    Alarm {
        terms: AlarmTerms {
            dimensions: BTreeMap::from([("LoadBalancer".to_owned(), "app/web/1".to_owned())]),
            unit: Some("Count".into()),
            statistic: AlarmStatistic::Sum,
            comparison: Comparison::Above,
            missing: MissingData::NotBreaching,
            threshold: -0.5,
            ..least.terms
        },
        state: AlarmState::Alarm,
        reason: "Threshold Crossed".into(),
        reason_data: Some("{}".into()),
        tags: vec![Tag { key: "team".into(), value: "chat".into() }],
        ..least
    }
}

fn least_alarm() -> Alarm {
    Alarm {
        name: "errors".into(),
        spec: vec![1, 2, 3],
        terms: AlarmTerms {
            namespace: "AWS/ApplicationELB".into(),
            metric: "HTTPCode_Target_5XX_Count".into(),
            dimensions: BTreeMap::new(),
            unit: None,
            statistic: AlarmStatistic::Average,
            period: Duration::from_mins(1),
            periods: 3,
            breaches: 2,
            threshold: 5.0,
            comparison: Comparison::AtLeast,
            missing: MissingData::Missing,
        },
        state: AlarmState::InsufficientData,
        reason: "Unchecked: Initial alarm creation".into(),
        reason_data: None,
        state_updated_at: at(2),
        state_changed_at: at(1),
        configured_at: at(0),
        tags: Vec::new(),
    }
}
