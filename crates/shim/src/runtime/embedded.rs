//! The embedded runtime: forks, and lets the child make itself the container.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::{Exec, Runtime, Started, Streams};
use crate::capability::Capabilities;
use crate::process::{self, Command, Ends, Launch, report};
use crate::protocol::{Refusal, RefusalKind};
use crate::refusal::Explain;
use crate::root::Root;
use crate::spec::{ContainerSpec, Input, Sharing};
use crate::sys::{self, Side};
use crate::{rlimit, sysctl, terminal};

/// How long a container may take to execute its command before it is given up, in seconds.
/// Only a file system of the host that hangs gets here.
const START_LIMIT: i64 = 60;

/// All namespaces of a container.
const EVERY_NAMESPACE: libc::c_int = libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWCGROUP;

/// The shim itself.
#[derive(Debug)]
pub(crate) struct Embedded;

impl Runtime for Embedded {
    fn check(&self, spec: &ContainerSpec) -> Result<(), Refusal> {
        let held = Capabilities::held().machine("read capabilities")?;
        Capabilities::of(spec.privilege, &spec.capabilities, held)?;
        spec.sysctls.keys().try_for_each(|it| sysctl::check(it, spec))?;
        match spec.ulimits.iter().find(|it| !rlimit::is_known(&it.name)) {
            Some(unknown) => Err(Refusal::spec(format!("unknown ulimit \"{}\"", unknown.name))),
            None => Ok(()),
        }
    }

    fn start(&self, launch: &Launch<'_>, streams: Streams) -> Result<Started, Refusal> {
        let pipes = || pipe_with(PipeFlags::CLOEXEC).machine("make pipes");
        let ((status, status_end), (go_end, go)) = (pipes()?, pipes()?);
        let wanted = launch.spec.input == Input::Terminal;
        let sockets = wanted.then(terminal::pair).transpose().machine("make a socket")?;
        let (own, other) = sockets.unzip();
        let inside = launch.group.descriptor().machine("open the control group")?;
        let inside = inside.as_ref().map(AsFd::as_fd);
        let clone = || sys::clone_process(process::namespaces(launch.spec), inside);
        let side = match (launch.spec.pid, launch.shared) {
            (Sharing::Task, Some(shared)) => shared.within(clone),
            _ => clone(),
        };
        match side.machine("start a process")? {
            Side::Child => {
                drop((status, go, own));
                let ends = Ends { streams, terminal: other, go: go_end, status: status_end };
                process::become_container(launch, ends)
            }
            Side::Parent(pid) => {
                drop((status_end, go_end, streams, other));
                let started = release(launch, pid, go)
                    .and_then(|()| outcome(status))
                    .and_then(|()| take_terminal(own));
                let terminal = started.inspect_err(|_| drop(sys::kill(pid, libc::SIGKILL)))?;
                Ok(Started { pid, terminal })
            }
        }
    }

    fn exec(&self, exec: &Exec<'_>, output: [OwnedFd; 2]) -> Result<i32, Refusal> {
        let pipes = || pipe_with(PipeFlags::CLOEXEC).machine("make pipes");
        let ((status, status_end), (number, number_end)) = (pipes()?, pipes()?);
        let pid = Pid::from_raw(exec.pid);
        let pid = pid.ok_or_else(|| Refusal::new(RefusalKind::WrongState, "not running"))?;
        let container = pidfd_open(pid, PidfdFlags::empty())
            .refuse(RefusalKind::WrongState, "find the container's process")?;
        match sys::fork().machine("start a process")? {
            Side::Child => {
                drop((status, number));
                let mut status = File::from(status_end);
                let result = enter(exec, &container, number_end);
                match result {
                    Ok(Side::Parent(_)) => sys::exit_now(0),
                    Ok(Side::Child) => {
                        let result = become_command(exec, output);
                        report(&mut status, result)
                    }
                    Err(refusal) => report(&mut status, Err(refusal)),
                }
            }
            Side::Parent(_) => {
                drop((status_end, number_end, output));
                outcome(status)?;
                let mut bytes = [0; 4];
                File::from(number).read_exact(&mut bytes).machine("learn the command's process")?;
                Ok(i32::from_ne_bytes(bytes))
            }
        }
    }

    fn forget(&self, _: &Launch<'_>) -> Result<(), Refusal> {
        Ok(())
    }
}

/// Puts the new process into its control groups, then lets it go on. Meanwhile it mounts.
fn release(launch: &Launch<'_>, pid: i32, go: OwnedFd) -> Result<(), Refusal> {
    launch.group.attach(pid).machine("attach to the control groups")?;
    match File::from(go).write_all(&[1]) {
        // It has failed already and tells why in the status pipe.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.machine("let the process go on"),
    }
}

/// Our side of the terminal that came over this socket.
fn take_terminal(socket: Option<OwnedFd>) -> Result<Option<OwnedFd>, Refusal> {
    let received = socket.map(|it| terminal::receive(it.as_fd())).transpose();
    received.machine("receive the terminal")
}

/// Waits until the command was executed, or reads why not.
fn outcome(status: OwnedFd) -> Result<(), Refusal> {
    let mut status = File::from(status);
    let mut told = Vec::new();
    let limit = Timespec { tv_sec: START_LIMIT, tv_nsec: 0 };
    loop {
        let mut ready = [PollFd::new(&status, PollFlags::IN)];
        match poll(&mut ready, Some(&limit)) {
            Ok(0) => return Err(Refusal::new(RefusalKind::Machine, "the process does not start")),
            Err(rustix::io::Errno::INTR) => continue,
            other => other.machine("wait for the process")?,
        };
        let mut chunk = [0; 4096];
        match status.read(&mut chunk).machine("read the status")? {
            0 => break,
            count => told.extend(chunk.iter().take(count)),
        }
    }
    if told.is_empty() {
        return Ok(());
    }
    Err(serde_json::from_slice(&told).machine("read the refusal")?)
}

/// Enters a container, in a process made for it, and forks into its process namespace.
fn enter(exec: &Exec<'_>, container: &OwnedFd, number: OwnedFd) -> Result<Side, Refusal> {
    process::hide().machine("hide from the container")?;
    exec.launch.group.enter().machine("enter the control groups")?;
    sys::enter(container.as_fd(), EVERY_NAMESPACE)
        .refuse(RefusalKind::WrongState, "enter the container")?;
    let side = sys::fork().machine("start a process")?;
    if let Side::Parent(pid) = side {
        File::from(number).write_all(&pid.to_ne_bytes()).machine("tell the process")?;
    }
    Ok(side)
}

fn become_command(
    exec: &Exec<'_>,
    output: [OwnedFd; 2],
) -> Result<std::convert::Infallible, Refusal> {
    sys::reset_signals().machine("reset signals")?;
    rustix::process::setsid().machine("start a session")?;
    process::redirect(&Streams { input: None, output }).machine("redirect the output")?;
    let root = Root::open(Path::new("/")).machine("open the container's root")?;
    let spec = exec.launch.spec;
    rlimit::apply(&spec.ulimits)?;
    Command { spec, argv: exec.argv, env: exec.env }.execute(&root)
}
