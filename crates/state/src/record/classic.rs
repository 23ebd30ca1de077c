//! Classic Load Balancers: listeners of a load balancer lead to one port of each of its instances
//! (handbook 7.8).

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::IpAddr;

use minicbor::{Decode, Encode};
use types::{Timestamp, Zone};

use super::{Draining, Node, Scheme, Seen, ServiceKey, Tag};

/// A Classic Load Balancer.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct ClassicLoadBalancer {
    /// Unique among the Classic Load Balancers of the region: what it is found by.
    #[n(0)]
    pub name: String,
    /// Resolves to its addresses.
    #[n(1)]
    pub dns_name: String,
    /// `internet-facing` or `internal`.
    #[n(2)]
    pub scheme: Scheme,
    /// One for each zone that it is in, in order of zones.
    #[n(3)]
    pub nodes: Vec<Node>,
    /// In order of ports, each of which is there once.
    #[n(4)]
    pub listeners: Vec<ClassicListener>,
    /// How all of its instances are checked.
    #[n(5)]
    pub health_check: ClassicHealthCheck,
    /// Ids of security groups.
    #[n(6)]
    pub security_groups: Vec<String>,
    /// Set by ModifyLoadBalancerAttributes.
    #[n(7)]
    pub attributes: ClassicAttributes,
    /// What listeners may name, by name.
    #[n(8)]
    pub policies: BTreeMap<String, ClassicPolicy>,
    /// Set by CreateLoadBalancer and AddTags.
    #[n(9)]
    pub tags: Vec<Tag>,
    /// When it was made.
    #[n(10)]
    pub created_at: Timestamp,
}

/// A port of a Classic Load Balancer, and the port of its instances that it leads to.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ClassicListener {
    /// What clients speak.
    #[n(0)]
    pub protocol: ClassicProtocol,
    /// Where clients connect to.
    #[n(1)]
    pub port: u16,
    /// What instances are spoken to in: of the same layer as `protocol`.
    #[n(2)]
    pub instance_protocol: ClassicProtocol,
    /// Where instances listen.
    #[n(3)]
    pub instance_port: u16,
    /// ARN of the certificate that is shown; HTTPS and SSL only, and always there.
    #[n(4)]
    pub certificate: Option<String>,
    /// Names of policies of its load balancer: at most one for cookies (HTTP and HTTPS only) and, with a
    /// certificate, one for TLS.
    #[n(5)]
    pub policies: Vec<String>,
}

/// What is spoken with a Classic Load Balancer, or by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum ClassicProtocol {
    /// HTTP/1.1.
    #[n(0)]
    Http,
    /// HTTP/1.1 over TLS.
    #[n(1)]
    Https,
    /// Bytes.
    #[n(2)]
    Tcp,
    /// Bytes over TLS.
    #[n(3)]
    Ssl,
}

/// How the instances of a Classic Load Balancer are checked.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ClassicHealthCheck {
    /// How the question is put: a connection (TCP), a handshake (SSL) or a request.
    #[n(0)]
    pub protocol: ClassicProtocol,
    /// Of the instance.
    #[n(1)]
    pub port: u16,
    /// What is asked for, from `/` on; HTTP and HTTPS only, and always there. Only 200 is a good answer.
    #[n(2)]
    pub path: Option<String>,
    /// Between two checks.
    #[n(3)]
    pub interval: Duration,
    /// Before a check has failed; less than `interval`.
    #[n(4)]
    pub timeout: Duration,
    /// Bad checks in a row until an instance is out of service.
    #[n(5)]
    pub unhealthy_threshold: u32,
    /// Good checks in a row until it is in service.
    #[n(6)]
    pub healthy_threshold: u32,
}

/// What may be switched at a Classic Load Balancer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ClassicAttributes {
    /// Whether each node sends to the instances of all zones.
    #[n(0)]
    pub cross_zone: bool,
    /// Whether what a deregistered or ill instance has under way may end.
    #[n(1)]
    pub connection_draining: bool,
    /// For how long; kept while it is switched off.
    #[n(2)]
    pub draining_timeout: Duration,
    /// For how long a connection may be idle.
    #[n(3)]
    pub idle_timeout: Duration,
    /// What becomes of requests that are not quite what the RFC says.
    #[n(4)]
    pub desync: DesyncMode,
}

/// What becomes of requests that are not quite what the RFC says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum DesyncMode {
    /// They are forwarded, and noted.
    #[n(0)]
    Monitor,
    /// Ambiguous ones are forwarded on connections of their own, dangerous ones refused.
    #[n(1)]
    Defensive,
    /// They are refused.
    #[n(2)]
    Strictest,
}

/// What a listener of a Classic Load Balancer may name.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum ClassicPolicy {
    /// Clients are known by a cookie of the load balancer.
    #[n(0)]
    LoadBalancerCookie {
        /// For how long; `None` is as long as the browser runs.
        #[n(0)]
        expiration: Option<Duration>,
    },
    /// Clients are known for as long as they have a cookie of the application.
    #[n(1)]
    ApplicationCookie {
        /// Its name.
        #[n(0)]
        cookie: String,
    },
    /// How TLS is spoken: as one of AWS's security policies says.
    #[n(2)]
    Tls {
        /// Name of the security policy.
        #[n(0)]
        reference: String,
    },
}

/// What an instance of a Classic Load Balancer is found by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct ClassicInstanceKey {
    /// Name of the load balancer.
    #[n(0)]
    pub load_balancer: String,
    /// The EC2 id of a container instance.
    #[n(1)]
    pub id: String,
}

/// An instance that is registered with a Classic Load Balancer.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct ClassicInstance {
    /// What it is found by.
    #[n(0)]
    pub key: ClassicInstanceKey,
    /// Where requests go; `None` while its machine does not say.
    #[n(1)]
    pub address: Option<IpAddr>,
    /// Where it is.
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
