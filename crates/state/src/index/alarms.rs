//! What alarms are looked for by: when they are due, and what they watch.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use types::Timestamp;

use super::{Indexes, drop_from};
use crate::record::Alarm;

/// The indexes of alarms.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Alarms {
    by_period: BTreeMap<Duration, BTreeSet<String>>,
    by_age: BTreeSet<(Timestamp, String)>,
    /// By namespace and name of the metric.
    by_metric: BTreeMap<(String, String), BTreeSet<String>>,
}

impl Indexes {
    /// Names of alarms by the length of their period.
    pub fn alarms_by_period(&self) -> &BTreeMap<Duration, BTreeSet<String>> {
        &self.alarms.by_period
    }

    /// Alarms by when PutMetricAlarm last wrote them, the oldest first.
    pub fn alarms_by_age(&self) -> &BTreeSet<(Timestamp, String)> {
        &self.alarms.by_age
    }

    /// Names of the alarms of a metric: its namespace and its name.
    pub fn alarms_of(&self, namespace: &str, metric: &str) -> impl Iterator<Item = &String> {
        let key = (namespace.to_owned(), metric.to_owned());
        self.alarms.by_metric.get(&key).into_iter().flatten()
    }
}

impl Alarms {
    pub(super) fn alarm(&mut self, before: Option<&Alarm>, after: Option<&Alarm>) {
        let metric = |it: &Alarm| (it.terms.namespace.clone(), it.terms.metric.clone());
        if let Some(it) = before {
            drop_from(&mut self.by_period, &it.terms.period, &it.name);
            self.by_age.remove(&(it.configured_at, it.name.clone()));
            drop_from(&mut self.by_metric, &metric(it), &it.name);
        }
        if let Some(it) = after {
            self.by_period.entry(it.terms.period).or_default().insert(it.name.clone());
            self.by_age.insert((it.configured_at, it.name.clone()));
            self.by_metric.entry(metric(it)).or_default().insert(it.name.clone());
        }
    }
}
