//! Quotas, each refused by its own error once it is reached.

use serde_json::{Value, json};

use super::world::World;

/// Makes so many that are taken in, and one that is refused with that code.
#[track_caller]
fn check(world: &mut World, operation: &str, count: u32, code: &str, ask: impl Fn(u32) -> Value) {
    for number in 1..=count {
        let answer = world.ask(operation, &ask(number));
        answer.unwrap_or_else(|it| panic!("{operation} {number}: {it}"));
    }
    let refusal = world.ask(operation, &ask(count + 1)).expect_err(operation);
    assert_eq!((refusal.code.as_str(), refusal.status), (code, 400), "{}", refusal.message);
}

fn fixed() -> Value {
    json!([{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}])
}

#[test]
fn a_region_has_fifty_load_balancers_of_each_kind() {
    let mut world = World::new();
    for (kind, standing) in [("application", 2), ("network", 1)] {
        check(
            &mut world,
            "CreateLoadBalancer",
            50 - standing,
            "TooManyLoadBalancers",
            |it| json!({"Name": format!("{kind}-{it}"), "Subnets": ["$s1", "$s2"], "Type": kind}),
        );
    }
}

#[test]
fn a_load_balancer_has_fifty_listeners_and_a_hundred_rules() {
    let mut world = World::new();
    check(&mut world, "CreateListener", 48, "TooManyListeners", |it| {
        json!({"LoadBalancerArn": "$web", "Protocol": "HTTP", "Port": 1000 + it,
               "DefaultActions": fixed()})
    });
    check(&mut world, "CreateRule", 98, "TooManyRules", |it| {
        json!({"ListenerArn": "$https", "Priority": 1000 + it, "Actions": fixed(),
               "Conditions": [{"Field": "path-pattern", "Values": [format!("/{it}")]}]})
    });
    let before = world.region.state.clone();
    world.ask("DeleteLoadBalancer", &json!({"LoadBalancerArn": "$web"})).expect("goes");
    let gone = |state: &state::State| state.rules().len() + state.listeners().len();
    // One change is the load balancer's own; what there was no room for follows.
    assert_eq!(gone(&before) - gone(&world.region.state), state::CHANGES_MAX - 1);
    world.ask("DeleteTargetGroup", &json!({"TargetGroupArn": "$tg"})).expect("nobody names it");
}

#[test]
fn a_resource_has_fifty_tags() {
    let mut world = World::new();
    for arn in ["$web", "$tg", "$http", "$rule"] {
        check(
            &mut world,
            "AddTags",
            50,
            "TooManyTags",
            |it| json!({"ResourceArns": [arn], "Tags": [{"Key": it.to_string(), "Value": ""}]}),
        );
    }
}

#[test]
fn a_rule_forwards_to_five_groups_and_a_load_balancer_to_a_hundred() {
    let mut world = World::new();
    check(&mut world, "CreateTargetGroup", 100, "ValidationError", |it| match it {
        101 => json!({"Name": "g-101", "Protocol": "HTTP"}),
        _ => json!({"Name": format!("g-{it}"), "Protocol": "HTTP", "Port": 80, "VpcId": "$vpc"}),
    });
    let group = |world: &mut World, number: u32| {
        let ask = json!({"Names": [format!("g-{number}")]});
        let found = world.ask("DescribeTargetGroups", &ask).expect("there");
        found.pointer("/TargetGroups/0/TargetGroupArn").cloned().expect("an ARN")
    };
    let groups: Vec<Value> = (1..=100).map(|it| group(&mut world, it)).collect();
    let rule = |priority: usize, groups: &[Value]| {
        let tuples: Vec<Value> = groups.iter().map(|it| json!({"TargetGroupArn": it})).collect();
        json!({"ListenerArn": "$http", "Priority": priority,
               "Conditions": [{"Field": "path-pattern", "Values": [format!("/{priority}")]}],
               "Actions": [{"Type": "forward", "ForwardConfig": {"TargetGroups": tuples}}]})
    };
    let code = "TooManyUniqueTargetGroupsPerLoadBalancer";
    let six = world.ask("CreateRule", &rule(100, &groups[..6])).expect_err("six");
    assert_eq!(six.code, code);
    // The load balancer names one group already.
    for (number, five) in (100..).zip(groups.chunks(5).take(19)) {
        world.ask("CreateRule", &rule(number, five)).expect("five");
    }
    let refusal = world.ask("CreateRule", &rule(200, &groups[95..])).expect_err("one too many");
    assert_eq!(refusal.code, code);
    world.ask("CreateRule", &rule(200, &groups[95..99])).expect("a hundred");
}

#[test]
fn a_group_has_a_thousand_targets_and_a_listener_25_certificates_more() {
    let mut world = World::new();
    check(&mut world, "RegisterTargets", 10, "TooManyTargets", |it| {
        let targets: Vec<Value> =
            (0..100).map(|port| json!({"Id": "172.31.0.9", "Port": it * 100 + port})).collect();
        json!({"TargetGroupArn": "$free", "Targets": targets})
    });
    let before = world.region.state.targets().len();
    world.ask("DeleteTargetGroup", &json!({"TargetGroupArn": "$free"})).expect("goes");
    assert_eq!(before - world.region.state.targets().len(), state::CHANGES_MAX - 1);

    let mut arns = Vec::new();
    for number in 0..26 {
        arns.push(world.certificate(&format!("{number}.example.com")));
    }
    check(&mut world, "AddListenerCertificates", 25, "TooManyCertificates", |it| {
        json!({"ListenerArn": "$https",
               "Certificates": [{"CertificateArn": arns[it as usize - 1]}]})
    });
}

#[test]
fn a_default_certificate_that_is_added_too_is_shown_twice() {
    let mut world = World::new();
    let ask = json!({"ListenerArn": "$https", "Certificates": [{"CertificateArn": "$cert"}]});
    let listener = json!({"ListenerArn": "$https"});
    let mut marks = |operation: &str| {
        if !operation.is_empty() {
            world.ask(operation, &ask).expect("answers");
        }
        let found = world.ask("DescribeListenerCertificates", &listener).expect("answers");
        let all = found["Certificates"].as_array().expect("a list").clone();
        all.iter().map(|it| it["IsDefault"] == true).collect::<Vec<_>>()
    };
    assert_eq!(marks(""), [true]);
    assert_eq!(marks("AddListenerCertificates"), [true, false]);
    assert_eq!(marks("AddListenerCertificates"), [true, false], "once is enough");
    assert_eq!(marks("RemoveListenerCertificates"), [true], "the default one stays");
}

#[test]
fn a_region_has_three_thousand_target_groups() {
    let mut world = World::new();
    check(
        &mut world,
        "CreateTargetGroup",
        2_992,
        "TooManyTargetGroups",
        |it| json!({"Name": format!("g-{it}"), "Protocol": "HTTP", "Port": 80, "VpcId": "$vpc"}),
    );
}
