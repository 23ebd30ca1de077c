use core::time::Duration;

use state::{
    Balancer, Change, Draining, HealthCheck, IpAddressType, Seen, ServiceKey, TaskDefinition,
};
use types::{AccountId, Home, Port, Region, ServiceName};

use super::*;
use crate::placement::fixture;
use crate::services::fixture as services;

const GROUP: &str = "group";

/// A running task of a service that is to be a target of a group, by port 80 of its container `app`.
struct Case {
    network: NetworkMode,
    target_type: TargetType,
    /// Ports inside and outside, as its agent has said.
    bindings: Vec<(u16, u16)>,
    /// Ports that its definition maps.
    mapped: Vec<u16>,
}

impl Case {
    fn bridge() -> Self {
        let (network, target_type) = (NetworkMode::Bridge, TargetType::Instance);
        Self { network, target_type, bindings: vec![(80, 32768)], mapped: vec![80] }
    }

    fn state(&self) -> (State, Task) {
        let home = Home {
            region: Region::parse("us-east-1").expect("valid"),
            account: AccountId::parse("123456789012").expect("valid"),
        };
        let mut state = State::new(home);
        let instance = fixture::instance(1, "a", 1024, 1024);
        let task = self.task(&fixture::task(7, &instance, &fixture::request(1, 1)));
        state.apply(Change::from(instance));
        state.apply(Change::from(self.definition(&task)));
        state.apply(Change::from(group(self.target_type)));
        state.apply(Change::from(revision(&task)));
        state.apply(Change::from(task.clone()));
        (state, task)
    }

    fn task(&self, plain: &Task) -> Task {
        services::task(plain, self.network, &self.bindings)
    }

    fn definition(&self, task: &Task) -> TaskDefinition {
        let mapping = |port: &u16| shape::PortMapping {
            container_port: Some(i32::from(*port)),
            ..Default::default()
        };
        let port_mappings = Some(self.mapped.iter().map(mapping).collect());
        let app = shape::ContainerDefinition { port_mappings, ..Default::default() };
        services::definition(task, self.network, app)
    }

    /// What comes of it, in short.
    #[track_caller]
    fn check(&self, expected: &str) {
        let (state, task) = self.state();
        let said = match registrations(&state, &task, Timestamp(5)).as_slice() {
            [Registration::As(it)] => format!("{}:{}", it.key.id, it.key.port),
            [Registration::NotYet] => "not yet".into(),
            [Registration::Refused(group, why)] => format!("{group}: {why}"),
            other => format!("{other:?}"),
        };
        assert_eq!(said, expected);
    }
}

fn group(target_type: TargetType) -> TargetGroup {
    TargetGroup {
        arn: GROUP.into(),
        name: GROUP.into(),
        target_type,
        protocol: TargetProtocol::Http,
        port: 8000,
        version: None,
        ip_address_type: IpAddressType::Ipv4,
        vpc: String::new(),
        health_check: HealthCheck {
            enabled: true,
            protocol: TargetProtocol::Http,
            port: None,
            path: None,
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
            healthy_threshold: 3,
            unhealthy_threshold: 3,
            matcher: None,
        },
        attributes: BTreeMap::new(),
        tags: Vec::new(),
        created_at: Timestamp(0),
    }
}

fn revision(task: &Task) -> ServiceRevision {
    let target = ServiceTarget {
        group: Some(GROUP.into()),
        classic: None,
        container: "app".into(),
        port: 80,
    };
    ServiceRevision { targets: vec![target], ..services::revision(task) }
}

#[test]
fn a_task_on_a_bridge_is_its_instance_at_the_port_that_its_agent_published() {
    Case::bridge().check("i-1:32768");
    Case { bindings: vec![(81, 9), (80, 32769)], ..Case::bridge() }.check("i-1:32769");
}

#[test]
fn a_port_that_is_mapped_and_not_known_yet_is_waited_for() {
    Case { bindings: Vec::new(), ..Case::bridge() }.check("not yet");
    Case { bindings: Vec::new(), mapped: vec![81], ..Case::bridge() }
        .check("group: The container app did not have a container port 80");
}

#[test]
fn a_task_in_its_instances_network_is_its_instance_at_its_own_port() {
    Case { network: NetworkMode::Host, bindings: Vec::new(), ..Case::bridge() }.check("i-1:80");
}

#[test]
fn a_task_with_an_address_is_that_address_at_its_own_port() {
    let network = NetworkMode::Awsvpc;
    Case { network, target_type: TargetType::Ip, ..Case::bridge() }.check("172.31.0.9:80");
    Case { network, ..Case::bridge() }
        .check("group: Target type instance is incompatible with the awsvpc network mode");
    Case { target_type: TargetType::Ip, ..Case::bridge() }
        .check("group: Target type ip is incompatible with the bridge network mode");
}

#[test]
fn a_port_in_a_range_is_as_far_into_the_range_outside() {
    let binding = Binding {
        address: String::new(),
        container: 8000,
        host: Port { protocol: Protocol::Tcp, number: 40000 },
        container_last: Some(8010),
        host_last: Some(40010),
    };
    let ports = [7999, 8000, 8010, 8011].map(|it| host_port_in(&binding, it));
    assert_eq!(ports, [None, Some(40000), Some(40010), None]);
}

/// How a task is whose only target these balancers find so.
fn health_of(seen: &[(&str, bool, TargetHealth)], draining: bool) -> TargetsHealth {
    let (mut state, task) = Case::bridge().state();
    for (name, connected, _) in seen {
        state.apply(Change::from(Balancer {
            name: (*name).into(),
            created_at: Timestamp(0),
            connected: *connected,
            connected_at: Timestamp(0),
            addresses: Vec::new(),
            refused: BTreeMap::new(),
        }));
    }
    let found = |health: &TargetHealth| Seen {
        health: health.clone(),
        since: Timestamp(1),
        busy: true,
        anomaly: None,
    };
    let [Registration::As(target)] = &registrations(&state, &task, Timestamp(5))[..] else {
        panic!("it can be registered");
    };
    let until = Draining { since: Timestamp(6), until: Timestamp(9) };
    let target = Target {
        seen: seen.iter().map(|it| (it.0.into(), found(&it.2))).collect(),
        draining: draining.then_some(until),
        ..target.as_ref().clone()
    };
    let mut task = task;
    task.service.as_mut().expect("is of a service").targets = vec![target.key.clone()];
    state.apply(Change::from(target));
    targets_health(&state, &task)
}

#[test]
fn a_task_is_as_its_balancers_find_its_targets() {
    use TargetHealth::{Healthy, Initial, Timeout, WrongCode};
    let unhealthy = |why: &str| {
        TargetsHealth::Unhealthy(format!(
            "(port 32768) is unhealthy in (target-group group) due to (reason {why})"
        ))
    };
    let code = "Health checks failed with these codes: [503]";
    assert_eq!(health_of(&[], false), TargetsHealth::Initial);
    assert_eq!(health_of(&[("a", true, Initial)], false), TargetsHealth::Initial);
    assert_eq!(health_of(&[("a", true, Healthy)], false), TargetsHealth::Healthy);
    assert_eq!(health_of(&[("a", true, WrongCode(503))], false), unhealthy(code));
    let both = [("a", true, Timeout), ("b", true, Healthy)];
    assert_eq!(health_of(&both, false), TargetsHealth::Healthy, "one finds it well");
    let one = [("a", true, Timeout), ("b", false, Healthy)];
    assert_eq!(health_of(&one, false), unhealthy("Request timed out"));
    assert_eq!(health_of(&[("a", false, Healthy)], false), TargetsHealth::Healthy, "as last found");
    assert_eq!(health_of(&[("a", true, Healthy)], true), TargetsHealth::Initial);
}

#[test]
fn a_task_is_healthy_once_it_is_in_every_group_of_its_revision() {
    let (mut state, task) = Case::bridge().state();
    assert_eq!(targets_health(&state, &task), TargetsHealth::Initial, "in none yet");
    let service = ServiceKey { cluster: task.cluster.clone(), name: fresh_name() };
    let alone = ServiceRevision {
        key: ServiceRevisionKey { service, id: 1 },
        targets: Vec::new(),
        ..revision(&task)
    };
    state.apply(Change::from(alone));
    assert_eq!(targets_health(&state, &task), TargetsHealth::None, "it has none to be in");
}

fn fresh_name() -> ServiceName {
    ServiceName::parse("web").expect("valid")
}
