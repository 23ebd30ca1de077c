//! What becomes of the steps that an agent asks its machine for.

use plan::agent::spec::TaskArn;
use plan::agent::{
    Action, Exit, Failure, FailureClass, Happened, ImageFacts, Input, Probed, Running, Step,
};
use types::ContainerName;

use super::runtime::{Held, Vessel, VesselState};
use crate::event::{Event, MachineEvent, MachineId};
use crate::plant::Plant;
use crate::services::digest_of;
use crate::violation::{Checked, Invariant, broken};
use crate::world::World;

/// Signals that end a process at once.
const KILLS: [&str; 3] = ["KILL", "SIGKILL", "9"];

fn failure(class: FailureClass) -> Failure {
    Failure { class, text: "simulated".into() }
}

impl World {
    /// Plans when a step is done. Steps of a task follow each other, but for pulls and probes.
    pub(crate) fn plan_step(&mut self, id: MachineId, life: u64, step: Step) -> Checked {
        let now = self.agenda.now();
        let stalls = self.lots.machines.hits(self.swarm.step_stalls);
        let most = match (&step.action, stalls) {
            (Action::Signal { .. } | Action::CancelPull { .. }, _) => 20,
            (_, true) => 200_000,
            (Action::PullImage { .. }, false) => 3_000,
            (_, false) => 400,
        };
        let wait = match (&step.action, self.orders.pulls) {
            (Action::PullImage { .. }, Some(pulls)) => pulls,
            _ => self.lots.machines.between(1, most),
        };
        let Some(machine) = self.machines.get_mut(&id) else { return Ok(()) };
        let begins = matches!(step.action, Action::Create { .. } | Action::Start { .. });
        if begins && machine.runtime.ended.contains(step.task.as_str()) {
            let detail = format!("machine {id} starts {} after its end", step.task);
            return broken(Invariant::NoRevival, detail);
        }
        let beside = matches!(step.action, Action::PullImage { .. } | Action::Probe { .. });
        let mut at = now + wait;
        if let Some(spec) = &step.spec
            && !beside
        {
            let held = machine
                .runtime
                .tasks
                .entry(step.task.to_string())
                .or_insert_with(|| Held::new(spec.clone()));
            at = at.max(held.busy_until + 1);
            held.busy_until = at;
        }
        let Some(agent) = &mut machine.agent else { return Ok(()) };
        agent.next_step += 1;
        let number = agent.next_step;
        agent.steps.insert(number, step);
        self.agenda.at(at, Event::Machine(id, MachineEvent::Step { life, number }));
        Ok(())
    }

    /// A step is done; the agent hears of it.
    pub(crate) fn step_done(&mut self, id: MachineId, number: u64) -> Checked {
        let agent = self.machines.get_mut(&id).and_then(|it| it.agent.as_mut());
        let Some(step) = agent.and_then(|it| it.steps.remove(&number)) else { return Ok(()) };
        match self.perform(id, &step)? {
            Some(happened) => self.notice(id, step.task.as_str(), happened),
            None => Ok(()),
        }
    }

    /// The agent learns what became of a task.
    pub(crate) fn notice(&mut self, id: MachineId, task: &str, happened: Happened) -> Checked {
        let Some(task) = TaskArn::parse(task) else { return Ok(()) };
        self.agent_input(id, Input::Task { task, happened })
    }

    /// Does a step on the machine; what the agent would hear of it.
    pub(crate) fn perform(&mut self, id: MachineId, step: &Step) -> Checked<Option<Happened>> {
        let fails = self.lots.machines.hits(self.swarm.step_fails);
        let arn = step.task.as_str();
        let short: String = step.task.id().chars().take(6).collect();
        let word = format!("{:?}", step.action);
        let word: String = word.chars().take(70).collect();
        self.say(format_args!(
            "machine {id}: task {short}: {word}{}",
            if fails { " fails" } else { "" }
        ));
        let Some(machine) = self.machines.get_mut(&id) else { return Ok(None) };
        let runtime = &mut machine.runtime;
        Ok(Some(match &step.action {
            Action::Prepare if fails => {
                Happened::PrepareFailed(failure(FailureClass::ResourceInitialization))
            }
            Action::Prepare => {
                let Some(spec) = &step.spec else { return Ok(None) };
                let known = runtime.tasks.get(arn).and_then(|it| it.network.clone());
                let network = known.unwrap_or_else(|| runtime.bind(spec));
                let held =
                    runtime.tasks.entry(arn.to_owned()).or_insert_with(|| Held::new(spec.clone()));
                held.network = Some(network.clone());
                let ports = held.ports().into_iter().map(|it| it.number);
                machine.bound.extend(ports.map(|it| (step.task.id().to_owned(), it)));
                let excess = machine.runtime.excess(&machine.host);
                if let Some(excess) = excess {
                    return broken(Invariant::Physical, format!("machine {id}: {excess}"));
                }
                Happened::Prepared(network)
            }
            Action::PullImage { container } if fails => Happened::PullFailed {
                container: container.clone(),
                failure: failure(FailureClass::CannotPullContainer),
            },
            Action::PullImage { container } => {
                let spec =
                    runtime.tasks.get(arn).and_then(|it| it.spec.container(container.as_str()));
                let digest = spec.map(|it| digest_of(&it.image, self.agenda.now()));
                let image = ImageFacts { digest, stop_signal: None };
                Happened::Pulled { container: container.clone(), image }
            }
            Action::CancelPull { .. } => return Ok(None),
            Action::Create { container, run } => {
                let held = runtime.tasks.get_mut(arn).filter(|it| it.network.is_some());
                let (container, run) = (container.clone(), *run);
                match held.filter(|_| !fails) {
                    Some(held) => {
                        let vessel = Vessel { run, state: VesselState::Created };
                        held.containers.insert(container.clone(), vessel);
                        Happened::Created { container, run }
                    }
                    None => {
                        let failure = failure(FailureClass::CannotCreateContainer);
                        Happened::CreateFailed { container, run, failure }
                    }
                }
            }
            Action::Start { container, run } => {
                return self.start_container(id, arn, container, *run, fails).map(Some);
            }
            Action::Signal { container, run, signal } => {
                let kills = KILLS.contains(&signal.as_str());
                self.signal(id, arn, container, *run, kills);
                return Ok(None);
            }
            Action::Probe { container, run, .. } => {
                let (container, run) = (container.clone(), *run);
                let unwell = self.lots.machines.hits(self.swarm.unwell);
                let outcome = match (unwell, self.lots.machines.below(4)) {
                    (false, _) => Probed::Passed,
                    (true, 0) => Probed::TimedOut,
                    (true, _) => Probed::Failed,
                };
                Happened::Probed { container, run, outcome }
            }
            Action::Release if fails => Happened::ReleaseFailed { text: "simulated".into() },
            Action::Release => {
                if self.plant == Some(Plant::Revives) {
                    self.revive(id, step)?;
                }
                if let Some(machine) = self.machines.get_mut(&id) {
                    machine.runtime.tasks.remove(arn);
                }
                Happened::Released
            }
            Action::Remove => {
                runtime.tasks.remove(arn);
                return Ok(None);
            }
        }))
    }

    fn start_container(
        &mut self,
        id: MachineId,
        arn: &str,
        container: &ContainerName,
        run: u32,
        fails: bool,
    ) -> Checked<Happened> {
        let now = self.agenda.now();
        let failed = |run| Happened::StartFailed {
            container: container.clone(),
            run,
            failure: failure(FailureClass::CannotStartContainer),
        };
        let Some(machine) = self.machines.get_mut(&id) else { return Ok(failed(run)) };
        let local = machine.clock.shows(now);
        let boot = machine.boot;
        let held = machine.runtime.tasks.get_mut(arn);
        let Some(held) = held.filter(|it| it.network.is_some() && !fails) else {
            return Ok(failed(run));
        };
        let spec = held.spec.container(container.as_str());
        let image = spec.map(|it| it.image.clone()).unwrap_or_default();
        let image = image.split('@').next().unwrap_or_default().to_owned();
        let Some(vessel) = held.containers.get_mut(container).filter(|it| it.run == run) else {
            return Ok(failed(run));
        };
        if vessel.state != VesselState::Created {
            return Ok(failed(run));
        }
        let running = Running {
            runtime_id: format!("{boot}-{container}-{run}-{now}"),
            pid: Some(1000 + run),
            at: local,
        };
        // An agent that has given the start up sends KILL when it hears of it.
        let given_up = machine.agent.as_ref().and_then(|it| it.core.as_ref()).is_some_and(|it| {
            let task = TaskArn::parse(arn).and_then(|arn| it.task(&arn));
            let mut containers = task.into_iter().flat_map(plan::agent::Task::containers);
            containers.any(|(spec, record)| {
                spec.name == *container && record.status == plan::lifecycle::Status::Stopped
            })
        });
        let stubborn = self.lots.machines.hits(self.swarm.stubborn);
        vessel.state =
            VesselState::Running { running: running.clone(), stubborn, doomed: given_up };
        if let Some(excess) = machine.runtime.excess(&machine.host) {
            return broken(Invariant::Physical, format!("machine {id}: {excess}"));
        }
        self.plan_exit(id, arn, container, run, &image);
        Ok(Happened::Started { container: container.clone(), run, running })
    }

    /// Jobs end; whatever else runs may.
    fn plan_exit(
        &mut self,
        id: MachineId,
        arn: &str,
        container: &ContainerName,
        run: u32,
        image: &str,
    ) {
        let exits = self.lots.machines.hits(self.swarm.exits);
        if image != "job" && !exits {
            return;
        }
        let (wait, code) = match image {
            "job" => (self.lots.machines.between(10, 5_000), Some(0)),
            _ => {
                let code = i32::try_from(self.lots.machines.below(256)).unwrap_or(1);
                (self.lots.machines.between(1, 120_000), Some(code))
            }
        };
        let out_of_memory = image != "job" && self.lots.machines.below(6) == 0;
        let (code, signal) = if out_of_memory { (None, Some(9)) } else { (code, None) };
        let Some(machine) = self.machines.get(&id) else { return };
        let at = machine.clock.shows(self.agenda.now() + wait);
        let exit = Exit { code, signal, out_of_memory, at };
        let event = MachineEvent::Exit {
            boot: machine.boot,
            task: arn.to_owned(),
            container: container.clone(),
            run,
            exit,
        };
        self.agenda.after(wait, Event::Machine(id, event));
    }

    fn signal(
        &mut self,
        id: MachineId,
        arn: &str,
        container: &ContainerName,
        run: u32,
        kills: bool,
    ) {
        if self.lots.machines.hits(self.swarm.signal_lost) {
            return;
        }
        let wait = self.lots.machines.between(1, if kills { 50 } else { 4_000 });
        let Some(machine) = self.machines.get_mut(&id) else { return };
        let held = machine.runtime.tasks.get_mut(arn);
        let vessel = held.and_then(|it| it.containers.get_mut(container));
        let Some(VesselState::Running { stubborn, doomed, .. }) = vessel.map(|it| &mut it.state)
        else {
            return;
        };
        if *stubborn && !kills {
            return;
        }
        *doomed |= kills;
        let (code, signal) = if kills { (None, Some(9)) } else { (Some(143), None) };
        let at = machine.clock.shows(self.agenda.now() + wait);
        let exit = Exit { code, signal, out_of_memory: false, at };
        let event = MachineEvent::Exit {
            boot: machine.boot,
            task: arn.to_owned(),
            container: container.clone(),
            run,
            exit,
        };
        self.agenda.after(wait, Event::Machine(id, event));
    }

    /// A container ends, whether its agent is there or not.
    pub(crate) fn exit(
        &mut self,
        id: MachineId,
        task: String,
        container: &ContainerName,
        run: u32,
        exit: Exit,
    ) {
        let Some(machine) = self.machines.get_mut(&id) else { return };
        let held = machine.runtime.tasks.get_mut(&task);
        let vessel = held.and_then(|it| it.containers.get_mut(container));
        let Some(vessel) = vessel.filter(|it| it.run == run) else { return };
        let VesselState::Running { running, .. } = &vessel.state else { return };
        vessel.state = VesselState::Exited(running.clone(), exit);
        let life = machine.life;
        let short: String = task.rsplit('/').next().unwrap_or_default().chars().take(6).collect();
        self.say(format_args!("machine {id}: task {short}: {container} run {run} exits"));
        let happened = Box::new(Happened::Exited { container: container.clone(), run, exit });
        let wait = self.lots.machines.between(0, 20);
        let event = MachineEvent::Notice { life, task, happened };
        self.agenda.after(wait, Event::Machine(id, event));
    }

    /// The shim of a task dies, and its containers with it.
    pub(crate) fn kill_shim(&mut self, id: MachineId) {
        let Some(machine) = self.machines.get_mut(&id) else { return };
        let running: Vec<String> = machine.runtime.running().map(str::to_owned).collect();
        let Some(task) = self.lots.faults.pick(&running).cloned() else { return };
        let life = machine.life;
        if let Some(held) = machine.runtime.tasks.get_mut(&task) {
            held.containers.clear();
        }
        self.say(format_args!("machine {id}: the shim of {task} dies"));
        let happened = Box::new(Happened::ShimLost { text: "its shim died".into() });
        let event = MachineEvent::Notice { life, task, happened };
        self.agenda.after(1, Event::Machine(id, event));
    }

    /// Starts a task that has ended once more, as no machine may.
    fn revive(&mut self, id: MachineId, step: &Step) -> Checked {
        let Some(machine) = self.machines.get(&id) else { return Ok(()) };
        let life = machine.life;
        let first = step.spec.as_ref().and_then(|it| it.containers.first());
        let Some(container) = first.map(|it| it.name.clone()) else { return Ok(()) };
        let action = Action::Start { container, run: 0 };
        self.plan_step(id, life, Step { action, ..step.clone() })
    }
}
