//! What a service's task is in target groups: which targets it should be, and how those are.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use shapes::{ecs as shape, stored};
use state::{
    Binding, NetworkMode, ServiceRevision, ServiceRevisionKey, ServiceTarget, State, Target,
    TargetGroup, TargetHealth, TargetKey, TargetProtocol, TargetType, Task,
};
use types::{Protocol, Timestamp};

use crate::{connect, targets};

/// What the balancers find of a task's targets together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetsHealth {
    /// It is to be no target.
    None,
    /// It is not registered yet, or has not been checked.
    Initial,
    /// All that it is registered as takes requests.
    Healthy,
    /// One of its targets does not, in the words of a service's event behind `(task ID) `: `(port 80)
    /// is unhealthy in (target-group ARN) due to (reason …)`.
    Unhealthy(String),
}

/// How the targets of a service's task are. Those that somebody else has deregistered, or whose
/// group is gone, are not known to be ill. Endpoints of Service Connect only say when a task can be
/// reached for the first time, and nothing of it later. O(its targets).
pub fn targets_health(state: &State, task: &Task) -> TargetsHealth {
    if awaits_endpoints(state, task) {
        return TargetsHealth::Initial;
    }
    let wanted = revision_of(state, task).map_or(0, |it| groups_of(it).count());
    if wanted == 0 {
        return TargetsHealth::None;
    }
    let keys = task.service.as_ref().map_or(&[][..], |it| &it.targets);
    let mut healthy = 0;
    for key in keys.iter().filter(|it| !state.connect_endpoints().contains_key(&it.group)) {
        let Some(target) = state.targets().get(key).filter(|it| it.draining.is_none()) else {
            continue;
        };
        let found = targets::found_last(state, target);
        if let Some(fault) = targets::fault(&found) {
            let TargetKey { group, port, .. } = key;
            return TargetsHealth::Unhealthy(format!(
                "(port {port}) is unhealthy in (target-group {group}) due to (reason {fault})"
            ));
        }
        healthy += usize::from(found == TargetHealth::Healthy);
    }
    if healthy == wanted { TargetsHealth::Healthy } else { TargetsHealth::Initial }
}

/// Whether a task is still to be reached at an endpoint of its service, so that those which it
/// replaces stay until clients have somewhere to go. Without a balancer nobody reaches anything.
///
/// Differs: at AWS a task without health checks counts as soon as it runs, whatever its port does.
fn awaits_endpoints(state: &State, task: &Task) -> bool {
    let Some(membership) = task.service.as_ref().filter(|it| it.healthy_at.is_none()) else {
        return false;
    };
    if !state.balancers().values().any(|it| it.connected) {
        return false;
    }
    if membership.targets.is_empty() {
        return !connect::of_task(state, task).is_empty();
    }
    let endpoints = state.connect_endpoints();
    let keys = membership.targets.iter().filter(|it| endpoints.contains_key(&it.group));
    let mut targets = keys.filter_map(|it| state.targets().get(it));
    targets.any(|it| it.draining.is_none() && targets::found(state, it) != TargetHealth::Healthy)
}

/// The service revision that a task is of.
pub fn revision_of<'a>(state: &'a State, task: &Task) -> Option<&'a ServiceRevision> {
    let id = task.service.as_ref()?.revision;
    let key = ServiceRevisionKey { service: task.service_key()?, id };
    state.service_revisions().get(&key).map(AsRef::as_ref)
}

/// The target groups of a revision.
fn groups_of(revision: &ServiceRevision) -> impl Iterator<Item = (&ServiceTarget, &String)> {
    revision.targets.iter().filter_map(|it| Some((it, it.group.as_ref()?)))
}

/// A registration that a running task should have.
#[derive(Debug, Clone, PartialEq)]
pub enum Registration {
    /// With this.
    As(Box<Target>),
    /// Its host port is not known yet.
    NotYet,
    /// It cannot be, in that group, for that reason.
    Refused(String, String),
}

/// What a running task of a service should be registered as, in each group of its revision and in
/// each endpoint of its service. O(both).
pub fn registrations(state: &State, task: &Task, now: Timestamp) -> Vec<Registration> {
    let of_group = |(asked, arn): (&ServiceTarget, &String)| match state.target_groups().get(arn) {
        Some(group) => registration(state, task, asked, group, now),
        None => Registration::Refused(arn.clone(), "Target group not found".into()),
    };
    let in_groups = revision_of(state, task).into_iter().flat_map(groups_of).map(of_group);
    let endpoints = connect::of_task(state, task);
    let of_endpoint = |(asked, group)| registration(state, task, asked, group, now);
    in_groups.chain(endpoints.iter().map(|it| (&it.0, &it.1)).map(of_endpoint)).collect()
}

fn registration(
    state: &State,
    task: &Task,
    asked: &ServiceTarget,
    group: &TargetGroup,
    now: Timestamp,
) -> Registration {
    let refused = |why: String| Registration::Refused(group.arn.clone(), why);
    let network =
        state.task_definition(&task.revision).map_or(NetworkMode::Bridge, |it| it.network);
    let place = match (group.target_type, &task.interface) {
        (TargetType::Ip, Some(interface)) => {
            let address = IpAddr::V4(Ipv4Addr::from_bits(interface.address));
            let zone = targets::zone_of(state, address);
            Some((address.to_string(), Some(address), zone, asked.port))
        }
        (TargetType::Instance, None) => match host_port(state, task, group, asked, network) {
            Ok(Some(port)) => state.container_instance(task.instance).map(|it| {
                let (address, zone) = targets::instance_place(it);
                (it.ec2_instance_id.clone(), address, zone, port)
            }),
            Ok(None) => return Registration::NotYet,
            Err(why) => return refused(why),
        },
        (TargetType::Instance | TargetType::Ip | TargetType::Alb, _) => None,
    };
    let Some((id, address, zone, port)) = place else {
        let wanted = match group.target_type {
            TargetType::Instance => "instance",
            TargetType::Ip => "ip",
            TargetType::Alb => "alb",
        };
        return refused(format!(
            "Target type {wanted} is incompatible with the {} network mode",
            crate::payload::network_word(network)
        ));
    };
    Registration::As(Box::new(Target {
        key: TargetKey { group: group.arn.clone(), id, port },
        address,
        zone,
        registered_at: now,
        draining: None,
        seen: BTreeMap::new(),
        service: task.service_key(),
    }))
}

/// The port of the instance at which a container's port is reached; `None` while its agent has not
/// said it.
fn host_port(
    state: &State,
    task: &Task,
    group: &TargetGroup,
    asked: &ServiceTarget,
    network: NetworkMode,
) -> Result<Option<u16>, String> {
    if network == NetworkMode::Host {
        return Ok(Some(asked.port));
    }
    let container = task.containers.iter().find(|it| it.name.as_str() == asked.container);
    let bindings = container.map_or(&[][..], |it| &it.bindings);
    let protocol = match group.protocol {
        TargetProtocol::Udp => Protocol::Udp,
        _ => Protocol::Tcp,
    };
    let mut known = bindings.iter().filter(|it| it.host.protocol == protocol);
    if let Some(port) = known.find_map(|it| host_port_in(it, asked.port)) {
        return Ok(Some(port));
    }
    if is_mapped(state, task, asked) {
        return Ok(None);
    }
    Err(format!("The container {} did not have a container port {}", asked.container, asked.port))
}

fn host_port_in(binding: &Binding, port: u16) -> Option<u16> {
    let last = binding.container_last.unwrap_or(binding.container);
    let offset = port.checked_sub(binding.container).filter(|_| port <= last)?;
    binding.host.number.checked_add(offset)
}

/// Whether the task definition maps that port of that container.
fn is_mapped(state: &State, task: &Task, asked: &ServiceTarget) -> bool {
    let Some(definition) = state.task_definition(&task.revision) else { return false };
    let spec: shape::RegisterTaskDefinitionRequest =
        stored::from_slice(&definition.spec).unwrap_or_default();
    let containers = spec.container_definitions.unwrap_or_default();
    let container = containers.iter().find(|it| it.name.as_ref() == Some(&asked.container));
    container.into_iter().flat_map(|it| it.port_mappings.iter().flatten()).any(|it| {
        let range = it.container_port_range.as_deref().and_then(|it| {
            let (first, last) = it.split_once('-')?;
            Some(first.parse::<u16>().ok()?..=last.parse::<u16>().ok()?)
        });
        it.container_port == Some(i32::from(asked.port))
            || range.is_some_and(|it| it.contains(&asked.port))
    })
}

#[cfg(test)]
mod tests;
