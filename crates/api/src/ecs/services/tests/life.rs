use shapes::ecs as shape;
use state::{ServiceDeploymentKey, ServiceDeploymentStatus};

use super::world::*;
use crate::ecs::Error;
use crate::ecs::services::list_services;

#[test]
fn a_new_service_has_a_primary_deployment_and_no_tasks() {
    let mut world = world();
    let made = create(&mut world, ask("api")).expect("creates");
    let arn = "arn:aws:ecs:us-east-1:123456789012:service/default/api";
    assert_eq!(made.service_arn.as_deref(), Some(arn));
    assert_eq!(made.status.as_deref(), Some("ACTIVE"));
    assert_eq!(
        (made.desired_count, made.running_count, made.pending_count),
        (Some(2), Some(0), Some(0))
    );
    let [primary] = &made.deployments.clone().expect("deployments")[..] else { panic!("one") };
    assert_eq!(primary.status.as_deref(), Some("PRIMARY"));
    assert_eq!(primary.rollout_state, Some(shape::DeploymentRolloutState::InProgress));
    let id = primary.id.clone().expect("an id");
    assert_eq!(id.len(), "ecs-svc/".len() + 19);
    assert_eq!(primary.rollout_state_reason, Some(format!("ECS deployment {id} in progress.")));
    let definition = "arn:aws:ecs:us-east-1:123456789012:task-definition/web:1";
    assert_eq!(primary.task_definition.as_deref(), Some(definition));
    assert_eq!(describe(&world, "api").services, Some(vec![made.clone()]));
    assert_eq!(describe(&world, arn).services, Some(vec![made]));
    assert_eq!(describe(&world, "other").failures.map(|it| it.len()), Some(1));
}

#[test]
fn the_same_service_again_is_the_one_that_stands_and_another_of_its_name_is_refused() {
    let mut world = world();
    let made = create(&mut world, ask("api")).expect("creates");
    let before = world.state.clone();
    assert_eq!(create(&mut world, ask("api")), Ok(made));
    assert!(world.state == before, "nothing changes");
    let other = shape::CreateServiceRequest { desired_count: Some(3), ..ask("api") };
    let refused = Error::invalid("Creation of service was not idempotent.");
    assert_eq!(create(&mut world, other), Err(refused));
}

#[test]
fn a_client_token_is_good_for_what_was_asked_with_it_even_after_an_update() {
    let mut world = world();
    let first = shape::CreateServiceRequest { client_token: Some("t".into()), ..ask("api") };
    create(&mut world, first.clone()).expect("creates");
    update(&mut world, "api", |it| it.desired_count = Some(5)).expect("updates");
    let again = create(&mut world, first.clone()).expect("the one that stands");
    assert_eq!(again.desired_count, Some(5));
    let other = shape::CreateServiceRequest { desired_count: Some(3), ..first };
    assert!(create(&mut world, other).is_err());
    assert!(create(&mut world, ask("api")).is_err(), "without the token it is another content");
}

#[test]
fn a_count_starts_no_deployment_and_a_task_definition_does() {
    let mut world = world();
    create(&mut world, ask("api")).expect("creates");
    let first = row(&world, "api").deployments[0].clone();
    let scaled = update(&mut world, "api", |it| it.desired_count = Some(4)).expect("updates");
    assert_eq!(scaled.desired_count, Some(4));
    assert_eq!(row(&world, "api").deployments, std::slice::from_ref(&first));
    let same = update(&mut world, "api", |it| it.task_definition = Some("web:1".into()));
    assert_eq!(same.map(|it| it.deployments.map(|it| it.len())), Ok(Some(1)));

    define(&mut world, "web", |_| {});
    update(&mut world, "api", |it| it.task_definition = Some("web".into())).expect("updates");
    let [primary, old] = &row(&world, "api").deployments[..] else { panic!("two deployments") };
    assert_eq!(*old, first);
    let record = |id| {
        let key = ServiceDeploymentKey { service: key("api"), id };
        world.state.service_deployments().get(&key).expect("a record").as_ref().clone()
    };
    assert_eq!(record(old.service_deployment).status, ServiceDeploymentStatus::Stopped);
    let new = record(primary.service_deployment);
    assert_eq!(new.status, ServiceDeploymentStatus::Pending);
    assert_eq!((new.sources, new.target), (vec![old.revision], primary.revision));
    let shown = describe(&world, "api").services.expect("services").remove(0);
    let statuses: Vec<_> =
        shown.deployments.expect("two").into_iter().filter_map(|it| it.status).collect();
    assert_eq!(statuses, ["PRIMARY", "ACTIVE"]);
}

#[test]
fn a_forced_deployment_is_of_the_same_task_definition() {
    let mut world = world();
    create(&mut world, ask("api")).expect("creates");
    let shown = update(&mut world, "api", |it| it.force_new_deployment = Some(true));
    let deployments = shown.expect("updates").deployments.expect("deployments");
    assert_eq!(deployments.len(), 2);
    assert_eq!(deployments[0].task_definition, deployments[1].task_definition);
}

#[test]
fn a_service_above_zero_is_deleted_by_force_only_and_its_name_is_free_once_it_is_inactive() {
    let mut world = world();
    create(&mut world, ask("api")).expect("creates");
    let refused = Error::invalid("The service cannot be stopped while it is scaled above 0.");
    assert_eq!(delete(&mut world, "api", false), Err(refused));
    let deleted = delete(&mut world, "api", true).expect("deletes");
    assert_eq!((deleted.status.as_deref(), deleted.desired_count), (Some("DRAINING"), Some(0)));
    assert_eq!(delete(&mut world, "api", false), Ok(deleted), "a repeat changes nothing");
    let draining = Error::invalid("Unable to Start a service that is still Draining.");
    assert_eq!(create(&mut world, ask("api")), Err(draining));
    let update_of = |world: &mut _| update(world, "api", |_| {}).map(drop);
    assert_eq!(update_of(&mut world), Err(Error::ServiceNotActive));
    inactive(&mut world, "api");
    assert_eq!(update_of(&mut world), Err(Error::ServiceNotActive));
    assert_eq!(delete(&mut world, "api", true), Err(Error::ServiceNotFound));
    assert_eq!(create(&mut world, ask("api")).map(|it| it.status), Ok(Some("ACTIVE".into())));
}

#[test]
fn services_are_listed_by_name_in_pages_and_only_active_ones() {
    let mut world = world();
    for name in ["b", "a", "c", "d"] {
        create(&mut world, ask(name)).expect("creates");
    }
    delete(&mut world, "c", true).expect("deletes");
    let list = |token: Option<String>| {
        let ask = shape::ListServicesRequest {
            max_results: Some(2),
            next_token: token,
            ..Default::default()
        };
        let page = world.read(list_services, ask).expect("answers");
        let names = page.service_arns.expect("a list").into_iter();
        let names = names.map(|it| it.rsplit('/').next().map(str::to_owned).expect("a name"));
        (names.collect::<Vec<_>>(), page.next_token)
    };
    let (first, token) = list(None);
    assert_eq!(first, ["a", "b"]);
    assert_eq!(list(token), (vec!["d".to_owned()], None));
    let daemons = shape::ListServicesRequest {
        scheduling_strategy: Some(shape::SchedulingStrategy::Daemon),
        ..Default::default()
    };
    assert_eq!(world.read(list_services, daemons).map(|it| it.service_arns), Ok(Some(vec![])));
}
