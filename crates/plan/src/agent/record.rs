//! What an agent remembers across its own end, and the form in which it is kept.
//!
//! Stored forms only grow: new fields are optional, no number is used twice.

use std::collections::BTreeSet;

use minicbor::{Decode, Encode};
use types::{ContainerName, Protocol, Timestamp};

use crate::lifecycle::{Desired, Health, Status};

/// What has become of a task.
#[derive(Debug, Clone, PartialEq, Default, Encode, Decode)]
pub struct TaskRecord {
    /// Its place among all tasks this agent ever took in; waiting tasks start in this order.
    #[n(0)]
    pub order: u64,
    /// Where it shall go. Written by payloads, stop verifications and the ends of its containers.
    #[n(1)]
    pub desired: Desired,
    /// Why the task as a whole could not go on, if it was not one of its containers.
    #[n(2)]
    pub reason: Option<String>,
    /// Whether it holds its part of the instance's resources.
    #[n(3)]
    pub admitted: bool,
    /// Whether it has given everything back.
    #[n(4)]
    pub released: bool,
    /// Its network, once it stands.
    #[n(5)]
    pub network: Option<NetworkFacts>,
    /// When its first pull began.
    #[n(6)]
    pub pull_started_at: Option<Timestamp>,
    /// When its last pull ended.
    #[n(7)]
    pub pull_stopped_at: Option<Timestamp>,
    /// When its first essential container ended.
    #[n(8)]
    pub execution_stopped_at: Option<Timestamp>,
    /// When all its containers ran for the first time.
    #[n(9)]
    pub running_at: Option<Timestamp>,
    /// When the last of its containers stopped.
    #[n(10)]
    pub stopped_at: Option<Timestamp>,
    /// What the control plane has acknowledged.
    #[n(11)]
    pub reported: Reported,
    /// Its containers, in the order of its spec.
    #[n(12)]
    pub containers: Vec<ContainerRecord>,
}

/// What has become of a container. Written by the outcomes of steps only.
#[derive(Debug, Clone, PartialEq, Default, Encode, Decode)]
pub struct ContainerRecord {
    /// How far it has come.
    #[n(0)]
    pub status: Status,
    /// Which of its runs this is: how often it was restarted in place.
    #[n(1)]
    pub run: u32,
    /// Whether it ever ran.
    #[n(2)]
    pub ran: bool,
    /// Its id with the runtime.
    #[n(3)]
    pub runtime_id: Option<String>,
    /// Digest of its image.
    #[n(4)]
    pub digest: Option<String>,
    /// Stop signal of its image.
    #[n(5)]
    pub stop_signal: Option<String>,
    /// When this run began.
    #[n(6)]
    pub started_at: Option<Timestamp>,
    /// When the last run ended.
    #[n(7)]
    pub finished_at: Option<Timestamp>,
    /// Code of the last end.
    #[n(8)]
    pub exit_code: Option<i32>,
    /// Why it ended or could not begin, at most 1,024 characters.
    #[n(9)]
    pub reason: Option<String>,
    /// When it got its stop signal.
    #[n(10)]
    pub signalled_at: Option<Timestamp>,
    /// When it last got KILL.
    #[n(11)]
    pub killed_at: Option<Timestamp>,
    /// What health checks found.
    #[n(12)]
    pub health: Health,
    /// Since when.
    #[n(13)]
    pub health_since: Option<Timestamp>,
    /// What the control plane has acknowledged.
    #[n(14)]
    pub reported: Reported,
}

/// What of a task or container the control plane has acknowledged. It only moves forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Encode, Decode)]
#[cbor(index_only)]
pub enum Reported {
    /// Nothing.
    #[default]
    #[n(0)]
    Nothing,
    /// That it runs.
    #[n(1)]
    Running,
    /// That it stopped.
    #[n(2)]
    Stopped,
}

/// The network of a task as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct NetworkFacts {
    /// Its addresses, the primary first; empty for `host` and `none`.
    #[n(0)]
    pub addresses: Vec<String>,
    /// Ports of the instance that lead to it.
    #[n(1)]
    pub bindings: Vec<Binding>,
}

/// Ports of the instance that lead to a container.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Binding {
    /// To which container.
    #[n(0)]
    pub container: ContainerName,
    /// Which port space.
    #[n(1)]
    pub protocol: Protocol,
    /// First port inside.
    #[n(2)]
    pub container_port: u16,
    /// First port of the instance.
    #[n(3)]
    pub host_port: u16,
    /// How many ports; above 1 for a range.
    #[n(4)]
    pub count: u16,
    /// Address of the instance they are bound to, `0.0.0.0` for all.
    #[n(5)]
    pub bind_ip: String,
}

/// How far the agent has followed the control plane.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct Sequence {
    /// Highest sequence number of a payload taken in.
    #[n(0)]
    pub payload: i64,
    /// Timeline of the last manifest taken in.
    #[n(1)]
    pub manifest: i64,
    /// Tasks that the last manifest wants running and that were not known then.
    #[n(2)]
    pub awaited: BTreeSet<String>,
    /// Place of the next task.
    #[n(3)]
    pub next_order: u64,
    /// Which container instance followed; another one begins anew.
    #[n(4)]
    pub container_instance: String,
}

/// Credentials of a task.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Credentials {
    /// Under which id containers ask for them.
    #[n(0)]
    pub id: String,
    /// The role they stand for.
    #[n(1)]
    pub role_arn: String,
    /// Public part.
    #[n(2)]
    pub access_key_id: String,
    /// Secret part.
    #[n(3)]
    pub secret_access_key: String,
    /// Token of the session.
    #[n(4)]
    pub session_token: String,
    /// Until when they are good, RFC 3339.
    #[n(5)]
    pub expiration: String,
}

impl core::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Credentials")
            .field("id", &self.id)
            .field("role_arn", &self.role_arn)
            .field("expiration", &self.expiration)
            .finish_non_exhaustive()
    }
}

/// What the credentials of a task are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// For its containers.
    Application,
    /// For pulling and logging.
    Execution,
}
