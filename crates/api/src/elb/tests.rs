//! Classic Load Balancers as their clients drive them.

use serde_json::{Value, json};

mod refusals;
mod world;

use world::World;

fn described(world: &mut World, name: &str) -> Value {
    let ask = json!({"LoadBalancerNames": [name]});
    let answer = world.ask("DescribeLoadBalancers", &ask).expect("described");
    answer.pointer("/LoadBalancerDescriptions/0").cloned().expect("one")
}

#[test]
fn a_load_balancer_is_described_as_it_was_asked_for_with_awss_defaults() {
    let mut world = World::new();
    let ask = json!({"LoadBalancerName": "new", "AvailabilityZones": ["us-east-1b", "us-east-1a"],
        "Listeners": [{"Protocol": "http", "LoadBalancerPort": 80, "InstancePort": 3000}],
        "Tags": [{"Key": "team", "Value": "blue"}]});
    let made = world.ask("CreateLoadBalancer", &ask).expect("made");
    let mut shown = described(&mut world, "new");
    assert_eq!(shown["DNSName"], made["DNSName"]);
    let name = shown["DNSName"].as_str().expect("a name").to_owned();
    assert!(name.starts_with("new-") && name.ends_with(".us-east-1.elb.amazonaws.com"), "{name}");
    let shown = shown.as_object_mut().expect("members");
    for random in ["DNSName", "CanonicalHostedZoneName", "CreatedTime"] {
        shown.remove(random);
    }
    let listener = json!({"Protocol": "HTTP", "LoadBalancerPort": 80, "InstanceProtocol": "HTTP",
                          "InstancePort": 3000});
    let expected = json!({
        "LoadBalancerName": "new",
        "CanonicalHostedZoneNameID": "Z35SXDOTRQ7X7K",
        "ListenerDescriptions": [{"Listener": listener, "PolicyNames": []}],
        "Policies": {"AppCookieStickinessPolicies": [], "LBCookieStickinessPolicies": [],
                     "OtherPolicies": []},
        "BackendServerDescriptions": [],
        "AvailabilityZones": ["us-east-1a", "us-east-1b"],
        "Subnets": [world.spelled("$s1"), world.spelled("$s2")],
        "VPCId": world.spelled("$vpc"),
        "Instances": [],
        "HealthCheck": {"Target": "TCP:3000", "Interval": 30, "Timeout": 5,
                        "UnhealthyThreshold": 2, "HealthyThreshold": 10},
        "SourceSecurityGroup": {"OwnerAlias": "123456789012", "GroupName": "default"},
        "SecurityGroups": [world.spelled("$sg")],
        "Scheme": "internet-facing",
    });
    assert_eq!(Value::Object(shown.clone()), expected);
    let tags = world.ask("DescribeTags", &json!({"LoadBalancerNames": ["new"]})).expect("tags");
    assert_eq!(tags.pointer("/TagDescriptions/0/Tags/0/Value"), Some(&json!("blue")));
}

#[test]
fn what_was_made_once_is_made_once_and_goes_whole() {
    let mut world = World::new();
    let ask = json!({"LoadBalancerName": "web", "Subnets": ["$s1", "$s2"], "Listeners": [
        {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 3000},
        {"Protocol": "HTTPS", "LoadBalancerPort": 443, "InstancePort": 3000,
         "SSLCertificateId": "$cert"},
        {"Protocol": "TCP", "LoadBalancerPort": 6379, "InstancePort": 6379},
    ]});
    let before = world.region.state.classic_load_balancers().clone();
    let again = world.ask("CreateLoadBalancer", &ask).expect("the same");
    assert_eq!(again["DNSName"], described(&mut world, "web")["DNSName"]);
    assert_eq!(before, *world.region.state.classic_load_balancers());

    world.ask("DeleteLoadBalancer", &json!({"LoadBalancerName": "web"})).expect("goes");
    world.ask("DeleteLoadBalancer", &json!({"LoadBalancerName": "web"})).expect("is gone");
    assert!(world.region.state.classic_instances().is_empty());
    let made = world.ask("CreateLoadBalancer", &ask).expect("another one");
    assert_ne!(again["DNSName"], made["DNSName"]);
    assert!(described(&mut world, "web")["Instances"].as_array().is_some_and(Vec::is_empty));
}

#[test]
fn each_load_balancer_has_addresses_of_its_own_whatever_its_kind() {
    let mut world = World::new();
    let ask = json!({"Name": "app", "Subnets": ["$s1", "$s2"]});
    world.call(&shapes::elbv2::SERVICE, "CreateLoadBalancer", &ask).expect("made");
    let state = &world.region.state;
    let classic = state.classic_load_balancers().values().flat_map(|it| &it.nodes);
    let others = state.load_balancers().values().flat_map(|it| &it.nodes);
    let mut all: Vec<_> = classic.chain(others).map(|it| it.address).collect();
    assert_eq!(all.len(), 5);
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 5);
}

#[test]
fn listeners_come_and_go_and_a_secure_one_has_the_usual_policy() {
    let mut world = World::new();
    let usual = json!(["ELBSecurityPolicy-2016-08"]);
    let shown = described(&mut world, "web");
    assert_eq!(shown.pointer("/ListenerDescriptions/1/PolicyNames"), Some(&usual));
    assert_eq!(shown.pointer("/Policies/OtherPolicies"), Some(&usual));
    let more = json!({"LoadBalancerName": "web", "Listeners": [
        {"Protocol": "SSL", "LoadBalancerPort": 8443, "InstancePort": 9, "SSLCertificateId": "$cert"},
        {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 3000},
    ]});
    world.ask("CreateLoadBalancerListeners", &more).expect("one is new, the other the same");
    let other = json!({"LoadBalancerName": "web", "LoadBalancerPort": 8443,
                       "SSLCertificateId": "$other-cert"});
    world.ask("SetLoadBalancerListenerSSLCertificate", &other).expect("changed");
    let gone = json!({"LoadBalancerName": "web", "LoadBalancerPorts": [80, 81]});
    world.ask("DeleteLoadBalancerListeners", &gone).expect("gone");
    let shown = described(&mut world, "web");
    let ports: Vec<_> = shown["ListenerDescriptions"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| it.pointer("/Listener/LoadBalancerPort").and_then(Value::as_i64).expect("a port"))
        .collect();
    assert_eq!(ports, [443, 6379, 8443]);
    let certificate = shown.pointer("/ListenerDescriptions/2/Listener/SSLCertificateId");
    assert_eq!(certificate, Some(&json!(world.spelled("$other-cert"))));
    let bare = shown.pointer("/ListenerDescriptions/2/Listener/InstanceProtocol");
    assert_eq!(bare, Some(&json!("TCP")));
}

#[test]
fn a_certificate_that_a_listener_shows_stays() {
    let mut world = World::new();
    let acm = &shapes::acm::SERVICE;
    let ask = json!({"CertificateArn": "$cert"});
    let refusal = world.call(acm, "DeleteCertificate", &ask).expect_err("in use");
    assert_eq!(refusal.code, "ResourceInUseException");
    let shown = world.call(acm, "DescribeCertificate", &ask).expect("told");
    let user = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/web";
    assert_eq!(shown.pointer("/Certificate/InUseBy"), Some(&json!([user])));
    world.ask("DeleteLoadBalancer", &json!({"LoadBalancerName": "web"})).expect("goes");
    world.call(acm, "DeleteCertificate", &ask).expect("nobody shows it");
}

#[test]
fn instances_are_registered_once_and_leave_as_draining_says() {
    let mut world = World::new();
    let two = json!({"LoadBalancerName": "plain",
                     "Instances": [{"InstanceId": "$i1"}, {"InstanceId": "$i2"}]});
    let one = json!({"LoadBalancerName": "plain", "Instances": [{"InstanceId": "$i1"}]});
    let answer = world.ask("RegisterInstancesWithLoadBalancer", &two).expect("registered");
    assert_eq!(answer["Instances"].as_array().map(Vec::len), Some(2));
    let before = world.region.state.classic_instances().clone();
    world.region.now = types::Timestamp(world.region.now.0 + 1_000);
    world.ask("RegisterInstancesWithLoadBalancer", &one).expect("is there");
    assert_eq!(*world.region.state.classic_instances(), before);
    let health = world.ask("DescribeInstanceHealth", &one).expect("told");
    let expected = json!([{"InstanceId": world.spelled("$i1"), "State": "OutOfService",
        "ReasonCode": "ELB", "Description": "Instance registration is still in progress."}]);
    assert_eq!(health["InstanceStates"], expected);

    let answer = world.ask("DeregisterInstancesFromLoadBalancer", &one).expect("leaves at once");
    assert_eq!(answer["Instances"].as_array().map(Vec::len), Some(1));
    assert_eq!(world.region.state.classic_instances().len(), 1);
    world.ask("DeregisterInstancesFromLoadBalancer", &one).expect("is not registered");
    let health = world.ask("DescribeInstanceHealth", &one).expect("told");
    let said = "Instance is not currently registered with the LoadBalancer.";
    assert_eq!(health.pointer("/InstanceStates/0/Description"), Some(&json!(said)));

    let drain = json!({"LoadBalancerName": "plain", "LoadBalancerAttributes":
        {"ConnectionDraining": {"Enabled": true, "Timeout": 60}}});
    world.ask("ModifyLoadBalancerAttributes", &drain).expect("drains from now on");
    let answer = world.ask("DeregisterInstancesFromLoadBalancer", &two).expect("drains");
    assert_eq!(answer["Instances"], json!([]));
    let now = world.region.now;
    let row = world.region.state.classic_instances().values().next().expect("it drains");
    assert_eq!(row.draining.map(|it| it.until.0 - now.0), Some(60_000));
    let all = json!({"LoadBalancerName": "plain"});
    let health = world.ask("DescribeInstanceHealth", &all).expect("told");
    assert_eq!(health.pointer("/InstanceStates/0/State"), Some(&json!("InService")));
    world.ask("RegisterInstancesWithLoadBalancer", &two).expect("comes back");
    let rows = world.region.state.classic_instances();
    assert!(rows.len() == 2 && rows.values().all(|it| it.draining.is_none()));
}

#[test]
fn attributes_that_are_named_are_changed_and_answered() {
    let mut world = World::new();
    let all = json!({"LoadBalancerName": "plain"});
    let usual = json!({"LoadBalancerAttributes": {
        "AccessLog": {"Enabled": false},
        "AdditionalAttributes": [{"Key": "elb.http.desyncmitigationmode", "Value": "defensive"}],
        "ConnectionDraining": {"Enabled": false, "Timeout": 300},
        "ConnectionSettings": {"IdleTimeout": 60},
        "CrossZoneLoadBalancing": {"Enabled": false},
    }});
    assert_eq!(world.ask("DescribeLoadBalancerAttributes", &all), Ok(usual));
    let asked = json!({
        "AdditionalAttributes": [{"Key": "elb.http.desyncmitigationmode", "Value": "strictest"}],
        "ConnectionSettings": {"IdleTimeout": 7},
        "CrossZoneLoadBalancing": {"Enabled": true},
    });
    let ask = json!({"LoadBalancerName": "plain", "LoadBalancerAttributes": asked});
    let answer = world.ask("ModifyLoadBalancerAttributes", &ask).expect("changed");
    assert_eq!(answer["LoadBalancerAttributes"], asked);
    let shown = world.ask("DescribeLoadBalancerAttributes", &all).expect("told");
    assert_eq!(
        shown.pointer("/LoadBalancerAttributes/ConnectionSettings/IdleTimeout"),
        Some(&json!(7))
    );
    assert_eq!(
        shown.pointer("/LoadBalancerAttributes/ConnectionDraining/Enabled"),
        Some(&json!(false))
    );
}

#[test]
fn policies_are_made_given_to_listeners_and_shown() {
    let mut world = World::new();
    let make = |name: &str, kind: &str, key: &str, value: &str| {
        json!({"LoadBalancerName": "web", "PolicyName": name, "PolicyTypeName": kind,
               "PolicyAttributes": [{"AttributeName": key, "AttributeValue": value}]})
    };
    for ask in [
        make(
            "tls",
            "SSLNegotiationPolicyType",
            "Reference-Security-Policy",
            "ELBSecurityPolicy-TLS-1-2-2017-01",
        ),
        make("app", "AppCookieStickinessPolicyType", "CookieName", "SESSION"),
    ] {
        world.ask("CreateLoadBalancerPolicy", &ask).expect("made");
    }
    let lasting = json!({"LoadBalancerName": "web", "PolicyName": "lasting",
                         "CookieExpirationPeriod": 60});
    world.ask("CreateLBCookieStickinessPolicy", &lasting).expect("made");
    let give = json!({"LoadBalancerName": "web", "LoadBalancerPort": 443,
                      "PolicyNames": ["tls", "lasting"]});
    world.ask("SetLoadBalancerPoliciesOfListener", &give).expect("given");
    let shown = described(&mut world, "web");
    assert_eq!(
        shown.pointer("/ListenerDescriptions/1/PolicyNames"),
        Some(&json!(["lasting", "tls"]))
    );
    let expected = json!({
        "AppCookieStickinessPolicies": [{"PolicyName": "app", "CookieName": "SESSION"}],
        "LBCookieStickinessPolicies": [{"PolicyName": "lasting", "CookieExpirationPeriod": 60}],
        "OtherPolicies": ["ELBSecurityPolicy-2016-08", "tls"],
    });
    assert_eq!(shown["Policies"], expected);
    let ask = json!({"LoadBalancerName": "web", "PolicyNames": ["lasting"]});
    let shown = world.ask("DescribeLoadBalancerPolicies", &ask).expect("told");
    let expected = json!([{"PolicyName": "lasting", "PolicyTypeName": "LBCookieStickinessPolicyType",
        "PolicyAttributeDescriptions": [
            {"AttributeName": "CookieExpirationPeriod", "AttributeValue": "60"}]}]);
    assert_eq!(shown["PolicyDescriptions"], expected);
    let shown = world.ask("DescribeLoadBalancerPolicies", &json!({})).expect("predefined ones");
    assert_eq!(shown["PolicyDescriptions"].as_array().map(Vec::len), Some(3));

    let none = json!({"LoadBalancerName": "web", "LoadBalancerPort": 443, "PolicyNames": []});
    world.ask("SetLoadBalancerPoliciesOfListener", &none).expect("taken away");
    for name in ["tls", "lasting", "gone"] {
        let ask = json!({"LoadBalancerName": "web", "PolicyName": name});
        world.ask("DeleteLoadBalancerPolicy", &ask).expect("gone");
    }
    let types = world.ask("DescribeLoadBalancerPolicyTypes", &json!({})).expect("told");
    assert_eq!(types["PolicyTypeDescriptions"].as_array().map(Vec::len), Some(3));
    let back = json!({"LoadBalancerName": "web", "InstancePort": 3000, "PolicyNames": []});
    world.ask("SetLoadBalancerPoliciesForBackendServer", &back).expect("none");
}

#[test]
fn zones_and_subnets_are_added_and_taken_away_and_what_stays_keeps_its_address() {
    let mut world = World::new();
    let addresses = |world: &World| {
        let found = &world.region.state.classic_load_balancers()["plain"];
        found.nodes.iter().map(|it| (it.zone.to_string(), it.address)).collect::<Vec<_>>()
    };
    let before = addresses(&world);
    let zones = json!({"LoadBalancerName": "plain",
                       "AvailabilityZones": ["us-east-1c", "us-east-1a"]});
    let answer = world.ask("EnableAvailabilityZonesForLoadBalancer", &zones).expect("wider");
    assert_eq!(answer["AvailabilityZones"], json!(["us-east-1a", "us-east-1c"]));
    let subnets = json!({"LoadBalancerName": "plain", "Subnets": ["$s2"]});
    world.ask("AttachLoadBalancerToSubnets", &subnets).expect("wider still");
    world.ask("AttachLoadBalancerToSubnets", &subnets).expect("is there");
    assert_eq!(addresses(&world).len(), 3);
    assert_eq!(addresses(&world)[0], before[0]);
    let answer = world.ask("DetachLoadBalancerFromSubnets", &subnets).expect("narrower");
    assert_eq!(answer["Subnets"], json!([world.spelled("$s1"), world.spelled("$s3")]));
    let last =
        json!({"LoadBalancerName": "plain", "AvailabilityZones": ["us-east-1c", "us-east-1b"]});
    world.ask("DisableAvailabilityZonesForLoadBalancer", &last).expect("as it was");
    assert_eq!(addresses(&world), before);
    let groups = json!({"LoadBalancerName": "plain", "SecurityGroups": ["$sg"]});
    let answer = world.ask("ApplySecurityGroupsToLoadBalancer", &groups).expect("applied");
    assert_eq!(answer["SecurityGroups"], json!([world.spelled("$sg")]));
}

#[test]
fn checks_are_configured_and_shown_as_they_were_asked_for() {
    let mut world = World::new();
    for target in ["TCP:22", "SSL:8443", "HTTP:80/", "HTTPS:443/a/b?c=1"] {
        let check = json!({"Target": target, "Interval": 10, "Timeout": 3,
                           "UnhealthyThreshold": 3, "HealthyThreshold": 2});
        let ask = json!({"LoadBalancerName": "plain", "HealthCheck": check});
        let answer = world.ask("ConfigureHealthCheck", &ask).expect("configured");
        assert_eq!(answer["HealthCheck"], check);
        assert_eq!(described(&mut world, "plain")["HealthCheck"], check);
    }
}

#[test]
fn tags_are_added_changed_and_removed() {
    let mut world = World::new();
    let add = json!({"LoadBalancerNames": ["plain"],
                     "Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}]});
    world.ask("AddTags", &add).expect("added");
    let change = json!({"LoadBalancerNames": ["plain"], "Tags": [{"Key": "a", "Value": "2"}]});
    world.ask("AddTags", &change).expect("changed");
    let remove = json!({"LoadBalancerNames": ["plain"], "Tags": [{"Key": "b"}, {"Key": "c"}]});
    world.ask("RemoveTags", &remove).expect("removed");
    let shown = world.ask("DescribeTags", &json!({"LoadBalancerNames": ["plain"]})).expect("told");
    let expected = json!([{"LoadBalancerName": "plain", "Tags": [{"Key": "a", "Value": "2"}]}]);
    assert_eq!(shown["TagDescriptions"], expected);
}

#[test]
fn load_balancers_come_in_pages() {
    let mut world = World::new();
    let mut names = Vec::new();
    let mut marker = Value::Null;
    loop {
        let mut ask = json!({"PageSize": 1});
        if !marker.is_null() {
            ask["Marker"] = marker;
        }
        let page = world.ask("DescribeLoadBalancers", &ask).expect("a page");
        let all = page["LoadBalancerDescriptions"].as_array().expect("a list");
        names.extend(all.iter().map(|it| it["LoadBalancerName"].clone()));
        marker = page["NextMarker"].clone();
        if marker.is_null() {
            break;
        }
    }
    assert_eq!(names, ["plain", "web"]);
    let limits = world.ask("DescribeAccountLimits", &json!({})).expect("told");
    assert_eq!(limits.pointer("/Limits/1/Max"), Some(&json!("20")));
}

#[test]
fn the_trail_names_the_load_balancer() {
    let mut world = World::new();
    let register = json!({"LoadBalancerName": "web", "Instances": [{"InstanceId": "$i1"}]});
    for (operation, ask) in [
        ("RegisterInstancesWithLoadBalancer", register),
        ("DeleteLoadBalancer", json!({"LoadBalancerName": "web"})),
    ] {
        world.ask(operation, &ask).expect("done");
        let (_, row) = world.region.state.audits().last_key_value().expect("a row");
        let expected = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/web";
        assert_eq!(
            (row.operation.as_str(), &*row.resources),
            (operation, &[expected.to_owned()][..])
        );
    }
}
