//! A task as the agent believes it to be: its spec, what is kept of it, and what is under way.

use std::sync::Arc;

use shapes::ecs;
use types::{ContainerName, Timestamp};

use super::effect::{Action, Effect, Flush, Step, SubmissionId};
use super::input::Happened;
use super::record::{ContainerRecord, Reported, TaskRecord};
use super::settings::Settings;
use super::spec::{ContainerSpec, TaskArn, TaskSpec};
use crate::lifecycle::{Busy, Desired, Seen, Status};

/// A task as the agent believes it to be.
#[derive(Debug, Clone)]
pub struct Task {
    pub(super) arn: TaskArn,
    /// `None` for a task that was never understood: it only has to be reported stopped.
    pub(super) spec: Option<Arc<TaskSpec>>,
    pub(super) record: TaskRecord,
    pub(super) volatile: Volatile,
}

/// What is forgotten when the agent ends.
#[derive(Debug, Clone, Default)]
pub(super) struct Volatile {
    /// The agent started again and does not know yet what is really there.
    pub(super) recovering: bool,
    /// What the shims said meanwhile, in order: it is newer than what is found.
    pub(super) unheard: Vec<Happened>,
    pub(super) preparing_since: Option<Timestamp>,
    pub(super) releasing: bool,
    /// The earliest time to ask for a release again, after a failed one.
    pub(super) release_at: Option<Timestamp>,
    /// Parallel to the record's containers.
    pub(super) containers: Vec<Work>,
    pub(super) report: Report,
    /// When the task wants to be looked at again.
    pub(super) timer: Option<Timestamp>,
}

/// What is under way for a container.
#[derive(Debug, Clone, Default)]
pub(super) struct Work {
    pub(super) busy: Option<(Busy, Timestamp)>,
    pub(super) pid: Option<u32>,
    /// Health checks that failed in a row.
    pub(super) failures: u32,
    /// When the next health check is due.
    pub(super) probe_at: Option<Timestamp>,
    /// Since when a health check runs.
    pub(super) probing_since: Option<Timestamp>,
}

/// What is under way for the reports of a task.
#[derive(Debug, Clone, Default)]
pub(super) struct Report {
    pub(super) in_flight: Option<InFlight>,
    pub(super) attempts: u32,
    pub(super) retry_at: Option<Timestamp>,
    /// When container changes alone go upstream.
    pub(super) batch_at: Option<Timestamp>,
}

/// A report that awaits its answer, and what is acknowledged with it.
#[derive(Debug, Clone)]
pub(super) struct InFlight {
    pub(super) id: SubmissionId,
    pub(super) task: Reported,
    pub(super) containers: Vec<Reported>,
}

/// What one look at a task can see and add to.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pub(super) now: Timestamp,
    pub(super) dice: &'a mut state::Dice,
    pub(super) settings: &'a Settings,
    pub(super) effects: &'a mut Vec<Effect>,
    pub(super) flush: &'a mut Flush,
}

impl Task {
    /// A task that shall run.
    pub(super) fn new(spec: TaskSpec, order: u64) -> Self {
        let containers = vec![ContainerRecord::default(); spec.containers.len()];
        let record = TaskRecord { order, containers, ..TaskRecord::default() };
        Self::of(spec.arn.clone(), Some(Arc::new(spec)), record)
    }

    /// A task that cannot run and only has to be reported stopped.
    pub(super) fn refused(arn: TaskArn, reason: String, order: u64) -> Self {
        let desired = Desired::Stopped;
        let record = TaskRecord { order, desired, reason: Some(reason), ..TaskRecord::default() };
        Self::of(arn, None, record)
    }

    pub(super) fn of(arn: TaskArn, spec: Option<Arc<TaskSpec>>, record: TaskRecord) -> Self {
        let containers = vec![Work::default(); record.containers.len()];
        let volatile = Volatile { containers, ..Volatile::default() };
        Self { arn, spec, record, volatile }
    }

    /// What was asked for; `None` for a task that was never understood.
    pub fn spec(&self) -> Option<&Arc<TaskSpec>> {
        self.spec.as_ref()
    }

    /// What has become of it.
    pub fn record(&self) -> &TaskRecord {
        &self.record
    }

    /// The process id of a container's first process, if the container runs.
    pub fn pid(&self, container: &str) -> Option<u32> {
        let index = self.index(container)?;
        let runs = self.record.containers.get(index)?.status == Status::Running;
        self.volatile.containers.get(index)?.pid.filter(|_| runs)
    }

    /// The container's record beside its spec, in order.
    pub fn containers(&self) -> impl Iterator<Item = (&ContainerSpec, &ContainerRecord)> {
        self.spec.iter().flat_map(|it| &it.containers).zip(&self.record.containers)
    }

    /// The least that any of its containers has come to.
    pub fn status(&self) -> Status {
        let statuses = self.record.containers.iter().map(|it| it.status);
        statuses.min().unwrap_or(Status::Stopped)
    }

    /// Whether all of it has ended.
    pub fn is_stopped(&self) -> bool {
        self.status() == Status::Stopped
    }

    /// Whether it is on its way to its end, or there.
    pub fn is_ending(&self) -> bool {
        self.record.desired == Desired::Stopped || self.is_stopped()
    }

    pub(super) fn index(&self, container: &str) -> Option<usize> {
        self.spec.as_ref()?.containers.iter().position(|it| it.name.as_str() == container)
    }

    /// A container's record and what is under way for it.
    pub(super) fn at(&mut self, index: usize) -> Option<(&mut ContainerRecord, &mut Work)> {
        self.record.containers.get_mut(index).zip(self.volatile.containers.get_mut(index))
    }

    /// Its containers as decisions see them.
    pub(super) fn seen<'a>(&self, spec: &'a TaskSpec) -> Vec<Seen<'a>> {
        spec.containers
            .iter()
            .zip(&self.record.containers)
            .zip(&self.volatile.containers)
            .map(|((spec, record), work)| Seen {
                spec,
                status: record.status,
                ran: record.ran,
                restarts: record.run,
                exit_code: record.exit_code,
                started_at: record.started_at,
                health: record.health,
                busy: work.busy.map(|(busy, _)| busy),
                signalled_at: record.signalled_at,
                killed_at: record.killed_at,
            })
            .collect()
    }

    pub(super) fn step(&self, turn: &mut Turn<'_>, action: Action) {
        let step = Step { task: self.arn.clone(), spec: self.spec.clone(), action };
        turn.effects.push(Effect::Step(step));
    }

    /// The network bindings of a container, as reports show them.
    pub(super) fn bindings(&self, container: &ContainerName) -> Option<Vec<ecs::NetworkBinding>> {
        let bindings = &self.record.network.as_ref()?.bindings;
        let own: Vec<_> = bindings
            .iter()
            .filter(|it| it.container == *container)
            .map(|it| {
                let range = |first: u16| {
                    format!("{first}-{}", first.saturating_add(it.count.saturating_sub(1)))
                };
                let ranged = it.count > 1;
                ecs::NetworkBinding {
                    bind_ip: Some(it.bind_ip.clone()),
                    container_port: (!ranged).then(|| i32::from(it.container_port)),
                    container_port_range: ranged.then(|| range(it.container_port)),
                    host_port: (!ranged).then(|| i32::from(it.host_port)),
                    host_port_range: ranged.then(|| range(it.host_port)),
                    protocol: Some(it.protocol.as_str().into()),
                }
            })
            .collect();
        (!own.is_empty()).then_some(own)
    }
}
