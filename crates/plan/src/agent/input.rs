//! Everything that can happen to an agent.

use shapes::acs;
use types::{ContainerName, Timestamp};

use super::effect::SubmissionId;
use super::record::NetworkFacts;
use super::spec::TaskArn;

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A message of the open ACS session.
    Server(ServerMessage),
    /// The ACS session itself.
    Session(SessionEvent),
    /// What became of a task: the outcome of a step, or something nobody asked for.
    Task {
        /// Whose.
        task: TaskArn,
        /// What.
        happened: Happened,
    },
    /// The answer to a submission.
    Submitted {
        /// Which.
        id: SubmissionId,
        /// Its outcome.
        outcome: Submitted,
    },
    /// After a start of the agent: what is really there of a task. To be told once for each task
    /// that [`super::Core::awaiting_recovery`] names, and for each that only the machine knows of.
    /// What happens after that look at the machine is to be told after this; what is told of the
    /// task before this changes nothing.
    Recovered {
        /// Whose.
        task: TaskArn,
        /// What is there.
        found: Found,
    },
    /// Time passed; to be given at [`super::Core::next_timer`].
    Tick,
}

/// What the control plane says over ACS.
#[derive(Debug, Clone, PartialEq)]
pub enum ServerMessage {
    /// Tasks to start and to stop.
    Payload(Box<acs::PayloadMessage>),
    /// All tasks that the instance should hold.
    TaskManifest(acs::TaskManifestMessage),
    /// Which of the stop candidates shall stop.
    TaskStopVerificationAck(acs::TaskStopVerificationAck),
    /// Sign of life.
    Heartbeat(acs::HeartbeatMessage),
    /// Fresh credentials.
    IamRoleCredentials(acs::IAMRoleCredentialsMessage),
    /// An interface for a task to come.
    AttachTaskNetworkInterfaces(acs::AttachTaskNetworkInterfacesMessage),
    /// The agent shall update itself.
    PerformUpdate(acs::PerformUpdateMessage),
    /// The agent shall fetch an update.
    StageUpdate(acs::StageUpdateMessage),
    /// A type this agent does not know, by name; ignored but for being a sign of life.
    Other(String),
}

/// What became of the ACS session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEvent {
    /// It stands.
    Opened,
    /// It ended, or could not be opened.
    Closed(Closed),
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// An open session ended with this websocket close code (1006 without one).
    Code(u16),
    /// It could not be opened.
    Failed,
    /// The instance is not registered any more (`InactiveInstanceException`).
    InactiveInstance,
}

/// What became of a task on the machine.
#[derive(Debug, Clone, PartialEq)]
pub enum Happened {
    /// An image is here.
    Pulled {
        /// For which container.
        container: ContainerName,
        /// What its configuration says.
        image: ImageFacts,
    },
    /// An image could not be pulled.
    PullFailed {
        /// For which container.
        container: ContainerName,
        /// Why.
        failure: Failure,
    },
    /// Network, cgroup and volumes of the task stand.
    Prepared(NetworkFacts),
    /// They could not be made.
    PrepareFailed(Failure),
    /// A container exists.
    Created {
        /// Which.
        container: ContainerName,
        /// Which of its runs; the first is 0.
        run: u32,
    },
    /// A container could not be created.
    CreateFailed {
        /// Which.
        container: ContainerName,
        /// Which of its runs.
        run: u32,
        /// Why.
        failure: Failure,
    },
    /// A container runs.
    Started {
        /// Which.
        container: ContainerName,
        /// Which of its runs.
        run: u32,
        /// How it runs.
        running: Running,
    },
    /// A container could not be started.
    StartFailed {
        /// Which.
        container: ContainerName,
        /// Which of its runs.
        run: u32,
        /// Why.
        failure: Failure,
    },
    /// A container ended.
    Exited {
        /// Which.
        container: ContainerName,
        /// Which of its runs.
        run: u32,
        /// How.
        exit: Exit,
    },
    /// A health check ended.
    Probed {
        /// Of which container.
        container: ContainerName,
        /// Which of its runs.
        run: u32,
        /// How.
        outcome: Probed,
    },
    /// The task's shim is gone, and with it whatever it knew.
    ShimLost {
        /// What is known about it.
        text: String,
    },
    /// Nothing of the task runs any more; network, ports and cgroup are free.
    Released,
    /// They could not be freed; it will be asked for again.
    ReleaseFailed {
        /// Why.
        text: String,
    },
}

/// What an image's configuration says that decisions need.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageFacts {
    /// `sha256:…` of its manifest.
    pub digest: Option<String>,
    /// Its stop signal, if it names one.
    pub stop_signal: Option<String>,
}

/// How a container runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Its id with the runtime, at most 255 characters.
    pub runtime_id: String,
    /// Process id of its first process.
    pub pid: Option<u32>,
    /// Since when.
    pub at: Timestamp,
}

/// How a container ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// Its exit code, unless a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Whether the kernel killed it for want of memory.
    pub out_of_memory: bool,
    /// When.
    pub at: Timestamp,
}

impl Exit {
    /// The code that ECS shows: 128 and the signal, if one ended it.
    pub fn exit_code(&self) -> Option<i32> {
        self.code.or_else(|| Some(128_i32.saturating_add(self.signal?)))
    }
}

/// How a health check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probed {
    /// With exit code 0.
    Passed,
    /// With another, or it could not be executed.
    Failed,
    /// Not within its time.
    TimedOut,
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The class that AWS has for it.
    pub class: FailureClass,
    /// What happened.
    pub text: String,
}

/// Classes of failure, as they stand before the colon in a reason (handbook 2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are AWS's own and say all there is")]
pub enum FailureClass {
    CannotPullContainer,
    CannotPullContainerAuth,
    CannotPullImageManifest,
    CannotCreateContainer,
    CannotStartContainer,
    CannotCreateVolume,
    ContainerNetworking,
    ContainerRuntime,
    ContainerRuntimeTimeout,
    HostConfig,
    InvalidVolume,
    OutOfMemory,
    ResourceInitialization,
    ResourceNotFound,
    TaskDependency,
    TaskStoppedBeforePullBegin,
    ContainerVanished,
}

impl FailureClass {
    /// As AWS spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CannotPullContainer => "CannotPullContainerError",
            Self::CannotPullContainerAuth => "CannotPullContainerAuthError",
            Self::CannotPullImageManifest => "CannotPullImageManifestError",
            Self::CannotCreateContainer => "CannotCreateContainerError",
            Self::CannotStartContainer => "CannotStartContainerError",
            Self::CannotCreateVolume => "CannotCreateVolumeError",
            Self::ContainerNetworking => "ContainerNetworkingError",
            Self::ContainerRuntime => "ContainerRuntimeError",
            Self::ContainerRuntimeTimeout => "ContainerRuntimeTimeoutError",
            Self::HostConfig => "HostConfigError",
            Self::InvalidVolume => "InvalidVolumeError",
            Self::OutOfMemory => "OutOfMemoryError",
            Self::ResourceInitialization => "ResourceInitializationError",
            Self::ResourceNotFound => "ResourceNotFoundException",
            Self::TaskDependency => "TaskDependencyError",
            Self::TaskStoppedBeforePullBegin => "TaskStoppedBeforePullBeginError",
            Self::ContainerVanished => "ContainerVanishedError",
        }
    }
}

/// The answer to a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Submitted {
    /// Taken in.
    Acknowledged,
    /// No answer, or one that invites another attempt.
    Failed,
    /// It will never be taken in (`InvalidParameterException`, `ClientException`): dropped.
    Refused,
}

/// What is really there of a task after a start of the agent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Found {
    /// Its network, if it stands and its facts are known.
    pub network: Option<NetworkFacts>,
    /// Its containers; those that do not exist are absent.
    pub containers: Vec<FoundContainer>,
}

/// What is there of a container.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundContainer {
    /// Which.
    pub container: ContainerName,
    /// Which of its runs.
    pub run: u32,
    /// How it is.
    pub state: FoundState,
}

/// How a container was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundState {
    /// It exists and was not started.
    Created,
    /// It runs.
    Running(Running),
    /// It ran and ended.
    Exited(Running, Exit),
}
