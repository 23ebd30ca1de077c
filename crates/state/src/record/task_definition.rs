//! Task definitions and their families.

use core::fmt;

use minicbor::{Decode, Encode};
use types::{Family, Timestamp};

use super::{Demand, Tag};

/// One revision of a family.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Revision {
    /// The family.
    #[n(0)]
    pub family: Family,
    /// 1, 2, 3, ….
    #[n(1)]
    pub number: u32,
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.family, self.number)
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Where a task definition is in its life (handbook 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum DefinitionStatus {
    /// Can be run.
    #[n(0)]
    Active,
    /// Deregistered: what runs goes on, nothing new starts.
    #[n(1)]
    Inactive,
    /// Goes away as soon as nothing refers to it.
    #[n(2)]
    DeleteInProgress,
}

/// How the containers of a task reach the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum NetworkMode {
    /// A private bridge on the instance; the default.
    #[n(0)]
    Bridge,
    /// The instance's own network.
    #[n(1)]
    Host,
    /// An address of its own in the VPC.
    #[n(2)]
    Awsvpc,
    /// Loopback only.
    #[n(3)]
    None,
}

/// A task definition: the recipe of tasks.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct TaskDefinition {
    /// Family and revision.
    #[n(0)]
    pub revision: Revision,
    /// Set by Register-, Deregister- and DeleteTaskDefinitions.
    #[n(1)]
    pub status: DefinitionStatus,
    /// The RegisterTaskDefinitionRequest in stored form, without its tags.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub spec: Vec<u8>,
    /// What one task of it takes from an instance, before overrides.
    #[n(3)]
    pub demand: Demand,
    /// How its containers reach the network.
    #[n(4)]
    pub network: NetworkMode,
    /// Attributes that an instance must have, sorted.
    #[n(5)]
    pub requires: Vec<String>,
    /// Expressions of its `memberOf` constraints.
    #[n(6)]
    pub member_of: Vec<String>,
    /// When it was registered.
    #[n(7)]
    pub registered_at: Timestamp,
    /// By whom (ARN).
    #[n(8)]
    pub registered_by: String,
    /// When it was deregistered.
    #[n(9)]
    pub deregistered_at: Option<Timestamp>,
    /// When its deletion was asked for.
    #[n(10)]
    pub delete_requested_at: Option<Timestamp>,
    /// Set by registration and TagResource.
    #[n(11)]
    pub tags: Vec<Tag>,
}

/// A family remembers its last revision for ever, so that numbers are never used twice.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct FamilyRow {
    /// The family.
    #[n(0)]
    pub family: Family,
    /// The highest revision ever registered.
    #[n(1)]
    pub last: u32,
}
