//! Starting, ending, ending badly, and being looked at meanwhile; with both runtimes.

use std::fs;

use shim::{Command, ContainerState, LogSink, RefusalKind, Reply};

use crate::fixture::{Task, runtimes};

#[test]
fn a_container_runs_and_its_code_and_output_are_told() {
    for runtime in runtimes() {
        let mut task = Task::with(|it| it.runtime = runtime);
        let spec = task.script("a", "echo out; echo err >&2; exit 7");
        let (code, output) = task.run(spec);
        let mut lines: Vec<&str> = output.lines().collect();
        lines.sort_unstable();
        assert_eq!((code, lines), (7, vec!["err", "out"]));
        task.finish();
    }
}

#[test]
fn a_signal_ends_a_container_with_dockers_code() {
    for runtime in runtimes() {
        let mut task = Task::with(|it| it.runtime = runtime);
        let spec = task.script("a", "trap 'exit 9' TERM; echo ready; while :; do sleep 0.1; done");
        task.start(spec).expect("starts");
        task.wait_for_output("a", "ready");
        task.call(Command::Stop { name: "a".to_owned() }).expect("stops");
        assert_eq!(task.exit("a").code, 9);
        let spec = task.container("b", &["/bin/sleep", "1000"]);
        task.start(spec).expect("starts");
        task.call(Command::Signal { name: "b".to_owned(), signal: 9 }).expect("kills");
        let exit = task.exit("b");
        assert_eq!((exit.code, exit.signal, exit.oom), (137, Some(9), false));
        task.finish();
    }
}

#[test]
fn a_stop_signal_of_the_image_is_the_one_that_is_sent() {
    let Some(mut task) = Task::new() else { return };
    let mut spec = task.script("a", "trap 'exit 3' QUIT; echo ready; while :; do sleep 0.1; done");
    spec.stop_signal = Some("SIGQUIT".to_owned());
    task.start(spec).expect("starts");
    task.wait_for_output("a", "ready");
    task.call(Command::Stop { name: "a".to_owned() }).expect("stops");
    assert_eq!(task.exit("a").code, 3);
    task.finish();
}

#[test]
fn a_missing_command_is_told_as_such() {
    for runtime in runtimes() {
        let mut task = Task::with(|it| it.runtime = runtime);
        for (name, command) in [("a", "nope"), ("b", "/bin/nope")] {
            let spec = task.container(name, &[command]);
            let refusal = task.start(spec).expect_err("cannot start");
            assert_eq!(refusal.kind, RefusalKind::CommandNotFound, "{refusal}");
            assert!(refusal.message.contains(command), "{refusal}");
            assert!(refusal.message.contains("no such file"), "{refusal}");
        }
        let spec = task.container("c", &["/etc/passwd"]);
        let refusal = task.start(spec).expect_err("cannot start");
        assert_eq!(refusal.kind, RefusalKind::CommandNotExecutable, "{refusal}");
        task.finish();
    }
}

#[test]
fn a_container_can_be_started_again_with_the_files_it_had() {
    for runtime in runtimes() {
        let mut task = Task::with(|it| it.runtime = runtime);
        let spec = task.script("a", "cat /left 2>/dev/null; echo here > /left");
        assert_eq!(task.run(spec), (0, String::new()));
        task.call(Command::Start { name: "a".to_owned() }).expect("starts again");
        let exit = task.exit("a");
        assert_eq!((exit.code, exit.run), (0, 2));
        assert_eq!(task.output("a"), "here\n");
        task.call(Command::RemoveContainer { name: "a".to_owned() }).expect("removes");
        let refusal = task.call(Command::Start { name: "a".to_owned() }).expect_err("is gone");
        assert_eq!(refusal.kind, RefusalKind::UnknownContainer);
        task.finish();
    }
}

#[test]
fn commands_run_beside_a_container_with_its_identity_and_bounds() {
    for runtime in runtimes() {
        let mut task = Task::with(|it| it.runtime = runtime);
        let mut spec = task.script("a", "echo ready; while :; do sleep 0.1; done");
        spec.user = "web".to_owned();
        spec.env = vec!["OWN=1".to_owned()];
        task.start(spec).expect("starts");
        task.wait_for_output("a", "ready");
        let script = "echo $OWN $EXTRA; id -u; grep NSpid /proc/self/status | wc -l; exit 4";
        let outcome = task.exec("a", &["/bin/sh", "-c", script], 100_000);
        assert_eq!((outcome.code, outcome.output.as_str()), (Some(4), "1 yes\n1000\n1\n"));
        assert!(!outcome.timed_out);

        let endless = task.exec("a", &["/bin/sh", "-c", "sleep 1000 & sleep 1000"], 200);
        assert_eq!((endless.code, endless.timed_out), (Some(137), true));
        let noisy = task.exec("a", &["/bin/sh", "-c", "yes | head -c 100000"], 100_000);
        assert_eq!((noisy.code, noisy.output.len()), (Some(0), shim::OUTPUT_LIMIT));

        let command = Command::Exec {
            name: "a".to_owned(),
            id: "x".to_owned(),
            argv: vec!["/bin/nope".to_owned()],
            env: vec![],
            timeout_ms: 1000,
        };
        let refusal = task.call(command).expect_err("cannot");
        assert_eq!(refusal.kind, RefusalKind::CommandNotFound, "{refusal}");
        task.finish();
    }
}

#[test]
fn counters_are_read_while_a_container_runs() {
    let Some(mut task) = Task::new() else { return };
    let mut spec = task.script(
        "a",
        "sleep 1000 & x=0; while [ $x -lt 20000 ]; do x=$((x+1)); done; echo done; wait",
    );
    spec.limits.memory_bytes = Some(64 << 20);
    task.start(spec).expect("starts");
    task.wait_for_output("a", "done");
    let Reply::Stats(stats) = task.call(Command::Stats { name: "a".to_owned() }).expect("reads")
    else {
        panic!("another reply")
    };
    assert!(stats.cpu_ns > 1_000_000, "{stats:?}");
    assert!(stats.memory_bytes > 4096, "{stats:?}");
    assert_eq!(stats.memory_limit_bytes, Some(64 << 20));
    assert_eq!(stats.pids, 2);
    task.finish();
}

#[test]
fn what_cannot_be_is_refused_and_leaves_nothing() {
    let Some(mut task) = Task::new() else { return };
    let base = task.script("a", "true");
    let mut bad = vec![];
    for name in ["", "../x", "a b", "a/b", ".shared"] {
        bad.push(shim::ContainerSpec { name: name.to_owned(), ..base.clone() });
    }
    bad.push(shim::ContainerSpec { stop_signal: Some("SIGNOPE".to_owned()), ..base.clone() });
    let mut spec = base.clone();
    spec.capabilities.add = vec!["FLY".to_owned()];
    bad.push(spec);
    let mut spec = base.clone();
    spec.sysctls.insert("kernel.core_pattern".to_owned(), "x".to_owned());
    bad.push(spec);
    for spec in bad {
        let refusal = task.call(Command::CreateContainer(Box::new(spec))).expect_err("refused");
        assert_eq!(refusal.kind, RefusalKind::InvalidSpec, "{refusal}");
    }
    let empty = shim::ContainerSpec { layers: vec![], ..base.clone() };
    assert_eq!(task.start(empty).expect_err("refused").kind, RefusalKind::InvalidImage);
    let refusal = task.call(Command::Start { name: "none".to_owned() }).expect_err("refused");
    assert_eq!(refusal.kind, RefusalKind::UnknownContainer);
    task.finish();
}

#[test]
fn logs_rotate_and_none_goes_nowhere() {
    let Some(mut task) = Task::new() else { return };
    let mut spec = task.script("a", "seq 1 2000");
    let path = task.log_path("a");
    spec.log =
        LogSink::JsonFile { path: path.clone(), max_bytes: Some(20_000), max_files: Some(2) };
    task.start(spec).expect("starts");
    task.exit("a");
    assert!(task.output("a").ends_with("1999\n2000\n"));
    let rotated = path.with_extension("json.1");
    assert!(fs::metadata(&rotated).expect("rotated").len() <= 20_000);
    assert!(!path.with_extension("json.2").exists());

    let mut spec = task.script("b", "echo lost");
    spec.log = LogSink::None;
    assert_eq!(task.run(spec), (0, String::new()));
    task.finish();
}

#[test]
fn a_container_that_never_stops_writing_does_not_stop_others() {
    let Some(mut task) = Task::new() else { return };
    let mut noisy = task.script("noisy", "yes");
    let path = task.log_path("noisy");
    noisy.log = LogSink::JsonFile { path, max_bytes: Some(1 << 20), max_files: Some(1) };
    task.start(noisy).expect("starts");
    let spec = task.script("quiet", "echo hello");
    assert_eq!(task.run(spec), (0, "hello\n".to_owned()));
    let Reply::Status(status) = task.call(Command::Status).expect("tells") else { panic!() };
    assert!(matches!(status.containers[0].state, ContainerState::Running { .. }));
    task.finish();
}
