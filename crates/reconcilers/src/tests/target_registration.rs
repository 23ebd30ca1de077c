use std::collections::BTreeMap;

use state::{
    Action, Binding, Change, Deployment, Interface, Membership, Remarks, Rollout, Rule, Scheduling,
    Seen, Service, ServiceKey, ServiceRevision, ServiceRevisionKey, ServiceStatus, ServiceTarget,
    Status, Stop, StopCode, Switch, Target, TargetGroup, TargetHealth, TargetKey, TargetType, Task,
    WeightedGroup,
};
use types::{Port, Protocol, ServiceName, Timestamp};

use super::draining::{balancer, group};
use super::fixture::{MINUTE, SECOND, World, cluster, instance, revision, task};
use crate::Policy;

const GROUP: &str = "group";
const OTHER: &str = "other";

/// A service `web` whose tasks are targets of two groups of instances, by ports 80 and 81 of their
/// container; rules name both groups, and a balancer is there.
pub(super) fn world() -> World {
    // What the scheduler would do to these tasks is another promise.
    let mut world = World::without(Policy::default(), "services");
    for arn in [GROUP, OTHER] {
        world.put(TargetGroup { arn: arn.into(), target_type: TargetType::Instance, ..group(&[]) });
        world.put(named(arn));
    }
    world.put(balancer("b", true));
    world.put(instance(1));
    world.put(instance(2));
    world.put(service());
    world.put(service_revision(&[(GROUP, 80), (OTHER, 81)]));
    world
}

fn named(group: &str) -> Rule {
    Rule {
        arn: format!("rule-{group}"),
        listener: "listener".into(),
        priority: None,
        conditions: Vec::new(),
        action: Action::Forward {
            groups: vec![WeightedGroup { group: group.into(), weight: 1 }],
            stickiness: None,
        },
        transforms: Vec::new(),
        spec: Vec::new(),
        tags: Vec::new(),
    }
}

pub(super) fn key() -> ServiceKey {
    ServiceKey { cluster: cluster(), name: ServiceName::parse("web").expect("valid") }
}

pub(super) fn service_revision(targets: &[(&str, u16)]) -> ServiceRevision {
    let target = |(group, port): &(&str, u16)| ServiceTarget {
        group: Some((*group).into()),
        classic: None,
        container: "app".into(),
        port: *port,
    };
    ServiceRevision {
        key: ServiceRevisionKey { service: key(), id: 1 },
        definition: revision(),
        spec: Vec::new(),
        targets: targets.iter().map(target).collect(),
        registries: Vec::new(),
        digests: BTreeMap::new(),
        unresolved_at: None,
        created_at: Timestamp(0),
    }
}

/// A running task whose ports 80 and 81 are at these of its instance.
pub(super) fn member(bits: u128, on: u128, ports: [u16; 2]) -> Task {
    let mut it = task(bits, on);
    for (inside, host) in [80, 81].into_iter().zip(ports) {
        it.containers[0].bindings.push(Binding {
            address: "0.0.0.0".into(),
            container: inside,
            host: Port { protocol: Protocol::Tcp, number: host },
            container_last: None,
            host_last: None,
        });
    }
    it.service = Some(Box::new(membership()));
    it
}

/// Targets as `group id:port`; `-` before those that drain.
pub(super) fn targets(world: &World) -> Vec<String> {
    let one = |it: &Target| {
        let sign = if it.draining.is_some() { "-" } else { "" };
        let id = it.key.id.trim_start_matches("i-").trim_start_matches('0');
        format!("{sign}{} {id}:{}", it.key.group, it.key.port)
    };
    world.state.targets().values().map(|it| one(it)).collect()
}

pub(super) fn events(world: &World) -> Vec<String> {
    let all = world.state.service_events().values();
    all.map(|it| it.message.trim_start_matches("(service web) ").to_owned()).collect()
}

pub(super) fn retire(world: &mut World, bits: u128) {
    let row = world.task(bits).expect("is there").clone();
    let stop = Stop { code: StopCode::ServiceSchedulerInitiated, reason: "enough".into() };
    world.step(|draft, now| plan::services::retire(draft, &row, stop, now));
}

/// The balancer says of every target whether it has something under way to it.
pub(super) fn report(world: &mut World, busy: bool) {
    let all: Vec<Target> = world.state.targets().values().map(|it| it.as_ref().clone()).collect();
    for mut it in all {
        let health = TargetHealth::Healthy;
        let seen = Seen { health, since: Timestamp(0), busy, anomaly: None };
        it.seen.insert("b".into(), seen);
        world.put(it);
    }
}

#[test]
fn running_tasks_are_registered_in_each_group_of_their_revision() {
    let mut world = world();
    world.put(member(1, 1, [32768, 32769]));
    world.put(member(2, 2, [40000, 40001]));
    world.put(Task { last: Status::Activating, ..member(3, 2, [40002, 40003]) });
    world.run_until(SECOND);
    assert_eq!(
        targets(&world),
        ["group 1:32768", "group 2:40000", "other 1:32769", "other 2:40001"]
    );
    assert_eq!(
        events(&world),
        [
            "registered 2 targets in (target-group group)",
            "registered 2 targets in (target-group other)"
        ]
    );
    assert!(world.state.targets().values().all(|it| it.service == Some(key())));
}

#[test]
fn an_address_of_its_own_is_registered_with_the_containers_port() {
    let mut world = world();
    world.put(group(&[]));
    world.put(service_revision(&[(GROUP, 8080)]));
    let mut it = member(1, 1, [1, 2]);
    it.interface = Some(Interface {
        attachment: vec![1; 16],
        id: "eni-1".into(),
        subnet: "subnet-1".into(),
        address: 0xac1f_0009,
        mac: vec![2; 6],
        security_groups: Vec::new(),
    });
    world.put(it);
    world.run_until(SECOND);
    assert_eq!(targets(&world), ["group 172.31.0.9:8080"]);
}

#[test]
fn a_task_is_stopped_only_when_nobody_has_anything_under_way_to_it() {
    let mut world = world();
    world.put(member(1, 1, [32768, 32769]));
    world.run_until(SECOND);
    report(&mut world, true);
    retire(&mut world, 1);
    world.run_until(MINUTE);
    assert_eq!(targets(&world), ["-group 1:32768", "-other 1:32769"]);
    assert_eq!(world.task(1).expect("is there").last, Status::Deactivating);
    let told = plan::assignments::of(&world.state, instance(1).id).expect("is there");
    assert!(told.tasks.values().all(plan::assignments::Assigned::should_run));
    assert_eq!(
        events(&world)[2..],
        [
            "has begun draining connections on 1 tasks.",
            "deregistered 1 targets in (target-group group)",
            "deregistered 1 targets in (target-group other)"
        ]
    );
    report(&mut world, false);
    world.run_until(MINUTE);
    assert_eq!(targets(&world), [""; 0]);
    assert_eq!(world.task(1).expect("is there").last, Status::Stopping);
    let told = plan::assignments::of(&world.state, instance(1).id).expect("is there");
    assert!(!told.tasks.values().any(plan::assignments::Assigned::should_run));
}

#[test]
fn a_task_is_stopped_when_the_delay_is_over_whoever_still_asks() {
    let mut world = world();
    world.put(member(1, 1, [32768, 32769]));
    world.run_until(0);
    report(&mut world, true);
    retire(&mut world, 1);
    world.run_until(5 * MINUTE - 1);
    assert_eq!(world.task(1).expect("is there").last, Status::Deactivating);
    let mut world = world.restarted();
    world.run_until(5 * MINUTE);
    assert_eq!(world.task(1).expect("is there").last, Status::Stopping);
}

#[test]
fn a_task_that_is_over_is_no_target_from_then_on() {
    let mut world = world();
    for (bits, leaves_first) in [(1, false), (2, true)] {
        let port = 32768 + 2 * u16::try_from(bits).expect("small");
        world.put(member(bits, 1, [port, port + 1]));
        world.run_until(SECOND);
        report(&mut world, true);
        if leaves_first {
            retire(&mut world, bits);
            world.run_until(SECOND);
        }
        let mut row = world.task(bits).expect("is there").clone();
        plan::tasks::close(&mut row, plan::tasks::unexplained(), Timestamp(SECOND));
        world.put(row);
        world.run_until(SECOND);
        assert_eq!(targets(&world), [""; 0]);
        let row = world.task(bits).expect("is there");
        assert!(row.service.as_ref().is_some_and(|it| it.targets.is_empty()));
    }
    let count = |what: &str| events(&world).iter().filter(|it| it.starts_with(what)).count();
    assert_eq!((count("registered"), count("deregistered"), count("has begun")), (4, 4, 1));
}

#[test]
fn a_port_of_a_task_that_is_over_may_be_another_tasks_target_already() {
    let mut world = world();
    let old = member(1, 1, [32768, 32769]);
    world.put(old.clone());
    world.run_until(SECOND);
    let mut over = world.task(1).expect("is there").clone();
    plan::tasks::close(&mut over, plan::tasks::unexplained(), Timestamp(SECOND));
    let keys = over.service.as_ref().expect("is of a service").targets.clone();
    world.put(Task { released: true, ..over });
    let mut fresh = member(2, 1, [32768, 32769]);
    fresh.service.as_mut().expect("is of a service").targets = keys;
    world.put(fresh);
    world.run_until(SECOND);
    assert_eq!(targets(&world), ["group 1:32768", "other 1:32769"]);
}

#[test]
fn a_port_that_a_task_has_no_more_may_be_another_tasks_target_already() {
    let keys = |world: &World, bits| {
        let task = world.task(bits).expect("is there");
        task.service.as_ref().expect("is of a service").targets.clone()
    };
    let moves = |world: &mut World, bits, ports| {
        let moved = member(bits, 1, ports);
        let service = world.task(bits).expect("is there").service.clone();
        world.put(Task { service, ..moved });
    };
    // Of two tasks, now one and now the other is looked at first.
    for (one, other) in [(1, 2), (2, 1)] {
        let mut world = world();
        world.put(member(one, 1, [32768, 32769]));
        world.run_until(SECOND);
        report(&mut world, true);
        moves(&mut world, one, [32770, 32771]);
        world.put(member(other, 1, [32768, 32769]));
        world.run_until(2 * SECOND);
        let here = ["group 1:32768", "group 1:32770", "other 1:32769", "other 1:32771"];
        assert_eq!(targets(&world), here);
        assert_eq!((keys(&world, one).len(), keys(&world, other).len()), (2, 2));
        for (bits, at) in [(one, 3 * SECOND), (other, 4 * SECOND)] {
            report(&mut world, false);
            retire(&mut world, bits);
            world.run_until(at);
            assert_eq!(world.task(bits).expect("is there").last, Status::Stopping);
        }
        assert_eq!(targets(&world), [""; 0]);
    }
}

#[test]
fn targets_of_a_lost_instance_go_when_its_tasks_are_given_up() {
    let mut world = world();
    world.put(member(1, 1, [32768, 32769]));
    world.run_until(SECOND);
    world.put(state::ContainerInstance {
        connected: false,
        connected_at: Timestamp(SECOND),
        ..instance(1)
    });
    world.run_until(MINUTE);
    assert_eq!(targets(&world).len(), 2, "it may be there still");
    world.run_until(2 * MINUTE);
    assert_eq!(targets(&world), [""; 0]);
}

#[test]
fn a_group_that_is_deleted_holds_nobody_up_and_is_told_of_once() {
    let mut world = world();
    world.put(member(1, 1, [32768, 32769]));
    world.put(member(2, 1, [32770, 32771]));
    world.run_until(SECOND);
    report(&mut world, true);
    retire(&mut world, 1);
    world.run_until(SECOND);
    world.put(Change::Rule("rule-group".into(), None));
    world.put(Change::TargetGroup(GROUP.into(), None));
    world.run_until(MINUTE);
    assert_eq!(world.task(1).expect("is there").last, Status::Deactivating, "the other one drains");
    assert_eq!(targets(&world), ["-other 1:32769", "other 1:32771"]);
    report(&mut world, false);
    world.put(member(3, 1, [32772, 32773]));
    world.run_until(MINUTE);
    assert_eq!(world.task(1).expect("is there").last, Status::Stopping);
    let failed = "failed to register targets in (target-group group) with (error Target group not \
                  found)";
    assert_eq!(events(&world).iter().filter(|it| *it == failed).count(), 1);
    assert_eq!(targets(&world), ["other 1:32771", "other 1:32773"]);
}

#[test]
fn a_group_that_no_rule_leads_to_any_more_is_told_of_once() {
    let mut world = world();
    world.put(Change::Rule("rule-group".into(), None));
    world.put(member(1, 1, [32768, 32769]));
    world.run_until(SECOND);
    world.put(member(2, 1, [32770, 32771]));
    world.run_until(MINUTE);
    assert_eq!(targets(&world).len(), 4, "its targets are registered all the same");
    let said = events(&world);
    let about: Vec<_> = said.iter().filter(|it| it.contains("associated load balancer")).collect();
    let [about] = about.as_slice() else { panic!("{said:?}") };
    assert!(about.starts_with("The target group with targetGroupArn group does not"), "{about}");
}

#[test]
fn a_port_that_is_not_there_is_told_of_and_registered_if_it_comes() {
    let mut world = world();
    world.put(Task { containers: task(1, 1).containers, ..member(1, 1, [1, 2]) });
    world.run_until(SECOND);
    assert_eq!(targets(&world), [""; 0]);
    let why = "(error The container app did not have a container port 80)";
    assert!(events(&world)[0].ends_with(why), "{:?}", events(&world));
    world.put(member(1, 1, [32768, 32769]));
    world.run_until(SECOND);
    assert_eq!(targets(&world).len(), 2);
}

#[test]
fn a_target_that_somebody_deregistered_is_registered_again_once_it_is_gone() {
    let mut world = world();
    world.put(member(1, 1, [32768, 32769]));
    world.run_until(SECOND);
    report(&mut world, true);
    let key = TargetKey { group: GROUP.into(), id: instance(1).ec2_instance_id, port: 32768 };
    world.step(|draft, now| plan::targets::deregister(draft, &key, now));
    world.run_until(MINUTE);
    assert_eq!(targets(&world), ["-group 1:32768", "other 1:32769"]);
    report(&mut world, false);
    world.run_until(MINUTE);
    assert_eq!(targets(&world), ["group 1:32768", "other 1:32769"]);
}

#[test]
fn what_leaves_cannot_be_registered_again_by_hand() {
    let mut world = world();
    world.put(member(1, 1, [32768, 32769]));
    world.run_until(SECOND);
    report(&mut world, true);
    retire(&mut world, 1);
    world.run_until(SECOND);
    let all: Vec<Target> = world.state.targets().values().map(|it| it.as_ref().clone()).collect();
    for it in all {
        world.put(Target { draining: None, seen: BTreeMap::new(), service: None, ..it });
    }
    world.run_until(MINUTE);
    assert_eq!(targets(&world), ["-group 1:32768", "-other 1:32769"]);
}

#[test]
fn many_tasks_move_in_writes_of_a_hundred() {
    let mut world = world();
    let count: u16 = 200;
    for number in 0..count {
        world.put(member(u128::from(number) + 1, 1, [1000 + 2 * number, 1001 + 2 * number]));
    }
    let all = world.run_until(SECOND);
    assert!(all.iter().all(|it| it.changes <= state::CHANGES_MAX), "{all:?}");
    assert_eq!(targets(&world).len(), 2 * usize::from(count));
}

fn membership() -> Membership {
    Membership {
        service: key().name,
        deployment: 1,
        revision: 1,
        targets: Vec::new(),
        healthy_at: None,
        protected_until: None,
        settled_at: None,
        namespace: None,
    }
}

pub(super) fn service() -> Service {
    let deployment = Deployment {
        id: 1,
        revision: 1,
        rollout: Rollout::InProgress,
        reason: String::new(),
        completed_at: None,
        failed: 0,
        stumbles: 0,
        wait_until: None,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
        service_deployment: 1,
        paced_until: None,
    };
    Service {
        key: key(),
        status: ServiceStatus::Active,
        spec: Vec::new(),
        scheduling: Scheduling::Replica,
        desired: 0,
        minimum_percent: 100,
        maximum_percent: 200,
        breaker: None,
        grace: core::time::Duration::ZERO,
        rebalancing: Switch::Off,
        deployments: vec![deployment],
        service_deployment: 1,
        completed_revision: None,
        steady_at: None,
        last_event: 0,
        tags: Vec::new(),
        created_at: Timestamp(0),
        created_by: String::new(),
        deleted_at: None,
        remarks: Remarks::default(),
        token: None,
        alarms: None,
    }
}
