//! Everything an agent has done for it, as data.

use core::time::Duration;
use std::sync::Arc;

use shapes::{acs, ecs};
use types::ContainerName;

use super::spec::{TaskArn, TaskSpec};

/// What handling one input came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Output {
    /// What to keep, in this order.
    pub rows: Vec<Row>,
    /// When the rows must be safe.
    pub flush: Flush,
    /// What to do, in this order.
    pub effects: Vec<Effect>,
}

/// When the rows of an output must be safe on disk.
///
/// Rows reach the disk in the order they were given out. What is lost of those that may be late is
/// found again on the machine itself ([`super::Input::Recovered`]); so the way from an image to a
/// running container waits for no disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flush {
    /// At some later time, at latest with the next output that must be.
    #[default]
    Later,
    /// These and all earlier ones before any effect of this output: durable before visible.
    BeforeEffects,
}

/// One piece of the agent's memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its name: letters, digits, `/`, `:`, `-`, `_`.
    pub key: String,
    /// Its bytes; `None` deletes it.
    pub value: Option<Vec<u8>>,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Send this over the open ACS session; without one, drop it: the server will ask again.
    Send(AgentMessage),
    /// Call `SubmitTaskStateChange` once and tell the outcome as [`super::Input::Submitted`].
    Submit(Submission),
    /// Do this on the machine.
    Step(Step),
    /// The health of a container changed: publish [`super::Core::health_reports`] soon.
    PublishHealth,
    /// Open an ACS session; tell its end, or its failure, as [`super::Input::Session`].
    OpenSession {
        /// Goes into `sendCredentials` of the address.
        send_credentials: bool,
    },
    /// Close the ACS session.
    CloseSession,
}

/// What the agent says over ACS.
#[derive(Debug, Clone, PartialEq)]
pub enum AgentMessage {
    /// A message was taken in.
    Ack(acs::AckRequest),
    /// A message will not be carried out.
    Nack(acs::NackRequest),
    /// Sign of life.
    HeartbeatAck(acs::HeartbeatAckRequest),
    /// Credentials were taken in.
    CredentialsAck(acs::IAMRoleCredentialsAckRequest),
    /// These tasks are not in the manifest; shall they stop?
    TaskStopVerification(acs::TaskStopVerificationMessage),
}

impl AgentMessage {
    /// The `type` of the frame.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Ack(_) => "AckRequest",
            Self::Nack(_) => "NackRequest",
            Self::HeartbeatAck(_) => "HeartbeatAckRequest",
            Self::CredentialsAck(_) => "IAMRoleCredentialsAckRequest",
            Self::TaskStopVerification(_) => "TaskStopVerificationMessage",
        }
    }

    /// The `message` of the frame.
    pub fn shape(&self) -> &dyn shapes::Shape {
        match self {
            Self::Ack(it) => it,
            Self::Nack(it) => it,
            Self::HeartbeatAck(it) => it,
            Self::CredentialsAck(it) => it,
            Self::TaskStopVerification(it) => it,
        }
    }
}

/// Names a submission in its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SubmissionId(pub u64);

/// A call of `SubmitTaskStateChange`.
#[derive(Debug, Clone, PartialEq)]
pub struct Submission {
    /// Comes back with the answer.
    pub id: SubmissionId,
    /// What to say.
    pub request: ecs::SubmitTaskStateChangeRequest,
}

/// Something to do on the machine for a task.
///
/// The steps of one task are done in the order given, except that pulls and probes run beside the
/// others. Every step may be asked for again after a crash and then answers as if done once.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Whose.
    pub task: TaskArn,
    /// What the task shall be; `None` only for [`Action::Release`] and [`Action::Remove`] of a task
    /// that was never understood.
    pub spec: Option<Arc<TaskSpec>>,
    /// What to do.
    pub action: Action,
}

/// What to do on the machine. Each says which [`super::Happened`] answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Make network, cgroup, volumes and shim: `Prepared` or `PrepareFailed`.
    Prepare,
    /// Get the image of a container: `Pulled` or `PullFailed`. The retries within are the puller's.
    PullImage {
        /// Whose.
        container: ContainerName,
    },
    /// The image is not wanted any more; answers nothing.
    CancelPull {
        /// Whose.
        container: ContainerName,
    },
    /// Make the container: `Created` or `CreateFailed`. A run above 0 replaces the one before.
    Create {
        /// Which.
        container: ContainerName,
        /// Which of its runs.
        run: u32,
    },
    /// Start it: `Started` or `StartFailed`; later, once, `Exited`.
    Start {
        /// Which.
        container: ContainerName,
        /// Which of its runs.
        run: u32,
    },
    /// Send a signal to its first process; answers nothing.
    Signal {
        /// Which.
        container: ContainerName,
        /// Which of its runs.
        run: u32,
        /// `SIGTERM`, `KILL`, `15`, … as an image or task definition spells it.
        signal: String,
    },
    /// Execute this in it: `Probed`.
    Probe {
        /// Which.
        container: ContainerName,
        /// Which of its runs.
        run: u32,
        /// What.
        command: Vec<String>,
        /// To be stopped after this.
        timeout: Duration,
    },
    /// Kill whatever still runs, drop pulls; free network, ports, cgroup and shim: `Released` or
    /// `ReleaseFailed`. Done also if there is nothing to free.
    Release,
    /// Delete what else is left of the task: writable layers, empty volumes, logs on disk. Answers
    /// nothing.
    Remove,
}
