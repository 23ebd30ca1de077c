//! A region with a task definition, and short words for what is asked of services.

use shapes::ecs as shape;
use state::{Service, ServiceKey, ServiceStatus};
use types::{ClusterName, ServiceName};

use crate::ecs::services::*;
use crate::ecs::{Error, task_definitions};
use crate::fixture::{Fixture, region};

/// A region in which a family `web` is registered, whose container `app` has port 80.
pub(super) fn world() -> Fixture {
    let mut world = region();
    define(&mut world, "web", |_| {});
    world
}

/// Registers one more revision of a family.
pub(super) fn define(
    world: &mut Fixture,
    family: &str,
    change: impl FnOnce(&mut shape::RegisterTaskDefinitionRequest),
) {
    let port = shape::PortMapping { container_port: Some(80), ..Default::default() };
    let mut ask = shape::RegisterTaskDefinitionRequest {
        family: Some(family.into()),
        container_definitions: Some(vec![shape::ContainerDefinition {
            name: Some("app".into()),
            image: Some("nginx".into()),
            cpu: Some(256),
            memory: Some(200),
            port_mappings: Some(vec![port]),
            ..Default::default()
        }]),
        ..Default::default()
    };
    change(&mut ask);
    world.write(task_definitions::register_task_definition, ask).expect("registers");
}

/// A request for a service of two tasks.
pub(super) fn ask(name: &str) -> shape::CreateServiceRequest {
    shape::CreateServiceRequest {
        service_name: Some(name.into()),
        task_definition: Some("web".into()),
        desired_count: Some(2),
        ..Default::default()
    }
}

pub(super) fn create(
    world: &mut Fixture,
    ask: shape::CreateServiceRequest,
) -> Result<shape::Service, Error> {
    world.write(create_service, ask).map(|it| it.service.expect("a service"))
}

pub(super) fn update(
    world: &mut Fixture,
    name: &str,
    change: impl FnOnce(&mut shape::UpdateServiceRequest),
) -> Result<shape::Service, Error> {
    let mut ask = shape::UpdateServiceRequest { service: Some(name.into()), ..Default::default() };
    change(&mut ask);
    world.write(update_service, ask).map(|it| it.service.expect("a service"))
}

pub(super) fn delete(
    world: &mut Fixture,
    name: &str,
    force: bool,
) -> Result<shape::Service, Error> {
    let ask = shape::DeleteServiceRequest {
        service: Some(name.into()),
        force: Some(force),
        ..Default::default()
    };
    world.write(delete_service, ask).map(|it| it.service.expect("a service"))
}

pub(super) fn describe(world: &Fixture, name: &str) -> shape::DescribeServicesResponse {
    let ask =
        shape::DescribeServicesRequest { services: Some(vec![name.into()]), ..Default::default() };
    world.read(describe_services, ask).expect("answers")
}

pub(super) fn key(name: &str) -> ServiceKey {
    ServiceKey {
        cluster: ClusterName::parse("default").expect("valid"),
        name: ServiceName::parse(name).expect("valid"),
    }
}

pub(super) fn row(world: &Fixture, name: &str) -> Service {
    world.state.services().get(&key(name)).expect("a service").as_ref().clone()
}

/// What the scheduler does in the end with a service that drains.
pub(super) fn inactive(world: &mut Fixture, name: &str) {
    let row = Service { status: ServiceStatus::Inactive, ..row(world, name) };
    world.state.apply(row.into());
}
