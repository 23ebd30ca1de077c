//! Commands run beside a container's own, for health checks: bounded in time and output.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::process::WaitStatus;

use super::output::{More, Pipe};
use super::{Shim, unknown};
use crate::clock;
use crate::init::code;
use crate::protocol::{Event, ExecOutcome, OUTPUT_LIMIT, Refusal, RefusalKind, Reply};
use crate::refusal::Explain;
use crate::runtime::Exec;
use crate::sys;

/// How many commands may run at once in a task.
const EXEC_LIMIT: usize = 64;

/// What a client asks to run.
pub(super) struct Order {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) argv: Vec<String>,
    pub(super) env: Vec<String>,
    pub(super) timeout_ms: u64,
}

/// A command under way.
pub(super) struct RunningExec {
    name: String,
    id: String,
    pid: i32,
    /// Absent once it has been killed for being late.
    deadline: Option<Instant>,
    pipe: Option<Pipe>,
    output: Vec<u8>,
}

impl RunningExec {
    /// Its process.
    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    /// When it will be killed.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Its pipe, for the poll set.
    pub(super) fn output(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(Pipe::descriptor)
    }

    /// Takes output in; what is beyond the limit is dropped.
    pub(super) fn copy_output(&mut self) {
        let Some(pipe) = &self.pipe else { return };
        let output = &mut self.output;
        if pipe.copy(|bytes| keep(output, bytes)) == More::Never {
            self.pipe = None;
        }
    }

    /// Takes note that it ended.
    pub(super) fn ended(mut self, status: WaitStatus) -> Event {
        if let Some(pipe) = &self.pipe {
            pipe.drain(|bytes| keep(&mut self.output, bytes));
        }
        let outcome = ExecOutcome {
            code: Some(code(status)),
            timed_out: self.deadline.is_none(),
            output: String::from_utf8_lossy(&self.output).into_owned(),
        };
        Event::ExecDone { name: self.name, id: self.id, outcome }
    }
}

fn keep(output: &mut Vec<u8>, bytes: &[u8]) {
    let room = OUTPUT_LIMIT.saturating_sub(output.len());
    output.extend(bytes.iter().take(room));
}

impl Shim {
    /// Starts a command. The reply says that it runs; an event says how it ended.
    pub(super) fn exec(&mut self, order: Order) -> Result<Reply, Refusal> {
        let container = self.containers.get(&order.name).ok_or_else(|| unknown(&order.name))?;
        let pid = container.pid().ok_or_else(|| {
            let text = format!("container {} does not run", order.name);
            Refusal::new(RefusalKind::WrongState, text)
        })?;
        if self.execs.len() >= EXEC_LIMIT {
            return Err(Refusal::new(RefusalKind::WrongState, "too many commands run already"));
        }
        let (pipe, end) = Pipe::new().machine("make a pipe")?;
        let other = end.try_clone().machine("make a pipe")?;
        let launch = container.launch(self.shared.as_ref());
        let exec = Exec { launch: &launch, pid, argv: &order.argv, env: &order.env };
        let deadline = clock::steady() + Duration::from_millis(order.timeout_ms);
        let pid = self.runtime.exec(&exec, [end, other])?;
        self.execs.push(RunningExec {
            name: order.name,
            id: order.id,
            pid,
            deadline: Some(deadline),
            pipe: Some(pipe),
            output: vec![],
        });
        Ok(Reply::Done)
    }

    /// Kills commands whose time is over, with the sessions they lead.
    pub(super) fn end_overdue_execs(&mut self) {
        let now = clock::steady();
        for exec in &mut self.execs {
            if exec.deadline.is_some_and(|it| it <= now) {
                exec.deadline = None;
                let _ = sys::kill(-exec.pid, libc::SIGKILL);
                let _ = sys::kill(exec.pid, libc::SIGKILL);
            }
        }
    }
}
