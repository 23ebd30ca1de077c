//! Services: what their tasks stand for, and what is to be started and stopped (handbook 5).

mod launching;
mod retire;
mod say;
pub mod target_events;
mod targets;

pub use launching::{fresh_id, launch, started_by};
pub use retire::{let_go, retire};
pub use say::{CHANGES_OF_EVENT, say};
pub use targets::{Registration, TargetsHealth, registrations, revision_of, targets_health};
