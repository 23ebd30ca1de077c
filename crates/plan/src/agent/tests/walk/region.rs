//! A made-up control plane: wants tasks, says so until it is acknowledged, and checks reports.

use std::collections::BTreeMap;

use shapes::{acs, ecs};

use super::Bug;
use super::machine::Machine;
use crate::agent::parse;
use crate::agent::{Action, AgentMessage, Core, ServerMessage, Step, TaskArn, TaskSpec};
use crate::lifecycle::Desired;

/// What the control plane wants and believes.
#[derive(Debug, Default)]
pub(super) struct Region {
    pub(super) tasks: BTreeMap<TaskArn, Wanted>,
    version: i64,
    messages: u64,
    sent: BTreeMap<String, Vec<(TaskArn, Desired)>>,
}

/// Who sent a report: the last words of a dead agent may come after those of the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    Living,
    Dead,
}

#[derive(Debug)]
pub(super) struct Wanted {
    shape: acs::Task,
    /// `None` if no agent can read it.
    spec: Option<TaskSpec>,
    desired: Desired,
    /// The control plane has written it off and speaks of it no more.
    given_up: bool,
    /// What was acknowledged in this session.
    known: Option<Desired>,
    /// What was ever acknowledged.
    ever_known: Option<Desired>,
    running: bool,
    stopped: Option<ecs::SubmitTaskStateChangeRequest>,
    /// The last word on each container.
    containers: BTreeMap<String, ecs::ContainerStateChange>,
}

impl Region {
    pub(super) fn add(&mut self, shape: acs::Task) {
        let arn = shape.arn.as_deref().and_then(TaskArn::parse).expect("an ARN");
        self.version += 1;
        let wanted = Wanted {
            spec: parse::task(&shape).ok(),
            shape,
            desired: Desired::Running,
            given_up: false,
            known: None,
            ever_known: None,
            running: false,
            stopped: None,
            containers: BTreeMap::new(),
        };
        self.tasks.insert(arn, wanted);
    }

    pub(super) fn stop(&mut self, arn: &TaskArn) {
        self.version += 1;
        if let Some(task) = self.tasks.get_mut(arn) {
            task.desired = Desired::Stopped;
        }
    }

    pub(super) fn stop_all(&mut self) {
        let all: Vec<_> = self.tasks.keys().cloned().collect();
        for arn in &all {
            self.stop(arn);
        }
    }

    pub(super) fn give_up(&mut self, arn: &TaskArn) {
        self.version += 1;
        if let Some(task) = self.tasks.get_mut(arn) {
            task.given_up = true;
        }
    }

    pub(super) fn reconnected(&mut self) {
        self.sent.clear();
        for task in self.tasks.values_mut() {
            task.known = None;
        }
    }

    pub(super) fn manifest(&mut self) -> acs::TaskManifestMessage {
        self.messages += 1;
        let tasks = self.tasks.iter().filter(|(_, it)| !it.given_up);
        let tasks = tasks.map(|(arn, it)| acs::TaskIdentifier {
            task_arn: Some(arn.to_string()),
            desired_status: Some(word(it.desired).into()),
            ..acs::TaskIdentifier::default()
        });
        acs::TaskManifestMessage {
            message_id: Some(format!("m{}", self.messages)),
            timeline: Some(self.version),
            tasks: Some(tasks.collect()),
            ..acs::TaskManifestMessage::default()
        }
    }

    /// What has not been acknowledged, in messages of at most three tasks.
    pub(super) fn payloads(&mut self, bug: Option<Bug>) -> Vec<acs::PayloadMessage> {
        let untold: Vec<_> = self
            .tasks
            .iter()
            .filter(|(_, it)| !it.given_up && it.stopped.is_none())
            .filter(|(_, it)| it.known.is_none_or(|known| known < it.desired))
            .map(|(arn, it)| (arn.clone(), it.desired))
            .collect();
        untold.chunks(3).map(|some| self.payload(some, bug)).collect()
    }

    fn payload(&mut self, some: &[(TaskArn, Desired)], bug: Option<Bug>) -> acs::PayloadMessage {
        self.messages += 1;
        let id = format!("m{}", self.messages);
        self.sent.insert(id.clone(), some.to_vec());
        let tasks = some.iter().filter_map(|(arn, desired)| {
            let mut shape = self.tasks.get(arn)?.shape.clone();
            let twisted = bug == Some(Bug::StopsTwisted);
            let desired = if twisted { Desired::Running } else { *desired };
            shape.desired_status = Some(word(desired).into());
            if bug == Some(Bug::DependenciesUnknown) {
                for container in shape.containers.iter_mut().flatten() {
                    container.depends_on = None;
                }
            }
            Some(shape)
        });
        acs::PayloadMessage {
            message_id: Some(id),
            seq_num: i32::try_from(self.version).ok(),
            timeline: Some(self.version),
            tasks: Some(tasks.collect()),
            ..acs::PayloadMessage::default()
        }
    }

    /// Takes in what the agent says over its session.
    pub(super) fn hear(&mut self, said: &AgentMessage, bug: Option<Bug>) -> Option<ServerMessage> {
        match said {
            AgentMessage::Ack(it) => {
                let sent = it.message_id.as_ref().and_then(|it| self.sent.remove(it));
                for (arn, desired) in sent.into_iter().flatten() {
                    if let Some(task) = self.tasks.get_mut(&arn) {
                        task.known = task.known.max(Some(desired));
                        task.ever_known = task.ever_known.max(Some(desired));
                    }
                }
                None
            }
            AgentMessage::TaskStopVerification(it) if bug != Some(Bug::NothingVerified) => {
                let candidates = it.stop_candidates.iter().flatten();
                let stop = candidates.filter(|it| {
                    let arn = it.task_arn.as_deref().and_then(TaskArn::parse);
                    let task = arn.and_then(|it| self.tasks.get(&it));
                    task.is_none_or(|it| it.given_up || it.desired == Desired::Stopped)
                });
                Some(ServerMessage::TaskStopVerificationAck(acs::TaskStopVerificationAck {
                    message_id: it.message_id.clone(),
                    stop_tasks: Some(stop.cloned().collect()),
                    ..acs::TaskStopVerificationAck::default()
                }))
            }
            _ => None,
        }
    }

    /// Takes in a report: it is true, and moves nothing back.
    pub(super) fn report(
        &mut self,
        it: &ecs::SubmitTaskStateChangeRequest,
        sender: Sender,
        machine: &Machine,
    ) -> Result<(), String> {
        let arn = it.task.as_deref().and_then(TaskArn::parse).ok_or("a report without a task")?;
        let task = self.tasks.get_mut(&arn).ok_or("a report of an unknown task")?;
        let status = it.status.as_deref().unwrap_or_default();
        if let Some(before) = &task.stopped {
            let fine = it == before || sender == Sender::Dead;
            return if fine {
                Ok(())
            } else {
                Err(format!("after its end {before:?} came {it:?}"))
            };
        }
        if task.running && status == "PENDING" && sender == Sender::Living {
            return Err(format!("{arn} went back to PENDING"));
        }
        // A container may come twice in one report; its last word counts.
        let changes = it.containers.iter().flatten();
        let last = changes.map(|it| (it.container_name.clone(), it)).collect::<BTreeMap<_, _>>();
        for change in last.into_values() {
            task.change(&arn, change, sender, machine)?;
        }
        task.running |= status == "RUNNING";
        if status == "STOPPED" {
            task.check_stopped(&arn, it, machine)?;
            task.stopped = Some(it.clone());
        }
        Ok(())
    }

    /// A step that the agent wants done makes sense.
    pub(super) fn check_step(&self, step: &Step, machine: &Machine) -> Result<(), String> {
        let Some(task) = self.tasks.get(&step.task) else { return Ok(()) };
        let forth = matches!(
            step.action,
            Action::Prepare
                | Action::PullImage { .. }
                | Action::Create { .. }
                | Action::Start { .. }
        );
        if forth && (task.stopped.is_some() || task.ever_known == Some(Desired::Stopped)) {
            return Err(format!("{step:?} after the stop"));
        }
        let Some(spec) = task.spec.as_ref().filter(|_| machine.holds(&step.task)) else {
            return Ok(());
        };
        match &step.action {
            Action::Create { container, run: 0 } => {
                let needs = spec.container(container.as_str()).into_iter();
                let mut needs = needs.flat_map(|it| &it.depends_on);
                match needs.find(|it| !machine.meets(&step.task, it)) {
                    Some(unmet) => Err(format!("{container} is created without {unmet:?}")),
                    None => Ok(()),
                }
            }
            Action::Signal { container, .. } => {
                let depends = |it: &&crate::agent::spec::ContainerSpec| {
                    it.depends_on.iter().any(|on| on.container == container.as_str())
                };
                let mut dependants = spec.containers.iter().filter(depends);
                match dependants.find(|it| machine.runs(&step.task, it.name.as_str())) {
                    Some(other) => Err(format!("{container} is stopped before {}", other.name)),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// What was acknowledged is remembered until its end was reported.
    pub(super) fn check_remembered(&self, core: &Core) -> Result<(), String> {
        let mut acknowledged = self.tasks.iter().filter(|(_, it)| it.ever_known.is_some());
        match acknowledged.find(|(arn, it)| it.stopped.is_none() && core.task(arn).is_none()) {
            Some((arn, _)) => Err(format!("{arn} was acknowledged and is forgotten")),
            None => Ok(()),
        }
    }

    /// Tasks whose end is not known.
    pub(super) fn unfinished(&self) -> impl Iterator<Item = &TaskArn> {
        let open = self.tasks.iter().filter(|(_, it)| it.stopped.is_none() && !it.given_up);
        open.map(|(arn, _)| arn)
    }
}

impl Wanted {
    fn change(
        &mut self,
        arn: &TaskArn,
        change: &ecs::ContainerStateChange,
        sender: Sender,
        machine: &Machine,
    ) -> Result<(), String> {
        let name = change.container_name.clone().unwrap_or_default();
        let stopped = |it: &ecs::ContainerStateChange| it.status.as_deref() == Some("STOPPED");
        if let Some(code) = change.exit_code
            && !machine.ended_with(arn, &name, code)
        {
            return Err(format!("{name} of {arn} never ended with {code}"));
        }
        if self.containers.get(&name).is_some_and(stopped) && !stopped(change) {
            return match sender {
                Sender::Dead => Ok(()),
                Sender::Living => Err(format!("{name} of {arn} came back")),
            };
        }
        self.containers.insert(name, change.clone());
        Ok(())
    }

    /// The end of a task tells the end of each container, with a code or a reason.
    fn check_stopped(
        &self,
        arn: &TaskArn,
        it: &ecs::SubmitTaskStateChangeRequest,
        machine: &Machine,
    ) -> Result<(), String> {
        let Some(spec) = &self.spec else {
            return it.reason.as_ref().map(|_| ()).ok_or("refused without a reason".into());
        };
        if it.reason.is_some() && !machine.ever.contains(arn) {
            return Ok(());
        }
        for container in &spec.containers {
            let told = self.containers.get(container.name.as_str());
            let told = told.filter(|it| it.status.as_deref() == Some("STOPPED"));
            let why = told.is_some_and(|it| it.exit_code.is_some() || it.reason.is_some());
            if !why {
                return Err(format!("nobody said why {} of {} stopped", container.name, spec.arn));
            }
        }
        Ok(())
    }
}

fn word(desired: Desired) -> &'static str {
    match desired {
        Desired::Running => "RUNNING",
        Desired::Stopped => "STOPPED",
    }
}
