//! Services as the API shows them.

use core::time::Duration;
use std::collections::BTreeMap;

use plan::services::started_by;
use shapes::ecs as shape;
use state::{
    Deployment, Desired, Rollout, Scheduling, Service, ServiceEvent, ServiceEventKey,
    ServiceRevision, ServiceStatus, State, Status,
};
use types::{Timestamp, uuid};

use super::{connect, rollout};
use crate::ecs::tags;
pub(super) use crate::ecs::tasks::view::Tags;
use crate::ecs::view::{count, spec, time};

/// Most events that are shown. Source: handbook 5.5.
const EVENTS_MAX: usize = 100;

/// Tasks of one deployment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) running: u32,
    pub(super) pending: u32,
    /// Those that should run.
    wanted: u32,
}

/// Tasks of a service by deployment, and how many there should be.
#[derive(Debug, Clone, Default)]
pub(super) struct Tallies {
    by: BTreeMap<u64, Tally>,
    desired: u32,
}

impl Tallies {
    /// Those of one deployment.
    pub(super) fn of(&self, deployment: u64) -> Tally {
        self.by.get(&deployment).copied().unwrap_or_default()
    }
}

/// A service in full, with its tasks counted.
pub(super) fn service(state: &State, row: &Service, with: Tags) -> shape::Service {
    let it = rollout::in_force(state, row);
    let home = state.home();
    let tallies = tallies(state, row);
    let deployments = row.deployments.iter().map(|it| deployment(state, row, it, &tallies));
    let total = |of: fn(&Tally) -> u32| count(tallies.by.values().map(of).sum());
    shape::Service {
        availability_zone_rebalancing: it.availability_zone_rebalancing,
        capacity_provider_strategy: None,
        cluster_arn: Some(home.cluster(&row.key.cluster)),
        created_at: Some(time(row.created_at)),
        created_by: Some(row.created_by.clone()),
        current_service_deployment: Some(home.service_deployment(
            &row.key.cluster,
            &row.key.name,
            row.service_deployment,
        )),
        current_service_revisions: Some(
            row.deployments.iter().map(|it| summary(state, row, it, &tallies)).collect(),
        ),
        deployment_configuration: it.deployment_configuration,
        deployment_controller: it.deployment_controller,
        deployments: Some(deployments.collect()),
        desired_count: Some(count(tallies.desired)),
        enable_ecs_managed_tags: it.enable_ecs_managed_tags,
        enable_execute_command: it.enable_execute_command,
        events: Some(events(state, row)),
        health_check_grace_period_seconds: it.health_check_grace_period_seconds,
        launch_type: it.launch_type,
        load_balancers: it.load_balancers,
        network_configuration: it.network_configuration,
        pending_count: Some(total(|it| it.pending)),
        placement_constraints: it.placement_constraints,
        placement_strategy: it.placement_strategy,
        platform_family: None,
        platform_version: None,
        propagate_tags: it.propagate_tags,
        resource_management_type: None,
        role_arn: plan::launch::role(state, it.role.as_deref()),
        running_count: Some(total(|it| it.running)),
        scheduling_strategy: it.scheduling_strategy,
        service_arn: Some(home.service(&row.key.cluster, &row.key.name)),
        service_name: Some(row.key.name.to_string()),
        service_registries: it.service_registries,
        status: Some(status(row.status).to_owned()),
        tags: Some(match with {
            Tags::Shown => tags::view(&row.tags),
            Tags::Hidden => Vec::new(),
        }),
        task_definition: it.task_definition,
        task_sets: None,
    }
}

/// Tasks of a service that are not over, by deployment.
///
/// Cost: the service's tasks, and of a daemon the instances of its cluster.
pub(super) fn tallies(state: &State, row: &Service) -> Tallies {
    let mut by: BTreeMap<u64, Tally> = BTreeMap::new();
    let ids = state.indexes().open_tasks(&row.key).iter();
    for task in ids.filter_map(|id| state.task(*id)) {
        let Some(membership) = &task.service else { continue };
        let tally = by.entry(membership.deployment).or_default();
        match task.last {
            Status::Running => tally.running += 1,
            Status::Provisioning | Status::Pending | Status::Activating => tally.pending += 1,
            Status::Deactivating | Status::Stopping | Status::Deprovisioning | Status::Stopped => {}
        }
        tally.wanted += u32::from(task.desired == Desired::Running);
    }
    let desired = match row.scheduling {
        Scheduling::Replica => row.desired,
        Scheduling::Daemon => daemons(state, row),
    };
    Tallies { by, desired }
}

/// How many instances should have a task of a daemon. That depends on no time.
fn daemons(state: &State, row: &Service) -> u32 {
    let snapshot = plan::services::snapshot(state, &row.key, Duration::ZERO, row.created_at);
    snapshot.map_or(0, |it| u32::try_from(it.scene.places.len()).unwrap_or(u32::MAX))
}

/// How many tasks a deployment should have: the PRIMARY all that are desired, any other those that
/// it still has.
pub(super) fn wanted(row: &Service, it: &Deployment, tallies: &Tallies) -> u32 {
    match row.deployments.first() {
        Some(primary) if primary.id == it.id => tallies.desired,
        _ => tallies.of(it.id).wanted,
    }
}

fn status(status: ServiceStatus) -> &'static str {
    match status {
        ServiceStatus::Active => "ACTIVE",
        ServiceStatus::Draining => "DRAINING",
        ServiceStatus::Inactive => "INACTIVE",
    }
}

fn deployment(
    state: &State,
    row: &Service,
    it: &Deployment,
    tallies: &Tallies,
) -> shape::Deployment {
    let revision = rollout::revision(state, row, it.revision);
    let rolled = revision.map(|it| spec::<shape::CreateServiceRequest>(&it.spec));
    let rolled = rolled.unwrap_or_default();
    let tally = tallies.of(it.id);
    let primary = row.deployments.first().is_some_and(|first| first.id == it.id);
    shape::Deployment {
        id: Some(started_by(it.id)),
        status: Some(if primary { "PRIMARY" } else { "ACTIVE" }.to_owned()),
        task_definition: rolled.task_definition,
        desired_count: Some(count(wanted(row, it, tallies))),
        pending_count: Some(count(tally.pending)),
        running_count: Some(count(tally.running)),
        failed_tasks: Some(count(it.failed)),
        created_at: Some(time(it.created_at)),
        updated_at: Some(time(it.updated_at)),
        launch_type: rolled.launch_type,
        network_configuration: rolled.network_configuration,
        // Of services with a Classic Load Balancer none is shown (handbook 5.4).
        rollout_state: Some(rollout_state(it.rollout)).filter(|_| !classic(revision)),
        rollout_state_reason: Some(it.reason.clone()).filter(|_| !classic(revision)),
        service_connect_resources: connect::resources(
            rolled.service_connect_configuration.as_ref(),
        ),
        service_connect_configuration: rolled.service_connect_configuration,
        ..shape::Deployment::default()
    }
}

fn classic(revision: Option<&ServiceRevision>) -> bool {
    revision.is_some_and(|it| it.targets.iter().any(|it| it.classic.is_some()))
}

fn rollout_state(it: Rollout) -> shape::DeploymentRolloutState {
    match it {
        Rollout::InProgress => shape::DeploymentRolloutState::InProgress,
        Rollout::Completed => shape::DeploymentRolloutState::Completed,
        Rollout::Failed => shape::DeploymentRolloutState::Failed,
    }
}

fn summary(
    state: &State,
    row: &Service,
    it: &Deployment,
    tallies: &Tallies,
) -> shape::ServiceCurrentRevisionSummary {
    let tally = tallies.of(it.id);
    let arn = state.home().service_revision(&row.key.cluster, &row.key.name, it.revision);
    shape::ServiceCurrentRevisionSummary {
        arn: Some(arn),
        requested_task_count: Some(count(wanted(row, it, tallies))),
        running_task_count: Some(count(tally.running)),
        pending_task_count: Some(count(tally.pending)),
    }
}

/// Newest first. Those of an earlier service of the same name are left out.
fn events(state: &State, row: &Service) -> Vec<shape::ServiceEvent> {
    let key = |number| ServiceEventKey { service: row.key.clone(), number };
    let rows = state.service_events().range(key(0)..=key(row.last_event)).rev();
    let own = rows.map(|(_, it)| it).take_while(|it| it.at >= row.created_at);
    own.take(EVENTS_MAX).map(|it| event(it)).collect()
}

fn event(it: &ServiceEvent) -> shape::ServiceEvent {
    let ServiceEvent { key: _, at, id, message } = it;
    shape::ServiceEvent {
        id: Some(uuid(id)),
        created_at: Some(time(*at)),
        message: Some(message.clone()),
    }
}

/// A point in time that may not have come.
pub(super) fn when(at: Option<Timestamp>) -> Option<shapes::Timestamp> {
    at.map(time)
}
