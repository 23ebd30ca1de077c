//! Target groups: where requests go, and how their targets are checked.

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::IpAddr;

use minicbor::{Decode, Encode};
use types::{Timestamp, Zone};

use super::{ServiceKey, Tag};

/// A target group.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct TargetGroup {
    /// Its whole ARN.
    #[n(0)]
    pub arn: String,
    /// Unique in the region.
    #[n(1)]
    pub name: String,
    /// What its targets are.
    #[n(2)]
    pub target_type: TargetType,
    /// How targets are spoken to.
    #[n(3)]
    pub protocol: TargetProtocol,
    /// Of HTTP; `None` for other protocols.
    #[n(4)]
    pub version: Option<ProtocolVersion>,
    /// Where a registration says no port.
    #[n(5)]
    pub port: u16,
    /// The VPC of its targets.
    #[n(6)]
    pub vpc: String,
    /// How its targets are checked.
    #[n(7)]
    pub health_check: HealthCheck,
    /// The attributes that were set, by AWS's names; the others have their defaults.
    #[n(8)]
    pub attributes: BTreeMap<String, String>,
    /// `ipv4` or `ipv6`.
    #[n(9)]
    pub ip_address_type: IpAddressType,
    /// Set by CreateTargetGroup and AddTags.
    #[n(10)]
    pub tags: Vec<Tag>,
    /// When it was made.
    #[n(11)]
    pub created_at: Timestamp,
}

/// What the targets of a group are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum TargetType {
    /// Container instances, by their EC2 ids.
    #[n(0)]
    Instance,
    /// Addresses.
    #[n(1)]
    Ip,
    /// An application load balancer, behind a network load balancer.
    #[n(2)]
    Alb,
}

/// How the targets of a group are spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum TargetProtocol {
    /// HTTP.
    #[n(0)]
    Http,
    /// HTTP over TLS.
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

/// Version of HTTP that targets are spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ProtocolVersion {
    /// HTTP/1.1.
    #[n(0)]
    Http1,
    /// HTTP/2.
    #[n(1)]
    Http2,
    /// gRPC over HTTP/2.
    #[n(2)]
    Grpc,
}

/// Family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum IpAddressType {
    /// IPv4.
    #[n(0)]
    Ipv4,
    /// IPv6.
    #[n(1)]
    Ipv6,
    /// Both; load balancers only.
    #[n(2)]
    Dualstack,
}

/// How the targets of a group are checked. Source: handbook 7.3.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct HealthCheck {
    /// Off only where nothing is to be checked.
    #[n(0)]
    pub enabled: bool,
    /// How the question is put.
    #[n(1)]
    pub protocol: TargetProtocol,
    /// Where; `None` is the port of the traffic.
    #[n(2)]
    pub port: Option<u16>,
    /// For HTTP and gRPC.
    #[n(3)]
    pub path: Option<String>,
    /// Between two checks.
    #[n(4)]
    pub interval: Duration,
    /// Before a check has failed.
    #[n(5)]
    pub timeout: Duration,
    /// Good checks in a row until an unhealthy target is healthy again.
    #[n(6)]
    pub healthy_threshold: u32,
    /// Bad checks in a row until a healthy target is unhealthy.
    #[n(7)]
    pub unhealthy_threshold: u32,
    /// Codes that are good, as AWS spells them: `200`, `200,202`, `200-399`.
    #[n(8)]
    pub matcher: Option<Matcher>,
}

/// Which codes of an answer are good.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Matcher {
    /// HTTP status codes.
    #[n(0)]
    Http(#[n(0)] String),
    /// gRPC status codes.
    #[n(1)]
    Grpc(#[n(0)] String),
}

/// What a target is found by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct TargetKey {
    /// ARN of its group.
    #[n(0)]
    pub group: String,
    /// EC2 id, address, or ARN, as the group's type says.
    #[n(1)]
    pub id: String,
    /// Where it listens.
    #[n(2)]
    pub port: u16,
}

/// A target of a group.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Target {
    /// What it is found by.
    #[n(0)]
    pub key: TargetKey,
    /// Where requests go; `None` while its instance is not known.
    #[n(1)]
    pub address: Option<IpAddr>,
    /// Where it is; `None` is every zone (AWS's `all`).
    #[n(2)]
    pub zone: Option<Zone>,
    /// When it was registered, for the last time.
    #[n(3)]
    pub registered_at: Timestamp,
    /// When it was deregistered, and with it until when it may finish what it has.
    #[n(4)]
    pub draining: Option<Draining>,
    /// What each balancer finds, by the balancer's name. Written by reports only.
    #[n(5)]
    pub seen: BTreeMap<String, Seen>,
    /// The service that has registered it for a task of its own.
    #[n(6)]
    pub service: Option<ServiceKey>,
}

/// A target that takes nothing new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Draining {
    /// When it was deregistered.
    #[n(0)]
    pub since: Timestamp,
    /// When its connections are closed.
    #[n(1)]
    pub until: Timestamp,
}

/// What one balancer finds of a target.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Seen {
    /// The outcome of its checks.
    #[n(0)]
    pub health: TargetHealth,
    /// Since when.
    #[n(1)]
    pub since: Timestamp,
    /// Whether it holds requests or connections of this target still (while it drains).
    #[n(2)]
    pub busy: bool,
    /// Whether it does worse than the others of its group; `None` says it does not.
    #[n(3)]
    pub anomaly: Option<Anomaly>,
}

/// How a target that passes its checks does worse than the others of its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Anomaly {
    /// It fails more often than they do.
    #[n(0)]
    Detected,
    /// It does, and gets fewer requests for it.
    #[n(1)]
    Mitigated,
    /// It does no more, and gets more requests again step by step.
    #[n(2)]
    Recovering,
}

/// What health checks have come to.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum TargetHealth {
    /// No check has ended yet.
    #[n(0)]
    Initial,
    /// It takes requests.
    #[n(1)]
    Healthy,
    /// It answered with this code, which is none of the good ones.
    #[n(2)]
    WrongCode(#[n(0)] u16),
    /// It did not answer in time.
    #[n(3)]
    Timeout,
    /// It cannot be reached, or does not speak the protocol.
    #[n(4)]
    Failed,
}
