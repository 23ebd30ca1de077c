//! Evaluates alarms: reads what their metrics have come to, and has written down what
//! `plan::alarms` makes of that.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use plan::alarms::{self, Finding};
use state::{Alarm, AlarmStatistic, AlarmTerms, Caller};
use store::Core;
use telemetry::metrics::{MetricError, MetricStore, Series, Statistics};
use types::Timestamp;

use super::with_unit;
use crate::LiveRegion;

/// How often it is looked whether alarms are due. Looking costs next to nothing when none is.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Findings of one write, each of which changes one row.
const WRITTEN_AT_ONCE: usize = 50;

/// Whoever evaluates alarms.
///
/// Level-triggered: after a restart every alarm is evaluated at once, so that nothing has to be
/// remembered of when each was last.
pub struct AlarmClock {
    region: Arc<LiveRegion>,
    looked_at: Option<Timestamp>,
    is_well: bool,
}

impl AlarmClock {
    /// One that has not begun.
    pub fn new(region: Arc<LiveRegion>) -> Self {
        Self { region, looked_at: None, is_well: true }
    }

    /// Works until it is dropped; being dropped anywhere leaves nothing half done.
    pub async fn work(mut self) {
        loop {
            self.turn().await;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// One turn: evaluates what is due. O(alarms due).
    pub(super) async fn turn(&mut self) {
        let last = self.looked_at;
        let due = move |core: &mut Core| {
            let (state, now) = (core.state(), core.now());
            let names = alarms::due(state, last, now);
            let rows = names.iter().filter_map(|it| state.alarms().get(it));
            (rows.cloned().collect::<Vec<_>>(), now)
        };
        // An overloaded writer is asked again: what is due stays due.
        let Some((due, now)) = self.region.ask(due).await else { return };
        self.looked_at = Some(now);
        if due.is_empty() {
            return;
        }
        let store = self.region.metrics.clone();
        let found = tokio::task::spawn_blocking(move || {
            let one = |it: &Arc<Alarm>| evaluate(&store, it, now).transpose();
            due.iter().filter_map(one).collect::<Result<Vec<_>, _>>()
        });
        match found.await {
            Ok(Ok(found)) => {
                self.is_well = true;
                self.write(found).await;
            }
            Ok(Err(error)) => self.trouble(&error),
            // The process ends: it takes no more blocking work.
            Err(_) => {}
        }
    }

    async fn write(&self, mut found: Vec<Finding>) {
        while !found.is_empty() {
            let rest = found.split_off(found.len().min(WRITTEN_AT_ONCE));
            let part = core::mem::replace(&mut found, rest);
            let write = move |core: &mut Core| {
                core.write(Caller::region(), 0, |draft, context| {
                    for it in part {
                        alarms::note(draft, it, context.now);
                    }
                });
            };
            if self.region.ask(write).await.is_none() {
                return;
            }
        }
    }

    /// Alarms stay as they are when their metrics cannot be read. Said once.
    fn trouble(&mut self, error: &MetricError) {
        if core::mem::replace(&mut self.is_well, false) {
            let source = &error.source;
            tracing::error!(%error, %source, "alarms cannot be evaluated and stay as they are");
        }
    }
}

/// What an alarm is found to be; `None` if it stays as it is.
fn evaluate(
    store: &MetricStore,
    alarm: &Alarm,
    now: Timestamp,
) -> Result<Option<Finding>, MetricError> {
    let (time, period) = alarms::window(&alarm.terms, now);
    let mut points: BTreeMap<i64, Statistics> = BTreeMap::new();
    for series in series_of(store, &alarm.terms) {
        for (at, statistics) in store.read(&series, time, period)? {
            points.entry(at).or_default().add(statistics);
        }
    }
    let value = |at: i64| points.get(&at).map(|it| of(alarm.terms.statistic, *it));
    Ok(alarms::evaluate(alarm, now, value))
}

/// The series that an alarm looks at: that of its unit; else those of every unit.
fn series_of(store: &MetricStore, terms: &AlarmTerms) -> Vec<Series> {
    let dimensions = terms.dimensions.clone();
    let named = Series::new(&terms.namespace, &terms.metric, dimensions, "");
    with_unit(store, &named, terms.unit.as_deref())
}

fn of(statistic: AlarmStatistic, it: Statistics) -> f64 {
    match statistic {
        AlarmStatistic::SampleCount => it.count,
        AlarmStatistic::Average => it.average(),
        AlarmStatistic::Sum => it.sum,
        AlarmStatistic::Minimum => it.min,
        AlarmStatistic::Maximum => it.max,
    }
}

#[cfg(test)]
mod tests;
