//! Clusters.

use minicbor::{Decode, Encode};
use types::{ClusterName, Timestamp};

use super::Tag;

/// Where a cluster is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ClusterStatus {
    /// Takes instances and tasks.
    #[n(0)]
    Active,
    /// Deleted; stays describable for a while.
    #[n(1)]
    Inactive,
}

/// A cluster: a group of container instances and the tasks on them.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Cluster {
    /// Its name, unique in the region.
    #[n(0)]
    pub name: ClusterName,
    /// Set by CreateCluster and DeleteCluster.
    #[n(1)]
    pub status: ClusterStatus,
    /// The CreateClusterRequest, in stored form, as later updates changed it.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub spec: Vec<u8>,
    /// Set by TagResource and CreateCluster.
    #[n(3)]
    pub tags: Vec<Tag>,
    /// When it was made.
    #[n(4)]
    pub created_at: Timestamp,
    /// When it was deleted, while it is INACTIVE. Set by DeleteCluster.
    #[n(5)]
    pub inactive_at: Option<Timestamp>,
}
