use core::time::Duration;

use plan::instances;
use state::{ContainerInstance, Desired, Draft, InstanceStatus, Status, StopCode, Task};
use types::{InstanceId, Timestamp};

use super::fixture::{HOUR, MINUTE, SECOND, World, cluster, instance, key, stopped, task, token};
use crate::Policy;

fn one() -> InstanceId {
    InstanceId::new(1)
}

/// A connected instance with two tasks, disconnected after ten seconds.
fn lost(policy: Policy) -> World {
    let mut world = World::new(policy);
    world.put(instance(1));
    world.put(task(7, 1));
    world.put(task(8, 1));
    world.run_until(10 * SECOND);
    world.step(|draft, now| instances::disconnect(draft, one(), now));
    world
}

fn returns(world: &mut World) {
    world.step(|draft, now| instances::connect(draft, one(), now));
}

#[test]
fn tasks_of_a_lost_instance_keep_their_state_for_a_minute() {
    let mut world = lost(Policy::default());
    let before = world.state.clone();
    assert_eq!(world.run_until(70 * SECOND - 1), []);
    assert!(world.state == before);

    world.run_until(70 * SECOND);
    for bits in [7, 8] {
        let task = world.task(bits).expect("a task");
        let stop = task.stop.clone().expect("a reason");
        assert_eq!((task.last, task.desired), (Status::Stopped, Desired::Stopped));
        assert_eq!(task.stopped_at, Some(Timestamp(70 * SECOND)));
        assert_eq!(stop.code, StopCode::InfrastructureHealth);
        assert!(stop.reason.contains(&one().to_string()), "{}", stop.reason);
        assert!(task.containers.iter().all(|it| it.last == Status::Stopped));
        assert_eq!(task.containers[0].exit_code, None, "nobody saw it exit");
    }
    assert_eq!(world.instance(1).expect("a row").given_up_at, Some(Timestamp(70 * SECOND)));
}

#[test]
fn what_given_up_tasks_hold_stays_held_until_it_is_confirmed() {
    let mut world = lost(Policy::default());
    world.run_until(5 * HOUR);
    assert_eq!(world.state.indexes().held_on(one()).len(), 2);
    assert!(world.task(7).is_some(), "it stays longer than its hour");

    let seven = world.task(7).expect("a task").clone();
    world.step(|draft, _| plan::tasks::release(draft, &seven));
    world.run_until(5 * HOUR);
    assert_eq!(world.state.indexes().held_on(one()).len(), 1);
    assert_eq!((world.task(7).is_some(), world.task(8).is_some()), (false, true));
}

#[test]
fn with_no_limit_tasks_are_never_given_up() {
    let mut world = lost(Policy { give_up_after: None, ..Policy::default() });
    assert_eq!(world.run_until(100 * HOUR), []);
    assert_eq!(world.task(7).expect("a task").last, Status::Running);
}

#[test]
fn operators_set_how_long_is_waited() {
    let policy = Policy { give_up_after: Some(Duration::from_secs(5)), ..Policy::default() };
    let mut world = lost(policy);
    world.run_until(15 * SECOND - 1);
    assert!(!world.task(7).expect("a task").is_over());
    world.run_until(15 * SECOND);
    assert!(world.task(7).expect("a task").is_over());
}

#[test]
fn an_instance_that_returns_in_time_loses_nothing() {
    let mut world = lost(Policy::default());
    world.run_until(69 * SECOND);
    returns(&mut world);
    assert_eq!(world.run_until(10 * MINUTE), []);
    assert_eq!(world.task(7).expect("a task").last, Status::Running);
    let row = world.instance(1).expect("a row");
    assert!(row.connected && row.given_up_at.is_none());
}

#[test]
fn every_loss_has_a_minute_of_its_own() {
    let mut world = lost(Policy::default());
    world.run_until(60 * SECOND);
    returns(&mut world);
    world.step(|draft, now| instances::disconnect(draft, one(), now));
    world.run_until(120 * SECOND - 1);
    assert!(!world.task(7).expect("a task").is_over());
    world.run_until(120 * SECOND);
    assert!(world.task(7).expect("a task").is_over());
}

#[test]
fn tasks_that_were_given_up_never_run_again() {
    let mut world = lost(Policy::default());
    world.run_until(2 * MINUTE);
    let before = world.task(7).expect("a task").clone();
    returns(&mut world);
    world.run_until(10 * MINUTE);
    assert_eq!(world.task(7), Some(&before));
    assert_eq!(world.instance(1).expect("a row").given_up_at, None);
}

#[test]
fn a_draining_instance_can_be_lost_and_a_deregistered_one_cannot() {
    for (status, given_up) in [(InstanceStatus::Draining, true), (InstanceStatus::Inactive, false)]
    {
        let mut world = lost(Policy::default());
        let row = world.instance(1).expect("a row").clone();
        world.put(ContainerInstance { status, ..row });
        world.run_until(10 * MINUTE);
        let stop = world.task(7).and_then(|it| it.stop.clone()).expect("a reason");
        assert_eq!(stop.code == StopCode::InfrastructureHealth, given_up, "{status:?}");
    }
}

#[test]
fn what_hangs_on_a_given_up_task_goes_with_it() {
    let mut world = World::new(Policy::default());
    world.put(instance(1));
    world.put(Task { token: Some("t".into()), ..task(7, 1) });
    world.put(token("t", &[7], 24 * HOUR));
    world.put(key("ASIA7", 7, 6 * HOUR));
    world.step(|draft, now| instances::disconnect(draft, one(), now));
    world.run_until(MINUTE);
    assert!(world.state.access_keys().is_empty(), "credentials die with their task");
    let token = world.state.tokens().values().next().expect("a token");
    assert_eq!(token.expires_at, Timestamp(HOUR + MINUTE), "an hour after its last task");
}

#[test]
fn many_tasks_are_given_up_in_writes_of_a_hundred() {
    let mut world = World::new(Policy::default());
    world.put(instance(1));
    for bits in 0..120 {
        let name = format!("t-{bits}");
        world.put(token(&name, &[bits], 24 * HOUR));
        world.put(Task { token: Some(name), ..task(bits, 1) });
        world.put(key(&format!("ASIA{bits}"), bits, 6 * HOUR));
    }
    world.step(|draft, now| instances::disconnect(draft, one(), now));
    let reviewed = world.run_until(MINUTE);
    assert!(reviewed.iter().all(|it| it.changes <= 100), "{reviewed:?}");
    assert!(world.state.tasks().values().all(|it| it.is_over()));
}

fn deregister(world: &mut World) {
    world.step(|draft, now| {
        let row = draft.state().container_instance(one()).cloned().expect("a row");
        instances::deregister(draft, &row, now);
    });
}

/// Every write of a hundred changes at most, and after each of them what a new process, which has
/// only what is durable, makes of it: all tasks over and free, the instance as it should be.
fn survives_a_crash_after_any_step(leave: fn(&mut Draft<'_>, Timestamp)) -> World {
    let crowded = || {
        let mut world = World::new(Policy::default());
        world.put(instance(1));
        for bits in 0..300 {
            let name = format!("t-{bits}");
            world.put(token(&name, &[bits], 24 * HOUR));
            world.put(Task { token: Some(name), ..task(bits, 1) });
            world.put(key(&format!("ASIA{bits}"), bits, 6 * HOUR));
        }
        world.step(|draft, now| {
            leave(draft, now);
            assert!(draft.changes().len() <= state::CHANGES_MAX);
        });
        world
    };
    let mut steps = 0;
    let mut world = crowded();
    loop {
        let changed = world.one_turn();
        let left = world.state.tasks().values().filter(|it| !it.is_over()).count();
        assert!(world.state.tasks().values().all(|it| it.is_over() == it.released));
        assert_eq!(world.state.access_keys().len(), left, "credentials die with their tasks");
        assert_eq!(world.state.indexes().held_on(one()).len(), left);
        let mut restarted = world.restarted();
        let reviewed = restarted.run_until(SECOND);
        assert!(reviewed.iter().all(|it| it.changes <= state::CHANGES_MAX), "{reviewed:?}");
        assert!(restarted.state.tasks().values().all(|it| it.is_over() && it.released));
        if !changed {
            break;
        }
        steps += 1;
    }
    assert!((9..20).contains(&steps), "{steps} steps");
    world
}

#[test]
fn a_crowded_instance_is_deregistered_in_steps_that_survive_crashes() {
    let world = survives_a_crash_after_any_step(|draft, now| {
        let row = draft.state().container_instance(one()).cloned().expect("a row");
        instances::deregister(draft, &row, now);
    });
    assert_eq!(world.instance(1).expect("a row").status, InstanceStatus::Inactive);
}

#[test]
fn a_crowded_instance_without_memory_takes_tasks_only_after_the_last_step() {
    let world = survives_a_crash_after_any_step(|draft, now| {
        let row = draft.state().container_instance(one()).cloned().expect("a row");
        let row = ContainerInstance { forgot_at: Some(now), ..row.as_ref().clone() };
        instances::register(draft, row, now);
        assert!(!draft.state().container_instance(one()).expect("a row").takes_tasks());
    });
    assert!(world.instance(1).expect("a row").takes_tasks());
}

#[test]
fn a_deregistered_instance_is_forgotten_after_the_hour_of_its_tasks() {
    let mut world = World::new(Policy::default());
    world.put(instance(1));
    world.put(task(7, 1));
    world.step(|draft, _| plan::tasks::raise_assignment(draft, one()));
    deregister(&mut world);
    world.run_until(HOUR - 1);
    assert!(world.instance(1).is_some() && world.task(7).is_some());
    world.run_until(HOUR + MINUTE);
    assert!(world.instance(1).is_none() && world.task(7).is_none());
    assert!(world.state.assignments().is_empty());
}

#[test]
fn an_instance_stays_as_long_as_a_task_names_it() {
    let mut world = World::new(Policy::default());
    world.put(instance(1));
    deregister(&mut world);
    // An agent's last words may come after its instance has gone.
    world.put(stopped(&task(7, 1), HOUR / 2));
    world.run_until(HOUR + MINUTE);
    assert!(world.instance(1).is_some());
    world.run_until(4 * HOUR);
    assert!(world.instance(1).is_none());
}

#[test]
fn instances_that_stand_are_not_forgotten() {
    let mut world = World::new(Policy::default());
    world.put(instance(1));
    world.put(ContainerInstance { status: InstanceStatus::Draining, ..instance(2) });
    world.run_until(100 * HOUR);
    assert_eq!(world.state.indexes().instances(&cluster()).count(), 2);
}
