//! Tables for tests, from little.

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use state::{
    Action, Condition, HealthCheck, IpAddressType, ListenerProtocol, LoadBalancerKind,
    ProtocolVersion, TargetProtocol, TargetType, WeightedGroup,
};
use types::{Timestamp, Zone};

use super::{Generation, Group, Listener, LoadBalancer, PortRule, RoutingTable, Target};

/// A forward to groups with their shares: `[("blue", 9), ("green", 1)]`.
pub(crate) fn forward(shares: &[(&str, u32)]) -> Action {
    let share = |(group, weight): &(&str, u32)| WeightedGroup {
        group: (*group).to_owned(),
        weight: *weight,
    };
    Action::Forward { groups: shares.iter().map(share).collect(), stickiness: None }
}

/// A rule named by its priority; 0 is the default rule.
pub(crate) fn rule(priority: u32, conditions: Vec<Condition>, action: Action) -> PortRule {
    PortRule {
        arn: format!("rule-{priority}"),
        priority: (priority > 0).then_some(priority),
        conditions,
        action,
        transforms: Vec::new(),
    }
}

/// A target group of targets `(id, zone letter)` at port 80.
pub(crate) fn group(arn: &str, targets: &[(&str, &str)]) -> Group {
    let target = |(number, (id, zone)): (u8, &(&str, &str))| Target {
        id: (*id).to_owned(),
        port: 80,
        address: Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, number))),
        zone: Zone::parse(zone).ok(),
        registered_at: Timestamp(0),
        draining: None,
    };
    Group {
        arn: arn.to_owned(),
        target_type: TargetType::Ip,
        protocol: TargetProtocol::Http,
        version: Some(ProtocolVersion::Http1),
        ip_address_type: IpAddressType::Ipv4,
        health_check: HealthCheck {
            enabled: true,
            protocol: TargetProtocol::Http,
            port: None,
            path: Some("/".to_owned()),
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
            healthy_threshold: 5,
            unhealthy_threshold: 2,
            matcher: None,
        },
        attributes: BTreeMap::new(),
        targets: (1..).zip(targets).map(target).collect(),
        checked_in: None,
    }
}

/// One load balancer with one listener of these rules, and these groups.
pub(crate) fn table(rules: Vec<PortRule>, groups: Vec<Group>) -> RoutingTable {
    let listener = Listener {
        arn: "listener".to_owned(),
        protocol: ListenerProtocol::Http,
        port: 80,
        certificates: Vec::new(),
        ssl_policy: None,
        alpn_policy: None,
        attributes: BTreeMap::new(),
        rules,
    };
    let load_balancer = LoadBalancer {
        arn: "load-balancer".to_owned(),
        kind: LoadBalancerKind::Application,
        nodes: Vec::new(),
        attributes: BTreeMap::new(),
        listeners: vec![listener],
    };
    let generation = Generation { epoch: 1, version: 1 };
    RoutingTable {
        generation,
        load_balancers: vec![load_balancer],
        groups,
        certificates: Vec::new(),
        seal: vec![7; 32],
    }
}
