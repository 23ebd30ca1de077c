//! What a service's task is in target groups: which targets it should be, and how those are.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use shapes::{ecs as shape, stored};
use state::{
    Binding, Health, NetworkMode, ServiceRevision, ServiceRevisionKey, ServiceTarget, State,
    Target, TargetGroup, TargetHealth, TargetKey, TargetProtocol, TargetType, Task, classic_group,
    classic_name, names_endpoint,
};
use types::{Protocol, Timestamp};

use crate::{classic, connect, targets};

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
    /// is unhealthy in (target-group ARN) due to (reason …)`; of a Classic Load Balancer, `(instance
    /// ID) is unhealthy in (elb NAME) due to (reason …)`.
    Unhealthy(String),
}

/// How the targets of a service's task are. Those that somebody else has deregistered, or whose
/// group is gone, are not known to be ill. Endpoints of Service Connect only say when a task can be
/// reached for the first time, and nothing of it later. O(its targets).
pub fn targets_health(state: &State, task: &Task) -> TargetsHealth {
    if awaits_endpoints(state, task) {
        return TargetsHealth::Initial;
    }
    let wanted = revision_of(state, task).map_or(0, |it| it.targets.len());
    if wanted == 0 {
        return TargetsHealth::None;
    }
    let keys = task.service.as_ref().map_or(&[][..], |it| &it.targets);
    let mut healthy = 0;
    for key in keys.iter().filter(|it| !names_endpoint(&it.group)) {
        let target = targets::get(state, key).filter(|it| it.draining.is_none());
        let Some(target) = target else { continue };
        let found = targets::found_last(state, &target);
        if let Some(fault) = targets::fault(&found) {
            return TargetsHealth::Unhealthy(unhealthy(key, &fault));
        }
        healthy += usize::from(found == TargetHealth::Healthy);
    }
    if healthy == wanted { TargetsHealth::Healthy } else { TargetsHealth::Initial }
}

fn unhealthy(key: &TargetKey, fault: &str) -> String {
    let TargetKey { group, id, port } = key;
    match classic_name(group) {
        Some(name) => {
            format!(
                "(instance {id}) is unhealthy in (elb {name}) due to (reason {})",
                classic::FAILED
            )
        }
        None => {
            format!("(port {port}) is unhealthy in (target-group {group}) due to (reason {fault})")
        }
    }
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
    let is_reached = |group: &String| {
        let mut keys = membership.targets.iter().filter(|it| it.group == *group);
        let target = keys.find_map(|it| state.targets().get(it));
        target.is_some_and(|it| {
            it.draining.is_some() || targets::found(state, it) == TargetHealth::Healthy
        })
    };
    connect::of_task(state, task).iter().any(|(_, endpoint)| !is_reached(&endpoint.arn))
}

/// Whether every essential container that has a check passes it; a task without checks does. One
/// that has not been checked yet does not.
///
/// Source: ECS Developer Guide, "Determine Amazon ECS task health using container health checks".
pub fn passes_checks(state: &State, task: &Task) -> bool {
    let definition = state.task_definition(&task.revision);
    let spec: shape::RegisterTaskDefinitionRequest =
        definition.and_then(|it| stored::from_slice(&it.spec).ok()).unwrap_or_default();
    let containers = spec.container_definitions.iter().flatten();
    let mut checked =
        containers.filter(|it| it.health_check.is_some() && it.essential.unwrap_or(true));
    checked.all(|it| {
        let found =
            task.containers.iter().find(|row| Some(row.name.as_str()) == it.name.as_deref());
        found.is_some_and(|it| it.health == Health::Healthy)
    })
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

/// What a running task of a service should be registered as, in each group of its revision and, as
/// long as its containers pass their checks, in each endpoint of its service. O(both).
pub fn registrations(state: &State, task: &Task, now: Timestamp) -> Vec<Registration> {
    let of_group = |(asked, arn): (&ServiceTarget, &String)| match state.target_groups().get(arn) {
        Some(group) => registration(state, task, asked, group, now),
        None => Registration::Refused(arn.clone(), "Target group not found".into()),
    };
    let revision = revision_of(state, task);
    let in_classic = revision.into_iter().flat_map(|it| &it.targets);
    let in_classic = in_classic.filter_map(|it| Some((it, it.classic.as_ref()?)));
    let in_classic = in_classic.map(|(asked, name)| instance(state, task, asked, name, now));
    let in_groups = revision.into_iter().flat_map(groups_of).map(of_group).chain(in_classic);
    let mut endpoints = connect::of_task(state, task);
    if !endpoints.is_empty() && !passes_checks(state, task) {
        endpoints.clear();
    }
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
        (TargetType::Instance, None) => {
            match host_port(state, task, group.protocol, asked, network) {
                Ok(Some(port)) => state.container_instance(task.instance).map(|it| {
                    let (address, zone) = targets::instance_place(it);
                    (it.ec2_instance_id.clone(), address, zone, port)
                }),
                Ok(None) => return Registration::NotYet,
                Err(why) => return refused(why),
            }
        }
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

/// A task's instance in a Classic Load Balancer, where its host port is the one that a listener leads
/// to; nothing says that it is.
fn instance(
    state: &State,
    task: &Task,
    asked: &ServiceTarget,
    name: &str,
    now: Timestamp,
) -> Registration {
    let group = classic_group(name);
    if !state.classic_load_balancers().contains_key(name) {
        let why = format!("There is no ACTIVE Load Balancer named '{name}'");
        return Registration::Refused(group, why);
    }
    let network =
        state.task_definition(&task.revision).map_or(NetworkMode::Bridge, |it| it.network);
    match host_port(state, task, TargetProtocol::Tcp, asked, network) {
        Ok(Some(_)) => {}
        Ok(None) => return Registration::NotYet,
        Err(why) => return Registration::Refused(group, why),
    }
    let Some(row) = state.container_instance(task.instance) else { return Registration::NotYet };
    let (address, zone) = targets::instance_place(row);
    Registration::As(Box::new(Target {
        key: TargetKey { group, id: row.ec2_instance_id.clone(), port: 0 },
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
    protocol: TargetProtocol,
    asked: &ServiceTarget,
    network: NetworkMode,
) -> Result<Option<u16>, String> {
    if network == NetworkMode::Host {
        return Ok(Some(asked.port));
    }
    let container = task.containers.iter().find(|it| it.name.as_str() == asked.container);
    let bindings = container.map_or(&[][..], |it| &it.bindings);
    let protocol = match protocol {
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
