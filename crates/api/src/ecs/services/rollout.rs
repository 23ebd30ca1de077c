//! The part of a service that a deployment rolls out, and how one begins.

use std::collections::BTreeMap;

use plan::services::fresh_id;
use shapes::ecs as shape;
use shapes::stored;
use state::{
    Change, Context, Deployment, Draft, Revision, Rollout, Service, ServiceDeployment,
    ServiceDeploymentKey, ServiceDeploymentStatus, ServiceRevision, ServiceRevisionKey, State,
};
use types::Timestamp;

use super::spec::Facts;
use crate::ecs::view;

/// The members of a spec in which a change takes a deployment (handbook 5.3); others are empty.
pub(super) fn rolled_out(spec: &shape::CreateServiceRequest) -> shape::CreateServiceRequest {
    let it = spec.clone();
    shape::CreateServiceRequest {
        task_definition: it.task_definition,
        network_configuration: it.network_configuration,
        platform_version: it.platform_version,
        load_balancers: it.load_balancers,
        service_registries: it.service_registries,
        service_connect_configuration: it.service_connect_configuration,
        volume_configurations: it.volume_configurations,
        vpc_lattice_configurations: it.vpc_lattice_configurations,
        ..shape::CreateServiceRequest::default()
    }
}

/// The revision of the PRIMARY deployment.
pub(super) fn primary<'a>(state: &'a State, service: &Service) -> Option<&'a ServiceRevision> {
    revision(state, service, service.deployments.first()?.revision)
}

/// A revision of a service.
pub(super) fn revision<'a>(
    state: &'a State,
    service: &Service,
    id: u64,
) -> Option<&'a ServiceRevision> {
    let key = ServiceRevisionKey { service: service.key.clone(), id };
    state.service_revisions().get(&key).map(|it| &**it)
}

/// The spec of a service as it is in force. After a rollback that is not the one that was asked
/// for last: what is rolled out is the PRIMARY revision's.
pub(super) fn in_force(state: &State, service: &Service) -> shape::CreateServiceRequest {
    let spec: shape::CreateServiceRequest = view::spec(&service.spec);
    let Some(revision) = primary(state, service) else { return spec };
    let rolled: shape::CreateServiceRequest = view::spec(&revision.spec);
    shape::CreateServiceRequest {
        task_definition: rolled.task_definition,
        network_configuration: rolled.network_configuration,
        platform_version: rolled.platform_version,
        load_balancers: rolled.load_balancers,
        service_registries: rolled.service_registries,
        service_connect_configuration: rolled.service_connect_configuration,
        volume_configurations: rolled.volume_configurations,
        vpc_lattice_configurations: rolled.vpc_lattice_configurations,
        ..spec
    }
}

/// Puts a new PRIMARY deployment of the spec in front of a service's deployments, with its
/// revision and its record. One that is under way is overtaken by it.
pub(super) fn begin(
    draft: &mut Draft<'_>,
    service: &mut Service,
    spec: &shape::CreateServiceRequest,
    definition: &Revision,
    facts: Facts,
    context: &mut Context<'_>,
) {
    let now = context.now;
    let (revision, id) = (fresh_id(context.dice), fresh_id(context.dice));
    let service_deployment = fresh_id(context.dice);
    overtake(draft, service, service_deployment, now);
    draft.change(Change::from(ServiceRevision {
        key: ServiceRevisionKey { service: service.key.clone(), id: revision },
        definition: definition.clone(),
        spec: stored::to_vec(spec),
        targets: facts.targets,
        registries: facts.registries,
        digests: BTreeMap::new(),
        unresolved_at: None,
        created_at: now,
    }));
    draft.change(Change::from(ServiceDeployment {
        key: ServiceDeploymentKey { service: service.key.clone(), id: service_deployment },
        status: ServiceDeploymentStatus::Pending,
        status_reason: None,
        sources: sources(service),
        target: revision,
        rollback: None,
        failures: 0,
        created_at: now,
        started_at: None,
        updated_at: now,
        finished_at: None,
        stopped_at: None,
        watch: None,
    }));
    service.service_deployment = service_deployment;
    service.steady_at = None;
    let deployment = Deployment {
        id,
        revision,
        rollout: Rollout::InProgress,
        reason: format!("ECS deployment ecs-svc/{id} in progress."),
        completed_at: None,
        failed: 0,
        stumbles: 0,
        wait_until: None,
        paced_until: None,
        created_at: now,
        updated_at: now,
        service_deployment,
    };
    service.deployments.insert(0, deployment);
}

/// Revisions that have tasks, or may have.
fn sources(service: &Service) -> Vec<u64> {
    let mut sources: Vec<u64> = Vec::new();
    for it in &service.deployments {
        if !sources.contains(&it.revision) {
            sources.push(it.revision);
        }
    }
    sources
}

fn overtake(draft: &mut Draft<'_>, service: &Service, by: u64, now: Timestamp) {
    let by = draft.state().home().service_deployment(&service.key.cluster, &service.key.name, by);
    end(draft, service, format!("A newer service deployment was started: {by}"), now);
}

/// Ends the service deployment that is under way, if one is.
pub(super) fn end(draft: &mut Draft<'_>, service: &Service, reason: String, now: Timestamp) {
    let key = ServiceDeploymentKey { service: service.key.clone(), id: service.service_deployment };
    let Some(row) = draft.state().service_deployments().get(&key) else { return };
    if under_way(row.status) {
        let row = ServiceDeployment {
            status: ServiceDeploymentStatus::Stopped,
            status_reason: Some(reason),
            updated_at: now,
            finished_at: Some(now),
            stopped_at: Some(now),
            ..row.as_ref().clone()
        };
        draft.change(Change::from(row));
    }
}

/// Whether a service deployment has not ended.
pub(super) fn under_way(status: ServiceDeploymentStatus) -> bool {
    use ServiceDeploymentStatus as Status;
    match status {
        Status::Pending
        | Status::InProgress
        | Status::StopRequested
        | Status::RollbackRequested
        | Status::RollbackInProgress => true,
        Status::Successful
        | Status::Stopped
        | Status::RollbackSuccessful
        | Status::RollbackFailed => false,
    }
}
