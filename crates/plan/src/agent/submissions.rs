//! Reports: what the control plane has not acknowledged yet goes up, in order, until it has.
//!
//! There is no queue. What is known and what is acknowledged are compared, so that a report lost, or
//! repeated by a crash, changes nothing. One report of a task is under way at a time. Only RUNNING
//! and STOPPED go up; first that the task runs, then that it stopped.

use core::time::Duration;

use shapes::ecs;
use state::Dice;
use types::Timestamp;

use super::Core;
use super::effect::{Effect, Flush, Output, Submission, SubmissionId};
use super::input::Submitted;
use super::record::{ContainerRecord, Reported};
use super::spec::TaskArn;
use super::task::{InFlight, Report, Task, Turn};
use crate::lifecycle::Status;

/// Most submissions under way at a time (agent source).
const SUBMISSIONS_MAX: usize = 10;

/// Waits between attempts, from the first failure on.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_secs(30);

impl Task {
    /// Whether there is something that the control plane has not acknowledged.
    pub(super) fn has_news(&self) -> bool {
        self.task_news().is_some() || self.has_container_news()
    }

    /// The next change of the task itself that is to be reported.
    fn task_news(&self) -> Option<Reported> {
        let record = &self.record;
        match record.reported {
            Reported::Nothing if record.running_at.is_some() => Some(Reported::Running),
            Reported::Nothing | Reported::Running if record.stopped_at.is_some() => {
                Some(Reported::Stopped)
            }
            _ => None,
        }
    }

    fn has_container_news(&self) -> bool {
        self.record.containers.iter().any(|it| it.reported < reportable(it))
    }

    /// Changes of containers alone wait a while for company.
    pub(super) fn batch(&mut self, turn: &mut Turn<'_>) {
        if self.task_news().is_some() || !self.has_container_news() {
            self.volatile.report.batch_at = None;
            return;
        }
        let wait = turn.settings.batch_after;
        let at = *self.volatile.report.batch_at.get_or_insert_with(|| {
            turn.now.after(wait).after(wait.mul_f64(fraction(turn.dice) * 2.0))
        });
        self.wake(Some(at).filter(|it| *it > turn.now));
    }

    /// Whether a report may go up now.
    pub(super) fn may_report(&self, now: Timestamp) -> bool {
        let Report { in_flight, retry_at, batch_at, .. } = &self.volatile.report;
        let due = self.task_news().is_some() || batch_at.is_some_and(|it| it <= now);
        due && in_flight.is_none() && retry_at.is_none_or(|it| it <= now)
    }

    /// The report that is due, marked as under way.
    pub(super) fn report(&mut self, id: SubmissionId, cluster: &str) -> Submission {
        let task = self.task_news().unwrap_or(self.record.reported);
        let last = task == Reported::Stopped;
        let mut containers = Vec::new();
        let mut changes = Vec::new();
        for (spec, record) in self.containers() {
            let to = reportable(record);
            containers.push(to);
            if record.reported == Reported::Nothing && record.ran {
                changes.push(self.change(&spec.name, record, Reported::Running));
            }
            // The last report tells the end of every container, whatever was told before.
            if to == Reported::Stopped && (last || record.reported < to) {
                changes.push(self.change(&spec.name, record, Reported::Stopped));
            }
        }
        self.volatile.report.in_flight = Some(InFlight { id, task, containers });
        let request = self.request(task, cluster, changes);
        Submission { id, request }
    }

    fn change(
        &self,
        name: &types::ContainerName,
        record: &ContainerRecord,
        step: Reported,
    ) -> ecs::ContainerStateChange {
        let stopped = step == Reported::Stopped;
        ecs::ContainerStateChange {
            container_name: Some(name.to_string()),
            exit_code: record.exit_code.filter(|_| stopped),
            image_digest: record.digest.clone(),
            network_bindings: self.bindings(name).filter(|_| record.ran),
            reason: record.reason.clone().filter(|_| stopped),
            runtime_id: record.runtime_id.clone(),
            status: Some(if stopped { "STOPPED" } else { "RUNNING" }.into()),
        }
    }

    fn request(
        &self,
        task: Reported,
        cluster: &str,
        changes: Vec<ecs::ContainerStateChange>,
    ) -> ecs::SubmitTaskStateChangeRequest {
        let record = &self.record;
        let stopped = task == Reported::Stopped;
        let at = |it: Option<Timestamp>| it.map(|it| shapes::Timestamp(it.0));
        ecs::SubmitTaskStateChangeRequest {
            cluster: Some(cluster.to_owned()),
            containers: (!changes.is_empty()).then_some(changes),
            execution_stopped_at: at(record.execution_stopped_at.filter(|_| stopped)),
            pull_started_at: at(record.pull_started_at),
            pull_stopped_at: at(record.pull_stopped_at),
            reason: record.reason.clone().filter(|_| stopped),
            status: Some(
                match task {
                    Reported::Nothing => "PENDING",
                    Reported::Running => "RUNNING",
                    Reported::Stopped => "STOPPED",
                }
                .into(),
            ),
            task: Some(self.arn.to_string()),
            ..ecs::SubmitTaskStateChangeRequest::default()
        }
    }

    /// Takes in the answer to a report.
    pub(super) fn submitted(&mut self, id: SubmissionId, outcome: Submitted, turn: &mut Turn<'_>) {
        let report = &mut self.volatile.report;
        let Some(sent) = report.in_flight.take_if(|it| it.id == id) else { return };
        match outcome {
            Submitted::Failed => {
                report.attempts = report.attempts.saturating_add(1);
                report.retry_at = Some(turn.now.after(backoff(report.attempts, turn.dice)));
            }
            Submitted::Acknowledged | Submitted::Refused => {
                *report = Report::default();
                self.record.reported = self.record.reported.max(sent.task);
                for (record, to) in self.record.containers.iter_mut().zip(sent.containers) {
                    record.reported = record.reported.max(to);
                }
            }
        }
    }
}

impl Core {
    /// Sends the reports that are due, oldest task first, up to so many at a time.
    pub(super) fn submit(&mut self, output: &mut Output) {
        let now = self.now;
        let due = self.reporting.iter().filter_map(|it| self.tasks.get(it));
        let mut due: Vec<_> = due
            .filter(|it| it.may_report(now))
            .map(|it| (it.record.order, it.arn.clone()))
            .collect();
        due.sort();
        for (_, arn) in due {
            if self.submissions >= SUBMISSIONS_MAX {
                return;
            }
            let Some(task) = self.tasks.get_mut(&arn) else { continue };
            let id = SubmissionId(self.next_submission);
            let submission = task.report(id, &self.settings.cluster);
            self.next_submission += 1;
            self.submissions += 1;
            output.effects.push(Effect::Submit(submission));
            output.flush = Flush::BeforeEffects;
        }
    }

    /// Takes in the answer to a submission.
    pub(super) fn submitted(
        &mut self,
        id: SubmissionId,
        outcome: Submitted,
        dice: &mut Dice,
        output: &mut Output,
    ) {
        let awaits = |it: &&TaskArn| {
            let task = self.tasks.get(*it);
            task.and_then(|it| it.volatile.report.in_flight.as_ref()).is_some_and(|it| it.id == id)
        };
        let Some(arn) = self.reporting.iter().find(awaits).cloned() else {
            return self.attached(id, outcome, dice, output);
        };
        self.submissions = self.submissions.saturating_sub(1);
        self.with(&arn, dice, output, |task, turn| task.submitted(id, outcome, turn));
    }
}

/// What is to be reported of a container.
fn reportable(record: &ContainerRecord) -> Reported {
    match record.status {
        Status::Stopped => Reported::Stopped,
        _ if record.ran => Reported::Running,
        _ => Reported::Nothing,
    }
}

/// Doubles from attempt to attempt, plus up to half by lot.
pub(super) fn backoff(attempts: u32, dice: &mut Dice) -> Duration {
    let doublings = attempts.saturating_sub(1).min(16);
    let wait = RETRY_FIRST.saturating_mul(1 << doublings).min(RETRY_LAST);
    wait.mul_f64(1.0 + fraction(dice) / 2.0).min(RETRY_LAST)
}

/// A number from 0 up to 1.
#[expect(clippy::cast_precision_loss, reason = "2^20 sides are exact")]
pub(super) fn fraction(dice: &mut Dice) -> f64 {
    const SIDES: u64 = 1 << 20;
    dice.below(SIDES) as f64 / SIDES as f64
}
