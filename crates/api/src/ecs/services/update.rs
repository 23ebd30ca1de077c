//! `UpdateService`.

use shapes::ecs as shape;
use shapes::stored;
use state::{Change, Context, Draft, Revision, Scheduling, Service, ServiceStatus, State};

use super::view::{self, Tags};
use super::{bounds, connect, refusals, rollout, spec};
use crate::ecs::tasks::launch::definition;
use crate::ecs::{Error, find};

/// `UpdateService`: changes what the request names. Some of it takes a new deployment.
///
/// # Errors
///
/// [`Error::ClusterNotFound`], [`Error::ServiceNotFound`], [`Error::ServiceNotActive`];
/// [`Error::InvalidParameter`], [`Error::Client`] and [`Error::UnsupportedFeature`] for what the
/// request says wrongly.
///
/// Source: Amazon ECS API Reference, `UpdateService`; handbook 5.3.
pub(crate) fn update_service(
    draft: &mut Draft<'_>,
    ask: shape::UpdateServiceRequest,
    context: &mut Context<'_>,
) -> Result<shape::UpdateServiceResponse, Error> {
    let cluster = find::cluster(draft.state(), ask.cluster.as_deref())?.name.clone();
    let name = ask.service.clone().unwrap_or_default();
    let found = find::service(draft.state(), &cluster, &name)?.ok_or(Error::ServiceNotFound)?;
    if found.status != ServiceStatus::Active {
        return Err(Error::ServiceNotActive);
    }
    let mut service = found.as_ref().clone();
    if service.scheduling == Scheduling::Daemon && ask.desired_count.is_some() {
        return Err(spec::daemon_with_count());
    }
    refusals::controller(ask.deployment_controller.as_ref())?;
    let force = ask.force_new_deployment.unwrap_or(false);
    let before = rollout::in_force(draft.state(), &service);
    let revision = revision(draft.state(), &service, ask.task_definition.as_deref())?;
    let definition = draft.state().task_definition(&revision).cloned();
    // A deployment keeps its task definition from being deleted (handbook 3.1).
    let definition = definition.ok_or_else(|| Error::client("TaskDefinition not found."))?;
    let arn = draft.state().home().task_definition(&revision.family, revision.number);
    let ask = connect::complete(draft.state(), &cluster, merged(before.clone(), ask, arn));
    let (spec, facts) = spec::complete(ask, &definition)?;

    service.spec = stored::to_vec(&spec);
    service.desired = facts.desired;
    service.minimum_percent = facts.minimum_percent;
    service.maximum_percent = facts.maximum_percent;
    service.breaker = facts.breaker;
    service.alarms.clone_from(&facts.alarms);
    service.grace = facts.grace;
    service.rebalancing = facts.rebalancing;
    if force || rollout::rolled_out(&spec) != rollout::rolled_out(&before) {
        spec::check_rollout(draft.state(), &spec, &definition, &facts)?;
        connect::settle(draft, &service.key, &spec, &definition)?;
        rollout::begin(draft, &mut service, &spec, &revision, facts, context);
    } else if let Some(primary) = service.deployments.first_mut() {
        // An update is a reason to try again at once (handbook 5.6).
        primary.stumbles = 0;
        primary.wait_until = None;
    }
    draft.change(Change::from(service.clone()));
    let service = view::service(draft.state(), &service, Tags::Shown);
    Ok(shape::UpdateServiceResponse { service: Some(service) })
}

/// The task definition that is asked for, or else the one that is rolled out, whatever has become
/// of it.
fn revision(state: &State, service: &Service, asked: Option<&str>) -> Result<Revision, Error> {
    match asked.filter(|it| !it.is_empty()) {
        Some(text) => Ok(definition(state, text)?.revision.clone()),
        None => match rollout::primary(state, service) {
            Some(revision) => Ok(revision.definition.clone()),
            None => Err(Error::client("TaskDefinition not found.")),
        },
    }
}

/// The spec with what the request names in place of what it had.
fn merged(
    before: shape::CreateServiceRequest,
    ask: shape::UpdateServiceRequest,
    definition: String,
) -> shape::CreateServiceRequest {
    let given = ask.deployment_configuration.unwrap_or_default();
    let configuration = before.deployment_configuration.unwrap_or_default();
    let strategy = ask.capacity_provider_strategy.or(before.capacity_provider_strategy);
    let providers = strategy.as_ref().is_some_and(|it| !it.is_empty());
    let load_balancers = ask.load_balancers.or(before.load_balancers);
    // Without load balancers the period of those that are gone means nothing.
    let balanced = load_balancers.as_ref().is_some_and(|it| !it.is_empty());
    let grace = before.health_check_grace_period_seconds.filter(|_| balanced);
    // Where it is on it stays on for as long as the rest of the service lets it.
    let off = before
        .availability_zone_rebalancing
        .filter(|it| *it == shape::AvailabilityZoneRebalancing::Disabled);
    shape::CreateServiceRequest {
        availability_zone_rebalancing: ask.availability_zone_rebalancing.or(off),
        capacity_provider_strategy: strategy,
        // A strategy takes the place of the launch type.
        launch_type: before.launch_type.filter(|_| !providers),
        deployment_configuration: Some(bounds::merged(configuration, given)),
        desired_count: ask.desired_count.or(before.desired_count),
        enable_ecs_managed_tags: ask.enable_ecs_managed_tags.or(before.enable_ecs_managed_tags),
        enable_execute_command: ask.enable_execute_command.or(before.enable_execute_command),
        gateway_connectors: ask.gateway_connectors.or(before.gateway_connectors),
        health_check_grace_period_seconds: ask.health_check_grace_period_seconds.or(grace),
        load_balancers,
        monitoring: ask.monitoring.or(before.monitoring),
        network_configuration: ask.network_configuration.or(before.network_configuration),
        placement_constraints: ask.placement_constraints.or(before.placement_constraints),
        placement_strategy: ask.placement_strategy.or(before.placement_strategy),
        platform_version: ask.platform_version.or(before.platform_version),
        propagate_tags: ask.propagate_tags.or(before.propagate_tags),
        service_connect_configuration: ask
            .service_connect_configuration
            .or(before.service_connect_configuration),
        service_registries: ask.service_registries.or(before.service_registries),
        task_definition: Some(definition),
        volume_configurations: ask.volume_configurations.or(before.volume_configurations),
        vpc_lattice_configurations: ask
            .vpc_lattice_configurations
            .or(before.vpc_lattice_configurations),
        ..before
    }
}
