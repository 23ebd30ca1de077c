//! The launch of a service's tasks.

use shapes::{ecs as shape, stored};
use state::{
    Deployment, Dice, Membership, NetworkMode, Service, ServiceRevision, State, Subnet, Tag,
    TaskDefinition,
};
use types::Group;

use crate::connect;
use crate::launch::{self, Launch, Origin, Wishes};

/// Least and most of an identifier of nineteen digits.
const IDS: core::ops::Range<u64> = 1_000_000_000_000_000_000..9_000_000_000_000_000_000;

/// An identifier of nineteen digits, as deployments and service revisions have them.
pub fn fresh_id(dice: &mut Dice) -> u64 {
    IDS.start + dice.below(IDS.end - IDS.start)
}

/// What the tasks of a deployment are started by.
pub fn started_by(deployment: u64) -> String {
    format!("ecs-svc/{deployment}")
}

/// What all tasks of a deployment have in common; `None` if its task definition is gone.
///
/// Strategies and constraints are the service's of now, everything else is the revision's:
/// UpdateService changes the former without a deployment (handbook 5.3).
pub fn launch(
    state: &State,
    service: &Service,
    revision: &ServiceRevision,
    deployment: &Deployment,
) -> Option<Launch> {
    let definition = state.task_definition(&revision.definition)?.clone();
    let now: shape::CreateServiceRequest = read(&service.spec);
    let then: shape::CreateServiceRequest = read(&revision.spec);
    let spec: shape::RegisterTaskDefinitionRequest = read(&definition.spec);
    let (subnets, security_groups) = network(state, definition.network, &then);
    let name = &service.key.name;
    let wishes = Wishes {
        cluster: service.key.cluster.clone(),
        group: Group::parse(&format!("service:{name}")).ok()?,
        demand: definition.demand.clone(),
        constraints: launch::constraints(
            &definition,
            now.placement_constraints.as_deref().unwrap_or_default(),
        )
        .ok()?,
        strategies: launch::strategies(now.placement_strategy.as_deref().unwrap_or_default())
            .ok()?,
        subnets,
        security_groups,
    };
    let origin = Origin {
        started_by: Some(started_by(deployment.id)),
        role: launch::role(state, spec.task_role_arn.as_deref()),
        tags: tags(service, &now, &definition),
        exec: now.enable_execute_command.unwrap_or(false),
        service: Some(Membership {
            service: name.clone(),
            deployment: deployment.id,
            revision: revision.key.id,
            targets: Vec::new(),
            healthy_at: None,
            protected_until: None,
            settled_at: None,
            namespace: connect::seen(state, then.service_connect_configuration.as_ref()),
        }),
        digests: revision.digests.clone(),
        ..Origin::default()
    };
    Some(Launch::new(definition, &spec, wishes, origin))
}

/// A spec as it was stored.
fn read<T: shapes::Shape + Default>(bytes: &[u8]) -> T {
    stored::from_slice(bytes).unwrap_or_default()
}

fn network(
    state: &State,
    mode: NetworkMode,
    spec: &shape::CreateServiceRequest,
) -> (Vec<Subnet>, Vec<String>) {
    let given = spec.network_configuration.as_ref();
    let given = given.and_then(|it| it.awsvpc_configuration.as_ref());
    let (NetworkMode::Awsvpc, Some(given), Some(region)) = (mode, given, state.region().get(&()))
    else {
        return (Vec::new(), Vec::new());
    };
    let asked = given.subnets.as_deref().unwrap_or_default();
    let subnets = region.subnets.iter().filter(|it| asked.contains(&it.id)).cloned().collect();
    match given.security_groups.as_deref().unwrap_or_default() {
        [] => (subnets, vec![region.security_group.clone()]),
        groups => (subnets, groups.to_vec()),
    }
}

/// Source: ECS Developer Guide, "Tagging your resources".
fn tags(
    service: &Service,
    spec: &shape::CreateServiceRequest,
    definition: &TaskDefinition,
) -> Vec<Tag> {
    let mut tags = match &spec.propagate_tags {
        Some(shape::PropagateTags::Service) => service.tags.clone(),
        Some(shape::PropagateTags::TaskDefinition) => definition.tags.clone(),
        _ => Vec::new(),
    };
    if spec.enable_ecs_managed_tags.unwrap_or(false) {
        let managed = [
            ("aws:ecs:clusterName", service.key.cluster.to_string()),
            ("aws:ecs:serviceName", service.key.name.to_string()),
        ];
        tags.extend(managed.map(|(key, value)| Tag { key: key.into(), value }));
    }
    tags
}
