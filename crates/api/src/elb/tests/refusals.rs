//! Every refusal of every operation: its code, its status, its words.
//!
//! A row has a request and, below it, code and words. `$` stands before names of the world.

use serde_json::{Value, json};

use super::world::World;

/// Codes that any operation may answer with.
const COMMON: [&str; 2] = ["ValidationError", "UnsupportedOperationException"];

/// Each request is refused with that code and those words, and changes nothing. Requests of the
/// operation that `usual` is for say what it says where they say nothing else; `null` takes away.
#[track_caller]
fn check(usual: (&str, Value), rows: &str) {
    let mut world = World::new();
    let lines: Vec<&str> = rows.lines().map(str::trim).filter(|it| !it.is_empty()).collect();
    for row in lines.chunks(2) {
        let [request, refusal] = row else { panic!("half a row: {row:?}") };
        let (operation, ask) = request.split_once(' ').expect("operation and request");
        let over: Value = serde_json::from_str(ask).unwrap_or_else(|it| panic!("{ask}: {it}"));
        let mut ask = if operation == usual.0 { usual.1.clone() } else { json!({}) };
        for (key, value) in over.as_object().expect("members") {
            ask[key] = value.clone();
        }
        ask.as_object_mut().expect("members").retain(|_, it| !it.is_null());
        check_one(&mut world, operation, &ask, refusal);
    }
}

#[track_caller]
fn check_one(world: &mut World, operation: &str, ask: &Value, refusal: &str) {
    let before = world.region.state.clone();
    let Err(fault) = world.ask(operation, ask) else { panic!("{operation} {ask} is answered") };
    let said = format!("{}: {}", fault.code, fault.message);
    assert_eq!(said, world.spelled(refusal), "{operation} {ask}");
    let after = &world.region.state;
    assert!(after.classic_load_balancers() == before.classic_load_balancers(), "{operation} {ask}");
    assert!(after.classic_instances() == before.classic_instances(), "{operation} {ask}");
    let schema = shapes::elb::SERVICE.operation(operation).expect("an operation");
    let mut listed = schema.errors.iter().filter_map(|it| it.error_trait());
    match listed.find(|it| it.code == fault.code) {
        Some(listed) => assert_eq!(fault.status, listed.status, "{operation} {ask}"),
        None => {
            let is_common = COMMON.contains(&&*fault.code) && fault.status == 400;
            assert!(is_common, "the model does not list {} at {operation}", fault.code);
        }
    }
}

#[test]
fn a_load_balancer_that_is_not_there_is_not_found_by_any_operation() {
    let mut world = World::new();
    let listener = json!({"Protocol": "HTTP", "LoadBalancerPort": 1, "InstancePort": 1});
    let check = json!({"Target": "TCP:1", "Interval": 5, "Timeout": 2, "UnhealthyThreshold": 2,
                       "HealthyThreshold": 2});
    for (operation, more) in [
        ("ApplySecurityGroupsToLoadBalancer", json!({"SecurityGroups": ["$sg"]})),
        ("AttachLoadBalancerToSubnets", json!({"Subnets": ["$s1"]})),
        ("ConfigureHealthCheck", json!({"HealthCheck": check})),
        ("CreateAppCookieStickinessPolicy", json!({"PolicyName": "p", "CookieName": "c"})),
        ("CreateLBCookieStickinessPolicy", json!({"PolicyName": "p"})),
        ("CreateLoadBalancerListeners", json!({"Listeners": [listener]})),
        ("CreateLoadBalancerPolicy", json!({"PolicyName": "p", "PolicyTypeName": "t"})),
        ("DeleteLoadBalancerListeners", json!({"LoadBalancerPorts": [1]})),
        ("DeleteLoadBalancerPolicy", json!({"PolicyName": "p"})),
        ("DeregisterInstancesFromLoadBalancer", json!({"Instances": []})),
        ("DescribeInstanceHealth", json!({})),
        ("DescribeLoadBalancerAttributes", json!({})),
        ("DescribeLoadBalancerPolicies", json!({})),
        ("DetachLoadBalancerFromSubnets", json!({"Subnets": ["$s1"]})),
        ("DisableAvailabilityZonesForLoadBalancer", json!({"AvailabilityZones": []})),
        ("EnableAvailabilityZonesForLoadBalancer", json!({"AvailabilityZones": []})),
        ("ModifyLoadBalancerAttributes", json!({"LoadBalancerAttributes": {}})),
        ("RegisterInstancesWithLoadBalancer", json!({"Instances": []})),
        (
            "SetLoadBalancerListenerSSLCertificate",
            json!({"LoadBalancerPort": 1, "SSLCertificateId": "$cert"}),
        ),
        ("SetLoadBalancerPoliciesForBackendServer", json!({"InstancePort": 1, "PolicyNames": []})),
        ("SetLoadBalancerPoliciesOfListener", json!({"LoadBalancerPort": 1, "PolicyNames": []})),
    ] {
        let mut ask = more;
        ask["LoadBalancerName"] = json!("no");
        let words = "LoadBalancerNotFound: There is no ACTIVE Load Balancer named 'no'";
        check_one(&mut world, operation, &ask, words);
    }
    for (operation, mut ask) in [
        ("AddTags", json!({"Tags": [{"Key": "a"}]})),
        ("DescribeLoadBalancers", json!({})),
        ("DescribeTags", json!({})),
        ("RemoveTags", json!({"Tags": [{"Key": "a"}]})),
    ] {
        ask["LoadBalancerNames"] = json!(["web", "no"]);
        let words = "LoadBalancerNotFound: There is no ACTIVE Load Balancer named 'no'";
        check_one(&mut world, operation, &ask, words);
    }
}

#[test]
fn load_balancers_are_refused_in_awss_words() {
    let listener = json!({"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 80});
    check(
        (
            "CreateLoadBalancer",
            json!({"LoadBalancerName": "new", "Subnets": ["$s1"], "Listeners": [listener]}),
        ),
        r#"
        CreateLoadBalancer {"LoadBalancerName": "web"}
            DuplicateLoadBalancerName: Load Balancer named web already exists and it is configured with different parameters.
        CreateLoadBalancer {"LoadBalancerName": ""}
            ValidationError: LoadBalancer name cannot be empty
        CreateLoadBalancer {"LoadBalancerName": "a23456789-123456789-123456789-123"}
            ValidationError: LoadBalancer name cannot be longer than 32 characters
        CreateLoadBalancer {"LoadBalancerName": "a_b"}
            ValidationError: LoadBalancer name must contain only alphanumeric characters or hyphens, and must not begin or end with a hyphen
        CreateLoadBalancer {"LoadBalancerName": "-a"}
            ValidationError: LoadBalancer name must contain only alphanumeric characters or hyphens, and must not begin or end with a hyphen
        CreateLoadBalancer {"Scheme": "secret"}
            InvalidScheme: Invalid scheme 'secret'
        CreateLoadBalancer {"Subnets": null}
            ValidationError: Either AvailabilityZones or SubnetIds must be specified
        CreateLoadBalancer {"AvailabilityZones": ["us-east-1a"]}
            ValidationError: Only one of SubnetIds or AvailabilityZones may be specified
        CreateLoadBalancer {"Subnets": null, "AvailabilityZones": ["us-east-1z"]}
            ValidationError: Invalid Availability Zone 'us-east-1z'
        CreateLoadBalancer {"Subnets": ["subnet-1"]}
            SubnetNotFound: The subnet 'subnet-1' does not exist
        CreateLoadBalancer {"SecurityGroups": ["sg-1"]}
            InvalidSecurityGroup: One or more of the specified security groups do not exist: 'sg-1'
        CreateLoadBalancer {"Tags": [{"Key": "a"}, {"Key": "a"}]}
            DuplicateTagKeys: Tag key was specified more than once: a
        CreateLoadBalancer {"Tags": [{"Key": "aws:a"}]}
            ValidationError: Tag keys must not begin with 'aws:'
        CreateLoadBalancer {"Listeners": []}
            ValidationError: At least one Listener must be specified
        AttachLoadBalancerToSubnets {"LoadBalancerName": "plain", "Subnets": ["subnet-1"]}
            SubnetNotFound: The subnet 'subnet-1' does not exist
        DetachLoadBalancerFromSubnets {"LoadBalancerName": "plain", "Subnets": ["$s1"]}
            InvalidConfigurationRequest: A load balancer must be attached to at least one subnet
        DetachLoadBalancerFromSubnets {"LoadBalancerName": "plain", "Subnets": ["$s2"]}
            InvalidConfigurationRequest: The load balancer plain is not attached to the subnet '$s2'
        EnableAvailabilityZonesForLoadBalancer {"LoadBalancerName": "plain", "AvailabilityZones": ["us-east-1z"]}
            ValidationError: Invalid Availability Zone 'us-east-1z'
        DisableAvailabilityZonesForLoadBalancer {"LoadBalancerName": "plain", "AvailabilityZones": ["us-east-1a"]}
            InvalidConfigurationRequest: There must be at least one Availability Zone registered with a load balancer at all times
        ApplySecurityGroupsToLoadBalancer {"LoadBalancerName": "plain", "SecurityGroups": ["sg-1"]}
            InvalidSecurityGroup: One or more of the specified security groups do not exist: 'sg-1'
        DescribeLoadBalancers {"Marker": "x"}
            ValidationError: The specified marker is not valid.
        DescribeAccountLimits {"Marker": "x"}
            ValidationError: The specified marker is not valid.
        "#,
    );
}

#[test]
fn listeners_are_refused_in_awss_words() {
    let ask = |over: &str, words: &str| {
        let mut listener = json!({"Protocol": "HTTP", "LoadBalancerPort": 81, "InstancePort": 81});
        let over: Value = serde_json::from_str(over).expect("JSON");
        for (key, value) in over.as_object().expect("members") {
            listener[key] = value.clone();
        }
        for (name, operation) in
            [("web", "CreateLoadBalancerListeners"), ("new", "CreateLoadBalancer")]
        {
            let mut whole = json!({"LoadBalancerName": name, "Listeners": [listener]});
            if operation == "CreateLoadBalancer" {
                if words.starts_with("DuplicateListener") || words.contains("instance port") {
                    continue;
                }
                whole["Subnets"] = json!(["$s1"]);
            }
            check_one(&mut World::new(), operation, &whole, words);
        }
    };
    for (over, words) in [
        (
            r#"{"LoadBalancerPort": 80}"#,
            "DuplicateListener: A listener already exists for web with LoadBalancerPort 80, but \
             with a different InstancePort, Protocol, or SSLCertificateId",
        ),
        (
            r#"{"Protocol": "QUIC"}"#,
            "UnsupportedProtocol: The protocol 'QUIC' is not supported: it must be one of HTTP, \
             HTTPS, TCP, SSL",
        ),
        (
            r#"{"InstanceProtocol": "TCP"}"#,
            "ValidationError: Protocol and InstanceProtocol of a listener must be of the same \
             layer: HTTP and HTTPS, or TCP and SSL",
        ),
        (
            r#"{"LoadBalancerPort": 0}"#,
            "ValidationError: Load Balancer port must be between 1 and 65535 inclusive",
        ),
        (
            r#"{"Protocol": "HTTPS"}"#,
            "ValidationError: Secure Listeners need to specify a SSLCertificateId",
        ),
        (
            r#"{"SSLCertificateId": "$cert"}"#,
            "ValidationError: Only secure Listeners can specify a SSLCertificateId",
        ),
        (
            r#"{"Protocol": "SSL", "SSLCertificateId": "arn:aws:iam::1:server-certificate/a"}"#,
            "CertificateNotFound: Server Certificate not found for the key: \
             arn:aws:iam::1:server-certificate/a",
        ),
        (
            r#"{"InstanceProtocol": "HTTPS", "InstancePort": 3000}"#,
            "InvalidConfigurationRequest: The instance port 3000 is spoken to by the listener on \
             port 80 in another way: either all of its listeners are to be secure towards instances \
             or none",
        ),
    ] {
        ask(over, words);
    }
    let twice = json!([{"Protocol": "HTTP", "LoadBalancerPort": 81, "InstancePort": 81},
                       {"Protocol": "HTTP", "LoadBalancerPort": 81, "InstancePort": 82}]);
    check(
        (
            "CreateLoadBalancer",
            json!({"LoadBalancerName": "new", "Subnets": ["$s1"], "Listeners": twice}),
        ),
        r#"
        CreateLoadBalancer {}
            InvalidConfigurationRequest: The request has more than one listener with LoadBalancerPort 81
        SetLoadBalancerListenerSSLCertificate {"LoadBalancerName": "web", "LoadBalancerPort": 9, "SSLCertificateId": "$cert"}
            ListenerNotFound: There is no listener on port 9 of load balancer web
        SetLoadBalancerListenerSSLCertificate {"LoadBalancerName": "web", "LoadBalancerPort": 80, "SSLCertificateId": "$cert"}
            InvalidConfigurationRequest: The listener on port 80 is not secure: only HTTPS and SSL listeners have certificates
        SetLoadBalancerListenerSSLCertificate {"LoadBalancerName": "web", "LoadBalancerPort": 443, "SSLCertificateId": "arn:no"}
            CertificateNotFound: Server Certificate not found for the key: arn:no
        "#,
    );
}

#[test]
fn checks_attributes_instances_and_tags_are_refused_in_awss_words() {
    check(
        ("", json!({})),
        r#"
        ConfigureHealthCheck {"LoadBalancerName": "web", "HealthCheck": {"Target": "UDP:1", "Interval": 30, "Timeout": 5, "UnhealthyThreshold": 2, "HealthyThreshold": 2}}
            ValidationError: HealthCheck Target must begin with one of HTTP, TCP, HTTPS, SSL
        ConfigureHealthCheck {"LoadBalancerName": "web", "HealthCheck": {"Target": "HTTP:80", "Interval": 30, "Timeout": 5, "UnhealthyThreshold": 2, "HealthyThreshold": 2}}
            ValidationError: HealthCheck HTTP Target must specify a port followed by a path that begins with a slash. e.g. HTTP:80/ping/this/path
        ConfigureHealthCheck {"LoadBalancerName": "web", "HealthCheck": {"Target": "HTTP:80/a b", "Interval": 30, "Timeout": 5, "UnhealthyThreshold": 2, "HealthyThreshold": 2}}
            ValidationError: HealthCheck HTTP Target must have a path of at most 1024 printable characters
        ConfigureHealthCheck {"LoadBalancerName": "web", "HealthCheck": {"Target": "TCP:0", "Interval": 30, "Timeout": 5, "UnhealthyThreshold": 2, "HealthyThreshold": 2}}
            ValidationError: HealthCheck TCP Target must specify a port. e.g. TCP:5000
        ConfigureHealthCheck {"LoadBalancerName": "web", "HealthCheck": {"Target": "TCP:80/x", "Interval": 30, "Timeout": 5, "UnhealthyThreshold": 2, "HealthyThreshold": 2}}
            ValidationError: HealthCheck TCP Target must specify a port. e.g. TCP:5000
        ConfigureHealthCheck {"LoadBalancerName": "web", "HealthCheck": {"Target": "TCP:80", "Interval": 5, "Timeout": 5, "UnhealthyThreshold": 2, "HealthyThreshold": 2}}
            ValidationError: HealthCheck timeout must be less than interval. Timeout: 5, Interval: 5
        ModifyLoadBalancerAttributes {"LoadBalancerName": "web", "LoadBalancerAttributes": {"AccessLog": {"Enabled": true, "S3BucketName": "b"}}}
            UnsupportedOperationException: Access logs of Classic Load Balancers are not supported by this region yet.
        ModifyLoadBalancerAttributes {"LoadBalancerName": "web", "LoadBalancerAttributes": {"ConnectionDraining": {"Enabled": true, "Timeout": 0}}}
            ValidationError: Connection Draining timeout must be between 1 and 3600 seconds
        ModifyLoadBalancerAttributes {"LoadBalancerName": "web", "LoadBalancerAttributes": {"AdditionalAttributes": [{"Key": "x", "Value": "y"}]}}
            LoadBalancerAttributeNotFound: The attribute 'x' does not exist
        ModifyLoadBalancerAttributes {"LoadBalancerName": "web", "LoadBalancerAttributes": {"AdditionalAttributes": [{"Key": "elb.http.desyncmitigationmode", "Value": "y"}]}}
            InvalidConfigurationRequest: The value 'y' of elb.http.desyncmitigationmode must be one of monitor, defensive, strictest
        RegisterInstancesWithLoadBalancer {"LoadBalancerName": "web", "Instances": [{"InstanceId": "$i1"}, {"InstanceId": "i-no"}]}
            InvalidInstance: Could not find EC2 instance i-no.
        DeregisterInstancesFromLoadBalancer {"LoadBalancerName": "web", "Instances": [{"InstanceId": "i-no"}]}
            InvalidInstance: Could not find EC2 instance i-no.
        DescribeInstanceHealth {"LoadBalancerName": "web", "Instances": [{"InstanceId": "i-no"}]}
            InvalidInstance: Could not find EC2 instance i-no.
        AddTags {"LoadBalancerNames": ["web"], "Tags": [{"Key": "a"}, {"Key": "a"}]}
            DuplicateTagKeys: Tag key was specified more than once: a
        "#,
    );
}

#[test]
fn policies_are_refused_in_awss_words() {
    let kind = "SSLNegotiationPolicyType";
    check(
        (
            "CreateLoadBalancerPolicy",
            json!({"LoadBalancerName": "web", "PolicyName": "p", "PolicyTypeName": kind}),
        ),
        r#"
        CreateLoadBalancerPolicy {"PolicyName": "ELBSecurityPolicy-2016-08"}
            DuplicatePolicyName: A policy with the name ELBSecurityPolicy-2016-08 already exists for load balancer web
        CreateLoadBalancerPolicy {"PolicyName": "a b"}
            ValidationError: A policy name must be 1 to 256 alphanumeric characters or hyphens
        CreateLoadBalancerPolicy {"PolicyTypeName": "x"}
            PolicyTypeNotFound: There is no policy type with name x
        CreateLoadBalancerPolicy {"PolicyTypeName": "ProxyProtocolPolicyType"}
            UnsupportedOperationException: Policies of type ProxyProtocolPolicyType are not supported by this region yet.
        CreateLoadBalancerPolicy {"PolicyAttributes": [{"AttributeName": "Protocol-TLSv1", "AttributeValue": "true"}]}
            UnsupportedOperationException: TLS policies with ciphers and protocols of one's own are not supported by this region yet.
        CreateLoadBalancerPolicy {"PolicyAttributes": [{"AttributeName": "Reference-Security-Policy", "AttributeValue": "x"}]}
            InvalidConfigurationRequest: There is no security policy with name x
        CreateLoadBalancerPolicy {"PolicyTypeName": "LBCookieStickinessPolicyType", "PolicyAttributes": [{"AttributeName": "x", "AttributeValue": "1"}]}
            InvalidConfigurationRequest: Policies of type LBCookieStickinessPolicyType have no attribute 'x'
        CreateLoadBalancerPolicy {"PolicyTypeName": "LBCookieStickinessPolicyType", "PolicyAttributes": [{"AttributeName": "CookieExpirationPeriod", "AttributeValue": "1s"}]}
            InvalidConfigurationRequest: The CookieExpirationPeriod must be a positive number of seconds
        CreateLBCookieStickinessPolicy {"LoadBalancerName": "web", "PolicyName": "p", "CookieExpirationPeriod": 0}
            InvalidConfigurationRequest: The CookieExpirationPeriod must be a positive number of seconds
        CreateAppCookieStickinessPolicy {"LoadBalancerName": "web", "PolicyName": "p", "CookieName": "a=b"}
            InvalidConfigurationRequest: 'a=b' is not a valid name of a cookie
        DeleteLoadBalancerPolicy {"LoadBalancerName": "web", "PolicyName": "ELBSecurityPolicy-2016-08"}
            InvalidConfigurationRequest: The policy ELBSecurityPolicy-2016-08 cannot be deleted: it is enabled for the listener on port 443
        DescribeLoadBalancerPolicies {"LoadBalancerName": "web", "PolicyNames": ["no"]}
            PolicyNotFound: There is no policy with name no for load balancer web
        DescribeLoadBalancerPolicies {"PolicyNames": ["no"]}
            PolicyNotFound: There is no policy with name no
        DescribeLoadBalancerPolicyTypes {"PolicyTypeNames": ["no"]}
            PolicyTypeNotFound: There is no policy type with name no
        SetLoadBalancerPoliciesOfListener {"LoadBalancerName": "web", "LoadBalancerPort": 9, "PolicyNames": []}
            ListenerNotFound: There is no listener on port 9 of load balancer web
        SetLoadBalancerPoliciesOfListener {"LoadBalancerName": "web", "LoadBalancerPort": 80, "PolicyNames": ["no"]}
            PolicyNotFound: There is no policy with name no for load balancer web
        SetLoadBalancerPoliciesOfListener {"LoadBalancerName": "web", "LoadBalancerPort": 80, "PolicyNames": ["ELBSecurityPolicy-2016-08"]}
            InvalidConfigurationRequest: SSL negotiation policies can only be enabled for HTTPS and SSL listeners
        SetLoadBalancerPoliciesForBackendServer {"LoadBalancerName": "web", "InstancePort": 9, "PolicyNames": []}
            InvalidConfigurationRequest: No listener leads to the instance port 9
        SetLoadBalancerPoliciesForBackendServer {"LoadBalancerName": "web", "InstancePort": 3000, "PolicyNames": ["ELBSecurityPolicy-2016-08"]}
            InvalidConfigurationRequest: The policy ELBSecurityPolicy-2016-08 cannot be applied to an instance port
        "#,
    );
}

#[test]
fn a_listener_has_one_policy_for_cookies_where_there_are_requests() {
    let mut world = World::new();
    for name in ["one", "two"] {
        let ask = json!({"LoadBalancerName": "web", "PolicyName": name});
        world.ask("CreateLBCookieStickinessPolicy", &ask).expect("made");
    }
    let ask = json!({"LoadBalancerName": "web", "PolicyName": "one"});
    let words = "DuplicatePolicyName: A policy with the name one already exists for load balancer \
                 web";
    check_one(&mut world, "CreateLBCookieStickinessPolicy", &ask, words);
    let operation = "SetLoadBalancerPoliciesOfListener";
    let ask = json!({"LoadBalancerName": "web", "LoadBalancerPort": 80,
                     "PolicyNames": ["one", "two"]});
    let words = "InvalidConfigurationRequest: A listener can have at most one policy for cookies \
                 and one for SSL negotiation";
    check_one(&mut world, operation, &ask, words);
    let ask = json!({"LoadBalancerName": "web", "LoadBalancerPort": 6379, "PolicyNames": ["one"]});
    let words = "InvalidConfigurationRequest: Session stickiness policies can only be enabled for \
                 HTTP and HTTPS listeners";
    check_one(&mut world, operation, &ask, words);
}

#[test]
fn quotas_are_refused_once_they_are_reached() {
    let mut world = World::new();
    let listener = json!({"Protocol": "TCP", "LoadBalancerPort": 1, "InstancePort": 1});
    let make = |number: u32| {
        json!({"LoadBalancerName": format!("lb-{number}"), "Subnets": ["$s1"],
               "Listeners": [listener]})
    };
    for number in 0..18 {
        world.ask("CreateLoadBalancer", &make(number)).expect("made");
    }
    let words = "TooManyLoadBalancers: A region can have at most 20 Classic Load Balancers";
    check_one(&mut world, "CreateLoadBalancer", &make(18), words);

    let listeners = |count: u32| -> Vec<Value> {
        let one = |it| json!({"Protocol": "TCP", "LoadBalancerPort": 1000 + it, "InstancePort": 1});
        (0..count).map(one).collect()
    };
    let ask = json!({"LoadBalancerName": "plain", "Listeners": listeners(100)});
    let words = "InvalidConfigurationRequest: A load balancer can have at most 100 listeners";
    check_one(&mut world, "CreateLoadBalancerListeners", &ask, words);
    let ask = json!({"LoadBalancerName": "plain", "Listeners": listeners(99)});
    world.ask("CreateLoadBalancerListeners", &ask).expect("a hundred");

    let policy =
        |number: u32| json!({"LoadBalancerName": "plain", "PolicyName": number.to_string()});
    for number in 0..100 {
        world.ask("CreateLBCookieStickinessPolicy", &policy(number)).expect("made");
    }
    let words = "TooManyPolicies: A load balancer can have at most 100 policies";
    check_one(&mut world, "CreateLBCookieStickinessPolicy", &policy(100), words);

    let tags: Vec<Value> = (0..51).map(|it| json!({"Key": it.to_string()})).collect();
    let words = "TooManyTags: A load balancer can have at most 50 tags";
    let ask = json!({"LoadBalancerNames": ["plain"], "Tags": tags[..50]});
    world.ask("AddTags", &ask).expect("fifty");
    let ask = json!({"LoadBalancerNames": ["plain"], "Tags": tags[50..]});
    check_one(&mut world, "AddTags", &ask, words);
}
