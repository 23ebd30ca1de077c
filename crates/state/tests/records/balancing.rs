//! Records of load balancing, certificates and names.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use state::{
    Action, Answer, Authority, Balancer, Certificate, Cidr, Condition, Draining, HealthCheck,
    HostedZone, IpAddressType, Listener, ListenerProtocol, LoadBalancer, LoadBalancerKind, Matcher,
    Node, Origin, ProtocolVersion, QueryPattern, RecordSet, RecordSetKey, Redirect, Rule, Scheme,
    Seen, Target, TargetGroup, TargetHealth, TargetKey, TargetProtocol, TargetType, Transform,
    WeightedGroup,
};

use super::{at, tags, zone};
use crate::Named;

const PREFIX: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012";

pub(crate) fn all() -> Vec<Named> {
    vec![
        ("20-load-balancer", load_balancer().into()),
        ("20-load-balancer-network", network().into()),
        ("21-listener", listener().into()),
        ("21-listener-least", least_listener().into()),
        ("22-rule", rule().into()),
        ("22-rule-regex", regex_rule().into()),
        ("22-rule-default", default_rule().into()),
        ("23-target-group", group().into()),
        ("23-target-group-least", least_group().into()),
        ("24-target", target().into()),
        ("24-target-least", least_target().into()),
        ("25-certificate", certificate().into()),
        ("25-certificate-issued", issued().into()),
        ("26-hosted-zone", hosted_zone().into()),
        ("26-hosted-zone-least", least_hosted_zone().into()),
        ("27-record-set", record_set().into()),
        ("27-record-set-alias", alias().into()),
        ("28-balancer", balancer().into()),
        ("29-authority", authority().into()),
    ]
}

fn arn(tail: &str) -> String {
    format!("{PREFIX}:{tail}")
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn attributes() -> BTreeMap<String, String> {
    BTreeMap::from([("idle_timeout.timeout_seconds".to_owned(), "30".to_owned())])
}

fn load_balancer() -> LoadBalancer {
    LoadBalancer {
        arn: arn("loadbalancer/app/web/0123456789abcdef"),
        name: "web".into(),
        kind: LoadBalancerKind::Application,
        scheme: Scheme::InternetFacing,
        dns_name: "web-1234567890.us-east-1.elb.amazonaws.com".into(),
        nodes: vec![Node {
            zone: zone(),
            subnet: "subnet-0123456789abcdef0".into(),
            address: address("172.31.31.0"),
        }],
        security_groups: vec!["sg-0123456789abcdef0".into()],
        ip_address_type: IpAddressType::Ipv4,
        attributes: attributes(),
        tags: tags(),
        created_at: at(0),
    }
}

fn network() -> LoadBalancer {
    LoadBalancer {
        arn: arn("loadbalancer/net/flow/0123456789abcdef"),
        name: "flow".into(),
        kind: LoadBalancerKind::Network,
        scheme: Scheme::Internal,
        nodes: Vec::new(),
        security_groups: Vec::new(),
        ip_address_type: IpAddressType::Dualstack,
        attributes: BTreeMap::new(),
        tags: Vec::new(),
        ..load_balancer()
    }
}

fn listener() -> Listener {
    Listener {
        protocol: ListenerProtocol::Https,
        port: 443,
        certificates: vec!["arn:aws:acm:us-east-1:123456789012:certificate/1".into()],
        ssl_policy: Some("ELBSecurityPolicy-2016-08".into()),
        alpn_policy: Some("HTTP2Preferred".into()),
        attributes: attributes(),
        tags: tags(),
        ..least_listener()
    }
}

fn least_listener() -> Listener {
    Listener {
        arn: arn("listener/app/web/0123456789abcdef/1111111111111111"),
        load_balancer: arn("loadbalancer/app/web/0123456789abcdef"),
        protocol: ListenerProtocol::TcpUdp,
        port: 53,
        certificates: Vec::new(),
        ssl_policy: None,
        alpn_policy: None,
        attributes: BTreeMap::new(),
        tags: Vec::new(),
    }
}

fn rule() -> Rule {
    Rule {
        priority: Some(7),
        conditions: vec![
            Condition::Host(vec!["*.example.com".into()]),
            Condition::Path(vec!["/img/*".into()]),
            Condition::Header { name: "x-team".into(), values: vec!["blue".into()] },
            Condition::Method(vec!["GET".into()]),
            Condition::Query(vec![
                QueryPattern { key: Some("v".into()), value: "1".into() },
                QueryPattern { key: None, value: "2".into() },
            ]),
            Condition::SourceIp(vec![Cidr { base: address("10.0.0.0"), prefix: 8 }]),
        ],
        action: Action::Forward {
            groups: vec![WeightedGroup { group: group().arn, weight: 20 }],
            stickiness: Some(Duration::from_mins(1)),
        },
        transforms: vec![
            Transform::Host { regex: "^a".into(), replacement: "b".into() },
            Transform::Url { regex: "^/a".into(), replacement: "/b".into() },
        ],
        spec: vec![1, 2, 3],
        tags: tags(),
        ..default_rule()
    }
}

fn regex_rule() -> Rule {
    Rule {
        priority: Some(8),
        conditions: vec![
            Condition::HostRegex(vec!["^a".into()]),
            Condition::PathRegex(vec!["^/a".into()]),
            Condition::HeaderRegex { name: "x-team".into(), values: vec!["^b".into()] },
            Condition::SourceIp(vec![Cidr { base: address("fd00::"), prefix: 64 }]),
        ],
        action: Action::Redirect(Redirect {
            protocol: "HTTPS".into(),
            host: "#{host}".into(),
            port: "443".into(),
            path: "/#{path}".into(),
            query: "#{query}".into(),
            status: 301,
        }),
        ..default_rule()
    }
}

fn default_rule() -> Rule {
    Rule {
        arn: arn("listener-rule/app/web/0123456789abcdef/1111111111111111/2222222222222222"),
        listener: listener().arn,
        priority: None,
        conditions: Vec::new(),
        action: Action::Fixed {
            status: 503,
            content_type: Some("text/plain".into()),
            body: "later".into(),
        },
        transforms: Vec::new(),
        spec: Vec::new(),
        tags: Vec::new(),
    }
}

fn group() -> TargetGroup {
    TargetGroup {
        health_check: HealthCheck {
            enabled: true,
            protocol: TargetProtocol::Http,
            port: Some(8081),
            path: Some("/health".into()),
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
            healthy_threshold: 5,
            unhealthy_threshold: 2,
            matcher: Some(Matcher::Http("200-399".into())),
        },
        version: Some(ProtocolVersion::Http1),
        attributes: attributes(),
        tags: tags(),
        ..least_group()
    }
}

fn least_group() -> TargetGroup {
    TargetGroup {
        arn: arn("targetgroup/blue/3333333333333333"),
        name: "blue".into(),
        target_type: TargetType::Ip,
        protocol: TargetProtocol::Http,
        version: None,
        port: 80,
        vpc: "vpc-0123456789abcdef0".into(),
        health_check: HealthCheck {
            enabled: false,
            protocol: TargetProtocol::Tcp,
            port: None,
            path: None,
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(10),
            healthy_threshold: 2,
            unhealthy_threshold: 2,
            matcher: Some(Matcher::Grpc("0".into())),
        },
        attributes: BTreeMap::new(),
        ip_address_type: IpAddressType::Ipv6,
        tags: Vec::new(),
        created_at: at(0),
    }
}

fn target() -> Target {
    let seen = |health| Seen { health, since: at(1), busy: true, anomaly: None };
    Target {
        address: Some(address("172.31.16.4")),
        zone: Some(zone()),
        draining: Some(Draining { since: at(2), until: at(302) }),
        seen: BTreeMap::from([
            ("a".to_owned(), seen(TargetHealth::Initial)),
            ("b".to_owned(), seen(TargetHealth::Healthy)),
            ("c".to_owned(), seen(TargetHealth::WrongCode(503))),
            ("d".to_owned(), seen(TargetHealth::Timeout)),
            ("e".to_owned(), seen(TargetHealth::Failed)),
        ]),
        ..least_target()
    }
}

fn least_target() -> Target {
    Target {
        key: TargetKey { group: group().arn, id: "172.31.16.4".into(), port: 8080 },
        address: None,
        zone: None,
        registered_at: at(0),
        draining: None,
        seen: BTreeMap::new(),
        service: None,
    }
}

fn certificate() -> Certificate {
    Certificate {
        arn: "arn:aws:acm:us-east-1:123456789012:certificate/1".into(),
        domain: "example.com".into(),
        names: vec!["example.com".into(), "*.example.com".into()],
        body: "body".into(),
        chain: Some("chain".into()),
        key: "key".into(),
        origin: Origin::Imported,
        not_before: at(0),
        not_after: at(86_400),
        created_at: at(1),
        tags: tags(),
        token: None,
        renewed_at: None,
    }
}

fn issued() -> Certificate {
    let token = Some("t-1".into());
    Certificate { chain: None, origin: Origin::Issued, tags: Vec::new(), token, ..certificate() }
}

fn hosted_zone() -> HostedZone {
    HostedZone {
        comment: Some("ours".into()),
        vpcs: vec!["vpc-0123456789abcdef0".into()],
        tags: tags(),
        ..least_hosted_zone()
    }
}

fn least_hosted_zone() -> HostedZone {
    HostedZone {
        id: "Z0123456789ABCDEFGHIJ".into(),
        name: "example.com.".into(),
        caller_reference: "once".into(),
        comment: None,
        vpcs: Vec::new(),
        tags: Vec::new(),
        created_at: at(0),
    }
}

fn record_set() -> RecordSet {
    RecordSet {
        key: RecordSetKey {
            zone: hosted_zone().id,
            reversed: "com.example.www.".into(),
            kind: "A".into(),
            identifier: String::new(),
        },
        name: "www.example.com.".into(),
        answer: Answer::Values { ttl: 60, values: vec!["10.0.0.1".into()] },
    }
}

fn alias() -> RecordSet {
    RecordSet {
        answer: Answer::Alias {
            name: load_balancer().dns_name + ".",
            zone: "Z35SXDOTRQ7X7K".into(),
            evaluate_health: true,
        },
        ..record_set()
    }
}

fn balancer() -> Balancer {
    Balancer {
        name: "one".into(),
        created_at: at(0),
        connected: true,
        connected_at: at(1),
        addresses: vec![address("127.0.0.1"), address("::1")],
        refused: BTreeMap::from([(listener().arn, "address in use".to_owned())]),
    }
}

fn authority() -> Authority {
    Authority { certificate: "certificate".into(), key: "key".into(), created_at: at(0) }
}
