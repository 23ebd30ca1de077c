//! What services say of the target groups that their tasks are in, in AWS's words (handbook 5.5).

use state::{ServiceEventKey, ServiceKey, State};

use super::events;

/// `registered 2 targets in (target-group ARN)`
pub fn registered(group: &str, count: u32) -> String {
    format!("registered {count} targets in (target-group {group})")
}

/// `deregistered 2 targets in (target-group ARN)`
pub fn deregistered(group: &str, count: u32) -> String {
    format!("deregistered {count} targets in (target-group {group})")
}

/// `has begun draining connections on 2 tasks.`
pub fn draining(count: u32) -> String {
    format!("has begun draining connections on {count} tasks.")
}

/// A task cannot be a target of a group.
pub fn not_registered(group: &str, why: &str) -> String {
    format!("failed to register targets in (target-group {group}) with (error {why})")
}

/// Whether a sentence is among the events that are kept.
pub fn is_kept(state: &State, service: &ServiceKey, sentence: &str) -> bool {
    let first = ServiceEventKey { service: service.clone(), number: 0 };
    let last = ServiceEventKey { service: service.clone(), number: u64::MAX };
    let said = events::of(service, sentence);
    state.service_events().range(first..=last).any(|it| it.1.message == said)
}
