//! Instances: registered, found, healthy or not.

use super::*;

/// A service, an instance and its attributes.
type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

const ADDRESS: (&str, &str) = ("AWS_INSTANCE_IPV4", "10.0.0.1");

fn discover(region: &Fixture, ask: shape::DiscoverInstancesRequest) -> Vec<String> {
    let ask = shape::DiscoverInstancesRequest {
        namespace_name: Some("corp.local".into()),
        service_name: Some("web".into()),
        ..ask
    };
    let found = region.read(discover::discover_instances, ask).expect("is answered").instances;
    let mut ids: Vec<String> =
        found.into_iter().flatten().filter_map(|it| it.instance_id).collect();
    ids.sort();
    ids
}

fn revision(region: &Fixture) -> Option<i64> {
    let ask = shape::DiscoverInstancesRevisionRequest {
        namespace_name: Some("corp.local".into()),
        service_name: Some("web".into()),
        owner_account: None,
    };
    let found = region.read(discover::discover_instances_revision, ask).expect("is answered");
    found.instances_revision
}

/// A service of three instances: healthy, healthy, unhealthy.
fn three() -> (Fixture, String) {
    let mut region = region();
    let namespace = private(&mut region, "corp.local");
    let id = service(&mut region, &namespace, "web", &["A"]);
    for (instance, address, version) in
        [("a", "10.0.0.1", "1"), ("b", "10.0.0.2", "2"), ("c", "10.0.0.3", "2")]
    {
        let attributes = [("AWS_INSTANCE_IPV4", address), ("version", version)];
        register(&mut region, &id, instance, &attributes).expect("registers");
    }
    tell(&mut region, &id, "c", shape::CustomHealthStatus::Unhealthy).expect("is told");
    (region, id)
}

fn tell(
    region: &mut Fixture,
    service: &str,
    instance: &str,
    status: shape::CustomHealthStatus,
) -> Result<shapes::Empty, Error> {
    let ask = shape::UpdateInstanceCustomHealthStatusRequest {
        service_id: Some(service.into()),
        instance_id: Some(instance.into()),
        status: Some(status),
    };
    region.write(health::update_instance_custom_health_status, ask)
}

#[test]
fn instances_are_found_by_health_and_attributes() {
    use shape::HealthStatusFilter::{All, Healthy, HealthyOrElseAll, Unhealthy};
    let (region, _) = three();
    let ask = shape::DiscoverInstancesRequest::default;
    assert_eq!(discover(&region, ask()), ["a", "b", "c"]);
    for (filter, expected) in [
        (All, vec!["a", "b", "c"]),
        (Healthy, vec!["a", "b"]),
        (Unhealthy, vec!["c"]),
        (HealthyOrElseAll, vec!["a", "b"]),
    ] {
        let ask = shape::DiscoverInstancesRequest { health_status: Some(filter), ..ask() };
        assert_eq!(discover(&region, ask), expected);
    }
    let with = |version: &str| Some(map(&[("version", version)]));
    for (query, optional, expected) in [
        (with("2"), None, vec!["b", "c"]),
        (with("3"), None, vec![]),
        (None, with("1"), vec!["a"]),
        // Preferences that nobody meets are none.
        (None, with("3"), vec!["a", "b", "c"]),
        (with("2"), with("1"), vec!["b", "c"]),
    ] {
        let ask = shape::DiscoverInstancesRequest {
            query_parameters: query,
            optional_parameters: optional,
            ..ask()
        };
        assert_eq!(discover(&region, ask), expected);
    }
    let ask = shape::DiscoverInstancesRequest { max_results: Some(2), ..ask() };
    assert_eq!(discover(&region, ask).len(), 2);
}

#[test]
fn without_a_healthy_instance_all_are_found() {
    let (mut region, id) = three();
    for instance in ["a", "b"] {
        tell(&mut region, &id, instance, shape::CustomHealthStatus::Unhealthy).expect("is told");
    }
    let ask = shape::DiscoverInstancesRequest {
        health_status: Some(shape::HealthStatusFilter::HealthyOrElseAll),
        ..Default::default()
    };
    assert_eq!(discover(&region, ask).len(), 3);
    assert_eq!(resolved(&region, "web.corp.local", "A").len(), 3);
}

#[test]
fn every_change_of_instances_and_their_health_has_its_revision() {
    let (mut region, id) = three();
    assert_eq!(revision(&region), Some(4));
    tell(&mut region, &id, "c", shape::CustomHealthStatus::Unhealthy).expect("is told again");
    assert_eq!(revision(&region), Some(4));
    tell(&mut region, &id, "c", shape::CustomHealthStatus::Healthy).expect("is told");
    assert_eq!(revision(&region), Some(5));
    let ask = shape::GetInstancesHealthStatusRequest {
        service_id: Some(id),
        instances: Some(vec!["c".into()]),
        ..Default::default()
    };
    let found = region.read(health::get_instances_health_status, ask).expect("is answered");
    let status = found.status.expect("some");
    assert_eq!(
        status.into_iter().collect::<Vec<_>>(),
        [("c".to_owned(), shape::HealthStatus::Healthy)]
    );
}

#[test]
fn a_repeated_registration_is_one_and_another_one_replaces_the_attributes() {
    let (mut region, id) = three();
    let ask = shape::RegisterInstanceRequest {
        creator_request_id: Some("once".into()),
        ..instance_ask(&id, "d", &[ADDRESS])
    };
    let first = region.write(registration::register_instance, ask.clone()).expect("registers");
    let before = revision(&region);
    let again = region.write(registration::register_instance, ask.clone()).expect("again");
    assert_eq!((again, revision(&region)), (first.clone(), before));
    let other = shape::RegisterInstanceRequest {
        attributes: Some(map(&[("AWS_INSTANCE_IPV4", "10.0.0.9")])),
        ..ask
    };
    let refusal = region.write(registration::register_instance, other);
    let operation = first.operation_id.expect("an id");
    assert_eq!(refusal, Err(Error::DuplicateRequest(operation)));

    register(&mut region, &id, "d", &[("AWS_INSTANCE_IPV4", "10.0.0.9")]).expect("registers");
    assert!(resolved(&region, "web.corp.local", "A").contains(&"10.0.0.9".to_owned()));
    let ask = shape::ListInstancesRequest { service_id: Some(id), ..Default::default() };
    let listed = region.read(instances::list_instances, ask).expect("is listed").instances;
    assert_eq!(listed.map(|it| it.len()), Some(4));
}

#[test]
fn an_instance_must_have_what_its_services_records_tell() {
    let mut region = region();
    let namespace = private(&mut region, "corp.local");
    let a = service(&mut region, &namespace, "a", &["A"]);
    let both = service(&mut region, &namespace, "both", &["A", "AAAA"]);
    let srv = service(&mut region, &namespace, "srv", &["SRV"]);
    let port = ("AWS_INSTANCE_PORT", "80");
    let bad: [Case<'_>; 10] = [
        (&a, "i", &[]),
        (&a, "i", &[("AWS_INSTANCE_IPV4", "10.0.0")]),
        (&a, "i", &[("AWS_INSTANCE_IPV4", "fd00::1")]),
        (&a, "i", &[ADDRESS, ("AWS_INIT_HEALTH_STATUS", "FINE")]),
        (&a, "i", &[ADDRESS, ("AWS_EC2_INSTANCE_ID", "i-1")]),
        (&both, "i", &[ADDRESS]),
        (&srv, "i", &[ADDRESS]),
        (&srv, "i", &[port]),
        (&srv, "i", &[ADDRESS, ("AWS_INSTANCE_PORT", "70000")]),
        (&srv, "a..b", &[ADDRESS, port]),
    ];
    for (service, id, attributes) in bad {
        let refusal = register(&mut region, service, id, attributes);
        assert!(matches!(refusal, Err(Error::InvalidInput(_))), "{attributes:?}: {refusal:?}");
    }
    register(&mut region, &srv, "T-1", &[ADDRESS, port]).expect("registers");
    assert_eq!(resolved(&region, "srv.corp.local", "SRV"), ["1 1 80 T-1.srv.corp.local."]);
    assert_eq!(resolved(&region, "t-1.srv.corp.local", "A"), ["10.0.0.1"]);
}

#[test]
fn an_instance_may_be_unhealthy_from_the_beginning() {
    let (mut region, id) = three();
    let attributes = [("AWS_INSTANCE_IPV4", "10.0.0.4"), ("AWS_INIT_HEALTH_STATUS", "UNHEALTHY")];
    register(&mut region, &id, "d", &attributes).expect("registers");
    assert_eq!(resolved(&region, "web.corp.local", "A"), ["10.0.0.1", "10.0.0.2"]);
}

#[test]
fn health_is_told_only_where_it_is_custom() {
    let mut region = region();
    let namespace = http(&mut region, "shop");
    let ask = shape::CreateServiceRequest {
        health_check_custom_config: None,
        ..service_ask(&namespace, "web", &[])
    };
    let made = region.write(services::create_service, ask).expect("is made");
    let id = made.service.and_then(|it| it.id).expect("an id");
    register(&mut region, &id, "a", &[("any", "thing")]).expect("registers");
    let refusal = tell(&mut region, &id, "a", shape::CustomHealthStatus::Healthy);
    assert_eq!(refusal, Err(Error::CustomHealthNotFound(id)));
}

#[test]
fn an_ec2_instance_stands_for_its_address() {
    let mut region = region();
    let namespace = http(&mut region, "shop");
    let id = service(&mut region, &namespace, "web", &[]);
    let refusal = register(&mut region, &id, "a", &[("AWS_EC2_INSTANCE_ID", "i-none")]);
    assert!(matches!(refusal, Err(Error::InvalidInput(_))), "{refusal:?}");
    let instance = region.instance(7);
    let mut row = region.state.container_instance(instance).expect("is there").as_ref().clone();
    row.attributes.insert("landfall.address".into(), Some("172.31.0.7".into()));
    let ec2 = row.ec2_instance_id.clone();
    region.state.apply(row.into());
    register(&mut region, &id, "a", &[("AWS_EC2_INSTANCE_ID", &ec2)]).expect("registers");
    let ask = shape::GetInstanceRequest { service_id: Some(id), instance_id: Some("a".into()) };
    let found = region.read(instances::get_instance, ask).expect("is there").instance;
    let attributes = found.and_then(|it| it.attributes).expect("some");
    assert_eq!(attributes.get("AWS_INSTANCE_IPV4").map(String::as_str), Some("172.31.0.7"));
}

#[test]
fn what_is_not_there_is_not_found() {
    let (mut region, id) = three();
    let ask = shape::DiscoverInstancesRequest {
        namespace_name: Some("none".into()),
        service_name: Some("web".into()),
        ..Default::default()
    };
    let refusal = region.read(discover::discover_instances, ask.clone());
    assert_eq!(refusal, Err(Error::NamespaceNotFound("none".into())));
    for (other, expected) in [
        (
            shape::DiscoverInstancesRequest {
                namespace_name: Some("corp.local".into()),
                service_name: Some("none".into()),
                ..ask.clone()
            },
            Error::ServiceNotFound("none".into()),
        ),
        (
            shape::DiscoverInstancesRequest {
                namespace_name: Some("corp.local".into()),
                owner_account: Some("999999999999".into()),
                ..ask
            },
            Error::NamespaceNotFound("corp.local".into()),
        ),
    ] {
        assert_eq!(region.read(discover::discover_instances, other), Err(expected));
    }
    let gone =
        shape::DeregisterInstanceRequest { service_id: Some(id), instance_id: Some("none".into()) };
    let refusal = region.write(registration::deregister_instance, gone);
    assert_eq!(refusal, Err(Error::InstanceNotFound("none".into())));
}
