//! Agents that go and come, shims that are asked to die, and shims that do.

use shim::{Client, ClientError, Command, ContainerState, Outcome, RecoverError, recover};

use crate::fixture::{Task, pause, runtimes};

/// Sends a signal to the shim.
fn signal_shim(task: &mut Task, signal: &str) -> u32 {
    let pid = task.client().status().pid;
    let status = std::process::Command::new("/usr/bin/busybox")
        .args(["kill", signal, &pid.to_string()])
        .status();
    assert!(status.expect("kill").success());
    pid
}

#[test]
fn an_agent_that_comes_back_finds_everything_and_misses_no_output() {
    let Some(mut task) = Task::new() else { return };
    std::fs::create_dir(task.path("signs")).expect("folder");
    let script = "echo before; while ! test -e /signs/go; do sleep 0.02; done; echo after; exit 6";
    let mut spec = task.script("a", script);
    spec.mounts = vec![shim::Mount::Bind {
        source: task.path("signs"),
        target: "/signs".to_owned(),
        access: shim::Access::ReadOnly,
        content: shim::Content::AsIs,
    }];
    task.start(spec).expect("starts");
    task.wait_for_output("a", "before");
    task.disconnect();
    std::fs::write(task.path("signs/go"), "").expect("go");
    task.wait_for_output("a", "after");
    for attempt in 0.. {
        let client = task.connect().expect("connects");
        let state = client.status().containers[0].state.clone();
        if let ContainerState::Exited(exit) = state {
            assert_eq!((exit.code, exit.run), (6, 1));
            break;
        }
        pause(attempt);
    }
    task.finish();
}

#[test]
fn a_polite_signal_does_not_end_a_shim() {
    let Some(mut task) = Task::new() else { return };
    for signal in ["-TERM", "-INT", "-HUP"] {
        signal_shim(&mut task, signal);
    }
    let spec = task.script("a", "kill -0 1; trap '' TERM; echo lives");
    assert_eq!(task.run(spec), (0, "lives\n".to_owned()));
    task.finish();
}

#[test]
fn what_a_killed_shim_left_is_told_truthfully_and_removed() {
    for runtime in runtimes() {
        let mut task = Task::with(|it| it.runtime = runtime);
        let ended = task.script("ended", "exit 3");
        assert_eq!(task.run(ended).0, 3);
        let running = task.script("running", "sleep 1000 & echo ready; sleep 1000");
        let pid = task.start(running).expect("starts");
        task.wait_for_output("running", "ready");
        let again = task.script("again", "echo one; test -e /x && sleep 1000; touch /x");
        task.run(again);
        task.call(Command::Start { name: "again".to_owned() }).expect("starts again");
        assert!(matches!(recover(&task.state()), Err(RecoverError::Alive(_))));

        signal_shim(&mut task, "-KILL");
        task.disconnect();
        let recovery = (0..).find_map(|attempt| match recover(&task.state()) {
            Err(RecoverError::Alive(_)) => {
                pause(attempt);
                None
            }
            other => Some(other.expect("recovers")),
        });
        let recovered = recovery.expect("dead").finish().expect("removes");
        let outcome = |name: &str| {
            let found = recovered.containers.iter().find(|it| it.name == name);
            found.expect("known").outcome
        };
        assert!(matches!(outcome("ended"), Outcome::Exited(exit) if exit.code == 3));
        assert_eq!(outcome("running"), Outcome::Lost);
        assert_eq!(outcome("again"), Outcome::Lost, "an old exit is not taken for a new one");
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(state.is_empty() || state.contains(" Z "), "still runs: {state}");
        let dead = Client::connect(&task.state());
        assert!(matches!(dead, Err(ClientError::NoShim(_))));
        task.assert_gone();
    }
}

#[test]
fn a_second_shim_cannot_take_a_task() {
    let Some(task) = Task::new() else { return };
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_shim-for-tests"));
    let second = Client::spawn(program, &task.state(), &task.spec);
    assert!(matches!(second, Err(ClientError::NotStarted(_))), "{second:?}");
    task.finish();
}

#[test]
fn shutting_down_kills_and_removes_what_runs() {
    for runtime in runtimes() {
        let mut task = Task::with(|it| it.runtime = runtime);
        for name in ["a", "b"] {
            let spec = task.script(name, "trap '' TERM; sleep 1000 & sleep 1000");
            task.start(spec).expect("starts");
        }
        task.finish();
    }
}
