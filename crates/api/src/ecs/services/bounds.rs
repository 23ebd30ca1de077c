//! How far a deployment may go, and what stops it: `deploymentConfiguration`.

use shapes::ecs as shape;
use state::{Breaker, DeploymentAlarms, Scheduling, Switch, Threshold};

use crate::ecs::Error;

/// Percentages of a service that names none, by scheduling strategy: minimum and maximum. Source:
/// handbook 5.1.
const REPLICA_PERCENTS: (i32, i32) = (100, 200);
const DAEMON_PERCENTS: (i32, i32) = (0, 100);
/// The percentage that stands for a full threshold. Source: handbook 5.7.
const THRESHOLD_PERCENT: u32 = 50;

/// Most alarms of a deployment, so that looking at a service stays cheap. AWS names no bound.
const ALARMS_MAX: usize = 50;
/// Longest name of an alarm. Source: CloudWatch API Reference, `PutMetricAlarm`.
const ALARM_NAME_MAX: usize = 255;

/// The settings with their defaults filled in.
pub(super) fn complete(
    given: Option<shape::DeploymentConfiguration>,
    scheduling: Scheduling,
) -> shape::DeploymentConfiguration {
    let given = given.unwrap_or_default();
    let (minimum, maximum) = match scheduling {
        Scheduling::Replica => REPLICA_PERCENTS,
        Scheduling::Daemon => DAEMON_PERCENTS,
    };
    let off = shape::DeploymentCircuitBreaker {
        enable: Some(false),
        rollback: Some(false),
        ..Default::default()
    };
    shape::DeploymentConfiguration {
        minimum_healthy_percent: given.minimum_healthy_percent.or(Some(minimum)),
        maximum_percent: given.maximum_percent.or(Some(maximum)),
        deployment_circuit_breaker: given.deployment_circuit_breaker.clone().or(Some(off)),
        strategy: given.strategy.clone().or(Some(shape::DeploymentStrategy::Rolling)),
        bake_time_in_minutes: given.bake_time_in_minutes.or(Some(0)),
        ..given
    }
}

/// What an update changes: parts that it does not name stay.
pub(super) fn merged(
    before: shape::DeploymentConfiguration,
    given: shape::DeploymentConfiguration,
) -> shape::DeploymentConfiguration {
    shape::DeploymentConfiguration {
        alarms: given.alarms.or(before.alarms),
        bake_time_in_minutes: given.bake_time_in_minutes.or(before.bake_time_in_minutes),
        canary_configuration: given.canary_configuration.or(before.canary_configuration),
        deployment_circuit_breaker: given
            .deployment_circuit_breaker
            .or(before.deployment_circuit_breaker),
        early_success_criteria: given.early_success_criteria.or(before.early_success_criteria),
        lifecycle_hooks: given.lifecycle_hooks.or(before.lifecycle_hooks),
        linear_configuration: given.linear_configuration.or(before.linear_configuration),
        maximum_percent: given.maximum_percent.or(before.maximum_percent),
        minimum_healthy_percent: given.minimum_healthy_percent.or(before.minimum_healthy_percent),
        strategy: given.strategy.or(before.strategy),
    }
}

/// `minimumHealthyPercent` and `maximumPercent`.
///
/// # Errors
///
/// [`Error::InvalidParameter`] if they are out of range, or no deployment could go on with them.
pub(super) fn percents(
    it: &shape::DeploymentConfiguration,
    scheduling: Scheduling,
) -> Result<(u32, u32), Error> {
    let read = |value: Option<i32>| u32::try_from(value.unwrap_or_default()).ok();
    let (minimum, maximum) = (read(it.minimum_healthy_percent), read(it.maximum_percent));
    let Some(minimum) = minimum.filter(|it| *it <= 100) else {
        return Err(Error::invalid("minimumHealthyPercent must be between 0 and 100."));
    };
    let Some(maximum) = maximum.filter(|it| *it >= 100) else {
        return Err(Error::invalid("maximumPercent must be at least 100."));
    };
    match scheduling {
        Scheduling::Daemon if maximum != 100 => {
            Err(Error::invalid("The daemon scheduling strategy requires a maximumPercent of 100."))
        }
        // Of replicas AWS takes the same, and says in an event that it is stuck (handbook 5.2).
        Scheduling::Daemon if minimum == 100 => Err(Error::invalid(
            "Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block \
             deployments.",
        )),
        _ => Ok((minimum, maximum)),
    }
}

/// `deploymentCircuitBreaker`, `None` if it is off.
///
/// # Errors
///
/// [`Error::InvalidParameter`] for a threshold that is none.
pub(super) fn breaker(it: &shape::DeploymentConfiguration) -> Result<Option<Breaker>, Error> {
    let Some(it) = &it.deployment_circuit_breaker else { return Ok(None) };
    let threshold = match &it.threshold_configuration {
        None => Threshold::Bounded(THRESHOLD_PERCENT),
        Some(given) => threshold(given)?,
    };
    let switch = |it| if it { Switch::On } else { Switch::Off };
    Ok(it.enable.unwrap_or(false).then_some(Breaker {
        threshold,
        rollback: switch(it.rollback.unwrap_or(false)),
        reset_on_healthy_task: switch(it.reset_on_healthy_task.unwrap_or(true)),
    }))
}

/// `alarms`, `None` if they are off. Names need not be those of alarms that exist.
///
/// # Errors
///
/// [`Error::InvalidParameter`] if they are on and have no names, too many, or what is none.
pub(super) fn alarms(
    it: &shape::DeploymentConfiguration,
) -> Result<Option<DeploymentAlarms>, Error> {
    let Some(it) = it.alarms.as_ref().filter(|it| it.enable.unwrap_or(false)) else {
        return Ok(None);
    };
    let mut names: Vec<String> = Vec::new();
    for name in it.alarm_names.iter().flatten() {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    let is_name = |it: &String| (1..=ALARM_NAME_MAX).contains(&it.chars().count());
    if !(1..=ALARMS_MAX).contains(&names.len()) || !names.iter().all(is_name) {
        return Err(Error::invalid(format!(
            "Alarms of a deployment that are enabled must have between 1 and {ALARMS_MAX} names, \
             each of 1 to {ALARM_NAME_MAX} characters."
        )));
    }
    let rollback = if it.rollback.unwrap_or(false) { Switch::On } else { Switch::Off };
    Ok(Some(DeploymentAlarms { names, rollback }))
}

fn threshold(it: &shape::ThresholdConfiguration) -> Result<Threshold, Error> {
    let value = u32::try_from(it.value.unwrap_or_default()).unwrap_or(0);
    let percent = |of: fn(u32) -> Threshold| match value {
        1..=100 => Ok(of(value)),
        _ => Err(Error::invalid(
            "The value of a thresholdConfiguration in percent must be between 1 and 100.",
        )),
    };
    match &it.r#type {
        Some(shape::ThresholdType::BoundedPercent) => percent(Threshold::Bounded),
        Some(shape::ThresholdType::UnboundedPercent) => percent(Threshold::Unbounded),
        Some(shape::ThresholdType::Count) if value > 0 => Ok(Threshold::Count(value)),
        Some(shape::ThresholdType::Count) => {
            Err(Error::invalid("The value of a thresholdConfiguration must be at least 1."))
        }
        other => Err(Error::invalid(format!(
            "Invalid thresholdConfiguration type: '{}'.",
            other.as_ref().map_or("", |it| it.as_str())
        ))),
    }
}
