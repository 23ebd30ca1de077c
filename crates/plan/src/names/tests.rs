//! Questions and answers, over zones that are written as texts.

use std::collections::BTreeMap;

use state::{IpAddressType, LoadBalancer, LoadBalancerKind, Node, RecordSet, Scheme, State};
use types::{AccountId, Home, Region, Timestamp, Zone};

use super::*;

const ZONES: &str = "
    Z1 example.com.      SOA   900 ns.example.com. hostmaster.example.com. 1 2 3 4 5
    Z1 example.com.      A     alias web-1.us-east-1.elb.amazonaws.com.
    Z1 www.example.com.  A     60  10.0.0.1 10.0.0.2
    Z1 www.example.com.  TXT   60  \"hello\"
    Z1 a.example.com.    CNAME 60  b.example.com.
    Z1 b.example.com.    CNAME 60  www.example.com.
    Z1 out.example.com.  CNAME 60  other.test.
    Z1 gone.example.com. CNAME 60  nobody.example.com.
    Z1 c.example.com.    CNAME 60  c.example.com.
    Z1 d.example.com.    A     alias d.example.com.
    Z1 e.example.com.    A     alias www.example.com.
    Z1 f.example.com.    A     alias web-9.us-east-1.elb.amazonaws.com.
    Z1 *.w.example.com.  A     60  10.0.0.3
    Z1 x.w.example.com.  TXT   60  \"x\"
    Z1 p.q.example.com.  A     60  10.0.0.4
    Z2 sub.example.com.  SOA   900 ns.sub.example.com. hostmaster.example.com. 1 2 3 4 5
    Z2 sub.example.com.  A     60  10.0.0.5
    Z3 sub.example.com.  A     60  10.0.0.6
";

fn load_balancer() -> LoadBalancer {
    let node = |address: &str| Node {
        zone: Zone::parse("us-east-1a").expect("valid"),
        subnet: "subnet-1".into(),
        address: address.parse().expect("an address"),
    };
    LoadBalancer {
        arn: "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/Web/1".into(),
        name: "Web".into(),
        kind: LoadBalancerKind::Application,
        scheme: Scheme::InternetFacing,
        dns_name: "Web-1.us-east-1.elb.amazonaws.com".into(),
        nodes: vec![node("172.31.31.1"), node("172.31.47.1")],
        security_groups: Vec::new(),
        ip_address_type: IpAddressType::Ipv4,
        attributes: BTreeMap::new(),
        tags: Vec::new(),
        created_at: Timestamp(0),
    }
}

fn zone(id: &str, name: &str, vpcs: &[&str]) -> HostedZone {
    HostedZone {
        id: id.into(),
        name: name.into(),
        caller_reference: id.into(),
        comment: None,
        vpcs: vpcs.iter().map(|it| (*it).to_owned()).collect(),
        tags: Vec::new(),
        created_at: Timestamp(0),
    }
}

fn set(line: &str) -> RecordSet {
    let mut words = line.split_whitespace();
    let mut word = || words.next().unwrap_or_default().to_owned();
    let (zone, name, kind, ttl) = (word(), word(), word(), word());
    let rest: Vec<String> = words.map(str::to_owned).collect();
    let answer = match ttl.parse() {
        Ok(ttl) if kind == "SOA" => Answer::Values { ttl, values: vec![rest.join(" ")] },
        Ok(ttl) => Answer::Values { ttl, values: rest },
        Err(_) => Answer::Alias {
            name: rest.concat(),
            zone: "Z35SXDOTRQ7X7K".into(),
            evaluate_health: false,
        },
    };
    let identifier = String::new();
    let key = RecordSetKey { zone, reversed: reversed(&name), kind, identifier };
    RecordSet { key, name, answer }
}

fn region() -> State {
    let mut state = State::new(Home {
        region: Region::parse("us-east-1").expect("valid"),
        account: AccountId::parse("123456789012").expect("valid"),
    });
    state.apply(load_balancer().into());
    state.apply(zone("Z1", "example.com.", &[]).into());
    state.apply(zone("Z2", "sub.example.com.", &[]).into());
    state.apply(zone("Z3", "sub.example.com.", &["vpc-1"]).into());
    for line in ZONES.lines().filter(|it| !it.trim().is_empty()) {
        state.apply(set(line).into());
    }
    state
}

#[test]
fn names_stand_for_what_their_zones_say() {
    let state = region();
    for (name, kind, expected) in [
        ("www.example.com", "A", "A 10.0.0.1, A 10.0.0.2"),
        ("WWW.Example.COM.", "A", "A 10.0.0.1, A 10.0.0.2"),
        ("www.example.com", "TXT", "TXT \"hello\""),
        ("www.example.com", "AAAA", "NoData"),
        ("nobody.example.com", "A", "NoSuchName"),
        ("bad..name", "A", "NoSuchName"),
        ("other.test", "A", "Elsewhere(\"other.test.\")"),
        // CNAMEs are followed, with what they say on the way.
        (
            "a.example.com",
            "A",
            "CNAME b.example.com., CNAME www.example.com., A 10.0.0.1, A 10.0.0.2",
        ),
        ("a.example.com", "CNAME", "CNAME b.example.com."),
        ("out.example.com", "A", "CNAME other.test., Elsewhere(\"other.test.\")"),
        ("gone.example.com", "A", "CNAME nobody.example.com., NoSuchName"),
        // Load balancers, and aliases of them and of other sets.
        ("web-1.us-east-1.elb.amazonaws.com", "A", "A 172.31.31.1, A 172.31.47.1"),
        ("dualstack.Web-1.us-east-1.elb.amazonaws.com", "A", "A 172.31.31.1, A 172.31.47.1"),
        ("web-1.us-east-1.elb.amazonaws.com", "AAAA", "NoData"),
        ("example.com", "A", "A 172.31.31.1, A 172.31.47.1"),
        ("example.com", "AAAA", "NoData"),
        ("e.example.com", "A", "A 10.0.0.1, A 10.0.0.2"),
        ("f.example.com", "A", "NoData"),
        // Wildcards cover what does not exist, but nothing below what does.
        ("any.w.example.com", "A", "A 10.0.0.3"),
        ("any.thing.w.example.com", "A", "A 10.0.0.3"),
        ("any.w.example.com", "TXT", "NoData"),
        ("x.w.example.com", "A", "NoData"),
        ("y.x.w.example.com", "A", "NoSuchName"),
        // A name with names below it exists.
        ("q.example.com", "A", "NoData"),
        ("z.q.example.com", "A", "NoSuchName"),
        // The longest zone counts, and the private one before the public one.
        ("sub.example.com", "A", "A 10.0.0.6"),
    ] {
        let Answers { outcome, records, .. } = resolve(&state, name, kind, 0);
        let mut shown: Vec<String> =
            records.iter().map(|it| format!("{} {}", it.kind, it.value)).collect();
        if outcome != Outcome::Found {
            shown.push(format!("{outcome:?}"));
        }
        assert_eq!(shown.join(", "), expected, "{name} {kind}");
    }
}

#[test]
fn circles_have_an_end() {
    let state = region();
    for name in ["c.example.com", "d.example.com"] {
        assert_eq!(resolve(&state, name, "A", 0).outcome, Outcome::TooLong, "{name}");
    }
}

#[test]
fn an_answer_bears_the_name_that_was_asked_for() {
    let state = region();
    for name in ["example.com.", "e.example.com.", "any.w.example.com."] {
        let records = resolve(&state, name, "A", 0).records;
        assert!(!records.is_empty() && records.iter().all(|it| it.name == name), "{records:?}");
    }
}

#[test]
fn nothing_is_said_with_the_authority_of_the_zone() {
    let state = region();
    for (name, kind) in [("nobody.example.com", "A"), ("www.example.com", "AAAA")] {
        let authority = resolve(&state, name, kind, 0).authority.expect("an SOA record");
        assert_eq!((authority.name.as_str(), authority.ttl), ("example.com.", 900));
    }
}
