//! Tasks: one run of a task definition on one container instance.

use minicbor::{Decode, Encode};
use types::{
    ClusterName, ContainerName, Cpu, Group, InstanceId, MemoryMib, Port, ServiceName, TaskId,
    Timestamp, Zone,
};

use super::{Placing, Revision, ServiceKey, Tag, TargetKey};

/// What a task takes from its instance, for as long as it holds it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct Demand {
    /// CPU units.
    #[n(0)]
    pub cpu: Cpu,
    /// Memory: the reservation where one is given, else the limit.
    #[n(1)]
    pub memory: MemoryMib,
    /// Static host ports, sorted.
    #[n(2)]
    pub ports: Vec<Port>,
    /// Whole GPUs.
    #[n(3)]
    pub gpus: u16,
    /// Whether it needs an interface with an address of its own (`awsvpc`).
    #[n(4)]
    pub interface: bool,
}

/// What should become of a task. Never goes back from stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Desired {
    /// It should run.
    #[n(0)]
    Running,
    /// It should stop.
    #[n(1)]
    Stopped,
}

/// How far a task or container has come. Only moves forward (handbook 2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Status {
    /// Waits for capacity or an interface.
    #[n(0)]
    Provisioning,
    /// Waits for its agent; resources are held.
    #[n(1)]
    Pending,
    /// Images, volumes, networks.
    #[n(2)]
    Activating,
    /// Containers run.
    #[n(3)]
    Running,
    /// Leaves its target groups.
    #[n(4)]
    Deactivating,
    /// Was told to stop.
    #[n(5)]
    Stopping,
    /// Its interface goes.
    #[n(6)]
    Deprovisioning,
    /// Over.
    #[n(7)]
    Stopped,
}

impl Status {
    /// Whether containers run: also while the task leaves its target groups or is being stopped.
    pub fn runs(self) -> bool {
        match self {
            Self::Running | Self::Deactivating | Self::Stopping | Self::Deprovisioning => true,
            Self::Provisioning | Self::Pending | Self::Activating | Self::Stopped => false,
        }
    }

    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provisioning => "PROVISIONING",
            Self::Pending => "PENDING",
            Self::Activating => "ACTIVATING",
            Self::Running => "RUNNING",
            Self::Deactivating => "DEACTIVATING",
            Self::Stopping => "STOPPING",
            Self::Deprovisioning => "DEPROVISIONING",
            Self::Stopped => "STOPPED",
        }
    }
}

impl Desired {
    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Stopped => "STOPPED",
        }
    }
}

/// What health checks say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(index_only)]
pub enum Health {
    /// No check, or none has answered yet.
    #[n(0)]
    #[default]
    Unknown,
    /// The last checks passed.
    #[n(1)]
    Healthy,
    /// The last checks failed.
    #[n(2)]
    Unhealthy,
}

/// How the task was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum LaunchType {
    /// On a container instance of the cluster.
    #[n(0)]
    Ec2,
    /// On an external instance.
    #[n(1)]
    External,
}

/// The class of a stop (handbook 2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum StopCode {
    /// It never ran.
    #[n(0)]
    TaskFailedToStart,
    /// An essential container ended.
    #[n(1)]
    EssentialContainerExited,
    /// Somebody called StopTask.
    #[n(2)]
    UserInitiated,
    /// The service scheduler's doing.
    #[n(3)]
    ServiceSchedulerInitiated,
    /// Spot capacity was taken back.
    #[n(4)]
    SpotInterruption,
    /// The machine was told to end.
    #[n(5)]
    TerminationNotice,
    /// The machine or its agent was lost.
    #[n(6)]
    InfrastructureHealth,
}

/// Why a task stops.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Stop {
    /// The class.
    #[n(0)]
    pub code: StopCode,
    /// For people, up to 1,024 characters.
    #[n(1)]
    pub reason: String,
}

/// A port of a container as the instance's agent published it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Binding {
    /// Address it is bound to.
    #[n(0)]
    pub address: String,
    /// Port inside.
    #[n(1)]
    pub container: u16,
    /// Port on the instance.
    #[n(2)]
    pub host: Port,
    /// Last port inside, for a range.
    #[n(3)]
    pub container_last: Option<u16>,
    /// Last port on the instance, for a range.
    #[n(4)]
    pub host_last: Option<u16>,
}

/// A container of a task. All but the first three fields are written from agent reports.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Container {
    /// Its name in the task definition.
    #[n(0)]
    pub name: ContainerName,
    /// 128 bits of its own ARN.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub id: Vec<u8>,
    /// Identifiers of GPUs pinned to it. Written by placement.
    #[n(2)]
    pub gpus: Vec<String>,
    /// How far it has come.
    #[n(3)]
    pub last: Status,
    /// The runtime's name for it.
    #[n(4)]
    pub runtime_id: Option<String>,
    /// How it ended.
    #[n(5)]
    pub exit_code: Option<i32>,
    /// Why it ended or did not start, up to 1,024 characters.
    #[n(6)]
    pub reason: Option<String>,
    /// Published ports.
    #[n(7)]
    pub bindings: Vec<Binding>,
    /// Digest of the image it was made of.
    #[n(8)]
    pub image_digest: Option<String>,
    /// What its check says.
    #[n(9)]
    pub health: Health,
    /// Digest of the image that it has to be made of, whatever its tag means by then; `None` if the
    /// tag decides. Written with the task.
    #[n(10)]
    pub pinned_digest: Option<String>,
}

/// The interface of an `awsvpc` task.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Interface {
    /// 128 bits of the attachment's id.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub attachment: Vec<u8>,
    /// `eni-` and 17 hexadecimal digits.
    #[n(1)]
    pub id: String,
    /// Subnet of the address.
    #[n(2)]
    pub subnet: String,
    /// IPv4 address, as a number.
    #[n(3)]
    pub address: u32,
    /// Hardware address.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub mac: Vec<u8>,
    /// Security groups asked for.
    #[n(5)]
    pub security_groups: Vec<String>,
}

/// Which way a task goes in or out of its target groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TargetMove {
    /// To be registered.
    In,
    /// To be deregistered.
    Out,
}

/// What a task of a service belongs to, and how it stands there.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Membership {
    /// The service, in the task's cluster.
    #[n(0)]
    pub service: ServiceName,
    /// Id of the deployment that started it.
    #[n(1)]
    pub deployment: u64,
    /// Id of the service revision that it is of.
    #[n(2)]
    pub revision: u64,
    /// What it is registered as in target groups. Written by target registration.
    #[n(3)]
    pub targets: Vec<TargetKey>,
    /// When it first counted as healthy. Written by the scheduler, once.
    #[n(4)]
    pub healthy_at: Option<Timestamp>,
    /// Until when neither scaling in nor a deployment stops it. Written by UpdateTaskProtection.
    #[n(5)]
    pub protected_until: Option<Timestamp>,
    /// When the scheduler took its end into account. Written by the scheduler, once.
    #[n(6)]
    pub settled_at: Option<Timestamp>,
    /// Id of the namespace whose names of Service Connect it sees; `None` if it takes no part.
    #[n(7)]
    pub namespace: Option<String>,
}

/// One run of a task definition.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Task {
    /// Its identifier.
    #[n(0)]
    pub id: TaskId,
    /// Where it was asked for.
    #[n(1)]
    pub cluster: ClusterName,
    /// What it runs.
    #[n(2)]
    pub revision: Revision,
    /// The instance it was placed on: one, for life.
    #[n(3)]
    pub instance: InstanceId,
    /// Zone of that instance.
    #[n(4)]
    pub zone: Zone,
    /// `family:…` unless the caller said otherwise; what spreading counts.
    #[n(5)]
    pub group: Group,
    /// Free text of the caller.
    #[n(6)]
    pub started_by: Option<String>,
    /// Client token of the request that made it.
    #[n(7)]
    pub token: Option<String>,
    /// Audit row of the request that made it.
    #[n(8)]
    pub audit: u64,
    /// How it was asked for.
    #[n(9)]
    pub launch: LaunchType,
    /// What it holds on the instance.
    #[n(10)]
    pub demand: Demand,
    /// The TaskOverride of the request in stored form; empty if there was none.
    #[cbor(n(11), with = "minicbor::bytes")]
    pub overrides: Vec<u8>,
    /// Set by the request and TagResource; gone when it stops.
    #[n(12)]
    pub tags: Vec<Tag>,
    /// Written by the control plane.
    #[n(13)]
    pub desired: Desired,
    /// Written from agent reports, and by the control plane where it knows better.
    #[n(14)]
    pub last: Status,
    /// In the order of the task definition.
    #[n(15)]
    pub containers: Vec<Container>,
    /// Why it stops or stopped. Written once.
    #[n(16)]
    pub stop: Option<Stop>,
    /// When it was made.
    #[n(17)]
    pub created_at: Timestamp,
    /// First pull started.
    #[n(18)]
    pub pull_started_at: Option<Timestamp>,
    /// Last pull ended.
    #[n(19)]
    pub pull_stopped_at: Option<Timestamp>,
    /// It became running.
    #[n(20)]
    pub started_at: Option<Timestamp>,
    /// It was told to stop.
    #[n(21)]
    pub stopping_at: Option<Timestamp>,
    /// Its essential container ended.
    #[n(22)]
    pub execution_stopped_at: Option<Timestamp>,
    /// It was over.
    #[n(23)]
    pub stopped_at: Option<Timestamp>,
    /// The agent first took it over.
    #[n(24)]
    pub connected_at: Option<Timestamp>,
    /// Rises with every change that the API shows.
    #[n(25)]
    pub version: u64,
    /// Its address, for `awsvpc`.
    #[n(26)]
    pub interface: Option<Interface>,
    /// Whether what it held is free again: only once its instance has confirmed the stop, has
    /// come back as a newer incarnation, or is gone for good.
    #[n(27)]
    pub released: bool,
    /// Whether the caller asked for ExecuteCommand.
    #[n(28)]
    pub exec: bool,
    /// Reference of the caller, echoed.
    #[n(29)]
    pub reference: Option<String>,
    /// Why it was placed where it is; none where the caller has chosen. Written once.
    #[n(30)]
    pub placing: Option<Box<Placing>>,
    /// Of a service's task: whose it is. `None` for one that stands alone.
    #[n(31)]
    pub service: Option<Box<Membership>>,
}

impl Task {
    /// The service that it is of.
    pub fn service_key(&self) -> Option<ServiceKey> {
        let name = self.service.as_ref()?.service.clone();
        Some(ServiceKey { cluster: self.cluster.clone(), name })
    }

    /// Which way it goes in or out of the target groups of its service, if there may be anything to
    /// do: a running task that no group knows may have to be registered; one that leaves, or is
    /// over and known to some, has to be deregistered.
    pub fn target_move(&self) -> Option<TargetMove> {
        let targets = &self.service.as_ref()?.targets;
        match (self.last, self.desired) {
            (Status::Running, Desired::Running) if targets.is_empty() => Some(TargetMove::In),
            (Status::Deactivating, _) => Some(TargetMove::Out),
            (Status::Stopped, _) if !targets.is_empty() => Some(TargetMove::Out),
            _ => None,
        }
    }

    /// Whether it has stopped for good.
    pub fn is_over(&self) -> bool {
        self.last == Status::Stopped
    }
}
