use core::time::Duration;
use std::net::IpAddr;

use state::{Draining, Node, Scheme, Seen, TargetHealth};
use types::{AccountId, Home, Region, Timestamp, Zone};

use super::*;
use crate::balancing::Rotation;
use crate::routing::attributes::{ClassicCookie, GroupAttributes, Sticky};
use crate::routing::{Compiled, Generation, told};

fn zone(letter: char) -> Zone {
    Zone::parse(&format!("us-east-1{letter}")).expect("a zone")
}

fn listener(protocol: ClassicProtocol, port: u16, instance_port: u16) -> ClassicListener {
    ClassicListener {
        protocol,
        port,
        instance_protocol: protocol,
        instance_port,
        certificate: None,
        policies: Vec::new(),
    }
}

fn web() -> ClassicLoadBalancer {
    let node = |letter: char, last: u8| Node {
        zone: zone(letter),
        subnet: format!("subnet-{letter}"),
        address: IpAddr::from([172, 31, 15, last]),
    };
    ClassicLoadBalancer {
        name: "web".into(),
        dns_name: "web-1.us-east-1.elb.amazonaws.com".into(),
        scheme: Scheme::InternetFacing,
        nodes: vec![node('a', 1), node('b', 2)],
        listeners: vec![
            listener(ClassicProtocol::Http, 80, 8080),
            listener(ClassicProtocol::Tcp, 6379, 6379),
        ],
        health_check: ClassicHealthCheck {
            protocol: ClassicProtocol::Http,
            port: 8081,
            path: Some("/ping".into()),
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
            unhealthy_threshold: 2,
            healthy_threshold: 10,
        },
        security_groups: Vec::new(),
        attributes: ClassicAttributes {
            cross_zone: false,
            connection_draining: true,
            draining_timeout: Duration::from_secs(20),
            idle_timeout: Duration::from_secs(7),
            desync: DesyncMode::Defensive,
        },
        policies: BTreeMap::new(),
        tags: Vec::new(),
        created_at: Timestamp(0),
    }
}

fn instance(id: &str, letter: char) -> ClassicInstance {
    ClassicInstance {
        key: ClassicInstanceKey { load_balancer: "web".into(), id: id.into() },
        address: Some(IpAddr::from([172, 31, 0, 9])),
        zone: Some(zone(letter)),
        registered_at: Timestamp(1),
        draining: None,
        seen: BTreeMap::new(),
        service: None,
    }
}

/// A region with a load balancer, a balancer that has called, and these instances.
fn region(load_balancer: ClassicLoadBalancer, instances: Vec<ClassicInstance>) -> State {
    let mut state = State::new(Home {
        region: Region::parse("us-east-1").expect("valid"),
        account: AccountId::parse("123456789012").expect("valid"),
    });
    state.apply(load_balancer.into());
    let balancer = state::Balancer {
        name: "b".into(),
        created_at: Timestamp(0),
        connected: true,
        connected_at: Timestamp(0),
        addresses: Vec::new(),
        refused: BTreeMap::new(),
    };
    state.apply(balancer.into());
    for it in instances {
        state.apply(it.into());
    }
    state
}

#[test]
fn each_listener_leads_to_its_port_of_each_instance_and_one_check_is_made_for_all() {
    let state = region(web(), vec![instance("i-1", 'a'), instance("i-2", 'b')]);
    let table = told(&state, Generation::default(), Vec::new());
    let groups: Vec<_> = table.groups.iter().map(|it| (it.arn.as_str(), it.protocol)).collect();
    let (http, tcp) = (TargetProtocol::Http, TargetProtocol::Tcp);
    let expected = [("classic/web", http), ("classic/web/6379", tcp), ("classic/web/80", http)];
    assert_eq!(groups, expected);
    let ports = |number: usize| {
        let group: &Group = &table.groups[number];
        group.targets.iter().map(|it| (it.id.as_str(), it.port)).collect::<Vec<_>>()
    };
    assert_eq!(ports(0), [("i-1", 0), ("i-2", 0)]);
    assert_eq!(ports(1), [("i-1", 6379), ("i-2", 6379)]);
    assert_eq!(ports(2), [("i-1", 8080), ("i-2", 8080)]);
    let checked: Vec<_> = table.groups.iter().map(|it| it.checked_in.as_deref()).collect();
    assert_eq!(checked, [None, Some("classic/web"), Some("classic/web")]);
    assert_eq!(table.groups[0].health_check.port, Some(8081));
    let told = &table.load_balancers[0];
    let named = told.listeners.iter().map(|it| (it.port, it.protocol)).collect::<Vec<_>>();
    assert_eq!(named, [(80, ListenerProtocol::Http), (6379, ListenerProtocol::Tcp)]);
    assert_eq!(told.attributes.get("idle_timeout.timeout_seconds").map(String::as_str), Some("7"));
}

#[test]
fn an_instance_of_a_zone_that_the_load_balancer_is_not_in_gets_nothing() {
    let state = region(web(), vec![instance("i-1", 'a'), instance("i-3", 'c')]);
    for group in told(&state, Generation::default(), Vec::new()).groups {
        assert_eq!(group.targets.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["i-1"]);
    }
    let found = standing(&state, &web(), "i-3");
    assert_eq!((found.state, found.reason_code), ("OutOfService", "ELB"));
}

#[test]
fn cookies_are_those_of_the_listener_that_names_their_policy() {
    let mut it = web();
    let short = ClassicPolicy::LoadBalancerCookie { expiration: Some(Duration::from_mins(1)) };
    let own = ClassicPolicy::ApplicationCookie { cookie: "SESSION".into() };
    let session = ClassicPolicy::LoadBalancerCookie { expiration: None };
    it.policies =
        [("short".into(), short), ("own".into(), own), ("session".into(), session)].into();
    it.listeners = vec![
        listener(ClassicProtocol::Http, 80, 8080),
        listener(ClassicProtocol::Http, 81, 8080),
        listener(ClassicProtocol::Http, 82, 8080),
        listener(ClassicProtocol::Http, 83, 8080),
    ];
    it.listeners[1].policies = vec!["short".into()];
    it.listeners[2].policies = vec!["own".into()];
    it.listeners[3].policies = vec!["session".into()];
    let groups = groups(&region(it.clone(), Vec::new()), &it);
    let sticky: Vec<_> =
        groups.iter().map(|it| GroupAttributes::of(&it.attributes).sticky).collect();
    let own = ClassicCookie::As("SESSION".into());
    let short = ClassicCookie::Own(Some(Duration::from_mins(1)));
    let session = ClassicCookie::Own(None);
    let expected = [short, own, session].map(|it| Some(Sticky::Classic(it)));
    assert_eq!(sticky[..2], [None, None]);
    assert_eq!(sticky[2..], expected);
}

#[test]
fn where_no_instance_is_in_service_nobody_is_asked() {
    let state = region(web(), vec![instance("i-1", 'a')]);
    let compiled = Compiled::new(told(&state, Generation::default(), Vec::new()), None);
    let ill = Rotation::new(&compiled.groups[2], None, &|_| false, Timestamp(0), None);
    assert!(ill.is_empty());
    let well = Rotation::new(&compiled.groups[2], None, &|_| true, Timestamp(0), None);
    assert!(!well.is_empty());
}

#[test]
fn an_instance_is_in_aws_words_what_the_balancers_find() {
    let said = |change: &dyn Fn(&mut ClassicInstance)| {
        let mut it = instance("i-1", 'a');
        change(&mut it);
        standing(&region(web(), vec![it]), &web(), "i-1")
    };
    let seen = |it: &mut ClassicInstance, health: TargetHealth| {
        let seen = Seen { health, since: Timestamp(2), busy: false, anomaly: None };
        it.seen.insert("b".into(), seen);
    };
    let new = said(&|_| {});
    assert_eq!((new.state, new.reason_code), ("OutOfService", "ELB"));
    assert_eq!(new.description, "Instance registration is still in progress.");
    let well = said(&|it| seen(it, TargetHealth::Healthy));
    assert_eq!((well.state, well.reason_code, well.description), ("InService", "N/A", "N/A"));
    let ill = said(&|it| seen(it, TargetHealth::Timeout));
    assert_eq!((ill.state, ill.reason_code), ("OutOfService", "Instance"));
    assert!(ill.description.starts_with("Instance has failed at least the UnhealthyThreshold"));
    let draining = Draining { since: Timestamp(3), until: Timestamp(9) };
    let leaves = said(&|it| it.draining = Some(draining));
    assert_eq!(leaves.state, "InService");
    let nobody = standing(&region(web(), Vec::new()), &web(), "i-9");
    assert_eq!(nobody.description, "Instance is not currently registered with the LoadBalancer.");
}
