//! Amazon CloudWatch, the part that is control state: alarms of metrics. Metrics themselves are data,
//! and answered by the gateway, which also evaluates alarms as `plan::alarms` says.
//!
//! Source: Amazon CloudWatch API Reference, version 2010-08-01.

mod alarms;
mod describe;
mod error;
mod put;
mod tags;
mod terms;
mod view;

pub use error::Error;

use shapes::cloudwatch as op;

use crate::Registry;

/// The operations of CloudWatch that are answered here.
pub fn registry() -> Registry {
    Registry::default()
        .write::<op::PutMetricAlarm, Error>(put::put_metric_alarm)
        .write::<op::DeleteAlarms, Error>(alarms::delete_alarms)
        .write::<op::SetAlarmState, Error>(alarms::set_alarm_state)
        .write::<op::EnableAlarmActions, Error>(alarms::enable_alarm_actions)
        .write::<op::DisableAlarmActions, Error>(alarms::disable_alarm_actions)
        .read::<op::DescribeAlarms, Error>(describe::describe_alarms)
        .read::<op::DescribeAlarmsForMetric, Error>(describe::describe_alarms_for_metric)
        .read::<op::ListTagsForResource, Error>(tags::list_tags_for_resource)
        .write::<op::TagResource, Error>(tags::tag_resource)
        .write::<op::UntagResource, Error>(tags::untag_resource)
}

#[cfg(test)]
mod tests;
