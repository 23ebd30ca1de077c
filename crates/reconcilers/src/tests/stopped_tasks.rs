use core::time::Duration;

use state::Task;

use super::fixture::{HOUR, MINUTE, World, instance, stopped, task};
use crate::Policy;

#[test]
fn a_stopped_task_stays_describable_for_an_hour() {
    let mut world = World::new(Policy::default());
    world.put(instance(1));
    world.put(task(7, 1));
    world.put(task(8, 1));
    world.put(stopped(&task(7, 1), 0));
    assert_eq!(world.run_until(HOUR - 1), []);
    assert!(world.task(7).is_some());
    world.run_until(HOUR);
    assert!(world.task(7).is_none());
    assert!(world.task(8).is_some(), "running tasks are no business of the reaper");
}

#[test]
fn operators_may_keep_stopped_tasks_longer_or_for_ever() {
    let for_ever = Duration::MAX;
    for (kept, gone_at) in [(Duration::from_hours(3), Some(3 * HOUR)), (for_ever, None)] {
        let mut world = World::new(Policy { stopped_kept: kept, ..Policy::default() });
        world.put(instance(1));
        world.put(stopped(&task(7, 1), 0));
        world.run_until(3 * HOUR - 1);
        assert!(world.task(7).is_some(), "{kept:?}");
        world.run_until(100 * HOUR);
        assert_eq!(world.task(7).is_none(), gone_at.is_some(), "{kept:?}");
    }
}

#[test]
fn a_task_that_still_holds_resources_stays_until_they_are_free() {
    let mut world = World::new(Policy::default());
    world.put(instance(1));
    let held = Task { released: false, ..stopped(&task(7, 1), 0) };
    world.put(held.clone());
    world.run_until(5 * HOUR);
    assert!(world.task(7).is_some());
    world.put(Task { released: true, ..held });
    world.run_until(5 * HOUR);
    assert!(world.task(7).is_none(), "its hour is long over");
}

#[test]
fn a_held_task_does_not_keep_younger_ones() {
    let mut world = World::new(Policy::default());
    world.put(instance(1));
    world.put(Task { released: false, ..stopped(&task(7, 1), 0) });
    world.put(stopped(&task(8, 1), MINUTE));
    world.run_until(HOUR + MINUTE);
    assert_eq!((world.task(7).is_some(), world.task(8).is_some()), (true, false));
}

#[test]
fn many_stopped_tasks_go_in_writes_of_a_hundred() {
    let mut world = World::new(Policy::default());
    world.put(instance(1));
    for bits in 0..230 {
        world.put(stopped(&task(bits, 1), 0));
    }
    let sizes: Vec<_> = world.run_until(HOUR).iter().map(|it| it.changes).collect();
    assert_eq!(sizes, [100, 100, 30]);
}
