//! Services and instances of AWS Cloud Map, and what was asked to be done with them.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use types::Timestamp;

use super::{NamedOperation, Tag};

/// A service of a namespace: what instances are registered with.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct DiscoveryService {
    /// Such as `srv-0123456789abcdef`.
    #[n(0)]
    pub id: String,
    /// Id of its namespace.
    #[n(1)]
    pub namespace: String,
    /// As the client gave it.
    #[n(2)]
    pub name: String,
    /// Set by CreateService and UpdateService.
    #[n(3)]
    pub description: Option<String>,
    /// By which a repeated CreateService is known.
    #[n(4)]
    pub creator_request_id: Option<String>,
    /// Which records its instances have; `None` if they are found by DiscoverInstances only.
    #[n(5)]
    pub dns: Option<DnsRecords>,
    /// Whether instances have the health that UpdateInstanceCustomHealthStatus says.
    #[n(6)]
    pub custom_health: bool,
    /// Set by UpdateServiceAttributes.
    #[n(7)]
    pub attributes: BTreeMap<String, String>,
    /// Set by CreateService and TagResource.
    #[n(8)]
    pub tags: Vec<Tag>,
    /// When it was made.
    #[n(9)]
    pub created_at: Timestamp,
    /// Counts the changes of its instances and of their health.
    #[n(10)]
    pub revision: u64,
}

/// The records that instances of a service have.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct DnsRecords {
    /// How many instances an answer tells of.
    #[n(0)]
    pub routing: DiscoveryRouting,
    /// Types and how long an answer may be kept, in the order given.
    #[n(1)]
    pub records: Vec<DnsRecord>,
}

/// One type of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct DnsRecord {
    /// The type.
    #[n(0)]
    pub kind: DnsRecordKind,
    /// How long an answer may be kept, in seconds.
    #[n(1)]
    pub ttl: u32,
}

/// Types of records that instances may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum DnsRecordKind {
    /// An address of IPv4.
    #[n(0)]
    A,
    /// An address of IPv6.
    #[n(1)]
    Aaaa,
    /// Another name.
    #[n(2)]
    Cname,
    /// A name and a port.
    #[n(3)]
    Srv,
}

impl DnsRecordKind {
    /// As questions and zone files write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
            Self::Srv => "SRV",
        }
    }
}

/// How many instances an answer tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum DiscoveryRouting {
    /// Up to eight.
    #[n(0)]
    Multivalue,
    /// One.
    #[n(1)]
    Weighted,
}

/// What an instance of a service is found by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct DiscoveryInstanceKey {
    /// Id of its service.
    #[n(0)]
    pub service: String,
    /// As the client gave it.
    #[n(1)]
    pub id: String,
}

/// An instance of a service.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct DiscoveryInstance {
    /// What it is found by.
    #[n(0)]
    pub key: DiscoveryInstanceKey,
    /// As they were registered.
    #[n(1)]
    pub attributes: BTreeMap<String, String>,
    /// What its health is; `None` if its service does not have custom health.
    #[n(2)]
    pub health: Option<DiscoveryHealth>,
    /// The last registration of it, by which a repeated one is known.
    #[n(3)]
    pub registration: Option<NamedOperation>,
    /// When it was registered first.
    #[n(4)]
    pub created_at: Timestamp,
}

impl DiscoveryInstance {
    /// Whether clients may be sent to it: one whose health nobody tells is taken for healthy.
    pub fn is_healthy(&self) -> bool {
        self.health != Some(DiscoveryHealth::Unhealthy)
    }
}

/// Health that is told, not checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum DiscoveryHealth {
    /// Clients may be sent to it.
    #[n(0)]
    Healthy,
    /// Clients are sent to others if there are any.
    #[n(1)]
    Unhealthy,
}

/// An operation of Cloud Map that clients ask about afterwards. All that are kept succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct DiscoveryOperation {
    /// It begins with the time, so that ids are in the order in which operations were asked for.
    #[n(0)]
    pub id: String,
    /// Such as `REGISTER_INSTANCE`.
    #[n(1)]
    pub kind: String,
    /// Ids of what it was about, by `NAMESPACE`, `SERVICE` and `INSTANCE`.
    #[n(2)]
    pub targets: BTreeMap<String, String>,
    /// When it was asked for, and done.
    #[n(3)]
    pub at: Timestamp,
}
