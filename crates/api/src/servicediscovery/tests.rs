//! Requests as clients send them.

mod of_instances;
mod of_namespaces;
mod of_services;

use std::collections::BTreeMap;

use shapes::servicediscovery as shape;

use super::*;
use crate::fixture::{self, Fixture};

pub(super) fn region() -> Fixture {
    fixture::region()
}

pub(super) fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// What an operation was about.
fn target(region: &Fixture, operation: Option<String>, kind: &str) -> String {
    let ask = shape::GetOperationRequest { operation_id: operation, ..Default::default() };
    let found = region.read(operations::get_operation, ask).expect("is there").operation;
    let found = found.expect("an operation");
    assert_eq!(found.status, Some(shape::OperationStatus::Success));
    found.targets.expect("targets").remove(kind).expect("a target")
}

/// Makes a private namespace and answers its id.
pub(super) fn private(region: &mut Fixture, name: &str) -> String {
    let ask = private_ask(region, name);
    let made = region.write(namespaces::create_private_dns_namespace, ask).expect("is made");
    target(region, made.operation_id, "NAMESPACE")
}

pub(super) fn private_ask(region: &Fixture, name: &str) -> shape::CreatePrivateDnsNamespaceRequest {
    let vpc = region.state.region().get(&()).map(|it| it.vpc.clone());
    shape::CreatePrivateDnsNamespaceRequest { name: Some(name.into()), vpc, ..Default::default() }
}

/// Makes an HTTP namespace and answers its id.
pub(super) fn http(region: &mut Fixture, name: &str) -> String {
    let ask = shape::CreateHttpNamespaceRequest { name: Some(name.into()), ..Default::default() };
    let made = region.write(namespaces::create_http_namespace, ask).expect("is made");
    target(region, made.operation_id, "NAMESPACE")
}

pub(super) fn records(kinds: &[&str]) -> shape::DnsConfig {
    let record = |it: &&str| shape::DnsRecord { r#type: Some((*it).into()), ttl: Some(10) };
    shape::DnsConfig { dns_records: Some(kinds.iter().map(record).collect()), ..Default::default() }
}

pub(super) fn service_ask(
    namespace: &str,
    name: &str,
    kinds: &[&str],
) -> shape::CreateServiceRequest {
    shape::CreateServiceRequest {
        name: Some(name.into()),
        namespace_id: Some(namespace.into()),
        dns_config: (!kinds.is_empty()).then(|| records(kinds)),
        health_check_custom_config: Some(shape::HealthCheckCustomConfig::default()),
        ..Default::default()
    }
}

/// Makes a service with custom health and answers its id.
pub(super) fn service(region: &mut Fixture, namespace: &str, name: &str, kinds: &[&str]) -> String {
    let ask = service_ask(namespace, name, kinds);
    let made = region.write(services::create_service, ask).expect("is made");
    made.service.and_then(|it| it.id).expect("an id")
}

pub(super) fn instance_ask(
    service: &str,
    id: &str,
    attributes: &[(&str, &str)],
) -> shape::RegisterInstanceRequest {
    shape::RegisterInstanceRequest {
        service_id: Some(service.into()),
        instance_id: Some(id.into()),
        attributes: Some(map(attributes)),
        creator_request_id: None,
    }
}

/// Registers an instance.
pub(super) fn register(
    region: &mut Fixture,
    service: &str,
    id: &str,
    attributes: &[(&str, &str)],
) -> Result<Option<String>, Error> {
    let ask = instance_ask(service, id, attributes);
    region.write(registration::register_instance, ask).map(|it| it.operation_id)
}

/// What DNS says: values in order.
pub(super) fn resolved(region: &Fixture, name: &str, kind: &str) -> Vec<String> {
    let found = plan::names::resolve(&region.state, name, kind, 0).records;
    let mut values: Vec<String> = found.into_iter().map(|it| it.value).collect();
    values.sort();
    values
}
