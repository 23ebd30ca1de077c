//! Standing control loops: each keeps one promise, and nothing else.
//!
//! A reconciler is told which subject to look at, never why, and a look at a settled subject
//! proposes nothing. So a restart, a missed event and an ordinary day are one path.

mod deleted_definitions;
mod gone_instances;
mod lost_instances;
mod queue;
mod registry;
mod task_credentials;
mod task_reaper;
mod token_expiry;

pub use lost_instances::LostInstances;
pub use queue::{Queue, Reviewed};
pub use registry::{Outcome, Policy, Reconciler, Subject, registry};

#[cfg(test)]
mod tests;
