//! What the control plane and a balancer say to each other: CBOR in binary frames of a websocket.
//!
//! Both sides say everything they have to say each time, so that a frame that is lost, repeated or
//! late changes nothing that the next one does not put right.

use std::net::IpAddr;

use minicbor::{Decode, Encode};
use state::{Anomaly, TargetHealth};
use types::{Protocol, Timestamp};

use super::{Generation, RoutingTable, Target};

/// From the control plane to a balancer.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum ToBalancer {
    /// Serve this. A table that is not newer than the one it has changes nothing.
    #[n(0)]
    Told(#[n(0)] RoutingTable),
    /// Open this port if it can be opened, and keep it for a listener that is about to come.
    #[n(1)]
    Reserve {
        /// Comes back with the answer.
        #[n(0)]
        question: u64,
        /// The load balancer's own addresses.
        #[n(1)]
        addresses: Vec<IpAddr>,
        /// The port, and its transports.
        #[n(2)]
        port: u16,
        /// TCP, UDP or both.
        #[n(3)]
        transports: Vec<Protocol>,
    },
}

/// From a balancer to the control plane.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum FromBalancer {
    /// Everything that it finds.
    #[n(0)]
    Report(#[n(0)] Report),
    /// Whether a port could be opened.
    #[n(1)]
    Reserved {
        /// The question's number.
        #[n(0)]
        question: u64,
        /// Why not, for people.
        #[n(1)]
        refused: Option<String>,
    },
    /// What it has counted since the last such frame.
    #[n(2)]
    Counted(#[n(0)] Vec<Series>),
}

/// Everything that a balancer finds.
#[derive(Debug, Clone, PartialEq, Default, Encode, Decode)]
pub struct Report {
    /// The table that it serves.
    #[n(0)]
    pub applied: Generation,
    /// Every target of that table.
    #[n(1)]
    pub targets: Vec<TargetReport>,
    /// Listeners that it could not open, by ARN, and why.
    #[n(2)]
    pub refused: Vec<(String, String)>,
    /// Addresses of its machine on which it serves every load balancer.
    #[n(3)]
    pub addresses: Vec<IpAddr>,
}

impl Report {
    /// Somebody who says nothing may have something under way to any target.
    pub fn suppose_busy(&mut self) {
        self.targets.iter_mut().for_each(|it| it.is_busy = true);
    }
}

/// What a balancer finds of one target.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct TargetReport {
    /// ARN of the group.
    #[n(0)]
    pub group: String,
    /// The target's id.
    #[n(1)]
    pub id: String,
    /// The target's port.
    #[n(2)]
    pub port: u16,
    /// The registration that this is about.
    #[n(3)]
    pub registered_at: Timestamp,
    /// What its checks have come to.
    #[n(4)]
    pub health: TargetHealth,
    /// Whether requests or connections of it are under way.
    #[n(5)]
    pub is_busy: bool,
    /// Whether it does worse than the others of its group; `None` says it does not.
    #[n(6)]
    pub anomaly: Option<Anomaly>,
}

impl TargetReport {
    /// What is found of a target that has so many requests, tunnels and flows under way.
    pub fn new(group: &str, told: &Target, health: TargetHealth, in_flight: usize) -> Self {
        Self {
            group: group.to_owned(),
            id: told.id.clone(),
            port: told.port,
            registered_at: told.registered_at,
            health,
            // One that takes requests may have some at any moment.
            is_busy: told.draining.is_none() || in_flight > 0,
            anomaly: None,
        }
    }
}

/// Values of one metric over one period.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Series {
    /// AWS's name of the metric, such as `RequestCount`.
    #[n(0)]
    pub metric: String,
    /// Names and values, in AWS's order.
    #[n(1)]
    pub dimensions: Vec<(String, String)>,
    /// End of the period.
    #[n(2)]
    pub at: Timestamp,
    /// How many values.
    #[n(3)]
    pub count: f64,
    /// Their sum.
    #[n(4)]
    pub sum: f64,
    /// The least of them.
    #[n(5)]
    pub min: f64,
    /// The greatest of them.
    #[n(6)]
    pub max: f64,
}
