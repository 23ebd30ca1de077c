//! Takes in what became of a task's containers: the outcomes of steps, and ends nobody asked for.

use types::{ContainerName, Timestamp};

use super::effect::{Action, Flush};
use super::input::{Exit, Failure, FailureClass, Happened, ImageFacts, Running};
use super::reasons;
use super::task::{Task, Turn};
use crate::lifecycle::{Busy, Desired, Health, Status};

/// Longest runtime id that the control plane takes.
const RUNTIME_ID_MAX: usize = 255;

/// How long a failed release waits to be asked for again.
const RELEASE_AGAIN: core::time::Duration = core::time::Duration::from_secs(5);

impl Task {
    /// Takes in what became of the task. What does not fit the belief, because it comes twice or
    /// late, changes nothing.
    pub(super) fn take_in(&mut self, happened: Happened, turn: &mut Turn<'_>) {
        if self.volatile.recovering {
            self.volatile.unheard.push(happened);
            return;
        }
        match happened {
            Happened::Pulled { container, image } => self.pulled(&container, image, turn),
            Happened::PullFailed { container, failure } => {
                self.failed(&container, Busy::Pulling, None, &failure, turn);
            }
            Happened::Prepared(network) => {
                if self.volatile.preparing_since.take().is_some() {
                    self.record.network = Some(network);
                }
            }
            Happened::PrepareFailed(failure) => {
                if self.volatile.preparing_since.take().is_some() {
                    self.end_all(&reasons::of(&failure), turn);
                }
            }
            Happened::Created { container, run } => self.created(&container, run),
            Happened::CreateFailed { container, run, failure } => {
                self.failed(&container, Busy::Creating, Some(run), &failure, turn);
            }
            Happened::Started { container, run, running } => {
                self.started(&container, run, running, turn);
            }
            Happened::StartFailed { container, run, failure } => {
                self.failed(&container, Busy::Starting, Some(run), &failure, turn);
            }
            Happened::Exited { container, run, exit } => self.exited(&container, run, exit, turn),
            Happened::Probed { container, run, outcome } => {
                self.probed(&container, run, outcome, turn);
            }
            Happened::ShimLost { text } => self.lost(&text, turn),
            Happened::Released => {
                self.volatile.releasing = false;
                if self.is_stopped() && !self.record.released {
                    self.record.released = true;
                    *turn.flush = Flush::BeforeEffects;
                }
            }
            Happened::ReleaseFailed { text: _ } => {
                if core::mem::take(&mut self.volatile.releasing) {
                    self.volatile.release_at = Some(turn.now.after(RELEASE_AGAIN));
                }
            }
        }
    }

    fn pulled(&mut self, container: &ContainerName, image: ImageFacts, turn: &mut Turn<'_>) {
        let Some(index) = self.index(container.as_str()) else { return };
        let Some((record, work)) = self.at(index) else { return };
        if record.status == Status::None && busy(work.busy) == Some(Busy::Pulling) {
            work.busy = None;
            record.status = Status::Pulled;
            record.digest = image.digest;
            record.stop_signal = image.stop_signal;
            self.record.pull_stopped_at = Some(turn.now);
        }
    }

    fn created(&mut self, container: &ContainerName, run: u32) {
        let Some(index) = self.index(container.as_str()) else { return };
        let Some((record, work)) = self.at(index) else { return };
        if record.run == run && busy(work.busy) == Some(Busy::Creating) {
            work.busy = None;
            record.status = Status::Created;
        }
    }

    fn started(
        &mut self,
        container: &ContainerName,
        run: u32,
        running: Running,
        turn: &mut Turn<'_>,
    ) {
        let Some(index) = self.index(container.as_str()) else { return };
        let Some((record, work)) = self.at(index) else { return };
        // A start that an earlier life of the agent asked for finds nobody waiting.
        let awaited = busy(work.busy) == Some(Busy::Starting) || record.status == Status::Created;
        if record.run == run && awaited {
            self.runs(index, running);
        } else if record.status == Status::Stopped && record.finished_at.is_none() {
            // It was given up while it was being started, and the task may go on without it.
            let (container, signal) = (container.clone(), "KILL".to_owned());
            self.step(turn, Action::Signal { container, run, signal });
        }
    }

    /// A container runs.
    pub(super) fn runs(&mut self, index: usize, running: Running) {
        let Some((record, work)) = self.at(index) else { return };
        work.busy = None;
        work.pid = running.pid;
        work.failures = 0;
        work.probe_at = None;
        work.probing_since = None;
        record.status = Status::Running;
        record.reason = None;
        record.ran = true;
        record.started_at = Some(running.at);
        record.runtime_id = Some(running.runtime_id.chars().take(RUNTIME_ID_MAX).collect());
    }

    fn exited(&mut self, container: &ContainerName, run: u32, exit: Exit, turn: &mut Turn<'_>) {
        let Some(index) = self.index(container.as_str()) else { return };
        let Some((record, work)) = self.at(index) else { return };
        let starting = busy(work.busy) == Some(Busy::Starting);
        if record.run != run || !(record.status == Status::Running || starting) {
            return;
        }
        if starting {
            // Its end overtook the news of its start.
            record.ran = true;
            record.started_at = Some(exit.at);
        }
        self.ran_to_its_end(index, exit, turn);
    }

    /// A container that ran has ended: it is restarted in place, or stopped.
    pub(super) fn ran_to_its_end(&mut self, index: usize, exit: Exit, turn: &mut Turn<'_>) {
        let desired = self.record.desired;
        let Some(spec) = self.spec.clone() else { return };
        let Some(policy) = spec.containers.get(index).map(|it| it.restart.as_ref()) else { return };
        let Some((record, work)) = self.at(index) else { return };
        *turn.flush = Flush::BeforeEffects;
        work.busy = None;
        work.pid = None;
        work.probing_since = None;
        record.finished_at = Some(exit.at);
        record.exit_code = exit.exit_code();
        let ran_for = exit.at.since(record.started_at.unwrap_or(exit.at));
        let again = policy.is_some_and(|policy| {
            desired == Desired::Running
                && ran_for >= policy.attempt_period
                && !record.exit_code.is_some_and(|it| policy.ignored_exit_codes.contains(&it))
        });
        record.reason = if exit.out_of_memory {
            Some(reasons::out_of_memory())
        } else if record.exit_code.is_none() {
            Some(reasons::reason(FailureClass::ContainerVanished, "its exit code is not known"))
        } else {
            None
        };
        if again {
            record.run = record.run.saturating_add(1);
            record.status = Status::Pulled;
            record.signalled_at = None;
            record.killed_at = None;
            set_health(record, Health::Unknown, turn.now);
            return;
        }
        record.status = Status::Stopped;
        self.note_end(index, exit.at);
    }

    fn failed(
        &mut self,
        container: &ContainerName,
        step: Busy,
        run: Option<u32>,
        failure: &Failure,
        turn: &mut Turn<'_>,
    ) {
        let Some(index) = self.index(container.as_str()) else { return };
        let Some((record, work)) = self.at(index) else { return };
        if busy(work.busy) == Some(step) && run.is_none_or(|it| it == record.run) {
            if step == Busy::Pulling {
                self.record.pull_stopped_at = Some(turn.now);
            }
            self.end(index, Some(reasons::of(failure)), turn);
        }
    }

    /// A container counts as stopped from now on, without an exit code of its own.
    pub(super) fn end(&mut self, index: usize, reason: Option<String>, turn: &mut Turn<'_>) {
        let Some((record, work)) = self.at(index) else { return };
        if record.status == Status::Stopped {
            return;
        }
        *turn.flush = Flush::BeforeEffects;
        if record.status == Status::Running {
            record.finished_at = Some(turn.now);
        }
        // A code from a run before says nothing about this end.
        record.exit_code = None;
        record.status = Status::Stopped;
        record.reason = reason;
        work.busy = None;
        work.pid = None;
        work.probing_since = None;
        self.note_end(index, turn.now);
    }

    /// A container that was to be restarted in place is not: its last end was its end.
    pub(super) fn stay_ended(&mut self, index: usize, turn: &mut Turn<'_>) {
        let Some((record, _)) = self.at(index) else { return };
        *turn.flush = Flush::BeforeEffects;
        record.status = Status::Stopped;
        let at = record.finished_at.unwrap_or(turn.now);
        self.note_end(index, at);
    }

    /// Every container that has not stopped counts as stopped, and the task with them.
    pub(super) fn end_all(&mut self, reason: &str, turn: &mut Turn<'_>) {
        self.record.desired = Desired::Stopped;
        for index in 0..self.record.containers.len() {
            self.end(index, Some(reason.to_owned()), turn);
        }
    }

    /// All that the task had on the machine is gone.
    pub(super) fn lost(&mut self, text: &str, turn: &mut Turn<'_>) {
        if self.is_stopped() || !self.record.admitted {
            return;
        }
        self.volatile.preparing_since = None;
        let reason = reasons::reason(FailureClass::ContainerRuntime, text);
        self.record.reason = Some(reason.clone());
        self.end_all(&reason, turn);
    }

    fn note_end(&mut self, index: usize, at: Timestamp) {
        let essential = self
            .spec
            .as_ref()
            .and_then(|it| it.containers.get(index))
            .is_some_and(|it| it.essential);
        if essential || self.is_stopped() {
            self.record.execution_stopped_at.get_or_insert(at);
        }
    }
}

fn busy(work: Option<(Busy, Timestamp)>) -> Option<Busy> {
    work.map(|(busy, _)| busy)
}

/// Notes a change of health, with its time.
pub(super) fn set_health(
    record: &mut super::record::ContainerRecord,
    health: Health,
    now: Timestamp,
) {
    if record.health != health {
        record.health = health;
        record.health_since = Some(now);
    }
}

/// The signal that asks a container to stop: the task definition's, the image's, or SIGTERM.
pub(super) fn stop_signal(
    spec: &super::spec::ContainerSpec,
    record: &super::record::ContainerRecord,
) -> String {
    let asked = spec.docker.stop_signal.as_ref().or(record.stop_signal.as_ref());
    asked.cloned().unwrap_or_else(|| "SIGTERM".into())
}
