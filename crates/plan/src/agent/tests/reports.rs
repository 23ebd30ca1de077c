//! What goes upstream, in which order, and how often it is tried.

use shapes::acs;

use super::bench::{Bench, arn};
use super::{check, container, task};

#[test]
fn a_report_is_tried_until_it_is_answered() {
    check(
        [task([container("app")])],
        "
        payload 2 t1 => ack pm-2; t1 prepare; t1 pull app
        pull-failed app => t1 release; submit t1 STOPPED, app STOPPED \
         (CannotPullContainerError: no such image)
        failed => -
        +0.9s => -
        +1s => submit t1 STOPPED, app STOPPED (CannotPullContainerError: no such image)
        failed => -
        +1.9s => -
        +1.2s => submit t1 STOPPED, app STOPPED (CannotPullContainerError: no such image)
        acknowledged => -
        +3600s => close session
        ",
    );
}

#[test]
fn a_refused_report_is_dropped() {
    check(
        [task([container("app")])],
        "
        payload 2 t1 => ack pm-2; t1 prepare; t1 pull app
        pull-failed app => t1 release; submit t1 STOPPED, app STOPPED \
         (CannotPullContainerError: no such image)
        refused => -
        +30s => -
        ",
    );
}

#[test]
fn that_a_task_ran_is_said_before_that_it_stopped() {
    check(
        [task([container("app")])],
        "
        payload 2 t1 => ack pm-2; t1 prepare; t1 pull app
        prepared => -
        pulled app => t1 create app
        created app => t1 start app
        started app => submit t1 RUNNING, app RUNNING
        failed => -
        exited app 7 => t1 release
        released => -
        +2s => submit t1 RUNNING, app RUNNING, app STOPPED 7
        acknowledged => submit t1 STOPPED, app STOPPED 7
        ",
    );
}

#[test]
fn changes_of_containers_alone_wait_for_company() {
    let init = acs::Container { essential: Some(false), ..container("init") };
    check(
        [task([init, container("app")])],
        "
        payload 2 t1 => ack pm-2; t1 prepare; t1 pull init; t1 pull app
        prepared => -
        pulled init => t1 create init
        created init => t1 start init
        started init => -
        exited init 0 => -
        +9s => -
        +21s => submit t1 PENDING, init RUNNING, init STOPPED 0
        acknowledged => -
        pulled app => t1 create app
        created app => t1 start app
        started app => submit t1 RUNNING, app RUNNING
        ",
    );
}

#[test]
fn a_report_carries_digest_bindings_and_times() {
    let mut bench = Bench::new(vec![task([container("app")])]);
    for happens in
        ["payload 2 t1", "+1s", "bound app 80 32768", "pulled app", "created app", "started app"]
    {
        bench.run(happens);
    }
    let running = bench.last_report.take().expect("it runs");
    assert_eq!(running.pull_started_at, Some(shapes::Timestamp(0)));
    assert_eq!(running.pull_stopped_at, Some(shapes::Timestamp(1000)));
    assert_eq!(running.execution_stopped_at, None);
    let change = &running.containers.expect("one container")[0];
    assert_eq!(change.image_digest.as_deref(), Some("sha256:0"));
    assert_eq!(change.runtime_id.as_deref(), Some("id-app"));
    let binding = &change.network_bindings.as_ref().expect("a port")[0];
    assert_eq!((binding.container_port, binding.host_port), (Some(80), Some(32768)));
    assert_eq!(binding.bind_ip.as_deref(), Some("0.0.0.0"));

    for happens in ["acknowledged", "+1s", "oom app"] {
        bench.run(happens);
    }
    let stopped = bench.last_report.take().expect("it stopped");
    assert_eq!(stopped.execution_stopped_at, Some(shapes::Timestamp(2000)));
    let change = &stopped.containers.expect("one container")[0];
    assert_eq!(change.exit_code, Some(137));
    let reason = "OutOfMemoryError: Container killed due to memory usage";
    assert_eq!(change.reason.as_deref(), Some(reason));
}

#[test]
fn reasons_are_cut_to_what_the_control_plane_takes() {
    let name = "x".repeat(3000);
    let mut broken = container("app");
    broken.overrides = Some(name);
    let mut bench = Bench::new(vec![task([broken])]);
    bench.run("payload 2 t1");
    let reason = bench.last_report.take().and_then(|it| it.reason).expect("a reason");
    assert_eq!(reason.chars().count(), 1024);
    assert!(bench.core.task(&arn("t1")).is_some_and(crate::agent::Task::is_stopped));
}
