//! Container instances.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use types::{ClusterName, Cpu, InstanceId, MemoryMib, Port, Timestamp, Zone};

use super::Tag;

/// Where a container instance is in its life (handbook 6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum InstanceStatus {
    /// Takes tasks.
    #[n(0)]
    Active,
    /// Takes no new tasks.
    #[n(1)]
    Draining,
    /// Deregistered; gone for good.
    #[n(2)]
    Inactive,
}

/// What a machine brought along when it registered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct Resources {
    /// CPU units.
    #[n(0)]
    pub cpu: Cpu,
    /// Memory for tasks.
    #[n(1)]
    pub memory: MemoryMib,
    /// Host ports that are not for tasks.
    #[n(2)]
    pub ports: Vec<Port>,
    /// Identifiers of its GPUs, sorted.
    #[n(3)]
    pub gpus: Vec<String>,
    /// How many tasks with an address of their own it can hold; `None` is no limit.
    #[n(4)]
    pub interfaces: Option<u32>,
}

/// A machine that runs tasks.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct ContainerInstance {
    /// Its identifier.
    #[n(0)]
    pub id: InstanceId,
    /// The cluster it belongs to, for life.
    #[n(1)]
    pub cluster: ClusterName,
    /// Written by the control plane: registration, draining, deregistration.
    #[n(2)]
    pub status: InstanceStatus,
    /// `i-…` of its identity document, or made up by us.
    #[n(3)]
    pub ec2_instance_id: String,
    /// The zone it stands in.
    #[n(4)]
    pub zone: Zone,
    /// All attributes, built in and custom. Written by registration and PutAttributes.
    #[n(5)]
    pub attributes: BTreeMap<String, Option<String>>,
    /// Written by registration.
    #[n(6)]
    pub resources: Resources,
    /// Whether its agent's session stands. Written from what the link sees.
    #[n(7)]
    pub connected: bool,
    /// When `connected` last changed.
    #[n(8)]
    pub connected_at: Timestamp,
    /// When its tasks were given up after it was lost; cleared when it returns.
    #[n(9)]
    pub given_up_at: Option<Timestamp>,
    /// First registration.
    #[n(10)]
    pub registered_at: Timestamp,
    /// Rises with every change that the API shows.
    #[n(11)]
    pub version: u64,
    /// As the agent registered it.
    #[n(13)]
    pub agent_version: String,
    /// As the agent registered it.
    #[n(14)]
    pub agent_hash: String,
    /// As the agent registered it.
    #[n(15)]
    pub docker_version: String,
    /// Set by registration and TagResource.
    #[n(16)]
    pub tags: Vec<Tag>,
    /// Access key that registered it; only this principal may speak for it.
    #[n(17)]
    pub owner: String,
    /// What its identity document calls the machine, by which an agent that has lost its own name
    /// is known; `None` where `ec2_instance_id` is made up.
    #[n(18)]
    pub machine: Option<String>,
    /// How often it has registered; a newer incarnation outdates older reports.
    #[n(19)]
    pub incarnation: u64,
    /// Why it is in its status, where that is not plain.
    #[n(20)]
    pub status_reason: Option<String>,
    /// Client tokens of its latest registrations that did not name it, the oldest first: one of
    /// them again is a late copy. Written by registration; `None` where none had one.
    #[n(21)]
    pub registrations: Option<Vec<String>>,
    /// When its agent registered without knowing the tasks it had; they are over, and are being
    /// ended. Written by registration, cleared by the control plane with the last of them.
    #[n(22)]
    pub forgot_at: Option<Timestamp>,
}

impl ContainerInstance {
    /// Whether tasks can be placed on it: it is to take some, its agent listens, and nothing of a
    /// forgotten past is left to be ended there.
    pub fn takes_tasks(&self) -> bool {
        self.status == InstanceStatus::Active && self.listens()
    }

    /// Whether its agent is there to be told of tasks.
    pub fn listens(&self) -> bool {
        self.connected && self.forgot_at.is_none()
    }
}

/// How often what an instance should hold has changed: stamps what it is told.
///
/// A row of its own, because it changes with every task and the instance does not.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Assignment {
    /// Which instance.
    #[n(0)]
    pub instance: InstanceId,
    /// 1, 2, 3, ….
    #[n(1)]
    pub version: u64,
}
