//! Every decision of a container instance's agent, as one pure machine.
//!
//! [`Core`] holds the agent's whole belief. [`Core::handle`] takes one input and answers with rows to
//! keep, effects to have carried out, and (by [`Core::next_timer`]) when to come back. It speaks the
//! ECS agent protocol: ACS messages in and out, `SubmitTaskStateChange` upwards. The effectful agent
//! and the simulator run the same core. Messages may be lost, repeated or late and the agent may end
//! between any two rows: [`Core::restore`] goes on from what was kept, and from what
//! [`Input::Recovered`] tells of the machine.
//!
//! Source: handbook 2.4 to 2.10, 3.3 to 3.7 and 6.1, and recorded conversations of amazon-ecs-agent.

mod admission;
mod attachments;
mod containers;
mod credentials;
mod docker;
mod effect;
mod health;
mod input;
mod manifest;
mod parse;
mod payload;
mod progress;
mod reasons;
mod record;
mod recovery;
mod rows;
mod session;
mod settings;
pub mod spec;
mod submissions;
mod task;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use state::Dice;
use types::Timestamp;

pub use admission::Demand;
pub use docker::{Device, Docker, DockerError, LogConfig, Ulimit};
pub use effect::{
    Action, AgentMessage, Effect, Flush, Output, Row, Step, Submission, SubmissionId,
};
pub use health::HealthReport;
pub use input::{
    Closed, Exit, Failure, FailureClass, Found, FoundContainer, FoundState, Happened, ImageFacts,
    Input, Probed, Running, ServerMessage, SessionEvent, Submitted,
};
pub use parse::SpecError;
pub use record::{
    Binding, ContainerRecord, Credentials, NetworkFacts, Reported, Role, Sequence, TaskRecord,
};
pub use rows::RowError;
pub use settings::{Host, Settings};
pub use spec::{TaskArn, TaskSpec};
pub use task::Task;

use admission::Admission;
use attachments::{Attaching, Attachment};
use session::Session;
use task::Turn;

/// The agent's whole belief.
#[derive(Debug, Clone)]
pub struct Core {
    settings: Settings,
    /// The latest time seen; a clock set back does not turn it back.
    now: Timestamp,
    sequence: Sequence,
    tasks: BTreeMap<TaskArn, Task>,
    credentials: BTreeMap<(TaskArn, Role), Credentials>,
    attachments: BTreeMap<String, (Attachment, Attaching)>,
    admission: Admission,
    session: Session,
    /// Message id of the manifest whose stop candidates await verification.
    verification: Option<String>,
    /// Tasks to be looked at, by time.
    timers: BTreeSet<(Timestamp, TaskArn)>,
    /// Tasks with something that the control plane has not acknowledged.
    reporting: BTreeSet<TaskArn>,
    submissions: usize,
    next_submission: u64,
    /// The bytes of each task's row as last given out.
    kept: BTreeMap<TaskArn, Vec<u8>>,
    /// Tasks that this input touched and that are not settled yet.
    touched: BTreeSet<TaskArn>,
}

impl Core {
    /// An agent that knows nothing yet.
    pub fn new(settings: Settings) -> Self {
        let container_instance = settings.container_instance.clone();
        Self {
            settings,
            now: Timestamp::default(),
            sequence: Sequence { container_instance, ..Sequence::default() },
            tasks: BTreeMap::new(),
            credentials: BTreeMap::new(),
            attachments: BTreeMap::new(),
            admission: Admission::default(),
            session: Session::default(),
            verification: None,
            timers: BTreeSet::new(),
            reporting: BTreeSet::new(),
            submissions: 0,
            next_submission: 0,
            kept: BTreeMap::new(),
            touched: BTreeSet::new(),
        }
    }

    /// Goes on from what was kept. Until [`Input::Recovered`] has told what is really there of a
    /// task, nothing is done for it.
    ///
    /// # Errors
    ///
    /// [`RowError`] if a row is not one of ours or is damaged; its owner decides what then.
    pub fn restore<'a>(
        settings: Settings,
        rows: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Self, RowError> {
        rows::restore(settings, rows)
    }

    /// Handles one input. Rows go to disk as [`Output::flush`] says, then the effects are carried
    /// out in order. Costs what the touched tasks cost.
    pub fn handle(&mut self, now: Timestamp, dice: &mut Dice, input: Input) -> Output {
        self.now = self.now.max(now);
        let mut output = Output::default();
        self.take_in(input, dice, &mut output);
        self.wake_due();
        self.settle(dice, &mut output);
        self.submit(&mut output);
        self.report_attachments(&mut output);
        let mut session = core::mem::take(&mut self.session);
        session.settle(&mut self.turn(dice, &mut output));
        self.session = session;
        output
    }

    /// When to give [`Input::Tick`]; `None` if only an outside event can move anything.
    pub fn next_timer(&self) -> Option<Timestamp> {
        let task = self.timers.first().map(|(at, _)| *at);
        [task, self.session.timer(), self.attachment_timer()].into_iter().flatten().min()
    }

    /// All tasks the agent knows, stopped ones until they are removed.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.tasks.values()
    }

    /// A task by name.
    pub fn task(&self, arn: &TaskArn) -> Option<&Task> {
        self.tasks.get(arn)
    }

    /// How far the control plane has been followed.
    pub fn sequence(&self) -> &Sequence {
        &self.sequence
    }

    /// Tasks of which [`Input::Recovered`] has not been told yet.
    pub fn awaiting_recovery(&self) -> impl Iterator<Item = &TaskArn> {
        self.tasks.values().filter(|it| it.volatile.recovering).map(|it| &it.arn)
    }

    fn take_in(&mut self, input: Input, dice: &mut Dice, output: &mut Output) {
        match input {
            Input::Server(message) => {
                let mut session = core::mem::take(&mut self.session);
                session.heard(&mut self.turn(dice, output));
                self.session = session;
                self.server(message, output);
            }
            Input::Session(event) => {
                if matches!(event, SessionEvent::Closed(_)) {
                    self.verification = None;
                }
                let mut session = core::mem::take(&mut self.session);
                session.event(event, &mut self.turn(dice, output));
                self.session = session;
            }
            Input::Task { task, happened } => self.with(&task, dice, output, |task, turn| {
                task.take_in(happened, turn);
            }),
            Input::Submitted { id, outcome } => self.submitted(id, outcome, dice, output),
            Input::Recovered { task, found } => self.recovered(&task, found, dice, output),
            Input::Tick => {}
        }
    }

    fn server(&mut self, message: ServerMessage, output: &mut Output) {
        match message {
            ServerMessage::Payload(it) => self.payload(*it, output),
            ServerMessage::TaskManifest(it) => self.manifest(it, output),
            ServerMessage::TaskStopVerificationAck(it) => self.verified(it, output),
            ServerMessage::Heartbeat(it) => manifest::heartbeat(it, output),
            ServerMessage::IamRoleCredentials(it) => self.fresh_credentials(it, output),
            ServerMessage::AttachTaskNetworkInterfaces(it) => self.attach(it, output),
            ServerMessage::PerformUpdate(it) => self.nack_update(it.message_id, output),
            ServerMessage::StageUpdate(it) => self.nack_update(it.message_id, output),
            ServerMessage::Other(_) => {}
        }
    }

    fn turn<'a>(&'a self, dice: &'a mut Dice, output: &'a mut Output) -> Turn<'a> {
        Turn {
            now: self.now,
            dice,
            settings: &self.settings,
            effects: &mut output.effects,
            flush: &mut output.flush,
        }
    }

    /// Does something with a known task and marks it to be settled.
    fn with(
        &mut self,
        arn: &TaskArn,
        dice: &mut Dice,
        output: &mut Output,
        act: impl FnOnce(&mut Task, &mut Turn<'_>),
    ) {
        let Some(mut task) = self.tasks.remove(arn) else { return };
        act(&mut task, &mut self.turn(dice, output));
        self.touched.insert(task.arn.clone());
        self.tasks.insert(task.arn.clone(), task);
    }

    fn wake_due(&mut self) {
        while let Some((at, arn)) = self.timers.first().cloned() {
            if at > self.now {
                return;
            }
            self.timers.pop_first();
            self.touched.insert(arn);
        }
    }

    /// Moves touched tasks on until none is left, and lets waiting ones in where there is room.
    fn settle(&mut self, dice: &mut Dice, output: &mut Output) {
        loop {
            while let Some(arn) = self.touched.pop_first() {
                self.settle_one(&arn, dice, output);
            }
            self.admit(dice, output);
            if self.touched.is_empty() {
                return;
            }
        }
    }

    fn settle_one(&mut self, arn: &TaskArn, dice: &mut Dice, output: &mut Output) {
        let Some(mut task) = self.tasks.remove(arn) else { return };
        if let Some(at) = task.volatile.timer.take() {
            self.timers.remove(&(at, arn.clone()));
        }
        task.settle(&mut self.turn(dice, output));
        if task.record.desired == crate::lifecycle::Desired::Stopped {
            self.admission.leave(task.record.order);
        }
        if task.record.released {
            self.admission.give_back(arn);
        }
        if task.removable_at(self.settings.cleanup_after).is_some_and(|it| it <= self.now) {
            self.remove(&task, output);
            return;
        }
        if let Some(at) = task.volatile.timer {
            self.timers.insert((at, arn.clone()));
        }
        if task.has_news() {
            self.reporting.insert(arn.clone());
        } else {
            self.reporting.remove(arn);
        }
        self.keep(&task, output);
        self.tasks.insert(arn.clone(), task);
    }
}
