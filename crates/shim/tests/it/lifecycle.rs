//! Starting, ending and ending badly.

use shim::{Command, RefusalKind};

use crate::fixture::Task;

#[test]
fn a_container_runs_and_its_code_and_output_are_told() {
    let Some(mut task) = Task::new() else { return };
    let spec = task.script("a", "echo out; echo err >&2; exit 7");
    assert_eq!(task.run(spec), (7, "out\nerr\n".to_owned()));
    task.finish();
}

#[test]
fn a_signal_ends_a_container_with_dockers_code() {
    let Some(mut task) = Task::new() else { return };
    let spec = task.script("a", "trap 'exit 9' TERM; echo ready; while :; do sleep 1; done");
    task.start(spec).expect("starts");
    task.wait_for_output("a", "ready");
    task.call(Command::Stop { name: "a".to_owned() }).expect("stops");
    assert_eq!(task.exit("a").code, 9);
    let spec = task.script("b", "while :; do sleep 1; done");
    task.start(spec).expect("starts");
    task.call(Command::Signal { name: "b".to_owned(), signal: 9 }).expect("kills");
    let exit = task.exit("b");
    assert_eq!((exit.code, exit.signal, exit.oom), (137, Some(9), false));
    task.finish();
}

#[test]
fn a_missing_command_is_told_as_such() {
    let Some(mut task) = Task::new() else { return };
    for (name, command) in [("a", "nope"), ("b", "/bin/nope")] {
        let spec = task.container(name, &[command]);
        let refusal = task.start(spec).expect_err("cannot start");
        assert_eq!(refusal.kind, RefusalKind::CommandNotFound);
        assert!(refusal.message.contains(command), "{refusal}");
        assert!(refusal.message.contains("no such file"), "{refusal}");
    }
    let spec = task.container("c", &["/etc/passwd"]);
    let refusal = task.start(spec).expect_err("cannot start");
    assert_eq!(refusal.kind, RefusalKind::CommandNotExecutable);
    task.finish();
}
