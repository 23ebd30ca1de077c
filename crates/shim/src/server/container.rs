//! One container: where it stands, its pipes and its log.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::WaitStatus;

use super::output::{More, Pipe};
use super::{Shim, unknown};
use crate::cgroup::Group;
use crate::clock;
use crate::init::code;
use crate::log::{Lines, LogFile};
use crate::process::Launch;
use crate::protocol::{ContainerState, ContainerStatus, Event, Exit, Refusal, RefusalKind, Reply};
use crate::refusal::Explain;
use crate::rootfs::{self, Folder};
use crate::runtime::Streams;
use crate::shared::SharedNamespaces;
use crate::signal;
use crate::spec::{ContainerSpec, Input, LogSink, Sharing};
use crate::state::{StateFolder, file_name};
use crate::sys;

/// A container of the task.
pub(super) struct Container {
    spec: ContainerSpec,
    folder: Folder,
    group: Group,
    state: ContainerState,
    runs: u32,
    /// Processes killed for lack of memory before this start.
    oom_kills_before: u64,
    log: Option<LogFile>,
    pipes: Vec<(Pipe, Lines)>,
    /// Our side of its terminal, or the end of its input that nobody writes to: open as long as it
    /// runs.
    held: Option<OwnedFd>,
}

impl Container {
    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.spec.name
    }

    /// Its control group.
    pub(super) fn group(&self) -> &Group {
        &self.group
    }

    /// Its first process while it runs.
    pub(super) fn pid(&self) -> Option<i32> {
        match self.state {
            ContainerState::Running { pid, .. } => i32::try_from(pid).ok(),
            ContainerState::Created | ContainerState::Exited(_) => None,
        }
    }

    /// What is known of it.
    pub(super) fn status(&self) -> ContainerStatus {
        let (name, state) = (self.spec.name.clone(), self.state.clone());
        ContainerStatus { name, state, runs: self.runs }
    }

    /// Its pipes, for the poll set.
    pub(super) fn output(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.pipes.iter().map(|(pipe, _)| pipe.descriptor())
    }

    /// What runtimes need to know of it.
    pub(super) fn launch<'a>(&'a self, shared: Option<&'a SharedNamespaces>) -> Launch<'a> {
        Launch { spec: &self.spec, folder: &self.folder, group: &self.group, shared }
    }

    /// Copies output to the log, up to one turn.
    pub(super) fn copy_output(&mut self) {
        let log = &mut self.log;
        self.pipes.retain_mut(|(pipe, lines)| {
            // A terminal without a log is read none the less: it takes only so much.
            let more = pipe.copy(|bytes| {
                if let Some(log) = log {
                    lines.take(bytes, log);
                }
            });
            if let (More::Never, Some(log)) = (more, log.as_mut()) {
                lines.finish(log);
            }
            more == More::Perhaps
        });
    }

    /// Sends a signal to the first process.
    pub(super) fn signal(&self, signal: i32) -> Result<Reply, Refusal> {
        let name = self.name();
        let Some(pid) = self.pid() else {
            let text = format!("container {name} does not run");
            return Err(Refusal::new(RefusalKind::WrongState, text));
        };
        sys::kill(pid, signal).machine(format!("send signal {signal} to {name}"))?;
        Ok(Reply::Done)
    }

    /// Sends the stop signal.
    pub(super) fn stop(&self) -> Result<Reply, Refusal> {
        let asked = self.spec.stop_signal.as_deref();
        self.signal(asked.and_then(signal::parse).unwrap_or(libc::SIGTERM))
    }

    /// Takes note that the first process ended. The others of the container are killed, their
    /// last output is logged, and the exit is durable when this returns.
    pub(super) fn ended(&mut self, status: WaitStatus, folder: &StateFolder) -> Exit {
        if let Err(error) = self.group.kill() {
            eprintln!("container {}: {error}", self.spec.name);
        }
        self.end_output();
        let oom = self.group.oom_kills() > self.oom_kills_before;
        let exit = Exit {
            code: code(status),
            signal: status.terminating_signal(),
            oom: oom && status.exit_status().is_none_or(|it| it != 0),
            at: clock::now(),
            run: self.runs,
        };
        if let Err(error) = folder.write_exit(&self.spec.name, &exit) {
            // The client is told none the less: it is alive to hear it, and a full disk is no
            // reason to keep a container's end secret.
            eprintln!("container {}: exit file: {error}", self.spec.name);
        }
        self.state = ContainerState::Exited(exit);
        exit
    }

    fn end_output(&mut self) {
        if let Some(log) = &mut self.log {
            for (pipe, lines) in &mut self.pipes {
                pipe.drain(|bytes| lines.take(bytes, log));
                lines.finish(log);
            }
        }
        self.pipes.clear();
        self.log = None;
        self.held = None;
    }

    /// Opens the log and makes the pipes to it; gives the ends for the container.
    fn begin_streams(&mut self) -> io::Result<Streams> {
        let null = || std::fs::OpenOptions::new().write(true).open("/dev/null");
        let output = match &self.spec.log {
            LogSink::None => [null()?.into(), null()?.into()],
            LogSink::JsonFile { path, max_bytes, max_files } => {
                self.log = Some(LogFile::open(path, *max_bytes, max_files.unwrap_or(1))?);
                if self.spec.input == Input::Terminal {
                    [null()?.into(), null()?.into()]
                } else {
                    let ((out, out_end), (err, err_end)) = (Pipe::new()?, Pipe::new()?);
                    self.pipes = vec![(out, Lines::new("stdout")), (err, Lines::new("stderr"))];
                    [out_end, err_end]
                }
            }
        };
        let input = match self.spec.input {
            Input::Closed | Input::Terminal => None,
            Input::Open => {
                let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
                self.held = Some(write);
                Some(read)
            }
        };
        Ok(Streams { input, output })
    }

    /// What the container writes to its terminal is its output from now on.
    fn follow_terminal(&mut self, terminal: Option<OwnedFd>) -> io::Result<()> {
        if let Some(terminal) = terminal {
            self.pipes = vec![(Pipe::of(terminal.try_clone()?)?, Lines::new("stdout"))];
            self.held = Some(terminal);
        }
        Ok(())
    }
}

impl Shim {
    /// Makes a container known and prepares what it needs.
    pub(super) fn create(&mut self, spec: ContainerSpec) -> Result<Reply, Refusal> {
        check_name(&spec.name)?;
        if self.containers.contains_key(&spec.name) {
            let text = format!("container {} exists", spec.name);
            return Err(Refusal::new(RefusalKind::WrongState, text));
        }
        if spec.stop_signal.as_deref().is_some_and(|it| signal::parse(it).is_none()) {
            return Err(Refusal::spec("unknown stop signal"));
        }
        self.runtime.check(&spec)?;
        let file_name = file_name(&spec.name);
        let group = self.group.child(&file_name).machine("name the control group")?;
        let folder = Folder(self.task.scratch.join(&file_name));
        let made = folder.create(&spec).machine("make the container's folders");
        if let Err(refusal) = made.and_then(|()| make_group(&group, &spec)) {
            // The first refusal is what matters; the end of the task removes what is left.
            let _ = group.remove();
            let _ = folder.remove();
            return Err(refusal);
        }
        let container = Container {
            folder,
            group,
            state: ContainerState::Created,
            runs: 0,
            oom_kills_before: 0,
            log: None,
            pipes: vec![],
            held: None,
            spec,
        };
        self.containers.insert(container.spec.name.clone(), container);
        Ok(Reply::Done)
    }

    /// Starts a container, or starts it again.
    pub(super) fn start(&mut self, name: &str) -> Result<Reply, Refusal> {
        let container = self.containers.get_mut(name).ok_or_else(|| unknown(name))?;
        if container.pid().is_some() {
            return Err(Refusal::new(RefusalKind::WrongState, format!("container {name} runs")));
        }
        let shares = [container.spec.pid, container.spec.ipc].contains(&Sharing::Task);
        if shares && self.shared.is_none() {
            let group = self.group.child(HOLDER).machine("name the control group")?;
            let shared = SharedNamespaces::create(&group, container.spec.shm_bytes);
            self.shared = Some(shared.machine("share namespaces")?);
        }
        if container.runs > 0 {
            container.group.remove().machine("remove the control groups")?;
            make_group(&container.group, &container.spec)?;
        }
        let run = container.runs + 1;
        self.folder.write_run(name, run).machine("note the start")?;
        container.oom_kills_before = container.group.oom_kills();
        let started = container
            .begin_streams()
            .machine("open the log")
            .and_then(|it| self.runtime.start(&container.launch(self.shared.as_ref()), it));
        let pid = started.and_then(|it| {
            container.follow_terminal(it.terminal).machine("follow the terminal")?;
            u32::try_from(it.pid).machine("process id")
        });
        let pid = match pid {
            Ok(pid) => pid,
            Err(refusal) => {
                container.end_output();
                let back = match container.runs {
                    0 => self.folder.forget_run(name),
                    last => self.folder.write_run(name, last),
                };
                back.machine("take the start back")?;
                return Err(refusal);
            }
        };
        let at = clock::now();
        container.runs = run;
        container.state = ContainerState::Running { pid, at };
        let name = name.to_owned();
        self.tell(&Event::Started { name, pid, at });
        Ok(Reply::Started { pid, at })
    }

    /// Forgets a container that does not run.
    pub(super) fn remove(&mut self, name: &str) -> Result<Reply, Refusal> {
        let container = self.container(name)?;
        if container.pid().is_some() {
            let text = format!("container {name} runs");
            return Err(Refusal::new(RefusalKind::WrongState, text));
        }
        container.group.kill().machine("kill what is left")?;
        self.runtime.forget(&container.launch(self.shared.as_ref()))?;
        container.group.remove().machine("remove the control groups")?;
        container.folder.remove().machine("remove the container's folders")?;
        self.folder.forget_run(name).machine("remove the container's files")?;
        self.containers.remove(name);
        Ok(Reply::Done)
    }

    /// Ends the holder of shared namespaces.
    pub(super) fn kill_shared(&mut self) -> Result<(), Refusal> {
        if self.shared.is_some() {
            let group = self.group.child(HOLDER).machine("name the control group")?;
            group.kill().machine("end the shared namespaces")?;
        }
        Ok(())
    }

    /// Takes note of ends until no container runs; all have been killed.
    pub(super) fn reap_until_none_runs(&mut self) -> Result<(), Refusal> {
        for attempt in 0..REAP_ATTEMPTS {
            self.reap();
            if self.containers.values().all(|it| it.pid().is_none()) {
                return Ok(());
            }
            crate::wait::pause(attempt);
        }
        Err(Refusal::new(RefusalKind::Machine, "killed containers do not end"))
    }
}

/// Makes a container's control group with its limits, for each start anew.
///
/// A group that was ever killed as a whole is of no further use: kernels from 6.14 on kill what
/// is cloned into it later (the sequence number of the kill is compared with that of the wrong
/// group).
fn make_group(group: &Group, spec: &ContainerSpec) -> Result<(), Refusal> {
    let devices = rootfs::device_rules(spec)?;
    group.create().machine("make the control groups")?;
    group.apply(&spec.limits).refuse(RefusalKind::InvalidSpec, "set limits")?;
    group.allow_devices(&devices).machine("limit devices")
}

/// Name of the control group of what holds shared namespaces; not a possible container's.
const HOLDER: &str = ".shared";

/// How often ends are looked for before giving up, some two seconds in all.
const REAP_ATTEMPTS: u32 = 60;

/// A container's name (handbook 3.3).
fn check_name(name: &str) -> Result<(), Refusal> {
    let good = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_');
    if (1..=255).contains(&name.len()) && name.bytes().all(good) {
        return Ok(());
    }
    Err(Refusal::spec(format!("container name \"{name}\": 1 to 255 of A-Z, a-z, 0-9, - and _")))
}
