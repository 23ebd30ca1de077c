//! A service's spec: completed with what it does not say, and the facts read from it.

use core::time::Duration;
use std::sync::Arc;

use plan::launch;
use shapes::ecs as shape;
use state::{
    Breaker, DeploymentAlarms, NetworkMode, Scheduling, ServiceRegistry, ServiceTarget, State,
    Switch, TaskDefinition,
};

use super::{bounds, load_balancers, refusals, registries};
use crate::ecs::Error;
use crate::ecs::tasks::launch::network;

/// Most tasks of one service. Source: Amazon ECS service quotas.
const TASKS_MAX: i32 = 5_000;
/// What constraints must not look at where zones are kept in balance, and what a first strategy
/// must spread over there. Source: handbook 4.7.
const ZONE: &str = "attribute:ecs.availability-zone";

/// What the rows of a service hold beside its spec.
pub(super) struct Facts {
    pub(super) scheduling: Scheduling,
    pub(super) desired: u32,
    pub(super) minimum_percent: u32,
    pub(super) maximum_percent: u32,
    pub(super) breaker: Option<Breaker>,
    pub(super) alarms: Option<DeploymentAlarms>,
    pub(super) grace: Duration,
    pub(super) rebalancing: Switch,
    pub(super) targets: Vec<ServiceTarget>,
    pub(super) registries: Vec<ServiceRegistry>,
}

/// Checks a whole spec by itself, fills in what it does not say, and reads it.
///
/// # Errors
///
/// [`Error::InvalidParameter`] and [`Error::UnsupportedFeature`], in AWS's words where they are
/// known.
pub(super) fn complete(
    ask: shape::CreateServiceRequest,
    definition: &TaskDefinition,
) -> Result<(shape::CreateServiceRequest, Facts), Error> {
    refusals::refuse(&ask)?;
    let scheduling = scheduling(ask.scheduling_strategy.as_ref())?;
    let desired = desired(ask.desired_count, scheduling)?;
    let configuration = bounds::complete(ask.deployment_configuration.clone(), scheduling);
    let (minimum_percent, maximum_percent) = bounds::percents(&configuration, scheduling)?;
    let breaker = bounds::breaker(&configuration)?;
    let alarms = bounds::alarms(&configuration)?;
    placement(&ask, scheduling, definition)?;
    let targets = load_balancers::parse(ask.load_balancers.as_deref().unwrap_or_default())?;
    let registries = registries::parse(ask.service_registries.as_deref().unwrap_or_default())?;
    role(&ask, definition, &targets)?;
    let grace = grace(ask.health_check_grace_period_seconds, &targets)?;
    let rebalancing = rebalancing(&ask, scheduling, maximum_percent, &targets)?;
    propagation(ask.propagate_tags.as_ref())?;
    let spec = shape::CreateServiceRequest {
        availability_zone_rebalancing: Some(match rebalancing {
            Switch::On => shape::AvailabilityZoneRebalancing::Enabled,
            Switch::Off => shape::AvailabilityZoneRebalancing::Disabled,
        }),
        client_token: None,
        cluster: None,
        tags: None,
        deployment_configuration: Some(configuration),
        deployment_controller: Some(shape::DeploymentController {
            r#type: Some(shape::DeploymentControllerType::Ecs),
        }),
        desired_count: Some(desired),
        enable_ecs_managed_tags: ask.enable_ecs_managed_tags.or(Some(false)),
        enable_execute_command: ask.enable_execute_command.or(Some(false)),
        health_check_grace_period_seconds: (!targets.is_empty())
            .then_some(ask.health_check_grace_period_seconds.unwrap_or(0)),
        launch_type: Some(shape::LaunchType::Ec2),
        load_balancers: ask.load_balancers.or_else(|| Some(Vec::new())),
        network_configuration: ask.network_configuration.map(network_shown),
        placement_constraints: ask.placement_constraints.or_else(|| Some(Vec::new())),
        placement_strategy: ask.placement_strategy.or_else(|| Some(Vec::new())),
        propagate_tags: ask.propagate_tags.or(Some(shape::PropagateTags::None)),
        scheduling_strategy: Some(match scheduling {
            Scheduling::Replica => shape::SchedulingStrategy::Replica,
            Scheduling::Daemon => shape::SchedulingStrategy::Daemon,
        }),
        service_registries: ask.service_registries.or_else(|| Some(Vec::new())),
        ..ask
    };
    let facts = Facts {
        scheduling,
        desired: u32::try_from(desired).unwrap_or(0),
        minimum_percent,
        maximum_percent,
        breaker,
        alarms,
        grace,
        rebalancing,
        targets,
        registries,
    };
    Ok((spec, facts))
}

/// Looks up what a rollout needs: networks, target groups, registries.
///
/// # Errors
///
/// [`Error::InvalidParameter`] if something is not there, or does not go with the definition.
pub(super) fn check_rollout(
    state: &State,
    spec: &shape::CreateServiceRequest,
    definition: &Arc<TaskDefinition>,
    facts: &Facts,
) -> Result<(), Error> {
    network(state, definition.network, spec.network_configuration.clone())?;
    let given = spec.network_configuration.as_ref();
    let public = given.and_then(|it| it.awsvpc_configuration.as_ref()?.assign_public_ip.as_ref());
    if public == Some(&shape::AssignPublicIp::Enabled) {
        return Err(Error::invalid("Assign public IP is not supported for this launch type."));
    }
    load_balancers::check(state, definition, &facts.targets)?;
    registries::check(state, definition, &facts.registries)
}

fn scheduling(asked: Option<&shape::SchedulingStrategy>) -> Result<Scheduling, Error> {
    match asked {
        None | Some(shape::SchedulingStrategy::Replica) => Ok(Scheduling::Replica),
        Some(shape::SchedulingStrategy::Daemon) => Ok(Scheduling::Daemon),
        Some(shape::SchedulingStrategy::Other(it)) => {
            Err(Error::invalid(format!("Invalid scheduling strategy: '{it}'.")))
        }
    }
}

fn desired(asked: Option<i32>, scheduling: Scheduling) -> Result<i32, Error> {
    match (scheduling, asked) {
        (Scheduling::Daemon, None | Some(0)) => Ok(0),
        (Scheduling::Daemon, Some(_)) => Err(daemon_with_count()),
        (Scheduling::Replica, None) => Err(Error::invalid(
            "A desiredCount is required for services that use the REPLICA scheduling strategy.",
        )),
        (Scheduling::Replica, Some(count)) if count < 0 => {
            Err(Error::invalid("The desiredCount must be at least 0."))
        }
        (Scheduling::Replica, Some(count)) if count > TASKS_MAX => Err(Error::invalid(format!(
            "The desiredCount must not exceed {TASKS_MAX}, the quota of tasks of one service."
        ))),
        (Scheduling::Replica, Some(count)) => Ok(count),
    }
}

/// Source: handbook 5.1.
pub(super) fn daemon_with_count() -> Error {
    Error::invalid(
        "The daemon scheduling strategy does not support a desired count for services. Remove the \
         desired count value and try again",
    )
}

fn placement(
    ask: &shape::CreateServiceRequest,
    scheduling: Scheduling,
    definition: &TaskDefinition,
) -> Result<(), Error> {
    let constraints = ask.placement_constraints.as_deref().unwrap_or_default();
    let strategies = ask.placement_strategy.as_deref().unwrap_or_default();
    launch::constraints(definition, constraints)?;
    launch::strategies(strategies)?;
    if scheduling == Scheduling::Replica {
        return Ok(());
    }
    if !strategies.is_empty() {
        return Err(Error::invalid(
            "Placement strategies are not supported with the DAEMON scheduling strategy.",
        ));
    }
    let distinct = Some(shape::PlacementConstraintType::DistinctInstance);
    if constraints.iter().any(|it| it.r#type == distinct) {
        return Err(Error::invalid(
            "The distinctInstance placement constraint is not supported with the DAEMON \
             scheduling strategy.",
        ));
    }
    Ok(())
}

/// Source: Amazon ECS API Reference, `CreateService`.
fn role(
    ask: &shape::CreateServiceRequest,
    definition: &TaskDefinition,
    targets: &[ServiceTarget],
) -> Result<(), Error> {
    if ask.role.as_deref().is_none_or(str::is_empty) {
        return Ok(());
    }
    if targets.is_empty() {
        return Err(Error::invalid(
            "IAM roles are only valid for services configured to use load balancers.",
        ));
    }
    let registries = ask.service_registries.as_ref().is_some_and(|it| !it.is_empty());
    if definition.network == NetworkMode::Awsvpc || registries || targets.len() > 1 {
        return Err(Error::invalid(
            "You cannot specify an IAM role for services that require a service linked role.",
        ));
    }
    Ok(())
}

fn grace(asked: Option<i32>, targets: &[ServiceTarget]) -> Result<Duration, Error> {
    let Ok(seconds) = u64::try_from(asked.unwrap_or(0)) else {
        return Err(Error::invalid("The healthCheckGracePeriodSeconds must be at least 0."));
    };
    if seconds > 0 && targets.is_empty() {
        return Err(Error::invalid(
            "Health check grace period is only valid for services configured to use load balancers",
        ));
    }
    Ok(Duration::from_secs(seconds))
}

/// On where it can act and nobody said no (handbook 4.7).
fn rebalancing(
    ask: &shape::CreateServiceRequest,
    scheduling: Scheduling,
    maximum_percent: u32,
    targets: &[ServiceTarget],
) -> Result<Switch, Error> {
    let against = against_rebalancing(ask, scheduling, maximum_percent, targets);
    match (&ask.availability_zone_rebalancing, against) {
        (Some(shape::AvailabilityZoneRebalancing::Disabled), _) | (None, Some(_)) => {
            Ok(Switch::Off)
        }
        (Some(shape::AvailabilityZoneRebalancing::Other(it)), _) => {
            Err(Error::invalid(format!("Invalid availabilityZoneRebalancing: '{it}'.")))
        }
        (Some(shape::AvailabilityZoneRebalancing::Enabled), Some(why)) => {
            Err(Error::invalid(format!("Availability Zone rebalancing does not support {why}.")))
        }
        (_, None) => Ok(Switch::On),
    }
}

fn against_rebalancing(
    ask: &shape::CreateServiceRequest,
    scheduling: Scheduling,
    maximum_percent: u32,
    targets: &[ServiceTarget],
) -> Option<&'static str> {
    if scheduling == Scheduling::Daemon {
        return Some("the DAEMON scheduling strategy");
    }
    if maximum_percent == 100 {
        return Some("a maximumPercent of 100");
    }
    if targets.iter().any(|it| it.classic.is_some()) {
        return Some("Classic Load Balancers");
    }
    let first = ask.placement_strategy.iter().flatten().next();
    let spreads = first.is_none_or(|it| {
        let spread = it.r#type == Some(shape::PlacementStrategyType::Spread);
        spread && it.field.as_deref() == Some(ZONE)
    });
    if !spreads {
        return Some("a first placement strategy other than a spread over Availability Zones");
    }
    let mut constraints = ask.placement_constraints.iter().flatten();
    let zones = |it: &shape::PlacementConstraint| {
        it.expression.as_deref().is_some_and(|it| it.contains(ZONE))
    };
    constraints.any(zones).then_some("placement constraints on ecs.availability-zone")
}

fn propagation(asked: Option<&shape::PropagateTags>) -> Result<(), Error> {
    match asked {
        Some(shape::PropagateTags::Other(it)) => {
            Err(Error::invalid(format!("Invalid propagateTags: '{it}'.")))
        }
        _ => Ok(()),
    }
}

/// As AWS shows a network: with lists and with the address that nobody asked for.
fn network_shown(given: shape::NetworkConfiguration) -> shape::NetworkConfiguration {
    let complete = |it: shape::AwsVpcConfiguration| shape::AwsVpcConfiguration {
        assign_public_ip: it.assign_public_ip.or(Some(shape::AssignPublicIp::Disabled)),
        security_groups: it.security_groups.or_else(|| Some(Vec::new())),
        subnets: it.subnets,
    };
    shape::NetworkConfiguration { awsvpc_configuration: given.awsvpc_configuration.map(complete) }
}
