//! Endpoints of Service Connect: names and ports at which services reach each other (handbook
//! 5.12).

use core::time::Duration;

use minicbor::{Decode, Encode};

use super::{Node, ServiceKey};

/// What is in the ARN of every endpoint and of no target group.
const MARK: &str = ":service-connect/";

/// Whether a target of that group is, or was, behind an endpoint.
pub fn names_endpoint(group: &str) -> bool {
    group.contains(MARK)
}

/// A client alias of a service: a name and a port behind which its running tasks are.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct ConnectEndpoint {
    /// What its targets have for a group. It continues a text that begins with the service, as
    /// `plan::connect` makes it.
    #[n(0)]
    pub arn: String,
    /// The service whose tasks are behind it.
    #[n(1)]
    pub service: ServiceKey,
    /// Name of the port mapping of its task definition.
    #[n(2)]
    pub port_name: String,
    /// Id of the namespace.
    #[n(3)]
    pub namespace: String,
    /// Unique in the namespace.
    #[n(4)]
    pub discovery_name: String,
    /// What clients look up, in lower case, without a dot at its end. Endpoints of one name in one
    /// namespace have one address.
    #[n(5)]
    pub dns_name: String,
    /// What clients connect to; with the name unique in the namespace.
    #[n(6)]
    pub port: u16,
    /// What is carried.
    #[n(7)]
    pub traffic: Traffic,
    /// Where the balancers listen for it.
    #[n(8)]
    pub node: Node,
    /// For how long nothing may be said; `None` is as AWS has it for that traffic.
    #[n(9)]
    pub idle: Option<Duration>,
}

/// What an endpoint carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Traffic {
    /// Requests of HTTP/1.1, each to the task whose turn it is.
    #[n(0)]
    Requests,
    /// Connections, whatever is said on them.
    #[n(1)]
    Connections,
}
