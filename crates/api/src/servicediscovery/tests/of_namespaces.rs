//! Namespaces and their hosted zones.

use super::*;

fn get(region: &Fixture, id: &str) -> shape::Namespace {
    let ask = shape::GetNamespaceRequest { id: Some(id.into()) };
    region.read(namespaces::get_namespace, ask).expect("is there").namespace.expect("one")
}

fn listed(region: &Fixture, name: &str, condition: &str, value: &str) -> Vec<String> {
    let filter = shape::NamespaceFilter {
        name: Some(name.into()),
        condition: Some(condition.into()),
        values: Some(vec![value.into()]),
    };
    let ask = shape::ListNamespacesRequest { filters: Some(vec![filter]), ..Default::default() };
    let found = region.read(namespaces::list_namespaces, ask).expect("is listed").namespaces;
    found.into_iter().flatten().filter_map(|it| it.name).collect()
}

#[test]
fn a_private_namespace_has_a_hosted_zone_that_only_it_manages() {
    let mut region = region();
    let id = private(&mut region, "Corp.local");
    let shown = get(&region, &id);
    assert_eq!(shown.name.as_deref(), Some("Corp.local"));
    assert_eq!(shown.r#type, Some(shape::NamespaceType::DnsPrivate));
    assert_eq!(shown.service_count, Some(0));
    let dns = shown.properties.and_then(|it| it.dns_properties).expect("is of DNS");
    assert_eq!(dns.soa, Some(shape::SOA { ttl: Some(15) }));
    let zone = dns.hosted_zone_id.expect("a zone");
    assert_eq!(resolved(&region, "corp.local", "SOA").len(), 1);

    let found = region.state.hosted_zones().get(&zone).expect("is there");
    assert_eq!((found.name.as_str(), found.vpcs.len()), ("corp.local.", 1));

    let ask = shape::DeleteNamespaceRequest { id: Some(id) };
    region.write(namespaces::delete_namespace, ask).expect("is deleted");
    assert!(region.state.hosted_zones().is_empty());
    assert!(region.state.record_sets().is_empty());
    assert!(region.state.namespaces().is_empty());
}

#[test]
fn a_namespace_without_dns_says_that_it_has_no_soa_record() {
    let mut region = region();
    let id = http(&mut region, "shop");
    let dns = get(&region, &id).properties.and_then(|it| it.dns_properties).expect("is told");
    assert_eq!((dns.hosted_zone_id, dns.soa), (None, Some(shape::SOA { ttl: None })));
}

#[test]
fn a_repeated_creation_makes_nothing_and_gives_the_first_answer() {
    let mut region = region();
    let ask = shape::CreatePrivateDnsNamespaceRequest {
        creator_request_id: Some("once".into()),
        ..private_ask(&region, "corp.local")
    };
    let create = namespaces::create_private_dns_namespace;
    let first = region.write(create, ask.clone()).expect("is made");
    assert_eq!(region.write(create, ask.clone()).expect("again"), first);
    assert_eq!(region.state.namespaces().len(), 1);

    let id = target(&region, first.operation_id, "NAMESPACE");
    for other in [
        shape::CreatePrivateDnsNamespaceRequest {
            creator_request_id: Some("twice".into()),
            ..ask.clone()
        },
        shape::CreatePrivateDnsNamespaceRequest { description: Some("other".into()), ..ask },
    ] {
        match region.write(create, other) {
            Err(Error::NamespaceAlreadyExists(standing)) => {
                assert_eq!(standing.id, id);
                assert_eq!(standing.creator_request_id.as_deref(), Some("once"));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn one_name_may_be_of_an_http_namespace_and_of_a_private_one() {
    let mut region = region();
    private(&mut region, "corp.local");
    let id = http(&mut region, "corp.local");
    let name = |it: shape::Namespace| it.properties?.http_properties?.http_name;
    let own = name(get(&region, &id)).expect("a name");
    assert!(own.starts_with("corp.local-"), "{own}");
    assert_eq!(listed(&region, "HTTP_NAME", "EQ", "corp.local"), ["corp.local"]);
}

#[test]
fn lists_are_filtered() {
    let mut region = region();
    private(&mut region, "one.local");
    http(&mut region, "two");
    assert_eq!(listed(&region, "TYPE", "EQ", "HTTP"), ["two"]);
    assert_eq!(listed(&region, "TYPE", "IN", "DNS_PRIVATE"), ["one.local"]);
    assert_eq!(listed(&region, "NAME", "BEGINS_WITH", "one"), ["one.local"]);
    assert_eq!(listed(&region, "RESOURCE_OWNER", "EQ", "SELF").len(), 2);
    assert_eq!(listed(&region, "RESOURCE_OWNER", "EQ", "OTHER_ACCOUNTS").len(), 0);
}

#[test]
fn a_change_is_made_once_for_each_request() {
    let mut region = region();
    let id = private(&mut region, "corp.local");
    let soa = shape::SOAChange { ttl: Some(60) };
    let dns = shape::PrivateDnsPropertiesMutableChange { soa: Some(soa) };
    let ask = shape::UpdatePrivateDnsNamespaceRequest {
        id: Some(id.clone()),
        updater_request_id: Some("u".into()),
        namespace: Some(shape::PrivateDnsNamespaceChange {
            description: Some("ours".into()),
            properties: Some(shape::PrivateDnsNamespacePropertiesChange {
                dns_properties: Some(dns),
            }),
        }),
    };
    let update = namespace_changes::update_private_dns_namespace;
    let first = region.write(update, ask.clone()).expect("is changed");
    assert_eq!(region.write(update, ask).expect("again"), first);
    let shown = get(&region, &id);
    assert_eq!(shown.description.as_deref(), Some("ours"));
    let soa = shown.properties.and_then(|it| it.dns_properties?.soa?.ttl);
    assert_eq!(soa, Some(60));
    let authority = plan::names::resolve(&region.state, "none.corp.local", "A", 0).authority;
    assert_eq!(authority.map(|it| it.ttl), Some(60));

    let wrong = shape::UpdateHttpNamespaceRequest { id: Some(id), ..Default::default() };
    let refusal = region.write(namespace_changes::update_http_namespace, wrong);
    assert!(matches!(refusal, Err(Error::InvalidInput(_))), "{refusal:?}");
}

#[test]
fn what_no_namespace_can_be_is_refused() {
    let mut region = region();
    let create = namespaces::create_private_dns_namespace;
    for name in ["a..b", "arn:aws:local", &"a".repeat(64)] {
        let ask = private_ask(&region, name);
        let refusal = region.write(create, ask);
        assert!(matches!(refusal, Err(Error::InvalidInput(_))), "{name}: {refusal:?}");
    }
    let ask = shape::CreatePrivateDnsNamespaceRequest {
        vpc: Some("vpc-other".into()),
        ..private_ask(&region, "corp.local")
    };
    assert!(matches!(region.write(create, ask), Err(Error::InvalidInput(_))));
    let ask = shape::GetNamespaceRequest { id: Some("ns-none".into()) };
    let refusal = region.read(namespaces::get_namespace, ask);
    assert_eq!(refusal, Err(Error::NamespaceNotFound("ns-none".into())));
}

#[test]
fn a_namespace_is_found_by_its_arn_and_tagged() {
    let mut region = region();
    let id = http(&mut region, "shop");
    let arn = format!("arn:aws:servicediscovery:us-east-1:123456789012:namespace/{id}");
    assert_eq!(get(&region, &arn).arn.as_deref(), Some(arn.as_str()));
    let tag = |key: &str| shape::Tag { key: Some(key.into()), value: Some("1".into()) };
    let ask = shape::TagResourceRequest {
        resource_arn: Some(arn.clone()),
        tags: Some(vec![tag("a"), tag("b")]),
    };
    region.write(tags::tag_resource, ask).expect("is tagged");
    let ask = shape::UntagResourceRequest {
        resource_arn: Some(arn.clone()),
        tag_keys: Some(vec!["a".into()]),
    };
    region.write(tags::untag_resource, ask).expect("is untagged");
    let ask = shape::ListTagsForResourceRequest { resource_arn: Some(arn) };
    let left = region.read(tags::list_tags_for_resource, ask).expect("is listed").tags;
    assert_eq!(left, Some(vec![tag("b")]));
    let ask = shape::ListTagsForResourceRequest { resource_arn: Some("arn:none".into()) };
    let refusal = region.read(tags::list_tags_for_resource, ask);
    assert_eq!(refusal, Err(Error::ResourceNotFound("arn:none".into())));
}

#[test]
fn operations_are_remembered_up_to_a_limit_and_listed_by_what_they_were_about() {
    let mut region = region();
    let id = private(&mut region, "corp.local");
    let service = service(&mut region, &id, "web", &["A"]);
    for _ in 0..10_010 {
        region.step(|draft, context| {
            let id = operations::new_id(context);
            let targets = [(operations::SERVICE, service.as_str())];
            operations::note(draft, context, &id, operations::Kind::UpdateService, &targets);
        });
        region.now = types::Timestamp(region.now.0 + 1);
    }
    assert_eq!(region.state.discovery_operations().len(), 10_000);
    let list = |name: &str, value: &str| {
        let filter = shape::OperationFilter {
            name: Some(name.into()),
            values: Some(vec![value.into()]),
            condition: None,
        };
        let filters = Some(vec![filter]);
        let ask = shape::ListOperationsRequest { filters, ..Default::default() };
        let found = region.read(operations::list_operations, ask).expect("is listed");
        (found.operations.map_or(0, |it| it.len()), found.next_token.is_some())
    };
    assert_eq!(list("SERVICE_ID", &service), (100, true));
    assert_eq!(list("TYPE", "CREATE_NAMESPACE"), (0, false));
    assert_eq!(list("STATUS", "FAIL"), (0, false));
}
