//! Every decision of the house, as pure functions from values to values with their reasons.

pub mod agent;
pub mod anomaly;
pub mod assignments;
pub mod authority;
pub mod availability;
pub mod balancing;
pub mod connect;
pub mod credentials;
pub mod idempotency;
pub mod instances;
pub mod launch;
pub mod lifecycle;
pub mod liveness;
pub mod names;
pub mod payload;
pub mod placement;
pub mod policy;
pub mod query;
pub mod routing;
pub mod services;
pub mod session;
pub mod stickiness;
pub mod subnets;
pub mod target_health;
pub mod targets;
pub mod tasks;
