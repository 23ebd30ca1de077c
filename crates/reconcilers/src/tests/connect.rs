//! Tasks behind the endpoints of Service Connect.

use plan::services::{TargetsHealth, targets_health};
use shapes::{ecs as shape, stored};
use state::{
    Change, ConnectEndpoint, DefinitionStatus, Demand, NetworkMode, Node, Status, TaskDefinition,
    Traffic,
};
use types::{Timestamp, Zone};

use super::draining::balancer;
use super::fixture::{MINUTE, SECOND, World, revision};
use super::target_registration::{
    key, member, report, retire, service_revision, targets, world as with_groups,
};

/// The service `web` without target groups, whose tasks name their port 80 `http`.
fn world() -> World {
    let mut world = with_groups();
    world.put(service_revision(&[]));
    let port = shape::PortMapping {
        name: Some("http".into()),
        container_port: Some(80),
        ..shape::PortMapping::default()
    };
    let container = shape::ContainerDefinition {
        name: Some("app".into()),
        port_mappings: Some(vec![port]),
        ..shape::ContainerDefinition::default()
    };
    let spec = shape::RegisterTaskDefinitionRequest {
        container_definitions: Some(vec![container]),
        ..shape::RegisterTaskDefinitionRequest::default()
    };
    world.put(TaskDefinition {
        revision: revision(),
        status: DefinitionStatus::Active,
        spec: stored::to_vec(&spec),
        demand: Demand::default(),
        network: NetworkMode::Bridge,
        requires: Vec::new(),
        member_of: Vec::new(),
        registered_at: Timestamp(0),
        registered_by: String::new(),
        deregistered_at: None,
        delete_requested_at: None,
        tags: Vec::new(),
    });
    world
}

fn endpoint(name: &str, port_name: &str) -> ConnectEndpoint {
    let service = key();
    let start = format!("service-connect/{}/{}", service.cluster, service.name);
    ConnectEndpoint {
        arn: format!("arn:aws:ecs:us-east-1:123456789012:{start}/{name}"),
        service,
        port_name: port_name.into(),
        namespace: "ns-1".into(),
        discovery_name: name.into(),
        dns_name: name.into(),
        port: 8080,
        traffic: Traffic::Requests,
        node: Node {
            zone: Zone::parse("us-east-1a").expect("valid"),
            subnet: "subnet-1".into(),
            address: [172, 31, 15, 1].into(),
        },
        idle: None,
    }
}

/// Targets by the last part of what they are in.
fn behind(world: &World) -> Vec<String> {
    let all = targets(world);
    all.iter().map(|it| it.replace(&endpoint("", "").arn, "")).collect()
}

#[test]
fn running_tasks_are_behind_the_endpoints_that_they_have_a_port_for() {
    let mut world = world();
    world.put(endpoint("http", "http"));
    world.put(endpoint("other", "unknown"));
    world.put(member(1, 1, [32768, 32769]));
    world.run_until(SECOND);
    assert_eq!(behind(&world), ["http 1:32768"]);
    let said = world.state.service_events().len();
    assert_eq!(said, 0, "an endpoint is no target group");
    world.put(endpoint("second", "http"));
    world.put(member(2, 2, [40000, 40001]));
    world.run_until(2 * SECOND);
    assert_eq!(behind(&world), ["http 1:32768", "http 2:40000", "second 2:40000"]);
}

#[test]
fn tasks_that_run_already_are_behind_a_new_endpoint() {
    let mut world = world();
    world.put(member(1, 1, [32768, 32769]));
    world.run_until(SECOND);
    assert_eq!(behind(&world), Vec::<String>::new());
    world.put(endpoint("http", "http"));
    world.run_until(2 * SECOND);
    assert_eq!(behind(&world), ["http 1:32768"]);
}

#[test]
fn a_task_leaves_its_endpoints_before_it_is_stopped() {
    let mut world = world();
    world.put(endpoint("http", "http"));
    world.put(member(1, 1, [32768, 32769]));
    world.run_until(SECOND);
    report(&mut world, true);
    retire(&mut world, 1);
    world.run_until(2 * SECOND);
    assert_eq!(behind(&world), ["-http 1:32768"], "something is under way");
    assert_eq!(world.task(1).expect("is there").last, Status::Deactivating);
    report(&mut world, false);
    world.run_until(3 * SECOND);
    assert_eq!(behind(&world), Vec::<String>::new());
    assert_eq!(world.task(1).expect("is there").last, Status::Stopping);
}

#[test]
fn a_task_counts_once_it_has_been_reached() {
    let mut world = world();
    let health = |world: &World| targets_health(&world.state, world.task(1).expect("is there"));
    world.put(member(1, 1, [32768, 32769]));
    world.run_until(SECOND);
    assert_eq!(health(&world), TargetsHealth::None, "there is nothing to reach it at");
    world.put(endpoint("http", "http"));
    assert_eq!(health(&world), TargetsHealth::Initial, "it is not behind it yet");
    world.run_until(2 * SECOND);
    assert_eq!(health(&world), TargetsHealth::Initial);
    world.put(balancer("b", false));
    assert_eq!(health(&world), TargetsHealth::None, "nobody is there who could reach it");
    world.put(balancer("b", true));
    report(&mut world, true);
    assert_eq!(health(&world), TargetsHealth::None);
}

#[test]
fn what_is_under_way_for_too_long_does_not_hold_a_task() {
    let mut world = world();
    world.put(endpoint("http", "http"));
    world.put(member(1, 1, [32768, 32769]));
    world.run_until(SECOND);
    report(&mut world, true);
    retire(&mut world, 1);
    world.run_until(MINUTE);
    assert_eq!(world.task(1).expect("is there").last, Status::Stopping);
}

#[test]
fn the_targets_of_an_endpoint_go_with_it() {
    let mut world = world();
    world.put(endpoint("http", "http"));
    world.put(member(1, 1, [32768, 32769]));
    world.run_until(SECOND);
    let arn = endpoint("http", "http").arn;
    world.put(Change::ConnectEndpoint(arn, None));
    world.run_until(2 * SECOND);
    assert_eq!(behind(&world), Vec::<String>::new());
    let task = world.task(1).expect("is there");
    assert!(task.service.as_ref().is_some_and(|it| it.targets.is_empty()));
    retire(&mut world, 1);
    assert_eq!(world.task(1).expect("is there").desired, state::Desired::Stopped);
}
