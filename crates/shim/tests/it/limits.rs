//! Limits that control groups keep, and telling the truth when one is met.

use shim::{Command, CpuQuota, Ulimit};

use crate::fixture::{Task, control_groups, runtimes};

/// What a file of the container's control group holds.
fn group_file(task: &Task, name: &str) -> Option<String> {
    let found = control_groups(&format!("{}/a", task.spec.cgroup));
    let text = found.iter().find_map(|it| std::fs::read_to_string(it.join(name)).ok());
    text.map(|it| it.trim().to_owned())
}

#[test]
fn limits_stand_in_the_control_groups() {
    for runtime in runtimes() {
        let mut task = Task::with(|it| it.runtime = runtime);
        let mut spec = task.container("a", &["/bin/sleep", "1000"]);
        spec.limits.cpu_shares = Some(512);
        spec.limits.cpu_quota = Some(CpuQuota { quota_us: 50_000, period_us: 100_000 });
        spec.limits.memory_bytes = Some(32 << 20);
        spec.limits.memory_reservation_bytes = Some(16 << 20);
        spec.limits.pids = Some(50);
        let pid = task.start(spec).expect("starts");
        for (v1, v1_value, v2, v2_value) in [
            ("cpu.shares", "512", "cpu.weight", "20"),
            ("cpu.cfs_quota_us", "50000", "cpu.max", "50000 100000"),
            ("memory.limit_in_bytes", "33554432", "memory.max", "33554432"),
            ("memory.soft_limit_in_bytes", "16777216", "memory.low", "16777216"),
            ("pids.max", "50", "pids.max", "50"),
        ] {
            match group_file(&task, v1) {
                Some(value) => assert_eq!(value, v1_value, "{v1}"),
                None => assert_eq!(group_file(&task, v2).as_deref(), Some(v2_value), "{v2}"),
            }
        }
        let member = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("member");
        assert!(member.contains(&format!("{}/a\n", task.spec.cgroup)), "{member}");
        task.finish();
    }
}

#[test]
fn a_container_that_takes_too_much_memory_is_told_to_have_been_killed_for_it() {
    for runtime in runtimes() {
        let mut task = Task::with(|it| it.runtime = runtime);
        let mut spec = task.container("a", &["/bin/tail", "/dev/zero"]);
        spec.limits.memory_bytes = Some(16 << 20);
        spec.limits.swap_bytes = Some(0);
        task.start(spec).expect("starts");
        let exit = task.exit("a");
        assert_eq!((exit.code, exit.signal, exit.oom), (137, Some(9), true));
        task.finish();
    }
}

#[test]
fn the_limit_of_the_task_holds_for_all_its_containers() {
    if !crate::fixture::can_run() {
        return;
    }
    let mut task = Task::with(|it| it.limits.memory_bytes = Some(24 << 20));
    let spec = task.container("a", &["/bin/tail", "/dev/zero"]);
    task.start(spec).expect("starts");
    let exit = task.exit("a");
    assert_eq!((exit.code, exit.oom), (137, true));
    task.finish();
}

#[test]
fn processes_are_limited_in_number() {
    let Some(mut task) = Task::new() else { return };
    let mut spec =
        task.script("a", "for i in 1 2 3 4 5 6 7 8; do sleep 100 & done; echo all; sleep 0.1");
    spec.limits.pids = Some(4);
    let (code, output) = task.run(spec);
    assert!(code != 0 && !output.contains("all"), "{code} {output}");
    task.finish();
}

#[test]
fn a_container_finds_its_limits_where_programs_look() {
    let Some(mut task) = Task::new() else { return };
    let mut spec = task.script(
        "a",
        "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max; \
         touch /sys/fs/cgroup/x 2>/dev/null || echo ro; grep -c shim-it /proc/self/cgroup",
    );
    spec.limits.memory_bytes = Some(32 << 20);
    let (_, output) = task.run(spec);
    let unified = task.spec.cgroup.clone();
    assert!(output.starts_with("33554432\nro\n"), "{output} {unified}");
    assert!(output.ends_with("\n0\n"), "the host's path is not shown: {output}");
    task.finish();
}

#[test]
fn a_ulimit_that_the_machine_cannot_give_is_refused() {
    let Some(mut task) = Task::new() else { return };
    let mut spec = task.script("a", "true");
    spec.ulimits = vec![Ulimit { name: "nofile".to_owned(), soft: 1 << 40, hard: 1 << 40 }];
    let refusal = task.start(spec).expect_err("refused");
    assert!(refusal.message.contains("nofile"), "{refusal}");
    assert!(task.call(Command::RemoveContainer { name: "a".to_owned() }).is_ok());
    task.finish();
}
