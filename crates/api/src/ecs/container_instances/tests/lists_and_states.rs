use shapes::ecs as shape;
use state::{InstanceStatus, Status, StopCode};

use super::*;

fn list(world: &Fixture, ask: shape::ListContainerInstancesRequest) -> Vec<String> {
    let answer = world.read(list_container_instances, ask).expect("lists");
    assert_eq!(answer.next_token, None);
    let tail = |it: String| it.rsplit('/').next().expect("a tail").trim_start_matches('0').into();
    answer.container_instance_arns.expect("ARNs").into_iter().map(tail).collect()
}

fn of_status(status: &str) -> shape::ListContainerInstancesRequest {
    shape::ListContainerInstancesRequest { status: Some(status.into()), ..Default::default() }
}

fn set(
    world: &mut Fixture,
    ids: &[InstanceId],
    status: &str,
) -> Result<shape::UpdateContainerInstancesStateResponse, Error> {
    let ask = shape::UpdateContainerInstancesStateRequest {
        cluster: None,
        container_instances: Some(ids.iter().map(ToString::to_string).collect()),
        status: Some(status.into()),
    };
    world.write(update_container_instances_state, ask)
}

fn deregister(
    world: &mut Fixture,
    id: InstanceId,
    force: bool,
) -> Result<shape::ContainerInstance, Error> {
    let ask = shape::DeregisterContainerInstanceRequest {
        cluster: None,
        container_instance: Some(id.to_string()),
        force: Some(force),
    };
    let answer = world.write(deregister_container_instance, ask);
    assert_eq!(plan::placement::verify(&world.state), Vec::<String>::new());
    Ok(answer?.container_instance.expect("an instance"))
}

#[test]
fn lists_follow_status_and_filter() {
    let mut world = region();
    let ids = [1, 2, 3].map(|it| world.instance(it));
    set(&mut world, &ids[1..2], "DRAINING").expect("drains");
    deregister(&mut world, ids[2], false).expect("deregisters");
    assert_eq!(list(&world, shape::ListContainerInstancesRequest::default()), ["1", "2"]);
    assert_eq!(list(&world, of_status("ACTIVE")), ["1"]);
    assert_eq!(list(&world, of_status("DRAINING")), ["2"]);

    let filtered = |filter: &str| shape::ListContainerInstancesRequest {
        filter: Some(filter.into()),
        ..Default::default()
    };
    assert_eq!(list(&world, filtered("agentConnected == true")), ["1", "2"]);
    assert_eq!(list(&world, filtered("ec2InstanceId == i-00000000000000002")), ["2"]);
    for bad in [filtered("agentConnected =="), of_status("SLEEPING")] {
        let refused = world.read(list_container_instances, bad);
        assert!(matches!(refused, Err(Error::InvalidParameter(_))), "{refused:?}");
    }
}

#[test]
fn pages_join_to_the_whole_list_though_it_changes_meanwhile() {
    let mut world = region();
    for bits in 1..=5 {
        world.instance(bits);
    }
    let page = |world: &Fixture, token: Option<String>| {
        let ask = shape::ListContainerInstancesRequest {
            max_results: Some(2),
            next_token: token,
            ..Default::default()
        };
        let answer = world.read(list_container_instances, ask).expect("lists");
        (answer.container_instance_arns.expect("ARNs").len(), answer.next_token)
    };
    let (count, token) = page(&world, None);
    assert_eq!(count, 2);
    deregister(&mut world, InstanceId::new(1), false).expect("deregisters");
    deregister(&mut world, InstanceId::new(2), false).expect("deregisters");
    let (count, token) = page(&world, token);
    assert_eq!(count, 2, "the page begins where the last one ended");
    let (count, token) = page(&world, token);
    assert_eq!((count, token), (1, None));
}

#[test]
fn a_draining_instance_takes_no_new_tasks_and_can_come_back() {
    let mut world = region();
    let id = world.instance(1);
    assert_eq!(run(&mut world, 1).len(), 1);
    let drained = set(&mut world, &[id], "DRAINING").expect("drains");
    let row = &drained.container_instances.as_ref().expect("instances")[0];
    assert_eq!(row.status.as_deref(), Some("DRAINING"));
    assert_eq!(row.pending_tasks_count, Some(1), "what is there stays");
    let version = row.version;

    let ask = shape::RunTaskRequest { task_definition: Some("web".into()), ..Default::default() };
    let answer = world.write(tasks::run_task, ask.clone());
    assert!(answer.is_err() || answer.is_ok_and(|it| it.tasks == Some(vec![])));

    let same = set(&mut world, &[id], "DRAINING").expect("drains");
    assert_eq!(same.container_instances.expect("instances")[0].version, version);
    set(&mut world, &[id], "ACTIVE").expect("comes back");
    let answer = world.write(tasks::run_task, ask).expect("answers");
    assert_eq!(answer.tasks.map(|it| it.len()), Some(1));
}

#[test]
fn states_are_set_one_by_one_and_what_is_not_there_is_told() {
    let mut world = region();
    let ids = [1, 2].map(|it| world.instance(it));
    deregister(&mut world, ids[1], false).expect("deregisters");
    let three = [ids[0], ids[1], InstanceId::new(9)];
    let answer = set(&mut world, &three, "DRAINING").expect("answers");
    assert_eq!(answer.container_instances.map(|it| it.len()), Some(1));
    let reasons: Vec<_> =
        answer.failures.into_iter().flatten().filter_map(|it| it.reason).collect();
    assert_eq!(reasons, ["INACTIVE", "MISSING"]);

    let eleven: Vec<_> = (1..=11).map(InstanceId::new).collect();
    for (ids, status) in [(&ids[..1], "INACTIVE"), (&ids[..0], "ACTIVE"), (&eleven, "ACTIVE")] {
        let refused = set(&mut world, ids, status);
        assert!(matches!(refused, Err(Error::InvalidParameter(_))), "{status} {ids:?}");
    }
}

#[test]
fn an_instance_with_running_tasks_goes_only_by_force() {
    let mut world = region();
    let id = world.instance(1);
    run(&mut world, 2);
    let refused = deregister(&mut world, id, false);
    assert_eq!(refused, Err(Error::invalid("Found running tasks on the instance.")));
    for task in world.state.tasks().values().cloned().collect::<Vec<_>>() {
        let stop = state::Stop { code: StopCode::UserInitiated, reason: "enough".into() };
        world.step(|draft, context| plan::tasks::ask_to_stop(draft, &task, stop, context.now));
    }
    let refused = deregister(&mut world, id, false);
    assert_eq!(refused, Err(Error::invalid("Found running tasks on the instance.")), "stopping");

    let gone = deregister(&mut world, id, true).expect("deregisters");
    assert_eq!(gone.status.as_deref(), Some("INACTIVE"));
    assert_eq!(gone.agent_connected, Some(false));
    assert_eq!(gone.pending_tasks_count, Some(0));
    for task in world.state.tasks().values() {
        assert_eq!((task.last, task.released), (Status::Stopped, true));
        assert_eq!(task.stop.as_ref().map(|it| it.code), Some(StopCode::UserInitiated));
    }
    assert!(world.state.indexes().held_on(id).is_empty());
}

#[test]
fn a_deregistered_instance_stays_describable_and_is_never_registered_again() {
    let mut world = region();
    let first = register(&mut world, asked()).expect("registers");
    deregister(&mut world, id(&first), false).expect("deregisters");
    let row = world.state.container_instance(id(&first)).expect("describable");
    assert_eq!(row.status, InstanceStatus::Inactive);

    let again = deregister(&mut world, id(&first), false);
    assert!(matches!(again, Err(Error::InvalidParameter(_))), "{again:?}");
    let by_name = shape::RegisterContainerInstanceRequest {
        container_instance_arn: Some(arn(&first)),
        ..asked()
    };
    assert!(register(&mut world, by_name).is_err());
    let afresh = register(&mut world, asked()).expect("registers");
    assert_ne!(arn(&afresh), arn(&first), "the machine is a new instance");
}
