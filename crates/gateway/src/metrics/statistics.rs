//! `GetMetricStatistics`.

use shapes::cloudwatch as shape;
use telemetry::metrics::Statistics;
use wire::Fault;

use super::{Desk, combination, fault, is_period, seconds, series_of, timestamp, value};

/// Most data points of an answer. Source: CloudWatch API Reference, `GetMetricStatistics`.
const POINTS_MAX: i64 = 1440;
const DAY: i64 = 24 * 60 * 60;

pub(super) fn get(
    desk: &Desk<'_>,
    ask: shape::GetMetricStatisticsInput,
) -> Result<shape::GetMetricStatisticsOutput, Fault> {
    let period = i64::from(ask.period.unwrap_or_default());
    let (from, to) = (seconds(ask.start_time), seconds(ask.end_time));
    let wanted = ask.statistics.unwrap_or_default();
    check((from, to), period, &wanted, ask.extended_statistics.as_deref())?;
    let from = rounded(from, period, desk.now.0 / 1000);
    let metric = ask.metric_name.unwrap_or_default();
    let named = (ask.namespace.as_deref().unwrap_or_default(), metric.as_str());
    let mut points = Vec::new();
    for series in series_of(desk, named, ask.dimensions, ask.unit.as_ref()) {
        let found = desk.store.read(&series, (from, to), period).map_err(|error| fault(&error))?;
        let unit = shape::StandardUnit::from(series.unit.as_str());
        points.extend(found.into_iter().map(|(at, it)| point(at, it, &wanted, &unit)));
    }
    Ok(shape::GetMetricStatisticsOutput { datapoints: Some(points), label: Some(metric) })
}

fn check(
    (from, to): (i64, i64),
    period: i64,
    wanted: &[shape::Statistic],
    extended: Option<&[String]>,
) -> Result<(), Fault> {
    if extended.is_some_and(|it| !it.is_empty()) {
        // Differs: percentiles need each value, and the store keeps sums, least and greatest.
        return Err(value("The parameter ExtendedStatistics is not supported by Landfall."));
    }
    if wanted.is_empty() {
        return Err(combination("Must specify either Statistics or ExtendedStatistics"));
    }
    if from == to {
        return Err(value("The parameter StartTime must not equal parameter EndTime."));
    }
    if from > to {
        return Err(value("The parameter StartTime must be less than the parameter EndTime."));
    }
    if !is_period(period) {
        return Err(value(format!("The value {period} for parameter Period is invalid.")));
    }
    let points = (to - from + period - 1) / period;
    if points > POINTS_MAX {
        return Err(combination(format!(
            "You have requested up to {} datapoints, which exceeds the limit of {}. You may reduce \
             the datapoints requested by increasing Period, or decreasing the time range.",
            with_commas(points),
            with_commas(POINTS_MAX),
        )));
    }
    Ok(())
}

/// The beginning of the first period. Source: CloudWatch API Reference, `GetMetricStatistics`,
/// `StartTime`.
fn rounded(from: i64, period: i64, now: i64) -> i64 {
    let step = match now - from {
        _ if period < 60 => period,
        age if age < 15 * DAY => 60,
        age if age < 63 * DAY => 5 * 60,
        _ => 60 * 60,
    };
    from.div_euclid(step) * step
}

fn with_commas(number: i64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn point(
    at: i64,
    it: Statistics,
    wanted: &[shape::Statistic],
    unit: &shape::StandardUnit,
) -> shape::Datapoint {
    let asked = |name: &shape::Statistic, value: f64| wanted.contains(name).then_some(value);
    shape::Datapoint {
        average: asked(&shape::Statistic::Average, it.average()),
        maximum: asked(&shape::Statistic::Maximum, it.max),
        minimum: asked(&shape::Statistic::Minimum, it.min),
        sample_count: asked(&shape::Statistic::SampleCount, it.count),
        sum: asked(&shape::Statistic::Sum, it.sum),
        timestamp: Some(timestamp(at)),
        unit: Some(unit.clone()),
        extended_statistics: None,
    }
}
