//! Load balancers and their listeners.

use std::collections::BTreeMap;
use std::net::IpAddr;

use minicbor::{Decode, Encode};
use types::{Timestamp, Zone};

use super::{IpAddressType, Tag};

/// A load balancer.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct LoadBalancer {
    /// Its whole ARN.
    #[n(0)]
    pub arn: String,
    /// Unique in the region.
    #[n(1)]
    pub name: String,
    /// What it balances.
    #[n(2)]
    pub kind: LoadBalancerKind,
    /// `internet-facing` or `internal`.
    #[n(3)]
    pub scheme: Scheme,
    /// Resolves to its addresses.
    #[n(4)]
    pub dns_name: String,
    /// One for each zone that it is in.
    #[n(5)]
    pub nodes: Vec<Node>,
    /// Ids of security groups, as set by CreateLoadBalancer and SetSecurityGroups.
    #[n(6)]
    pub security_groups: Vec<String>,
    /// Family of its addresses.
    #[n(7)]
    pub ip_address_type: IpAddressType,
    /// The attributes that were set, by AWS's names; the others have their defaults.
    #[n(8)]
    pub attributes: BTreeMap<String, String>,
    /// Set by CreateLoadBalancer and AddTags.
    #[n(9)]
    pub tags: Vec<Tag>,
    /// When it was made.
    #[n(10)]
    pub created_at: Timestamp,
}

/// What a load balancer balances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum LoadBalancerKind {
    /// Requests.
    #[n(0)]
    Application,
    /// Flows.
    #[n(1)]
    Network,
}

/// Who a load balancer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Scheme {
    /// Everybody.
    #[n(0)]
    InternetFacing,
    /// The VPC.
    #[n(1)]
    Internal,
}

/// A load balancer's place in one zone.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Node {
    /// The zone.
    #[n(0)]
    pub zone: Zone,
    /// Its subnet's id.
    #[n(1)]
    pub subnet: String,
    /// The load balancer's address in it.
    #[n(2)]
    pub address: IpAddr,
}

/// A listener: a port of a load balancer.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Listener {
    /// Its whole ARN.
    #[n(0)]
    pub arn: String,
    /// The load balancer's ARN.
    #[n(1)]
    pub load_balancer: String,
    /// What clients speak.
    #[n(2)]
    pub protocol: ListenerProtocol,
    /// 1 to 65535, unique in its load balancer for each transport.
    #[n(3)]
    pub port: u16,
    /// ARNs of certificates; the first is the default one, the others are chosen by SNI.
    #[n(4)]
    pub certificates: Vec<String>,
    /// Name of the security policy; HTTPS and TLS only.
    #[n(5)]
    pub ssl_policy: Option<String>,
    /// TLS listeners only.
    #[n(6)]
    pub alpn_policy: Option<String>,
    /// The attributes that were set, by AWS's names; the others have their defaults.
    #[n(7)]
    pub attributes: BTreeMap<String, String>,
    /// Set by CreateListener and AddTags.
    #[n(8)]
    pub tags: Vec<Tag>,
}

/// What a listener's clients speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum ListenerProtocol {
    /// HTTP/1.1, and HTTP/2 never without TLS.
    #[n(0)]
    Http,
    /// HTTP/1.1 or HTTP/2 over TLS.
    #[n(1)]
    Https,
    /// Bytes.
    #[n(2)]
    Tcp,
    /// Bytes over TLS.
    #[n(3)]
    Tls,
    /// Datagrams.
    #[n(4)]
    Udp,
    /// Both.
    #[n(5)]
    TcpUdp,
}
