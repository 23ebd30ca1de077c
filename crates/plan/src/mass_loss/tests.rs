use state::{Change, ContainerInstance, State};
use types::{AccountId, Home, Region};

use super::*;
use crate::placement::fixture;

const SECOND: i64 = 1000;

/// A cluster of so many instances, the first of which were lost at that time.
fn cluster(of: u32, lost: u32, at: i64) -> State {
    let mut state = State::new(Home {
        region: Region::parse("us-east-1").expect("valid"),
        account: AccountId::parse("123456789012").expect("valid"),
    });
    for number in 1..=of {
        let row = fixture::instance(u128::from(number), "a", 1024, 1024);
        let connected = number > lost;
        let connected_at = if connected { row.connected_at } else { Timestamp(at) };
        state.apply(Change::from(ContainerInstance { connected, connected_at, ..row }));
    }
    state
}

fn name(state: &State) -> ClusterName {
    let first = state.container_instances().values().next().expect("an instance");
    first.cluster.clone()
}

fn at(state: &State, now: i64) -> Option<Brake> {
    brake(state, &name(state), Timestamp(now))
}

#[test]
fn a_zone_of_two_or_three_passes_and_most_of_a_cluster_does_not() {
    for (of, lost, slowed) in [
        (3, 1, false),
        (3, 2, false),
        (3, 3, true),
        (4, 2, false),
        (5, 3, true),
        (900, 300, false),
        (900, 450, false),
        (900, 495, false),
        (900, 496, true),
        (900, 900, true),
    ] {
        let found = at(&cluster(of, lost, 0), SECOND);
        assert_eq!(found.is_some(), slowed, "{lost} of {of}: {found:?}");
        assert!(found.is_none_or(|it| (it.lost, it.of, it.waiting) == (lost, of, lost)));
    }
}

#[test]
fn a_hundredth_of_a_cluster_is_given_up_in_ten_seconds() {
    for (of, milliseconds) in [(6, 10_000), (100, 10_000), (101, 5_000), (5_000, 200)] {
        let every = at(&cluster(of, of, 0), SECOND).expect("slowed").every;
        assert_eq!(every.as_millis(), milliseconds, "{of}");
    }
}

/// Gives up whoever may be, until nobody waits; when that was.
fn play(state: &mut State, until: i64) -> Vec<i64> {
    let (wait, mut now, mut moments) = (Duration::from_mins(1), 0, Vec::new());
    while let Some((id, when)) = next(state, &name(state), wait, Timestamp(now)) {
        if when.0 > until {
            break;
        }
        if when.0 > now {
            now = when.0;
            continue;
        }
        let row = state.container_instance(id).expect("a row").as_ref().clone();
        state.apply(Change::from(ContainerInstance { given_up_at: Some(Timestamp(now)), ..row }));
        moments.push(now / SECOND);
        assert_eq!(*state.indexes(), state.recomputed_indexes());
    }
    moments
}

#[test]
fn one_zone_is_given_up_at_once_and_most_instances_one_by_one() {
    assert_eq!(play(&mut cluster(9, 3, 0), 100_000), [60, 60, 60]);
    assert_eq!(play(&mut cluster(9, 6, 0), 200_000), [60, 70, 80, 90, 100, 110]);
}

#[test]
fn who_comes_back_in_time_lifts_the_brake_and_keeps_its_tasks() {
    let mut state = cluster(9, 6, 0);
    assert_eq!(play(&mut state, 75_000), [60, 70]);
    for number in 4..=6 {
        let row = fixture::instance(number, "a", 1024, 1024);
        state.apply(Change::from(row));
    }
    assert_eq!(at(&state, 76_000), None, "three of nine are not heard of");
    assert_eq!(
        next(&state, &name(&state), Duration::ZERO, Timestamp(76_000)).map(|it| it.1.0),
        Some(0)
    );
}

#[test]
fn what_was_given_up_long_ago_counts_no_more() {
    let mut state = cluster(9, 6, 0);
    play(&mut state, 200_000);
    assert_eq!(at(&state, 200_000), None, "nobody waits");
    let row = fixture::instance(9, "a", 1024, 1024);
    let lost =
        |at| ContainerInstance { connected: false, connected_at: Timestamp(at), ..row.clone() };
    state.apply(Change::from(lost(300_000)));
    assert_eq!(at(&state, 300_000).map(|it| (it.lost, it.of)), Some((7, 9)));
    assert_eq!(at(&state, 3_600_000), None, "one of three");
}
