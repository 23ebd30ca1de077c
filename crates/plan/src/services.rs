//! Services: what their tasks stand for, and what is to be started and stopped (handbook 5).

mod alarms;
mod bounds;
mod breaker;
mod crowd;
mod daemon;
mod digests;
pub mod events;
#[cfg(test)]
pub(crate) mod fixture;
mod history;
mod launching;
mod pace;
mod rebalance;
mod replica;
mod retire;
mod rollout;
mod say;
mod scale_in;
mod snapshot;
mod standing;
mod step;
pub mod target_events;
mod targets;
#[cfg(test)]
mod tests;

pub use alarms::Watched;
pub use bounds::{Bounds, bounds};
pub use breaker::threshold;
pub use crowd::Crowd;

pub use digests::note_digests;
pub use history::{Outdated, outdated};
pub use launching::{fresh_id, launch, started_by};
pub use pace::{Stumble, launched};
pub use retire::{let_go, retire};
pub use say::{CHANGES_OF_EVENT, add_event, remark, say};
pub use snapshot::{Member, Scene, Snapshot, glance, is_no_place, snapshot};
pub use standing::{Standing, Terms, standing};
pub use step::{Moment, Room, Starting, Step, Stopping, Why, step};
pub use targets::{
    Registration, TargetsHealth, passes_checks, registrations, revision_of, targets_health,
};
