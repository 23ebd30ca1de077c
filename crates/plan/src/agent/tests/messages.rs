//! Payloads, manifests, credentials and admission.

use shapes::acs;

use super::bench::{Bench, arn};
use super::{check, container, task};
use crate::agent::{Closed, Effect, Input, Role, ServerMessage, SessionEvent, TaskArn};

fn broken() -> acs::Task {
    let mut it = container("app");
    it.docker_config.get_or_insert_default().host_config = Some("{\"CpuShares\": \"many\"}".into());
    task([it])
}

fn large() -> acs::Task {
    acs::Task { cpu: Some(0.75), ..task([container("app")]) }
}

fn with_port() -> acs::Task {
    let port_mappings = Some(vec![acs::PortMapping {
        container_port: Some(80),
        host_port: Some(8080),
        ..acs::PortMapping::default()
    }]);
    task([acs::Container { port_mappings, ..container("app") }])
}

#[test]
fn a_task_told_twice_starts_once() {
    check(
        [task([container("app")])],
        "
        payload 2 t1 => ack pm-2; t1 prepare; t1 pull app
        payload 2 t1 => ack pm-2
        payload 3 t1 => ack pm-3
        ",
    );
}

#[test]
fn a_payload_with_a_task_that_cannot_be_named_is_not_acknowledged() {
    check(
        [task([container("app")])],
        "
        payload 2 t1 ? => t1 prepare; t1 pull app
        payload 3 t1 => ack pm-3
        ",
    );
}

#[test]
fn a_task_that_does_not_parse_is_reported_stopped() {
    check(
        [broken()],
        "
        payload 2 t1 => ack pm-2; t1 release; submit t1 STOPPED (UnrecognizedTask: \
         dockerConfig of container 'app' does not read: CpuShares is not a positive whole number)
        payload 3 t1 => ack pm-3
        ",
    );
}

#[test]
fn a_task_nobody_knows_that_shall_stop_is_reported_stopped() {
    check(
        [],
        "
        payload 2 -t9 => ack pm-2; t9 release; submit t9 STOPPED \
         (The task is not known to its container instance)
        ",
    );
}

#[test]
fn stops_of_a_message_come_before_its_starts() {
    check(
        [large(), large()],
        "
        payload 2 t1 => ack pm-2; t1 prepare; t1 pull app
        payload 3 t2 -t1 => ack pm-3; t1 cancel pull app; t1 release; submit t1 STOPPED, app STOPPED \
         (TaskStoppedBeforePullBeginError: Task stopped before the image pull could finish for the task)
        released t1 => t2 prepare; t2 pull app
        ",
    );
}

#[test]
fn a_stopped_task_is_never_started_again() {
    check(
        [task([container("app")])],
        "
        payload 2 t1 -t1 => ack pm-2; t1 release; submit t1 STOPPED \
         (The task is not known to its container instance)
        payload 3 t1 => ack pm-3
        acknowledged => -
        payload 4 t1 => ack pm-4
        ",
    );
}

#[test]
fn what_a_manifest_does_not_hold_stops_once_verified() {
    check(
        [task([container("app")]), task([container("app")])],
        "
        payload 2 t1 t2 => ack pm-2; t1 prepare; t1 pull app; t2 prepare; t2 pull app
        manifest 1 => -
        manifest 3 t2 => ack tm-3; candidates tm-3: t1
        verified tm-2 t1 => -
        verified tm-3 t1 => t1 cancel pull app; t1 release; submit t1 STOPPED, app STOPPED \
         (TaskStoppedBeforePullBeginError: Task stopped before the image pull could finish for the task)
        manifest 4 t2 => ack tm-4
        ",
    );
}

#[test]
fn a_verification_lost_with_its_session_is_asked_for_again() {
    check(
        [task([container("app")])],
        "
        payload 2 t1 => ack pm-2; t1 prepare; t1 pull app
        manifest 3 => ack tm-3; candidates tm-3: t1
        session closed 1000 => -
        session opened => -
        verified tm-3 t1 => -
        manifest 3 => ack tm-3; candidates tm-3: t1
        ",
    );
}

#[test]
fn a_payload_older_than_the_manifest_starts_only_what_that_holds() {
    check(
        [task([container("app")]), task([container("app")])],
        "
        manifest 5 t2 => ack tm-5
        payload 4 t1 => ack pm-4
        payload 4 t2 => ack pm-4; t2 prepare; t2 pull app
        payload 5 t1 => ack pm-5; t1 prepare; t1 pull app
        ",
    );
}

#[test]
fn tasks_wait_in_order_for_room() {
    check(
        [large(), large(), task([container("app")])],
        "
        payload 2 t1 t2 t3 => ack pm-2; t1 prepare; t1 pull app
        pull-failed t1/app => t1 release; submit t1 STOPPED, app STOPPED \
         (CannotPullContainerError: no such image)
        release-failed t1 => -
        +6s => t1 release
        released t1 => t2 prepare; t2 pull app; t3 prepare; t3 pull app
        ",
    );
}

#[test]
fn a_fixed_port_is_given_to_one_task_at_a_time() {
    check(
        [with_port(), with_port()],
        "
        payload 2 t1 t2 => ack pm-2; t1 prepare; t1 pull app
        payload 3 -t1 => ack pm-3; t1 cancel pull app; t1 release; submit t1 STOPPED, app STOPPED \
         (TaskStoppedBeforePullBeginError: Task stopped before the image pull could finish for the task)
        released t1 => t2 prepare; t2 pull app
        ",
    );
}

#[test]
fn a_task_larger_than_the_instance_does_not_block_the_queue() {
    let huge = acs::Task { memory: Some(4096), ..task([container("app")]) };
    check(
        [huge, task([container("app")])],
        "
        payload 2 t1 t2 => ack pm-2; t1 release; t2 prepare; t2 pull app; submit t1 STOPPED, \
         app STOPPED (ResourceInitializationError: the instance never has enough MEMORY for the task) \
         (ResourceInitializationError: the instance never has enough MEMORY for the task)
        ",
    );
}

#[test]
fn signs_of_life_are_answered() {
    check([], "heartbeat => heartbeat-ack hb");
}

fn with_credentials() -> acs::Task {
    let set = acs::IAMRoleCredentials {
        credentials_id: Some("first".into()),
        secret_access_key: Some("hushhush".into()),
        expiration: Some("2026-11-22T07:00:00Z".into()),
        ..acs::IAMRoleCredentials::default()
    };
    acs::Task { role_credentials: Some(set), ..task([container("app")]) }
}

#[test]
fn credentials_are_acknowledged_with_their_expiration() {
    check(
        [with_credentials()],
        "
        payload 2 t1 => credentials-ack first 2026-11-22T07:00:00Z; ack pm-2; t1 prepare; t1 pull app
        credentials t1 second 2026-11-22T13:00:00Z => credentials-ack second 2026-11-22T13:00:00Z
        credentials t9 other 2026-11-22T13:00:00Z => -
        ",
    );
}

#[test]
fn a_task_gets_its_own_credentials_while_it_lives() {
    let mut bench = Bench::new(vec![with_credentials()]);
    bench.run("payload 2 t1");
    let id = |bench: &Bench, task: &TaskArn, id: &str| {
        bench.core.credentials(task, id).map(|it| it.id.clone())
    };
    let (own, other) = (arn("t1"), arn("t2"));
    assert_eq!(id(&bench, &own, "first").as_deref(), Some("first"));
    assert_eq!(id(&bench, &own, "other"), None);
    assert_eq!(id(&bench, &other, "first"), None);

    bench.run("credentials t1 second later");
    assert_eq!(id(&bench, &own, "first").as_deref(), Some("second"), "the id in its environment");
    bench.run("crash");
    assert_eq!(id(&bench, &own, "second").as_deref(), Some("second"), "an agent starts again");
    assert!(bench.core.role_credentials(&own, Role::Execution).is_none());

    bench.run("found t1");
    bench.run("payload 3 -t1");
    assert_eq!(id(&bench, &own, "first"), None, "the task has stopped");
    assert!(bench.rows.keys().all(|it| !it.starts_with("credentials/")), "not kept either");
}

#[test]
fn secrets_stay_out_of_the_kept_payload() {
    let mut bench = Bench::new(vec![with_credentials()]);
    bench.run("payload 2 t1");
    let holds = |bytes: &[u8]| bytes.windows(8).any(|it| it == b"hushhush");
    let keys: Vec<_> = bench.rows.iter().filter(|it| holds(it.1)).map(|it| it.0.clone()).collect();
    assert_eq!(keys, [format!("credentials/application/{}", arn("t1"))]);
    let task = bench.core.task(&arn("t1"));
    let credentials = bench.core.credentials(&arn("t1"), "first");
    assert!(!format!("{task:?} {credentials:?}").contains("hushhush"));
}

#[test]
fn a_message_for_another_instance_changes_nothing() {
    let mut bench = Bench::new(vec![]);
    let message = acs::PayloadMessage {
        container_instance_arn: Some("arn:aws:ecs:us-east-1:1:container-instance/c/2".into()),
        message_id: Some("pm".into()),
        seq_num: Some(9),
        ..acs::PayloadMessage::default()
    };
    let output = bench.give(Input::Server(ServerMessage::Payload(Box::new(message))));
    assert_eq!((output.rows.len(), output.effects.len()), (0, 0));
}

#[test]
fn a_lost_session_is_opened_again_at_once_and_then_less_and_less_often() {
    let mut bench = Bench::new(vec![]);
    let mut waits = Vec::new();
    for closed in [Closed::Code(1006), Closed::Failed, Closed::Failed, Closed::InactiveInstance] {
        let output = bench.give(Input::Session(SessionEvent::Closed(closed)));
        let at_once = output.effects.iter().any(|it| matches!(it, Effect::OpenSession { .. }));
        let at = bench.core.next_timer().filter(|_| !at_once);
        waits.push(at.map_or(0, |at| at.0 - bench.now.0));
        bench.now = at.unwrap_or(bench.now);
        bench.give(Input::Tick);
    }
    assert_eq!(waits[0], 0);
    assert!((375..=460).contains(&waits[1]), "{waits:?}");
    assert!((562..=680).contains(&waits[2]), "{waits:?}");
    assert_eq!(waits[3], 60 * 60 * 1000);
}

#[test]
fn an_announced_interface_is_reported_attached_until_that_is_acknowledged() {
    check(
        [],
        "
        announce eni t1 0 => -
        announce eni t1 60000 => ack at; submit t1 , eni ATTACHED
        failed => -
        +2s => submit t1 , eni ATTACHED
        crash => submit t1 , eni ATTACHED
        acknowledged => -
        announce other t2 5000 => ack at; submit t2 , other ATTACHED
        failed => -
        +4s => submit t2 , other ATTACHED
        failed => -
        +30s => -
        ",
    );
}

/// The tasks of the recorded conversations: `init` then `app`, and a lone `job`.
fn recorded() -> [acs::Task; 2] {
    let set = |id: &str| {
        Some(acs::IAMRoleCredentials {
            credentials_id: Some(id.into()),
            expiration: Some("2026-11-22T07:04:33Z".into()),
            ..acs::IAMRoleCredentials::default()
        })
    };
    let init = acs::Container { essential: Some(false), ..container("init") };
    let app = acs::Container {
        port_mappings: Some(vec![acs::PortMapping {
            container_port: Some(8080),
            host_port: Some(0),
            protocol: Some("tcp".into()),
            ..acs::PortMapping::default()
        }]),
        depends_on: Some(vec![acs::ContainerDependency {
            container_name: Some("init".into()),
            condition: Some("SUCCESS".into()),
        }]),
        stop_timeout: Some(5),
        ..container("app")
    };
    let web = acs::Task {
        role_credentials: set("c1"),
        execution_role_credentials: set("c2"),
        ..task([init, app])
    };
    [web, task([container("job")])]
}

/// What the genuine agent said to the same messages, but for the order of acknowledgements and for
/// what it pulls when.
#[test]
fn a_conversation_goes_as_it_was_recorded_with_the_genuine_agent() {
    check(
        recorded(),
        "
        heartbeat => heartbeat-ack hb
        payload 2 t1 t2 => credentials-ack c1 2026-11-22T07:04:33Z; \
         credentials-ack c2 2026-11-22T07:04:33Z; ack pm-2; t1 prepare; t1 pull init; t1 pull app; \
         t2 prepare; t2 pull job
        prepared t2 => -
        pulled t2/job => t2 create job
        created t2/job => t2 start job
        started t2/job => submit t2 RUNNING, job RUNNING
        acknowledged => -
        exited t2/job 3 => t2 release; submit t2 STOPPED, job STOPPED 3
        acknowledged => -
        released t2 => -
        pulled t1/init => -
        bound t1/app 8080 32768 => t1 create init
        pulled t1/app => -
        created t1/init => t1 start init
        started t1/init => -
        exited t1/init 0 => t1 create app
        created t1/app => t1 start app
        started t1/app => submit t1 RUNNING, init RUNNING, init STOPPED 0, app RUNNING
        acknowledged => -
        credentials t1 c1 2026-11-22T07:05:13Z => credentials-ack c1 2026-11-22T07:05:13Z
        manifest 1 => -
        manifest 3 => ack tm-3; candidates tm-3: t1
        verified tm-3 t1 => t1 SIGTERM app
        +5s => t1 KILL app
        killed t1/app => t1 release; submit t1 STOPPED, init STOPPED 0, app STOPPED 137
        acknowledged => -
        ",
    );
}
