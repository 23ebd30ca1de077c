use std::collections::BTreeMap;

use state::{Action, Change, Listener, ListenerProtocol, Rule, Target, TargetKey};
use types::Timestamp;

use super::fixture::{SECOND, World};
use crate::Policy;

const LOAD_BALANCER: &str = "arn:aws:elasticloadbalancing:r:1:loadbalancer/app/web/1";
const GROUP: &str = "arn:aws:elasticloadbalancing:r:1:targetgroup/web/1";

fn listener(number: u32) -> Listener {
    Listener {
        arn: format!("arn:aws:elasticloadbalancing:r:1:listener/app/web/1/{number:02}"),
        load_balancer: LOAD_BALANCER.to_owned(),
        protocol: ListenerProtocol::Http,
        port: 80,
        certificates: Vec::new(),
        ssl_policy: None,
        alpn_policy: None,
        attributes: BTreeMap::new(),
        tags: Vec::new(),
    }
}

fn rule(of: &Listener, number: u32) -> Rule {
    let start = of.arn.replace(":listener/", ":listener-rule/");
    Rule {
        arn: format!("{start}/{number:03}"),
        listener: of.arn.clone(),
        priority: Some(number),
        conditions: Vec::new(),
        action: Action::Fixed { status: 200, content_type: None, body: String::new() },
        transforms: Vec::new(),
        spec: Vec::new(),
        tags: Vec::new(),
    }
}

fn target(port: u16) -> Target {
    Target {
        key: TargetKey { group: GROUP.to_owned(), id: "172.31.0.9".to_owned(), port },
        address: None,
        zone: None,
        registered_at: Timestamp(0),
        draining: None,
        seen: BTreeMap::new(),
        service: None,
    }
}

/// Fifty listeners, the first with a hundred rules, and 250 targets, of which the wholes are gone.
fn world() -> World {
    let mut world = World::new(Policy::default());
    for number in 0..50 {
        world.put(listener(number));
    }
    for number in 1..=100 {
        world.put(rule(&listener(0), number));
    }
    for port in 1..=250 {
        world.put(target(port));
    }
    world
}

#[test]
fn parts_follow_what_they_are_parts_of_in_writes_of_a_hundred() {
    let mut world = world();
    world.put(Change::LoadBalancer(LOAD_BALANCER.to_owned(), None));
    world.put(Change::TargetGroup(GROUP.to_owned(), None));
    let reviewed = world.run_until(SECOND);
    assert!(reviewed.iter().all(|it| it.changes <= state::CHANGES_MAX), "{reviewed:?}");
    assert!(world.state.listeners().is_empty());
    assert!(world.state.rules().is_empty());
    assert!(world.state.targets().is_empty());
}

#[test]
fn a_restart_finds_them_too() {
    let mut world = world().restarted();
    world.run_until(SECOND);
    assert!(world.state.listeners().is_empty() && world.state.targets().is_empty());
}
