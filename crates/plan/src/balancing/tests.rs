//! Choices as pictures: which targets get the next requests.

use core::time::Duration;
use std::sync::Arc;

use state::Draining;
use types::{Timestamp, Zone};

use super::*;
use crate::routing::fixture::{forward, group, rule, table};
use crate::routing::{Compiled, Group};

const TARGETS: [(&str, &str); 3] = [("a", "us-east-1a"), ("b", "us-east-1b"), ("c", "us-east-1b")];

fn ready(group: Group) -> Arc<ReadyGroup> {
    let rules = vec![rule(0, vec![], forward(&[(&group.arn, 1)]))];
    let compiled = Compiled::new(table(rules, vec![group]), None);
    compiled.groups.first().cloned().expect("the group")
}

fn with(attributes: &[(&str, &str)]) -> Arc<ReadyGroup> {
    let mut group = group("g", &TARGETS);
    group.attributes =
        attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    ready(group)
}

const EVERY: fn(u32) -> bool = |_| true;

/// The next requests, one for each face of the dice, as the letters of their targets.
fn draw(rotation: &mut Rotation, count: u64, now: Timestamp) -> String {
    (0..count)
        .map(|dice| match rotation.next(dice, now) {
            Some(target) => {
                rotation.began(target);
                char::from(b'a' + u8::try_from(target).expect("few"))
            }
            None => '-',
        })
        .collect()
}

fn count(text: &str, letter: char) -> usize {
    text.chars().filter(|it| *it == letter).count()
}

#[test]
fn round_robin_takes_turns_among_the_healthy() {
    let group = with(&[]);
    let mut rotation = Rotation::new(&group, None, &EVERY, Timestamp(0), None);
    assert_eq!(draw(&mut rotation, 6, Timestamp(0)), "bcabca");
    rotation.refresh(&group, None, &|it| it != 1, Timestamp(0));
    assert_eq!(draw(&mut rotation, 4, Timestamp(0)), "caca");
}

#[test]
fn where_none_is_healthy_all_are_asked() {
    let group = with(&[]);
    let mut rotation = Rotation::new(&group, None, &|_| false, Timestamp(0), None);
    assert!(rotation.fails_open());
    assert_eq!(draw(&mut rotation, 3, Timestamp(0)), "bca");
}

#[test]
fn where_too_few_are_healthy_all_are_asked() {
    let open = "target_group_health.unhealthy_state_routing.minimum_healthy_targets";
    let only_a = |it: u32| it == 0;
    let group = with(&[(&format!("{open}.count"), "2")]);
    assert!(Rotation::new(&group, None, &only_a, Timestamp(0), None).fails_open());
    let group = with(&[(&format!("{open}.percentage"), "33")]);
    assert!(!Rotation::new(&group, None, &only_a, Timestamp(0), None).fails_open());
    let group = with(&[(&format!("{open}.percentage"), "34")]);
    assert!(Rotation::new(&group, None, &only_a, Timestamp(0), None).fails_open());
}

#[test]
fn a_draining_target_takes_nothing_even_where_the_group_fails_open() {
    let mut told = group("g", &TARGETS);
    told.targets[1].draining = Some(Draining { since: Timestamp(0), until: Timestamp(9) });
    let mut rotation = Rotation::new(&ready(told), None, &|_| false, Timestamp(0), None);
    assert_eq!(draw(&mut rotation, 4, Timestamp(0)), "caca");
}

#[test]
fn a_group_without_targets_has_nobody() {
    let mut rotation = Rotation::new(&ready(group("g", &[])), None, &EVERY, Timestamp(0), None);
    assert!(rotation.is_empty() && !rotation.fails_open());
    assert_eq!(rotation.next(0, Timestamp(0)), None);
}

#[test]
fn zones_keep_to_themselves_where_they_should() {
    let group = with(&[]);
    let zone = Zone::parse("us-east-1b").expect("a zone");
    let mut rotation = Rotation::new(&group, Some(&zone), &EVERY, Timestamp(0), None);
    assert_eq!(draw(&mut rotation, 4, Timestamp(0)), "cbcb");
}

#[test]
fn the_least_loaded_target_is_next_and_ties_go_round() {
    let group = with(&[("load_balancing.algorithm.type", "least_outstanding_requests")]);
    let mut rotation = Rotation::new(&group, None, &EVERY, Timestamp(0), None);
    assert_eq!(draw(&mut rotation, 3, Timestamp(0)), "abc");
    rotation.ended(1);
    assert_eq!(draw(&mut rotation, 2, Timestamp(0)), "ba");
    rotation.ended(2);
    rotation.refresh(&group, None, &|it| it != 2, Timestamp(0));
    assert_eq!(draw(&mut rotation, 1, Timestamp(0)), "b");
}

/// All are healthy, and the third one does worse.
struct Worse;

impl Healths for Worse {
    fn is_healthy(&self, _: u32) -> bool {
        true
    }

    fn share(&self, target: u32) -> u32 {
        if target == 2 { 100 } else { SHARE_FULL }
    }
}

#[test]
fn chance_is_even_and_less_where_a_target_does_worse() {
    let group = with(&[("load_balancing.algorithm.type", "weighted_random")]);
    let mut rotation = Rotation::new(&group, None, &EVERY, Timestamp(0), None);
    let drawn = draw(&mut rotation, 3_000, Timestamp(0));
    for letter in ['a', 'b', 'c'] {
        assert!(
            (900..1_100).contains(&count(&drawn, letter)),
            "{letter} {}",
            count(&drawn, letter)
        );
    }
    rotation.refresh(&group, None, &Worse, Timestamp(0));
    let drawn = draw(&mut rotation, 3_000, Timestamp(0));
    assert!((70..220).contains(&count(&drawn, 'c')), "{}", count(&drawn, 'c'));
}

#[test]
fn a_target_that_joins_healthy_ones_begins_slowly() {
    let group = with(&[("slow_start.duration_seconds", "100")]);
    let mut rotation = Rotation::new(&group, None, &|it| it != 2, Timestamp(0), None);
    assert_eq!(count(&draw(&mut rotation, 100, Timestamp(0)), 'a'), 50, "the first begin at once");

    rotation.refresh(&group, None, &EVERY, Timestamp(0));
    let share = |rotation: &mut Rotation, second: i64| {
        count(&draw(rotation, 3_000, Timestamp(second * 1_000)), 'c')
    };
    assert!(share(&mut rotation, 1) < 50);
    assert!((350..650).contains(&share(&mut rotation, 50)));
    assert!((950..1_050).contains(&share(&mut rotation, 100)));
}

#[test]
fn what_is_under_way_is_known_in_the_next_table() {
    let group = with(&[("load_balancing.algorithm.type", "least_outstanding_requests")]);
    let mut rotation = Rotation::new(&group, None, &EVERY, Timestamp(0), None);
    assert_eq!(draw(&mut rotation, 4, Timestamp(0)), "abca");
    let mut told = group.told.clone();
    told.targets.remove(1);
    let next = ready(told);
    let before = Some((group.as_ref(), &rotation));
    let mut rotation = Rotation::new(&next, None, &EVERY, Timestamp(0), before);
    // What was c is b now, and has one request less than a.
    assert_eq!(draw(&mut rotation, 1, Timestamp(0)), "b");
}

#[test]
fn slow_start_is_over_when_its_time_is() {
    let group = with(&[("slow_start.duration_seconds", "30")]);
    let mut rotation = Rotation::new(&group, None, &|it| it == 0, Timestamp(0), None);
    rotation.refresh(&group, None, &EVERY, Timestamp(0));
    let late = Timestamp(0).after(Duration::from_secs(31));
    assert_eq!(count(&draw(&mut rotation, 300, late), 'c'), 100);
}

#[test]
fn who_was_not_reached_is_not_asked_again_while_there_are_others_however_busy() {
    let algorithm = "load_balancing.algorithm.type";
    for name in ["least_outstanding_requests", "round_robin", "weighted_random"] {
        let group = with(&[(algorithm, name)]);
        let mut rotation = Rotation::new(&group, None, &EVERY, Timestamp(0), None);
        for busy in [1, 1, 2, 2] {
            rotation.began(busy);
        }
        for dice in 0..20 {
            let next = rotation.next_but(&[0], dice, Timestamp(0));
            assert!(matches!(next, Some(1 | 2)), "{name}: {next:?}");
            assert_eq!(rotation.next_but(&[0, 2], dice, Timestamp(0)), Some(1), "{name}");
        }
        assert_eq!(rotation.next_but(&[0, 1, 2], 0, Timestamp(0)), None, "{name}");
    }
}
