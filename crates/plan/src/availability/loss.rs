//! One failure, carried out on a copy of the state, and taken back.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use state::{
    Change, Desired, Draft, Scheduling, ServiceKey, ServiceRevisionKey, State, Status, Task,
    is_living,
};
use types::{Group, InstanceId, TaskId, Zone};

use super::Room;
use crate::placement::{self, Constraint, Placed, Request, Strategy};
use crate::query::Expression;
use crate::services;

/// What fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Domain {
    /// One container instance.
    Instance {
        /// Which.
        id: InstanceId,
        /// What people call it, if they call it anything.
        name: Option<String>,
        /// Where it stands.
        zone: Zone,
    },
    /// All container instances of a zone.
    Zone(Zone),
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance { name: Some(name), .. } => write!(f, "instance {name}"),
            Self::Instance { id, .. } => write!(f, "instance {id}"),
            Self::Zone(zone) => write!(f, "zone {zone}"),
        }
    }
}

/// What a failure takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// What fails.
    pub domain: Domain,
    /// Instances that took tasks.
    pub hosts: u32,
    /// What they have.
    pub has: Room,
    /// Living tasks, by group; groups that lose nothing are left out.
    pub parts: BTreeMap<Group, Part>,
}

/// What a failure takes from one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Part {
    /// Living tasks that are lost.
    pub lost: u32,
    /// How many of them find a place on the instances that are left.
    pub placed: u32,
    /// How many of them belong to their instance and need no other place: those of daemons.
    pub daemons: u32,
}

impl Part {
    /// Tasks that need a place and find none.
    pub fn stranded(self) -> u32 {
        self.lost.saturating_sub(self.placed).saturating_sub(self.daemons)
    }
}

impl Loss {
    /// Living tasks that are lost.
    pub fn lost(&self) -> u32 {
        self.parts.values().map(|it| it.lost).sum()
    }

    /// How many of them find a place.
    pub fn placed(&self) -> u32 {
        self.parts.values().map(|it| it.placed).sum()
    }

    /// How many of them need none.
    pub fn daemons(&self) -> u32 {
        self.parts.values().map(|it| it.daemons).sum()
    }

    /// How many of them find no place.
    pub fn stranded(&self) -> u32 {
        self.parts.values().map(|it| it.stranded()).sum()
    }
}

/// What people call an instance: its attribute `landfall.name`.
pub(super) fn name(state: &State, id: InstanceId) -> Option<String> {
    let value = state.container_instance(id)?.attributes.get("landfall.name")?;
    value.clone()
}

/// Takes instances away with all that is on them, places their living tasks again in the order of
/// their identifiers, and puts the copy back as it was.
pub(super) fn suffer(copy: &mut State, domain: Domain, members: &BTreeSet<InstanceId>) -> Loss {
    let mut loss = Loss { domain, hosts: 0, has: Room::default(), parts: BTreeMap::new() };
    let mut draft = Draft::new(copy);
    let mut lost = BTreeMap::new();
    for id in members {
        lost.extend(take_away(&mut draft, *id, &mut loss));
    }
    let mut requests = Requests::default();
    for task in lost.into_values() {
        let part = loss.parts.entry(task.group.clone()).or_default();
        part.lost += 1;
        if scheduling(draft.state(), &task) == Some(Scheduling::Daemon) {
            part.daemons += 1;
            continue;
        }
        let request = requests.of(draft.state(), &task);
        if let Some(placed) = placement::choose(draft.state().capacity(), &request, 0) {
            part.placed += 1;
            draft.change(again(&task, placed).into());
        }
    }
    draft.undo();
    loss
}

/// Takes one instance away; its living tasks are the answer.
fn take_away(draft: &mut Draft<'_>, id: InstanceId, loss: &mut Loss) -> Vec<(TaskId, Arc<Task>)> {
    let state = draft.state();
    if let Some(it) = state.container_instance(id).filter(|it| it.takes_tasks()) {
        loss.hosts += 1;
        loss.has.cpu.0 = loss.has.cpu.0.saturating_add(it.resources.cpu.0);
        loss.has.memory.0 = loss.has.memory.0.saturating_add(it.resources.memory.0);
    }
    let indexes = state.indexes();
    let mut ids: BTreeSet<TaskId> = indexes.held_on(id).clone();
    ids.extend(indexes.tasks_on(id, Desired::Running));
    let tasks: Vec<_> = ids.iter().filter_map(|it| Some((*it, state.task(*it)?.clone()))).collect();
    for (task, _) in &tasks {
        draft.change(Change::Task(*task, None));
    }
    draft.change(Change::ContainerInstance(id, None));
    tasks.into_iter().filter(|(_, it)| is_living(it)).collect()
}

/// What tasks ask of an instance. Those of a service ask what the service would start them with now.
#[derive(Debug, Default)]
pub(super) struct Requests(BTreeMap<(ServiceKey, u64), Option<Request>>);

impl Requests {
    /// Of one task.
    pub(super) fn of(&mut self, state: &State, task: &Task) -> Request {
        let Some((key, member)) = task.service_key().zip(task.service.as_ref()) else {
            return alone(state, task);
        };
        let launch = || of_service(state, &key, member.deployment);
        let known = self.0.entry((key.clone(), member.deployment)).or_insert_with(launch);
        known.clone().unwrap_or_else(|| alone(state, task))
    }
}

/// What a task of a deployment asks of its instance; `None` if the service knows no such deployment,
/// or its task definition is gone.
fn of_service(state: &State, service: &ServiceKey, deployment: u64) -> Option<Request> {
    let service = state.services().get(service)?;
    let deployment = service.deployments.iter().find(|it| it.id == deployment)?;
    let key = ServiceRevisionKey { service: service.key.clone(), id: deployment.revision };
    let revision = state.service_revisions().get(&key)?;
    services::launch(state, service, revision, deployment).map(|it| it.request().clone())
}

/// What a task asks of an instance if it is of no service, as far as that is written down: what its
/// definition says, and the strategies that it was placed by. Constraints of a `RunTask` request
/// are remembered nowhere.
fn alone(state: &State, task: &Task) -> Request {
    let definition = state.task_definition(&task.revision);
    let member_of = definition.iter().flat_map(|it| &it.member_of);
    let constraints = member_of.filter_map(|it| Expression::parse(it).ok());
    let strategies = task.placing.iter().flat_map(|it| &it.strategies);
    Request {
        cluster: task.cluster.clone(),
        demand: task.demand.clone(),
        group: task.group.clone(),
        constraints: constraints.map(Constraint::MemberOf).collect(),
        requires: definition.map(|it| it.requires.clone()).unwrap_or_default(),
        zones: None,
        strategies: strategies.filter_map(|it| Strategy::parse(it)).collect(),
    }
}

/// How the task's service counts its tasks; `None` for a task that stands alone.
pub(super) fn scheduling(state: &State, task: &Task) -> Option<Scheduling> {
    task.service_key().and_then(|it| state.services().get(&it)).map(|it| it.scheduling)
}

/// A task as it would be on another instance.
fn again(task: &Task, placed: Placed) -> Task {
    let mut fresh = Task {
        instance: placed.instance,
        zone: placed.zone,
        last: Status::Pending,
        interface: None,
        released: false,
        ..task.clone()
    };
    for container in &mut fresh.containers {
        container.bindings.clear();
        container.gpus.clear();
    }
    fresh
}
