//! Load balancing as its clients drive it.

use shapes::elbv2 as shape;

use crate::fixture::{Fixture, region};

mod limits;
mod refusals;
mod trail;
mod world;

use super::{listeners, load_balancers, rules, target_groups, targets};

fn subnets(region: &Fixture) -> Vec<String> {
    let row = region.state.region().get(&()).expect("started");
    row.subnets.iter().map(|it| it.id.clone()).collect()
}

fn load_balancer(region: &mut Fixture, name: &str) -> String {
    let ask = shape::CreateLoadBalancerInput {
        name: Some(name.to_owned()),
        subnets: Some(subnets(region)),
        ..Default::default()
    };
    let answer = region.write(load_balancers::create_load_balancer, ask).expect("made");
    let made = answer.load_balancers.and_then(|it| it.into_iter().next()).expect("one");
    made.load_balancer_arn.expect("an ARN")
}

fn group(region: &mut Fixture, name: &str) -> String {
    let vpc = region.state.region().get(&()).map(|it| it.vpc.clone());
    let ask = shape::CreateTargetGroupInput {
        name: Some(name.to_owned()),
        protocol: Some("HTTP".into()),
        port: Some(80),
        vpc_id: vpc,
        target_type: Some("ip".into()),
        // As Terraform writes that it wants none.
        protocol_version: Some(String::new()),
        ..Default::default()
    };
    let answer = region.write(target_groups::create_target_group, ask).expect("made");
    let made = answer.target_groups.and_then(|it| it.into_iter().next()).expect("one");
    made.target_group_arn.expect("an ARN")
}

fn forward(group: &str) -> Vec<shape::Action> {
    vec![shape::Action {
        r#type: Some("forward".into()),
        target_group_arn: Some(group.to_owned()),
        ..Default::default()
    }]
}

fn listener(region: &mut Fixture, load_balancer: &str, group: &str) -> String {
    let ask = shape::CreateListenerInput {
        load_balancer_arn: Some(load_balancer.to_owned()),
        protocol: Some("HTTP".into()),
        port: Some(80),
        default_actions: Some(forward(group)),
        ..Default::default()
    };
    let answer = region.write(listeners::create_listener, ask).expect("made");
    let made = answer.listeners.and_then(|it| it.into_iter().next()).expect("one");
    made.listener_arn.expect("an ARN")
}

fn path_rule(listener: &str, group: &str, priority: i32) -> shape::CreateRuleInput {
    shape::CreateRuleInput {
        listener_arn: Some(listener.to_owned()),
        priority: Some(priority),
        conditions: Some(vec![shape::RuleCondition {
            field: Some("path-pattern".to_owned()),
            values: Some(vec![format!("/{priority}/*")]),
            ..Default::default()
        }]),
        actions: Some(forward(group)),
        ..Default::default()
    }
}

#[test]
fn what_was_made_once_is_made_once_and_goes_whole() {
    let mut region = region();
    let lb = load_balancer(&mut region, "web");
    assert_eq!(load_balancer(&mut region, "web"), lb);
    let tg = group(&mut region, "blue");
    assert_eq!(group(&mut region, "blue"), tg);
    let port = listener(&mut region, &lb, &tg);
    assert_eq!(listener(&mut region, &lb, &tg), port);
    region.write(rules::create_rule, path_rule(&port, &tg, 5)).expect("made");
    let again = region.write(rules::create_rule, path_rule(&port, &tg, 5)).expect_err("in use");
    assert_eq!(again.to_string(), "Priority '5' is currently in use");
    assert_eq!(region.state.rules().len(), 2);

    let ask = shape::DeleteTargetGroupInput { target_group_arn: Some(tg.clone()) };
    region.write(target_groups::delete_target_group, ask.clone()).expect_err("in use");
    let all = shape::DeleteLoadBalancerInput { load_balancer_arn: Some(lb) };
    region.write(load_balancers::delete_load_balancer, all.clone()).expect("goes");
    region.write(load_balancers::delete_load_balancer, all).expect("is gone");
    assert!(region.state.rules().is_empty() && region.state.listeners().is_empty());
    region.write(target_groups::delete_target_group, ask).expect("nobody names it");
}

fn addresses(region: &Fixture) -> Vec<String> {
    let nodes = region.state.load_balancers().values().flat_map(|it| &it.nodes);
    nodes.map(|it| it.address.to_string()).collect()
}

#[test]
fn a_load_balancer_does_not_take_the_addresses_that_another_has_just_given_back() {
    let mut region = region();
    let mut before = Vec::new();
    for round in 0..3 {
        let arn = load_balancer(&mut region, &format!("lb-{round}"));
        let now = addresses(&region);
        assert!(now.iter().all(|it| !before.contains(it)), "{before:?} {now:?}");
        before.extend(now);
        let all = shape::DeleteLoadBalancerInput { load_balancer_arn: Some(arn) };
        region.write(load_balancers::delete_load_balancer, all).expect("goes");
    }
}

#[test]
fn as_many_load_balancers_as_a_region_may_have_find_addresses() {
    let mut region = region();
    for number in 0..50 {
        load_balancer(&mut region, &format!("lb-{number}"));
    }
    let mut all = addresses(&region);
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 150);
}

#[test]
fn each_node_has_an_address_of_its_own_at_the_end_of_its_subnet() {
    let mut region = region();
    load_balancer(&mut region, "one");
    load_balancer(&mut region, "two");
    let mut addresses = addresses(&region);
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 6);
    assert!(addresses.iter().all(|it| it.starts_with("172.31.")), "{addresses:?}");
}

#[test]
fn a_target_drains_and_can_come_back() {
    let mut region = region();
    let lb = load_balancer(&mut region, "web");
    let tg = group(&mut region, "blue");
    listener(&mut region, &lb, &tg);
    let target = shape::TargetDescription {
        id: Some("172.31.0.77".to_owned()),
        port: Some(8080),
        ..Default::default()
    };
    let register = shape::RegisterTargetsInput {
        target_group_arn: Some(tg.clone()),
        targets: Some(vec![target.clone()]),
    };
    let leave =
        shape::DeregisterTargetsInput { target_group_arn: Some(tg), targets: Some(vec![target]) };
    region.write(targets::deregister_targets, leave.clone()).expect("nothing to do");
    region.write(targets::register_targets, register.clone()).expect("registered");
    region.write(targets::deregister_targets, leave).expect("drains");
    assert_eq!(region.state.indexes().draining().len(), 1);
    region.write(targets::register_targets, register).expect("comes back");
    assert!(region.state.indexes().draining().is_empty());
    assert_eq!(region.state.targets().len(), 1);
}

/// What a listener made with this forward action shows of it.
fn forwarded(region: &mut Fixture, action: shape::Action) -> shape::Action {
    let lb = load_balancer(region, "shown");
    let ask = shape::CreateListenerInput {
        load_balancer_arn: Some(lb.clone()),
        protocol: Some("HTTP".into()),
        port: Some(80),
        default_actions: Some(vec![action]),
        ..Default::default()
    };
    region.write(listeners::create_listener, ask).expect("made");
    let ask = shape::DescribeListenersInput { load_balancer_arn: Some(lb), ..Default::default() };
    let answer = region.read(listeners::describe_listeners, ask).expect("described");
    let shown = answer.listeners.and_then(|it| it.into_iter().next()).expect("one");
    shown.default_actions.and_then(|it| it.into_iter().next()).expect("an action")
}

#[test]
fn an_action_shows_its_order_and_the_seconds_of_stickiness_where_they_were_sent() {
    let mut region = region();
    let tg = group(&mut region, "blue");
    let [short] = forward(&tg).try_into().expect("one action");
    let shown = forwarded(&mut region, short.clone());
    assert_eq!((shown.order, &shown.target_group_arn), (None, &short.target_group_arn));
    let stickiness = |it: shape::Action| it.forward_config?.target_group_stickiness_config;
    let seconds = |it| stickiness(it).map(|it| (it.enabled, it.duration_seconds));
    assert_eq!(seconds(shown), Some((Some(false), None)));

    let config = shape::ForwardActionConfig {
        target_group_stickiness_config: Some(shape::TargetGroupStickinessConfig {
            enabled: Some(false),
            duration_seconds: Some(60),
        }),
        ..Default::default()
    };
    let long = shape::Action { order: Some(7), forward_config: Some(config), ..short };
    let mut region = self::region();
    assert_eq!(group(&mut region, "blue"), tg);
    let shown = forwarded(&mut region, long);
    assert_eq!(shown.order, Some(7));
    assert_eq!(seconds(shown), Some((Some(false), Some(60))));
}

#[test]
fn rules_trade_places() {
    let mut region = region();
    let lb = load_balancer(&mut region, "web");
    let tg = group(&mut region, "blue");
    let port = listener(&mut region, &lb, &tg);
    let mut arns = Vec::new();
    for priority in [1, 2] {
        let answer = region.write(rules::create_rule, path_rule(&port, &tg, priority));
        let made = answer.expect("made").rules.and_then(|it| it.into_iter().next());
        arns.push(made.and_then(|it| it.rule_arn));
    }
    let pair = |rule_arn: &Option<String>, priority| shape::RulePriorityPair {
        rule_arn: rule_arn.clone(),
        priority: Some(priority),
    };
    let swap = shape::SetRulePrioritiesInput {
        rule_priorities: Some(vec![pair(&arns[0], 2), pair(&arns[1], 1)]),
    };
    region.write(rules::set_rule_priorities, swap).expect("trade places");
    let clash = shape::SetRulePrioritiesInput { rule_priorities: Some(vec![pair(&arns[0], 1)]) };
    region.write(rules::set_rule_priorities, clash).expect_err("in use");
}
