//! What runs on every container instance: it carries out what [`plan::agent`] decides.
//!
//! The agent registers its instance, holds the two websockets of the ECS agent protocol, keeps the
//! core's memory on disk, and does its steps through image store, network and shims. It decides
//! nothing. Containers belong to shims and go on when the agent ends.

mod acs;
mod api;
mod clock;
mod config;
mod container;
mod desk;
mod durable;
mod endpoint;
mod error;
mod etc;
mod garbage;
mod join;
mod line;
mod logs;
mod machine;
mod prepare;
mod pull;
mod recover;
mod register;
mod release;
mod rows;
mod run;
mod stats;
mod stop;
mod tcs;
mod worker;

pub use config::{Admission, Config, Identity, Keys, PullBehavior, Resources, Timings};
pub use desk::Ended;
pub use error::AgentError;
pub use run::run;
pub use stop::{Places, end_agents, stop_everything};
