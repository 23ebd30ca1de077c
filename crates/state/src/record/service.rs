//! Services: so many tasks of one kind, kept alive and brought up to date (handbook 5).

use core::time::Duration;

use minicbor::{Decode, Encode};
use types::{ClusterName, ServiceName, Timestamp};

use super::Tag;
use super::remark::Remarks;

/// What a service is found by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct ServiceKey {
    /// Its cluster.
    #[n(0)]
    pub cluster: ClusterName,
    /// Unique in the cluster.
    #[n(1)]
    pub name: ServiceName,
}

/// Where a service is in its life (handbook 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum ServiceStatus {
    /// Its tasks are kept.
    #[n(0)]
    Active,
    /// Deleted; its tasks are leaving.
    #[n(1)]
    Draining,
    /// Deleted, and nothing of it runs. Describable for a while.
    #[n(2)]
    Inactive,
}

/// How many tasks a service keeps, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Scheduling {
    /// As many as are desired.
    #[n(0)]
    Replica,
    /// One on each container instance that can take it.
    #[n(1)]
    Daemon,
}

/// Whether a setting of a service is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Switch {
    /// ENABLED.
    #[n(0)]
    On,
    /// DISABLED.
    #[n(1)]
    Off,
}

/// How many failures end a deployment (handbook 5.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Threshold {
    /// So many.
    #[n(0)]
    Count(#[n(0)] u32),
    /// That percentage of the desired count, rounded up, at least 3 and at most 200.
    #[n(1)]
    Bounded(#[n(0)] u32),
    /// That percentage of the desired count, rounded up.
    #[n(2)]
    Unbounded(#[n(0)] u32),
}

/// `deploymentCircuitBreaker`, where it is enabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Breaker {
    /// How many failures trip it.
    #[n(0)]
    pub threshold: Threshold,
    /// Whether the last completed deployment comes back then.
    #[n(1)]
    pub rollback: Switch,
    /// Whether a task that becomes healthy sets the count to zero.
    #[n(2)]
    pub reset_on_healthy_task: Switch,
}

/// `alarms` of `deploymentConfiguration`, where they are enabled.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct DeploymentAlarms {
    /// Names of CloudWatch alarms, which need not exist.
    #[n(0)]
    pub names: Vec<String>,
    /// Whether the last completed deployment comes back when one goes off.
    #[n(1)]
    pub rollback: Switch,
}

/// How far a deployment has come, in the words of `rolloutState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Rollout {
    /// Tasks are being replaced.
    #[n(0)]
    InProgress,
    /// All that is desired runs and is healthy, and nothing older is left.
    #[n(1)]
    Completed,
    /// Too many of its tasks failed: it starts nothing more.
    #[n(2)]
    Failed,
}

/// One entry of `deployments`: the tasks of one service revision. The first one of a service is
/// PRIMARY, the others are ACTIVE until their last task has left.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Deployment {
    /// Shown as `ecs-svc/` and nineteen digits; what its tasks are started by.
    #[n(0)]
    pub id: u64,
    /// The service revision that its tasks are of.
    #[n(1)]
    pub revision: u64,
    /// How far it has come.
    #[n(2)]
    pub rollout: Rollout,
    /// Why it is there, in AWS's words.
    #[n(3)]
    pub reason: String,
    /// Whether it has ever been completed: what a rollback looks for.
    #[n(4)]
    pub completed_at: Option<Timestamp>,
    /// What counts for the circuit breaker; shown as `failedTasks`.
    #[n(5)]
    pub failed: u32,
    /// Launches in a row that never ran: slows further ones down (handbook 5.6).
    #[n(6)]
    pub stumbles: u32,
    /// Not before this time is the next task started, because of those.
    #[n(7)]
    pub wait_until: Option<Timestamp>,
    /// When it was made.
    #[n(8)]
    pub created_at: Timestamp,
    /// When it last changed.
    #[n(9)]
    pub updated_at: Timestamp,
    /// The service deployment that it belongs to.
    #[n(10)]
    pub service_deployment: u64,
    /// When its launches so far would have been made at the steady pace that bounds them; `None`
    /// if it has made none. Written by the scheduler.
    #[n(11)]
    pub paced_until: Option<Timestamp>,
}

/// A service.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Service {
    /// Cluster and name.
    #[n(0)]
    pub key: ServiceKey,
    /// Set by Create- and DeleteService, and by the scheduler once nothing of it runs.
    #[n(1)]
    pub status: ServiceStatus,
    /// The CreateServiceRequest with what updates have replaced in it, in stored form, without its
    /// tags and client token. Defaults are filled in.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub spec: Vec<u8>,
    /// How tasks are counted. Never changes.
    #[n(3)]
    pub scheduling: Scheduling,
    /// Tasks that the user asked for; 0 for daemons.
    #[n(4)]
    pub desired: u32,
    /// `minimumHealthyPercent`.
    #[n(5)]
    pub minimum_percent: u32,
    /// `maximumPercent`.
    #[n(6)]
    pub maximum_percent: u32,
    /// `deploymentCircuitBreaker`; `None` if it is off.
    #[n(7)]
    pub breaker: Option<Breaker>,
    /// `healthCheckGracePeriodSeconds`.
    #[n(8)]
    pub grace: Duration,
    /// `availabilityZoneRebalancing`.
    #[n(9)]
    pub rebalancing: Switch,
    /// Newest first; never empty while the service is ACTIVE. Written by CreateService,
    /// UpdateService and the scheduler.
    #[n(10)]
    pub deployments: Vec<Deployment>,
    /// The newest service deployment.
    #[n(11)]
    pub service_deployment: u64,
    /// The revision that was rolled out completely last.
    #[n(12)]
    pub completed_revision: Option<u64>,
    /// Whether it was steady when the scheduler last looked. Written by the scheduler.
    #[n(13)]
    pub steady_at: Option<Timestamp>,
    /// Number of the newest event.
    #[n(14)]
    pub last_event: u64,
    /// Set by CreateService and TagResource.
    #[n(15)]
    pub tags: Vec<Tag>,
    /// When it was made.
    #[n(16)]
    pub created_at: Timestamp,
    /// By whom (ARN).
    #[n(17)]
    pub created_by: String,
    /// When it was deleted.
    #[n(18)]
    pub deleted_at: Option<Timestamp>,
    /// `clientToken` of CreateService.
    #[n(19)]
    pub token: Option<String>,
    /// `alarms` of its deployments; `None` if they are off.
    #[n(20)]
    pub alarms: Option<DeploymentAlarms>,
    /// What is so of it and has been said. Written by the scheduler.
    #[n(21)]
    pub remarks: Remarks,
}

/// What a revision registers its tasks with: one entry of `loadBalancers`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct ServiceTarget {
    /// ARN of the target group; `None` for a Classic Load Balancer.
    #[n(0)]
    pub group: Option<String>,
    /// Name of the Classic Load Balancer.
    #[n(1)]
    pub classic: Option<String>,
    /// The container.
    #[n(2)]
    pub container: String,
    /// Its port inside the task.
    #[n(3)]
    pub port: u16,
}

/// One entry of `serviceRegistries`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct ServiceRegistry {
    /// ARN of the Cloud Map service.
    #[n(0)]
    pub arn: String,
    /// The container, where the port is one of a container.
    #[n(1)]
    pub container: Option<String>,
    /// Its port inside the task.
    #[n(2)]
    pub container_port: Option<u16>,
    /// The port of SRV records, where it is given.
    #[n(3)]
    pub port: Option<u16>,
}

/// One event of a service, the newest hundred are kept (handbook 5.5).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ServiceEvent {
    /// The service, and which of its events: 1, 2, 3, ….
    #[n(0)]
    pub key: ServiceEventKey,
    /// When it happened.
    #[n(1)]
    pub at: Timestamp,
    /// Shown as a UUID.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub id: Vec<u8>,
    /// In AWS's words, with ours behind them.
    #[n(3)]
    pub message: String,
}

/// What an event is found by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct ServiceEventKey {
    /// Whose it is.
    #[n(0)]
    pub service: ServiceKey,
    /// Rises.
    #[n(1)]
    pub number: u64,
}
