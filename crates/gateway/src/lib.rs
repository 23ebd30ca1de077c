//! The control plane's HTTP door: requests in, answers out, agents' websockets handed to the link.
//!
//! The door decides nothing. It bounds what comes in, lets `wire` name, verify and decode it, puts
//! it before the writer, and sends the answer once it is durable.

mod answer;
mod authority;
mod balancers;
mod desk;
mod door;
mod history;
mod keys;
mod logs;
mod metrics;
mod names;
mod packed;
mod ports;
mod ready;
mod region;
mod rehearsal;
mod socket;

pub use desk::ReconcilerDesk;
pub use door::{Door, serve};
pub use history::{Archivist, History};
pub use keys::{Keys, Trust};
pub use logs::registry as logs_registry;
pub use metrics::{AlarmClock, registry as metrics_registry};
pub use names::RegionNames;
pub use region::{Clock, LiveRegion};
