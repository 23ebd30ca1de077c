//! The first process of a container that asked for one: it reaps orphans and passes signals on.

use std::convert::Infallible;
use std::fs::File;
use std::io;

use rustix::process::{WaitOptions, WaitStatus};

use crate::process::{Command, hide, report};
use crate::protocol::Refusal;
use crate::refusal::Explain;
use crate::root::Root;
use crate::sys::{self, Descriptors, Side};

/// Runs the command as a child and ends as it ends.
pub(crate) fn run(
    root: &Root,
    command: &Command<'_>,
    status: &mut File,
) -> Result<Infallible, Refusal> {
    let prepared = command.assume(root)?;
    hide().machine("hide the first process")?;
    rustix::thread::set_name(c"init").machine("name the first process")?;
    // Orphans come here also when the process namespace is not the container's own.
    let own = rustix::process::getpid();
    rustix::process::set_child_subreaper(Some(own)).machine("become the reaper")?;
    let all = sys::every_signal();
    sys::block_signals(&all).machine("block signals")?;
    match sys::fork().machine("start the command")? {
        Side::Child => {
            let result = sys::reset_signals().machine("reset signals");
            report(status, result.and_then(|()| prepared.execute()))
        }
        Side::Parent(child) => {
            sys::close_from(0, Descriptors::Close).machine("close descriptors")?;
            watch(child, &all)
        }
    }
}

/// Passes every signal on until the command ends.
fn watch(command: i32, all: &[i32]) -> ! {
    loop {
        match sys::wait_signal(all) {
            Ok(libc::SIGCHLD) => {
                if let Some(code) = reap(command) {
                    sys::exit_now(code);
                }
            }
            Ok(signal) => drop(sys::kill(command, signal)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => sys::exit_now(1),
        }
    }
}

/// Takes note of all ended children; gives the command's code if it is among them.
fn reap(command: i32) -> Option<i32> {
    let mut ended = None;
    while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
        if pid.as_raw_nonzero().get() == command {
            ended = Some(code(status));
        }
    }
    ended
}

/// Exit code as Docker tells it: 128 + signal if a signal ended the process.
pub(crate) fn code(status: WaitStatus) -> i32 {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => 1,
    }
}
