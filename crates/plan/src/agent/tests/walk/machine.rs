//! A made-up machine: does what steps say, and knows the truth.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use types::{ContainerName, Port, Timestamp};

use crate::agent::spec::{Condition, Dependency};
use crate::agent::tests::bench::settings;
use crate::agent::{
    Action, Core, Demand, Exit, Failure, FailureClass, Found, FoundContainer, FoundState, Happened,
    ImageFacts, NetworkFacts, Probed, Running, Step, TaskArn, TaskSpec,
};
use crate::lifecycle::Status;

pub(super) type Said = Happened;

/// What came of a step: what is to be told, and which run of a container began.
pub(super) type Done = (Option<Said>, Option<(String, u32)>);

/// All that is really there.
#[derive(Debug, Default)]
pub(super) struct Machine {
    pub(super) tasks: BTreeMap<TaskArn, Held>,
    /// Tasks that ever were.
    pub(super) ever: BTreeSet<TaskArn>,
    /// Exit codes that were really there.
    codes: BTreeSet<(TaskArn, String, i32)>,
}

/// What is there of a task.
#[derive(Debug)]
pub(super) struct Held {
    spec: Arc<TaskSpec>,
    containers: BTreeMap<String, One>,
}

#[derive(Debug)]
struct One {
    run: u32,
    state: FoundState,
    ever_ran: bool,
    ever_well: bool,
}

impl Machine {
    /// Does a step; answers what is to be told, and which run of a container begins.
    pub(super) fn carry_out(
        &mut self,
        step: &Step,
        fails: bool,
        throw: u64,
        now: Timestamp,
    ) -> Result<Done, String> {
        let failure = |class| Failure { class, text: "so it fell".into() };
        let task = &step.task;
        let mut starts = None;
        let said = match &step.action {
            Action::Prepare if fails => {
                Some(Said::PrepareFailed(failure(FailureClass::ContainerNetworking)))
            }
            Action::Prepare => {
                let spec = step.spec.clone().ok_or("prepared without a spec")?;
                self.ever.insert(task.clone());
                let held = || Held { spec, containers: BTreeMap::new() };
                self.tasks.entry(task.clone()).or_insert_with(held);
                Some(Said::Prepared(NetworkFacts::default()))
            }
            Action::PullImage { container } if fails => Some(Said::PullFailed {
                container: container.clone(),
                failure: failure(FailureClass::CannotPullContainer),
            }),
            Action::PullImage { container } => {
                let image = ImageFacts { digest: Some("sha256:1".into()), stop_signal: None };
                Some(Said::Pulled { container: container.clone(), image })
            }
            Action::Create { container, run } => {
                Some(self.create(task, container, *run, fails, failure))
            }
            Action::Start { container, run } => {
                let said = self.start(task, container, *run, fails, now, failure);
                if matches!(said, Said::Started { .. }) {
                    starts = Some((container.to_string(), *run));
                }
                Some(said)
            }
            Action::Signal { container, run, signal } => {
                let code = match (signal.as_str(), throw) {
                    ("KILL", _) => Some(None),
                    (_, 0..500) => Some(Some(143)),
                    (_, 500..600) => Some(Some(0)),
                    _ => None,
                };
                code.and_then(|code| self.end(task, container.as_str(), *run, code, now))
            }
            Action::Probe { container, run, .. } => self.probe(task, container, *run, throw),
            Action::Release if fails => Some(Said::ReleaseFailed { text: "busy".into() }),
            Action::Release => {
                self.tasks.remove(task);
                Some(Said::Released)
            }
            Action::CancelPull { .. } | Action::Remove => None,
        };
        Ok((said, starts))
    }

    fn create(
        &mut self,
        task: &TaskArn,
        container: &ContainerName,
        run: u32,
        fails: bool,
        failure: impl Fn(FailureClass) -> Failure,
    ) -> Said {
        let container = container.clone();
        let Some(held) = self.tasks.get_mut(task).filter(|_| !fails) else {
            let failure = failure(FailureClass::CannotCreateContainer);
            return Said::CreateFailed { container, run, failure };
        };
        let before = held.containers.get(container.as_str());
        let (ever_ran, ever_well) = before.map_or((false, false), |it| (it.ever_ran, it.ever_well));
        if before.is_none_or(|it| it.run < run) {
            let one = One { run, state: FoundState::Created, ever_ran, ever_well };
            held.containers.insert(container.to_string(), one);
        }
        Said::Created { container, run }
    }

    fn start(
        &mut self,
        task: &TaskArn,
        container: &ContainerName,
        run: u32,
        fails: bool,
        now: Timestamp,
        failure: impl Fn(FailureClass) -> Failure,
    ) -> Said {
        let container = container.clone();
        let one = self.tasks.get_mut(task).and_then(|it| it.containers.get_mut(container.as_str()));
        let Some(one) = one.filter(|it| it.run == run && !fails) else {
            let failure = failure(FailureClass::CannotStartContainer);
            return Said::StartFailed { container, run, failure };
        };
        let running = match &one.state {
            FoundState::Running(running) | FoundState::Exited(running, _) => running.clone(),
            FoundState::Created => {
                let runtime_id = format!("{}-{container}-{run}", task.id());
                let running = Running { runtime_id, pid: Some(1), at: now };
                one.state = FoundState::Running(running.clone());
                one.ever_ran = true;
                running
            }
        };
        Said::Started { container, run, running }
    }

    fn probe(
        &mut self,
        task: &TaskArn,
        container: &ContainerName,
        run: u32,
        throw: u64,
    ) -> Option<Said> {
        let one = self.tasks.get_mut(task)?.containers.get_mut(container.as_str())?;
        let well = throw < 700;
        one.ever_well |= well;
        let outcome = if well { Probed::Passed } else { Probed::Failed };
        Some(Said::Probed { container: container.clone(), run, outcome })
    }

    /// A run of a container ends, with this code or by KILL; `None` if it does not run.
    pub(super) fn end(
        &mut self,
        task: &TaskArn,
        container: &str,
        run: u32,
        code: Option<i32>,
        now: Timestamp,
    ) -> Option<Said> {
        let one = self.tasks.get_mut(task)?.containers.get_mut(container)?;
        let FoundState::Running(running) = one.state.clone() else { return None };
        if one.run != run {
            return None;
        }
        let signal = code.is_none().then_some(9);
        let exit = Exit { code, signal, out_of_memory: false, at: now };
        one.state = FoundState::Exited(running, exit);
        self.codes.insert((task.clone(), container.into(), exit.exit_code()?));
        let container = ContainerName::parse(container).ok()?;
        Some(Said::Exited { container, run, exit })
    }

    /// A shim dies with all it holds; whether there was one.
    pub(super) fn lose_shim(&mut self, task: &TaskArn) -> bool {
        self.tasks.remove(task).is_some()
    }

    /// What an agent that starts finds of a task.
    pub(super) fn found(&self, task: &TaskArn) -> Found {
        let Some(held) = self.tasks.get(task) else { return Found::default() };
        let containers = held.containers.iter().map(|(name, it)| FoundContainer {
            container: ContainerName::parse(name).expect("a name"),
            run: it.run,
            state: it.state.clone(),
        });
        Found { network: Some(NetworkFacts::default()), containers: containers.collect() }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Whether a container of the task really ended with this code.
    pub(super) fn ended_with(&self, task: &TaskArn, container: &str, code: i32) -> bool {
        self.codes.contains(&(task.clone(), container.into(), code))
    }

    /// Whether the machine holds the task at all.
    pub(super) fn holds(&self, task: &TaskArn) -> bool {
        self.tasks.contains_key(task)
    }

    pub(super) fn runs(&self, task: &TaskArn, container: &str) -> bool {
        let one = self.tasks.get(task).and_then(|it| it.containers.get(container));
        one.is_some_and(|it| matches!(it.state, FoundState::Running(_)))
    }

    /// Whether a dependency is really met.
    pub(super) fn meets(&self, task: &TaskArn, dependency: &Dependency) -> bool {
        let Some(held) = self.tasks.get(task) else { return false };
        let Some(one) = held.containers.get(&dependency.container) else { return false };
        let ended = match &one.state {
            FoundState::Exited(_, exit) => Some(exit.exit_code()),
            FoundState::Created | FoundState::Running(_) => None,
        };
        match dependency.condition {
            Condition::Created => true,
            Condition::Start => one.ever_ran,
            // A restart that failed leaves a container that was never begun again.
            Condition::Complete => one.ever_ran && !self.runs(task, &dependency.container),
            Condition::Success => ended == Some(Some(0)),
            Condition::Healthy => one.ever_well,
        }
    }

    /// What really runs goes on through a restart of the agent.
    pub(super) fn check_going_on(&self, before: &Core, after: &Core) -> Result<(), String> {
        let status = |core: &Core, task: &TaskArn, name: &str| {
            let task = core.task(task)?;
            let mut containers = task.containers().filter(|(it, _)| it.name.as_str() == name);
            containers.next().map(|(_, record)| record.status)
        };
        for (task, held) in &self.tasks {
            for name in held.containers.keys().filter(|it| self.runs(task, it)) {
                let known = status(before, task, name).is_some_and(|it| it < Status::Stopped);
                if known && status(after, task, name) != Some(Status::Running) {
                    return Err(format!("{name} of {task} did not survive a restart of the agent"));
                }
            }
        }
        Ok(())
    }

    /// What is really held never exceeds what the machine has.
    pub(super) fn check(&self) -> Result<(), String> {
        let host = settings().host;
        let mut ports: BTreeSet<Port> = BTreeSet::new();
        let (mut cpu, mut memory) = (0, 0);
        for held in self.tasks.values() {
            let demand = Demand::of(&held.spec);
            cpu += demand.cpu.0;
            memory += demand.memory.0;
            for port in demand.ports {
                if !ports.insert(port) {
                    return Err(format!("two tasks hold port {port:?}"));
                }
            }
        }
        if cpu > host.cpu.0 || memory > host.memory.0 {
            return Err(format!("over-committed: {cpu} CPU, {memory} MiB"));
        }
        Ok(())
    }
}
