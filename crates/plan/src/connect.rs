//! Service Connect: names and ports at which services reach each other (handbook 5.12).
//!
//! An endpoint is served by the region's balancers, at an address of the VPC of its own, and not by a
//! proxy in each task. Its targets are rows like those of target groups, so that a task leaves an
//! endpoint as it leaves a target group: first the balancers, then its end.

mod wanted;

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use shapes::{ecs as shape, stored};
use state::{
    Action, Change, ConnectEndpoint, Draft, HealthCheck, IpAddressType, ListenerProtocol,
    LoadBalancerKind, NetworkMode, Node, ProtocolVersion, Service, ServiceKey, ServiceRevisionKey,
    ServiceStatus, ServiceTarget, State, TargetGroup, TargetProtocol, TargetType, Task, Traffic,
    WeightedGroup,
};
use types::Timestamp;

pub use wanted::{Unfit, Wanted, namespace, namespace_arn, seen, wanted};

use crate::routing::{Listener, LoadBalancer, PortRule, parts};
use crate::stickiness::Mark;
use crate::subnets;

/// How long what a task has under way may last once it leaves: as long as a container has from the
/// signal to its end where nobody says otherwise.
pub const DRAINING: Duration = Duration::from_secs(30);
/// What nothing may be said for, where nobody says otherwise. Source: Amazon ECS API Reference,
/// `TimeoutConfiguration`.
const IDLE_REQUESTS: Duration = Duration::from_mins(5);
/// As [`IDLE_REQUESTS`], of connections.
const IDLE_CONNECTIONS: Duration = Duration::from_hours(1);
/// Between two looks whether a task takes connections at all.
const CHECKED_EVERY: Duration = Duration::from_secs(2);

/// An endpoint that a service asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// Name of the port mapping.
    pub port_name: String,
    /// Unique in the namespace.
    pub discovery_name: String,
    /// In lower case, without a dot at its end.
    pub dns_name: String,
    /// What clients connect to.
    pub port: u16,
    /// What is carried.
    pub traffic: Traffic,
    /// For how long nothing may be said, where that is given.
    pub idle: Option<Duration>,
}

/// Why a service cannot have an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another endpoint has that name and port.
    #[error(
        "The client alias {dns_name}:{port} is in use by the port {port_name} of the service \
         {service}."
    )]
    Taken {
        /// The name.
        dns_name: String,
        /// The port.
        port: u16,
        /// Name of the port mapping of the endpoint that has it.
        port_name: String,
        /// The service that has it.
        service: String,
    },
    /// The namespace knows that discovery name.
    #[error(
        "The discovery name {discovery_name} is in use in the namespace by the service {service}."
    )]
    Known {
        /// The name.
        discovery_name: String,
        /// The service that has it.
        service: String,
    },
    /// All addresses that are for balancers are given away.
    #[error("No subnet of the region has an address left for a Service Connect endpoint.")]
    NoAddress,
}

/// The endpoints of a service, by the names of their ports.
pub fn of_service<'a>(
    state: &'a State,
    service: &ServiceKey,
) -> impl Iterator<Item = &'a Arc<ConnectEndpoint>> + use<'a> {
    parts(state.connect_endpoints(), start(state, service))
}

/// How the names of a service's endpoints begin.
fn start(state: &State, service: &ServiceKey) -> String {
    let arn = state.home().service(&service.cluster, &service.name);
    format!("{}/", arn.replacen(":service/", ":service-connect/", 1))
}

/// The zone below which each namespace has the names of its endpoints: nobody else's, whoever asks
/// and from wherever. `.internal` is nobody's in the Internet.
const ZONE: &str = "service-connect.internal";

/// What tasks of a namespace put behind a name to look it up.
///
/// Differs: at AWS names are in `/etc/hosts` of such tasks as of when they started. So are resolvers
/// made to find them here, with whatever there is at the moment. The names of two tasks behind one
/// address, as those on a bridge are, differ all the same.
pub fn search_domain(namespace: &str) -> String {
    format!("{namespace}.{ZONE}")
}

/// What a name in the zone of endpoints stands for.
#[derive(Debug)]
pub enum Named<'a> {
    /// It is in another zone.
    Elsewhere,
    /// There is no such endpoint.
    Nothing,
    /// An endpoint of that name.
    By(&'a ConnectEndpoint),
}

/// The endpoint of a full name with a dot at its end. O(endpoints).
pub fn named<'a>(state: &'a State, name: &str) -> Named<'a> {
    let Some(below) = name.strip_suffix('.').and_then(|it| it.strip_suffix(ZONE)) else {
        return Named::Elsewhere;
    };
    if !below.is_empty() && !below.ends_with('.') {
        return Named::Elsewhere;
    }
    let parts = below.strip_suffix('.').and_then(|it| it.rsplit_once('.'));
    let Some((name, namespace)) = parts else { return Named::Nothing };
    let mut all = state.connect_endpoints().values();
    let found = all.find(|it| it.namespace == namespace && it.dns_name == name);
    found.map_or(Named::Nothing, |it| Named::By(it))
}

/// Gives a service these endpoints and no others. One that keeps its name keeps its address.
/// O(endpoints).
///
/// # Errors
///
/// Which one it cannot have; nothing has changed then.
pub fn settle(
    draft: &mut Draft<'_>,
    service: &ServiceKey,
    namespace: &str,
    wanted: &[Alias],
) -> Result<(), Refusal> {
    let state = draft.state();
    let mut rows: Vec<ConnectEndpoint> = Vec::new();
    for alias in wanted {
        let mut others = state.connect_endpoints().values().map(AsRef::as_ref);
        let mut others = others.by_ref().filter(|it| it.service != *service).chain(&rows);
        if let Some(refusal) = others.find_map(|it| against(state, namespace, alias, it)) {
            return Err(refusal);
        }
        let node = node(state, &rows, (namespace, &alias.dns_name)).ok_or(Refusal::NoAddress)?;
        let alias = alias.clone();
        rows.push(ConnectEndpoint {
            arn: format!("{}{}", start(state, service), alias.port_name),
            service: service.clone(),
            port_name: alias.port_name,
            namespace: namespace.to_owned(),
            discovery_name: alias.discovery_name,
            dns_name: alias.dns_name,
            port: alias.port,
            traffic: alias.traffic,
            node,
            idle: alias.idle,
        });
    }
    let had = of_service(state, service).cloned();
    let gone: Vec<_> = had.filter(|it| rows.iter().all(|row| row.arn != it.arn)).collect();
    let rows = rows.into_iter();
    let fresh: Vec<_> = rows
        .filter(|it| state.connect_endpoints().get(&it.arn).map(AsRef::as_ref) != Some(it))
        .collect();
    for it in gone {
        draft.change(Change::ConnectEndpoint(it.arn.clone(), None));
    }
    for it in fresh {
        draft.change(Change::from(it));
    }
    Ok(())
}

/// Keeps a service's endpoints as its PRIMARY deployment has them, where the scheduler has made
/// another one that, and takes them away once nothing of the service runs. What another service has
/// by now is not taken from it: then they stay as they are. Costs nothing where neither is so.
pub fn follow(draft: &mut Draft<'_>, before: &Service, after: &Service) {
    let key = &after.key;
    if after.status == ServiceStatus::Inactive {
        forget(draft, key);
        return;
    }
    let revision = |of: &Service| of.deployments.first().map(|it| it.revision);
    let Some(id) = revision(after).filter(|it| Some(*it) != revision(before)) else { return };
    let state = draft.state();
    let row = state.service_revisions().get(&ServiceRevisionKey { service: key.clone(), id });
    let definition = row.and_then(|it| state.task_definition(&it.definition));
    let (Some(row), Some(definition)) = (row, definition) else { return };
    let spec: shape::CreateServiceRequest = stored::from_slice(&row.spec).unwrap_or_default();
    match wanted(state, spec.service_connect_configuration.as_ref(), definition) {
        Ok(Some(it)) => drop(settle(draft, key, &it.namespace, &it.aliases)),
        Ok(None) => forget(draft, key),
        Err(_) => {}
    }
}

/// Takes away the endpoints of a service that is no more.
pub fn forget(draft: &mut Draft<'_>, service: &ServiceKey) {
    let arns: Vec<_> = of_service(draft.state(), service).map(|it| it.arn.clone()).collect();
    for arn in arns {
        draft.change(Change::ConnectEndpoint(arn, None));
    }
}

/// What an endpoint that is there has against another one.
fn against(
    state: &State,
    namespace: &str,
    alias: &Alias,
    other: &ConnectEndpoint,
) -> Option<Refusal> {
    if other.namespace != namespace {
        return None;
    }
    let service = || state.home().service(&other.service.cluster, &other.service.name);
    if other.dns_name == alias.dns_name && other.port == alias.port {
        return Some(Refusal::Taken {
            dns_name: alias.dns_name.clone(),
            port: alias.port,
            port_name: other.port_name.clone(),
            service: service(),
        });
    }
    let is_known = other.discovery_name == alias.discovery_name;
    is_known.then(|| Refusal::Known {
        discovery_name: alias.discovery_name.clone(),
        service: service(),
    })
}

/// Where an endpoint of that namespace and name is served: where another one of them is, else at an
/// address of its own. Each name begins to look at a place of its own, so that who still has the address of
/// one that is gone does not reach the next one there.
fn node(state: &State, fresh: &[ConnectEndpoint], (namespace, name): (&str, &str)) -> Option<Node> {
    let all = || state.connect_endpoints().values().map(AsRef::as_ref).chain(fresh);
    if let Some(same) = all().find(|it| (&*it.namespace, &*it.dns_name) == (namespace, name)) {
        return Some(same.node.clone());
    }
    let taken = |address| all().any(|it| it.node.address == address);
    let place = Mark::of(&[namespace, name]).0;
    let subnets = &state.region().get(&())?.subnets;
    let first = usize::try_from(place % (subnets.len().max(1) as u64)).unwrap_or_default();
    subnets.iter().cycle().skip(first).take(subnets.len()).find_map(|subnet| {
        let address = subnets::free_for_balancers(state, subnet, place, taken)?;
        Some(Node { zone: subnet.zone.clone(), subnet: subnet.id.clone(), address })
    })
}

/// An endpoint as balancers are told it.
pub(crate) fn load_balancer(it: &ConnectEndpoint) -> LoadBalancer {
    let (kind, protocol, idle) = match it.traffic {
        Traffic::Requests => (LoadBalancerKind::Application, ListenerProtocol::Http, IDLE_REQUESTS),
        Traffic::Connections => {
            (LoadBalancerKind::Network, ListenerProtocol::Tcp, IDLE_CONNECTIONS)
        }
    };
    let idle = it.idle.unwrap_or(idle).as_secs().to_string();
    let share = WeightedGroup { group: it.arn.clone(), weight: 1 };
    let rule = PortRule {
        arn: it.arn.clone(),
        priority: None,
        conditions: Vec::new(),
        action: Action::Forward { groups: vec![share], stickiness: None },
        transforms: Vec::new(),
    };
    let listener = Listener {
        arn: it.arn.clone(),
        protocol,
        port: it.port,
        certificates: Vec::new(),
        ssl_policy: None,
        alpn_policy: None,
        attributes: set(&[("tcp.idle_timeout.seconds", &idle)]),
        rules: vec![rule],
    };
    LoadBalancer {
        arn: it.arn.clone(),
        kind,
        nodes: vec![(it.node.zone.clone(), it.node.address)],
        attributes: set(&[
            ("idle_timeout.timeout_seconds", &idle),
            ("landfall.machine_addresses.enabled", "false"),
            ("load_balancing.cross_zone.enabled", "true"),
            ("routing.http.preserve_host_header.enabled", "true"),
        ]),
        listeners: vec![listener],
    }
}

/// What an endpoint would be if it were a target group with such targets.
pub fn group(it: &ConnectEndpoint, network: NetworkMode) -> TargetGroup {
    let (protocol, version) = match it.traffic {
        Traffic::Requests => (TargetProtocol::Http, Some(ProtocolVersion::Http1)),
        Traffic::Connections => (TargetProtocol::Tcp, None),
    };
    TargetGroup {
        arn: it.arn.clone(),
        name: it.discovery_name.clone(),
        target_type: match network {
            NetworkMode::Awsvpc => TargetType::Ip,
            NetworkMode::Bridge | NetworkMode::Host | NetworkMode::None => TargetType::Instance,
        },
        protocol,
        version,
        port: it.port,
        vpc: String::new(),
        health_check: reached(),
        attributes: set(&[
            ("deregistration_delay.timeout_seconds", &DRAINING.as_secs().to_string()),
            ("preserve_client_ip.enabled", "false"),
        ]),
        ip_address_type: IpAddressType::Ipv4,
        tags: Vec::new(),
        created_at: Timestamp(0),
    }
}

/// What a task of a service is behind each of the service's endpoints that its definition has the
/// port for: its container and port, and what the endpoint is like. O(endpoints).
pub fn of_task(state: &State, task: &Task) -> Vec<(ServiceTarget, TargetGroup)> {
    let Some(service) = task.service_key() else { return Vec::new() };
    let mut endpoints = of_service(state, &service).peekable();
    let definition = state.task_definition(&task.revision);
    let Some(definition) = definition.filter(|_| endpoints.peek().is_some()) else {
        return Vec::new();
    };
    let spec: shape::RegisterTaskDefinitionRequest =
        stored::from_slice(&definition.spec).unwrap_or_default();
    let target = |it: &Arc<ConnectEndpoint>| {
        let (container, mapping) = wanted::mapping(&spec, &it.port_name)?;
        let target = ServiceTarget {
            group: Some(it.arn.clone()),
            classic: None,
            container: container.to_owned(),
            port: u16::try_from(mapping.container_port?).ok()?,
        };
        Some((target, group(it, definition.network)))
    };
    endpoints.filter_map(target).collect()
}

/// Whether a task takes connections at all: what proxies find out by trying. Only where requests go
/// follows from it, and nothing about the task.
fn reached() -> HealthCheck {
    HealthCheck {
        enabled: true,
        protocol: TargetProtocol::Tcp,
        port: None,
        path: None,
        interval: CHECKED_EVERY,
        timeout: CHECKED_EVERY,
        healthy_threshold: 1,
        unhealthy_threshold: 2,
        matcher: None,
    }
}

fn set(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[cfg(test)]
mod tests;
