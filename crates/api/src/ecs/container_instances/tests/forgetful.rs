//! Machines that are known and do not say their names: agents without memory, and late copies.

use state::{CHANGES_MAX, Draft, StopCode};

use super::*;

type Ask = shape::RegisterContainerInstanceRequest;

/// The call of a process that knows nothing yet.
fn life(number: u32) -> Ask {
    Ask { client_token: Some(format!("life-{number}")), ..asked() }
}

/// An instance with a standing session and two tasks.
fn at_work() -> (Fixture, InstanceId) {
    let mut world = region();
    let first = register(&mut world, life(1)).expect("registers");
    connect(&mut world, id(&first));
    run(&mut world, 2);
    (world, id(&first))
}

fn living(world: &Fixture) -> usize {
    world.state.tasks().values().filter(|it| !it.is_over()).count()
}

#[test]
fn a_machine_that_forgot_its_name_is_the_same_instance_without_its_tasks() {
    let (mut world, known) = at_work();
    let second = register(&mut world, life(2)).expect("registers");
    assert_eq!(id(&second), known);
    assert_eq!((second.running_tasks_count, second.pending_tasks_count), (Some(0), Some(0)));
    assert_eq!(second.remaining_resources, second.registered_resources, "nothing is held");
    for task in world.state.tasks().values() {
        let stop = task.stop.as_ref().expect("a reason");
        assert!(task.is_over() && task.released);
        assert_eq!(stop.code, StopCode::InfrastructureHealth);
        assert!(stop.reason.contains(&known.to_string()), "{}", stop.reason);
    }
}

#[test]
fn a_registration_anew_leaves_the_standing_session_of_the_instance_connected() {
    let (mut world, known) = at_work();
    register(&mut world, life(2)).expect("registers");
    assert!(world.state.container_instance(known).expect("a row").connected);
    world.step(|draft, context| plan::instances::disconnect(draft, known, context.now));
    register(&mut world, life(3)).expect("registers");
    assert!(!world.state.container_instance(known).expect("a row").connected);
}

#[test]
fn a_draining_instance_that_forgot_its_name_drains_on() {
    let (mut world, known) = at_work();
    let mut row = world.state.container_instance(known).expect("a row").as_ref().clone();
    row.status = state::InstanceStatus::Draining;
    world.step(|draft, _| draft.change(state::Change::from(row)));
    register(&mut world, life(2)).expect("registers");
    let row = world.state.container_instance(known).expect("a row");
    assert_eq!(row.status, state::InstanceStatus::Draining);
}

#[test]
fn a_late_copy_of_any_registration_ends_nothing_and_gets_the_instance() {
    let (mut world, known) = at_work();
    let before = world.state.clone();
    let again = register(&mut world, life(1)).expect("registers");
    assert_eq!(id(&again), known);
    assert!(world.state.container_instances() == before.container_instances());
    assert_eq!(living(&world), 2, "over the standing session");

    register(&mut world, life(2)).expect("registers");
    connect(&mut world, known);
    run(&mut world, 3);
    world.step(|draft, context| plan::instances::disconnect(draft, known, context.now));
    for late in [1, 2] {
        register(&mut world, life(late)).expect("registers");
        assert_eq!(living(&world), 3, "the copy of life {late}, and no session");
    }
}

#[test]
fn an_instance_remembers_its_latest_registrations_only() {
    let mut world = region();
    for number in 0..40 {
        register(&mut world, life(number)).expect("registers");
    }
    let row = world.state.container_instances().values().next().expect("a row");
    let remembered = row.registrations.clone().expect("some");
    assert_eq!((remembered.len(), remembered[15].as_str()), (16, "life-39"));
}

#[test]
fn a_call_that_says_neither_name_nor_token_ends_no_tasks() {
    let (mut world, _) = at_work();
    let ask = Ask { client_token: None, ..asked() };
    let refused = register(&mut world, ask.clone());
    assert!(matches!(refused, Err(Error::InvalidParameter(_))), "{refused:?}");
    assert_eq!(living(&world), 2);

    let mut world = region();
    let first = register(&mut world, ask.clone()).expect("registers");
    assert_eq!(arn(&register(&mut world, ask).expect("registers")), arn(&first));
}

#[test]
fn client_tokens_are_bounded() {
    for length in [0, 65] {
        let ask = Ask { client_token: Some("x".repeat(length)), ..asked() };
        let refused = register(&mut region(), ask);
        assert!(matches!(refused, Err(Error::InvalidParameter(_))), "{length}");
    }
}

/// Runs so many tasks, and has the instance forget them or taken out by force.
fn crowded(
    count: i32,
    leave: impl FnOnce(&mut Draft<'_>, &mut state::Context<'_>),
) -> (Fixture, usize) {
    let mut world = region();
    let set = vec![number("CPU", 1_000_000), number("MEMORY", 1_000_000)];
    let ask = Ask { total_resources: Some(set), ..life(1) };
    let first = register(&mut world, ask).expect("registers");
    connect(&mut world, id(&first));
    for _ in 0..count / 10 {
        run(&mut world, 10);
    }
    let changes = world.step(|draft, context| {
        leave(draft, context);
        draft.changes().len()
    });
    (world, changes)
}

fn forget(draft: &mut Draft<'_>, context: &mut state::Context<'_>) {
    let set = vec![number("CPU", 1_000_000), number("MEMORY", 1_000_000)];
    let ask = Ask { total_resources: Some(set), ..life(2) };
    register_container_instance(draft, ask, context).expect("registers");
}

fn take_out(draft: &mut Draft<'_>, context: &mut state::Context<'_>) {
    let id = *draft.state().container_instances().keys().next().expect("an instance");
    let ask = shape::DeregisterContainerInstanceRequest {
        container_instance: Some(id.to_string()),
        force: Some(true),
        ..Default::default()
    };
    deregister_container_instance(draft, ask, context).expect("deregisters");
}

#[test]
fn an_instance_with_hundreds_of_tasks_is_left_in_writes_of_a_hundred_changes() {
    for leave in [forget, take_out] {
        let (world, changes) = crowded(300, leave);
        assert!(changes < CHANGES_MAX, "{changes}");
        let over = world.state.tasks().values().filter(|it| it.is_over()).count();
        assert!((80..300).contains(&over), "{over} in the first step");
        assert!(world.state.tasks().values().all(|it| it.is_over() == it.released));
    }
}

#[test]
fn an_agent_without_memory_is_told_of_no_task_it_forgot_and_given_none_before_all_are_over() {
    let (mut world, _) = crowded(300, forget);
    let id = *world.state.container_instances().keys().next().expect("an instance");
    connect(&mut world, id);
    let told = plan::assignments::of(&world.state, id).expect("an instance");
    assert!(told.tasks.is_empty(), "it would start them once more");
    let ask = shape::RunTaskRequest { task_definition: Some("web".into()), ..Default::default() };
    let answer = world.write(tasks::run_task, ask.clone()).expect("answers");
    assert_eq!(answer.failures.expect("failures")[0].reason.as_deref(), Some("AGENT"));

    let mut steps = 0;
    while world.step(|draft, context| plan::instances::end_forgotten(draft, id, context.now))
        == plan::instances::Ended::Some
    {
        steps += 1;
        assert!(steps < 10);
    }
    assert_eq!(living(&world), 0);
    let answer = world.write(tasks::run_task, ask).expect("answers");
    assert_eq!(answer.failures, Some(vec![]));
}
