//! Revisions of services, and the records of how they were rolled out (handbook 5.8).

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use types::{ContainerName, Timestamp};

use super::service::{ServiceKey, ServiceRegistry, ServiceTarget};
use super::task_definition::Revision;

/// What a service revision is found by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct ServiceRevisionKey {
    /// Whose it is.
    #[n(0)]
    pub service: ServiceKey,
    /// Nineteen digits.
    #[n(1)]
    pub id: u64,
}

/// A snapshot of everything that a deployment of a service rolls out. Never changes, but for the
/// digests.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ServiceRevision {
    /// Whose, and which.
    #[n(0)]
    pub key: ServiceRevisionKey,
    /// What its tasks run.
    #[n(1)]
    pub definition: Revision,
    /// The service's spec as it was then.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub spec: Vec<u8>,
    /// What its tasks are registered with.
    #[n(3)]
    pub targets: Vec<ServiceTarget>,
    /// Where its tasks are discovered.
    #[n(4)]
    pub registries: Vec<ServiceRegistry>,
    /// Digests of its containers' images, as the first task resolved them; later tasks get the
    /// same. Written from agent reports. Nothing of containers with `versionConsistency: disabled`.
    #[n(5)]
    pub digests: BTreeMap<ContainerName, String>,
    /// When it was made.
    #[n(6)]
    pub created_at: Timestamp,
    /// When it was settled that none will be known: too many launches had failed before the first
    /// digest was.
    #[n(7)]
    pub unresolved_at: Option<Timestamp>,
}

/// Where a service deployment stands, in AWS's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ServiceDeploymentStatus {
    /// Another one has to end first.
    #[n(0)]
    Pending,
    /// Tasks are being replaced.
    #[n(1)]
    InProgress,
    /// Everything is as it was asked for.
    #[n(2)]
    Successful,
    /// It was stopped, or overtaken by a newer one.
    #[n(3)]
    Stopped,
    /// StopServiceDeployment has asked for it.
    #[n(4)]
    StopRequested,
    /// Going back was asked for, or a monitor tripped.
    #[n(5)]
    RollbackRequested,
    /// Tasks are being put back.
    #[n(6)]
    RollbackInProgress,
    /// Everything is as it was before.
    #[n(7)]
    RollbackSuccessful,
    /// There is nothing to go back to, or that failed as well.
    #[n(8)]
    RollbackFailed,
}

/// Why and when a deployment went back.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Rollback {
    /// For people.
    #[n(0)]
    pub reason: String,
    /// When it began.
    #[n(1)]
    pub started_at: Timestamp,
    /// The revision that it goes back to.
    #[n(2)]
    pub revision: u64,
}

/// What becomes of a deployment's alarms, in AWS's words (handbook 5.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Watching {
    /// One of them that goes off ends the deployment.
    #[n(0)]
    Monitoring,
    /// One of them was in ALARM when the deployment began, or they were switched off: they do not
    /// count for this deployment.
    #[n(1)]
    Disabled,
    /// One went off.
    #[n(2)]
    Triggered,
}

/// The alarms of a deployment, from its first step on.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct AlarmWatch {
    /// Which alarms.
    #[n(0)]
    pub names: Vec<String>,
    /// What becomes of them.
    #[n(1)]
    pub status: Watching,
    /// Those that went off.
    #[n(2)]
    pub triggered: Vec<String>,
    /// Until then alarms count, although everything is as it was asked for; set when it was so for
    /// the first time.
    #[n(3)]
    pub baked_at: Option<Timestamp>,
}

/// What a service deployment is found by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct ServiceDeploymentKey {
    /// Whose it is.
    #[n(0)]
    pub service: ServiceKey,
    /// Nineteen digits.
    #[n(1)]
    pub id: u64,
}

/// One rollout of a service, from the request to its end: the record of a state machine that can
/// be taken up again at any step.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ServiceDeployment {
    /// Whose, and which.
    #[n(0)]
    pub key: ServiceDeploymentKey,
    /// Where it stands.
    #[n(1)]
    pub status: ServiceDeploymentStatus,
    /// Why, where that is not plain.
    #[n(2)]
    pub status_reason: Option<String>,
    /// Revisions that had tasks when it began.
    #[n(3)]
    pub sources: Vec<u64>,
    /// The revision that it rolls out.
    #[n(4)]
    pub target: u64,
    /// If it went back.
    #[n(5)]
    pub rollback: Option<Rollback>,
    /// Failures that its breaker has counted. Kept when the deployment's own count is reset.
    #[n(6)]
    pub failures: u32,
    /// When it was asked for.
    #[n(7)]
    pub created_at: Timestamp,
    /// When its first step was taken.
    #[n(8)]
    pub started_at: Option<Timestamp>,
    /// When it last changed.
    #[n(9)]
    pub updated_at: Timestamp,
    /// When it ended.
    #[n(10)]
    pub finished_at: Option<Timestamp>,
    /// When it was stopped.
    #[n(11)]
    pub stopped_at: Option<Timestamp>,
    /// What becomes of its alarms; `None` if it has none. Written by the scheduler.
    #[n(12)]
    pub watch: Option<AlarmWatch>,
}
