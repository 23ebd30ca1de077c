//! `PutMetricData`.

use shapes::Empty;
use shapes::cloudwatch as shape;
use telemetry::metrics::{Resolution, Sample, Series, Statistics};
use types::Timestamp;
use wire::Fault;

use super::{Desk, combination, fault, pairs, value};

/// Most metrics of a request. Source: CloudWatch API Reference, `PutMetricData`.
const METRICS_MAX: usize = 1000;
/// Most values of a metric. Source: as above.
const VALUES_MAX: usize = 150;
/// Values further from zero than 2 to the power of this are refused. Source: as above.
const EXPONENT_MAX: i32 = 360;
const HOUR: i64 = 60 * 60 * 1000;
/// Older samples are refused, in milliseconds. Source: as above.
const OLDEST: i64 = 14 * 24 * HOUR;
/// Samples further ahead are refused, in milliseconds. Source: as above.
const NEWEST: i64 = 2 * HOUR;

pub(super) fn put(desk: &Desk<'_>, ask: shape::PutMetricDataInput) -> Result<Empty, Fault> {
    let namespace = ask.namespace.unwrap_or_default();
    if namespace.starts_with("AWS/") {
        return Err(value(format!("The value {namespace} for parameter Namespace is invalid.")));
    }
    if ask.entity_metric_data.is_some_and(|it| !it.is_empty()) {
        return Err(value("The parameter EntityMetricData is not supported by Landfall."));
    }
    let data = ask.metric_data.unwrap_or_default();
    if data.is_empty() {
        return Err(Fault::new("MissingParameter", "The parameter MetricData is required."));
    }
    if data.len() > METRICS_MAX {
        let message =
            format!("The collection MetricData must not have a size greater than {METRICS_MAX}.");
        return Err(value(message));
    }
    let samples = (1..)
        .zip(data)
        .map(|(number, it)| {
            sample(&namespace, it, desk.now, &format!("MetricData.member.{number}"))
        })
        .collect::<Result<Vec<_>, _>>()?;
    desk.store.put(&samples, desk.now.0).map_err(|error| fault(&error))?;
    Ok(Empty)
}

fn sample(
    namespace: &str,
    datum: shape::MetricDatum,
    now: Timestamp,
    place: &str,
) -> Result<Sample, Fault> {
    let statistics = statistics(&datum, place)?;
    let at = datum.timestamp.map_or(now.0, |it| it.0);
    let resolution = match datum.storage_resolution {
        None | Some(60) => Resolution::Minute,
        Some(1) => Resolution::Second,
        Some(other) => {
            let message =
                format!("The value {other} for parameter {place}.StorageResolution is invalid.");
            return Err(value(message));
        }
    };
    if at < now.0 - OLDEST {
        let message = format!(
            "The parameter {place}.Timestamp must specify a time no more than two weeks in the past."
        );
        return Err(value(message));
    }
    if at > now.0 + NEWEST {
        let message = format!(
            "The parameter {place}.Timestamp must specify a time no more than two hours in the future."
        );
        return Err(value(message));
    }
    let unit = datum.unit.unwrap_or(shape::StandardUnit::None);
    let metric = datum.metric_name.unwrap_or_default();
    let series = Series::new(namespace, &metric, pairs(datum.dimensions), unit.as_str());
    Ok(Sample { series, at, resolution, statistics })
}

/// What a datum comes to, in whichever of the three ways it is told.
fn statistics(datum: &shape::MetricDatum, place: &str) -> Result<Statistics, Fault> {
    let values = datum.values.as_deref().filter(|it| !it.is_empty());
    let told = [
        ("Value", datum.value.is_some()),
        ("Values", values.is_some()),
        ("StatisticValues", datum.statistic_values.is_some()),
    ];
    let mut told = told.iter().filter(|it| it.1).map(|it| it.0);
    match (told.next(), told.next()) {
        (None, _) => {
            return Err(combination("At least one of the parameters must be specified."));
        }
        (Some(one), Some(other)) => {
            return Err(combination(format!(
                "The parameters {place}.{one} and {place}.{other} are mutually exclusive and you \
                 have specified both."
            )));
        }
        (Some(_), None) => {}
    }
    if let Some(set) = &datum.statistic_values {
        return of_set(set, place);
    }
    match values {
        Some(values) => of_values(values, datum.counts.as_deref(), place),
        None => number(datum.value, place, "Value").map(Statistics::of),
    }
}

fn of_set(set: &shape::StatisticSet, place: &str) -> Result<Statistics, Fault> {
    let member = |it, name: &str| number(it, place, &format!("StatisticValues.{name}"));
    let statistics = Statistics {
        count: member(set.sample_count, "SampleCount")?,
        sum: member(set.sum, "Sum")?,
        min: member(set.minimum, "Minimum")?,
        max: member(set.maximum, "Maximum")?,
    };
    if statistics.min > statistics.max {
        return Err(combination(format!(
            "The parameter {place}.StatisticValues.Minimum must be less than or equal to the \
             parameter {place}.StatisticValues.Maximum."
        )));
    }
    if statistics.count <= 0.0 {
        let count = statistics.count;
        return Err(value(format!(
            "The value {count} for parameter {place}.StatisticValues.SampleCount is invalid."
        )));
    }
    Ok(statistics)
}

fn of_values(values: &[f64], counts: Option<&[f64]>, place: &str) -> Result<Statistics, Fault> {
    if values.len() > VALUES_MAX {
        return Err(value(format!(
            "The collection {place}.Values must not have a size greater than {VALUES_MAX}."
        )));
    }
    if counts.is_some_and(|it| it.len() != values.len()) {
        return Err(value(format!(
            "The parameters {place}.Values and {place}.Counts must be of the same size."
        )));
    }
    let counts = counts.unwrap_or_default().iter().copied().chain(core::iter::repeat(1.0));
    let mut all = Statistics::default();
    for (one, count) in values.iter().zip(counts) {
        let one = number(Some(*one), place, "Values")?;
        let count = number(Some(count), place, "Counts")?;
        if count < 0.0 {
            return Err(value(format!(
                "The value {count} for parameter {place}.Counts is invalid."
            )));
        }
        if count > 0.0 {
            all.add(Statistics { count, sum: one * count, min: one, max: one });
        }
    }
    if all.count > 0.0 {
        return Ok(all);
    }
    Err(value(format!("The parameter {place}.Counts must not be zero throughout.")))
}

fn number(told: Option<f64>, place: &str, name: &str) -> Result<f64, Fault> {
    let number = told.unwrap_or(f64::NAN);
    if number.abs() <= 2_f64.powi(EXPONENT_MAX) {
        return Ok(number);
    }
    Err(value(format!("The value {number} for parameter {place}.{name} is invalid.")))
}
