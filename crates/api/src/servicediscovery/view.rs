//! Records of Cloud Map as the API shows them.

use shapes::Timestamp;
use shapes::servicediscovery as shape;
use state::{
    DiscoveryHealth, DiscoveryInstance, DiscoveryRouting, DiscoveryService, DnsRecord, DnsRecords,
    Namespace, NamespaceKind, State,
};

use super::{find, zone};

/// What a custom health check always has. Source: API Reference, `HealthCheckCustomConfig`.
const FAILURE_THRESHOLD: i32 = 1;

/// A namespace.
pub(super) fn namespace(state: &State, it: &Namespace) -> shape::Namespace {
    let summary = namespace_summary(state, it);
    shape::Namespace {
        arn: summary.arn,
        create_date: summary.create_date,
        creator_request_id: it.creator_request_id.clone(),
        description: summary.description,
        id: summary.id,
        name: summary.name,
        properties: summary.properties,
        resource_owner: summary.resource_owner,
        service_count: summary.service_count,
        r#type: summary.r#type,
    }
}

/// A namespace in a list. O(its services).
pub(super) fn namespace_summary(state: &State, it: &Namespace) -> shape::NamespaceSummary {
    let services = state.indexes().discovery().services_of(&it.id).count();
    let zone = it.kind.zone();
    let ttl = zone.and_then(|it| zone::soa_ttl(state, it)).map(i64::from);
    // AWS has an empty SOA record of namespaces without DNS.
    let dns = shape::DnsProperties {
        hosted_zone_id: zone.map(str::to_owned),
        soa: Some(shape::SOA { ttl }),
    };
    shape::NamespaceSummary {
        arn: Some(find::namespace_arn(state, &it.id)),
        create_date: Some(Timestamp(it.created_at.0)),
        description: it.description.clone(),
        id: Some(it.id.clone()),
        name: Some(it.name.clone()),
        properties: Some(shape::NamespaceProperties {
            dns_properties: Some(dns),
            http_properties: Some(shape::HttpProperties { http_name: Some(it.http_name.clone()) }),
        }),
        resource_owner: Some(state.home().account.to_string()),
        service_count: i32::try_from(services).ok(),
        r#type: Some(kind(&it.kind).into()),
    }
}

/// The type of a namespace.
pub(super) fn kind(kind: &NamespaceKind) -> &'static str {
    match kind {
        NamespaceKind::Http => "HTTP",
        NamespaceKind::PrivateDns { .. } => "DNS_PRIVATE",
        NamespaceKind::PublicDns { .. } => "DNS_PUBLIC",
    }
}

/// A service.
pub(super) fn service(state: &State, it: &DiscoveryService) -> shape::Service {
    let summary = service_summary(state, it);
    shape::Service {
        arn: summary.arn,
        create_date: summary.create_date,
        created_by_account: summary.created_by_account,
        creator_request_id: it.creator_request_id.clone(),
        description: summary.description,
        dns_config: summary.dns_config,
        health_check_config: None,
        health_check_custom_config: summary.health_check_custom_config,
        id: summary.id,
        instance_count: summary.instance_count,
        name: summary.name,
        namespace_id: Some(it.namespace.clone()),
        resource_owner: summary.resource_owner,
        r#type: summary.r#type,
    }
}

/// A service in a list.
pub(super) fn service_summary(state: &State, it: &DiscoveryService) -> shape::ServiceSummary {
    let account = state.home().account.to_string();
    let instances = state.indexes().discovery().registered(&it.id).len();
    let custom = shape::HealthCheckCustomConfig { failure_threshold: Some(FAILURE_THRESHOLD) };
    shape::ServiceSummary {
        arn: Some(find::service_arn(state, &it.id)),
        create_date: Some(Timestamp(it.created_at.0)),
        created_by_account: Some(account.clone()),
        description: it.description.clone(),
        dns_config: it.dns.as_ref().map(|dns| dns_config(&it.namespace, dns)),
        health_check_config: None,
        health_check_custom_config: it.custom_health.then_some(custom),
        id: Some(it.id.clone()),
        instance_count: i32::try_from(instances).ok(),
        name: Some(it.name.clone()),
        resource_owner: Some(account),
        r#type: Some(if it.dns.is_some() { "DNS_HTTP" } else { "HTTP" }.into()),
    }
}

fn dns_config(namespace: &str, dns: &DnsRecords) -> shape::DnsConfig {
    let record = |it: &DnsRecord| shape::DnsRecord {
        r#type: Some(it.kind.as_str().into()),
        ttl: Some(i64::from(it.ttl)),
    };
    shape::DnsConfig {
        namespace_id: Some(namespace.to_owned()),
        routing_policy: Some(routing(dns.routing)),
        dns_records: Some(dns.records.iter().map(record).collect()),
    }
}

/// A routing policy.
pub(super) fn routing(routing: DiscoveryRouting) -> shape::RoutingPolicy {
    match routing {
        DiscoveryRouting::Multivalue => shape::RoutingPolicy::Multivalue,
        DiscoveryRouting::Weighted => shape::RoutingPolicy::Weighted,
    }
}

/// An instance in a list.
pub(super) fn instance_summary(state: &State, it: &DiscoveryInstance) -> shape::InstanceSummary {
    shape::InstanceSummary {
        id: Some(it.key.id.clone()),
        attributes: Some(it.attributes.clone()),
        created_by_account: Some(state.home().account.to_string()),
    }
}

/// The health of an instance; nobody knows it where the service has no health check.
pub(super) fn health(it: &DiscoveryInstance) -> shape::HealthStatus {
    match it.health {
        None => shape::HealthStatus::Unknown,
        Some(DiscoveryHealth::Healthy) => shape::HealthStatus::Healthy,
        Some(DiscoveryHealth::Unhealthy) => shape::HealthStatus::Unhealthy,
    }
}
