use super::fixture::{HOUR, World, token};
use crate::Policy;

#[test]
fn a_token_is_forgotten_when_its_time_is_over_and_not_before() {
    let mut world = World::new(Policy::default());
    world.put(token("a", &[], HOUR));
    world.put(token("b", &[], 2 * HOUR));
    assert_eq!(world.run_until(HOUR - 1), []);
    assert_eq!(world.state.tokens().len(), 2);
    world.run_until(HOUR);
    let left: Vec<_> = world.state.tokens().keys().map(|it| it.token.as_str()).collect();
    assert_eq!(left, ["b"]);
    world.run_until(2 * HOUR);
    assert!(world.state.tokens().is_empty());
}

#[test]
fn a_token_that_comes_later_and_expires_sooner_is_not_overlooked() {
    let mut world = World::new(Policy::default());
    world.put(token("late", &[], 9 * HOUR));
    world.run_until(1);
    world.put(token("soon", &[], 2));
    world.run_until(2);
    let left: Vec<_> = world.state.tokens().keys().map(|it| it.token.as_str()).collect();
    assert_eq!(left, ["late"]);
}

#[test]
fn many_tokens_are_forgotten_in_writes_of_a_hundred() {
    let mut world = World::new(Policy::default());
    for number in 0..250 {
        world.put(token(&format!("t-{number}"), &[], HOUR));
    }
    let sizes: Vec<_> = world.run_until(HOUR).iter().map(|it| it.changes).collect();
    assert_eq!(sizes, [100, 100, 50]);
}
