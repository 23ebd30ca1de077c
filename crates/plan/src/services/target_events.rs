//! What services say of the target groups that their tasks are in, in AWS's words (handbook 5.5).

use state::classic_name;

/// `registered 2 targets in (target-group ARN)`, `registered 1 instances in (elb NAME)`
pub fn registered(group: &str, count: u32) -> String {
    let (targets, place) = place(group);
    format!("registered {count} {targets} in {place}")
}

/// `deregistered 2 targets in (target-group ARN)`, `deregistered 1 instances in (elb NAME)`
pub fn deregistered(group: &str, count: u32) -> String {
    let (targets, place) = place(group);
    format!("deregistered {count} {targets} in {place}")
}

/// What a group is of, and what it is called.
fn place(group: &str) -> (&'static str, String) {
    match classic_name(group) {
        Some(name) => ("instances", format!("(elb {name})")),
        None => ("targets", format!("(target-group {group})")),
    }
}

/// `has begun draining connections on 2 tasks.`
pub fn draining(count: u32) -> String {
    format!("has begun draining connections on {count} tasks.")
}

/// Targets are registered in a group that no rule leads to any more.
///
/// Source: the refusal of CreateService, behind which stands what comes of it: AWS does not count a
/// target as healthy that is `unused`, so that the deployment goes on for ever.
pub fn unused(group: &str) -> String {
    format!(
        "The target group with targetGroupArn {group} does not have an associated load balancer. Its \
         targets are unused and not checked: new tasks count as healthy when a listener or a rule \
         forwards to it again."
    )
}

/// A task cannot be a target of a group.
pub fn not_registered(group: &str, why: &str) -> String {
    let (targets, place) = place(group);
    format!("failed to register {targets} in {place} with (error {why})")
}
