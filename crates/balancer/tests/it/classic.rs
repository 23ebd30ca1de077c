//! Classic Load Balancers: what a balancer does with what it is told of them.

use core::time::Duration;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use plan::routing::{Generation, told};
use state::{
    ClassicAttributes, ClassicHealthCheck, ClassicInstance, ClassicInstanceKey, ClassicListener,
    ClassicLoadBalancer, ClassicPolicy, ClassicProtocol, DesyncMode, Node, Scheme, State,
};
use types::{AccountId, Home, Region, Timestamp, Zone};

use super::lab::{Client, Lab, NOW, status};
use super::origin::scripted;
use super::tls::{self, CERTIFICATE, certificate, secure};

/// The two ports of an instance; what is at each comes with the instance.
const FIRST: u16 = 1;
const SECOND: u16 = 2;

fn listener(protocol: ClassicProtocol, port: u16, instance_port: u16) -> ClassicListener {
    let certificate = protocol == ClassicProtocol::Https;
    ClassicListener {
        protocol,
        port,
        instance_protocol: ClassicProtocol::Http,
        instance_port,
        certificate: certificate.then(|| "default".to_owned()),
        policies: Vec::new(),
    }
}

/// A load balancer that keeps its zones apart, with a listener for HTTP.
fn web() -> ClassicLoadBalancer {
    ClassicLoadBalancer {
        name: "web".into(),
        dns_name: "web-1.us-east-1.elb.amazonaws.com".into(),
        scheme: Scheme::InternetFacing,
        nodes: Vec::new(),
        listeners: vec![listener(ClassicProtocol::Http, 80, FIRST)],
        health_check: ClassicHealthCheck {
            protocol: ClassicProtocol::Tcp,
            port: FIRST,
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
        created_at: Timestamp(0),
    }
}

/// An instance in a zone, `a` being the client's, and what is at its two ports.
type Place = (char, [SocketAddr; 2]);

/// A balancer of a region that has nothing but this load balancer and these instances, all of which
/// are in service.
fn serving(at: Timestamp, balancer: ClassicLoadBalancer, places: &[Place]) -> Lab {
    let zone = |letter: char| Zone::parse(&format!("us-east-1{letter}")).expect("a zone");
    let mut state = State::new(Home {
        region: Region::parse("us-east-1").expect("valid"),
        account: AccountId::parse("123456789012").expect("valid"),
    });
    let id = |number: usize| format!("i-{number}");
    for (number, (letter, [first, _])) in places.iter().enumerate() {
        state.apply(state::Change::from(ClassicInstance {
            key: ClassicInstanceKey { load_balancer: balancer.name.clone(), id: id(number) },
            address: Some(first.ip()),
            zone: Some(zone(*letter)),
            registered_at: Timestamp(0),
            draining: None,
            seen: BTreeMap::new(),
            service: None,
        }));
    }
    let lab = Lab::at(at, |table| {
        let own = table.load_balancers[0].nodes[0].1;
        let node = |letter: char, address| Node {
            zone: zone(letter),
            subnet: format!("subnet-{letter}"),
            address,
        };
        let nodes = vec![node('a', own), node('b', [192, 0, 2, 1].into())];
        state.apply(state::Change::from(ClassicLoadBalancer { nodes, ..balancer }));
        *table = told(&state, Generation { epoch: 1, version: 1 }, table.seal.clone());
        table.load_balancers[0].nodes.truncate(1);
        table.certificates = vec![certificate("default", &["localhost"], CERTIFICATE)];
        for target in table.groups.iter_mut().flat_map(|it| &mut it.targets) {
            let number = (0..places.len()).find(|it| id(*it) == target.id).expect("one of them");
            let port = usize::from(target.port == SECOND);
            target.port = places[number].1[port].port();
        }
    });
    for number in 0..places.len() {
        is_well(&lab, number, true);
    }
    lab
}

/// The checks of an instance have come to that.
fn is_well(lab: &Lab, number: usize, is_well: bool) {
    for group in &lab.balancer.snapshot().groups {
        group.set_health(u32::try_from(number).expect("few"), is_well);
    }
}

/// What answers each request with a letter; at `/login` with a cookie too.
fn lettered(letter: char) -> SocketAddr {
    scripted(move |_, balancer| {
        while let Some(head) = balancer.head() {
            let login = "Set-Cookie: SESSION=1; Path=/shop; HttpOnly; Priority=High\r\n";
            let cookie = if head.starts_with("GET /login") { login } else { "" };
            let answer = format!("HTTP/1.1 200 OK\r\n{cookie}Content-Length: 1\r\n\r\n{letter}");
            if balancer.0.write_all(answer.as_bytes()).is_err() {
                break;
            }
        }
    })
}

fn nobody() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9))
}

fn pair() -> [Place; 2] {
    [('a', [lettered('a'), lettered('A')]), ('a', [lettered('b'), lettered('B')])]
}

/// What a client is answered that comes with these cookies: the letter, and `Set-Cookie` fields.
fn ask(lab: &Lab, port: u16, path: &str, cookies: &str) -> (char, Vec<String>) {
    let cookies = if cookies.is_empty() { "" } else { &format!("Cookie: {cookies}\r\n") };
    let request = format!("GET {path} HTTP/1.1\r\nHost: lab\r\n{cookies}Connection: close\r\n\r\n");
    let mut client = Client::connect(SocketAddr::new(lab.address.ip(), port));
    client.send(request);
    let answer = client.rest();
    let set = answer.lines().filter_map(|it| it.strip_prefix("Set-Cookie: "));
    (answer.chars().last().expect("a letter"), set.map(ToOwned::to_owned).collect())
}

/// A cookie as it comes back, and what was said of it.
fn split(set: &str) -> (&str, &str) {
    set.split_at(set.find(';').unwrap_or(set.len()))
}

fn with_policy(policy: ClassicPolicy) -> ClassicLoadBalancer {
    let mut balancer = web();
    balancer.listeners[0].policies = vec!["sticky".into()];
    balancer.policies.insert("sticky".into(), policy);
    balancer
}

#[test]
fn the_cookie_of_a_classic_load_balancer_stands_until_the_client_forgets_it() {
    let policy = ClassicPolicy::LoadBalancerCookie { expiration: Some(Duration::from_mins(1)) };
    let places = pair();
    let lab = serving(NOW, with_policy(policy.clone()), &places);
    let (letter, set) = ask(&lab, 80, "/", "");
    let [own, cors] = set.as_slice() else { panic!("two cookies: {set:?}") };
    let (cookie, says) = split(own);
    assert!(cookie.starts_with("AWSELB="), "{set:?}");
    assert_eq!(says, ";PATH=/;MAX-AGE=60");
    assert!(cors.starts_with("AWSELBCORS=") && cors.ends_with("60;SECURE;SAMESITE=None"), "{cors}");

    // Nobody but the client looks at its time, and it is not made anew.
    let late = serving(Timestamp(NOW.0 + 86_400_000), with_policy(policy), &places);
    for _ in 0..4 {
        assert_eq!(ask(&late, 80, "/", cookie), (letter, Vec::new()));
    }
    assert_eq!(ask(&late, 80, "/", split(cors).0), (letter, Vec::new()));

    // Where its instance is ill, it is as if there were none.
    let number = usize::from(letter == 'b');
    is_well(&late, number, false);
    let (other, set) = ask(&late, 80, "/", cookie);
    assert_ne!(other, letter);
    is_well(&late, number, true);
    for _ in 0..4 {
        assert_eq!(ask(&late, 80, "/", split(&set[0]).0), (other, Vec::new()));
    }
}

#[test]
fn listeners_that_lead_to_one_port_know_each_others_clients() {
    let mut balancer = with_policy(ClassicPolicy::LoadBalancerCookie { expiration: None });
    for (port, instance_port) in [(81, FIRST), (82, SECOND)] {
        let other = listener(ClassicProtocol::Http, port, instance_port);
        balancer.listeners.push(ClassicListener { policies: vec!["sticky".into()], ..other });
    }
    let lab = serving(NOW, balancer, &pair());
    let (letter, set) = ask(&lab, 80, "/", "");
    let (cookie, says) = split(&set[0]);
    assert_eq!(says, ";PATH=/", "as long as the browser runs");
    for _ in 0..4 {
        assert_eq!(ask(&lab, 81, "/", cookie), (letter, Vec::new()));
    }
    assert_eq!(ask(&lab, 82, "/", cookie).1.len(), 2, "at another port it is no cookie");
}

#[test]
fn the_cookie_beside_an_applications_lasts_as_long_as_that() {
    let policy = ClassicPolicy::ApplicationCookie { cookie: "SESSION".into() };
    let lab = serving(NOW, with_policy(policy), &pair());
    assert_eq!(ask(&lab, 80, "/", "").1, Vec::<String>::new(), "there is nothing to follow");
    let (letter, set) = ask(&lab, 80, "/login", "");
    let [session, own] = set.as_slice() else { panic!("two cookies: {set:?}") };
    assert_eq!(split(session).0, "SESSION=1");
    let (cookie, says) = split(own);
    assert_eq!(says, ";Path=/shop;HttpOnly");

    let both = format!("{cookie}; SESSION=1");
    for _ in 0..4 {
        assert_eq!(ask(&lab, 80, "/", &both), (letter, Vec::new()));
    }
    let alone: String = (0..4).map(|_| ask(&lab, 80, "/", cookie).0).collect();
    assert_eq!(alone.matches('a').count(), 2, "without the application's it is nothing: {alone}");

    // It stays where it had to go.
    let number = usize::from(letter == 'b');
    is_well(&lab, number, false);
    let (other, set) = ask(&lab, 80, "/", &both);
    let [moved] = set.as_slice() else { panic!("one cookie: {set:?}") };
    let moved = format!("SESSION=1; {}", split(moved).0);
    is_well(&lab, number, true);
    for _ in 0..4 {
        assert_eq!(ask(&lab, 80, "/", &moved), (other, Vec::new()));
    }
}

#[test]
fn a_zone_without_an_instance_in_service_leads_to_the_others() {
    let places = [('a', [lettered('a'), nobody()]), ('b', [lettered('b'), nobody()])];
    let letters = |lab: &Lab| (0..6).map(|_| ask(lab, 80, "/", "").0).collect::<String>();
    let apart = serving(NOW, web(), &places);
    assert_eq!(letters(&apart), "aaaaaa");
    is_well(&apart, 0, false);
    assert_eq!(letters(&apart), "bbbbbb");
    is_well(&apart, 1, false);
    assert_eq!(status(&apart.get("/")), 503, "nobody who is out of service is asked");
    is_well(&apart, 0, true);
    assert_eq!(letters(&apart), "aaaaaa");

    let mut across = web();
    across.attributes.cross_zone = true;
    let found = letters(&serving(NOW, across, &places));
    assert_eq!(found.matches('a').count(), 3, "{found}");
}

#[test]
fn tls_ends_at_a_classic_load_balancer_and_begins_anew_where_it_is_asked_for() {
    let inner = Lab::with(secure);
    let mut balancer = web();
    let again = listener(ClassicProtocol::Https, 443, FIRST);
    balancer.listeners =
        vec![ClassicListener { instance_protocol: ClassicProtocol::Https, ..again }];
    let lab = serving(NOW, balancer, &[('a', [inner.address, nobody()])]);
    // The instance's certificate is nobody's concern, as it is nobody's at AWS without a policy.
    let config = Arc::new(tls::config(tls::BOTH, &["h2", "http/1.1"]));
    let mut client = tls::connect(lab.address, &config, "localhost").expect("shakes hands");
    assert_eq!(client.0.conn.alpn_protocol(), Some(b"http/1.1".as_slice()), "not HTTP/2");
    client.send("GET /echo HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n");
    let answer = client.rest();
    assert_eq!(status(&answer), 200);
    assert!(answer.contains("X-Forwarded-Proto: https"), "{answer}");
    assert_eq!(inner.origin.seen().len(), 1);
}

#[test]
fn who_is_waited_for_longer_than_the_idle_timeout_is_not_waited_for() {
    let silent = scripted(|_, balancer| {
        balancer.rest();
    });
    let mut balancer = web();
    balancer.attributes.idle_timeout = Duration::from_secs(1);
    let lab = serving(NOW, balancer, &[('a', [silent, nobody()])]);
    assert_eq!(status(&lab.get("/")), 504);
}
