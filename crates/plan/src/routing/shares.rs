//! Weights hold within statistics: Pearson's chi-square test over many draws, with fixed seeds.

use state::Dice;
use types::Timestamp;

use super::fixture::{forward, group, rule, table};
use super::head::tests::head;
use super::{Compiled, Step};
use crate::balancing::Rotation;

const DRAWS: u32 = 60_000;
const SEEDS: u64 = 8;

/// Above these a result has a chance of one in ten thousand, by degrees of freedom from one on.
const CRITICAL: [f64; 5] = [15.14, 18.42, 21.11, 23.51, 25.74];

/// One listener that forwards to groups `a`, `b`, … by these weights, each of three targets.
fn by_weights(weights: &[u32], attributes: &[(&str, &str)]) -> Compiled {
    let names: Vec<String> = ('a'..).take(weights.len()).map(String::from).collect();
    let shares: Vec<(&str, u32)> =
        names.iter().map(String::as_str).zip(weights.iter().copied()).collect();
    let groups = names.iter().map(|name| {
        let mut group =
            group(name, &[("x", "us-east-1a"), ("y", "us-east-1b"), ("z", "us-east-1b")]);
        group.attributes =
            attributes.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        group
    });
    Compiled::new(table(vec![rule(0, vec![], forward(&shares))], groups.collect()), None)
}

/// How often each target of each group is drawn, as balancers draw.
fn draw(compiled: &Compiled, seed: u64) -> Vec<[u32; 3]> {
    let mut dice = Dice::of(seed);
    let every = |_: u32| true;
    let fresh = |it| Rotation::new(it, None, &every, Timestamp(0), None);
    let mut rotations: Vec<Rotation> = compiled.groups.iter().map(|it| fresh(it)).collect();
    let mut counts = vec![[0; 3]; rotations.len()];
    let port = &compiled.load_balancers[0].ports[0];
    for _ in 0..DRAWS {
        let face = dice.below(u64::MAX);
        let route = port.route(compiled, &head("GET h /"), None, face).expect("a default rule");
        let Step::Forward { group, .. } = route.step else { panic!("{route:?}") };
        let target = rotations[group].next(face.rotate_left(32), Timestamp(0)).expect("targets");
        counts[group][target as usize] += 1;
    }
    counts
}

/// What is seen lies as near to what is expected as chance has it.
#[track_caller]
fn check_shares(seen: &[u32], expected: &[f64], what: &str) {
    let terms = seen.iter().zip(expected).filter(|it| *it.1 > 0.0);
    let freedom = terms.clone().count() - 1;
    let statistic: f64 =
        terms.map(|(seen, expected)| (f64::from(*seen) - expected).powi(2) / expected).sum();
    assert!(statistic < CRITICAL[freedom - 1], "{what}: {seen:?} for {expected:?}: {statistic}");
    let never = seen.iter().zip(expected).filter(|it| *it.1 == 0.0);
    assert!(never.clone().all(|it| *it.0 == 0), "{what}: {seen:?} for {expected:?}");
}

#[test]
fn groups_get_their_weights_within_statistics() {
    let all: [&[u32]; 5] = [&[1, 1], &[9, 1], &[999, 1], &[5, 3, 2], &[7, 0, 1, 4]];
    for weights in all {
        let compiled = by_weights(weights, &[]);
        let whole = f64::from(weights.iter().sum::<u32>());
        let expected: Vec<f64> =
            weights.iter().map(|it| f64::from(*it) * f64::from(DRAWS) / whole).collect();
        for seed in 0..SEEDS {
            let seen: Vec<u32> = draw(&compiled, seed).iter().map(|it| it.iter().sum()).collect();
            check_shares(&seen, &expected, &format!("{weights:?}, seed {seed}"));
        }
    }
}

#[test]
fn what_chooses_the_group_does_not_choose_the_target() {
    let random = [("load_balancing.algorithm.type", "weighted_random")];
    let compiled = by_weights(&[3, 1], &random);
    let part = |weight: f64| f64::from(DRAWS) * weight / 4.0 / 3.0;
    let expected = [3.0, 3.0, 3.0, 1.0, 1.0, 1.0].map(part);
    for seed in 0..SEEDS {
        let seen = draw(&compiled, seed).concat();
        check_shares(&seen, &expected, &format!("seed {seed}"));
    }
}

#[test]
fn turns_are_even_to_one_request() {
    for counts in draw(&by_weights(&[2, 1], &[]), 5) {
        let (least, most) = (counts.iter().min(), counts.iter().max());
        assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 1), "{counts:?}");
    }
}
