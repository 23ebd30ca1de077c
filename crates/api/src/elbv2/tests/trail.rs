//! What the audit trail names of load balancers, certificates and zones.

use serde_json::{Value, json};
use shapes::Service;

use super::world::World;

/// Makes a request and answers the ARNs that its row of the trail names.
fn named(world: &mut World, service: &Service, operation: &str, ask: &Value) -> Vec<String> {
    world.call(service, operation, ask).unwrap_or_else(|it| panic!("{operation}: {it}"));
    let (_, row) = world.region.state.audits().last_key_value().expect("a row");
    assert_eq!(row.operation, operation);
    row.resources.clone()
}

#[test]
fn the_trail_names_what_a_request_made_changed_or_deleted() {
    let mut world = World::new();
    let elb = &shapes::elbv2::SERVICE;
    let targets = json!([{"Id": "172.31.0.9", "Port": 1}, {"Id": "172.31.0.9", "Port": 2}]);
    let tags = json!([{"Key": "a", "Value": "1"}]);
    for (operation, ask, expected) in [
        ("RegisterTargets", json!({"TargetGroupArn": "$tg", "Targets": targets}), vec!["$tg"]),
        ("ModifyTargetGroup", json!({"TargetGroupArn": "$tg"}), vec!["$tg"]),
        ("DeleteRule", json!({"RuleArn": "$next-rule"}), vec!["$next-rule"]),
        (
            "AddTags",
            json!({"ResourceArns": ["$web", "$http"], "Tags": tags}),
            vec!["$web", "$http"],
        ),
        (
            "DeleteListener",
            json!({"ListenerArn": "$http"}),
            vec!["$http", "$rule", "$default-rule"],
        ),
    ] {
        let mut expected: Vec<String> = expected.iter().map(|it| world.spelled(it)).collect();
        let mut named = named(&mut world, elb, operation, &ask);
        // ARNs end in random digits.
        expected.sort();
        named.sort();
        assert_eq!(named, expected, "{operation}");
    }
    let tags = json!({"CertificateArn": "$cert", "Tags": tags});
    let acm = &shapes::acm::SERVICE;
    let expected = [world.spelled("$cert")];
    assert_eq!(named(&mut world, acm, "AddTagsToCertificate", &tags), expected);
}

#[test]
fn the_trail_names_a_zone() {
    let mut world = World::new();
    let ask = json!({"Name": "example.com", "CallerReference": "1"});
    let named = named(&mut world, &shapes::route53::SERVICE, "CreateHostedZone", &ask);
    let zone = world.region.state.hosted_zones().keys().next().expect("a zone");
    assert_eq!(named, [format!("arn:aws:route53:::hostedzone/{zone}")]);
}
