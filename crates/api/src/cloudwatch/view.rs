//! Alarms as the API shows them.

use shapes::cloudwatch as shape;
use state::{Alarm, AlarmState, State};

use crate::ecs::view::{spec, time};

/// An alarm in full.
pub(super) fn alarm(state: &State, row: &Alarm) -> shape::MetricAlarm {
    let Alarm {
        name,
        spec: asked,
        terms: _,
        state: standing,
        reason,
        reason_data,
        state_updated_at,
        state_changed_at,
        configured_at,
        tags: _,
    } = row;
    let it: shape::PutMetricAlarmInput = spec(asked);
    shape::MetricAlarm {
        alarm_name: Some(name.clone()),
        alarm_arn: Some(state.home().alarm(name)),
        alarm_description: it.alarm_description,
        alarm_configuration_updated_timestamp: Some(time(*configured_at)),
        actions_enabled: it.actions_enabled,
        ok_actions: Some(it.ok_actions.unwrap_or_default()),
        alarm_actions: Some(it.alarm_actions.unwrap_or_default()),
        insufficient_data_actions: Some(it.insufficient_data_actions.unwrap_or_default()),
        state_value: Some(value(*standing)),
        state_reason: Some(reason.clone()),
        state_reason_data: reason_data.clone(),
        state_updated_timestamp: Some(time(*state_updated_at)),
        state_transitioned_timestamp: Some(time(*state_changed_at)),
        metric_name: it.metric_name,
        namespace: it.namespace,
        statistic: it.statistic,
        dimensions: Some(it.dimensions.unwrap_or_default()),
        period: it.period,
        unit: it.unit,
        evaluation_periods: it.evaluation_periods,
        datapoints_to_alarm: it.datapoints_to_alarm,
        threshold: it.threshold,
        comparison_operator: it.comparison_operator,
        treat_missing_data: it.treat_missing_data,
        ..shape::MetricAlarm::default()
    }
}

fn value(state: AlarmState) -> shape::StateValue {
    match state {
        AlarmState::Ok => shape::StateValue::Ok,
        AlarmState::Alarm => shape::StateValue::Alarm,
        AlarmState::InsufficientData => shape::StateValue::InsufficientData,
    }
}
