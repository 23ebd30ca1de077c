//! Standing control loops: each keeps one promise, and nothing else.
//!
//! A reconciler is told which subject to look at, never why, and a look at a settled subject
//! proposes nothing. So a restart, a missed event and an ordinary day are one path.

mod deleted_definitions;
mod draining_targets;
mod expiring_certificates;
mod forgotten_tasks;
mod gone_balancers;
mod gone_clusters;
mod gone_instances;
mod join_token_expiry;
mod left_parts;
mod lost_instances;
mod past;
mod queue;
mod registry;
mod rehearsal;
mod service_discovery;
mod service_history;
mod services;
mod target_registration;
mod task_credentials;
mod token_expiry;

pub use gone_clusters::INACTIVE_CLUSTER_KEPT;
pub use lost_instances::LostInstances;
pub use past::{Due, Past, due, forget};
pub use queue::{Queue, Reviewed};
pub use registry::{Outcome, Policy, Reconciler, Subject, registry};
pub use rehearsal::rehearse;

#[cfg(test)]
mod tests;
