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

/// A shim that an agent has begun to start and that goes no further than reading its task, until
/// told; the agent is dead.
struct Unborn {
    dir: std::path::PathBuf,
    task: shim::TaskSpec,
    process: std::process::Child,
    go: std::fs::File,
}

impl Unborn {
    fn new(folder: &std::path::Path) -> Self {
        let id = folder.file_name().expect("name").to_str().expect("text").to_owned();
        let task = shim::TaskSpec {
            cgroup: format!("{id}/task"),
            id,
            scratch: folder.join("scratch"),
            limits: shim::Limits::default(),
            runtime: shim::RuntimeKind::Embedded,
        };
        let dir = folder.join("state");
        std::fs::create_dir(&dir).expect("folder");
        let (path, mode) = (dir.join("task.json"), rustix::fs::Mode::from_raw_mode(0o600));
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &path, fifo, mode, 0).expect("a pipe");
        let held = std::fs::File::open(&dir).expect("opens");
        held.lock().expect("nobody has it");
        let process = std::process::Command::new(env!("CARGO_BIN_EXE_shim-for-tests"))
            .args(["shim".as_ref(), "--dir".as_ref(), dir.as_os_str()])
            .stdin(held)
            .spawn()
            .expect("starts");
        // Opened as soon as the shim reads it.
        let go = std::fs::OpenOptions::new().write(true).open(&path).expect("opens");
        std::fs::remove_file(&path).expect("is there");
        std::fs::write(&path, serde_json::to_vec(&task).expect("JSON")).expect("writes");
        Self { dir, task, process, go }
    }

    /// Lets it go on; whether it became a shim.
    fn go_on(&mut self) -> bool {
        use std::io::Write as _;
        let text = serde_json::to_vec(&self.task).expect("JSON");
        self.go.write_all(&text).expect("reads");
        self.go = std::fs::File::open("/dev/null").expect("opens");
        self.process.wait().expect("ends").success()
    }
}

#[test]
fn a_shim_whose_starter_dies_meanwhile_is_found_by_the_next_and_never_doubled() {
    if !crate::fixture::can_run() {
        return;
    }
    let folder = tempfile::Builder::new().prefix("shim-it-").tempdir().expect("temp folder");
    let mut unborn = Unborn::new(folder.path());
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_shim-for-tests"));
    let second = Client::spawn(program, &unborn.dir, &unborn.task);
    assert!(matches!(second, Err(ClientError::NotStarted(_))), "{second:?}");
    std::thread::scope(|scope| {
        let recovery = scope.spawn(|| recover(&folder.path().join("state")));
        assert!(unborn.go_on());
        let found = recovery.join().expect("no panic");
        assert!(matches!(found, Err(RecoverError::Alive(_))), "{found:?}");
    });
    let mut client = Client::connect(&unborn.dir).expect("connects");
    client.call(Command::Shutdown).expect("ends");
    assert!(!unborn.dir.exists());
    shim::remove_control_group(&unborn.task.id).expect("nothing runs there");
}

#[test]
fn a_shim_whose_folder_is_gone_ends_and_leaves_nothing() {
    if !crate::fixture::can_run() {
        return;
    }
    let folder = tempfile::Builder::new().prefix("shim-it-").tempdir().expect("temp folder");
    let mut unborn = Unborn::new(folder.path());
    std::fs::remove_dir_all(&unborn.dir).expect("removes");
    // Another one that has its name is not its own.
    std::fs::create_dir(&unborn.dir).expect("makes");
    assert!(!unborn.go_on(), "it has no folder to work in");
    assert_eq!(shim::shims_below(folder.path()).len(), 0);
    assert_eq!(
        crate::fixture::control_groups(&unborn.task.cgroup),
        Vec::<std::path::PathBuf>::new()
    );
    shim::remove_control_group(&unborn.task.id).expect("nothing runs there");
}

#[test]
fn a_folder_in_which_no_shim_was_started_is_simply_removed() {
    let folder = tempfile::tempdir().expect("temp folder");
    let dir = folder.path().join("state");
    std::fs::create_dir(&dir).expect("makes");
    let recovered = recover(&dir).expect("recovers").finish().expect("removes");
    assert_eq!((recovered.task, recovered.containers), (None, vec![]));
    assert!(!dir.exists());
}

#[test]
fn shims_are_found_by_their_command_lines() {
    let Some(mut task) = Task::new() else { return };
    let pid = task.client().status().pid;
    let folder = task.path("");
    let found = shim::shims_below(&folder);
    assert_eq!(found.iter().map(|(dir, _)| dir.clone()).collect::<Vec<_>>(), [task.state()]);
    let [(_, shim)] = found.as_slice() else { return };
    assert!(!shim.ends_within(std::time::Duration::ZERO), "{pid} lives");
    shim.signal(rustix::process::Signal::KILL);
    assert!(shim.ends_within(std::time::Duration::from_mins(1)));
    assert_eq!(shim::shims_below(&folder).len(), 0);
    task.disconnect();
    recover(&task.state()).expect("dead").finish().expect("removes");
    task.assert_gone();
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
