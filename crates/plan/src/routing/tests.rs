//! Rules as tables: what a request falls under, and where it goes.

use core::time::Duration;

use state::{Action, Condition, QueryPattern};
use types::Timestamp;

use super::fixture::{forward, group, rule, table};
use super::head::tests::head;
use super::{Compiled, PortRule, RoutingTable, Step};
use crate::stickiness::{Claim, Mark};

fn host(text: &str) -> Condition {
    Condition::Host(vec![text.to_owned()])
}

fn path(texts: &[&str]) -> Condition {
    Condition::Path(texts.iter().map(|it| (*it).to_owned()).collect())
}

fn says(text: &str) -> Action {
    Action::Fixed { status: 200, content_type: None, body: text.to_owned() }
}

fn port(compiled: &Compiled) -> &super::Port {
    compiled.load_balancers.first().and_then(|it| it.ports.first()).expect("a listener")
}

/// The rule that a request falls under.
fn falls_under(compiled: &Compiled, request: &'static str) -> String {
    let route = port(compiled).route(compiled, &head(request), None, 0);
    route.expect("the default rule is for everything").rule.arn.clone()
}

#[track_caller]
fn check(rules: Vec<PortRule>, expected: &[(&'static str, &str)]) {
    let compiled = Compiled::new(table(rules, Vec::new()), None);
    for (request, rule) in expected {
        assert_eq!(falls_under(&compiled, request), *rule, "{request}");
    }
}

#[test]
fn the_first_rule_by_priority_wins_however_it_is_found() {
    check(
        vec![
            rule(1, vec![path(&["/api/*", "/v1"])], says("")),
            rule(2, vec![host("a.org")], says("")),
            rule(3, vec![host("*.a.org"), path(&["/x"])], says("")),
            rule(4, vec![Condition::Method(vec!["DELETE".to_owned()])], says("")),
            rule(5, vec![host("?.b.org")], says("")),
            rule(0, vec![], says("")),
        ],
        &[
            ("GET a.org /api/y", "rule-1"),
            ("GET A.ORG /v1", "rule-1"),
            ("GET a.org /v12", "rule-2"),
            ("GET www.a.org /x", "rule-3"),
            ("DELETE www.a.org /x", "rule-3"),
            ("DELETE www.a.org /", "rule-4"),
            ("GET c.b.org /", "rule-5"),
            ("GET b.org /", "rule-0"),
            ("GET b.org /api", "rule-0"),
        ],
    );
}

#[test]
fn all_conditions_of_a_rule_must_hold() {
    let query = Condition::Query(vec![QueryPattern { key: None, value: "on".to_owned() }]);
    check(
        vec![
            rule(7, vec![host("a.org"), path(&["/x*"]), query], says("")),
            rule(0, vec![], says("")),
        ],
        &[
            ("GET a.org /xy?debug=on", "rule-7"),
            ("GET a.org /xy", "rule-0"),
            ("GET b.org /xy?debug=on", "rule-0"),
        ],
    );
}

/// What an index finds must be what asking every rule finds.
#[test]
fn the_index_finds_what_asking_every_rule_finds() {
    const HOSTS: [&str; 6] = ["a.org", "*.a.org", "b.a.org", "*", "?.a.org", "*a*"];
    const PATHS: [&str; 6] = ["/x", "/x*", "/x/*/z", "/", "*", "/x/y"];
    let mut dice: u64 = 7;
    let mut draw = |of: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(dice >> 40).expect("24 bits") % of
    };
    for _ in 0..200 {
        let mut rules: Vec<PortRule> = (1..=12)
            .map(|priority| {
                let mut conditions = Vec::new();
                if draw(2) == 0 {
                    conditions.push(host(HOSTS[draw(6)]));
                }
                if draw(2) == 0 || conditions.is_empty() {
                    conditions.push(path(&[PATHS[draw(6)], PATHS[draw(6)]]));
                }
                rule(priority, conditions, says(""))
            })
            .collect();
        rules.push(rule(0, vec![], says("")));
        let compiled = Compiled::new(table(rules.clone(), Vec::new()), None);
        for request in [
            "GET a.org /x",
            "GET b.a.org /x/y/z",
            "GET c.a.org /",
            "GET q.net /x/y",
            "GET b.a.org /x/y",
        ] {
            let one_by_one = rules.iter().find(|it| {
                it.conditions.iter().all(|it| super::condition::Test::new(it).holds(&head(request)))
            });
            let expected = &one_by_one.expect("the default rule").arn;
            assert_eq!(&falls_under(&compiled, request), expected, "{request} {rules:#?}");
        }
    }
}

fn weighted(shares: &[(&str, u32)], stickiness: Option<Duration>) -> RoutingTable {
    let Action::Forward { groups, .. } = forward(shares) else { unreachable!("a forward") };
    let rules = vec![rule(0, vec![], Action::Forward { groups, stickiness })];
    table(rules, vec![group("blue", &[]), group("green", &[])])
}

/// How many of a hundred requests, one for each face of the dice, go to which group.
fn shares(table: RoutingTable) -> [u32; 2] {
    let compiled = Compiled::new(table, None);
    let mut counts = [0, 0];
    for dice in 0..100 {
        let route = port(&compiled).route(&compiled, &head("GET a.org /"), None, dice);
        match route.expect("a rule").step {
            Step::Forward { group, .. } => counts[group] += 1,
            other => panic!("{other:?}"),
        }
    }
    counts
}

#[test]
fn weights_are_shares_and_zero_gets_nothing() {
    assert_eq!(shares(weighted(&[("blue", 90), ("green", 10)], None)), [90, 10]);
    assert_eq!(shares(weighted(&[("blue", 1), ("green", 3)], None)), [25, 75]);
    assert_eq!(shares(weighted(&[("blue", 0), ("green", 5)], None)), [0, 100]);
}

#[test]
fn nowhere_is_where_every_weight_is_zero() {
    let compiled = Compiled::new(weighted(&[("blue", 0), ("green", 0)], None), None);
    let route = port(&compiled).route(&compiled, &head("GET a.org /"), None, 3).expect("a rule");
    assert_eq!(route.step, Step::Nowhere);
}

#[test]
fn a_client_stays_with_its_group_even_at_weight_zero() {
    let hour = Duration::from_hours(1);
    let compiled = Compiled::new(weighted(&[("blue", 0), ("green", 5)], Some(hour)), None);
    let claim = Claim { group: Mark::of(&["blue"]), target: None, until: Timestamp(1) };
    let step = |claim: Option<&Claim>, compiled: &Compiled| {
        let route = port(compiled).route(compiled, &head("GET a.org /"), claim, 0);
        match route.expect("a rule").step {
            Step::Forward { group, settle } => (group, settle),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(step(Some(&claim), &compiled), (0, None));
    assert_eq!(step(None, &compiled), (1, Some(hour)));
    let elsewhere = Claim { group: Mark::of(&["red"]), ..claim };
    assert_eq!(step(Some(&elsewhere), &compiled), (1, Some(hour)));

    let compiled = Compiled::new(weighted(&[("blue", 0), ("green", 5)], None), None);
    assert_eq!(step(Some(&claim), &compiled), (1, None));
}

#[test]
fn a_group_that_did_not_change_is_the_same_in_the_next_table() {
    let before = Compiled::new(weighted(&[("blue", 1)], None), None);
    let mut next = weighted(&[("blue", 2)], None);
    next.groups[1] = group("green", &[("10.0.0.1", "us-east-1a")]);
    let after = Compiled::new(next, Some(&before));
    assert!(std::sync::Arc::ptr_eq(&before.groups[0], &after.groups[0]));
    assert!(!std::sync::Arc::ptr_eq(&before.groups[1], &after.groups[1]));
}
