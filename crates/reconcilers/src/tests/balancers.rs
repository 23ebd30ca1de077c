use std::collections::BTreeMap;

use state::Balancer;
use types::Timestamp;

use super::fixture::{MINUTE, World};
use crate::Policy;

fn balancer(name: &str, connected: bool, since: i64) -> Balancer {
    Balancer {
        name: name.into(),
        created_at: Timestamp(0),
        connected,
        connected_at: Timestamp(since),
        addresses: Vec::new(),
        refused: BTreeMap::new(),
    }
}

fn names(world: &World) -> Vec<&str> {
    world.state.balancers().keys().map(String::as_str).collect()
}

#[test]
fn a_balancer_that_is_gone_for_an_hour_is_forgotten() {
    let mut world = World::new(Policy::default());
    world.put(balancer("early", false, 0));
    world.put(balancer("late", false, 20 * MINUTE));
    world.put(balancer("there", true, 0));
    world.run_until(59 * MINUTE);
    assert_eq!(names(&world), ["early", "late", "there"]);
    world.run_until(60 * MINUTE);
    assert_eq!(names(&world), ["late", "there"]);
    world.run_until(1_000 * MINUTE);
    assert_eq!(names(&world), ["there"]);
}

#[test]
fn a_balancer_that_comes_back_within_the_hour_stays() {
    let mut world = World::new(Policy::default());
    world.put(balancer("a", false, 0));
    world.run_until(30 * MINUTE);
    world.put(balancer("a", true, 30 * MINUTE));
    world.run_until(120 * MINUTE);
    assert_eq!(names(&world), ["a"]);
}

#[test]
fn more_than_a_write_carries_are_forgotten_in_steps() {
    let mut world = World::new(Policy::default());
    for number in 0..250 {
        world.put(balancer(&number.to_string(), false, 0));
    }
    world.run_until(60 * MINUTE);
    assert!(names(&world).is_empty());
}
