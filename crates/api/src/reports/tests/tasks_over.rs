//! Why tasks stop, and what stopping frees.

use state::AccessKey;

use super::*;

const HOUR: i64 = 60 * 60 * 1000;

fn stop_of(reported: Vec<shape::ContainerStateChange>, ran_first: bool) -> Stop {
    let (mut world, id) = world();
    if ran_first {
        running(&mut world, id);
    }
    send(&mut world, says(id, "STOPPED", reported)).expect("taken");
    row(&world, id).stop.expect("a stop")
}

#[test]
fn the_stop_code_tells_whether_a_task_ever_ran() {
    const PULL: &str = "CannotPullImageManifestError: no such host";
    const START: &str = "CannotStartContainerError: port is already allocated";
    const DEPENDENCY: &str = "TaskDependencyError: init exited with 1";
    const NOT_STARTED: &str = "Task stopped before the container was started";
    const MEMORY: &str = "OutOfMemoryError: Container killed due to memory usage";
    let killed = |reason: &str, code| shape::ContainerStateChange {
        reason: Some(reason.into()),
        ..exited("app", code)
    };
    let exit = "Essential container in task exited";
    let cases = [
        (vec![exited("app", 0)], true, StopCode::EssentialContainerExited, exit),
        (vec![killed(MEMORY, 137)], true, StopCode::EssentialContainerExited, exit),
        // So short that the agent had no time to say RUNNING.
        (
            vec![exited("init", 0), exited("app", 3)],
            false,
            StopCode::EssentialContainerExited,
            exit,
        ),
        (vec![failed("app", PULL)], false, StopCode::TaskFailedToStart, PULL),
        // `init` had done its work; what the task is for never began.
        (vec![exited("init", 0), failed("app", START)], false, StopCode::TaskFailedToStart, START),
        (
            vec![exited("init", 1), failed("app", DEPENDENCY)],
            false,
            StopCode::TaskFailedToStart,
            DEPENDENCY,
        ),
        // Docker gives a command that is not there an exit code of its own.
        (vec![killed(START, 127)], false, StopCode::TaskFailedToStart, START),
        // What `app` took with it says nothing of the cause.
        (
            vec![exited("app", 11), failed("init", NOT_STARTED)],
            false,
            StopCode::EssentialContainerExited,
            exit,
        ),
        (vec![failed("app", NOT_STARTED)], false, StopCode::TaskFailedToStart, NOT_STARTED),
        (vec![], false, StopCode::TaskFailedToStart, "Task failed to start"),
    ];
    for (reported, ran_first, code, reason) in cases {
        let stop = stop_of(reported.clone(), ran_first);
        assert_eq!((stop.code, stop.reason.as_str()), (code, reason), "{reported:?}");
    }
}

#[test]
fn who_asked_first_is_the_reason() {
    let (mut world, id) = world();
    running(&mut world, id);
    let ask = shape::StopTaskRequest {
        task: Some(id.to_string()),
        reason: Some("enough".into()),
        ..Default::default()
    };
    world.write(tasks::stop_task, ask).expect("answers");
    send(&mut world, says(id, "STOPPED", vec![exited("app", 143)])).expect("taken");
    let stop = row(&world, id).stop.expect("a stop");
    assert_eq!((stop.code, stop.reason.as_str()), (StopCode::UserInitiated, "enough"));
}

#[test]
fn a_task_that_is_to_stop_may_still_be_said_to_run() {
    let (mut world, id) = world();
    let ask = shape::StopTaskRequest { task: Some(id.to_string()), ..Default::default() };
    world.write(tasks::stop_task, ask).expect("answers");
    running(&mut world, id);
    let task = row(&world, id);
    assert_eq!((task.last, task.desired), (Status::Running, Desired::Stopped));
}

#[test]
fn a_stop_frees_what_was_held_and_everything_that_hangs_on_the_task() {
    let (mut world, id) = world();
    let instance = row(&world, id).instance;
    world.state.apply(Change::from(AccessKey {
        id: "ASIATASK".into(),
        secret: "secret".into(),
        session_token: Some("session".into()),
        expires_at: Some(Timestamp(world.now.0 + 6 * HOUR)),
        purpose: Purpose::Task { task: id, role: "arn:aws:iam::123456789012:role/r".into() },
        created_at: world.now,
    }));
    let told = |world: &Fixture| world.state.assignments().get(&instance).map(|it| it.version);
    let before = told(&world);
    send(&mut world, says(id, "STOPPED", vec![exited("app", 0)])).expect("taken");
    assert!(world.state.indexes().keys_of(id).next().is_none());
    assert!(told(&world) > before, "the instance should hold less");
    let token = world.state.tokens().values().next().expect("a token");
    assert_eq!(token.expires_at, Timestamp(world.now.0 + HOUR));
}

#[test]
fn the_end_of_a_given_up_task_only_frees_what_it_held() {
    let (mut world, id) = world();
    running(&mut world, id);
    let lost = Stop { code: StopCode::InfrastructureHealth, reason: "lost".into() };
    let before = row(&world, id);
    world.step(|draft, context| plan::tasks::give_up(draft, &before, lost, context.now));
    let given_up = row(&world, id);
    assert!(given_up.is_over() && !given_up.released);

    running(&mut world, id);
    assert_eq!(row(&world, id), given_up, "its instance says that it still runs");
    send(&mut world, says(id, "STOPPED", vec![exited("app", 137)])).expect("taken");
    assert_eq!(row(&world, id), Task { released: true, ..given_up });
    assert!(world.state.indexes().held_on(before.instance).is_empty());
}

#[test]
fn containers_nobody_spoke_of_are_over_with_their_task() {
    let (mut world, id) = world();
    running(&mut world, id);
    send(&mut world, says(id, "STOPPED", vec![])).expect("taken");
    let task = row(&world, id);
    assert!(task.containers.iter().all(|it| it.last == Status::Stopped));
    assert_eq!(app(&task).exit_code, None, "nobody saw how it ended");
}

#[test]
fn reports_do_not_bring_a_task_back_that_leaves_its_target_groups() {
    let (mut world, id) = world();
    let running = says(id, "RUNNING", vec![of("app", "RUNNING")]);
    world.write(submit_task_state_change, running.clone()).expect("is taken in");
    for last in [Status::Deactivating, Status::Stopping] {
        world.state.apply(Task { last, desired: Desired::Stopped, ..row(&world, id) }.into());
        world.write(submit_task_state_change, running.clone()).expect("is taken in");
        assert_eq!(row(&world, id).last, last);
    }
    world.write(submit_task_state_change, says(id, "STOPPED", vec![])).expect("is taken in");
    assert!(row(&world, id).is_over());
}
