//! One worker for each task: does the task's steps in their order, and hears its shim.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use plan::agent::{
    Action, Exit, Failure, FailureClass, Happened, Probed, Running, Step, TaskArn, TaskSpec,
};
use shim::{Command, ContainerState, Event, RefusalKind, Reply, parse_signal};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use types::{ContainerName, Timestamp};

use crate::line::{Line, News};
use crate::logs::Shipper;
use crate::machine::{Machine, blocking, runtime_id};
use crate::{container, prepare, pull, recover, release};

/// A shim that does not answer within this is no use; its own longest command starts a container.
const REPLY_WITHIN: Duration = Duration::from_mins(2);

/// Something for a worker.
pub(crate) enum Order {
    /// Do this.
    Step(Step),
    /// Look what is there of the task and tell the core.
    Recover,
    /// The connection to the shim broke.
    Broke,
}

/// Starts a worker; it ends once its channel is closed and done.
///
/// The channel has no bound because the core that fills it must never wait for a worker that may
/// be waiting for the core. The core gives out at most a few steps for each container at a time.
pub(crate) fn start(machine: Arc<Machine>, task: TaskArn) -> mpsc::UnboundedSender<Order> {
    let (orders, ordered) = mpsc::unbounded_channel();
    let worker = Worker {
        machine,
        task,
        own: orders.downgrade(),
        line: None,
        pulls: BTreeMap::new(),
        shippers: BTreeMap::new(),
        runs: Arc::default(),
        ending: Arc::default(),
    };
    tokio::spawn(worker.work(ordered));
    orders
}

/// A task's hands.
pub(crate) struct Worker {
    pub(crate) machine: Arc<Machine>,
    pub(crate) task: TaskArn,
    own: mpsc::WeakUnboundedSender<Order>,
    pub(crate) line: Option<Arc<Line>>,
    pulls: BTreeMap<ContainerName, AbortHandle>,
    /// Those who ship the output of containers.
    shippers: BTreeMap<ContainerName, Shipper>,
    /// Which run of each container is being started: what the shim tells of a start does not say.
    runs: Arc<Mutex<BTreeMap<String, u32>>>,
    /// The shim has been asked to end, so that its silence is no loss.
    pub(crate) ending: Arc<AtomicBool>,
}

impl Worker {
    async fn work(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        while let Some(order) = orders.recv().await {
            match order {
                Order::Step(Step { spec, action, .. }) => self.step(spec, action).await,
                Order::Recover => recover::task(&mut self).await,
                Order::Broke => self.broke().await,
            }
        }
    }

    async fn step(&mut self, spec: Option<Arc<TaskSpec>>, action: Action) {
        match (action, spec) {
            (Action::Prepare, Some(spec)) => {
                let happened = match prepare::task(self, &spec).await {
                    Ok(facts) => Happened::Prepared(facts),
                    Err(failure) => Happened::PrepareFailed(failure),
                };
                self.happened(happened).await;
            }
            (Action::PullImage { container }, Some(spec)) => self.pull(spec, container),
            (Action::CancelPull { container }, _) => {
                if let Some(pull) = self.pulls.remove(&container) {
                    pull.abort();
                }
            }
            (Action::Create { container, run }, Some(spec)) => {
                let happened = match container::create(self, &spec, &container, run).await {
                    Ok(()) => Happened::Created { container, run },
                    Err(failure) => Happened::CreateFailed { container, run, failure },
                };
                self.happened(happened).await;
            }
            (Action::Start { container, run }, Some(spec)) => {
                self.start(&spec, container, run).await;
            }
            (Action::Signal { container, signal, .. }, _) => self.signal(&container, &signal).await,
            (Action::Probe { container, run, command, timeout }, _) => {
                self.probe(container, run, command, timeout);
            }
            (Action::Release, _) => {
                let happened = match release::task(self).await {
                    Ok(()) => Happened::Released,
                    Err(text) => {
                        tracing::warn!(task = %self.task, text, "a task is not released yet");
                        Happened::ReleaseFailed { text }
                    }
                };
                self.happened(happened).await;
            }
            (Action::Remove, _) => release::remove(self).await,
            (
                Action::Prepare
                | Action::PullImage { .. }
                | Action::Create { .. }
                | Action::Start { .. },
                None,
            ) => tracing::error!(task = %self.task, "a step of a task without a specification"),
        }
    }

    async fn happened(&self, happened: Happened) {
        self.machine.inbox.happened(&self.task, happened).await;
    }

    fn pull(&mut self, spec: Arc<TaskSpec>, container: ContainerName) {
        let (machine, task, name) = (self.machine.clone(), self.task.clone(), container.clone());
        let pull = tokio::spawn(async move {
            let happened = match pull::image(&machine, &spec, &container).await {
                Ok(image) => Happened::Pulled { container, image },
                Err(failure) => Happened::PullFailed { container, failure },
            };
            machine.inbox.happened(&task, happened).await;
        });
        self.pulls.insert(name, pull.abort_handle());
    }

    async fn start(&mut self, spec: &TaskSpec, container: ContainerName, run: u32) {
        lock(&self.runs).insert(container.to_string(), run);
        let started = match container::before_start(self, spec, &container).await {
            Ok(()) => {
                self.ship(spec, &container);
                let command = Command::Start { name: container.to_string() };
                self.call(command).await.map(drop).map_err(|it| start_failure(&it))
            }
            Err(failure) => Err(failure),
        };
        // That it runs is told by the shim's own news, in order with what comes after.
        if let Err(failure) = started {
            self.happened(Happened::StartFailed { container, run, failure }).await;
        }
    }

    /// Ships the output of a container to the log store, if that is where it goes.
    pub(crate) fn ship(&mut self, spec: &TaskSpec, container: &ContainerName) {
        if self.shippers.contains_key(container) {
            return;
        }
        let found = spec.container(container.as_str());
        if let Some(shipper) = found.and_then(|it| Shipper::start(&self.machine, spec, it)) {
            self.shippers.insert(container.clone(), shipper);
        }
    }

    /// Nothing writes output any more.
    pub(crate) fn finish_logs(&self) {
        self.shippers.values().for_each(Shipper::finish);
    }

    async fn signal(&self, container: &ContainerName, signal: &str) {
        let number = parse_signal(signal).unwrap_or(15);
        let command = Command::Signal { name: container.to_string(), signal: number };
        match self.call(command).await {
            Ok(_) => {}
            // It ended meanwhile.
            Err(refusal) if refusal.kind == RefusalKind::WrongState => {}
            Err(refusal) => {
                let why = refusal.message;
                tracing::warn!(task = %self.task, %container, signal, why, "a signal was not sent");
            }
        }
    }

    fn probe(&self, container: ContainerName, run: u32, argv: Vec<String>, timeout: Duration) {
        let (machine, task) = (self.machine.clone(), self.task.clone());
        let line = self.line.clone();
        let name = container.to_string();
        tokio::spawn(async move {
            let id = format!("probe-{name}-{run}");
            let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
            let command = Command::Exec { name, id: id.clone(), argv, env: Vec::new(), timeout_ms };
            let done = match line {
                Some(line) => line.exec(id, command).await.ok(),
                None => None,
            };
            let outcome = match done {
                Some(done) if done.timed_out => Probed::TimedOut,
                Some(done) if done.code == Some(0) => Probed::Passed,
                Some(_) | None => Probed::Failed,
            };
            machine.inbox.happened(&task, Happened::Probed { container, run, outcome }).await;
        });
    }

    /// Sends a command to the task's shim.
    pub(crate) async fn call(&self, command: Command) -> Result<Reply, shim::Refusal> {
        let gone = |message: &str| shim::Refusal {
            kind: RefusalKind::Machine,
            message: message.to_owned(),
        };
        let Some(line) = &self.line else { return Err(gone("the task has no shim")) };
        let answer = tokio::time::timeout(REPLY_WITHIN, line.call(command)).await;
        answer.unwrap_or_else(|_| Err(gone("the task's shim does not answer")))
    }

    /// Forgets the connection to the shim.
    pub(crate) fn hang_up(&mut self) {
        self.line = None;
        self.machine.note_line(&self.task, None);
    }

    /// Connects to the task's shim.
    pub(crate) async fn connect(&mut self) -> std::io::Result<Arc<Line>> {
        let folder = self.machine.shim_folder(&self.task);
        let (machine, task) = (self.machine.clone(), self.task.clone());
        let (own, runs, ending) = (self.own.clone(), self.runs.clone(), self.ending.clone());
        let line = Line::connect(&folder, move |news| {
            let happened = match news {
                News::Event(event) => translate(&task, &runs, event),
                News::Broke => {
                    if !ending.load(Ordering::Relaxed)
                        && let Some(own) = own.upgrade()
                    {
                        drop(own.send(Order::Broke));
                    }
                    None
                }
            };
            let (machine, task) = (machine.clone(), task.clone());
            async move {
                if let Some(happened) = happened {
                    machine.inbox.happened(&task, happened).await;
                }
            }
        });
        let line = Arc::new(line.await?);
        self.line = Some(line.clone());
        self.machine.note_line(&self.task, Some(line.clone()));
        Ok(line)
    }

    /// The connection broke: another one tells everything that was missed, or the shim is dead.
    async fn broke(&mut self) {
        self.hang_up();
        if let Ok(line) = self.connect().await {
            for container in &line.status.containers {
                let run = container.runs.saturating_sub(1);
                let event = match &container.state {
                    ContainerState::Created => continue,
                    ContainerState::Running { pid, at } => {
                        let name = container.name.clone();
                        lock(&self.runs).insert(name.clone(), run);
                        Event::Started { name, pid: *pid, at: *at }
                    }
                    ContainerState::Exited(exit) => {
                        Event::Exited { name: container.name.clone(), exit: *exit }
                    }
                };
                if let Some(happened) = translate(&self.task, &self.runs, event) {
                    self.happened(happened).await;
                }
            }
            return;
        }
        tracing::error!(task = %self.task, "the task's shim is gone");
        let folder = self.machine.shim_folder(&self.task);
        let found = blocking(move || shim::recover(&folder)).await;
        let text = match found {
            Ok(recovery) => {
                for it in &recovery.recovered.containers {
                    if let shim::Outcome::Exited(exit) = it.outcome {
                        let event = Event::Exited { name: it.name.clone(), exit };
                        if let Some(happened) = translate(&self.task, &self.runs, event) {
                            self.happened(happened).await;
                        }
                    }
                }
                "the task's shim is gone".to_owned()
            }
            Err(error) => format!("the task's shim is gone, and {}", crate::api::chain(&error)),
        };
        self.happened(Happened::ShimLost { text }).await;
    }
}

/// What the core hears of an event.
fn translate(
    task: &TaskArn,
    runs: &Mutex<BTreeMap<String, u32>>,
    event: Event,
) -> Option<Happened> {
    match event {
        Event::Started { name, pid, at } => {
            let run = lock(runs).get(&name).copied().unwrap_or(0);
            let running = running(task, &name, Some(pid), at);
            let container = ContainerName::parse(&name).ok()?;
            Some(Happened::Started { container, run, running })
        }
        Event::Exited { name, exit } => {
            let container = ContainerName::parse(&name).ok()?;
            let run = exit.run.saturating_sub(1);
            Some(Happened::Exited { container, run, exit: ended(&exit) })
        }
        Event::ExecDone { .. } => None,
    }
}

/// How a container runs, in the core's words.
pub(crate) fn running(task: &TaskArn, name: &str, pid: Option<u32>, at: Timestamp) -> Running {
    Running { runtime_id: runtime_id(task, name), pid, at }
}

/// How a container ended, in the core's words.
pub(crate) fn ended(exit: &shim::Exit) -> Exit {
    Exit { code: Some(exit.code), signal: exit.signal, out_of_memory: exit.oom, at: exit.at }
}

fn start_failure(refusal: &shim::Refusal) -> Failure {
    Failure { class: FailureClass::CannotStartContainer, text: refusal.message.clone() }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
