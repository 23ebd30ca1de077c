//! The words of the house: identifiers, ARNs, units and time.
//!
//! Everything here is a plain value that knows how to be parsed, shown and compared, and nothing
//! else. No crate below this one.

mod arn;
mod id;
mod steady;
mod time;
mod units;

pub use arn::{Arn, Home, short_name};
pub use id::{
    AccountId, ClusterName, ContainerName, Family, Group, IdError, InstanceId, Region, ServiceName,
    TaskId, Zone, hex, uuid,
};
pub use steady::SteadyClock;
pub use time::Timestamp;
pub use units::{Cpu, MemoryMib, Port, Protocol};
