//! Service Connect, as far as rows go.

use shapes::ecs as shape;
use state::{Namespace, NamespaceKind};
use types::Timestamp;

use super::world::{ask, create, define, delete, describe, row, update};
use crate::ecs::{Error, clusters};
use crate::fixture::{Fixture, region};

const ARN: &str = "arn:aws:servicediscovery:us-east-1:123456789012:namespace/ns-1";

/// A region with a namespace `shop` and a family `web` whose port 80 is named `http`.
fn world() -> Fixture {
    let mut world = region();
    define(&mut world, "web", |ask| {
        let containers = ask.container_definitions.iter_mut().flatten();
        for port in containers.flat_map(|it| it.port_mappings.iter_mut().flatten()) {
            port.name = Some("http".into());
        }
    });
    define(&mut world, "nameless", |_| {});
    world.state.apply(namespace("ns-1", "shop").into());
    world.state.apply(namespace("ns-2", "bank").into());
    world
}

fn namespace(id: &str, name: &str) -> Namespace {
    Namespace {
        id: id.into(),
        name: name.into(),
        http_name: name.into(),
        kind: NamespaceKind::Http,
        description: None,
        creator_request_id: None,
        created_by: "operation".into(),
        last_update: None,
        tags: Vec::new(),
        created_at: Timestamp(0),
    }
}

/// A configuration that makes port `http` reachable at that name and port 8080.
fn at(name: &str) -> shape::ServiceConnectConfiguration {
    let alias = shape::ServiceConnectClientAlias {
        dns_name: Some(name.into()),
        port: Some(8080),
        ..Default::default()
    };
    let service = shape::ServiceConnectService {
        port_name: Some("http".into()),
        discovery_name: Some(name.into()),
        client_aliases: Some(vec![alias]),
        ..Default::default()
    };
    shape::ServiceConnectConfiguration {
        enabled: Some(true),
        namespace: Some("shop".into()),
        services: Some(vec![service]),
        ..Default::default()
    }
}

fn connected(name: &str, alias: &str) -> shape::CreateServiceRequest {
    shape::CreateServiceRequest { service_connect_configuration: Some(at(alias)), ..ask(name) }
}

/// Names and ports that there are endpoints for.
fn endpoints(world: &Fixture) -> Vec<String> {
    let all = world.state.connect_endpoints().values();
    all.map(|it| format!("{}:{}", it.dns_name, it.port)).collect()
}

#[test]
fn a_service_has_the_endpoints_of_its_configuration() {
    let mut world = world();
    let made = create(&mut world, connected("a", "web")).expect("is made");
    let shown = made.deployments.expect("one").remove(0);
    assert_eq!(shown.service_connect_configuration, Some(at("web")));
    let known = shown.service_connect_resources.into_iter().flatten();
    let known: Vec<_> = known.filter_map(|it| it.discovery_name).collect();
    assert_eq!(known, ["web"]);
    assert_eq!(endpoints(&world), ["web:8080"]);
    update(&mut world, "a", |it| it.desired_count = Some(1)).expect("is updated");
    assert_eq!(endpoints(&world), ["web:8080"]);
    update(&mut world, "a", |it| it.service_connect_configuration = Some(at("api")))
        .expect("is updated");
    assert_eq!(endpoints(&world), ["api:8080"]);
    assert_eq!(row(&world, "a").deployments.len(), 2, "it takes a deployment");
    let off = shape::ServiceConnectConfiguration { enabled: Some(false), ..Default::default() };
    update(&mut world, "a", |it| it.service_connect_configuration = Some(off)).expect("updated");
    assert_eq!(endpoints(&world), Vec::<String>::new());
}

#[test]
fn an_alias_that_another_service_has_is_refused_and_nothing_is_made() {
    let mut world = world();
    create(&mut world, connected("a", "web")).expect("is made");
    let taken = create(&mut world, connected("b", "web"));
    let Err(Error::InvalidParameter(text)) = taken else { panic!("{taken:?}") };
    assert!(text.contains("web:8080 is in use by the port http of the service arn:"), "{text}");
    assert_eq!(world.state.services().len(), 1);
    create(&mut world, connected("c", "api")).expect("is made");
    let moved = update(&mut world, "c", |it| it.service_connect_configuration = Some(at("web")));
    assert!(matches!(moved, Err(Error::InvalidParameter(_))), "{moved:?}");
    assert_eq!(endpoints(&world), ["web:8080", "api:8080"]);
}

#[test]
fn each_namespace_has_names_of_its_own() {
    let mut world = world();
    create(&mut world, connected("a", "web")).expect("is made");
    let mut other = connected("b", "web");
    other.service_connect_configuration.as_mut().expect("given").namespace = Some("bank".into());
    create(&mut world, other).expect("is made");
    assert_eq!(endpoints(&world), ["web:8080", "web:8080"]);
    let moved = update(&mut world, "b", |it| it.service_connect_configuration = Some(at("web")));
    assert!(matches!(moved, Err(Error::InvalidParameter(_))), "{moved:?}");
}

#[test]
fn what_a_configuration_names_is_there() {
    let mut world = world();
    let mut elsewhere = connected("a", "web");
    elsewhere.service_connect_configuration.as_mut().expect("given").namespace = Some("x".into());
    let missing = create(&mut world, elsewhere);
    assert!(matches!(missing, Err(Error::NamespaceNotFound(_))), "{missing:?}");
    let definition = Some("nameless".into());
    let nameless =
        shape::CreateServiceRequest { task_definition: definition, ..connected("a", "web") };
    let refused = create(&mut world, nameless);
    let Err(Error::InvalidParameter(text)) = refused else { panic!("{refused:?}") };
    assert!(text.starts_with("portName(http) does not refer"), "{text}");
    let mut logged = connected("a", "web");
    let asked = logged.service_connect_configuration.as_mut().expect("given");
    asked.log_configuration = Some(shape::LogConfiguration::default());
    let refused = create(&mut world, logged);
    assert!(matches!(refused, Err(Error::UnsupportedFeature(_))), "{refused:?}");
    create(&mut world, connected("a", "web")).expect("is made");
    let other = update(&mut world, "a", |it| it.task_definition = Some("nameless".into()));
    assert!(matches!(other, Err(Error::InvalidParameter(_))), "{other:?}");
    assert_eq!(endpoints(&world), ["web:8080"]);
}

#[test]
fn the_default_namespace_of_a_cluster_is_that_of_services_that_name_none() {
    let mut world = world();
    let defaults = |name: &str| {
        let namespace = Some(name.to_owned());
        Some(shape::ClusterServiceConnectDefaultsRequest { namespace })
    };
    let mut set = |name: &str| {
        let ask = shape::UpdateClusterRequest {
            cluster: Some("default".into()),
            service_connect_defaults: defaults(name),
            ..Default::default()
        };
        let cluster = world.write(clusters::update_cluster, ask)?.cluster.expect("a cluster");
        Ok(cluster.service_connect_defaults.and_then(|it| it.namespace))
    };
    let unknown = set("arn:aws:servicediscovery:us-east-1:123456789012:namespace/ns-9");
    assert!(matches!(unknown, Err(Error::NamespaceNotFound(_))), "{unknown:?}");
    let slashed: Result<_, Error> = set("a/b");
    assert!(matches!(slashed, Err(Error::InvalidParameter(_))), "{slashed:?}");
    assert_eq!(set("shop"), Ok(Some(ARN.to_owned())));
    let mut request = connected("a", "web");
    request.service_connect_configuration.as_mut().expect("given").namespace = None;
    let made = create(&mut world, request).expect("is made");
    let shown = made.deployments.expect("one").remove(0).service_connect_configuration;
    assert_eq!(shown.and_then(|it| it.namespace).as_deref(), Some(ARN));
    assert_eq!(world.state.connect_endpoints().values().next().expect("one").namespace, "ns-1");
}

#[test]
fn endpoints_stay_while_a_deleted_service_drains() {
    let mut world = world();
    create(&mut world, connected("a", "web")).expect("is made");
    delete(&mut world, "a", true).expect("is deleted");
    assert_eq!(endpoints(&world), ["web:8080"], "what is under way ends");
    let shown = describe(&world, "a").services.expect("one").remove(0);
    assert_eq!(shown.status.as_deref(), Some("DRAINING"));
}
