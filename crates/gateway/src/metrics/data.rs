//! `GetMetricData`: many metrics in one answer, each in one statistic.

use std::collections::{BTreeMap, BTreeSet};

use shapes::cloudwatch as shape;
use telemetry::metrics::Statistics;
use wire::Fault;

use super::{Desk, fault, is_period, seconds, series_of, timestamp};

/// Most queries of a request. Source: CloudWatch API Reference, `GetMetricData`.
const QUERIES_MAX: usize = 500;
/// Most data points of an answer; the rest comes with the next page. Source: as above.
const POINTS_MAX: usize = 100_800;

/// A query of a request, checked.
struct Query {
    id: String,
    label: String,
    metric: shape::Metric,
    period: i64,
    statistic: shape::Statistic,
    unit: Option<shape::StandardUnit>,
}

pub(super) fn get(
    desk: &Desk<'_>,
    ask: shape::GetMetricDataInput,
) -> Result<shape::GetMetricDataOutput, Fault> {
    let time = (seconds(ask.start_time), seconds(ask.end_time));
    if time.0 >= time.1 {
        return Err(refused("The parameter StartTime must be less than the parameter EndTime."));
    }
    let room = match ask.max_datapoints {
        None => POINTS_MAX,
        Some(it) => usize::try_from(it)
            .ok()
            .filter(|it| (1..=POINTS_MAX).contains(it))
            .ok_or_else(|| refused(format!("MaxDatapoints must be between 1 and {POINTS_MAX}.")))?,
    };
    let (first, behind) = match ask.next_token.as_deref().filter(|it| !it.is_empty()) {
        Some(token) => place(token)?,
        None => (0, 0),
    };
    let is_ascending = ask.scan_by == Some(shape::ScanBy::TimestampAscending);
    let queries = queries(ask.metric_data_queries.unwrap_or_default())?;
    let mut answer = Answer { room, results: Vec::new(), next: None };
    for (number, query) in queries.into_iter().enumerate().skip(first) {
        let mut points: Vec<(i64, f64)> = read(desk, &query, time)?
            .into_iter()
            .map(|(at, it)| (at, of(&query.statistic, it)))
            .collect();
        if !is_ascending {
            points.reverse();
        }
        let behind = if number == first { behind } else { 0 };
        if !answer.add(number, query, &points, behind) {
            break;
        }
    }
    Ok(shape::GetMetricDataOutput {
        messages: Some(Vec::new()),
        metric_data_results: Some(answer.results),
        next_token: answer.next,
    })
}

/// A page that fills.
struct Answer {
    room: usize,
    results: Vec<shape::MetricDataResult>,
    next: Option<String>,
}

impl Answer {
    /// Adds the points of a query behind the first so many; `false` if the page is full.
    fn add(&mut self, number: usize, query: Query, points: &[(i64, f64)], behind: usize) -> bool {
        let rest = points.get(behind..).unwrap_or_default();
        let taken = rest.get(..self.room.min(rest.len())).unwrap_or_default();
        self.room -= taken.len();
        let is_whole = taken.len() == rest.len();
        if !is_whole {
            self.next = Some(format!("{number}.{}", behind + taken.len()));
        }
        let status = match is_whole {
            true => shape::StatusCode::Complete,
            false => shape::StatusCode::PartialData,
        };
        self.results.push(shape::MetricDataResult {
            id: Some(query.id),
            label: Some(query.label),
            messages: None,
            status_code: Some(status),
            timestamps: Some(taken.iter().map(|it| timestamp(it.0)).collect()),
            values: Some(taken.iter().map(|it| it.1).collect()),
        });
        is_whole
    }
}

fn place(token: &str) -> Result<(usize, usize), Fault> {
    let parse = || {
        let (query, behind) = token.split_once('.')?;
        Some((query.parse().ok()?, behind.parse().ok()?))
    };
    parse().ok_or_else(|| Fault::new("InvalidNextToken", "The next token is invalid."))
}

fn queries(asked: Vec<shape::MetricDataQuery>) -> Result<Vec<Query>, Fault> {
    if asked.is_empty() || asked.len() > QUERIES_MAX {
        return Err(refused(format!(
            "The collection MetricDataQueries must have a size between 1 and {QUERIES_MAX}."
        )));
    }
    let mut ids = BTreeSet::new();
    let mut all = Vec::new();
    for (number, ask) in (1..).zip(asked) {
        let is_returned = ask.return_data.unwrap_or(true);
        let query = query(ask, &format!("MetricDataQueries.member.{number}"))?;
        if !ids.insert(query.id.clone()) {
            return Err(refused(format!(
                "The values for parameter Id in MetricDataQueries are not unique: {}.",
                query.id
            )));
        }
        if is_returned {
            all.push(query);
        }
    }
    Ok(all)
}

fn query(ask: shape::MetricDataQuery, place: &str) -> Result<Query, Fault> {
    let id = ask.id.unwrap_or_default();
    let is_word = |it: char| it.is_ascii_alphanumeric() || it == '_';
    if !id.starts_with(|it: char| it.is_ascii_lowercase()) || !id.chars().all(is_word) {
        return Err(refused(format!(
            "The value {id} for parameter {place}.Id is not matching the expected pattern \
             ^[a-z][a-zA-Z0-9_]*$."
        )));
    }
    if ask.expression.is_some() {
        return Err(refused(format!(
            "The parameter {place}.Expression is not supported by Landfall: ask for metrics."
        )));
    }
    let Some(asked) = ask.metric_stat else {
        return Err(refused(format!(
            "The parameter {place}.MetricStat is required when {place}.Expression is not given."
        )));
    };
    let period = i64::from(asked.period.unwrap_or_default());
    if !is_period(period) {
        return Err(refused(format!(
            "The value {period} for parameter {place}.MetricStat.Period is invalid."
        )));
    }
    let statistic = match shape::Statistic::from(asked.stat.unwrap_or_default()) {
        // Differs: percentiles and trimmed means need each value, which the store does not keep.
        shape::Statistic::Other(other) => {
            return Err(refused(format!(
                "The value {other} for parameter {place}.MetricStat.Stat is not supported."
            )));
        }
        known => known,
    };
    let metric = asked.metric.unwrap_or_default();
    if metric.namespace.is_none() || metric.metric_name.is_none() {
        return Err(refused(format!(
            "The parameters {place}.MetricStat.Metric.Namespace and MetricName are required."
        )));
    }
    let label = ask.label.or_else(|| metric.metric_name.clone()).unwrap_or_default();
    Ok(Query { id, label, metric, period, statistic, unit: asked.unit })
}

/// What a metric comes to in each period; periods begin at multiples of their length.
fn read(
    desk: &Desk<'_>,
    query: &Query,
    (from, to): (i64, i64),
) -> Result<BTreeMap<i64, Statistics>, Fault> {
    let shape::Metric { namespace, metric_name, dimensions } = query.metric.clone();
    let named =
        (namespace.as_deref().unwrap_or_default(), metric_name.as_deref().unwrap_or_default());
    let from = from.div_euclid(query.period) * query.period;
    let mut all: BTreeMap<i64, Statistics> = BTreeMap::new();
    for series in series_of(desk, named, dimensions, query.unit.as_ref()) {
        let found = desk.store.read(&series, (from, to), query.period);
        for (at, statistics) in found.map_err(|error| fault(&error))? {
            all.entry(at).or_default().add(statistics);
        }
    }
    Ok(all)
}

fn of(statistic: &shape::Statistic, it: Statistics) -> f64 {
    match statistic {
        shape::Statistic::SampleCount => it.count,
        shape::Statistic::Sum => it.sum,
        shape::Statistic::Minimum => it.min,
        shape::Statistic::Maximum => it.max,
        shape::Statistic::Average | shape::Statistic::Other(_) => it.average(),
    }
}

fn refused(message: impl Into<String>) -> Fault {
    Fault::new("ValidationError", message)
}
