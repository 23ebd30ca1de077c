//! Questions about services, over registrations that are written as texts.

use std::collections::{BTreeMap, BTreeSet};

use state::{
    Answer, Change, DiscoveryHealth, DnsRecord, Namespace, NamespaceKind, RecordSet, RecordSetKey,
};
use types::{AccountId, Home, Region, Timestamp};

use super::*;
use crate::names::resolve;

/// Service, routing, records with how long they may be kept.
const SERVICES: &str = "
    web        MULTIVALUE A=10
    one        WEIGHTED   A=10
    both       MULTIVALUE A=10 AAAA=20
    Back       MULTIVALUE SRV=30
    _http._tcp MULTIVALUE SRV=5
    other      WEIGHTED   CNAME=40
    sick       MULTIVALUE A=10
    many       MULTIVALUE A=10
    empty      MULTIVALUE A=10
";

/// Service, instance, health, attributes without what their names begin with.
const INSTANCES: &str = "
    web        i-1  -         IPV4=10.0.0.1
    web        i-2  HEALTHY   IPV4=10.0.0.2
    web        i-3  UNHEALTHY IPV4=10.0.0.3
    one        i-1  -         IPV4=10.0.0.1
    one        i-2  -         IPV4=10.0.0.2
    both       i-1  -         IPV4=10.0.0.1 IPV6=fd00::1
    Back       T-1  -         IPV4=10.0.0.1 PORT=8080
    Back       t.2  -         IPV6=fd00::2 PORT=8081
    _http._tcp i-1  -         IPV4=10.0.0.1 PORT=80
    other      i-1  -         CNAME=www.example.test
    sick       i-1  UNHEALTHY IPV4=10.0.0.1
    sick       i-2  UNHEALTHY IPV4=10.0.0.2
";

fn record_set(name: &str, kind: &str, value: &str) -> RecordSet {
    let key = RecordSetKey {
        zone: "Z1".into(),
        reversed: reversed(name),
        kind: kind.into(),
        identifier: String::new(),
    };
    let answer = Answer::Values { ttl: 15, values: vec![value.into()] };
    RecordSet { key, name: name.into(), answer }
}

fn zone() -> HostedZone {
    HostedZone {
        id: "Z1".into(),
        name: "corp.local.".into(),
        caller_reference: String::new(),
        comment: None,
        vpcs: vec!["vpc-1".into()],
        tags: Vec::new(),
        created_at: Timestamp(0),
    }
}

fn namespace() -> Namespace {
    Namespace {
        id: "ns-1".into(),
        name: "corp.local".into(),
        http_name: "corp.local".into(),
        kind: NamespaceKind::PrivateDns { zone: "Z1".into() },
        description: None,
        creator_request_id: None,
        created_by: String::new(),
        last_update: None,
        tags: Vec::new(),
        created_at: Timestamp(0),
    }
}

fn service_of(line: &str) -> DiscoveryService {
    let mut words = line.split_whitespace();
    let name = words.next().unwrap_or_default();
    let routing = match words.next() {
        Some("WEIGHTED") => DiscoveryRouting::Weighted,
        _ => DiscoveryRouting::Multivalue,
    };
    let records = words.map(|it| {
        let (kind, ttl) = it.split_once('=').expect("type=ttl");
        let kind = match kind {
            "A" => DnsRecordKind::A,
            "AAAA" => DnsRecordKind::Aaaa,
            "SRV" => DnsRecordKind::Srv,
            _ => DnsRecordKind::Cname,
        };
        DnsRecord { kind, ttl: ttl.parse().expect("seconds") }
    });
    DiscoveryService {
        id: format!("srv-{name}"),
        namespace: "ns-1".into(),
        name: name.into(),
        description: None,
        creator_request_id: None,
        dns: Some(DnsRecords { routing, records: records.collect() }),
        custom_health: true,
        attributes: BTreeMap::new(),
        tags: Vec::new(),
        created_at: Timestamp(0),
        revision: 0,
    }
}

fn instance_of(line: &str) -> DiscoveryInstance {
    let mut words = line.split_whitespace();
    let mut word = || words.next().unwrap_or_default();
    let (service, id, health) = (word(), word(), word());
    let attribute = |it: &str| {
        let (key, value) = it.split_once('=').expect("key=value");
        (format!("AWS_INSTANCE_{key}"), value.to_owned())
    };
    DiscoveryInstance {
        key: DiscoveryInstanceKey { service: format!("srv-{service}"), id: id.into() },
        health: match health {
            "HEALTHY" => Some(DiscoveryHealth::Healthy),
            "UNHEALTHY" => Some(DiscoveryHealth::Unhealthy),
            _ => None,
        },
        attributes: words.map(attribute).collect(),
        registration: None,
        created_at: Timestamp(0),
    }
}

fn region() -> State {
    let mut state = State::new(Home {
        region: Region::parse("us-east-1").expect("valid"),
        account: AccountId::parse("123456789012").expect("valid"),
    });
    state.apply(zone().into());
    let soa = "ns. host. 1 2 3 4 15";
    state.apply(record_set("corp.local.", "SOA", soa).into());
    state.apply(namespace().into());
    for line in SERVICES.lines().filter(|it| !it.trim().is_empty()) {
        state.apply(service_of(line).into());
    }
    for line in INSTANCES.lines().filter(|it| !it.trim().is_empty()) {
        state.apply(instance_of(line).into());
    }
    for number in 0..20 {
        let line = format!("many i-{number} - IPV4=10.0.1.{number}");
        state.apply(instance_of(&line).into());
    }
    state
}

fn shown(state: &State, name: &str, kind: &str, chance: u64) -> String {
    let answers = resolve(state, name, kind, chance);
    let mut shown: Vec<String> =
        answers.records.iter().map(|it| format!("{} {} {}", it.ttl, it.kind, it.value)).collect();
    shown.sort();
    if answers.outcome != Outcome::Found {
        shown.push(format!("{:?}", answers.outcome));
    }
    shown.join(", ")
}

#[test]
fn a_service_is_its_healthy_instances() {
    let state = region();
    for (name, kind, expected) in [
        ("web.corp.local", "A", "10 A 10.0.0.1, 10 A 10.0.0.2"),
        ("WEB.Corp.Local.", "A", "10 A 10.0.0.1, 10 A 10.0.0.2"),
        ("web.corp.local", "AAAA", "NoData"),
        ("both.corp.local", "AAAA", "20 AAAA fd00::1"),
        // All of them where none is healthy.
        ("sick.corp.local", "A", "10 A 10.0.0.1, 10 A 10.0.0.2"),
        (
            "back.corp.local",
            "SRV",
            "30 SRV 1 1 8080 T-1.back.corp.local., 30 SRV 1 1 8081 t.2.back.corp.local.",
        ),
        ("back.corp.local", "A", "NoData"),
        ("_http._tcp.corp.local", "SRV", "5 SRV 1 1 80 i-1._http._tcp.corp.local."),
        // What SRV records lead to, whatever its case and however many labels it has.
        ("t-1.back.corp.local", "A", "30 A 10.0.0.1"),
        ("t-1.back.corp.local", "AAAA", "NoData"),
        ("t.2.back.corp.local", "AAAA", "30 AAAA fd00::2"),
        ("i-1._http._tcp.corp.local", "A", "5 A 10.0.0.1"),
        ("i-2._http._tcp.corp.local", "A", "NoSuchName"),
        // Instances have names only where SRV records lead to them.
        ("i-1.web.corp.local", "A", "NoSuchName"),
        ("other.corp.local", "CNAME", "40 CNAME www.example.test"),
        ("other.corp.local", "A", "40 CNAME www.example.test, Elsewhere(\"www.example.test.\")"),
        // A name with names below it exists; one with nobody registered does not.
        ("_tcp.corp.local", "SRV", "NoData"),
        ("empty.corp.local", "A", "NoSuchName"),
        ("nobody.corp.local", "A", "NoSuchName"),
        ("corp.local", "SOA", "15 SOA ns. host. 1 2 3 4 15"),
        ("corp.local", "A", "NoData"),
        ("web.other.local", "A", "Elsewhere(\"web.other.local.\")"),
    ] {
        assert_eq!(shown(&state, name, kind, 0), expected, "{name} {kind}");
    }
}

#[test]
fn nothing_is_said_with_the_authority_of_the_namespace() {
    let state = region();
    for name in ["nobody.corp.local", "web.corp.local"] {
        let authority = resolve(&state, name, "TXT", 0).authority.expect("an SOA record");
        assert_eq!((authority.name.as_str(), authority.ttl), ("corp.local.", 15));
    }
}

#[test]
fn an_answer_tells_of_eight_instances_and_every_one_has_its_turn() {
    let state = region();
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for chance in 0..20 {
        let found = resolve(&state, "many.corp.local", "A", chance).records;
        let distinct: BTreeSet<String> = found.iter().map(|it| it.value.clone()).collect();
        assert_eq!(distinct.len(), 8);
        for address in distinct {
            *counts.entry(address).or_default() += 1;
        }
    }
    assert_eq!(counts.len(), 20);
    assert!(counts.values().all(|it| *it == 8), "{counts:?}");
}

#[test]
fn a_weighted_answer_tells_of_one_instance() {
    let state = region();
    assert_eq!(shown(&state, "one.corp.local", "A", 0), "10 A 10.0.0.1");
    assert_eq!(shown(&state, "one.corp.local", "A", 7), "10 A 10.0.0.2");
}

#[test]
fn a_service_without_instances_is_gone_and_comes_back() {
    let mut state = region();
    for id in ["i-1", "i-2"] {
        let key = DiscoveryInstanceKey { service: "srv-one".into(), id: id.into() };
        state.apply(Change::DiscoveryInstance(key, None));
    }
    assert_eq!(shown(&state, "one.corp.local", "A", 0), "NoSuchName");
    state.apply(instance_of("one i-3 - IPV4=10.0.0.9").into());
    assert_eq!(shown(&state, "one.corp.local", "A", 0), "10 A 10.0.0.9");
    assert_eq!(state.recomputed_indexes(), *state.indexes());
}
