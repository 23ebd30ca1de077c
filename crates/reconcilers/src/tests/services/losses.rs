//! Most instances of a cluster are lost at once.

use plan::{instances, mass_loss};
use types::InstanceId;

use super::fleet::{Fleet, Image};
use crate::tests::fixture::SECOND;

fn lose(fleet: &mut Fleet, which: core::ops::RangeInclusive<u128>) {
    for bits in which {
        fleet.world.step(|draft, now| instances::disconnect(draft, InstanceId::new(bits), now));
    }
}

/// How many instances were given up.
fn given_up(fleet: &Fleet) -> usize {
    let rows = fleet.world.state.container_instances().values();
    rows.filter(|it| it.given_up_at.is_some()).count()
}

fn told(fleet: &Fleet) -> usize {
    fleet.events().iter().filter(|it| it.starts_with(mass_loss::SLOWED)).count()
}

/// Eighteen tasks on nine instances, two on each, a steady service.
fn steady() -> Fleet {
    let mut fleet = Fleet::new(9);
    fleet.create(18, 100, 200, Image::Runs);
    fleet.run(10);
    assert_eq!(fleet.running(), 18);
    fleet
}

#[test]
fn a_zone_of_three_is_replaced_at_once() {
    let mut fleet = steady();
    for bits in [1, 4, 7] {
        lose(&mut fleet, bits..=bits);
    }
    fleet.run(59);
    assert_eq!(given_up(&fleet), 0);
    fleet.run(2);
    assert_eq!((given_up(&fleet), fleet.tasks().len(), told(&fleet)), (3, 18, 0));
    let lost: Vec<_> = [1, 4, 7].map(InstanceId::new).into();
    assert!(fleet.tasks().iter().all(|it| !lost.contains(&it.instance)));
}

#[test]
fn most_instances_are_given_up_one_by_one_and_the_service_says_so_once() {
    let mut fleet = steady();
    lose(&mut fleet, 1..=6);
    fleet.run(61);
    assert_eq!((given_up(&fleet), told(&fleet)), (1, 1));
    for given in 2..=3 {
        fleet.run(8);
        assert_eq!(given_up(&fleet), given - 1);
        fleet.run(2);
        assert_eq!((given_up(&fleet), fleet.tasks().len()), (given, 18));
    }
    let said = fleet.events().into_iter().find(|it| it.starts_with(mass_loss::SLOWED));
    let said = said.expect("an event");
    assert!(said.contains("6 of 9 container instances of cluster default"), "{said}");
    assert!(said.contains("one instance every 10 seconds"), "{said}");
    // What the user asks for is not slowed.
    fleet.change(|it| it.desired = 24);
    fleet.run(1);
    assert_eq!(fleet.tasks().len(), 24);
    // Who comes back keeps its tasks, and the rest is few enough.
    for bits in 4..=5 {
        fleet.world.step(|draft, now| instances::connect(draft, InstanceId::new(bits), now));
    }
    fleet.run(10);
    assert_eq!((given_up(&fleet), told(&fleet)), (4, 1));
    let on = |bits| fleet.tasks().iter().filter(|it| it.instance == InstanceId::new(bits)).count();
    assert_eq!((on(4), on(5), on(6)), (2, 2, 0));
}

#[test]
fn who_waits_for_a_later_loss_says_so_when_its_minute_is_over() {
    let mut fleet = Fleet::new(9);
    fleet.create(1, 100, 200, Image::Runs);
    fleet.run(10);
    let home = fleet.tasks().first().expect("a task").instance;
    for bits in (1..=9).filter(|it| InstanceId::new(*it) != home).take(5) {
        lose(&mut fleet, bits..=bits);
    }
    fleet.run(3);
    fleet.world.step(|draft, now| instances::disconnect(draft, home, now));
    fleet.run(58);
    assert_eq!((given_up(&fleet), told(&fleet)), (1, 0));
    fleet.run(3);
    assert_eq!((given_up(&fleet), told(&fleet)), (1, 1));
}

#[test]
fn an_instance_that_the_operator_deregisters_is_replaced_at_once() {
    let mut fleet = steady();
    lose(&mut fleet, 1..=6);
    fleet.run(61);
    for bits in 2..=6 {
        fleet.world.step(|draft, now| {
            let row = draft.state().container_instance(InstanceId::new(bits)).cloned();
            instances::deregister(draft, &row.expect("a row"), now);
        });
    }
    fleet.run(1);
    assert_eq!(fleet.tasks().len(), 18);
    let left: Vec<_> = (7..=9).map(InstanceId::new).collect();
    assert!(fleet.tasks().iter().all(|it| left.contains(&it.instance)));
}

#[test]
fn a_restart_in_the_middle_changes_nothing() {
    let mut fleet = steady();
    lose(&mut fleet, 1..=6);
    fleet.run(75);
    let before = (given_up(&fleet), told(&fleet));
    let mut again = fleet.world.restarted();
    again.run_until(fleet.world.now.0 + 4 * SECOND);
    fleet.world = again;
    assert_eq!((given_up(&fleet), told(&fleet)), before);
    fleet.run(2);
    assert_eq!(given_up(&fleet), before.0 + 1);
}
