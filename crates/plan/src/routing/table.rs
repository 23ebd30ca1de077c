//! What a balancer is told: everything, whole, with a generation.
//!
//! A table says all that a balancer needs to serve for as long as it likes without hearing from
//! anybody: it checks health itself, and keeps the last table on its disk.

use std::collections::BTreeMap;
use std::net::IpAddr;

use minicbor::{Decode, Encode};
use state::{
    Action, Condition, Draining, HealthCheck, IpAddressType, ListenerProtocol, LoadBalancerKind,
    ProtocolVersion, TargetProtocol, TargetType, Transform,
};
use types::{Timestamp, Zone};

/// Which of two tables is newer. A balancer never goes back to an older one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Encode, Decode)]
pub struct Generation {
    /// Of the region's owner: the journal's fencing epoch.
    #[n(0)]
    pub epoch: u64,
    /// Grows with each change within an epoch.
    #[n(1)]
    pub version: u64,
}

/// Everything that a balancer serves.
#[derive(Clone, PartialEq, Default, Encode, Decode)]
pub struct RoutingTable {
    /// Which table this is.
    #[n(0)]
    pub generation: Generation,
    /// In order of their ARNs.
    #[n(1)]
    pub load_balancers: Vec<LoadBalancer>,
    /// Target groups that a listener or rule names, in order of their ARNs. Groups that nothing
    /// names are not told: their targets are not checked.
    #[n(2)]
    pub groups: Vec<Group>,
    /// Certificates that a listener names, in order of their ARNs.
    #[n(3)]
    pub certificates: Vec<Certificate>,
    /// The key by which balancers seal cookies, 32 bytes; the same for all of a region's balancers.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub seal: Vec<u8>,
}

impl core::fmt::Debug for RoutingTable {
    /// Without the seal.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("RoutingTable")
            .field("generation", &self.generation)
            .field("load_balancers", &self.load_balancers)
            .field("groups", &self.groups)
            .finish_non_exhaustive()
    }
}

/// A load balancer and its listeners.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct LoadBalancer {
    /// Its ARN.
    #[n(0)]
    pub arn: String,
    /// What it balances.
    #[n(1)]
    pub kind: LoadBalancerKind,
    /// Its own address in each zone that it is in.
    #[n(2)]
    pub nodes: Vec<(Zone, IpAddr)>,
    /// Attributes that differ from their defaults, by AWS's names
    /// (`super::attributes` reads them).
    #[n(3)]
    pub attributes: BTreeMap<String, String>,
    /// In order of their ARNs.
    #[n(4)]
    pub listeners: Vec<Listener>,
}

/// A port and its rules.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Listener {
    /// Its ARN.
    #[n(0)]
    pub arn: String,
    /// What clients speak.
    #[n(1)]
    pub protocol: ListenerProtocol,
    /// The port.
    #[n(2)]
    pub port: u16,
    /// ARNs of certificates, the default one first.
    #[n(3)]
    pub certificates: Vec<String>,
    /// Name of the security policy.
    #[n(4)]
    pub ssl_policy: Option<String>,
    /// Of TLS listeners.
    #[n(5)]
    pub alpn_policy: Option<String>,
    /// Attributes that differ from their defaults, by AWS's names.
    #[n(6)]
    pub attributes: BTreeMap<String, String>,
    /// By priority; the default rule is the last.
    #[n(7)]
    pub rules: Vec<PortRule>,
}

/// A rule of a listener.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct PortRule {
    /// Its ARN.
    #[n(0)]
    pub arn: String,
    /// `None` is the default rule.
    #[n(1)]
    pub priority: Option<u32>,
    /// All of them must hold.
    #[n(2)]
    pub conditions: Vec<Condition>,
    /// What becomes of a request.
    #[n(3)]
    pub action: Action,
    /// What is rewritten before the request goes to a target.
    #[n(4)]
    pub transforms: Vec<Transform>,
}

/// A target group and its targets.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Group {
    /// Its ARN.
    #[n(0)]
    pub arn: String,
    /// What its targets are.
    #[n(1)]
    pub target_type: TargetType,
    /// How targets are spoken to.
    #[n(2)]
    pub protocol: TargetProtocol,
    /// Of HTTP.
    #[n(3)]
    pub version: Option<ProtocolVersion>,
    /// Family of the targets' addresses.
    #[n(4)]
    pub ip_address_type: IpAddressType,
    /// How targets are checked.
    #[n(5)]
    pub health_check: HealthCheck,
    /// Attributes that differ from their defaults, by AWS's names.
    #[n(6)]
    pub attributes: BTreeMap<String, String>,
    /// In order of id and port, those that drain too.
    #[n(7)]
    pub targets: Vec<Target>,
    /// ARN of the group whose targets of the same ids are checked instead of these: what is found of
    /// those is so of these.
    #[n(8)]
    pub checked_in: Option<String>,
}

/// A target of a group.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Target {
    /// EC2 id, address or ARN.
    #[n(0)]
    pub id: String,
    /// Where it listens.
    #[n(1)]
    pub port: u16,
    /// Where it is reached; `None` takes no requests.
    #[n(2)]
    pub address: Option<IpAddr>,
    /// Where it is; `None` is every zone.
    #[n(3)]
    pub zone: Option<Zone>,
    /// When it was registered.
    #[n(4)]
    pub registered_at: Timestamp,
    /// Takes nothing new, and is gone after that time.
    #[n(5)]
    pub draining: Option<Draining>,
}

/// A certificate with its key.
#[derive(Clone, PartialEq, Encode, Decode)]
pub struct Certificate {
    /// Its ARN.
    #[n(0)]
    pub arn: String,
    /// Names it is for, wildcards too.
    #[n(1)]
    pub names: Vec<String>,
    /// Certificate and chain in PEM.
    #[n(2)]
    pub chain: String,
    /// Private key in PEM.
    #[n(3)]
    pub key: String,
}

impl core::fmt::Debug for Certificate {
    /// Without the key.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Certificate")
            .field("arn", &self.arn)
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}
