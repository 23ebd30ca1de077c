//! The load balancer's data plane: carries requests and flows from clients to targets.
//!
//! A [`Balancer`] has a thread for each core, and each thread listening sockets, connections to
//! targets and counters of its own; nothing is locked on the path of a request. What is served is
//! swapped whole ([`Balancer::apply`]). Decisions are those of `plan::routing`; this crate reads,
//! asks and carries.

mod access_files;
mod access_log;
mod answer;
mod balancer;
mod binding;
mod choose;
mod connect;
mod cookies;
mod counters;
mod date;
mod flow;
mod gate;
mod health;
mod hosts;
mod http1;
mod http2;
mod inheritance;
mod keep;
mod limits;
mod listener_attributes;
mod listeners;
mod metrics;
mod pool;
mod record;
mod remembered;
mod reserve;
mod rewrite;
mod session;
mod snapshot;
mod sockets;
mod station;
mod stream;
mod targets;
mod thread;
mod timer;
mod tls;
mod trace;
mod transform;
mod view;

pub use access_log::Line;
pub use balancer::{Applied, Balancer, Config};
pub use counters::{BUCKETS, Count, Metric, Subject, bucket_start};
pub use flow::clients::Answers;
pub use gate::Gate;
pub use http1::desync::{Class, Reason};
pub use inheritance::{Inheritance, TellSockets};
pub use session::{Call, Signer};
pub use snapshot::{Entrance, Snapshot};
pub use station::{Nodes, OthersFinish, SettleAddresses, StationConfig, run};
pub use targets::{Group, Target};
pub use thread::Clock;
pub use tls::{is_served as is_policy_served, served as policies_served};
