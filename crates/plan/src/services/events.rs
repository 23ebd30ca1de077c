//! What services say of themselves, in AWS's words (handbook 5.5).

use core::fmt::Write as _;

use state::ServiceKey;
use types::{InstanceId, TaskId, Zone};

use core::time::Duration;
use std::collections::BTreeMap;

use crate::placement::{Misfit, Refusal, Resource};

/// A steady service says so again after this.
pub(super) const REPEATED_AFTER: Duration = Duration::from_hours(6);

/// The sentence with the service's name before it.
pub fn of(service: &ServiceKey, sentence: &str) -> String {
    format!("(service {}) {sentence}", service.name)
}

fn list(tasks: &[TaskId]) -> String {
    tasks.iter().fold(String::new(), |mut text, it| {
        let _ = write!(text, " (task {it})");
        text
    })
}

/// `has started 2 tasks: (task ID) (task ID).`
pub fn started(tasks: &[TaskId]) -> String {
    format!("has started {} tasks:{}.", tasks.len(), list(tasks))
}

/// `has started 1 tasks in us-east-1a to AZ Rebalance: (task ID).`
pub fn started_to_rebalance(tasks: &[TaskId], zone: &Zone) -> String {
    format!("has started {} tasks in {zone} to AZ Rebalance:{}.", tasks.len(), list(tasks))
}

/// `has stopped 1 running tasks in us-east-1a due to AZ rebalancing: (task ID).`
pub fn stopped_to_rebalance(tasks: &[TaskId], zone: &Zone) -> String {
    let count = tasks.len();
    format!("has stopped {count} running tasks in {zone} due to AZ rebalancing:{}.", list(tasks))
}

/// `has stopped 2 running tasks: (task ID) (task ID).`
pub fn stopped(tasks: &[TaskId]) -> String {
    format!("has stopped {} running tasks:{}.", tasks.len(), list(tasks))
}

/// `stopped 2 pending tasks.`
pub fn stopped_pending(count: usize) -> String {
    format!("stopped {count} pending tasks.")
}

/// `(task ID) … Amazon ECS replaced 1 tasks due to an unhealthy status.`
pub fn unhealthy(task: TaskId, reason: &str) -> String {
    // Of a Classic Load Balancer's instance it is said which.
    let who =
        if reason.starts_with("(instance ") { String::new() } else { format!("(task {task}) ") };
    format!("{who}{reason}. Amazon ECS replaced 1 tasks due to an unhealthy status.")
}

/// How the event of a steady state ends.
pub const STEADY: &str = "has reached a steady state.";
pub(super) const UNABLE_TO_START: &str = "is unable to consistently start tasks successfully.";
pub(super) const THROTTLED: &str = "operations are being throttled. Will try again later.";
pub(super) const STUCK: &str = "was unable to stop or start tasks during a deployment because of \
    the service deployment configuration. Update the minimumHealthyPercent or maximumPercent value \
    and try again.";

/// `(deployment ecs-svc/N) deployment completed.`
pub(super) fn completed(deployment: u64) -> String {
    format!("(deployment ecs-svc/{deployment}) deployment completed.")
}

/// `(deployment ecs-svc/N) deployment failed: tasks failed to start.`
pub(super) fn failed(deployment: u64) -> String {
    format!("(deployment ecs-svc/{deployment}) deployment failed: tasks failed to start.")
}

/// `(deployment ecs-svc/N) deployment failed: alarm detected.`, and which behind it.
pub(super) fn alarm_detected(deployment: u64, alarms: &[String]) -> String {
    let names = alarms.join(", ");
    format!(
        "(deployment ecs-svc/{deployment}) deployment failed: alarm detected. (alarms: {names})"
    )
}

/// Some alarms of a deployment do not exist: they will never go off.
pub(super) fn alarms_missing(deployment: u64, alarms: &[String]) -> String {
    let names = alarms.join(", ");
    format!("(deployment ecs-svc/{deployment}) names alarms that do not exist: {names}.")
}

/// The alarms of a deployment do not count, because some are in ALARM already.
pub(super) fn alarms_disabled(deployment: u64, alarms: &[String]) -> String {
    let names = alarms.join(", ");
    format!(
        "(deployment ecs-svc/{deployment}) is not monitored by its alarms, because some were in \
         ALARM when it began: {names}."
    )
}

/// All tasks are as they should be; alarms are waited for.
pub(super) fn baking(deployment: u64, span: Duration) -> String {
    let seconds = span.as_secs();
    format!("(deployment ecs-svc/{deployment}) is in its bake time of {seconds} seconds.")
}

/// `rolling back to deployment ecs-svc/N.`
pub(super) fn rolling_back(deployment: u64) -> String {
    format!("rolling back to deployment ecs-svc/{deployment}.")
}

/// Scaling in waits for tasks that are protected.
pub(super) fn protected(deployment: u64, count: u32) -> String {
    format!(
        "was unable to reach steady state because (taskSet ecs-svc/{deployment}) was unable to \
         scale in due to (reason {count} tasks under protection)"
    )
}

/// `is not AZ balanced with 3 tasks in az-a, 1 tasks in az-b. AZ Rebalancing in progress.`
pub(super) fn not_balanced(counts: &BTreeMap<Zone, u32>) -> String {
    format!("is not AZ balanced with {}. AZ Rebalancing in progress.", zones(counts))
}

/// `is AZ balanced with 2 tasks in az-a, 2 tasks in az-b.`
pub(super) fn balanced(counts: &BTreeMap<Zone, u32>) -> String {
    format!("is AZ balanced with {}.", zones(counts))
}

/// AZ rebalancing found no place.
pub const REBALANCING_STOPPED: &str = "stopped AZ Rebalancing.";

fn zones(counts: &BTreeMap<Zone, u32>) -> String {
    let mut all: Vec<_> = counts.iter().collect();
    all.sort_by_key(|(zone, count)| (core::cmp::Reverse(**count), (*zone).clone()));
    let all: Vec<_> = all.iter().map(|(zone, count)| format!("{count} tasks in {zone}")).collect();
    all.join(", ")
}

/// No instance can take a task: AWS's sentences, and everything that speaks against the closest
/// one behind them.
pub fn no_place(refusal: &Refusal) -> String {
    let Some(closest) = refusal.closest.first() else {
        return format!("{NO_PLACE} No Container Instances were found in your cluster.");
    };
    format!("{NO_PLACE}{} ({closest})", closest_matching(closest.instance, closest.misfits.first()))
}

const NO_PLACE: &str =
    "was unable to place a task because no container instance met all of its requirements.";

fn closest_matching(instance: InstanceId, misfit: Option<&Misfit>) -> String {
    let what = match misfit {
        Some(Misfit::Cpu { .. } | Misfit::Kept { resource: Resource::Cpu, .. }) => {
            "has insufficient CPU units available"
        }
        Some(Misfit::Memory { .. } | Misfit::Kept { resource: Resource::Memory, .. }) => {
            "has insufficient memory available"
        }
        Some(Misfit::Ports { .. }) => "is already using a port required by your task",
        Some(Misfit::Agent) => "encountered error \"AGENT\"",
        Some(Misfit::Attribute { .. }) => "is missing an attribute required by your task",
        Some(it) => {
            return format!(
                " The closest matching (container-instance {instance}) encountered error \"{}\".",
                it.reason()
            );
        }
        None => return String::new(),
    };
    format!(" The closest matching (container-instance {instance}) {what}.")
}
