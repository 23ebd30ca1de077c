//! What tasks of services are in Cloud Map, by the `serviceRegistries` of their service revisions.
//!
//! Source: ECS Developer Guide, "Use service discovery to connect Amazon ECS services with DNS
//! names"; handbook 5.12.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use state::{
    Binding, Desired, DiscoveryHealth, DiscoveryInstance, DiscoveryInstanceKey, DiscoveryService,
    NetworkMode, ServiceRegistry, State, Status, Task,
};
use types::Arn;

use crate::names::services::{IPV4, IPV6, PORT};
use crate::{services, targets};

/// What an instance of Cloud Map should be, and what it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// What it is found by.
    pub key: DiscoveryInstanceKey,
    /// `None` if the task should not be found: it does not run yet, leaves or is over.
    pub wanted: Option<DiscoveryInstance>,
}

/// What a task should be in each service of Cloud Map that its revision names. A service that is not
/// there is passed over.
///
/// O(registries), of which there is one at most, and the task's containers.
pub fn entries(state: &State, task: &Task) -> Vec<Entry> {
    let registries = services::revision_of(state, task).map_or(&[][..], |it| &it.registries);
    let one = |it: &ServiceRegistry| {
        let service = service_of(state, it)?;
        let key = DiscoveryInstanceKey { service: service.id.clone(), id: task.id.to_string() };
        let is_found = task.desired == Desired::Running && task.last == Status::Running;
        let wanted = if is_found { instance(state, task, it, service, &key) } else { None };
        Some(Entry { key, wanted })
    };
    registries.iter().filter_map(one).collect()
}

/// The service of Cloud Map that a registry names.
fn service_of<'a>(state: &'a State, registry: &ServiceRegistry) -> Option<&'a DiscoveryService> {
    let arn = Arn::parse(&registry.arn)?;
    let id = arn.resource.strip_prefix("service/")?;
    state.discovery_services().get(id).map(AsRef::as_ref)
}

/// A running task as an instance; `None` while its port is not known.
fn instance(
    state: &State,
    task: &Task,
    registry: &ServiceRegistry,
    service: &DiscoveryService,
    key: &DiscoveryInstanceKey,
) -> Option<DiscoveryInstance> {
    let host = state.container_instance(task.instance);
    let address = match &task.interface {
        Some(interface) => IpAddr::V4(Ipv4Addr::from_bits(interface.address)),
        None => targets::instance_place(host?).0?,
    };
    let port = match port(state, task, registry) {
        Told::NotYet => return None,
        Told::Nothing => None,
        Told::Port(port) => Some(port.to_string()),
    };
    let member = task.service_key()?;
    let ec2 = host.map(|it| it.ec2_instance_id.clone());
    let attributes = [
        (if address.is_ipv4() { IPV4 } else { IPV6 }, Some(address.to_string())),
        (PORT, port),
        ("AVAILABILITY_ZONE", Some(task.zone.to_string())),
        ("REGION", Some(state.home().region.to_string())),
        ("ECS_SERVICE_NAME", Some(member.name.to_string())),
        ("ECS_CLUSTER_NAME", Some(task.cluster.to_string())),
        ("EC2_INSTANCE_ID", ec2),
        ("ECS_TASK_DEFINITION_FAMILY", Some(task.revision.family.to_string())),
    ];
    let told = attributes.into_iter().filter_map(|(name, it)| Some((name.to_owned(), it?)));
    let before = state.discovery_instances().get(key);
    Some(DiscoveryInstance {
        key: key.clone(),
        attributes: told.collect::<BTreeMap<_, _>>(),
        health: service.custom_health.then(|| health(state, task)),
        registration: before.and_then(|it| it.registration.clone()),
        created_at: before.map_or(task.started_at.unwrap_or(task.created_at), |it| it.created_at),
    })
}

/// What is told of the port at which a task is reached.
enum Told {
    Port(u16),
    /// There is none to tell.
    Nothing,
    /// Its agent has not said it.
    NotYet,
}

fn port(state: &State, task: &Task, registry: &ServiceRegistry) -> Told {
    let Some(inside) = registry.container_port else {
        return registry.port.map_or(Told::Nothing, Told::Port);
    };
    let network =
        state.task_definition(&task.revision).map_or(NetworkMode::Bridge, |it| it.network);
    match network {
        NetworkMode::Awsvpc | NetworkMode::Host | NetworkMode::None => Told::Port(inside),
        NetworkMode::Bridge => {
            let is_meant = |name: &str| registry.container.as_deref().is_none_or(|it| it == name);
            let mut containers = task.containers.iter().filter(|it| is_meant(it.name.as_str()));
            let found =
                containers.find_map(|it| it.bindings.iter().find_map(|it| outside(it, inside)));
            found.map_or(Told::NotYet, Told::Port)
        }
    }
}

/// The port of the instance that leads to that port inside.
fn outside(binding: &Binding, inside: u16) -> Option<u16> {
    let last = binding.container_last.unwrap_or(binding.container);
    let offset = inside.checked_sub(binding.container).filter(|_| inside <= last)?;
    binding.host.number.checked_add(offset)
}

fn health(state: &State, task: &Task) -> DiscoveryHealth {
    match services::passes_checks(state, task) {
        true => DiscoveryHealth::Healthy,
        false => DiscoveryHealth::Unhealthy,
    }
}

#[cfg(test)]
mod tests;
