//! `DescribeAlarms`, `DescribeAlarmsForMetric`.

use std::sync::Arc;

use shapes::cloudwatch as shape;
use state::{Alarm, Context, State};

use super::alarms::state as parse_state;
use super::terms::dimensions;
use super::{Error, view};
use crate::page::{Page, PageError, Sizes};

/// Alarms of a page. Source: CloudWatch API Reference, `DescribeAlarms`.
const SIZES: Sizes = Sizes { default: 50, min: 1, max: 100 };

/// `DescribeAlarms`: by names, or by the beginning of them, in order of names; names that nobody has
/// are passed over. There are no composite alarms.
///
/// # Errors
///
/// [`Error::InvalidNextToken`]; [`Error::InvalidParameterCombination`] for names and a beginning at
/// once; [`Error::InvalidParameterValue`] for a bad state or size.
pub(super) fn describe_alarms(
    state: &State,
    ask: shape::DescribeAlarmsInput,
    _: &Context<'_>,
) -> Result<shape::DescribeAlarmsOutput, Error> {
    let names = ask.alarm_names.filter(|it| !it.is_empty());
    let prefix = ask.alarm_name_prefix.unwrap_or_default();
    if names.is_some() && !prefix.is_empty() {
        return Err(Error::InvalidParameterCombination(
            "AlarmNamePrefix and AlarmNames are mutually exclusive.".into(),
        ));
    }
    let standing = ask.state_value.as_ref().map(|it| parse_state(Some(it))).transpose()?;
    let scope = format!("DescribeAlarms {names:?} {prefix:?} {standing:?} {:?}", ask.action_prefix);
    let page = Page::parse(scope, ask.next_token.as_deref(), ask.max_records, SIZES);
    let page = page.map_err(|error| match error {
        PageError::Token => Error::InvalidNextToken,
        PageError::Size(_) => Error::value("The parameter MaxRecords must be between 1 and 100."),
    })?;
    // Composite alarms have children and parents, and none of these alarms has an action.
    let is_other = ask.children_of_alarm_name.is_some()
        || ask.parents_of_alarm_name.is_some()
        || ask.action_prefix.is_some()
        || ask
            .alarm_types
            .is_some_and(|it| !it.is_empty() && !it.contains(&shape::AlarmType::MetricAlarm));
    let after = page.after().unwrap_or_default().to_owned();
    let from = if after > prefix { after.clone() } else { prefix.clone() };
    let is_wanted = |it: &&Arc<Alarm>| {
        !is_other
            && it.name > after
            && names.as_ref().is_none_or(|names| names.contains(&it.name))
            && standing.is_none_or(|standing| standing == it.state)
    };
    let rows = state.alarms().range(from..).map(|it| it.1);
    let rows = rows.take_while(|it| it.name.starts_with(&prefix)).filter(is_wanted);
    let (rows, next_token) = page.cut(rows, |it| it.name.clone());
    Ok(shape::DescribeAlarmsOutput {
        metric_alarms: Some(rows.into_iter().map(|it| view::alarm(state, it)).collect()),
        composite_alarms: Some(Vec::new()),
        log_alarms: None,
        next_token,
    })
}

/// `DescribeAlarmsForMetric`: those of exactly this metric. O(alarms of the metric's name).
///
/// # Errors
///
/// [`Error::InvalidParameterValue`] for a dimension that comes twice.
pub(super) fn describe_alarms_for_metric(
    state: &State,
    ask: shape::DescribeAlarmsForMetricInput,
    _: &Context<'_>,
) -> Result<shape::DescribeAlarmsForMetricOutput, Error> {
    let namespace = ask.namespace.unwrap_or_default();
    let metric = ask.metric_name.unwrap_or_default();
    let dimensions = dimensions(ask.dimensions.as_deref())?;
    let found = state.indexes().alarms_of(&namespace, &metric);
    let found = found.filter_map(|it| state.alarms().get(it));
    let shown =
        found.filter(|it| it.terms.dimensions == dimensions).map(|it| view::alarm(state, it));
    let wanted = |it: &shape::MetricAlarm| {
        ask.extended_statistic.is_none()
            && ask.period.is_none_or(|wanted| Some(wanted) == it.period)
            && ask.statistic.as_ref().is_none_or(|wanted| Some(wanted) == it.statistic.as_ref())
            && ask.unit.as_ref().is_none_or(|wanted| Some(wanted) == it.unit.as_ref())
    };
    Ok(shape::DescribeAlarmsForMetricOutput { metric_alarms: Some(shown.filter(wanted).collect()) })
}
