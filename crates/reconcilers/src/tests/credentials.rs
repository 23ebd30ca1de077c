use state::{AccessKey, Purpose};
use types::{InstanceId, Timestamp};

use super::fixture::{HOUR, SECOND, World, cluster, instance, key, stopped, task};
use crate::Policy;

/// A running task whose credentials expire after six hours.
fn world() -> World {
    let mut world = World::new(Policy::default());
    world.put(instance(1));
    world.put(task(7, 1));
    world.put(key("ASIAFIRST", 7, 6 * HOUR));
    world
}

fn keys(world: &World) -> Vec<&str> {
    world.state.access_keys().keys().map(String::as_str).collect()
}

fn told(world: &World) -> u64 {
    world.state.assignments().get(&InstanceId::new(1)).map_or(0, |it| it.version)
}

#[test]
fn fresh_credentials_come_an_hour_before_the_old_ones_expire() {
    let mut world = world();
    assert_eq!(world.run_until(5 * HOUR - 1), []);
    assert_eq!((keys(&world), told(&world)), (vec!["ASIAFIRST"], 0));

    world.run_until(5 * HOUR);
    assert_eq!(keys(&world).len(), 2, "the old ones stay good");
    assert_eq!(told(&world), 1, "the agent is told");
    let fresh = world.state.access_keys().values().find(|it| it.id != "ASIAFIRST");
    let fresh = fresh.expect("a fresh key");
    assert_eq!(fresh.expires_at, Some(Timestamp(11 * HOUR)));
    assert_eq!(fresh.purpose, key("", 7, 0).purpose);

    world.run_until(6 * HOUR - 1);
    assert_eq!((keys(&world).len(), told(&world)), (2, 1), "they are made once");
    world.run_until(6 * HOUR);
    assert_eq!(keys(&world).len(), 1);
    assert_ne!(keys(&world), ["ASIAFIRST"]);
}

#[test]
fn a_task_that_runs_for_days_is_never_without_credentials() {
    let mut world = world();
    for hour in 1..=72 {
        world.run_until(hour * HOUR);
        let now = world.now;
        let good = world.state.access_keys().values().filter(|it| it.expires_at > Some(now));
        assert!((1..=2).contains(&good.count()), "after {hour} hours");
    }
    // After 5, 10, … 70 hours: every fresh key is good for six and replaced after five.
    assert_eq!(told(&world), 14);
}

#[test]
fn the_credentials_of_a_task_that_is_over_are_not_renewed() {
    let mut world = world();
    world.put(stopped(&task(7, 1), HOUR));
    world.run_until(6 * HOUR - 1);
    assert_eq!(keys(&world), ["ASIAFIRST"]);
    world.run_until(6 * HOUR);
    assert!(keys(&world).is_empty(), "nor kept when they have expired");
}

#[test]
fn after_a_long_standstill_the_expired_are_replaced_at_once() {
    let mut world = world();
    world.now = Timestamp(30 * HOUR);
    world.run_until(30 * HOUR);
    assert_eq!(keys(&world).len(), 1);
    let left = world.state.access_keys().values().next().expect("a key");
    assert_eq!(left.expires_at, Some(Timestamp(36 * HOUR)));
}

#[test]
fn keys_that_never_expire_are_left_alone() {
    let mut world = World::new(Policy::default());
    for purpose in [Purpose::Root, Purpose::Agent(cluster())] {
        let id = format!("AKIA{purpose:?}");
        world.put(AccessKey { id, purpose, expires_at: None, ..key("", 0, 0) });
    }
    assert_eq!(world.run_until(48 * HOUR), []);
    assert_eq!(keys(&world).len(), 2);
}

#[test]
fn many_credentials_are_renewed_in_writes_of_a_hundred() {
    let mut world = World::new(Policy::default());
    world.put(instance(1));
    for bits in 0..120 {
        world.put(task(bits, 1));
        world.put(key(&format!("ASIA{bits}"), bits, 2 * HOUR));
    }
    let reviewed = world.run_until(HOUR + SECOND);
    assert!(reviewed.iter().all(|it| it.changes <= 100), "{reviewed:?}");
    assert_eq!(world.state.access_keys().len(), 240);
}
