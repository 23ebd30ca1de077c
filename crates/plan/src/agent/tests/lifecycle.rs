//! From payload to removal.

use shapes::acs;

use super::{check, container, task};

#[test]
fn a_task_is_pulled_created_started_reported_and_removed() {
    check(
        [task([container("app")])],
        "
        payload 2 t1 => ack pm-2; t1 prepare; t1 pull app
        prepared => -
        pulled app => t1 create app
        created app => t1 start app
        started app => submit t1 RUNNING, app RUNNING
        acknowledged => -
        exited app 3 => t1 release; submit t1 STOPPED, app STOPPED 3
        released => -
        acknowledged => -
        +3600s => close session
        session closed 1000 => -
        +7200s => t1 remove
        ",
    );
}

#[test]
fn the_end_of_an_essential_container_stops_the_others() {
    let side = acs::Container { essential: Some(false), ..container("side") };
    check(
        [task([container("app"), side])],
        "
        payload 2 t1 => ack pm-2; t1 prepare; t1 pull app; t1 pull side
        prepared => -
        pulled app => t1 create app
        pulled side => t1 create side
        created app => t1 start app
        created side => t1 start side
        started app => -
        started side => submit t1 RUNNING, app RUNNING, side RUNNING
        acknowledged => -
        exited app 0 => t1 SIGTERM side
        +29s => submit t1 RUNNING, app STOPPED 0
        acknowledged => -
        +2s => t1 KILL side
        killed side => t1 release; submit t1 STOPPED, app STOPPED 0, side STOPPED 137
        ",
    );
}

/// `b` depends on `a`, which is not essential.
fn pair(condition: &str) -> acs::Task {
    let a = acs::Container {
        essential: Some(false),
        start_timeout: Some(20),
        docker_config: Some(acs::DockerConfig {
            config: Some(
                r#"{"Healthcheck":{"Test":["CMD-SHELL","curl"],"Interval":5000000000,
                    "Timeout":2000000000,"Retries":2,"StartPeriod":3000000000}}"#
                    .into(),
            ),
            host_config: None,
            version: None,
        }),
        ..container("a")
    };
    let b = acs::Container {
        depends_on: Some(vec![acs::ContainerDependency {
            container_name: Some("a".into()),
            condition: Some(condition.into()),
        }]),
        ..container("b")
    };
    task([a, b])
}

/// The common beginning of [`pair`]: `a` starts, `b` waits.
const BEGINNING: &str = "
    payload 2 t1 => ack pm-2; t1 prepare; t1 pull a; t1 pull b
    pulled b => -
    pulled a => -
    prepared => t1 create a
    created a => t1 start a
";

#[track_caller]
fn check_pair(condition: &str, rest: &str) {
    check([pair(condition)], &format!("{BEGINNING}{rest}"));
}

#[test]
fn a_start_dependency_is_met_once_the_other_runs() {
    check_pair("START", "started a => t1 create b");
}

#[test]
fn a_complete_dependency_is_met_by_any_exit_code() {
    check_pair("COMPLETE", "started a => - \n exited a 1 => t1 create b");
}

#[test]
fn a_success_dependency_is_met_by_exit_code_zero_only() {
    check_pair("SUCCESS", "started a => - \n exited a 0 => t1 create b");
    check_pair(
        "SUCCESS",
        "
        started a => -
        exited a 1 => t1 release; submit t1 STOPPED, a RUNNING, a STOPPED 1, b STOPPED \
         (TaskDependencyError: container a did not exit successfully: exit code 1)
        ",
    );
}

#[test]
fn a_healthy_dependency_is_met_once_a_probe_passes() {
    check_pair(
        "HEALTHY",
        "
        started a => -
        +4s => -
        +1s => t1 probe a /bin/sh -c curl
        probe a ok => publish health; t1 create b
        ",
    );
}

#[test]
fn a_dependency_times_out_after_its_own_start_timeout() {
    check_pair(
        "COMPLETE",
        "
        started a => -
        +19s => t1 probe a /bin/sh -c curl; submit t1 PENDING, a RUNNING; t1 probe a /bin/sh -c curl
        +1s => t1 SIGTERM a
        exited a 0 => t1 release
        acknowledged => submit t1 STOPPED, a STOPPED 0, b STOPPED (TaskDependencyError: \
         timed out after waiting for container a for its start timeout)
        ",
    );
}

#[test]
fn a_dependency_that_never_starts_ends_the_task() {
    check_pair(
        "START",
        "
        start-failed a => t1 release; submit t1 STOPPED, a STOPPED \
         (CannotStartContainerError: no such file), b STOPPED \
         (TaskDependencyError: container a stopped before it met its condition)
        ",
    );
}

#[test]
fn containers_stop_in_the_reverse_of_their_start() {
    check_pair(
        "START",
        "
        started a => t1 create b
        created b => t1 start b
        started b => submit t1 RUNNING, a RUNNING, b RUNNING
        payload 3 -t1 => ack pm-3; t1 SIGTERM b
        exited b 143 => t1 SIGTERM a
        exited a 143 => t1 release
        ",
    );
}

#[test]
fn a_start_under_way_is_awaited_before_it_is_stopped() {
    check(
        [task([container("app")])],
        "
        payload 2 t1 => ack pm-2; t1 prepare; t1 pull app
        prepared => -
        pulled app => t1 create app
        created app => t1 start app
        payload 3 -t1 => ack pm-3
        started app => t1 SIGTERM app; submit t1 RUNNING, app RUNNING
        exited app 143 => t1 release
        ",
    );
}

#[test]
fn a_task_stops_at_its_own_pace_and_is_killed_again_if_need_be() {
    let slow = acs::Container { stop_timeout: Some(5), ..container("app") };
    let config = r#"{"StopSignal": "SIGQUIT"}"#.to_owned();
    let docker_config = Some(acs::DockerConfig { config: Some(config), ..Default::default() });
    check(
        [task([acs::Container { docker_config, ..slow }])],
        "
        payload 2 t1 => ack pm-2; t1 prepare; t1 pull app
        prepared => -
        pulled app => t1 create app
        created app => t1 start app
        started app => submit t1 RUNNING, app RUNNING
        payload 3 -t1 => ack pm-3; t1 SIGQUIT app
        +4s => -
        +1s => t1 KILL app
        +9s => -
        +1s => t1 KILL app
        ",
    );
}

#[test]
fn an_unhealthy_container_is_told_of_and_goes_on() {
    check_pair(
        "START",
        "
        started a => t1 create b
        +5s => t1 probe a /bin/sh -c curl
        probe a bad => -
        +5s => t1 probe a /bin/sh -c curl
        probe a bad => publish health
        +5s => t1 probe a /bin/sh -c curl
        probe a ok => publish health
        ",
    );
}

#[test]
fn a_container_that_ran_long_enough_is_restarted_in_place() {
    let policy = acs::RestartPolicy {
        enabled: Some(true),
        ignored_exit_codes: Some(vec![7]),
        restart_attempt_period: Some(60),
    };
    let restarting = task([acs::Container { restart_policy: Some(policy), ..container("app") }]);
    let beginning = "
        payload 2 t1 => ack pm-2; t1 prepare; t1 pull app
        prepared => -
        pulled app => t1 create app
        created app => t1 start app
        started app => submit t1 RUNNING, app RUNNING
        acknowledged => -
    ";
    for (rest, why) in [
        (
            "+60s => - \n exited app 1 => t1 create app #1 \n created app => t1 start app #1
             started app => - \n +59s => close session
             exited app 1 => t1 release; submit t1 STOPPED, app STOPPED 1",
            "a run of 60 s, then one of 59 s",
        ),
        (
            "+61s => - \n exited app 7 => t1 release; submit t1 STOPPED, app STOPPED 7",
            "an ignored exit code",
        ),
        (
            "+61s => - \n payload 3 -t1 => ack pm-3; t1 SIGTERM app
             exited app 1 => t1 release; submit t1 STOPPED, app STOPPED 1",
            "a task that shall stop",
        ),
    ] {
        println!("{why}");
        check([restarting.clone()], &format!("{beginning}{rest}"));
    }
}

#[test]
fn a_lost_shim_stops_its_task_without_an_exit_code() {
    check(
        [task([container("app")])],
        "
        payload 2 t1 => ack pm-2; t1 prepare; t1 pull app
        prepared => -
        pulled app => t1 create app
        created app => t1 start app
        started app => submit t1 RUNNING, app RUNNING
        acknowledged => -
        shim-lost t1 => t1 release; submit t1 STOPPED, app STOPPED \
         (ContainerRuntimeError: the shim is gone) (ContainerRuntimeError: the shim is gone)
        ",
    );
}

#[test]
fn a_step_without_an_outcome_fails_in_time() {
    check(
        [task([container("app")])],
        "
        payload 2 t1 => ack pm-2; t1 prepare; t1 pull app
        prepared => -
        pulled app => t1 create app
        created app => t1 start app
        session closed 4000 => -
        +179s => -
        +1s => t1 release; submit t1 STOPPED, app STOPPED (ContainerRuntimeTimeoutError: \
         Could not transition to started; timed out after waiting 180s)
        started app => t1 KILL app
        ",
    );
}

/// The common beginning of restarts of the agent: `app` runs, and that is acknowledged.
const RUNNING: &str = "
    payload 2 t1 => ack pm-2; t1 prepare; t1 pull app
    prepared => -
    pulled app => t1 create app
    created app => t1 start app
    started app => submit t1 RUNNING, app RUNNING
    acknowledged => -
    crash => -
";

#[test]
fn what_runs_goes_on_when_the_agent_starts_again() {
    let check = |rest: &str| check([task([container("app")])], &format!("{RUNNING}{rest}"));
    check(
        "found t1 app:running => - \n exited app 4 => t1 release; submit t1 STOPPED, app STOPPED 4",
    );
    check("found t1 app:exited:4 => t1 release; submit t1 STOPPED, app STOPPED 4");
    check(
        "found t1 => t1 release; submit t1 STOPPED, app STOPPED (ContainerRuntimeError: the task \
         was gone when the agent started again) (ContainerRuntimeError: the task was gone when \
         the agent started again)",
    );
    check("payload 3 -t1 => ack pm-3 \n found t1 app:running => t1 SIGTERM app");
}

#[test]
fn what_happens_while_the_agent_looks_around_is_not_lost() {
    let check = |rest: &str| check([task([container("app")])], &format!("{RUNNING}{rest}"));
    check(
        "exited app 4 => - \n found t1 app:running => t1 release; submit t1 STOPPED, app STOPPED 4",
    );
}

#[test]
fn what_was_under_way_is_taken_up_where_it_stands() {
    let beginning = "
        payload 2 t1 => ack pm-2; t1 prepare; t1 pull app
        prepared => -
        pulled app => t1 create app
        crash => -
    ";
    let check = |rest: &str| check([task([container("app")])], &format!("{beginning}{rest}"));
    check("found t1 app:created => t1 start app");
    check("found t1 app:running => submit t1 RUNNING, app RUNNING");
    check("found t1 => t1 pull app");
    // An earlier life of the agent had asked for the start.
    check("started app => - \n found t1 app:created => submit t1 RUNNING, app RUNNING");
}

#[test]
fn what_nobody_knows_is_freed() {
    check([], "found t9 app:running => t9 release; t9 remove");
}
