//! Namespaces, services and instances of Cloud Map.

use std::collections::BTreeMap;

use state::{
    DiscoveryHealth, DiscoveryInstance, DiscoveryInstanceKey, DiscoveryOperation, DiscoveryRouting,
    DiscoveryService, DnsRecord, DnsRecordKind, DnsRecords, NamedOperation, Namespace,
    NamespaceKind,
};

use super::{at, tags};

pub(super) fn all() -> Vec<super::Named> {
    vec![
        ("40-namespace", namespace().into()),
        ("40-namespace-public", public_namespace().into()),
        ("40-namespace-least", least_namespace().into()),
        ("41-discovery-service", service().into()),
        ("41-discovery-service-least", least_service().into()),
        ("42-discovery-instance", instance().into()),
        ("42-discovery-instance-least", least_instance().into()),
        ("43-discovery-operation", operation().into()),
    ]
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn request() -> NamedOperation {
    NamedOperation { request_id: "r-1".into(), operation: operation().id }
}

fn namespace() -> Namespace {
    Namespace {
        kind: NamespaceKind::PrivateDns { zone: "Z0123456789ABCDEFGHIJ".into() },
        description: Some("ours".into()),
        creator_request_id: Some("c-1".into()),
        last_update: Some(request()),
        tags: tags(),
        ..least_namespace()
    }
}

fn public_namespace() -> Namespace {
    Namespace {
        id: "ns-1123456789abcdef".into(),
        kind: NamespaceKind::PublicDns { zone: "Z1123456789ABCDEFGHIJ".into() },
        http_name: "local-0123abcd".into(),
        ..least_namespace()
    }
}

fn least_namespace() -> Namespace {
    Namespace {
        id: "ns-0123456789abcdef".into(),
        name: "local".into(),
        http_name: "local".into(),
        kind: NamespaceKind::Http,
        description: None,
        creator_request_id: None,
        created_by: operation().id,
        last_update: None,
        tags: Vec::new(),
        created_at: at(0),
    }
}

fn service() -> DiscoveryService {
    let record = |kind, ttl| DnsRecord { kind, ttl };
    DiscoveryService {
        description: Some("backends".into()),
        creator_request_id: Some("c-2".into()),
        dns: Some(DnsRecords {
            routing: DiscoveryRouting::Multivalue,
            records: vec![
                record(DnsRecordKind::A, 10),
                record(DnsRecordKind::Aaaa, 20),
                record(DnsRecordKind::Cname, 30),
                record(DnsRecordKind::Srv, 2_147_483_647),
            ],
        }),
        custom_health: true,
        attributes: map(&[("team", "blue")]),
        tags: tags(),
        revision: 7,
        ..least_service()
    }
}

fn least_service() -> DiscoveryService {
    DiscoveryService {
        id: "srv-0123456789abcdef".into(),
        namespace: namespace().id,
        name: "Backend".into(),
        description: None,
        creator_request_id: None,
        dns: None,
        custom_health: false,
        attributes: BTreeMap::new(),
        tags: Vec::new(),
        created_at: at(1),
        revision: 0,
    }
}

fn instance() -> DiscoveryInstance {
    DiscoveryInstance {
        attributes: map(&[("AWS_INSTANCE_IPV4", "172.31.16.4"), ("AWS_INSTANCE_PORT", "80")]),
        health: Some(DiscoveryHealth::Unhealthy),
        registration: Some(request()),
        ..least_instance()
    }
}

fn least_instance() -> DiscoveryInstance {
    DiscoveryInstance {
        key: DiscoveryInstanceKey { service: service().id, id: "I-1".into() },
        attributes: BTreeMap::new(),
        health: None,
        registration: None,
        created_at: at(2),
    }
}

fn operation() -> DiscoveryOperation {
    DiscoveryOperation {
        id: "000000000123456789abcdefghijklmn".into(),
        kind: "REGISTER_INSTANCE".into(),
        targets: map(&[("INSTANCE", "I-1"), ("SERVICE", "srv-0123456789abcdef")]),
        at: at(3),
    }
}
