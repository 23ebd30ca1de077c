//! Balancers: the processes that carry the traffic of load balancers.

use std::collections::BTreeMap;
use std::net::IpAddr;

use minicbor::{Decode, Encode};
use types::Timestamp;

/// A balancer that has called.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Balancer {
    /// Its name, unique in the region.
    #[n(0)]
    pub name: String,
    /// When it called first.
    #[n(1)]
    pub created_at: Timestamp,
    /// Whether its session stands. Written when one begins or is lost.
    #[n(2)]
    pub connected: bool,
    /// When that changed.
    #[n(3)]
    pub connected_at: Timestamp,
    /// Addresses of its machine on which every load balancer listens too; none where load balancers
    /// have addresses of their own only.
    #[n(4)]
    pub addresses: Vec<IpAddr>,
    /// Listeners that it could not open, by ARN, and why. Written by reports only.
    #[n(5)]
    pub refused: BTreeMap<String, String>,
}
