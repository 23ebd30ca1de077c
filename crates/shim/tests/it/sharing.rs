//! Namespaces shared within a task, with the host, or joined.

use std::process::Command as Program;

use shim::{Command, Network, Sharing};

use crate::fixture::{Task, runtimes};

#[test]
fn containers_of_a_task_can_share_processes_and_memory() {
    for runtime in runtimes() {
        let mut task = Task::with(|it| it.runtime = runtime);
        let script = "echo shared > /dev/shm/x; readlink /proc/self/ns/ipc; echo ready; \
                      while :; do sleep 1; done";
        let mut first = task.script("a", script);
        (first.pid, first.ipc) = (Sharing::Task, Sharing::Task);
        task.start(first).expect("starts");
        let namespace = task.wait_for_output("a", "ready").replace("ready\n", "");
        // The first shell is there from beginning to end, and has its script as an argument.
        let script = "cat /dev/shm/x; readlink /proc/self/ns/ipc; \
                      grep -l '[e]cho shared' /proc/[0-9]*/cmdline 2>/dev/null | wc -l";
        let mut second = task.script("b", script);
        (second.pid, second.ipc) = (Sharing::Task, Sharing::Task);
        let (_, output) = task.run(second);
        assert!(output.starts_with(&format!("shared\n{namespace}")), "{output}");
        assert!(!output.ends_with("\n0\n"), "the other's processes are seen: {output}");
        let own = std::fs::read_link("/proc/self/ns/ipc").expect("namespace");
        assert_ne!(namespace.trim(), own.display().to_string());
        // The first container still runs: its processes are not those of the second.
        task.call(Command::Signal { name: "a".to_owned(), signal: 9 }).expect("runs");
        assert_eq!(task.exit("a").code, 137);
        task.finish();
    }
}

#[test]
fn all_processes_of_a_container_end_with_it_also_where_it_shares() {
    for sharing in [Sharing::Task, Sharing::Host] {
        let Some(mut task) = Task::new() else { return };
        // A time of this test process alone: with the host's processes others' are seen too.
        let time = 100_000 + std::process::id();
        let mut spec = task.script("a", &format!("sleep {time} & sleep {time} & echo $!"));
        spec.pid = sharing;
        assert_eq!(task.run(spec).0, 0);
        let mut count = task.script("b", &format!("ps | grep -c '[s]leep {time}'"));
        count.pid = sharing;
        assert_eq!(task.run(count).1, "0\n");
        task.finish();
    }
}

#[test]
fn a_network_namespace_can_be_joined() {
    for runtime in runtimes() {
        let mut task = Task::with(|it| it.runtime = runtime);
        // A namespace held by a process, as the agent holds prepared ones.
        let mut holder = Program::new("/usr/bin/unshare")
            .args(["-n", "/usr/bin/busybox", "sleep", "1000"])
            .spawn()
            .expect("holder");
        let path = format!("/proc/{}/ns/net", holder.id());
        let own = std::fs::read_link("/proc/self/ns/net").expect("namespace");
        let mut link = own.clone();
        for attempt in 0..crate::fixture::LOOKS_MAX {
            link = std::fs::read_link(&path).expect("namespace");
            if link != own {
                break;
            }
            crate::fixture::pause(attempt);
        }
        let mut spec = task.script("a", "readlink /proc/self/ns/net");
        spec.network = Network::Join(path.into());
        let output = task.run(spec);
        holder.kill().expect("kills");
        holder.wait().expect("ends");
        assert_eq!(output, (0, format!("{}\n", link.display())));
        task.finish();
    }
}

#[test]
fn an_init_process_reaps_orphans_and_passes_signals_on() {
    let Some(mut task) = Task::new() else { return };
    let script = "trap 'exit 5' TERM; (sleep 0.05 & echo $! > /dev/shm/orphan); \
                  while test -e /proc/$(cat /dev/shm/orphan); do sleep 0.02; done; \
                  cat /proc/1/comm; echo $$; while :; do sleep 0.1; done";
    let mut spec = task.script("a", script);
    spec.init = true;
    spec.user = "web".to_owned();
    task.start(spec).expect("starts");
    let output = task.wait_for_output("a", "2");
    assert_eq!(output, "init\n2\n", "and the orphan is gone");
    task.call(Command::Stop { name: "a".to_owned() }).expect("stops");
    assert_eq!(task.exit("a").code, 5);
    let mut missing = task.container("b", &["nope"]);
    missing.init = true;
    let refusal = task.start(missing).expect_err("refused");
    assert_eq!(refusal.kind, shim::RefusalKind::CommandNotFound);
    task.finish();
}
