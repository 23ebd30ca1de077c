use state::{DefinitionStatus, Demand, NetworkMode, Service, ServiceStatus, TaskDefinition};
use types::Timestamp;

use super::fixture::{MINUTE, World, instance, revision, stopped, task};
use super::target_registration::{service, service_revision};
use crate::Policy;

fn definition(status: DefinitionStatus) -> TaskDefinition {
    TaskDefinition {
        revision: revision(),
        status,
        spec: Vec::new(),
        demand: Demand::default(),
        network: NetworkMode::Bridge,
        requires: Vec::new(),
        member_of: Vec::new(),
        registered_at: Timestamp(0),
        registered_by: String::new(),
        deregistered_at: None,
        delete_requested_at: None,
        tags: Vec::new(),
    }
}

#[test]
fn a_definition_goes_with_the_last_task_that_runs_it() {
    let mut world = World::new(Policy::default());
    world.put(instance(1));
    world.put(task(7, 1));
    world.put(task(8, 1));
    world.put(definition(DefinitionStatus::DeleteInProgress));
    world.put(stopped(&task(7, 1), 0));
    world.run_until(MINUTE);
    assert!(world.state.task_definition(&revision()).is_some(), "one task still refers to it");
    world.put(stopped(&task(8, 1), MINUTE));
    world.run_until(MINUTE);
    assert!(world.state.task_definition(&revision()).is_none());
}

#[test]
fn a_definition_that_nothing_refers_to_goes_at_once() {
    let mut world = World::new(Policy::default());
    world.put(definition(DefinitionStatus::DeleteInProgress));
    world.run_until(0);
    assert!(world.state.task_definition(&revision()).is_none());
}

#[test]
fn a_definition_outlives_every_service_that_has_a_deployment_of_it() {
    let mut world = World::new(Policy::default());
    world.put(service_revision(&[]));
    world.put(service());
    world.put(definition(DefinitionStatus::DeleteInProgress));
    world.run_until(MINUTE);
    assert!(
        world.state.task_definition(&revision()).is_some(),
        "a service would start tasks of it"
    );
    world.put(Service { status: ServiceStatus::Inactive, ..service() });
    world.run_until(2 * MINUTE);
    assert!(world.state.task_definition(&revision()).is_none());
}

#[test]
fn nobody_deletes_what_nobody_asked_to_delete() {
    for status in [DefinitionStatus::Active, DefinitionStatus::Inactive] {
        let mut world = World::new(Policy::default());
        world.put(definition(status));
        world.put(stopped(&task(7, 1), 0));
        world.run_until(MINUTE);
        assert!(world.state.task_definition(&revision()).is_some(), "{status:?}");
    }
}
