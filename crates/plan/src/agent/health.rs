//! Health checks: when to probe, what a probe means, and what goes upstream (handbook 2.7).

use core::time::Duration;

use types::{ContainerName, Timestamp};

use super::Core;
use super::containers::set_health;
use super::effect::{Action, Effect};
use super::input::Probed;
use super::spec::{HealthCheck, TaskArn};
use super::task::{Task, Turn};
use crate::lifecycle::{Desired, Health, Status};

/// How much longer than its own time a probe may take to be told of; then it has failed.
const PROBE_GRACE: Duration = Duration::from_secs(5);

/// The health of a container, as the telemetry session publishes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthReport<'a> {
    /// Whose container.
    pub task: &'a TaskArn,
    /// Which.
    pub container: &'a ContainerName,
    /// How it is.
    pub health: Health,
    /// Since when; `None` before the first finding.
    pub since: Option<Timestamp>,
}

impl Core {
    /// The health of every container that is checked and whose task has not stopped.
    pub fn health_reports(&self) -> Vec<HealthReport<'_>> {
        let living = self.tasks.values().filter(|it| !it.is_stopped());
        let containers = living.flat_map(|task| task.containers().map(|it| (&task.arn, it)));
        containers
            .filter(|(_, (spec, record))| spec.health.is_some() && record.ran)
            .map(|(task, (spec, record))| HealthReport {
                task,
                container: &spec.name,
                health: record.health,
                since: record.health_since,
            })
            .collect()
    }
}

impl Task {
    /// Starts the probes that are due; answers when the next one is.
    pub(super) fn probe(&mut self, turn: &mut Turn<'_>) -> Option<Timestamp> {
        let spec = self.spec.clone()?;
        if self.record.desired == Desired::Stopped {
            return None;
        }
        let mut next: Option<Timestamp> = None;
        for (index, container) in spec.containers.iter().enumerate() {
            let Some(check) = &container.health else { continue };
            let Some((record, work)) = self.at(index) else { continue };
            if record.status != Status::Running {
                continue;
            }
            if let Some(since) = work.probing_since {
                if turn.now >= since.after(check.timeout).after(PROBE_GRACE) {
                    let (name, run) = (container.name.clone(), record.run);
                    self.probed(&name, run, Probed::TimedOut, turn);
                }
            } else {
                let begun = record.started_at.unwrap_or(turn.now);
                let due = *work.probe_at.get_or_insert(begun.after(check.interval));
                if turn.now >= due {
                    work.probing_since = Some(turn.now);
                    let action = Action::Probe {
                        container: container.name.clone(),
                        run: record.run,
                        command: check.probe.words(),
                        timeout: check.timeout,
                    };
                    self.step(turn, action);
                }
            }
            let Some((_, work)) = self.at(index) else { continue };
            let at = match work.probing_since {
                Some(since) => Some(since.after(check.timeout).after(PROBE_GRACE)),
                None => work.probe_at,
            };
            next = [next, at].into_iter().flatten().min();
        }
        next
    }

    /// Takes in the end of a probe.
    pub(super) fn probed(
        &mut self,
        container: &ContainerName,
        run: u32,
        outcome: Probed,
        turn: &mut Turn<'_>,
    ) {
        let Some(index) = self.index(container.as_str()) else { return };
        let Some(spec) = self.spec.clone() else { return };
        let Some(check) = spec.containers.get(index).and_then(|it| it.health.as_ref()) else {
            return;
        };
        let Some((record, work)) = self.at(index) else { return };
        if record.run != run || record.status != Status::Running || work.probing_since.is_none() {
            return;
        }
        work.probing_since = None;
        work.probe_at = Some(turn.now.after(check.interval));
        let begun = record.started_at.unwrap_or(turn.now);
        let settled =
            record.health != Health::Unknown || turn.now >= begun.after(check.start_period);
        work.failures = match outcome {
            Probed::Passed => 0,
            Probed::Failed | Probed::TimedOut if settled => work.failures.saturating_add(1),
            Probed::Failed | Probed::TimedOut => work.failures,
        };
        let health = finding(check, outcome, work.failures, record.health);
        if health != record.health {
            set_health(record, health, turn.now);
            turn.effects.push(Effect::PublishHealth);
        }
    }
}

/// What a container's health is after a probe, given how many failed in a row.
fn finding(check: &HealthCheck, outcome: Probed, failures: u32, before: Health) -> Health {
    match outcome {
        Probed::Passed => Health::Healthy,
        Probed::Failed | Probed::TimedOut if failures >= check.retries => Health::Unhealthy,
        Probed::Failed | Probed::TimedOut => before,
    }
}
