//! How a task stands in its service: whether it counts as healthy (handbook 5.2).

use core::time::Duration;
use std::collections::BTreeSet;

use state::{Desired, Health, Status, Task};
use types::{ContainerName, Timestamp};

use super::TargetsHealth;

/// How a task stands in its service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It does not run yet.
    Starting,
    /// It runs; whether it is well is not known yet, or does not matter yet.
    Unproven,
    /// It counts.
    Healthy,
    /// It runs and is not well, for that reason.
    Unhealthy(String),
    /// It was told to stop.
    Leaving,
    /// It has stopped.
    Over,
}

impl Standing {
    /// Whether the service may still count on it.
    pub fn is_active(&self) -> bool {
        match self {
            Self::Starting | Self::Unproven | Self::Healthy | Self::Unhealthy(_) => true,
            Self::Leaving | Self::Over => false,
        }
    }
}

/// What the tasks of one service revision must show to count as healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Essential containers with a check.
    pub checks: BTreeSet<ContainerName>,
    /// How long after its start failing checks of a task are ignored.
    pub grace: Duration,
    /// How long a task without any check has to run.
    pub observed_for: Duration,
}

/// How a task stands, and when that changes by itself.
///
/// Source: ECS Developer Guide, "Amazon ECS task health", `healthCheckGracePeriodSeconds`.
pub fn standing(
    task: &Task,
    terms: &Terms,
    targets: &TargetsHealth,
    now: Timestamp,
) -> (Standing, Option<Timestamp>) {
    match (task.last, task.desired) {
        (Status::Stopped, _) => return (Standing::Over, None),
        (_, Desired::Stopped) => return (Standing::Leaving, None),
        (Status::Running, _) => {}
        _ => return (Standing::Starting, None),
    }
    let started_at = task.started_at.unwrap_or(task.created_at);
    let found = match (containers(task, terms), of_targets(targets)) {
        (Found::Bad(reason), _) | (_, Found::Bad(reason)) => Found::Bad(reason),
        (Found::Nothing, other) | (other, Found::Nothing) => other,
        (Found::Good, Found::Good) => Found::Good,
        (Found::Open, _) | (_, Found::Open) => Found::Open,
    };
    let past = |wait| Some(started_at.after(wait)).filter(|it| *it > now);
    match found {
        Found::Good => (Standing::Healthy, None),
        Found::Open => (Standing::Unproven, None),
        Found::Bad(reason) => match past(terms.grace) {
            None => (Standing::Unhealthy(reason), None),
            until => (Standing::Unproven, until),
        },
        Found::Nothing if task.service.as_ref().is_some_and(|it| it.healthy_at.is_some()) => {
            (Standing::Healthy, None)
        }
        // Differs: AWS observes such a task for 40 seconds, we do for as long as the policy says.
        Found::Nothing => match past(terms.observed_for) {
            None => (Standing::Healthy, None),
            until => (Standing::Unproven, until),
        },
    }
}

/// What one kind of check says.
enum Found {
    /// There is none.
    Nothing,
    /// It has not answered yet.
    Open,
    Good,
    Bad(String),
}

fn containers(task: &Task, terms: &Terms) -> Found {
    if terms.checks.is_empty() {
        return Found::Nothing;
    }
    let checked = || task.containers.iter().filter(|it| terms.checks.contains(&it.name));
    if checked().any(|it| it.health == Health::Unhealthy) {
        Found::Bad("failed container health checks".into())
    } else if checked().all(|it| it.health == Health::Healthy) {
        Found::Good
    } else {
        Found::Open
    }
}

fn of_targets(targets: &TargetsHealth) -> Found {
    match targets {
        TargetsHealth::None => Found::Nothing,
        TargetsHealth::Initial => Found::Open,
        TargetsHealth::Healthy => Found::Good,
        TargetsHealth::Unhealthy(reason) => Found::Bad(reason.clone()),
    }
}
