//! The shim's process: one loop that waits for clients, output and ends of processes.

mod connection;
mod container;
mod exec;
mod output;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{WaitOptions, WaitStatus};

use crate::cgroup::{Group, Hierarchies};
use crate::clock;
use crate::protocol::{Command, Event, Message, Refusal, RefusalKind, Reply, Request, Status};
use crate::refusal::Explain;
use crate::runtime::{Embedded, External, Runtime};
use crate::shared::SharedNamespaces;
use crate::spec::{RuntimeKind, TaskSpec};
use crate::state::StateFolder;
use connection::{Connection, Taken};
use container::Container;
use exec::RunningExec;

/// How many clients may be connected at once.
const CLIENT_LIMIT: usize = 16;

/// Everything a shim knows and holds.
pub(crate) struct Shim {
    folder: StateFolder,
    task: TaskSpec,
    group: Group,
    runtime: Box<dyn Runtime>,
    listener: UnixListener,
    signals: OwnedFd,
    containers: BTreeMap<String, Container>,
    execs: Vec<RunningExec>,
    shared: Option<SharedNamespaces>,
    connections: Vec<Connection>,
}

/// What a descriptor in the poll set belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Clients,
    Ends,
    Client(usize),
    Output(String),
    ExecOutput(usize),
}

/// Whether the loop goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Wait,
    End,
}

impl Shim {
    /// Prepares the task's control group. The signals must be blocked and told by `signals`.
    pub(crate) fn new(
        folder: StateFolder,
        task: TaskSpec,
        listener: UnixListener,
        signals: OwnedFd,
    ) -> io::Result<Self> {
        let group = Group::new(&Hierarchies::detect()?, &task.cgroup)?;
        group.create()?;
        group.apply(&task.limits)?;
        std::fs::create_dir_all(&task.scratch)?;
        let runtime: Box<dyn Runtime> = match &task.runtime {
            RuntimeKind::Embedded => Box::new(Embedded),
            RuntimeKind::External { program } => {
                Box::new(External::new(program, &task.id, folder.path()))
            }
        };
        listener.set_nonblocking(true)?;
        Ok(Self {
            folder,
            task,
            group,
            runtime,
            listener,
            signals,
            containers: BTreeMap::new(),
            execs: vec![],
            shared: None,
            connections: vec![],
        })
    }

    /// Serves until a client asks to end.
    pub(crate) fn serve(mut self) -> io::Result<()> {
        loop {
            let ready = self.wait()?;
            for source in ready {
                if self.handle(source) == Next::End {
                    return Ok(());
                }
            }
            self.end_overdue_execs();
            self.connections.retain(Connection::is_open);
        }
    }

    /// Waits until something can be done, and tells what.
    fn wait(&self) -> io::Result<Vec<Source>> {
        let sources = self.sources();
        let mut descriptors: Vec<PollFd<'_>> = sources
            .iter()
            .map(|(descriptor, flags, _)| PollFd::from_borrowed_fd(*descriptor, *flags))
            .collect();
        let deadline = self.execs.iter().filter_map(RunningExec::deadline).min();
        let limit = deadline.map(|it| it.saturating_duration_since(clock::steady()));
        let limit = limit.and_then(|it| Timespec::try_from(it).ok());
        match poll(&mut descriptors, limit.as_ref()) {
            Err(rustix::io::Errno::INTR) => return Ok(vec![]),
            other => other?,
        };
        let ready = descriptors.iter().map(|it| !it.revents().is_empty());
        let ready: Vec<bool> = ready.collect();
        let chosen = sources.into_iter().zip(ready).filter(|(_, ready)| *ready);
        Ok(chosen.map(|((_, _, source), _)| source).collect())
    }

    fn sources(&self) -> Vec<(BorrowedFd<'_>, PollFlags, Source)> {
        let mut all = Vec::new();
        for (name, container) in &self.containers {
            for pipe in container.output() {
                all.push((pipe, PollFlags::IN, Source::Output(name.clone())));
            }
        }
        for (index, exec) in self.execs.iter().enumerate() {
            if let Some(pipe) = exec.output() {
                all.push((pipe, PollFlags::IN, Source::ExecOutput(index)));
            }
        }
        for (index, connection) in self.connections.iter().enumerate() {
            all.push((connection.descriptor(), connection.interest(), Source::Client(index)));
        }
        all.push((self.listener.as_fd(), PollFlags::IN, Source::Clients));
        // Ends come last: what a process wrote before it ended is taken first.
        all.push((self.signals.as_fd(), PollFlags::IN, Source::Ends));
        all
    }

    fn handle(&mut self, source: Source) -> Next {
        match source {
            Source::Clients => self.accept(),
            Source::Ends => self.reap(),
            Source::Client(index) => return self.listen_to(index),
            Source::Output(name) => {
                if let Some(container) = self.containers.get_mut(&name) {
                    container.copy_output();
                }
            }
            Source::ExecOutput(index) => {
                if let Some(exec) = self.execs.get_mut(index) {
                    exec.copy_output();
                }
            }
        }
        Next::Wait
    }

    fn accept(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            if self.connections.len() >= CLIENT_LIMIT {
                continue;
            }
            if let Ok(mut connection) = Connection::new(stream) {
                connection.send(&Message::Status(self.status()));
                self.connections.push(connection);
            }
        }
    }

    fn listen_to(&mut self, index: usize) -> Next {
        let Some(connection) = self.connections.get_mut(index) else { return Next::Wait };
        connection.flush();
        for taken in connection.take() {
            match taken {
                Taken::Request(Request { id, command: Command::Shutdown }) => {
                    let result = self.shut_down();
                    let ended = result.is_ok();
                    self.reply(index, id, result.map(|()| Reply::Done));
                    if ended {
                        self.connections.iter_mut().for_each(Connection::finish);
                        return Next::End;
                    }
                }
                Taken::Request(Request { id, command }) => {
                    let result = self.obey(command);
                    self.reply(index, id, result);
                }
                Taken::Unknown { id } => {
                    let refusal = Refusal::new(
                        RefusalKind::UnknownCommand,
                        "this shim does not know the command",
                    );
                    self.reply(index, id, Err(refusal));
                }
            }
        }
        Next::Wait
    }

    fn reply(&mut self, index: usize, id: u64, result: Result<Reply, Refusal>) {
        if let Some(connection) = self.connections.get_mut(index) {
            connection.send(&Message::Reply { id, result });
        }
    }

    fn tell(&mut self, event: &Event) {
        let message = Message::Event(event.clone());
        for connection in &mut self.connections {
            connection.send(&message);
        }
    }

    fn obey(&mut self, command: Command) -> Result<Reply, Refusal> {
        match command {
            Command::CreateContainer(spec) => self.create(*spec),
            Command::Start { name } => self.start(&name),
            Command::Signal { name, signal } => self.container(&name)?.signal(signal),
            Command::Stop { name } => self.container(&name)?.stop(),
            Command::Exec { name, id, argv, env, timeout_ms } => {
                let order = exec::Order { name, id, argv, env, timeout_ms };
                self.exec(order)
            }
            Command::Stats { name } => {
                let stats = self.container(&name)?.group().stats();
                stats.map(Reply::Stats).machine(format!("read the counters of {name}"))
            }
            Command::Status => Ok(Reply::Status(self.status())),
            Command::RemoveContainer { name } => self.remove(&name),
            Command::Shutdown => Err(Refusal::new(RefusalKind::UnknownCommand, "handled before")),
        }
    }

    fn container(&self, name: &str) -> Result<&Container, Refusal> {
        self.containers.get(name).ok_or_else(|| unknown(name))
    }

    fn status(&self) -> Status {
        Status {
            task: self.task.clone(),
            pid: std::process::id(),
            containers: self.containers.values().map(Container::status).collect(),
        }
    }

    /// Takes note of every process that ended.
    fn reap(&mut self) {
        let mut ignored = [0_u8; 1024];
        while rustix::io::read(&self.signals, &mut ignored).is_ok_and(|count| count > 0) {}
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            self.ended(pid.as_raw_nonzero().get(), status);
        }
    }

    fn ended(&mut self, pid: i32, status: WaitStatus) {
        let container = self.containers.values_mut().find(|it| it.pid() == Some(pid));
        if let Some(container) = container {
            let exit = container.ended(status, &self.folder);
            let name = container.name().to_owned();
            self.tell(&Event::Exited { name, exit });
            return;
        }
        if let Some(index) = self.execs.iter().position(|it| it.pid() == pid) {
            let event = self.execs.remove(index).ended(status);
            self.tell(&event);
        }
        if self.shared.as_ref().is_some_and(|it| it.holder() == pid) {
            // Its containers die with the process namespace; the next start makes a new one.
            self.shared = None;
        }
    }

    /// Kills and removes everything of the task, the folder last.
    fn shut_down(&mut self) -> Result<(), Refusal> {
        let names: Vec<String> = self.containers.keys().cloned().collect();
        for name in &names {
            if let Some(container) = self.containers.get(name) {
                container.group().kill().machine(format!("kill {name}"))?;
            }
        }
        self.kill_shared()?;
        // A process with its own id namespace is only gone after all others in it.
        self.reap_until_none_runs()?;
        for name in &names {
            self.remove(name)?;
        }
        std::fs::remove_dir_all(&self.task.scratch)
            .or_else(|error| match error.kind() {
                io::ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            })
            .machine("remove the writable layers")?;
        self.group.leave().machine("leave the control groups")?;
        self.group.remove().machine("remove the control groups")?;
        self.folder.remove().machine("remove the task's folder")
    }
}

pub(crate) fn unknown(name: &str) -> Refusal {
    Refusal::new(RefusalKind::UnknownContainer, format!("there is no container {name}"))
}
