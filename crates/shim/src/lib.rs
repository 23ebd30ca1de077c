//! One small single-threaded process per task that owns the task's containers, and the way
//! an agent talks to it.
//!
//! A shim starts containers, copies their output, sees their ends and writes them down. It
//! outlives the agent that started it, so agents come and go while containers run. It decides
//! nothing: the agent says what to start and when.
//!
//! The agent's side is [`Client`] (blocking), or [`encode`] and [`decode`] over a connection
//! of its own to [`socket_path`]. The shim's side is [`main`], entered by executing the
//! program again. What a dead shim left is told and removed by [`recover`].

mod capability;
mod cgroup;
mod client;
mod clock;
mod daemon;
mod hold;
mod init;
mod log;
mod process;
mod processes;
mod protocol;
mod recover;
mod refusal;
mod rlimit;
mod root;
mod rootfs;
mod runtime;
mod seccomp;
mod server;
mod shared;
mod signal;
mod spec;
mod state;
mod sys;
mod sysctl;
mod terminal;
mod user;
mod wait;

pub use cgroup::{
    Hierarchies, Version, clear_control_group, control_groups_in, freeze_control_group,
    remove_control_group, thaw_control_group,
};
pub use client::{Client, ClientError, socket_path};
pub use daemon::main;
pub use processes::{Pid, Process, Signal, find as find_processes, shims_below};
pub use protocol::{
    BODY_LIMIT, Command, ContainerState, ContainerStatus, Event, ExecOutcome, Exit, FrameError,
    Message, OUTPUT_LIMIT, Refusal, RefusalKind, Reply, Request, Stats, Status, VERSION, decode,
    encode,
};
pub use recover::{Outcome, RecoverError, Recovered, RecoveredContainer, Recovery, recover};
pub use signal::parse as parse_signal;
pub use spec::{
    Access, CapabilityChanges, ContainerSpec, Content, CpuQuota, Device, Input, Limits, LogSink,
    Mount, Network, Privilege, RuntimeKind, Seccomp, Sharing, TaskSpec, Ulimit,
};
