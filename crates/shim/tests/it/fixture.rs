//! One task on this machine with a tiny image, and the proof that nothing of it remains.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use shim::{
    Client, ClientError, Command, ContainerSpec, Event, ExecOutcome, Exit, LogSink, Refusal, Reply,
    RuntimeKind, TaskSpec, recover,
};
use tempfile::TempDir;

const BUSYBOX: &str = "/usr/bin/busybox";
const RUNC: &str = "/usr/sbin/runc";

/// Looks, of up to 25 ms each, before what should come is missed: a busy machine takes its time.
pub(crate) const LOOKS_MAX: u32 = 5_000;

/// A task with its shim.
pub(crate) struct Task {
    pub(crate) folder: TempDir,
    pub(crate) spec: TaskSpec,
    client: Option<Client>,
}

/// Whether this machine can run containers; says what is missing.
pub(crate) fn can_run() -> bool {
    let root = rustix::process::geteuid().is_root();
    let ready = root && Path::new(BUSYBOX).exists();
    if !ready {
        println!("skipped: needs root and {BUSYBOX} (Debian package busybox-static)");
    }
    ready
}

/// Both runtimes, as far as they are installed.
pub(crate) fn runtimes() -> Vec<RuntimeKind> {
    if !can_run() {
        return vec![];
    }
    if !Path::new(RUNC).exists() {
        println!("skipped for the external runtime: needs {RUNC} (Debian package runc)");
        return vec![RuntimeKind::Embedded];
    }
    vec![RuntimeKind::Embedded, RuntimeKind::External { program: RUNC.into() }]
}

impl Task {
    /// Starts a shim for a task with the embedded runtime; nothing where that is not possible.
    pub(crate) fn new() -> Option<Self> {
        can_run().then(|| Self::with(|_| {}))
    }

    /// Starts a shim for a task that `change` has adjusted.
    pub(crate) fn with(change: impl FnOnce(&mut TaskSpec)) -> Self {
        let folder = tempfile::Builder::new().prefix("shim-it-").tempdir().expect("temp folder");
        let id = folder.path().file_name().expect("name").to_str().expect("text").to_owned();
        let mut spec = TaskSpec {
            cgroup: format!("{id}/task"),
            id,
            scratch: folder.path().join("scratch"),
            limits: shim::Limits::default(),
            runtime: RuntimeKind::Embedded,
        };
        change(&mut spec);
        make_image(&folder.path().join("layer"));
        let mut task = Self { folder, spec, client: None };
        let program = Path::new(env!("CARGO_BIN_EXE_shim-for-tests"));
        let client = Client::spawn(program, &task.state(), &task.spec).expect("shim starts");
        task.client = Some(client);
        task
    }

    /// The task's state folder.
    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// A file beside the task's folders.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn client(&mut self) -> &mut Client {
        self.client.as_mut().expect("connected")
    }

    /// Forgets the connection, as a dying agent does.
    pub(crate) fn disconnect(&mut self) {
        self.client = None;
    }

    pub(crate) fn connect(&mut self) -> Result<&mut Client, ClientError> {
        self.client = Some(Client::connect(&self.state())?);
        Ok(self.client())
    }

    /// A container that runs a shell script.
    pub(crate) fn script(&self, name: &str, script: &str) -> ContainerSpec {
        self.container(name, &["/bin/sh", "-c", script])
    }

    /// A container that runs a command.
    pub(crate) fn container(&self, name: &str, argv: &[&str]) -> ContainerSpec {
        let log = LogSink::JsonFile { path: self.log_path(name), max_bytes: None, max_files: None };
        let mut spec: ContainerSpec = serde_json::from_value(serde_json::json!({
            "name": name, "layers": [self.path("layer")], "argv": argv,
        }))
        .expect("a specification");
        spec.log = log;
        spec
    }

    pub(crate) fn log_path(&self, name: &str) -> PathBuf {
        self.path(&format!("logs/{name}.json"))
    }

    /// What a container wrote, both streams in the order of the log, which need not be the order
    /// in which they were written: the shim reads two pipes.
    pub(crate) fn output(&self, name: &str) -> String {
        let text = fs::read_to_string(self.log_path(name)).unwrap_or_default();
        // The shim may be in the middle of a line.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let entry = |line: &str| -> serde_json::Value { serde_json::from_str(line).expect("JSON") };
        whole.lines().map(|it| entry(it)["log"].as_str().expect("text").to_owned()).collect()
    }

    pub(crate) fn call(&mut self, command: Command) -> Result<Reply, Refusal> {
        match self.client().call(command) {
            Ok(reply) => Ok(reply),
            Err(ClientError::Refused(refusal)) => Err(refusal),
            Err(other) => panic!("{other}: {other:?}"),
        }
    }

    /// Makes and starts a container; gives its process.
    pub(crate) fn start(&mut self, spec: ContainerSpec) -> Result<u32, Refusal> {
        let name = spec.name.clone();
        self.call(Command::CreateContainer(Box::new(spec)))?;
        match self.call(Command::Start { name })? {
            Reply::Started { pid, .. } => Ok(pid),
            other => panic!("{other:?}"),
        }
    }

    /// Waits for a container's end.
    pub(crate) fn exit(&mut self, wanted: &str) -> Exit {
        loop {
            match self.client().next_event().expect("an event") {
                Event::Exited { name, exit } if name == wanted => return exit,
                _ => {}
            }
        }
    }

    /// Makes, starts and waits for a container; gives its code and output.
    pub(crate) fn run(&mut self, spec: ContainerSpec) -> (i32, String) {
        let name = spec.name.clone();
        self.start(spec).expect("starts");
        let exit = self.exit(&name);
        (exit.code, self.output(&name))
    }

    /// Waits until a container has written a line; gives all it wrote.
    pub(crate) fn wait_for_output(&self, name: &str, line: &str) -> String {
        for attempt in 0..LOOKS_MAX {
            let output = self.output(name);
            if output.lines().any(|it| it == line) {
                return output;
            }
            pause(attempt);
        }
        panic!("{name} never wrote {line:?}, but {:?}", self.output(name));
    }

    /// Runs a command beside a container's own.
    pub(crate) fn exec(&mut self, name: &str, argv: &[&str], timeout_ms: u64) -> ExecOutcome {
        let command = Command::Exec {
            name: name.to_owned(),
            id: "e".to_owned(),
            argv: argv.iter().map(|it| (*it).to_owned()).collect(),
            env: vec!["EXTRA=yes".to_owned()],
            timeout_ms,
        };
        self.call(command).expect("runs");
        loop {
            if let Event::ExecDone { outcome, .. } = self.client().next_event().expect("an event") {
                return outcome;
            }
        }
    }

    /// Ends the task and proves that nothing of it remains.
    pub(crate) fn finish(mut self) {
        self.call(Command::Shutdown).expect("ends");
        self.assert_gone();
    }

    /// Proves that nothing of the task remains.
    pub(crate) fn assert_gone(&self) {
        assert!(!self.state().exists(), "state folder remains");
        assert!(!self.spec.scratch.exists(), "writable layers remain");
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
        let ours = self.folder.path().to_str().expect("text");
        assert!(!mounts.contains(ours), "mounts remain: {mounts}");
        for attempt in 0.. {
            let left = processes_naming(ours);
            if left.is_empty() {
                break;
            }
            assert!(attempt < LOOKS_MAX, "processes remain: {left:?}");
            pause(attempt);
        }
        let groups = control_groups(&self.spec.cgroup);
        assert!(groups.is_empty(), "control groups remain: {groups:?}");
        let parent = &self.spec.id;
        shim::remove_control_group(parent).expect("nothing runs there");
        assert!(control_groups(parent).is_empty(), "nor does what is above the task");
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // After a failed test: whatever state it is in, nothing is to be left running.
        if self.state().exists() {
            self.disconnect();
            match Client::connect(&self.state()) {
                Ok(mut client) => drop(client.call(Command::Shutdown)),
                Err(_) => drop(recover(&self.state()).map(shim::Recovery::finish)),
            }
        }
    }
}

/// The control groups of that path, in all hierarchies.
pub(crate) fn control_groups(path: &str) -> Vec<PathBuf> {
    let roots = fs::read_dir("/sys/fs/cgroup").expect("control groups");
    let roots = roots.flatten().map(|it| it.path()).chain(["/sys/fs/cgroup".into()]);
    roots.map(|it| it.join(path)).filter(|it| it.exists()).collect()
}

/// Processes with that text among their arguments.
fn processes_naming(text: &str) -> Vec<String> {
    let all = fs::read_dir("/proc").expect("processes").flatten();
    let lines = all.filter_map(|it| fs::read_to_string(it.path().join("cmdline")).ok());
    lines.filter(|it| it.contains(text)).collect()
}

/// Waits a little for something that nothing announces.
pub(crate) fn pause(attempt: u32) {
    let wait =
        rustix::event::Timespec { tv_sec: 0, tv_nsec: i64::from(attempt.min(25)) * 1_000_000 };
    rustix::event::poll(&mut [], Some(&wait)).expect("waits");
}

/// A root file system of busybox and little else.
fn make_image(layer: &Path) {
    for folder in ["bin", "etc", "tmp", "root", "home/web", "data"] {
        fs::create_dir_all(layer.join(folder)).expect("folder");
    }
    fs::copy(BUSYBOX, layer.join("bin/busybox")).expect("busybox");
    let applets = [
        "sh", "cat", "echo", "env", "id", "ls", "mount", "mkdir", "mknod", "ps", "pwd", "sleep",
        "stat", "touch", "true", "false", "wc", "yes", "head", "dd", "hostname", "ip", "grep",
        "seq", "kill", "unshare", "readlink", "rm", "ln", "tr", "test", "df", "nproc", "ipcmk",
        "ipcs", "cut", "chmod", "nc", "tail",
    ];
    for applet in applets {
        symlink("busybox", layer.join("bin").join(applet)).expect("applet");
    }
    let passwd = "root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1000::/home/web:/bin/sh\n";
    fs::write(layer.join("etc/passwd"), passwd).expect("passwd");
    let group = "root:x:0:\nweb:x:1000:\nlogs:x:2000:web\n";
    fs::write(layer.join("etc/group"), group).expect("group");
    fs::write(layer.join("data/from-image"), "image").expect("data");
}
