//! Moves a task on: asks `lifecycle` what each container needs and turns it into steps.

use core::time::Duration;
use std::sync::Arc;

use types::{ContainerName, Timestamp};

use super::containers::stop_signal;
use super::effect::{Action, Flush};
use super::input::FailureClass;
use super::reasons;
use super::spec::TaskSpec;
use super::task::{Task, Turn};
use crate::lifecycle::{self, Busy, Desired, Next, Status};

impl Task {
    /// Does everything that can be done now, and sets the timer for what cannot.
    pub(super) fn settle(&mut self, turn: &mut Turn<'_>) {
        self.volatile.timer = None;
        if !self.volatile.recovering {
            self.give_up_late_steps(turn);
            while self.advance(turn) {}
            let probe = self.probe(turn);
            self.wake(probe);
            self.note_status(turn);
            self.release(turn);
        }
        self.batch(turn);
        let report = self.volatile.report.retry_at;
        self.wake(report.filter(|it| *it > turn.now));
        self.wake(self.removable_at(turn.settings.cleanup_after));
    }

    /// Wants to be looked at again at this time.
    pub(super) fn wake(&mut self, at: Option<Timestamp>) {
        self.volatile.timer = [self.volatile.timer, at].into_iter().flatten().min();
    }

    /// One round over the containers; says whether another may find more.
    fn advance(&mut self, turn: &mut Turn<'_>) -> bool {
        let Some(spec) = self.spec.clone() else { return false };
        self.follow_essential(&spec, turn);
        if !self.record.admitted && self.record.desired == Desired::Running {
            return false;
        }
        self.prepare(turn);
        let prepared = self.record.network.is_some();
        let mut moved = false;
        for index in 0..spec.containers.len() {
            let seen = self.seen(&spec);
            let Some(me) = seen.get(index) else { continue };
            let stop = turn.settings.stop_timeout;
            let next = lifecycle::next(me, &seen, self.record.desired, prepared, stop, turn.now);
            moved |= self.carry_out(index, next, turn);
        }
        moved
    }

    /// The end of an essential container is the end of the task.
    fn follow_essential(&mut self, spec: &Arc<TaskSpec>, turn: &mut Turn<'_>) {
        let mut containers = spec.containers.iter().zip(&self.record.containers);
        let ended = containers.any(|(it, record)| it.essential && record.status == Status::Stopped);
        if ended && self.record.desired == Desired::Running {
            self.record.desired = Desired::Stopped;
            *turn.flush = Flush::BeforeEffects;
        }
    }

    fn prepare(&mut self, turn: &mut Turn<'_>) {
        let needed = self.record.desired == Desired::Running
            && self.record.network.is_none()
            && self.volatile.preparing_since.is_none()
            && !self.is_stopped();
        if needed {
            self.volatile.preparing_since = Some(turn.now);
            self.step(turn, Action::Prepare);
        }
    }

    /// Turns what a container needs into a step; says whether that changed what others see.
    fn carry_out(&mut self, index: usize, next: Next, turn: &mut Turn<'_>) -> bool {
        let Some(spec) = self.spec.clone() else { return false };
        let Some(container) = spec.containers.get(index) else { return false };
        let name = container.name.clone();
        let now = turn.now;
        let Some((record, work)) = self.at(index) else { return false };
        let run = record.run;
        match next {
            Next::Wait(until) => {
                self.wake(until);
                return false;
            }
            Next::Pull => {
                work.busy = Some((Busy::Pulling, now));
                self.record.pull_started_at.get_or_insert(now);
                self.step(turn, Action::PullImage { container: name });
            }
            Next::Create => {
                work.busy = Some((Busy::Creating, now));
                self.step(turn, Action::Create { container: name, run });
            }
            Next::Start => {
                work.busy = Some((Busy::Starting, now));
                self.step(turn, Action::Start { container: name, run });
            }
            Next::Signal => {
                record.signalled_at = Some(now);
                let signal = stop_signal(container, record);
                self.step(turn, Action::Signal { container: name, run, signal });
            }
            Next::Kill => {
                record.killed_at = Some(now);
                self.step(turn, Action::Signal { container: name, run, signal: "KILL".into() });
            }
            Next::End => {
                let pulling = work.busy.is_some_and(|(busy, _)| busy == Busy::Pulling);
                if record.ran {
                    self.stay_ended(index, turn);
                } else {
                    let reason = never_ran(record.status);
                    self.end(index, Some(reason), turn);
                }
                if pulling {
                    self.step(turn, Action::CancelPull { container: name });
                }
            }
            Next::GiveUp(why) => self.give_up(index, name, &why, turn),
        }
        true
    }

    fn give_up(&mut self, index: usize, name: ContainerName, why: &str, turn: &mut Turn<'_>) {
        let pulling = self.at(index).is_some_and(|(_, work)| work.busy.is_some());
        self.end(index, Some(reasons::reason(FailureClass::TaskDependency, why)), turn);
        self.record.desired = Desired::Stopped;
        if pulling {
            self.step(turn, Action::CancelPull { container: name });
        }
    }

    /// A step without an outcome within its time has failed; its late outcome changes nothing.
    fn give_up_late_steps(&mut self, turn: &mut Turn<'_>) {
        let settings = turn.settings;
        if let Some(since) = self.volatile.preparing_since {
            let at = since.after(settings.create_timeout);
            if turn.now >= at {
                self.volatile.preparing_since = None;
                let text = "the task's network and volumes were not ready in time";
                self.end_all(&reasons::reason(FailureClass::ResourceInitialization, text), turn);
            } else {
                self.wake(Some(at));
            }
        }
        for index in 0..self.record.containers.len() {
            let Some((busy, since)) = self.at(index).and_then(|(_, work)| work.busy) else {
                continue;
            };
            let (limit, what) = match busy {
                Busy::Pulling => (settings.pull_timeout, "pulled"),
                Busy::Creating => (settings.create_timeout, "created"),
                Busy::Starting => (settings.start_timeout, "started"),
            };
            let at = since.after(limit);
            if turn.now >= at {
                let text =
                    format!("Could not transition to {what}; timed out after waiting {limit:?}");
                let reason = reasons::reason(FailureClass::ContainerRuntimeTimeout, &text);
                self.end(index, Some(reason), turn);
            }
        }
    }

    /// Sets the timers of steps under way, and notes when the task as a whole runs or has stopped.
    fn note_status(&mut self, turn: &mut Turn<'_>) {
        let settings = turn.settings;
        for index in 0..self.record.containers.len() {
            let busy = self.at(index).and_then(|(_, work)| work.busy);
            self.wake(busy.map(|(busy, since)| match busy {
                Busy::Pulling => since.after(settings.pull_timeout),
                Busy::Creating => since.after(settings.create_timeout),
                Busy::Starting => since.after(settings.start_timeout),
            }));
        }
        self.wake(self.volatile.preparing_since.map(|it| it.after(settings.create_timeout)));
        let all_ran = self.containers().all(|(it, record)| record.ran || !it.essential);
        match self.status() {
            // What failed to start does not run, though others of the task still do.
            Status::Running if all_ran => {
                self.record.running_at.get_or_insert(turn.now);
            }
            Status::Stopped if self.record.stopped_at.is_none() => {
                self.record.stopped_at = Some(turn.now);
                self.record.desired = Desired::Stopped;
                *turn.flush = Flush::BeforeEffects;
            }
            _ => {}
        }
    }

    /// Gives everything back as soon as all has stopped.
    fn release(&mut self, turn: &mut Turn<'_>) {
        if !self.is_stopped() || self.record.released || self.volatile.releasing {
            return;
        }
        if let Some(at) = self.volatile.release_at.filter(|it| *it > turn.now) {
            self.wake(Some(at));
            return;
        }
        self.volatile.releasing = true;
        self.step(turn, Action::Release);
    }

    /// When the rest of the task may go: some time after its end, once all is given back and said.
    pub(super) fn removable_at(&self, cleanup_after: Duration) -> Option<Timestamp> {
        let said = self.record.reported == super::record::Reported::Stopped;
        let at = self.record.stopped_at?.after(cleanup_after);
        (self.record.released && said).then_some(at)
    }
}

/// Why a container that never ran has stopped.
fn never_ran(status: Status) -> String {
    match status {
        Status::None => reasons::reason(
            FailureClass::TaskStoppedBeforePullBegin,
            "Task stopped before the image pull could finish for the task",
        ),
        _ => "Task stopped before the container was started".into(),
    }
}
