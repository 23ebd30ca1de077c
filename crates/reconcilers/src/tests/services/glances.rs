//! A look at a service costs what may have to be done, not what is there.

use core::time::Duration;
use std::collections::BTreeMap;

use plan::services::{Moment, Room, Snapshot, glance, snapshot, step};
use state::{
    Breaker, Change, ContainerInstance, Desired, Draining, InstanceStatus, Seen,
    ServiceDeploymentStatus, ServiceRevision, ServiceStatus, ServiceTarget, Status, Switch, Target,
    TargetHealth, TargetKey, Task, Threshold,
};
use types::{TaskId, Timestamp};

use super::super::draining::balancer;
use super::fleet::{Fleet, Image};

const OBSERVED_FOR: Duration = Duration::from_secs(5);

/// What a glance finds: how many tasks it looks at, and how many it only counts. It leads to the
/// same step as looking at all of them does.
fn look(fleet: &Fleet) -> (usize, u32) {
    let (state, now) = (&fleet.world.state, fleet.world.now);
    let key = fleet.row().key;
    let found = glance(state, &key, OBSERVED_FOR, now).expect("a service");
    let whole = snapshot(state, &key, OBSERVED_FOR, now).expect("a service");
    for room in [Room::Open, Room::None] {
        let of = |it: &Snapshot| step(it, Moment { now, fresh: 1, room });
        assert_eq!(of(&found), of(&whole), "{room:?}");
    }
    (found.members.len(), found.crowds.iter().map(|it| it.count).sum())
}

/// A steady service of so many tasks, all but three of which are copies.
fn steady(count: u32) -> Fleet {
    let mut fleet = Fleet::new(3);
    fleet.create(3, 100, 200, Image::Runs);
    fleet.run(10);
    let model = fleet.tasks().remove(0);
    for more in 3..count {
        fleet.world.put(Task { id: TaskId::new(1 << 100 | u128::from(more)), ..model.clone() });
    }
    fleet.change(|it| it.desired = count);
    fleet
}

#[test]
fn a_steady_service_is_only_counted() {
    for count in [10, 1_000] {
        assert_eq!(look(&steady(count)), (0, count));
    }
}

#[test]
fn tasks_that_start_are_only_counted_until_they_run() {
    let mut fleet = Fleet::new(5);
    fleet.create(50, 100, 200, Image::Runs);
    fleet.world.run_until(0);
    assert_eq!(look(&fleet), (0, 50));
    fleet.run(1);
    assert_eq!(look(&fleet), (50, 0), "whether they are well is to be seen");
    fleet.run(10);
    assert_eq!(look(&fleet), (0, 50));
}

#[test]
fn whoever_is_not_like_the_others_is_looked_at() {
    let mut fleet = steady(20);
    let mut ended = fleet.tasks().remove(4);
    ended.last = Status::Stopped;
    fleet.world.put(ended);
    assert_eq!(look(&fleet), (1, 19));
    let mut protected = fleet.tasks().remove(7);
    let until = Some(Timestamp(fleet.world.now.0 + 60_000));
    protected.service.as_mut().expect("its service").protected_until = until;
    fleet.world.put(protected.clone());
    assert_eq!(look(&fleet), (2, 18));
    fleet.world.put(Task { desired: Desired::Stopped, ..protected });
    assert_eq!(look(&fleet), (1, 19), "that it was protected is past");
}

#[test]
fn where_tasks_may_have_to_be_chosen_all_are_looked_at() {
    let mut fleet = steady(20);
    fleet.change(|it| it.desired = 19);
    assert_eq!(look(&fleet), (20, 0), "one is too many");
    fleet.change(|it| it.desired = 20);
    assert_eq!(look(&fleet), (0, 20));
    let first = fleet.world.state.container_instances().values().next().expect("one");
    let drains = ContainerInstance { status: InstanceStatus::Draining, ..first.as_ref().clone() };
    fleet.world.put(drains);
    assert_eq!(look(&fleet), (1, 19), "of those that may stay none has to go");
    fleet.change(|it| it.desired = 18);
    assert_eq!(look(&fleet), (20, 0), "one that may stay is too many");
}

#[test]
fn of_an_older_deployment_as_many_are_looked_at_as_one_step_may_stop() {
    let mut fleet = steady(100);
    fleet.update(Image::Runs);
    // 98 in one zone, and one in each of the others.
    assert_eq!(look(&fleet), (23, 77));
    fleet.world.run_until(fleet.world.now.0);
    assert_eq!(look(&fleet), (65, 135), "and of those that start, as it may go back");
    fleet.run(60);
    assert_eq!((fleet.running(), look(&fleet)), (100, (0, 100)));
    assert!(fleet.rollout() == ServiceDeploymentStatus::Successful);
}

#[test]
fn what_goes_back_is_looked_at_as_what_it_goes_back_to() {
    let mut fleet = steady(60);
    let breaker = Breaker {
        threshold: Threshold::Count(3),
        rollback: Switch::On,
        reset_on_healthy_task: Switch::On,
    };
    fleet.change(|it| it.breaker = Some(breaker));
    fleet.update(Image::NeverStarts);
    fleet.run(60);
    assert_eq!((fleet.running(), look(&fleet)), (60, (0, 60)));
    assert!(fleet.rollout() == ServiceDeploymentStatus::RollbackSuccessful);
}

#[test]
fn of_a_service_that_was_deleted_as_many_are_looked_at_as_one_step_may_stop() {
    let mut fleet = steady(100);
    fleet.change(|it| it.status = ServiceStatus::Draining);
    assert_eq!(look(&fleet), (23, 77));
    fleet.world.run_until(fleet.world.now.0);
    assert_eq!(look(&fleet), (0, 100), "all leave");
    fleet.run(1);
    assert_eq!((fleet.tasks().len(), look(&fleet)), (0, (0, 0)));
}

/// Gives each task of the service a target that a balancer finds healthy.
fn with_targets(fleet: &mut Fleet) -> Vec<Target> {
    let revisions = fleet.world.state.service_revisions();
    let revision = revisions.values().next().expect("one").as_ref().clone();
    let asked = ServiceTarget {
        group: Some("group".into()),
        classic: None,
        container: "app".into(),
        port: 80,
    };
    fleet.world.put(ServiceRevision { targets: vec![asked], ..revision });
    fleet.world.put(balancer("b", true));
    let mut targets = Vec::new();
    for (mut task, port) in fleet.tasks().into_iter().zip(1..) {
        let key = TargetKey { group: "group".into(), id: "i".into(), port };
        let seen =
            Seen { health: TargetHealth::Healthy, since: Timestamp(0), busy: false, anomaly: None };
        let target = Target {
            key: key.clone(),
            address: None,
            zone: None,
            registered_at: Timestamp(0),
            draining: None,
            seen: BTreeMap::from([("b".to_owned(), seen)]),
            service: task.service_key(),
        };
        task.service.as_mut().expect("its service").targets.push(key);
        fleet.world.put(task);
        fleet.world.put(target.clone());
        targets.push(target);
    }
    targets
}

#[test]
fn targets_that_a_balancer_finds_healthy_are_only_counted() {
    let mut fleet = steady(20);
    let mut targets = with_targets(&mut fleet);
    assert_eq!(look(&fleet), (0, 20));
    targets[3].seen.get_mut("b").expect("is there").health = TargetHealth::Failed;
    fleet.world.put(targets[3].clone());
    let draining = Draining { since: Timestamp(0), until: Timestamp(1) };
    fleet.world.put(Target { draining: Some(draining), ..targets[4].clone() });
    fleet.world.put(Change::Target(targets[5].key.clone(), None));
    assert_eq!(look(&fleet), (3, 17));
    fleet.world.put(balancer("b", false));
    assert_eq!(look(&fleet), (3, 17), "what was found last counts");
    fleet.world.put(balancer("c", true));
    assert_eq!(look(&fleet), (20, 0), "who has found them healthy is gone");
    assert_eq!(fleet.world.state.recomputed_indexes(), *fleet.world.state.indexes());
}
