//! A look at a service costs what may have to be done, not what is there.

use core::time::Duration;

use plan::services::{Moment, Room, Snapshot, glance, snapshot, step};
use state::{ContainerInstance, InstanceStatus, Status, Task};
use types::{TaskId, Timestamp};

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
    fleet.world.put(protected);
    assert_eq!(look(&fleet), (2, 18));
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
    assert_eq!(look(&fleet), (20, 0), "an instance drains");
    let mut fleet = steady(20);
    fleet.update(Image::Runs);
    assert_eq!(look(&fleet), (20, 0), "there are two deployments");
}

/// For people: `cargo test -p reconcilers -- --ignored --nocapture look_at`.
#[test]
#[ignore = "measures"]
#[allow(clippy::print_stdout, clippy::disallowed_methods)]
fn what_a_look_at_many_tasks_costs() {
    for count in [1_000, 10_000] {
        let fleet = steady(count);
        let (state, now, key) = (&fleet.world.state, fleet.world.now, fleet.row().key);
        let moment = Moment { now, fresh: 1, room: Room::Open };
        let time = |look: fn(
            &state::State,
            &state::ServiceKey,
            Duration,
            Timestamp,
        ) -> Option<Snapshot>| {
            let begun = std::time::Instant::now();
            for _ in 0..20 {
                drop(look(state, &key, OBSERVED_FOR, now).map(|it| step(&it, moment)));
            }
            begun.elapsed() / 20
        };
        println!("{count} tasks: each {:?}, counted {:?}", time(snapshot), time(glance));
    }
}
