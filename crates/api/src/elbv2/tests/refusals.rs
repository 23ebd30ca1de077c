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
        let mut ask: Value = serde_json::from_str(ask).unwrap_or_else(|it| panic!("{ask}: {it}"));
        if operation == usual.0 {
            ask = merged(&usual.1, &ask);
        }
        check_one(&mut world, operation, &ask, refusal);
    }
}

fn merged(usual: &Value, over: &Value) -> Value {
    let mut ask = usual.clone();
    for (key, value) in over.as_object().expect("members") {
        ask[key] = value.clone();
    }
    ask.as_object_mut().expect("members").retain(|_, it| !it.is_null());
    ask
}

#[track_caller]
fn check_one(world: &mut World, operation: &str, ask: &Value, refusal: &str) {
    let before = world.region.state.clone();
    let Err(fault) = world.ask(operation, ask) else { panic!("{operation} {ask} is answered") };
    let said = format!("{}: {}", fault.code, fault.message);
    assert_eq!(said, world.spelled(refusal), "{operation} {ask}");
    assert_eq!(fault.status, 400, "{operation} {ask}");
    let after = &world.region.state;
    assert!(after.load_balancers() == before.load_balancers(), "{operation} {ask}");
    assert!(after.rules() == before.rules() && after.targets() == before.targets());
    let schema = shapes::elbv2::SERVICE.operation(operation).expect("an operation");
    let mut listed = schema.errors.iter().filter_map(|it| it.error_trait());
    let is_listed = listed.any(|it| it.code == fault.code) || COMMON.contains(&&*fault.code);
    assert!(is_listed, "the model does not list {} at {operation}", fault.code);
}

#[test]
fn what_an_arn_names_nothing_for_is_not_found_and_what_is_no_arn_is_not_valid() {
    let members = [
        ("LoadBalancerArn", "$no-lb", "LoadBalancerNotFound: Load balancer '$no-lb' not found"),
        ("TargetGroupArn", "$no-tg", "TargetGroupNotFound: Target groups '$no-tg' not found"),
        ("ListenerArn", "$no-listener", "ListenerNotFound: Listener '$no-listener' not found"),
        ("RuleArn", "$no-rule", "RuleNotFound: Rule '$no-rule' not found"),
    ];
    let kinds = ["load balancer", "target group", "listener", "listener rule"];
    let operations: [&[(&str, &str)]; 4] = [
        &[
            ("DescribeLoadBalancerAttributes", "{}"),
            ("ModifyLoadBalancerAttributes", r#"{"Attributes": [{"Key": "x", "Value": "y"}]}"#),
            ("SetIpAddressType", r#"{"IpAddressType": "ipv4"}"#),
            ("SetSecurityGroups", r#"{"SecurityGroups": ["sg-1"]}"#),
            ("SetSubnets", r#"{"Subnets": ["$s1"]}"#),
            ("CreateListener", r#"{"Protocol": "HTTP", "Port": 1, "DefaultActions": []}"#),
            ("DescribeListeners", "{}"),
            ("DescribeTargetGroups", "{}"),
            ("DescribeCapacityReservation", "{}"),
        ],
        &[
            ("ModifyTargetGroup", "{}"),
            ("DescribeTargetGroupAttributes", "{}"),
            ("ModifyTargetGroupAttributes", r#"{"Attributes": [{"Key": "x", "Value": "y"}]}"#),
            ("RegisterTargets", r#"{"Targets": [{"Id": "172.31.0.9"}]}"#),
            ("DeregisterTargets", r#"{"Targets": [{"Id": "172.31.0.9"}]}"#),
            ("DescribeTargetHealth", "{}"),
        ],
        &[
            ("AddListenerCertificates", r#"{"Certificates": [{"CertificateArn": "$cert"}]}"#),
            ("RemoveListenerCertificates", r#"{"Certificates": [{"CertificateArn": "$cert"}]}"#),
            ("DescribeListenerCertificates", "{}"),
            ("DescribeListenerAttributes", "{}"),
            ("ModifyListenerAttributes", r#"{"Attributes": [{"Key": "x", "Value": "y"}]}"#),
            ("ModifyListener", "{}"),
            ("DeleteListener", "{}"),
            ("DescribeRules", "{}"),
            ("CreateRule", r#"{"Priority": 1, "Conditions": [], "Actions": []}"#),
        ],
        &[("ModifyRule", "{}"), ("DeleteRule", "{}")],
    ];
    let mut world = World::new();
    for (((member, gone, refusal), kind), operations) in members.iter().zip(kinds).zip(operations) {
        for (operation, ask) in operations {
            let mut ask: Value = serde_json::from_str(ask).expect("JSON");
            ask[*member] = json!(gone);
            check_one(&mut world, operation, &ask, refusal);
            ask[*member] = json!("x");
            let no_arn = format!("ValidationError: 'x' is not a valid {kind} ARN");
            check_one(&mut world, operation, &ask, &no_arn);
        }
        let tags = json!([{"Key": "a", "Value": "1"}]);
        for ask in [json!({"Tags": tags}), json!({"TagKeys": ["a"]}), json!({})] {
            let operation = match ask.as_object().and_then(|it| it.keys().next()).map(|it| &**it) {
                Some("Tags") => "AddTags",
                Some(_) => "RemoveTags",
                None => "DescribeTags",
            };
            let ask = merged(&json!({"ResourceArns": [gone]}), &ask);
            check_one(&mut world, operation, &ask, refusal);
        }
    }
}

#[test]
fn what_a_list_names_and_is_not_there_is_not_found() {
    check(
        ("", json!({})),
        r#"
        DescribeLoadBalancers {"Names": ["web", "no"]}
            LoadBalancerNotFound: Load balancers '[no]' not found
        DescribeLoadBalancers {"LoadBalancerArns": ["$no-lb"]}
            LoadBalancerNotFound: Load balancers '[$no-lb]' not found
        DescribeLoadBalancers {"Names": ["web"], "LoadBalancerArns": ["$web"]}
            ValidationError: Load balancer names and load balancer ARNs cannot be specified at the same time
        DescribeLoadBalancers {"Marker": "x"}
            ValidationError: The specified marker is not valid.
        DescribeTargetGroups {"Names": ["no"]}
            TargetGroupNotFound: One or more target groups not found
        DescribeTargetGroups {"TargetGroupArns": ["$no-tg"]}
            TargetGroupNotFound: One or more target groups not found
        DescribeTargetGroups {"Names": ["tg"], "TargetGroupArns": ["$tg"]}
            ValidationError: Target group ARNs, names and a load balancer ARN cannot be specified together
        DescribeListeners {"ListenerArns": ["$no-listener"]}
            ListenerNotFound: One or more listeners not found
        DescribeListeners {}
            ValidationError: You must specify either listener ARNs or a load balancer ARN
        DescribeRules {"RuleArns": ["$no-rule"]}
            RuleNotFound: One or more rules not found
        DescribeRules {}
            ValidationError: You must specify either listener rule ARNs or a listener ARN
        DescribeSSLPolicies {"Names": ["no"]}
            SSLPolicyNotFound: SSL policy 'no' not found
        SetRulePriorities {"RulePriorities": [{"RuleArn": "$no-rule", "Priority": 1}]}
            RuleNotFound: Rule '$no-rule' not found
        "#,
    );
}

#[test]
fn load_balancers_are_refused_in_awss_words() {
    check(
        ("CreateLoadBalancer", json!({"Name": "new", "Subnets": ["$s1", "$s2"]})),
        r#"
        CreateLoadBalancer {"Name": "web", "Scheme": "internal"}
            DuplicateLoadBalancerName: A load balancer with the same name 'web' exists, but with different settings
        CreateLoadBalancer {"Name": ""}
            ValidationError: The load balancer name '' cannot be empty
        CreateLoadBalancer {"Name": "a23456789012345678901234567890123"}
            ValidationError: The load balancer name 'a23456789012345678901234567890123' cannot be longer than '32' characters
        CreateLoadBalancer {"Name": "a_b"}
            ValidationError: The load balancer name 'a_b' can only contain characters that are alphanumeric characters and hyphens(-)
        CreateLoadBalancer {"Name": "-a"}
            ValidationError: The load balancer name '-a' cannot begin or end with a hyphen(-)
        CreateLoadBalancer {"Name": "internal-a"}
            ValidationError: The load balancer name 'internal-a' cannot begin with 'internal-'
        CreateLoadBalancer {"Subnets": null}
            ValidationError: At least one subnet must be specified
        CreateLoadBalancer {"Subnets": ["$s1"]}
            ValidationError: At least two subnets in two different Availability Zones must be specified
        CreateLoadBalancer {"Subnets": ["$s1", "$s1"]}
            InvalidConfigurationRequest: A load balancer cannot be attached to multiple subnets in the same Availability Zone
        CreateLoadBalancer {"Subnets": ["$s1", "subnet-0"]}
            SubnetNotFound: The subnet ID 'subnet-0' does not exist
        CreateLoadBalancer {"SubnetMappings": [{"SubnetId": "$s1"}]}
            ValidationError: Subnets and subnet mappings cannot both be specified
        CreateLoadBalancer {"SecurityGroups": ["sg-0"]}
            InvalidSecurityGroup: One or more security groups are invalid: 'sg-0' does not exist
        CreateLoadBalancer {"IpAddressType": "dualstack"}
            InvalidSubnet: The subnets of this region have no IPv6 addresses: IP address type 'dualstack' is not possible
        CreateLoadBalancer {"Type": "gateway"}
            UnsupportedOperationException: Gateway load balancers are not supported by this region yet.
        CreateLoadBalancer {"Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}
            DuplicateTagKeys: Tag key 'a' is given twice
        CreateLoadBalancer {"Tags": [{"Key": "aws:a", "Value": "1"}]}
            ValidationError: Tag keys must not begin with 'aws:'
        DeleteLoadBalancer {"LoadBalancerArn": "$other"}
            OperationNotPermitted: Load balancer '$other' cannot be deleted because deletion protection is enabled
        DeleteLoadBalancer {"LoadBalancerArn": "x"}
            ValidationError: 'x' is not a valid load balancer ARN
        SetSubnets {"LoadBalancerArn": "$web", "Subnets": ["$s1"]}
            ValidationError: At least two subnets in two different Availability Zones must be specified
        SetSubnets {"LoadBalancerArn": "$web", "Subnets": ["$s1", "subnet-0"]}
            SubnetNotFound: The subnet ID 'subnet-0' does not exist
        SetSubnets {"LoadBalancerArn": "$flow", "Subnets": ["$s1"]}
            InvalidConfigurationRequest: The zones of a network load balancer can be added to, not removed
        SetSecurityGroups {"LoadBalancerArn": "$web", "SecurityGroups": ["sg-0"]}
            InvalidSecurityGroup: One or more security groups are invalid: 'sg-0' does not exist
        SetSecurityGroups {"LoadBalancerArn": "$flow", "SecurityGroups": ["sg-0"]}
            InvalidConfigurationRequest: A network load balancer that was made without security groups cannot get any
        SetIpAddressType {"LoadBalancerArn": "$web", "IpAddressType": "dualstack"}
            InvalidSubnet: The subnets of this region have no IPv6 addresses: IP address type 'dualstack' is not possible
        ModifyLoadBalancerAttributes {"LoadBalancerArn": "$web", "Attributes": [{"Key": "x", "Value": "1"}]}
            InvalidConfigurationRequest: Load balancer attribute key 'x' is not recognized
        ModifyLoadBalancerAttributes {"LoadBalancerArn": "$web", "Attributes": [{"Key": "idle_timeout.timeout_seconds", "Value": "0"}]}
            InvalidConfigurationRequest: Value '0' is not valid for the attribute 'idle_timeout.timeout_seconds'
        AddTags {"ResourceArns": ["$web"], "Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}
            DuplicateTagKeys: Tag key 'a' is given twice
        "#,
    );
}

#[test]
fn target_groups_and_targets_are_refused_in_awss_words() {
    check(
        (
            "CreateTargetGroup",
            json!({"Name": "new", "Protocol": "HTTP", "Port": 80, "VpcId": "$vpc"}),
        ),
        r#"
        CreateTargetGroup {"Name": "tg"}
            DuplicateTargetGroupName: A target group with the same name 'tg' exists, but with different settings
        CreateTargetGroup {"Name": "a23456789012345678901234567890123"}
            ValidationError: Target group name 'a23456789012345678901234567890123' cannot be longer than '32' characters
        CreateTargetGroup {"Name": "-a"}
            ValidationError: Target group name '-a' cannot begin or end with '-'
        CreateTargetGroup {"Name": "a.b"}
            ValidationError: Target group name 'a.b' can only contain characters that are alphanumeric characters or hyphens(-)
        CreateTargetGroup {"Protocol": null}
            ValidationError: A protocol must be specified
        CreateTargetGroup {"Port": null}
            ValidationError: A port must be specified
        CreateTargetGroup {"VpcId": null}
            ValidationError: A VPC ID must be specified
        CreateTargetGroup {"VpcId": "vpc-0"}
            ValidationError: The VPC ID 'vpc-0' is not found
        CreateTargetGroup {"TargetType": "lambda"}
            UnsupportedOperationException: Target groups of functions are not supported by this region yet.
        CreateTargetGroup {"ProtocolVersion": "HTTP3"}
            ValidationError: Protocol version 'HTTP3' is not valid
        CreateTargetGroup {"HealthCheckIntervalSeconds": 10, "HealthCheckTimeoutSeconds": 10}
            ValidationError: Health check timeout '10' must be smaller than the interval '10'
        CreateTargetGroup {"Protocol": "TCP", "HealthCheckIntervalSeconds": 10, "HealthCheckTimeoutSeconds": 11}
            ValidationError: Health check timeout '11' must be smaller than or equal to the interval '10'
        CreateTargetGroup {"Protocol": "TCP", "HealthCheckPath": "/"}
            InvalidConfigurationRequest: A health check path is for HTTP and HTTPS health checks only
        CreateTargetGroup {"HealthCheckPath": "x"}
            ValidationError: Health check path 'x' must begin with a '/' character
        CreateTargetGroup {"HealthCheckPort": "x"}
            ValidationError: Health check port 'x' is not valid
        CreateTargetGroup {"HealthCheckProtocol": "TCP"}
            InvalidConfigurationRequest: Health check protocol 'TCP' is not supported for this target group
        CreateTargetGroup {"Matcher": {"HttpCode": "600"}}
            ValidationError: Health check matcher '600' is not valid
        CreateTargetGroup {"Matcher": {"GrpcCode": "0"}}
            InvalidConfigurationRequest: The matcher does not fit the target group
        ModifyTargetGroup {"TargetGroupArn": "$tg", "HealthCheckEnabled": false}
            InvalidConfigurationRequest: Health check enabled must be true for target groups with target type 'instance' or 'ip'
        ModifyTargetGroup {"TargetGroupArn": "$tg", "HealthCheckTimeoutSeconds": 31}
            ValidationError: Health check timeout '31' must be smaller than the interval '30'
        ModifyTargetGroupAttributes {"TargetGroupArn": "$tg", "Attributes": [{"Key": "deregistration_delay.timeout_seconds", "Value": "3601"}]}
            InvalidConfigurationRequest: Value '3601' is not valid for the attribute 'deregistration_delay.timeout_seconds'
        ModifyTargetGroupAttributes {"TargetGroupArn": "$tg", "Attributes": [{"Key": "x", "Value": "1"}]}
            InvalidConfigurationRequest: Target group attribute key 'x' is not recognized
        ModifyTargetGroupAttributes {"TargetGroupArn": "$tg", "Attributes": [{"Key": "stickiness.type", "Value": "source_ip"}]}
            InvalidConfigurationRequest: Stickiness type 'source_ip' is not supported for target groups with the HTTP protocol
        ModifyTargetGroupAttributes {"TargetGroupArn": "$udp-tg", "Attributes": [{"Key": "stickiness.type", "Value": "lb_cookie"}]}
            InvalidConfigurationRequest: Stickiness type 'lb_cookie' is not supported for target groups with the UDP protocol
        ModifyTargetGroupAttributes {"TargetGroupArn": "$tg", "Attributes": [{"Key": "stickiness.type", "Value": "moon"}]}
            InvalidConfigurationRequest: 'Stickiness type' must be one of [app_cookie, lb_cookie, source_ip]
        DeleteTargetGroup {"TargetGroupArn": "$tg"}
            ResourceInUse: Target group '$tg' is currently in use by a listener or a rule
        RegisterTargets {"TargetGroupArn": "$tg", "Targets": [{"Id": "i-0"}]}
            InvalidTarget: The IP address 'i-0' is not valid
        RegisterTargets {"TargetGroupArn": "$hosts", "Targets": [{"Id": "i-0"}]}
            InvalidTarget: The following targets are not in a running state and cannot be registered: 'i-0'
        RegisterTargets {"TargetGroupArn": "$front", "Targets": [{"Id": "$no-lb"}]}
            InvalidTarget: The following targets are not valid: '$no-lb'
        "#,
    );
}

#[test]
fn listeners_and_certificates_are_refused_in_awss_words() {
    check(
        (
            "CreateListener",
            json!({"LoadBalancerArn": "$web", "Protocol": "HTTP", "Port": 81,
                   "DefaultActions": [{"Type": "forward", "TargetGroupArn": "$tg"}]}),
        ),
        r#"
        CreateListener {"Port": 80, "DefaultActions": [{"Type": "forward", "TargetGroupArn": "$free"}]}
            DuplicateListener: A listener already exists on this port for this load balancer '$web'
        CreateListener {"Port": null}
            ValidationError: A listener port must be specified
        CreateListener {"Protocol": null}
            ValidationError: A listener protocol must be specified
        CreateListener {"Protocol": "TCP"}
            ValidationError: Listener protocol 'TCP' must be one of 'HTTP, HTTPS'
        CreateListener {"LoadBalancerArn": "$flow"}
            ValidationError: Listener protocol 'HTTP' must be one of 'UDP, TCP, TLS, TCP_UDP'
        CreateListener {"DefaultActions": [{"Type": "forward", "TargetGroupArn": "$no-tg"}]}
            TargetGroupNotFound: Target groups '$no-tg' not found
        CreateListener {"DefaultActions": [{"Type": "forward", "TargetGroupArn": "$taken"}]}
            TargetGroupAssociationLimit: Target group '$taken' cannot be associated with more than one load balancer
        CreateListener {"DefaultActions": [{"Type": "forward", "TargetGroupArn": "$tcp-tg"}]}
            IncompatibleProtocols: The protocol of target group '$tcp-tg' is not supported by this load balancer
        CreateListener {"LoadBalancerArn": "$flow", "Protocol": "TCP", "DefaultActions": [{"Type": "forward", "TargetGroupArn": "$udp-tg"}]}
            IncompatibleProtocols: Listener protocol 'TCP' is not supported with a target group with the protocol of 'UDP'
        CreateListener {"DefaultActions": [{"Type": "forward", "TargetGroupArn": "$grpc-tg"}]}
            InvalidConfigurationRequest: Listener protocol 'HTTP' is not supported with a target group with the protocol-version 'GRPC'
        CreateListener {"LoadBalancerArn": "$flow", "Protocol": "TCP", "DefaultActions": [{"Type": "redirect"}]}
            InvalidLoadBalancerAction: Network load balancers support forward actions only
        CreateListener {"Protocol": "HTTPS"}
            ValidationError: A certificate must be specified for HTTPS and TLS listeners
        CreateListener {"Protocol": "HTTPS", "Certificates": [{"CertificateArn": "arn:aws:acm:us-east-1:1:certificate/no"}]}
            CertificateNotFound: Certificate 'arn:aws:acm:us-east-1:1:certificate/no' not found
        CreateListener {"Protocol": "HTTPS", "Certificates": [{"CertificateArn": "x"}]}
            ValidationError: Certificate ARN 'x' is not valid
        CreateListener {"Protocol": "HTTPS", "Certificates": [{"CertificateArn": "$cert"}], "SslPolicy": "no"}
            SSLPolicyNotFound: SSL policy 'no' not found
        CreateListener {"SslPolicy": "ELBSecurityPolicy-2016-08"}
            InvalidConfigurationRequest: A security policy can be specified for HTTPS and TLS listeners only
        CreateListener {"LoadBalancerArn": "$flow", "Protocol": "TLS", "AlpnPolicy": ["no"], "Certificates": [{"CertificateArn": "$cert"}], "DefaultActions": [{"Type": "forward", "TargetGroupArn": "$tcp-tg"}]}
            ALPNPolicyNotFound: ALPN policy 'no' is not supported
        ModifyListener {"ListenerArn": "$http", "Port": 443}
            DuplicateListener: A listener already exists on this port for this load balancer '$web'
        ModifyListener {"ListenerArn": "$http", "Protocol": "HTTPS"}
            ValidationError: A certificate must be specified for HTTPS and TLS listeners
        ModifyListener {"ListenerArn": "$http", "DefaultActions": [{"Type": "forward", "TargetGroupArn": "$taken"}]}
            TargetGroupAssociationLimit: Target group '$taken' cannot be associated with more than one load balancer
        ModifyListenerAttributes {"ListenerArn": "$http", "Attributes": [{"Key": "x", "Value": "1"}]}
            InvalidConfigurationRequest: Listener attribute key 'x' is not recognized
        AddListenerCertificates {"ListenerArn": "$https", "Certificates": [{"CertificateArn": "arn:aws:acm:us-east-1:1:certificate/no"}]}
            CertificateNotFound: Certificate 'arn:aws:acm:us-east-1:1:certificate/no' not found
        RemoveListenerCertificates {"ListenerArn": "$https", "Certificates": [{"CertificateArn": "$cert"}]}
            OperationNotPermitted: Default certificate '$cert' cannot be removed
        "#,
    );
}

#[test]
fn rules_are_refused_in_awss_words() {
    let conditions = json!([{"Field": "path-pattern", "Values": ["/a"]}]);
    let actions = json!([{"Type": "forward", "TargetGroupArn": "$tg"}]);
    check(
        (
            "CreateRule",
            json!({"ListenerArn": "$http", "Priority": 30, "Conditions": conditions,
                   "Actions": actions}),
        ),
        r#"
        CreateRule {"Priority": 10}
            PriorityInUse: Priority '10' is currently in use
        CreateRule {"ListenerArn": "$tcp"}
            UnsupportedProtocol: Rules are not supported for listeners of network load balancers
        CreateRule {"Conditions": []}
            ValidationError: A condition must be specified
        CreateRule {"Conditions": [{"Field": "moon", "Values": ["x"]}]}
            ValidationError: Condition field 'moon' must be one of '[path-pattern, host-header, http-header, http-request-method, query-string, source-ip]'
        CreateRule {"Conditions": [{"Field": "path-pattern", "Values": []}]}
            ValidationError: A condition value must be specified
        CreateRule {"Conditions": [{"Field": "http-request-method"}]}
            ValidationError: A 'HttpRequestMethodConfig' must be specified with 'http-request-method'
        CreateRule {"Conditions": [{"Field": "source-ip", "SourceIpConfig": {"Values": []}}]}
            ValidationError: A 'source-ip' value must be specified
        CreateRule {"Conditions": [{"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "k"}]}}]}
            ValidationError: A 'Value' must be specified in 'QueryStringKeyValuePair'
        CreateRule {"Conditions": [{"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "a23456789-123456789-123456789-123456789-1", "Values": ["a"]}}]}
            ValidationError: The 'HttpHeaderName' value is too long; the limit is '40'
        CreateRule {"Conditions": [{"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["A23456789-123456789-123456789-123456789-1"]}}]}
            ValidationError: The 'http-request-method' value is too long; the limit is '40'
        CreateRule {"Conditions": [{"Field": "path-pattern", "Values": ["/1", "/2", "/3", "/4", "/5", "/6"]}]}
            ValidationError: A rule can only have '5' condition values
        CreateRule {"Conditions": [{"Field": "path-pattern", "Values": ["/******"]}]}
            ValidationError: Rules can have at most 5 wildcard characters
        CreateRule {"Conditions": [{"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.1"]}}]}
            ValidationError: '10.0.0.1' is not a valid CIDR block
        CreateRule {"Conditions": [{"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["get"]}}]}
            ValidationError: The 'http-request-method' value is invalid; the allowed characters are A-Z, hyphen and underscore
        CreateRule {"Conditions": [{"Field": "host-header", "Values": ["localhost"]}]}
            ValidationError: Condition value 'localhost' is not a valid host name pattern
        CreateRule {"Conditions": [{"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "Host", "Values": ["a"]}}]}
            ValidationError: Use a host-header condition for the 'Host' header
        CreateRule {"Conditions": [{"Field": "path-pattern", "Values": ["/a"]}, {"Field": "path-pattern", "Values": ["/b"]}]}
            ValidationError: A rule can only have one 'path-pattern' condition
        CreateRule {"Actions": []}
            InvalidLoadBalancerAction: An action must be specified
        CreateRule {"Actions": [{"Type": "forward"}]}
            InvalidLoadBalancerAction: A target group must be specified for a forward action
        CreateRule {"Actions": [{"Type": "forward", "TargetGroupArn": "$taken"}]}
            TargetGroupAssociationLimit: Target group '$taken' cannot be associated with more than one load balancer
        CreateRule {"Actions": [{"Type": "forward", "TargetGroupArn": "$no-tg"}]}
            TargetGroupNotFound: Target groups '$no-tg' not found
        CreateRule {"Actions": [{"Type": "forward", "TargetGroupArn": "$grpc-tg"}]}
            InvalidConfigurationRequest: Listener protocol 'HTTP' is not supported with a target group with the protocol-version 'GRPC'
        CreateRule {"Actions": [{"Type": "forward", "TargetGroupArn": "$tcp-tg"}]}
            IncompatibleProtocols: The protocol of target group '$tcp-tg' is not supported by this load balancer
        CreateRule {"Actions": [{"Type": "forward", "TargetGroupArn": "$tg"}, {"Type": "forward", "TargetGroupArn": "$tg"}]}
            TooManyActions: You can specify one action that routes per rule
        CreateRule {"Actions": [{"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_301"}}]}
            InvalidLoadBalancerAction: The redirect configuration is not valid because it creates a loop: modify the protocol, host, port or path
        CreateRule {"Actions": [{"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_301", "Path": "x"}}]}
            InvalidLoadBalancerAction: The path of a redirect must start with '/'
        CreateRule {"Actions": [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200", "ContentType": "image/png"}}]}
            InvalidLoadBalancerAction: The content type of a fixed response is not supported
        CreateRule {"Actions": [{"Type": "authenticate-oidc"}]}
            UnsupportedOperationException: Actions that authenticate are not supported by this region yet.
        ModifyRule {"RuleArn": "$default-rule", "Actions": []}
            OperationNotPermitted: Default rule '$default-rule' cannot be modified; modify its listener
        ModifyRule {"RuleArn": "$rule", "Actions": [{"Type": "forward", "TargetGroupArn": "$taken"}]}
            TargetGroupAssociationLimit: Target group '$taken' cannot be associated with more than one load balancer
        DeleteRule {"RuleArn": "$default-rule"}
            OperationNotPermitted: Default rule '$default-rule' cannot be deleted
        SetRulePriorities {"RulePriorities": [{"RuleArn": "$rule", "Priority": 20}]}
            PriorityInUse: Priority '20' is currently in use
        SetRulePriorities {"RulePriorities": [{"RuleArn": "$default-rule", "Priority": 5}]}
            OperationNotPermitted: The priority of default rule '$default-rule' cannot be changed
        "#,
    );
}
