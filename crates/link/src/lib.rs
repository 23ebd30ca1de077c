//! Control plane ⇄ machines: the two websockets of the ECS agent protocol.
//!
//! What is said is decided in [`plan::session`] and [`plan::agent`]; here it becomes frames, and
//! frames travel. [`Hub`] is the control plane's end, [`frames`] speaks for both.

mod balancers;
pub mod frames;
mod hub;
mod parting;
mod telemetry;

pub use balancers::{BalancerRegion, Balancers, Refused, Silence, Taken};
pub use hub::{Hub, Later, Region, Told};
pub use telemetry::TaskUse;
