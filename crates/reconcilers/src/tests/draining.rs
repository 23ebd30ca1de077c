use std::collections::BTreeMap;

use state::{
    Action, Balancer, Draining, HealthCheck, IpAddressType, Rule, Seen, Target, TargetGroup,
    TargetHealth, TargetKey, TargetProtocol, TargetType, WeightedGroup,
};
use types::Timestamp;

use super::fixture::{MINUTE, SECOND, World};
use crate::Policy;

const GROUP: &str = "group";

/// A group that a rule names, and these balancers, all connected.
fn world(balancers: &[&str]) -> World {
    let mut world = World::new(Policy::default());
    world.put(group(&[]));
    world.put(Rule {
        arn: "rule".into(),
        listener: "listener".into(),
        priority: None,
        conditions: Vec::new(),
        action: Action::Forward {
            groups: vec![WeightedGroup { group: GROUP.into(), weight: 1 }],
            stickiness: None,
        },
        transforms: Vec::new(),
        spec: Vec::new(),
        tags: Vec::new(),
    });
    for name in balancers {
        world.put(balancer(name, true));
    }
    world
}

pub(super) fn group(attributes: &[(&str, &str)]) -> TargetGroup {
    TargetGroup {
        arn: GROUP.into(),
        name: GROUP.into(),
        target_type: TargetType::Ip,
        protocol: TargetProtocol::Tcp,
        port: 80,
        version: None,
        ip_address_type: IpAddressType::Ipv4,
        vpc: String::new(),
        health_check: HealthCheck {
            enabled: true,
            protocol: TargetProtocol::Tcp,
            port: None,
            path: None,
            interval: core::time::Duration::from_secs(30),
            timeout: core::time::Duration::from_secs(5),
            healthy_threshold: 3,
            unhealthy_threshold: 3,
            matcher: None,
        },
        attributes: attributes.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect(),
        tags: Vec::new(),
        created_at: Timestamp(0),
    }
}

pub(super) fn balancer(name: &str, connected: bool) -> Balancer {
    Balancer {
        name: name.into(),
        created_at: Timestamp(0),
        connected,
        connected_at: Timestamp(0),
        addresses: Vec::new(),
        refused: BTreeMap::new(),
    }
}

/// A target that was registered after the balancers called, and drains for five minutes; each balancer
/// that has spoken, and whether it is busy.
fn draining(port: u16, said: &[(&str, bool)]) -> Target {
    let seen =
        |busy| Seen { health: TargetHealth::Healthy, since: Timestamp(0), busy, anomaly: None };
    Target {
        key: TargetKey { group: GROUP.into(), id: "172.31.0.9".into(), port },
        address: None,
        zone: None,
        registered_at: Timestamp(1),
        draining: Some(Draining { since: Timestamp(0), until: Timestamp(5 * MINUTE) }),
        seen: said.iter().map(|(name, busy)| ((*name).into(), seen(*busy))).collect(),
        service: None,
    }
}

#[test]
fn a_target_that_nobody_is_busy_with_goes_early() {
    let mut world = world(&["a", "b"]);
    world.put(draining(80, &[("a", true), ("b", false)]));
    world.run_until(MINUTE);
    assert_eq!(world.state.targets().len(), 1, "one is busy still");
    world.put(draining(80, &[("a", false), ("b", false)]));
    world.run_until(MINUTE);
    assert!(world.state.targets().is_empty());
}

#[test]
fn a_balancer_that_has_said_nothing_yet_may_be_busy_unless_it_was_gone_before() {
    let mut world = world(&["a", "b"]);
    world.put(draining(80, &[("a", false)]));
    world.run_until(MINUTE);
    assert_eq!(world.state.targets().len(), 1);
    world.put(Balancer { connected_at: Timestamp(2), ..balancer("b", false) });
    world.run_until(MINUTE);
    assert_eq!(world.state.targets().len(), 1, "it may know of the registration");
    world.put(balancer("b", false));
    world.run_until(MINUTE);
    assert!(world.state.targets().is_empty());
}

#[test]
fn a_balancer_that_has_lost_its_session_goes_on_with_what_it_has() {
    let mut world = world(&["a", "b"]);
    world.put(balancer("b", false));
    world.put(draining(80, &[("a", false), ("b", true)]));
    world.run_until(5 * MINUTE - 1);
    assert_eq!(world.state.targets().len(), 1, "nobody knows how it is there");
    world.run_until(5 * MINUTE);
    assert!(world.state.targets().is_empty());
}

#[test]
fn a_target_goes_when_its_delay_is_over_whatever_is_under_way() {
    let mut world = world(&[]);
    world.put(draining(80, &[("a", true)]));
    world.run_until(5 * MINUTE - 1);
    assert_eq!(world.state.targets().len(), 1, "without balancers nobody knows");
    world.run_until(5 * MINUTE);
    assert!(world.state.targets().is_empty());
}

#[test]
fn the_exact_delay_is_waited_for_where_that_is_asked_for() {
    let mut world = world(&["a"]);
    world.put(group(&[("landfall.deregistration_delay.exact", "true")]));
    world.put(draining(80, &[("a", false)]));
    world.run_until(5 * MINUTE - 1);
    assert_eq!(world.state.targets().len(), 1);
    world.run_until(5 * MINUTE);
    assert!(world.state.targets().is_empty());
}

#[test]
fn many_targets_go_in_writes_of_a_hundred() {
    let mut world = world(&["a"]);
    for port in 1..=250 {
        world.put(draining(port, &[("a", false)]));
    }
    let sizes: Vec<_> = world.run_until(SECOND).iter().map(|it| it.changes).collect();
    assert_eq!(sizes, [100, 100, 50]);
}
