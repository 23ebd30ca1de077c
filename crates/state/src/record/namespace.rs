//! Namespaces of AWS Cloud Map.

use minicbor::{Decode, Encode};
use types::Timestamp;

use super::Tag;

/// A namespace: a set of services that find each other by name.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Namespace {
    /// Such as `ns-0123456789abcdef`.
    #[n(0)]
    pub id: String,
    /// As the client gave it.
    #[n(1)]
    pub name: String,
    /// The name by which DiscoverInstances knows it. No two namespaces have the same.
    #[n(2)]
    pub http_name: String,
    /// How its services are found.
    #[n(3)]
    pub kind: NamespaceKind,
    /// Set by Create…Namespace and Update…Namespace.
    #[n(4)]
    pub description: Option<String>,
    /// By which a repeated creation is known.
    #[n(5)]
    pub creator_request_id: Option<String>,
    /// The operation that made it.
    #[n(6)]
    pub created_by: String,
    /// The last change of it that was asked for, by which a repeated one is known.
    #[n(7)]
    pub last_update: Option<NamedOperation>,
    /// Set by Create…Namespace and TagResource.
    #[n(8)]
    pub tags: Vec<Tag>,
    /// When it was made.
    #[n(9)]
    pub created_at: Timestamp,
}

/// How services of a namespace are found.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum NamespaceKind {
    /// By DiscoverInstances only.
    #[n(0)]
    Http,
    /// Also by names of this private hosted zone.
    #[n(1)]
    PrivateDns {
        /// Id of the hosted zone that belongs to it.
        #[n(0)]
        zone: String,
    },
    /// Also by names of this public hosted zone.
    #[n(2)]
    PublicDns {
        /// Id of the hosted zone that belongs to it.
        #[n(0)]
        zone: String,
    },
}

impl NamespaceKind {
    /// Id of the hosted zone that belongs to the namespace.
    pub fn zone(&self) -> Option<&str> {
        match self {
            Self::Http => None,
            Self::PrivateDns { zone } | Self::PublicDns { zone } => Some(zone),
        }
    }
}

/// A request by its id, and the operation that came of it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct NamedOperation {
    /// As the client sent it.
    #[n(0)]
    pub request_id: String,
    /// Id of the operation.
    #[n(1)]
    pub operation: String,
}
