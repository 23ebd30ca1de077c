//! Services: what they may be, and what becomes of them.

use super::*;

fn get(region: &Fixture, id: &str) -> shape::Service {
    let ask = shape::GetServiceRequest { id: Some(id.into()) };
    region.read(services::get_service, ask).expect("is there").service.expect("one")
}

#[test]
fn a_service_is_shown_as_it_was_asked_for() {
    let mut region = region();
    let namespace = private(&mut region, "corp.local");
    let id = service(&mut region, &namespace, "web", &["A", "AAAA"]);
    let shown = get(&region, &id);
    assert_eq!(shown.r#type, Some(shape::ServiceType::DnsHttp));
    assert_eq!(shown.namespace_id.as_ref(), Some(&namespace));
    assert_eq!(shown.health_check_custom_config.and_then(|it| it.failure_threshold), Some(1));
    let config = shown.dns_config.expect("records");
    assert_eq!(config.routing_policy, Some(shape::RoutingPolicy::Multivalue));
    assert_eq!(config.dns_records.map(|it| it.len()), Some(2));
    assert_eq!(get(&region, &shown.arn.expect("an ARN")).id, Some(id));
}

#[test]
fn a_repeated_creation_gives_the_same_service_and_another_one_is_refused() {
    let mut region = region();
    let namespace = private(&mut region, "corp.local");
    let ask = shape::CreateServiceRequest {
        creator_request_id: Some("once".into()),
        ..service_ask(&namespace, "web", &["A"])
    };
    let first = region.write(services::create_service, ask.clone()).expect("is made");
    assert_eq!(region.write(services::create_service, ask.clone()).expect("again"), first);
    let id = first.service.and_then(|it| it.id).expect("an id");
    // Names of DNS have no case.
    for name in ["web", "WEB"] {
        let ask = shape::CreateServiceRequest {
            name: Some(name.into()),
            creator_request_id: None,
            ..ask.clone()
        };
        match region.write(services::create_service, ask) {
            Err(Error::ServiceAlreadyExists(standing)) => assert_eq!(standing.id, id),
            other => panic!("{other:?}"),
        }
    }
    let other = http(&mut region, "shop");
    service(&mut region, &other, "web", &[]);
    service(&mut region, &other, "WEB", &[]);
}

#[test]
fn what_no_service_can_be_is_refused() {
    let mut region = region();
    let private = private(&mut region, "corp.local");
    let http = http(&mut region, "shop");
    let plain = service_ask(&private, "web", &["A"]);
    let cname = |routing: Option<shape::RoutingPolicy>| shape::CreateServiceRequest {
        dns_config: Some(shape::DnsConfig { routing_policy: routing, ..records(&["CNAME"]) }),
        ..plain.clone()
    };
    let bad = [
        service_ask(&http, "web", &["A"]),
        service_ask(&private, "web", &["A", "SRV"]),
        service_ask(&private, "web", &["A", "A"]),
        service_ask(&private, ".", &["A"]),
        service_ask(&private, &"a".repeat(128), &[]),
        cname(None),
        shape::CreateServiceRequest {
            r#type: Some(shape::ServiceTypeOption::Http),
            ..plain.clone()
        },
        shape::CreateServiceRequest { namespace_id: None, ..plain.clone() },
        shape::CreateServiceRequest {
            health_check_config: Some(shape::HealthCheckConfig {
                r#type: Some(shape::HealthCheckType::Tcp),
                ..Default::default()
            }),
            ..plain.clone()
        },
    ];
    for ask in bad {
        let refusal = region.write(services::create_service, ask.clone());
        assert!(matches!(refusal, Err(Error::InvalidInput(_))), "{ask:?}: {refusal:?}");
    }
    let nowhere = service_ask("ns-none", "web", &[]);
    let refusal = region.write(services::create_service, nowhere);
    assert_eq!(refusal, Err(Error::NamespaceNotFound("ns-none".into())));
    let weighted = cname(Some(shape::RoutingPolicy::Weighted));
    region.write(services::create_service, weighted).expect("is made");
}

#[test]
fn a_change_of_records_is_a_change_of_answers() {
    let mut region = region();
    let namespace = private(&mut region, "corp.local");
    let id = service(&mut region, &namespace, "web", &["A"]);
    register(&mut region, &id, "i-1", &[("AWS_INSTANCE_IPV4", "10.0.0.1")]).expect("registers");
    let update = |records: Option<Vec<shape::DnsRecord>>| shape::UpdateServiceRequest {
        id: Some(id.clone()),
        service: Some(shape::ServiceChange {
            description: Some("changed".into()),
            dns_config: records.map(|it| shape::DnsConfigChange { dns_records: Some(it) }),
            health_check_config: None,
        }),
    };
    let record = |kind: &str| shape::DnsRecord { r#type: Some(kind.into()), ttl: Some(77) };
    // Nobody registered has a port.
    let refusal = region.write(services::update_service, update(Some(vec![record("SRV")])));
    assert!(matches!(refusal, Err(Error::InvalidInput(_))), "{refusal:?}");

    let done = region
        .write(services::update_service, update(Some(vec![record("A")])))
        .expect("is changed");
    assert_eq!(target(&region, done.operation_id, "SERVICE"), id);
    let found = plan::names::resolve(&region.state, "web.corp.local", "A", 0).records;
    assert_eq!(found.first().map(|it| it.ttl), Some(77));
    assert_eq!(get(&region, &id).description.as_deref(), Some("changed"));

    region.write(services::update_service, update(None)).expect("is changed");
    assert_eq!(get(&region, &id).r#type, Some(shape::ServiceType::Http));
    assert_eq!(resolved(&region, "web.corp.local", "A"), Vec::<String>::new());
}

#[test]
fn what_is_in_use_is_not_deleted() {
    let mut region = region();
    let namespace = private(&mut region, "corp.local");
    let id = service(&mut region, &namespace, "web", &["A"]);
    register(&mut region, &id, "i-1", &[("AWS_INSTANCE_IPV4", "10.0.0.1")]).expect("registers");
    let delete = || shape::DeleteServiceRequest { id: Some(id.clone()) };
    let refusal = region.write(services::delete_service, delete());
    assert!(matches!(refusal, Err(Error::ResourceInUse(_))), "{refusal:?}");
    let ask = shape::DeleteNamespaceRequest { id: Some(namespace.clone()) };
    let refusal = region.write(namespaces::delete_namespace, ask.clone());
    assert!(matches!(refusal, Err(Error::ResourceInUse(_))), "{refusal:?}");

    let gone = shape::DeregisterInstanceRequest {
        service_id: Some(id.clone()),
        instance_id: Some("i-1".into()),
    };
    region.write(registration::deregister_instance, gone).expect("is deregistered");
    region.write(services::delete_service, delete()).expect("is deleted");
    region.write(namespaces::delete_namespace, ask).expect("is deleted");
    assert!(region.state.discovery_services().is_empty());
}

#[test]
fn services_are_listed_by_namespace() {
    let mut region = region();
    let (one, two) = (private(&mut region, "one.local"), http(&mut region, "two"));
    let first = service(&mut region, &one, "web", &["A"]);
    service(&mut region, &two, "api", &[]);
    let list = |namespace: &str| {
        let filter = shape::ServiceFilter {
            name: Some(shape::ServiceFilterName::NamespaceId),
            values: Some(vec![namespace.into()]),
            condition: None,
        };
        let ask = shape::ListServicesRequest { filters: Some(vec![filter]), ..Default::default() };
        let found = region.read(services::list_services, ask).expect("is listed").services;
        found.into_iter().flatten().filter_map(|it| it.id).collect::<Vec<_>>()
    };
    assert_eq!(list(&one), [first]);
    assert_eq!(list("ns-none"), Vec::<String>::new());
    let all = shape::ListServicesRequest { max_results: Some(1), ..Default::default() };
    let page = region.read(services::list_services, all.clone()).expect("is listed");
    let rest = shape::ListServicesRequest { next_token: page.next_token, ..all };
    let rest = region.read(services::list_services, rest).expect("is listed");
    assert_eq!((rest.services.map(|it| it.len()), rest.next_token), (Some(1), None));
}

#[test]
fn owners_write_attributes_on_services() {
    let mut region = region();
    let namespace = http(&mut region, "shop");
    let id = service(&mut region, &namespace, "web", &[]);
    let update = |pairs: &[(&str, &str)]| shape::UpdateServiceAttributesRequest {
        service_id: Some(id.clone()),
        attributes: Some(map(pairs)),
    };
    let write = service_attributes::update_service_attributes;
    region.write(write, update(&[("a", "1"), ("b", "2")])).expect("is written");
    let ask = shape::DeleteServiceAttributesRequest {
        service_id: Some(id.clone()),
        attributes: Some(vec!["a".into(), "none".into()]),
    };
    region.write(service_attributes::delete_service_attributes, ask).expect("is deleted");
    let ask = shape::GetServiceAttributesRequest { service_id: Some(id.clone()) };
    let found = region.read(service_attributes::get_service_attributes, ask).expect("is there");
    let found = found.service_attributes.and_then(|it| it.attributes);
    assert_eq!(found, Some(map(&[("b", "2")])));
    let many: BTreeMap<String, String> =
        (0..30).map(|it| (format!("k{it}"), String::new())).collect();
    let ask = shape::UpdateServiceAttributesRequest {
        service_id: Some(id.clone()),
        attributes: Some(many),
    };
    let refusal = region.write(write, ask);
    assert_eq!(refusal, Err(Error::ServiceAttributesLimitExceeded(30)));
}
