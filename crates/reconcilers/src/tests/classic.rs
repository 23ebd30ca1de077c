//! Tasks of services as instances of Classic Load Balancers.

use core::time::Duration;
use std::collections::BTreeMap;

use state::{
    Change, ClassicAttributes, ClassicHealthCheck, ClassicInstance, ClassicInstanceKey,
    ClassicLoadBalancer, ClassicProtocol, DesyncMode, Scheme, Seen, ServiceRevision, ServiceTarget,
    Status, TargetHealth,
};
use types::Timestamp;

use super::fixture::{MINUTE, SECOND, World, instance};
use super::target_registration::{self, events, key, member, retire, service_revision};

pub(super) fn web(connection_draining: bool) -> ClassicLoadBalancer {
    ClassicLoadBalancer {
        name: "web".into(),
        dns_name: "web-1.us-east-1.elb.amazonaws.com".into(),
        scheme: Scheme::Internal,
        nodes: Vec::new(),
        listeners: Vec::new(),
        health_check: ClassicHealthCheck {
            protocol: ClassicProtocol::Tcp,
            port: 8080,
            path: None,
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
            unhealthy_threshold: 2,
            healthy_threshold: 10,
        },
        security_groups: Vec::new(),
        attributes: ClassicAttributes {
            cross_zone: false,
            connection_draining,
            draining_timeout: Duration::from_mins(5),
            idle_timeout: Duration::from_mins(1),
            desync: DesyncMode::Defensive,
        },
        policies: BTreeMap::new(),
        tags: Vec::new(),
        created_at: Timestamp(0),
    }
}

/// A service `web` whose tasks' instances are behind a load balancer, and a balancer that is there.
fn world(connection_draining: bool) -> World {
    let mut world = target_registration::world();
    world.put(web(connection_draining));
    let target = ServiceTarget {
        group: None,
        classic: Some("web".into()),
        container: "app".into(),
        port: 80,
    };
    world.put(ServiceRevision { targets: vec![target], ..service_revision(&[]) });
    world
}

/// Instances as `number`; `-` before those that drain.
fn instances(world: &World) -> Vec<String> {
    let one = |it: &ClassicInstance| {
        let sign = if it.draining.is_some() { "-" } else { "" };
        format!("{sign}{}", it.key.id.trim_start_matches("i-").trim_start_matches('0'))
    };
    world.state.classic_instances().values().map(|it| one(it)).collect()
}

fn report(world: &mut World, busy: bool) {
    let all: Vec<_> = world.state.classic_instances().values().cloned().collect();
    for it in all {
        let mut it = it.as_ref().clone();
        let health = TargetHealth::Healthy;
        it.seen.insert("b".into(), Seen { health, since: Timestamp(0), busy, anomaly: None });
        world.put(it);
    }
}

#[test]
fn the_instance_of_a_running_task_is_registered_and_drained_before_the_task_is_stopped() {
    let mut world = world(true);
    world.put(member(1, 1, [8080, 8081]));
    world.put(member(2, 2, [8080, 8081]));
    world.run_until(SECOND);
    assert_eq!(instances(&world), ["1", "2"]);
    assert_eq!(events(&world), ["registered 2 instances in (elb web)"]);
    assert!(world.state.classic_instances().values().all(|it| it.service == Some(key())));

    report(&mut world, true);
    retire(&mut world, 1);
    world.run_until(MINUTE);
    assert_eq!(instances(&world), ["-1", "2"]);
    assert_eq!(world.task(1).expect("is there").last, Status::Deactivating);
    let said =
        ["has begun draining connections on 1 tasks.", "deregistered 1 instances in (elb web)"];
    assert_eq!(events(&world)[1..], said);

    report(&mut world, false);
    world.run_until(MINUTE);
    assert_eq!(instances(&world), ["2"]);
    assert_eq!(world.task(1).expect("is there").last, Status::Stopping);
}

#[test]
fn without_connection_draining_an_instance_leaves_at_once() {
    let mut world = world(false);
    world.put(member(1, 1, [8080, 8081]));
    world.run_until(SECOND);
    report(&mut world, true);
    retire(&mut world, 1);
    world.run_until(2 * SECOND);
    assert_eq!(instances(&world), [""; 0]);
    assert_eq!(world.task(1).expect("is there").last, Status::Stopping);
}

#[test]
fn an_instance_that_another_task_stays_at_is_not_deregistered() {
    let mut world = world(true);
    world.put(member(1, 1, [8080, 8081]));
    world.put(member(2, 1, [9080, 9081]));
    world.run_until(SECOND);
    report(&mut world, true);
    retire(&mut world, 1);
    world.run_until(2 * SECOND);
    assert_eq!(instances(&world), ["1"]);
    assert_eq!(world.task(1).expect("is there").last, Status::Stopping);
    retire(&mut world, 2);
    world.run_until(3 * SECOND);
    assert_eq!(instances(&world), ["-1"]);
}

#[test]
fn the_instance_of_a_task_that_is_over_is_out_at_once_and_in_again_with_the_next_one() {
    let mut world = world(true);
    world.put(member(1, 1, [8080, 8081]));
    world.run_until(SECOND);
    report(&mut world, true);
    let mut over = world.task(1).expect("is there").clone();
    over.last = Status::Stopped;
    (over.stopped_at, over.released) = (Some(Timestamp(0)), true);
    world.put(over);
    world.run_until(2 * SECOND);
    assert_eq!(instances(&world), [""; 0]);
    world.put(member(2, 1, [8080, 8081]));
    world.run_until(3 * SECOND);
    assert_eq!(instances(&world), ["1"]);
}

#[test]
fn an_instance_that_somebody_deregistered_is_registered_again() {
    let mut world = world(true);
    world.put(member(1, 1, [8080, 8081]));
    world.run_until(SECOND);
    let id = instance(1).ec2_instance_id;
    let key = ClassicInstanceKey { load_balancer: "web".into(), id };
    world.put(Change::ClassicInstance(key, None));
    world.run_until(2 * SECOND);
    assert_eq!(instances(&world), ["1"]);
}

#[test]
fn a_load_balancer_that_is_deleted_takes_its_instances_along_and_holds_nobody_up() {
    let mut world = world(true);
    world.put(member(1, 1, [8080, 8081]));
    world.run_until(SECOND);
    report(&mut world, true);
    world.put(Change::ClassicLoadBalancer("web".into(), None));
    world.run_until(2 * SECOND);
    assert_eq!(instances(&world), [""; 0]);
    let why = "There is no ACTIVE Load Balancer named 'web'";
    let said = format!("failed to register instances in (elb web) with (error {why})");
    assert_eq!(events(&world).last(), Some(&said));
    retire(&mut world, 1);
    world.run_until(3 * SECOND);
    // It is a target no more: its agent is told at once.
    let told = plan::assignments::of(&world.state, instance(1).id).expect("is there");
    assert!(!told.tasks.values().any(plan::assignments::Assigned::should_run));
}
