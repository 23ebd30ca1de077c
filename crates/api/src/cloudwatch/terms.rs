//! What an alarm looks at and when it goes off, read from its spec.

use core::time::Duration;
use std::collections::BTreeMap;

use shapes::cloudwatch as shape;
use state::{AlarmStatistic, AlarmTerms, Comparison, MissingData};

use super::Error;

/// All periods of an alarm together: a week, in seconds. Source: CloudWatch API Reference,
/// `PutMetricAlarm`.
const SPAN_MAX: i64 = 7 * 24 * 60 * 60;
/// Those of an alarm with a period of less than an hour: a day, in seconds. Source: as above.
const SHORT_SPAN_MAX: i64 = 24 * 60 * 60;
const HOUR: i64 = 60 * 60;

/// Reads what an alarm looks at.
///
/// # Errors
///
/// [`Error::MissingParameter`], [`Error::InvalidParameterValue`],
/// [`Error::InvalidParameterCombination`] for what cannot be an alarm; [`Error::Unsupported`] for one
/// that cannot be evaluated here.
pub(super) fn parse(ask: &shape::PutMetricAlarmInput) -> Result<AlarmTerms, Error> {
    refuse(ask)?;
    let metric = ask.metric_name.clone().ok_or(Error::MissingParameter("MetricName"))?;
    let namespace = ask.namespace.clone().ok_or(Error::MissingParameter("Namespace"))?;
    let statistic = statistic(ask.statistic.as_ref())?;
    let period = i64::from(ask.period.ok_or(Error::MissingParameter("Period"))?);
    let periods = ask.evaluation_periods.ok_or(Error::MissingParameter("EvaluationPeriods"))?;
    let threshold = ask.threshold.ok_or(Error::MissingParameter("Threshold"))?;
    let comparison = comparison(ask.comparison_operator.as_ref())?;
    span(period, i64::from(periods))?;
    let breaches = ask.datapoints_to_alarm.unwrap_or(periods);
    if breaches < 1 || breaches > periods {
        return Err(Error::value(
            "The parameter DatapointsToAlarm must be between 1 and EvaluationPeriods.",
        ));
    }
    if !threshold.is_finite() {
        return Err(Error::value("The parameter Threshold must be a finite number."));
    }
    let positive = |it: i32| u32::try_from(it).unwrap_or(1);
    Ok(AlarmTerms {
        namespace,
        metric,
        dimensions: dimensions(ask.dimensions.as_deref())?,
        unit: ask.unit.as_ref().map(|it| it.as_str().to_owned()),
        statistic,
        period: Duration::from_secs(period.unsigned_abs()),
        periods: positive(periods),
        breaches: positive(breaches),
        threshold,
        comparison,
        missing: missing(ask.treat_missing_data.as_deref())?,
    })
}

/// Refuses what alarms cannot do here yet: each would be an alarm that never does what it says.
fn refuse(ask: &shape::PutMetricAlarmInput) -> Result<(), Error> {
    let has = |it: &Option<Vec<String>>| it.as_ref().is_some_and(|it| !it.is_empty());
    if has(&ask.alarm_actions) || has(&ask.ok_actions) || has(&ask.insufficient_data_actions) {
        return Err(Error::Unsupported("Actions of alarms"));
    }
    if ask.metrics.as_ref().is_some_and(|it| !it.is_empty()) {
        return Err(Error::Unsupported("Alarms of metric math expressions"));
    }
    if ask.threshold_metric_id.is_some() {
        return Err(Error::Unsupported("Alarms of anomaly detection models"));
    }
    if ask.extended_statistic.is_some() || ask.evaluate_low_sample_count_percentile.is_some() {
        return Err(Error::Unsupported("Percentile statistics of alarms"));
    }
    let has_more = ask.evaluation_criteria.is_some()
        || ask.evaluation_interval.is_some()
        || ask.evaluation_window.is_some()
        || ask.warm_up_configuration.is_some()
        || ask.action_configuration.is_some();
    if has_more {
        return Err(Error::Unsupported("Evaluation criteria, intervals and windows of alarms"));
    }
    Ok(())
}

fn statistic(asked: Option<&shape::Statistic>) -> Result<AlarmStatistic, Error> {
    match asked {
        None => Err(Error::MissingParameter("Statistic")),
        Some(shape::Statistic::SampleCount) => Ok(AlarmStatistic::SampleCount),
        Some(shape::Statistic::Average) => Ok(AlarmStatistic::Average),
        Some(shape::Statistic::Sum) => Ok(AlarmStatistic::Sum),
        Some(shape::Statistic::Minimum) => Ok(AlarmStatistic::Minimum),
        Some(shape::Statistic::Maximum) => Ok(AlarmStatistic::Maximum),
        Some(shape::Statistic::Other(it)) => {
            Err(Error::value(format!("The value {it} for parameter Statistic is invalid.")))
        }
    }
}

fn comparison(asked: Option<&shape::ComparisonOperator>) -> Result<Comparison, Error> {
    use shape::ComparisonOperator as Operator;
    match asked {
        None => Err(Error::MissingParameter("ComparisonOperator")),
        Some(Operator::GreaterThanOrEqualToThreshold) => Ok(Comparison::AtLeast),
        Some(Operator::GreaterThanThreshold) => Ok(Comparison::Above),
        Some(Operator::LessThanThreshold) => Ok(Comparison::Below),
        Some(Operator::LessThanOrEqualToThreshold) => Ok(Comparison::AtMost),
        Some(
            Operator::LessThanLowerOrGreaterThanUpperThreshold
            | Operator::LessThanLowerThreshold
            | Operator::GreaterThanUpperThreshold,
        ) => Err(Error::Unsupported("Alarms of anomaly detection models")),
        Some(Operator::Other(it)) => Err(Error::value(format!(
            "The value {it} for parameter ComparisonOperator is invalid."
        ))),
    }
}

fn missing(asked: Option<&str>) -> Result<MissingData, Error> {
    match asked {
        None | Some("missing") => Ok(MissingData::Missing),
        Some("ignore") => Ok(MissingData::Ignore),
        Some("breaching") => Ok(MissingData::Breaching),
        Some("notBreaching") => Ok(MissingData::NotBreaching),
        Some(it) => {
            Err(Error::value(format!("The value {it} for parameter TreatMissingData is invalid.")))
        }
    }
}

fn span(period: i64, periods: i64) -> Result<(), Error> {
    if !matches!(period, 10 | 20 | 30) && (period < 60 || period % 60 != 0) {
        return Err(Error::value("The parameter Period must be 10, 20, 30 or a multiple of 60."));
    }
    let most = if period < HOUR { SHORT_SPAN_MAX } else { SPAN_MAX };
    if periods < 1 || period.saturating_mul(periods) > most {
        return Err(Error::value(format!(
            "Metrics cannot be checked across more than {} (EvaluationPeriods * Period must be <= \
             {most}).",
            if most == SPAN_MAX { "seven days" } else { "a day" },
        )));
    }
    Ok(())
}

/// Names and values. A name comes once.
pub(super) fn dimensions(
    asked: Option<&[shape::Dimension]>,
) -> Result<BTreeMap<String, String>, Error> {
    let mut all = BTreeMap::new();
    for it in asked.unwrap_or_default() {
        let (name, value) = (it.name.clone().unwrap_or_default(), it.value.clone());
        if all.insert(name.clone(), value.unwrap_or_default()).is_some() {
            return Err(Error::value(format!("The dimension {name} is given twice.")));
        }
    }
    Ok(all)
}
