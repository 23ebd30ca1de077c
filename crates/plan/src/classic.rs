//! Classic Load Balancers: what balancers are told of them, and how their instances are found to be
//! (handbook 7.8).
//!
//! Each listener leads to a group of its own, which is nobody's target group: one port of each
//! instance. All of them are checked as one more group is, which has the load balancer's one check and
//! carries nothing.

mod standing;

use std::collections::BTreeMap;
use std::sync::Arc;

use state::{
    Action, ClassicAttributes, ClassicHealthCheck, ClassicInstance, ClassicInstanceKey,
    ClassicListener, ClassicLoadBalancer, ClassicPolicy, ClassicProtocol, DesyncMode, HealthCheck,
    IpAddressType, ListenerProtocol, LoadBalancerKind, Matcher, ProtocolVersion, State,
    TargetProtocol, TargetType, WeightedGroup, classic_group,
};

use crate::routing::{Group, Listener, LoadBalancer, PortRule, Target};

pub(crate) use standing::FAILED;
pub use standing::{InstanceStanding, standing};

/// The instances of a load balancer, in order of their ids, those that drain too.
pub fn instances<'a>(
    state: &'a State,
    load_balancer: &str,
) -> impl Iterator<Item = &'a Arc<ClassicInstance>> + use<'a> {
    let name = load_balancer.to_owned();
    let first = ClassicInstanceKey { load_balancer: name.clone(), id: String::new() };
    let rest = state.classic_instances().range(first..);
    rest.take_while(move |it| it.0.load_balancer == name).map(|it| it.1)
}

/// A load balancer of that name in the region's names; the name has a dot at its end.
/// O(load balancers).
pub fn named<'a>(state: &'a State, name: &str) -> Option<&'a ClassicLoadBalancer> {
    let name = name.strip_suffix('.')?;
    let mut all = state.classic_load_balancers().values();
    all.find(|it| it.dns_name.eq_ignore_ascii_case(name)).map(AsRef::as_ref)
}

/// How long an instance that leaves may finish what it has; `None` is not at all.
pub fn draining(attributes: &ClassicAttributes) -> Option<core::time::Duration> {
    attributes.connection_draining.then_some(attributes.draining_timeout)
}

/// As balancers are told it.
pub(crate) fn load_balancer(it: &ClassicLoadBalancer) -> LoadBalancer {
    let idle = it.attributes.idle_timeout.as_secs().to_string();
    let desync = match it.attributes.desync {
        DesyncMode::Monitor => "monitor",
        DesyncMode::Defensive => "defensive",
        DesyncMode::Strictest => "strictest",
    };
    let cross_zone = it.attributes.cross_zone.to_string();
    LoadBalancer {
        arn: classic_group(&it.name),
        // Each listener says for itself whether it carries requests.
        kind: LoadBalancerKind::Application,
        nodes: it.nodes.iter().map(|node| (node.zone.clone(), node.address)).collect(),
        attributes: set(&[
            ("idle_timeout.timeout_seconds", &idle),
            ("load_balancing.cross_zone.enabled", &cross_zone),
            ("routing.http.desync_mitigation_mode", desync),
            ("routing.http.preserve_host_header.enabled", "true"),
            ("routing.http2.enabled", "false"),
        ]),
        listeners: it.listeners.iter().map(|listener| told(it, listener, &idle)).collect(),
    }
}

fn told(of: &ClassicLoadBalancer, it: &ClassicListener, idle: &str) -> Listener {
    let arn = group_of(of, it);
    let share = WeightedGroup { group: arn.clone(), weight: 1 };
    let rule = PortRule {
        arn: arn.clone(),
        priority: None,
        conditions: Vec::new(),
        action: Action::Forward { groups: vec![share], stickiness: None },
        transforms: Vec::new(),
    };
    let ssl_policy = it.policies.iter().find_map(|name| match of.policies.get(name)? {
        ClassicPolicy::Tls { reference } => Some(reference.clone()),
        ClassicPolicy::LoadBalancerCookie { .. } | ClassicPolicy::ApplicationCookie { .. } => None,
    });
    Listener {
        arn,
        protocol: match it.protocol {
            ClassicProtocol::Http => ListenerProtocol::Http,
            ClassicProtocol::Https => ListenerProtocol::Https,
            ClassicProtocol::Tcp => ListenerProtocol::Tcp,
            ClassicProtocol::Ssl => ListenerProtocol::Tls,
        },
        port: it.port,
        certificates: it.certificate.iter().cloned().collect(),
        ssl_policy,
        alpn_policy: None,
        attributes: set(&[("tcp.idle_timeout.seconds", idle)]),
        rules: vec![rule],
    }
}

/// What the targets of a listener have for a group.
fn group_of(of: &ClassicLoadBalancer, listener: &ClassicListener) -> String {
    format!("{}/{}", classic_group(&of.name), listener.port)
}

/// What balancers are told to check, and the groups that the listeners lead to. O(its instances).
pub(crate) fn groups(state: &State, of: &ClassicLoadBalancer) -> Vec<Group> {
    let checked = classic_group(&of.name);
    let check = check(&of.health_check);
    let protocol = check.protocol;
    let base = Group {
        arn: checked.clone(),
        target_type: TargetType::Instance,
        protocol,
        version: version(protocol),
        ip_address_type: IpAddressType::Ipv4,
        health_check: check,
        attributes: attributes(&of.attributes),
        targets: targets(state, of, 0),
        checked_in: None,
    };
    let of_listener = |it: &ClassicListener| {
        let protocol = protocol_of(it.instance_protocol);
        let mut attributes = base.attributes.clone();
        let policies = it.policies.iter().filter_map(|name| of.policies.get(name));
        attributes.extend(policies.flat_map(stickiness));
        Group {
            arn: group_of(of, it),
            protocol,
            version: version(protocol),
            attributes,
            targets: targets(state, of, it.instance_port),
            checked_in: Some(checked.clone()),
            ..base.clone()
        }
    };
    let mut carrying: Vec<Group> = of.listeners.iter().map(of_listener).collect();
    carrying.sort_by(|one, other| one.arn.cmp(&other.arn));
    core::iter::once(base.clone()).chain(carrying).collect()
}

/// Instances of zones that the load balancer is not in get nothing.
fn targets(state: &State, of: &ClassicLoadBalancer, port: u16) -> Vec<Target> {
    let target = |it: &Arc<ClassicInstance>| Target {
        id: it.key.id.clone(),
        port,
        address: it.address,
        zone: it.zone.clone(),
        registered_at: it.registered_at,
        draining: it.draining,
    };
    instances(state, &of.name).filter(|it| is_in_a_zone(of, it)).map(target).collect()
}

/// Whether the load balancer is in an instance's zone.
fn is_in_a_zone(of: &ClassicLoadBalancer, it: &ClassicInstance) -> bool {
    it.zone.as_ref().is_none_or(|zone| of.nodes.iter().any(|node| node.zone == *zone))
}

fn attributes(of: &ClassicAttributes) -> BTreeMap<String, String> {
    let delay = draining(of).unwrap_or_default().as_secs().to_string();
    let ends_ill = (!of.connection_draining).to_string();
    set(&[
        ("deregistration_delay.connection_termination.enabled", "true"),
        ("deregistration_delay.timeout_seconds", &delay),
        ("landfall.fail_open.enabled", "false"),
        // Source: Classic Load Balancers User Guide, "Configure the routing algorithm".
        ("load_balancing.algorithm.type", "least_outstanding_requests"),
        ("preserve_client_ip.enabled", "false"),
        ("target_health_state.unhealthy.connection_termination.enabled", &ends_ill),
    ])
}

fn stickiness(policy: &ClassicPolicy) -> BTreeMap<String, String> {
    let sticky =
        set(&[("stickiness.enabled", "true"), ("stickiness.type", "landfall.classic_cookie")]);
    match policy {
        ClassicPolicy::LoadBalancerCookie { expiration } => {
            let period = expiration.map(|it| it.as_secs().to_string());
            let period = period.map(|it| ("stickiness.lb_cookie.duration_seconds".into(), it));
            sticky.into_iter().chain(period).collect()
        }
        ClassicPolicy::ApplicationCookie { cookie } => {
            let name = ("stickiness.app_cookie.cookie_name".into(), cookie.clone());
            sticky.into_iter().chain([name]).collect()
        }
        ClassicPolicy::Tls { .. } => BTreeMap::new(),
    }
}

fn check(it: &ClassicHealthCheck) -> HealthCheck {
    HealthCheck {
        enabled: true,
        protocol: protocol_of(it.protocol),
        port: Some(it.port),
        path: it.path.clone(),
        interval: it.interval,
        timeout: it.timeout,
        healthy_threshold: it.healthy_threshold,
        unhealthy_threshold: it.unhealthy_threshold,
        matcher: match it.protocol {
            ClassicProtocol::Http | ClassicProtocol::Https => Some(Matcher::Http("200".into())),
            ClassicProtocol::Tcp | ClassicProtocol::Ssl => None,
        },
    }
}

fn protocol_of(it: ClassicProtocol) -> TargetProtocol {
    match it {
        ClassicProtocol::Http => TargetProtocol::Http,
        ClassicProtocol::Https => TargetProtocol::Https,
        ClassicProtocol::Tcp => TargetProtocol::Tcp,
        ClassicProtocol::Ssl => TargetProtocol::Tls,
    }
}

fn version(protocol: TargetProtocol) -> Option<ProtocolVersion> {
    let is_http = matches!(protocol, TargetProtocol::Http | TargetProtocol::Https);
    is_http.then_some(ProtocolVersion::Http1)
}

fn set(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[cfg(test)]
mod tests;
