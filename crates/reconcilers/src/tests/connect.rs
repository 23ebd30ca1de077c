//! Tasks behind the endpoints of Service Connect.

use plan::connect;
use plan::services::{TargetsHealth, targets_health};
use shapes::{ecs as shape, stored};
use state::{
    Change, ConnectEndpoint, DefinitionStatus, Demand, Health, Namespace, NamespaceKind,
    NetworkMode, Node, RegionRow, Service, ServiceRevision, ServiceRevisionKey, ServiceStatus,
    Status, Subnet, TaskDefinition, Traffic,
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
    world.put(definition(None));
    world
}

fn definition(health_check: Option<shape::HealthCheck>) -> TaskDefinition {
    let port = shape::PortMapping {
        name: Some("http".into()),
        container_port: Some(80),
        ..shape::PortMapping::default()
    };
    let container = shape::ContainerDefinition {
        name: Some("app".into()),
        port_mappings: Some(vec![port]),
        health_check,
        ..shape::ContainerDefinition::default()
    };
    let spec = shape::RegisterTaskDefinitionRequest {
        container_definitions: Some(vec![container]),
        ..shape::RegisterTaskDefinitionRequest::default()
    };
    TaskDefinition {
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
    }
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
    let each = ["http 1:32768", "http 2:40000", "second 1:32768", "second 2:40000"];
    assert_eq!(behind(&world), each);
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
fn a_task_is_behind_its_endpoints_while_its_containers_pass_their_checks() {
    let mut world = world();
    world.put(definition(Some(shape::HealthCheck::default())));
    world.put(endpoint("http", "http"));
    world.put(member(1, 1, [32768, 32769]));
    let becomes = |world: &mut World, health: Health| {
        let mut task = world.task(1).expect("is there").clone();
        task.containers.iter_mut().for_each(|it| it.health = health);
        world.put(task);
    };
    world.run_until(SECOND);
    assert_eq!(behind(&world), Vec::<String>::new(), "it has not been checked yet");
    becomes(&mut world, Health::Healthy);
    world.run_until(2 * SECOND);
    assert_eq!(behind(&world), ["http 1:32768"]);
    report(&mut world, true);

    becomes(&mut world, Health::Unhealthy);
    world.run_until(3 * SECOND);
    assert_eq!(behind(&world), ["-http 1:32768"], "what is under way ends");
    assert_eq!(world.task(1).expect("is there").last, Status::Running);
    becomes(&mut world, Health::Healthy);
    world.run_until(4 * SECOND);
    assert_eq!(behind(&world), ["-http 1:32768"], "first it is gone");
    report(&mut world, false);
    world.run_until(5 * SECOND);
    assert_eq!(behind(&world), ["http 1:32768"]);

    becomes(&mut world, Health::Unhealthy);
    world.run_until(2 * MINUTE);
    assert_eq!(behind(&world), Vec::<String>::new());
    let task = world.task(1).expect("is there");
    assert!(task.service.as_ref().is_some_and(|it| it.targets.is_empty()));
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

/// A revision that makes port `http` reachable at that name.
fn connected(id: u64, name: &str) -> ServiceRevision {
    let alias = shape::ServiceConnectClientAlias {
        dns_name: Some(name.into()),
        port: Some(80),
        ..shape::ServiceConnectClientAlias::default()
    };
    let service = shape::ServiceConnectService {
        port_name: Some("http".into()),
        client_aliases: Some(vec![alias]),
        ..shape::ServiceConnectService::default()
    };
    let configuration = shape::ServiceConnectConfiguration {
        enabled: Some(true),
        namespace: Some("shop".into()),
        services: Some(vec![service]),
        ..shape::ServiceConnectConfiguration::default()
    };
    let spec = shape::CreateServiceRequest {
        service_connect_configuration: Some(configuration),
        ..shape::CreateServiceRequest::default()
    };
    ServiceRevision {
        key: ServiceRevisionKey { service: key(), id },
        spec: stored::to_vec(&spec),
        ..service_revision(&[])
    }
}

fn names(world: &World) -> Vec<String> {
    world.state.connect_endpoints().values().map(|it| it.dns_name.clone()).collect()
}

#[test]
fn endpoints_are_those_of_the_deployment_that_a_rollback_goes_back_to() {
    let mut world = world();
    world.put(RegionRow {
        vpc: "vpc-1".into(),
        vpc_base: 0xac1f_0000,
        vpc_prefix: 16,
        security_group: "sg-1".into(),
        subnets: vec![Subnet {
            id: "subnet-1".into(),
            zone: Zone::parse("us-east-1a").expect("valid"),
            base: 0xac1f_0000,
            prefix: 20,
        }],
        audited: 0,
    });
    world.put(Namespace {
        id: "ns-1".into(),
        name: "shop".into(),
        http_name: "shop".into(),
        kind: NamespaceKind::Http,
        description: None,
        creator_request_id: None,
        created_by: "operation".into(),
        last_update: None,
        tags: Vec::new(),
        created_at: Timestamp(0),
    });
    world.put(connected(2, "web"));
    world.put(connected(3, "other"));
    let service = world.state.services().get(&key()).expect("is there").as_ref().clone();
    let rolled_out = |revision| {
        let mut service = service.clone();
        service.deployments.iter_mut().for_each(|it| it.revision = revision);
        service
    };
    for (before, after, expected) in
        [(1, 2, vec!["web"]), (2, 3, vec!["other"]), (3, 2, vec!["web"]), (2, 1, Vec::new())]
    {
        let (before, after) = (rolled_out(before), rolled_out(after));
        world.step(|draft, _| connect::follow(draft, &before, &after));
        assert_eq!(names(&world), expected);
    }
    let (before, after) = (rolled_out(1), rolled_out(2));
    world.step(|draft, _| connect::follow(draft, &before, &after));
    let over = Service { status: ServiceStatus::Inactive, ..after.clone() };
    world.step(|draft, _| connect::follow(draft, &after, &over));
    assert_eq!(names(&world), Vec::<String>::new(), "nothing of it runs");
}
