//! Classic Load Balancers and their instances.

use core::time::Duration;
use std::collections::BTreeMap;

use state::{
    ClassicAttributes, ClassicHealthCheck, ClassicInstance, ClassicInstanceKey, ClassicListener,
    ClassicLoadBalancer, ClassicPolicy, ClassicProtocol, DesyncMode, Draining, Node, Scheme, Seen,
    ServiceKey, TargetHealth,
};
use types::{ClusterName, ServiceName};

use super::{at, tags, zone};

pub(super) fn all() -> Vec<super::Named> {
    vec![
        ("35-classic-load-balancer", load_balancer().into()),
        ("35-classic-load-balancer-least", least_load_balancer().into()),
        ("36-classic-instance", instance().into()),
        ("36-classic-instance-least", least_instance().into()),
    ]
}

fn load_balancer() -> ClassicLoadBalancer {
    let address = "172.31.31.1".parse().expect("an address");
    let subnet = "subnet-0123456789abcdef0".into();
    let expiration = Some(Duration::from_mins(1));
    let policies = [
        ("lasting", ClassicPolicy::LoadBalancerCookie { expiration }),
        ("of-the-session", ClassicPolicy::LoadBalancerCookie { expiration: None }),
        ("of-the-app", ClassicPolicy::ApplicationCookie { cookie: "JSESSIONID".into() }),
        ("tls", ClassicPolicy::Tls { reference: "ELBSecurityPolicy-2016-08".into() }),
    ];
    ClassicLoadBalancer {
        scheme: Scheme::Internal,
        nodes: vec![Node { zone: zone(), subnet, address }],
        listeners: vec![
            listener(ClassicProtocol::Http, 80),
            ClassicListener {
                certificate: Some("arn:aws:acm:us-east-1:123456789012:certificate/1".into()),
                policies: vec!["lasting".into(), "tls".into()],
                ..listener(ClassicProtocol::Https, 443)
            },
            listener(ClassicProtocol::Tcp, 8080),
            listener(ClassicProtocol::Ssl, 8443),
        ],
        health_check: ClassicHealthCheck {
            protocol: ClassicProtocol::Http,
            path: Some("/health".into()),
            ..least_load_balancer().health_check
        },
        security_groups: vec!["sg-0123456789abcdef0".into()],
        attributes: ClassicAttributes {
            cross_zone: true,
            connection_draining: true,
            desync: DesyncMode::Strictest,
            ..least_load_balancer().attributes
        },
        policies: policies.map(|(name, it)| (name.to_owned(), it)).into(),
        tags: tags(),
        ..least_load_balancer()
    }
}

fn listener(protocol: ClassicProtocol, port: u16) -> ClassicListener {
    ClassicListener {
        protocol,
        port,
        instance_protocol: protocol,
        instance_port: 3000,
        certificate: None,
        policies: Vec::new(),
    }
}

fn least_load_balancer() -> ClassicLoadBalancer {
    ClassicLoadBalancer {
        name: "old".into(),
        dns_name: "old-1234567890.us-east-1.elb.amazonaws.com".into(),
        scheme: Scheme::InternetFacing,
        nodes: Vec::new(),
        listeners: Vec::new(),
        health_check: ClassicHealthCheck {
            protocol: ClassicProtocol::Tcp,
            port: 3000,
            path: None,
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
            unhealthy_threshold: 2,
            healthy_threshold: 10,
        },
        security_groups: Vec::new(),
        attributes: ClassicAttributes {
            cross_zone: false,
            connection_draining: false,
            draining_timeout: Duration::from_mins(5),
            idle_timeout: Duration::from_mins(1),
            desync: DesyncMode::Defensive,
        },
        policies: BTreeMap::new(),
        tags: Vec::new(),
        created_at: at(0),
    }
}

fn instance() -> ClassicInstance {
    let seen = Seen { health: TargetHealth::Healthy, since: at(1), busy: true, anomaly: None };
    ClassicInstance {
        address: Some("172.31.16.4".parse().expect("an address")),
        zone: Some(zone()),
        draining: Some(Draining { since: at(2), until: at(302) }),
        seen: BTreeMap::from([("a".to_owned(), seen)]),
        service: Some(ServiceKey {
            cluster: ClusterName::parse("default").expect("valid"),
            name: ServiceName::parse("web").expect("valid"),
        }),
        ..least_instance()
    }
}

fn least_instance() -> ClassicInstance {
    ClassicInstance {
        key: ClassicInstanceKey { load_balancer: "old".into(), id: "i-0123456789abcdef0".into() },
        address: None,
        zone: None,
        registered_at: at(0),
        draining: None,
        seen: BTreeMap::new(),
        service: None,
    }
}
