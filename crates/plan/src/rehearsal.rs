//! A service that is played through on a copy of the state: what it would start and stop, and what
//! that would need. The steps are the scheduler's own; here are the machines, which do at once as
//! they are told, and the book that is kept of it.

use std::collections::BTreeMap;

use state::{Change, Demand, Desired, Health, Revision, ServiceKey, State, Status, Task};
use types::{InstanceId, TaskId, Timestamp, Zone};

/// What becomes of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A new one.
    Start,
    /// One that is there.
    Stop,
}

/// One task that is started or stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// What becomes of it.
    pub action: Action,
    /// Which; one that is started will have another identifier.
    pub task: TaskId,
    /// What it runs.
    pub revision: Revision,
    /// Where.
    pub instance: InstanceId,
    /// Zone of that instance.
    pub zone: Zone,
    /// Why it is stopped.
    pub reason: Option<String>,
}

/// What was seen when a service was played through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsal {
    /// Which service.
    pub service: ServiceKey,
    /// How many tasks it had.
    pub tasks: u32,
    /// What is started and stopped, in order.
    pub moves: Vec<Move>,
    /// Most tasks that were there at once, and what they took of CPU units and MiB of memory.
    pub peak: (u32, u64, u64),
    /// Fewest tasks that ran at once.
    pub fewest: u32,
    /// Why it does not come to its end: what the service says last. `None` if it does.
    pub stuck: Option<String>,
}

/// What is written down while a service is played through.
#[derive(Debug)]
pub struct Book {
    rehearsal: Rehearsal,
    known: BTreeMap<TaskId, Desired>,
}

impl Book {
    /// Begins with the service as it is.
    pub fn open(copy: &State, service: &ServiceKey) -> Self {
        let rehearsal = Rehearsal {
            service: service.clone(),
            tasks: 0,
            moves: Vec::new(),
            peak: (0, 0, 0),
            fewest: u32::MAX,
            stuck: None,
        };
        let mut book = Self { rehearsal, known: BTreeMap::new() };
        for task in tasks(copy, service) {
            book.known.insert(task.id, task.desired);
        }
        book.rehearsal.tasks = u32::try_from(book.known.len()).unwrap_or(u32::MAX);
        book.note(copy);
        book
    }

    /// Writes down what is new.
    pub fn note(&mut self, copy: &State) {
        let (mut present, mut running) = ((0_u32, 0_u64, 0_u64), 0_u32);
        for task in tasks(copy, &self.rehearsal.service) {
            let Demand { cpu, memory, .. } = &task.demand;
            present =
                (present.0 + 1, present.1 + u64::from(cpu.0), present.2 + u64::from(memory.0));
            running += u32::from(task.last == Status::Running && task.desired == Desired::Running);
            let before = self.known.insert(task.id, task.desired);
            let action = match (before, task.desired) {
                (None, Desired::Running) => Action::Start,
                (Some(Desired::Running), Desired::Stopped) => Action::Stop,
                _ => continue,
            };
            self.rehearsal.moves.push(entry(task, action));
        }
        let peak = &mut self.rehearsal.peak;
        *peak = (peak.0.max(present.0), peak.1.max(present.1), peak.2.max(present.2));
        self.rehearsal.fewest = self.rehearsal.fewest.min(running);
    }

    /// How many tasks were started and stopped so far.
    pub fn moves(&self) -> usize {
        self.rehearsal.moves.len()
    }

    /// Ends it. A service that does not come to its end says why with its newest event.
    pub fn close(mut self, copy: &State, stuck: Option<String>) -> Rehearsal {
        self.note(copy);
        self.rehearsal.stuck = stuck;
        self.rehearsal
    }
}

fn entry(task: &Task, action: Action) -> Move {
    let stop = task.stop.as_ref().filter(|_| action == Action::Stop);
    Move {
        action,
        task: task.id,
        revision: task.revision.clone(),
        instance: task.instance,
        zone: task.zone.clone(),
        reason: stop.map(|it| it.reason.clone()),
    }
}

/// The service's tasks that are not over.
fn tasks<'a>(state: &'a State, service: &ServiceKey) -> impl Iterator<Item = &'a Task> + use<'a> {
    let open = state.indexes().open_tasks(service).iter();
    open.filter_map(|id| state.task(*id)).map(AsRef::as_ref).filter(|it| !it.is_over())
}

/// The machines do as they are told: what should run runs and is well, what should stop has stopped.
/// Answers whether anything has changed.
pub fn go_on(copy: &mut State, service: &ServiceKey, now: Timestamp) -> bool {
    let fresh: Vec<Task> = tasks(copy, service).filter_map(|it| next(it, now)).collect();
    let has_changed = !fresh.is_empty();
    for task in fresh {
        copy.apply(task.into());
    }
    has_changed
}

fn next(task: &Task, now: Timestamp) -> Option<Task> {
    let mut after = task.clone();
    match (task.desired, task.last) {
        (Desired::Stopped, _) => {
            after.last = Status::Stopped;
            after.released = true;
            after.stopped_at = Some(now);
        }
        (Desired::Running, Status::Running) => return None,
        (Desired::Running, _) => {
            after.last = Status::Running;
            after.started_at = Some(now);
            for container in &mut after.containers {
                container.last = Status::Running;
                container.health = Health::Healthy;
            }
        }
    }
    Some(after)
}

/// Takes the load balancers away from a service: whether targets are well is not known beforehand,
/// and a task that is none leaves at once.
pub fn without_targets(copy: &mut State, service: &ServiceKey) {
    let of = |id| state::ServiceRevisionKey { service: service.clone(), id };
    let revisions = copy.service_revisions().range(of(0)..=of(u64::MAX));
    let mut changes: Vec<Change> = Vec::new();
    for (_, revision) in revisions.filter(|it| !it.1.targets.is_empty()) {
        let mut plain = revision.as_ref().clone();
        plain.targets.clear();
        changes.push(plain.into());
    }
    for task in tasks(copy, service) {
        let mut plain = task.clone();
        if let Some(membership) = plain.service.as_mut().filter(|it| !it.targets.is_empty()) {
            membership.targets.clear();
            changes.push(plain.into());
        }
    }
    for change in changes {
        copy.apply(change);
    }
}
