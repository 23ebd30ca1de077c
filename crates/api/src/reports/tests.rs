use shapes::ecs as shape;
use state::{AccessKey, Binding, Change, Desired, Health, Purpose, Status, Stop, StopCode, Task};
use types::{ClusterName, InstanceId, Port, TaskId, Timestamp};

use super::*;
use crate::ecs::{Error, task_definitions, tasks};
use crate::fixture::{Fixture, home, region};

mod tasks_over;

type Report = shape::SubmitTaskStateChangeRequest;

/// A region with one instance and one pending task of two containers, `init` (not essential) and
/// `app`, made with a client token.
fn world() -> (Fixture, TaskId) {
    let mut world = region();
    world.instance(1);
    let container = |name: &str, essential| shape::ContainerDefinition {
        name: Some(name.into()),
        image: Some("nginx".into()),
        cpu: Some(128),
        memory: Some(100),
        essential: Some(essential),
        ..Default::default()
    };
    let definition = shape::RegisterTaskDefinitionRequest {
        family: Some("web".into()),
        container_definitions: Some(vec![container("init", false), container("app", true)]),
        ..Default::default()
    };
    world.write(task_definitions::register_task_definition, definition).expect("registers");
    let ask = shape::RunTaskRequest {
        task_definition: Some("web".into()),
        client_token: Some("t-1".into()),
        ..Default::default()
    };
    world.write(tasks::run_task, ask).expect("answers");
    let id = *world.state.tasks().keys().next().expect("a task");
    (world, id)
}

fn row(world: &Fixture, id: TaskId) -> Task {
    world.state.task(id).expect("a task").as_ref().clone()
}

fn app(task: &Task) -> state::Container {
    task.containers.iter().find(|it| it.name.as_str() == "app").expect("a container").clone()
}

/// A report as the genuine agent words it: the reason is there and empty.
fn says(id: TaskId, status: &str, containers: Vec<shape::ContainerStateChange>) -> Report {
    Report {
        cluster: Some("default".into()),
        task: Some(home().task(&ClusterName::parse("default").expect("valid"), id)),
        status: Some(status.into()),
        reason: Some(String::new()),
        containers: Some(containers),
        ..Default::default()
    }
}

fn of(name: &str, status: &str) -> shape::ContainerStateChange {
    shape::ContainerStateChange {
        container_name: Some(name.into()),
        runtime_id: Some(format!("runtime-{name}")),
        status: Some(status.into()),
        ..Default::default()
    }
}

fn exited(name: &str, code: i32) -> shape::ContainerStateChange {
    shape::ContainerStateChange { exit_code: Some(code), ..of(name, "STOPPED") }
}

fn failed(name: &str, reason: &str) -> shape::ContainerStateChange {
    shape::ContainerStateChange {
        container_name: Some(name.into()),
        reason: Some(reason.into()),
        status: Some("STOPPED".into()),
        ..Default::default()
    }
}

/// Sends a report and checks what must hold after every one.
fn send(world: &mut Fixture, report: Report) -> Result<(), Error> {
    let answer = world.write(submit_task_state_change, report)?;
    assert_eq!(answer.acknowledgment.as_deref(), Some("OK"));
    assert_eq!(plan::placement::verify(&world.state), Vec::<String>::new());
    Ok(())
}

fn running(world: &mut Fixture, id: TaskId) {
    send(world, says(id, "RUNNING", vec![exited("init", 0), of("app", "RUNNING")])).expect("taken");
}

#[test]
fn a_task_runs_when_its_agent_says_so_and_ends_when_it_says_so() {
    let (mut world, id) = world();
    let before = row(&world, id);
    world.now = Timestamp(world.now.0 + 1000);
    running(&mut world, id);
    let task = row(&world, id);
    assert_eq!((task.last, task.desired), (Status::Running, Desired::Running));
    assert_eq!((task.started_at, task.connected_at), (Some(world.now), Some(world.now)));
    assert_eq!(task.version, before.version + 1);
    assert_eq!(app(&task).runtime_id.as_deref(), Some("runtime-app"));

    world.now = Timestamp(world.now.0 + 1000);
    let report = Report {
        execution_stopped_at: Some(shapes::Timestamp(world.now.0 - 7)),
        ..says(id, "STOPPED", vec![exited("app", 3)])
    };
    send(&mut world, report).expect("taken");
    let task = row(&world, id);
    assert_eq!((task.last, task.desired, task.released), (Status::Stopped, Desired::Stopped, true));
    assert_eq!(task.stopped_at, Some(world.now));
    assert_eq!(task.execution_stopped_at, Some(Timestamp(world.now.0 - 7)));
    assert_eq!(app(&task).exit_code, Some(3));
    let stop = task.stop.expect("a stop");
    assert_eq!(stop.code, StopCode::EssentialContainerExited);
    assert_eq!(stop.reason, "Essential container in task exited");
    assert!(world.state.indexes().held_on(task.instance).is_empty());
}

#[test]
fn one_report_may_tell_a_container_s_start_and_its_end() {
    let (mut world, id) = world();
    let both = vec![of("init", "RUNNING"), exited("init", 0), of("app", "RUNNING")];
    send(&mut world, says(id, "RUNNING", both)).expect("taken");
    let task = row(&world, id);
    assert_eq!((task.containers[0].last, task.containers[0].exit_code), (Status::Stopped, Some(0)));
    assert_eq!(task.containers[1].last, Status::Running);
}

#[test]
fn an_exit_code_counts_only_with_the_end() {
    let (mut world, id) = world();
    // Docker shows 0 for what still runs, and agents pass that on.
    let early = shape::ContainerStateChange { exit_code: Some(0), ..of("app", "RUNNING") };
    send(&mut world, says(id, "RUNNING", vec![early])).expect("taken");
    assert_eq!(app(&row(&world, id)).exit_code, None);
    send(&mut world, says(id, "STOPPED", vec![exited("app", 137)])).expect("taken");
    assert_eq!(app(&row(&world, id)).exit_code, Some(137));
}

#[test]
fn a_report_said_twice_is_taken_once() {
    let (mut world, id) = world();
    for report in [
        says(id, "RUNNING", vec![of("app", "RUNNING")]),
        says(id, "STOPPED", vec![exited("app", 1)]),
    ] {
        send(&mut world, report.clone()).expect("taken");
        let once = world.state.clone();
        world.now = Timestamp(world.now.0 + 1000);
        send(&mut world, report).expect("acknowledged");
        assert!(world.state == once);
    }
}

#[test]
fn nothing_goes_back_when_reports_come_out_of_order() {
    let (mut world, id) = world();
    running(&mut world, id);
    for earlier in ["PULLED", "CREATED", "PENDING", "NONE"] {
        let before = world.state.clone();
        send(&mut world, says(id, earlier, vec![of("app", earlier)])).expect("acknowledged");
        assert!(world.state == before, "{earlier}");
    }
    send(&mut world, says(id, "STOPPED", vec![exited("app", 0)])).expect("taken");
    let before = world.state.clone();
    running(&mut world, id);
    send(&mut world, says(id, "STOPPED", vec![exited("app", 9)])).expect("acknowledged");
    assert!(world.state == before, "a stopped task stays as it stopped");
}

#[test]
fn times_of_the_pull_are_kept_as_first_said() {
    let (mut world, id) = world();
    let report = |at: i64| Report {
        pull_started_at: Some(shapes::Timestamp(at)),
        pull_stopped_at: Some(shapes::Timestamp(at + 5)),
        ..says(id, "RUNNING", vec![])
    };
    send(&mut world, report(1000)).expect("taken");
    send(&mut world, report(2000)).expect("acknowledged");
    let task = row(&world, id);
    assert_eq!(
        (task.pull_started_at, task.pull_stopped_at),
        (Some(Timestamp(1000)), Some(Timestamp(1005)))
    );
}

#[test]
fn published_ports_are_shown_one_by_one_and_as_ranges() {
    let (mut world, id) = world();
    let one = shape::NetworkBinding {
        bind_ip: Some("0.0.0.0".into()),
        container_port: Some(8080),
        host_port: Some(32_768),
        protocol: Some("tcp".into()),
        ..Default::default()
    };
    let range = shape::NetworkBinding {
        bind_ip: Some("0.0.0.0".into()),
        container_port_range: Some("100-199".into()),
        host_port_range: Some("49153-49252".into()),
        protocol: Some("udp".into()),
        ..Default::default()
    };
    let nonsense = shape::NetworkBinding {
        container_port: Some(70_000),
        host_port: Some(1),
        ..Default::default()
    };
    let change = shape::ContainerStateChange {
        network_bindings: Some(vec![one, range, nonsense]),
        ..of("app", "RUNNING")
    };
    send(&mut world, says(id, "RUNNING", vec![change])).expect("taken");
    let binding = |container, host, last: Option<(u16, u16)>| Binding {
        address: "0.0.0.0".into(),
        container,
        host,
        container_last: last.map(|it| it.0),
        host_last: last.map(|it| it.1),
    };
    let wanted = [
        binding(8080, Port::tcp(32_768), None),
        binding(100, Port::udp(49_153), Some((199, 49_252))),
    ];
    assert_eq!(app(&row(&world, id)).bindings, wanted);

    send(&mut world, says(id, "STOPPED", vec![exited("app", 0)])).expect("taken");
    assert_eq!(app(&row(&world, id)).bindings, wanted, "a report without ports takes none away");
}

#[test]
fn a_container_alone_can_be_reported_the_old_way() {
    let (mut world, id) = world();
    let ask = shape::SubmitContainerStateChangeRequest {
        cluster: Some("default".into()),
        task: Some(id.to_string()),
        container_name: Some("init".into()),
        runtime_id: Some("abc".into()),
        status: Some("STOPPED".into()),
        exit_code: Some(4),
        ..Default::default()
    };
    world.write(submit_container_state_change, ask).expect("taken");
    let task = row(&world, id);
    assert_eq!(task.containers[0].exit_code, Some(4));
    assert_eq!(task.last, Status::Pending, "that says nothing of the task");
}

#[test]
fn what_cannot_be_understood_is_refused_and_changes_nothing() {
    let (mut world, id) = world();
    let invalid = |it| matches!(it, Err(Error::InvalidParameter(_)));
    assert!(invalid(send(&mut world, says(id, "SLEEPING", vec![]))));
    assert!(invalid(send(&mut world, says(TaskId::new(9), "RUNNING", vec![]))));
    assert!(invalid(send(&mut world, Report { task: None, ..says(id, "RUNNING", vec![]) })));
    let nowhere = Report { cluster: Some("nope".into()), ..says(id, "RUNNING", vec![]) };
    assert_eq!(send(&mut world, nowhere), Err(Error::ClusterNotFound));

    let before = row(&world, id);
    let strangers = vec![of("nobody", "STOPPED"), of("app", "SLEEPING")];
    send(&mut world, says(id, "", strangers)).expect("acknowledged");
    let after = row(&world, id);
    assert_eq!((after.last, app(&after).last), (before.last, app(&before).last));
}

#[test]
fn long_reasons_are_cut_at_1024_characters() {
    let (mut world, id) = world();
    let long = "ü".repeat(2000);
    let report =
        Report { reason: Some(long.clone()), ..says(id, "STOPPED", vec![failed("app", &long)]) };
    send(&mut world, report).expect("taken");
    let task = row(&world, id);
    assert_eq!(task.stop.clone().expect("a stop").reason.chars().count(), 1024);
    assert_eq!(app(&task).reason.expect("a reason").chars().count(), 1024);
}

#[test]
fn only_who_registered_an_instance_reports_for_it() {
    let (mut world, id) = world();
    let key = |name: &str, purpose| AccessKey {
        id: name.into(),
        secret: "secret".into(),
        session_token: None,
        expires_at: None,
        purpose,
        created_at: Timestamp(0),
    };
    let agent = Purpose::Agent(ClusterName::parse("default").expect("valid"));
    let of_task = Purpose::Task { task: id, role: "arn:aws:iam::123456789012:role/r".into() };
    for (name, purpose) in [("AKIAAGENT", agent), ("ASIATASK", of_task)] {
        world.state.apply(Change::from(key(name, purpose)));
        world.access_key = name.into();
        let refused = send(&mut world, says(id, "RUNNING", vec![]));
        assert!(matches!(refused, Err(Error::AccessDenied(_))), "{name}: {refused:?}");
    }
    let instance = world.state.container_instance(InstanceId::new(1)).expect("a row");
    let mine = state::ContainerInstance { owner: "AKIAAGENT".into(), ..instance.as_ref().clone() };
    world.state.apply(mine.into());
    world.access_key = "AKIAAGENT".into();
    send(&mut world, says(id, "RUNNING", vec![])).expect("taken");
}

#[test]
fn agents_are_led_back_to_where_they_came_from() {
    let world = region();
    let ask = |cluster: &str| shape::DiscoverPollEndpointRequest {
        cluster: Some(cluster.into()),
        container_instance: Some("anything".into()),
    };
    let answer = world.read(discover_poll_endpoint, ask("default")).expect("answers");
    assert_eq!(answer.endpoint.as_deref(), Some("http://127.0.0.1:4566/acs/"));
    assert_eq!(answer.telemetry_endpoint.as_deref(), Some("http://127.0.0.1:4566/tcs/"));
    assert_eq!(world.read(discover_poll_endpoint, ask("nope")), Err(Error::ClusterNotFound));
}

#[test]
fn attachments_are_acknowledged() {
    let mut world = region();
    let ask = shape::SubmitAttachmentStateChangesRequest::default();
    let answer = world.write(submit_attachment_state_changes, ask).expect("answers");
    assert_eq!(answer.acknowledgment.as_deref(), Some("OK"));
}

#[test]
fn health_is_what_the_last_check_says_and_changes_the_task_only_when_it_changes() {
    let (mut world, id) = world();
    running(&mut world, id);
    let checked = |health| [Checked { container: "app".into(), health }];
    let before = row(&world, id);
    world.step(|draft, _| super::health(draft, InstanceId::new(1), id, &checked(Health::Healthy)));
    let task = row(&world, id);
    assert_eq!((app(&task).health, task.version), (Health::Healthy, before.version + 1));
    assert_eq!(task.containers[0].health, Health::Unknown);
    for (health, rises) in [(Health::Healthy, 0), (Health::Unhealthy, 1)] {
        let before = row(&world, id).version;
        world.step(|draft, _| super::health(draft, InstanceId::new(1), id, &checked(health)));
        assert_eq!(row(&world, id).version, before + rises, "{health:?}");
    }
    send(&mut world, says(id, "STOPPED", vec![exited("app", 0)])).expect("taken");
    let over = world.state.clone();
    world.step(|draft, _| super::health(draft, InstanceId::new(1), id, &checked(Health::Healthy)));
    world.step(|draft, _| {
        super::health(draft, InstanceId::new(1), TaskId::new(9), &checked(Health::Healthy));
    });
    assert!(world.state == over);
    assert_eq!(world.state.recomputed_indexes(), *world.state.indexes());
}

#[test]
fn an_instance_says_nothing_of_the_health_of_others_tasks() {
    let (mut world, id) = world();
    let other = world.instance(2);
    let before = world.state.clone();
    let checked = [Checked { container: "app".into(), health: Health::Unhealthy }];
    world.step(|draft, _| super::health(draft, other, id, &checked));
    assert!(world.state == before);
    world.step(|draft, _| super::health(draft, InstanceId::new(1), id, &checked));
    assert_eq!(app(&row(&world, id)).health, Health::Unhealthy);
}
