//! Endpoints as services ask for them, and what balancers and names make of them.

use std::net::IpAddr;

use shapes::{ecs as shape, stored};
use state::{
    DefinitionStatus, Demand, Namespace, NamespaceKind, RegionRow, Revision, Subnet, Target,
    TargetKey, TaskDefinition,
};
use types::{AccountId, ClusterName, Family, Home, Region, ServiceName, Zone};

use super::*;
use crate::names::{Outcome, resolve};
use crate::routing::{Compiled, Generation, told};

fn region() -> State {
    let mut state = State::new(Home {
        region: Region::parse("us-east-1").expect("valid"),
        account: AccountId::parse("123456789012").expect("valid"),
    });
    let subnet = |letter: &str, base| Subnet {
        id: format!("subnet-{letter}"),
        zone: Zone::parse(&format!("us-east-1{letter}")).expect("valid"),
        base,
        prefix: 20,
    };
    state.apply(Change::from(RegionRow {
        vpc: "vpc-1".into(),
        vpc_base: 0xac1f_0000,
        vpc_prefix: 16,
        security_group: "sg-1".into(),
        subnets: vec![subnet("a", 0xac1f_0000), subnet("b", 0xac1f_1000)],
        audited: 0,
    }));
    state
}

fn service(name: &str) -> ServiceKey {
    ServiceKey {
        cluster: ClusterName::parse("default").expect("valid"),
        name: ServiceName::parse(name).expect("valid"),
    }
}

/// `http=web:80`: port name, name and port of the alias; `tcp=…` carries connections.
fn aliases(text: &str) -> Vec<Alias> {
    let one = |text: &str| {
        let (port_name, rest) = text.split_once('=').expect("a port name");
        let (dns_name, port) = rest.split_once(':').expect("a port");
        Alias {
            port_name: port_name.into(),
            discovery_name: format!("{port_name}-{dns_name}"),
            dns_name: dns_name.into(),
            port: port.parse().expect("a number"),
            traffic: match port_name {
                "tcp" => Traffic::Connections,
                _ => Traffic::Requests,
            },
            idle: None,
        }
    };
    text.split_whitespace().map(one).collect()
}

fn asked(state: &mut State, name: &str, text: &str) -> Result<usize, Refusal> {
    asked_in(state, "ns-1", name, text)
}

fn asked_in(state: &mut State, namespace: &str, name: &str, text: &str) -> Result<usize, Refusal> {
    let mut draft = Draft::new(state);
    let result = settle(&mut draft, &service(name), namespace, &aliases(text));
    result.map(|()| draft.keep().len())
}

/// The addresses that a name stands for.
fn found(state: &State, name: &str, kind: &str) -> (Outcome, Vec<String>) {
    let answers = resolve(state, name, kind, 0);
    (answers.outcome, answers.records.into_iter().map(|it| it.value).collect())
}

fn address(state: &State, name: &str) -> IpAddr {
    address_in(state, "ns-1", name)
}

/// What tasks of a namespace find under a name.
fn address_in(state: &State, namespace: &str, name: &str) -> IpAddr {
    let (_, found) = found(state, &format!("{name}.{}", search_domain(namespace)), "A");
    found.concat().parse().expect("one address")
}

#[test]
fn a_service_has_the_endpoints_that_it_asked_for_last() {
    let mut state = region();
    assert_eq!(asked(&mut state, "a", "http=web:80 tcp=web:81"), Ok(2));
    assert_eq!(asked(&mut state, "a", "http=web:80 tcp=web:81"), Ok(0), "nothing has changed");
    let before = address(&state, "web");
    assert_eq!(asked(&mut state, "a", "http=web:8080"), Ok(2));
    assert_eq!(address(&state, "web"), before, "a name keeps its address");
    assert_eq!(asked(&mut state, "b", "http=api:80"), Ok(1));
    assert_ne!(address(&state, "api"), before);
    assert_eq!(of_service(&state, &service("a")).count(), 1);
    let mut draft = Draft::new(&mut state);
    forget(&mut draft, &service("a"));
    assert_eq!(draft.keep().len(), 1);
    assert_eq!(of_service(&state, &service("b")).count(), 1);
}

#[test]
fn an_alias_is_one_services() {
    let mut state = region();
    asked(&mut state, "a", "http=web:80").expect("is free");
    let taken = asked(&mut state, "b", "http=web:80").expect_err("is taken");
    assert_eq!(
        taken.to_string(),
        "The client alias web:80 is in use by the port http of the service \
         arn:aws:ecs:us-east-1:123456789012:service/default/a."
    );
    assert_eq!(asked(&mut state, "b", "tcp=web:81"), Ok(1), "another port of the same name");
    let twice = asked(&mut state, "c", "http=c:80 tcp=c:80");
    assert!(matches!(twice, Err(Refusal::Taken { .. })), "{twice:?}");
    let known = asked(&mut state, "c", "http=web:82");
    assert!(matches!(known, Err(Refusal::Known { .. })), "{known:?}");
    assert_eq!(of_service(&state, &service("c")).count(), 0);
    assert_eq!(asked(&mut state, "a", "x=web:80"), Ok(2), "its own stands in nobody's way");
}

#[test]
fn names_are_the_addresses_of_their_endpoints_within_their_namespace() {
    let mut state = region();
    asked(&mut state, "a", "http=web:80 tcp=db.internal:5432").expect("is free");
    let within = |name: &str| format!("{name}.ns-1.service-connect.internal");
    for name in [within("web"), within("WEB").to_uppercase(), within("db.internal") + "."] {
        let (outcome, found) = found(&state, &name, "A");
        assert_eq!((outcome, found.len()), (Outcome::Found, 1), "{name}");
    }
    assert_eq!(found(&state, &within("web"), "AAAA"), (Outcome::NoData, Vec::new()));
    for (name, is_ours) in [
        ("web", false),
        ("db.internal", false),
        ("notservice-connect.internal", false),
        ("service-connect.internal", true),
        ("ns-1.service-connect.internal", true),
        ("internal.ns-1.service-connect.internal", true),
        ("x.web.ns-1.service-connect.internal", true),
        ("web.ns-2.service-connect.internal", true),
    ] {
        let (outcome, _) = found(&state, name, "A");
        assert_eq!(outcome == Outcome::NoSuchName, is_ours, "{name}: {outcome:?}");
    }
}

#[test]
fn one_name_in_two_namespaces_is_two() {
    let mut state = region();
    asked(&mut state, "a", "http=web:80").expect("is free");
    assert_eq!(asked_in(&mut state, "ns-2", "b", "http=web:80"), Ok(1));
    assert_ne!(address(&state, "web"), address_in(&state, "ns-2", "web"));
    let table = told(&state, Generation::default(), Vec::new());
    let served = |of: &str| {
        let it = table.load_balancers.iter().find(|it| it.arn.ends_with(of)).expect("is told");
        it.nodes.iter().map(|it| it.1).collect::<Vec<_>>()
    };
    assert_eq!(served("/a/http"), [address(&state, "web")]);
    assert_eq!(served("/b/http"), [address_in(&state, "ns-2", "web")]);
    let taken = asked_in(&mut state, "ns-2", "a", "http=web:80");
    assert!(matches!(taken, Err(Refusal::Taken { .. })), "{taken:?}");
    assert_eq!(asked_in(&mut state, "ns-3", "a", "http=web:80"), Ok(1), "a service may move");
}

#[test]
fn no_address_is_given_twice() {
    let mut state = region();
    let mut seen = std::collections::BTreeSet::new();
    for number in 0..300 {
        let name = format!("s{number}");
        asked(&mut state, &name, &format!("http={name}:80")).expect("has room");
        let address = address(&state, &name);
        assert!(seen.insert(address), "{address}");
        let subnets = &state.region().get(&()).expect("is there").subnets;
        let IpAddr::V4(address) = address else { panic!("IPv4") };
        let own = subnets.iter().find(|it| it.base >> 12 == address.to_bits() >> 12);
        let own = own.expect("of a subnet");
        assert!(Some(address.to_bits()) >= subnets::first_of_load_balancers(own));
    }
}

#[test]
fn balancers_are_told_of_endpoints_and_the_tasks_behind_them() {
    let mut state = region();
    asked(&mut state, "a", "http=web:80 tcp=db:5432").expect("is free");
    let arn = "arn:aws:ecs:us-east-1:123456789012:service-connect/default/a/http";
    state.apply(Change::from(Target {
        key: TargetKey { group: arn.into(), id: "172.31.4.4".into(), port: 8080 },
        address: Some(IpAddr::from([172, 31, 4, 4])),
        zone: None,
        registered_at: Timestamp(1),
        draining: None,
        seen: BTreeMap::new(),
        service: Some(service("a")),
    }));
    let table = told(&state, Generation::default(), Vec::new());
    assert!(table.load_balancers.is_sorted_by_key(|it| it.arn.clone()));
    assert!(table.groups.is_sorted_by_key(|it| it.arn.clone()));
    let served: Vec<_> = table
        .load_balancers
        .iter()
        .flat_map(|it| it.listeners.iter().map(|port| (it.kind, port.protocol, port.port)))
        .collect();
    let http = (LoadBalancerKind::Application, ListenerProtocol::Http, 80);
    assert_eq!(served, [http, (LoadBalancerKind::Network, ListenerProtocol::Tcp, 5432)]);
    let group = table.groups.first().expect("is told");
    assert_eq!((group.arn.as_str(), group.targets.len()), (arn, 1));
    let compiled = Compiled::new(table, None);
    let balanced = compiled.load_balancers.first().expect("is told");
    assert!(balanced.attributes.cross_zone && balanced.attributes.preserve_host_header);
    assert!(!balanced.attributes.machine_addresses);
    assert_eq!(balanced.attributes.timeout_idle, IDLE_REQUESTS);
    let group = compiled.groups.first().expect("is told");
    assert_eq!(group.attributes.deregistration_delay, DRAINING);
}

/// A definition with ports `http` (appProtocol http), `grpc` (grpc), `db` (none) and `dns` (UDP).
fn definition(network: NetworkMode) -> TaskDefinition {
    let port = |name: &str, app_protocol, protocol| shape::PortMapping {
        name: Some(name.into()),
        container_port: Some(80),
        app_protocol,
        protocol: Some(protocol),
        ..shape::PortMapping::default()
    };
    let tcp = shape::TransportProtocol::Tcp;
    let container = shape::ContainerDefinition {
        name: Some("app".into()),
        port_mappings: Some(vec![
            port("http", Some(shape::ApplicationProtocol::Http), tcp.clone()),
            port("grpc", Some(shape::ApplicationProtocol::Grpc), tcp.clone()),
            port("db", None, tcp),
            port("dns", None, shape::TransportProtocol::Udp),
        ]),
        ..shape::ContainerDefinition::default()
    };
    let spec = shape::RegisterTaskDefinitionRequest {
        container_definitions: Some(vec![container]),
        ..shape::RegisterTaskDefinitionRequest::default()
    };
    TaskDefinition {
        revision: Revision { family: Family::parse("web").expect("valid"), number: 1 },
        status: DefinitionStatus::Active,
        spec: stored::to_vec(&spec),
        demand: Demand::default(),
        network,
        requires: Vec::new(),
        member_of: Vec::new(),
        registered_at: Timestamp(0),
        registered_by: String::new(),
        deregistered_at: None,
        delete_requested_at: None,
        tags: Vec::new(),
    }
}

fn with_namespace() -> State {
    let mut state = region();
    state.apply(Change::from(Namespace {
        id: "ns-1".into(),
        name: "shop".into(),
        http_name: "shop".into(),
        kind: NamespaceKind::Http,
        description: None,
        creator_request_id: None,
        created_by: "operation".into(),
        last_update: None,
        tags: Vec::new(),
        created_at: Timestamp(0),
    }));
    state
}

/// A configuration of one service: `port` is `name[,discovery name] [dns name]:port`.
fn configuration(port: &str) -> shape::ServiceConnectConfiguration {
    let (names, alias) = port.split_once(' ').unwrap_or((port, ""));
    let (port_name, discovery) = names.split_once(',').unwrap_or((names, ""));
    let alias = alias.split_once(':').map(|(name, port)| shape::ServiceConnectClientAlias {
        dns_name: Some(name.into()),
        port: port.parse().ok(),
        ..shape::ServiceConnectClientAlias::default()
    });
    let service = shape::ServiceConnectService {
        port_name: Some(port_name.into()),
        discovery_name: Some(discovery.into()),
        client_aliases: Some(alias.into_iter().collect()),
        ..shape::ServiceConnectService::default()
    };
    shape::ServiceConnectConfiguration {
        enabled: Some(true),
        namespace: Some("shop".into()),
        services: Some(vec![service]),
        ..shape::ServiceConnectConfiguration::default()
    }
}

fn read(asked: &shape::ServiceConnectConfiguration) -> Result<Option<Wanted>, Unfit> {
    wanted(&with_namespace(), Some(asked), &definition(NetworkMode::Bridge))
}

/// What becomes of an entry: `discovery name name:port traffic`, or the error.
#[track_caller]
fn check(port: &str, expected: &str) {
    let found = match read(&configuration(port)) {
        Ok(found) => {
            let aliases = found.expect("is enabled").aliases;
            let shown = aliases.iter().map(|it| {
                let Alias { discovery_name, dns_name, port, traffic, .. } = it;
                format!("{discovery_name} {dns_name}:{port} {traffic:?}")
            });
            shown.collect::<String>()
        }
        Err(error) => error.to_string(),
    };
    assert!(found.contains(expected), "{port}: {found}");
}

#[test]
fn aliases_are_read_with_what_they_do_not_say() {
    check("http :80", "http http.shop:80 Requests");
    check("http,web :8080", "web web.shop:8080 Requests");
    check("http,web API:80", "web api:80 Requests");
    check("grpc rpc:50051", "grpc rpc:50051 Connections");
    check("db db.internal:5432", "db db.internal:5432 Connections");
    check("http", "");
    check("web :80", "portName(web) does not refer to any named PortMapping");
    check("dns :53", "is one of UDP");
    check("http,Web :80", "Invalid discoveryName");
    check("http 10.0.0.1:80", "Invalid dnsName");
    check("http a..b:80", "Invalid dnsName");
    check("http web:0", "between 1 and 65535");
    check("http web:65536", "between 1 and 65535");
}

#[test]
fn what_nothing_could_act_on_is_refused_by_name() {
    let change = |change: fn(&mut shape::ServiceConnectConfiguration)| {
        let mut asked = configuration("http web:80");
        change(&mut asked);
        read(&asked)
    };
    let unsupported = |it: Result<_, Unfit>| matches!(it, Err(Unfit::Unsupported(_)));
    assert!(unsupported(change(
        |it| it.log_configuration = Some(shape::LogConfiguration::default())
    )));
    let service = |change: fn(&mut shape::ServiceConnectService)| {
        let mut asked = configuration("http web:80");
        asked.services.iter_mut().flatten().for_each(change);
        read(&asked)
    };
    assert!(unsupported(service(|it| it.ingress_port_override = Some(81))));
    assert!(unsupported(service(|it| {
        it.tls = Some(shape::ServiceConnectTlsConfiguration::default());
    })));
    let timeout = |idle, request| shape::TimeoutConfiguration {
        idle_timeout_seconds: idle,
        per_request_timeout_seconds: request,
    };
    let mut asked = configuration("http web:80");
    asked.services.iter_mut().flatten().for_each(|it| it.timeout = Some(timeout(None, Some(15))));
    assert!(unsupported(read(&asked)));
    asked.services.iter_mut().flatten().for_each(|it| it.timeout = Some(timeout(Some(7), None)));
    let read = read(&asked).expect("is read").expect("is enabled");
    assert_eq!(read.aliases.first().and_then(|it| it.idle), Some(Duration::from_secs(7)));
}

#[test]
fn a_namespace_is_found_by_its_name_or_its_arn() {
    let state = with_namespace();
    let found = |name: Option<&str>, network| {
        let asked = shape::ServiceConnectConfiguration {
            namespace: name.map(str::to_owned),
            services: None,
            ..configuration("http")
        };
        wanted(&state, Some(&asked), &definition(network))
    };
    let arn = "arn:aws:servicediscovery:us-east-1:123456789012:namespace/ns-1";
    let client = Wanted { namespace: "ns-1".into(), aliases: Vec::new() };
    for name in ["shop", arn] {
        assert_eq!(found(Some(name), NetworkMode::Awsvpc), Ok(Some(client.clone())));
    }
    let missing = found(Some("other"), NetworkMode::Bridge);
    assert!(matches!(missing, Err(Unfit::Namespace(_))), "{missing:?}");
    let none = found(None, NetworkMode::Bridge);
    assert!(matches!(none, Err(Unfit::Invalid(_))), "{none:?}");
    let host = found(Some("shop"), NetworkMode::Host);
    assert!(matches!(host, Err(Unfit::Invalid(_))), "{host:?}");
    let mut off = configuration("nothing");
    off.enabled = Some(false);
    assert_eq!(wanted(&state, Some(&off), &definition(NetworkMode::None)), Ok(None));
}
