//! The core at work: inputs in, rows to disk, effects out to those who carry them out.

use core::time::Duration;
use std::collections::{BTreeMap, btree_map};
use std::io;
use std::sync::Arc;

use plan::agent::{
    Action, Core, Effect, Flush, Input, Output, Step, Submission, Submitted, Task, TaskArn,
};
use shapes::ecs;
use state::Dice;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;

use crate::acs;
use crate::clock::Steady;
use crate::machine::{Letter, Machine, blocking};
use crate::rows::Rows;
use crate::worker::{self, Order};

/// Inputs handled before their rows go to disk together.
const BATCH_MAX: usize = 64;

/// How long an agent that is told to end gives back what tasks held that are over already.
const GIVE_BACK_WITHIN: Duration = Duration::from_secs(8);

/// How an agent left its instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Nothing of any task is left on the machine.
    Idle,
    /// Containers go on, or something of a task is still to be freed.
    Busy,
}

/// The core with its memory and its hands.
pub(crate) struct Desk {
    machine: Arc<Machine>,
    core: Core,
    dice: Dice,
    rows: Rows,
    workers: BTreeMap<TaskArn, mpsc::UnboundedSender<Order>>,
    session: Option<mpsc::Sender<String>>,
    health: Arc<Notify>,
    clock: Steady,
    /// When it ends at the latest, once it is told to.
    end_by: Option<Instant>,
}

impl Desk {
    /// A desk with this memory; `health` is told when a container's health changes.
    pub(crate) fn new(
        machine: Arc<Machine>,
        core: Core,
        dice: Dice,
        rows: Rows,
        health: Arc<Notify>,
    ) -> Self {
        Self {
            machine,
            core,
            dice,
            rows,
            workers: BTreeMap::new(),
            session: None,
            health,
            clock: Steady::new(),
            end_by: None,
        }
    }

    /// The core, before work begins.
    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    /// Takes over a task that was there before this agent.
    pub(crate) fn adopt(&mut self, task: &TaskArn) -> mpsc::UnboundedSender<Order> {
        self.worker(task).clone()
    }

    /// Works until told to stop, and then until tasks that are over have given back what they held,
    /// which is a moment as a rule.
    ///
    /// # Errors
    ///
    /// If the memory cannot be written: nothing more can be promised then.
    pub(crate) async fn work(
        mut self,
        mut inbox: mpsc::Receiver<Letter>,
        mut shutdown: watch::Receiver<bool>,
    ) -> io::Result<Ended> {
        let mut letters = Vec::new();
        self.handle(vec![Input::Tick]).await?;
        while self.end_by.is_none() || self.is_giving_back() {
            let wait = self.core.next_timer().map(|it| it.since(self.clock.now()));
            let timer = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => core::future::pending().await,
                }
            };
            let latest = self.end_by;
            let too_late = async {
                match latest {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => core::future::pending().await,
                }
            };
            tokio::select! {
                _ = shutdown.wait_for(|it| *it), if latest.is_none() => {
                    // No new tasks any more.
                    self.session = None;
                    self.end_by = Some(Instant::now() + GIVE_BACK_WITHIN);
                }
                () = too_late => break,
                count = inbox.recv_many(&mut letters, BATCH_MAX) => if count == 0 { break },
                () = timer => letters.push(Letter::Input(Box::new(Input::Tick))),
            }
            let mut inputs = Vec::new();
            for letter in letters.drain(..) {
                match letter {
                    Letter::Input(input) => inputs.push(*input),
                    Letter::Ask(ask) => ask(&self.core),
                }
            }
            self.handle(inputs).await?;
        }
        self.rows.syncer()?.sync_data()?;
        let mut tasks = self.core.tasks();
        Ok(if tasks.all(|it| it.record().released) { Ended::Idle } else { Ended::Busy })
    }

    /// Whether nothing shall run any more, and something of a task is still to end or to be freed.
    fn is_giving_back(&self) -> bool {
        let mut tasks = self.core.tasks();
        tasks.all(Task::is_ending) && self.core.tasks().any(|it| !it.record().released)
    }

    async fn handle(&mut self, inputs: Vec<Input>) -> io::Result<()> {
        if inputs.is_empty() {
            return Ok(());
        }
        let mut all = Output::default();
        for input in inputs {
            let output = self.core.handle(self.clock.now(), &mut self.dice, input);
            all.rows.extend(output.rows);
            all.effects.extend(output.effects);
            if output.flush == Flush::BeforeEffects {
                all.flush = Flush::BeforeEffects;
            }
        }
        self.rows.append(all.rows)?;
        if all.flush == Flush::BeforeEffects {
            let file = self.rows.syncer()?;
            blocking(move || file.sync_data()).await?;
        }
        for effect in all.effects {
            self.carry_out(effect);
        }
        Ok(())
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Send(message) => {
                if let Some(session) = &self.session {
                    // A session that takes nothing is as good as none: the server asks again.
                    drop(session.try_send(link::frames::to_server(&message)));
                }
            }
            Effect::Submit(submission) => {
                tokio::spawn(submit(self.machine.clone(), submission));
            }
            Effect::Step(step) => self.step(step),
            Effect::PublishHealth => self.health.notify_one(),
            // An agent that ends takes no more tasks.
            Effect::OpenSession { .. } if self.end_by.is_some() => {}
            Effect::OpenSession { send_credentials } => {
                let (outbound, outgoing) = mpsc::channel(acs::OUTBOUND_MAX);
                self.session = Some(outbound);
                let machine = self.machine.clone();
                tokio::spawn(async move {
                    acs::converse(&machine, send_credentials, outgoing).await;
                });
            }
            Effect::CloseSession => self.session = None,
        }
    }

    fn step(&mut self, step: Step) {
        let task = step.task.clone();
        let last = step.action == Action::Remove;
        // A worker only ends when its channel does, so it takes every step.
        drop(self.worker(&task).send(Order::Step(step)));
        if last {
            self.workers.remove(&task);
        }
    }

    fn worker(&mut self, task: &TaskArn) -> &mpsc::UnboundedSender<Order> {
        match self.workers.entry(task.clone()) {
            btree_map::Entry::Occupied(it) => it.into_mut(),
            btree_map::Entry::Vacant(it) => {
                it.insert(worker::start(self.machine.clone(), task.clone()))
            }
        }
    }
}

async fn submit(machine: Arc<Machine>, submission: Submission) {
    let id = submission.id;
    let answer = machine.api.call::<ecs::SubmitTaskStateChange>(&submission.request).await;
    let outcome = match answer {
        Ok(_) => Submitted::Acknowledged,
        Err(error)
            if matches!(
                error.code(),
                Some("InvalidParameterException" | "ClientException" | "ClusterNotFoundException")
            ) =>
        {
            tracing::error!(%error, task = submission.request.task, "a report is refused for good");
            Submitted::Refused
        }
        Err(error) => {
            tracing::warn!(%error, task = submission.request.task, "a report did not arrive");
            Submitted::Failed
        }
    };
    machine.inbox.tell(Input::Submitted { id, outcome }).await;
}
