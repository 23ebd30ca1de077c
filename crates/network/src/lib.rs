//! Namespaces, bridges, task interfaces and host ports.
//!
//! A [`Region`] on one machine is a bridge that carries the default VPC. A [`Host`] is the network of
//! one container instance: in a namespace of its own on that bridge, or the machine itself. On a
//! host, containers are *attached*: in `bridge` mode behind host ports, in `awsvpc` mode with an
//! interface of their own, or isolated. IPv4 only.
//!
//! Everything is level-triggered: [`Region::ensure`] and [`Host::ensure`] make what is missing and
//! adopt what is there, `destroy` leaves nothing. The calls block; none needs an async runtime.
//!
//! What tasks may do is enforced by nftables: nobody speaks for another's address, nobody but a
//! task reaches the task endpoint, and the agent sees each task's own address there.

mod address;
mod attachment;
mod doctor;
mod element;
mod error;
mod flow;
mod handover;
mod host;
mod link;
mod namespace;
mod netlink;
mod nft;
mod pool;
mod ports;
mod record;
mod region;
mod ruleset;
mod slot;
mod sysctl;

pub use address::{Ipv4Range, Mac, ParseError, Vpc, ZONES_MAX, first_free};
pub use attachment::{
    Attached, Binding, Connection, HostPorts, Id, Interface, PortMapping, PortSpan,
};
pub use doctor::{Check, Finding, Verdict, doctor};
pub use error::Error;
pub use handover::Handover;
pub use host::{Host, Place, Setup, VpcBridge};
pub use namespace::Namespace;
pub use region::{Region, Tag, Uplink};
pub use ruleset::TASK_ENDPOINT;
