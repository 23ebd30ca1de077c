//! CloudWatch metrics: requests in, the metric store asked, answers out; and what balancers and
//! agents have measured, put into it.
//!
//! The metric store is data, not control state, so these calls do not pass the writer.

mod alarms;
mod balancers;
mod data;
mod list;
mod put;
mod statistics;
mod tasks;

use shapes::{Constraint, Operation, Shape, cloudwatch as op};
use telemetry::metrics::{MetricError, MetricStore, Series};
use types::{Home, Timestamp};
use wire::{Fault, Incoming, Route};

pub use alarms::AlarmClock;
pub(crate) use balancers::put_counted;
pub(crate) use tasks::{put_used, used};

/// What a call needs.
pub(crate) struct Desk<'a> {
    pub(crate) home: &'a Home,
    pub(crate) store: &'a MetricStore,
    pub(crate) now: Timestamp,
}

/// What a call comes to.
pub(crate) type Outcome = Result<Box<dyn Shape + Send>, Fault>;

/// The operations that are answered here.
pub fn registry() -> api::Registry {
    api::Registry::default()
        .call::<op::GetMetricData>()
        .call::<op::GetMetricStatistics>()
        .call::<op::ListMetrics>()
        .call::<op::PutMetricData>()
}

/// Answers a call; `None` if it is not one of these.
pub(crate) fn answer(desk: &Desk<'_>, route: &Route, incoming: &Incoming<'_>) -> Option<Outcome> {
    let outcome = match route.operation.name {
        op::GetMetricData::NAME => {
            run::<op::GetMetricData>(route, incoming, |it| data::get(desk, it))
        }
        op::GetMetricStatistics::NAME => {
            run::<op::GetMetricStatistics>(route, incoming, |it| statistics::get(desk, it))
        }
        op::ListMetrics::NAME => run::<op::ListMetrics>(route, incoming, |it| list::list(desk, it)),
        op::PutMetricData::NAME => {
            run::<op::PutMetricData>(route, incoming, |it| put::put(desk, it))
        }
        _ => return None,
    };
    Some(outcome)
}

fn run<O: Operation<Output: Send + 'static>>(
    route: &Route,
    incoming: &Incoming<'_>,
    answer: impl FnOnce(O::Input) -> Result<O::Output, Fault>,
) -> Outcome {
    let mut input = O::Input::default();
    route
        .decode_into(incoming, &mut input)
        .map_err(|error| Fault::unreadable(route.protocol, &error))?;
    let violations = shapes::validate(&input);
    let missing = violations.iter().find(|it| it.constraint == Constraint::NotNull);
    if let Some(missing) = missing {
        let message = format!("The parameter {} is required.", capitals(&missing.path));
        return Err(Fault::new("MissingParameter", message));
    }
    if !violations.is_empty() {
        return Err(Fault::new("ValidationError", shapes::validation_message(&violations)));
    }
    answer(input).map(|output| Box::new(output) as Box<dyn Shape + Send>)
}

/// A path as these operations tell it: every member begins with a capital.
fn capitals(path: &str) -> String {
    let capital = |part: &str| match part.chars().next() {
        Some(first) if part != "member" => {
            first.to_ascii_uppercase().to_string()
                + part.get(first.len_utf8()..).unwrap_or_default()
        }
        _ => part.to_owned(),
    };
    path.split('.').map(capital).collect::<Vec<_>>().join(".")
}

fn value(message: impl Into<String>) -> Fault {
    Fault::new("InvalidParameterValue", message)
}

fn combination(message: impl Into<String>) -> Fault {
    Fault::new("InvalidParameterCombination", message)
}

fn fault(error: &MetricError) -> Fault {
    tracing::error!(%error, source = %error.source, "the metric store cannot reach its disk");
    Fault::new("InternalServiceError", "The metric store is not available.").with_status(500)
}

fn pairs(dimensions: Option<Vec<op::Dimension>>) -> impl Iterator<Item = (String, String)> {
    let pair = |it: op::Dimension| (it.name.unwrap_or_default(), it.value.unwrap_or_default());
    dimensions.unwrap_or_default().into_iter().map(pair)
}

/// The series of a metric that a question is about: that of the unit that it names; else those of
/// every unit.
fn series_of(
    desk: &Desk<'_>,
    (namespace, metric): (&str, &str),
    dimensions: Option<Vec<op::Dimension>>,
    unit: Option<&op::StandardUnit>,
) -> Vec<Series> {
    let named = Series::new(namespace, metric, pairs(dimensions), "");
    with_unit(desk.store, &named, unit.map(op::StandardUnit::as_str))
}

/// The series that differ from one in nothing but their unit: that of the unit, or of every one.
fn with_unit(store: &MetricStore, named: &Series, unit: Option<&str>) -> Vec<Series> {
    let with = |unit: &str| Series { unit: unit.to_owned(), ..named.clone() };
    if let Some(unit) = unit {
        return vec![with(unit)];
    }
    let listed = store.in_every_unit(named);
    if listed.is_empty() {
        // Silent for two weeks: what it has left is still found by name.
        return op::StandardUnit::KNOWN.iter().map(|it| with(it)).collect();
    }
    listed
}

/// Whether CloudWatch adds up over so many seconds.
fn is_period(seconds: i64) -> bool {
    matches!(seconds, 1 | 5 | 10 | 20 | 30) || seconds % 60 == 0
}

/// Seconds since 1970.
fn seconds(time: Option<shapes::Timestamp>) -> i64 {
    time.map_or(0, |it| it.0.div_euclid(1000))
}

fn timestamp(seconds: i64) -> shapes::Timestamp {
    shapes::Timestamp(seconds.saturating_mul(1000))
}

#[cfg(test)]
mod tests;
