//! Tasks of services that stand alike, the oldest first: a decision counts them, and looks at the
//! first of them where some have to be chosen.

use std::collections::{BTreeMap, BTreeSet};

use types::{TaskId, Timestamp, Zone};

use super::{Indexes, NONE, TaskSet, drop_from};
use crate::record::{Desired, Health, ServiceKey, Status, TargetKey, Task, names_endpoint};

/// What a crowd of tasks of one service has in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Crowd {
    /// The deployment that they are of.
    pub deployment: u64,
    /// Their service revision.
    pub revision: u64,
    /// Their zone.
    pub zone: Zone,
    /// How far they are.
    pub stage: Stage,
    /// Whether they have to leave their instances.
    pub is_draining: bool,
    /// How many targets of target groups each of them is.
    pub targets: usize,
    /// Balancers that find all those targets healthy. At least one, where there are targets.
    pub found_by: Vec<String>,
}

/// How far the tasks of a crowd are. None is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// They are to run, and do not yet.
    Starting,
    /// They run, were healthy once, and no container of them is checked.
    Unchecked,
    /// The same, and all their containers pass their checks.
    Healthy,
    /// They are to stop, and have not yet.
    Leaving,
}

/// Tasks by age.
pub type Aged = BTreeSet<(Timestamp, TaskId)>;

/// The crowds of each service, and the tasks that are in none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Crowds {
    crowds: BTreeMap<ServiceKey, BTreeMap<Crowd, Aged>>,
    apart: BTreeMap<ServiceKey, TaskSet>,
}

impl Indexes {
    /// The crowds of a service and who is in them. A handful for each deployment and zone.
    pub fn crowds(&self, service: &ServiceKey) -> impl Iterator<Item = (&Crowd, &Aged)> {
        self.crowds.crowds.get(service).into_iter().flatten()
    }

    /// Those of [`Indexes::open_tasks`] that are in no crowd: each is to be looked at by itself.
    pub fn apart(&self, service: &ServiceKey) -> &TaskSet {
        self.crowds.apart.get(service).unwrap_or(&NONE)
    }
}

/// Where a task of a service is in this index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seat {
    service: ServiceKey,
    task: TaskId,
    created_at: Timestamp,
    /// `None` for one that is apart.
    crowd: Option<Crowd>,
}

impl Seat {
    /// Where a task belongs. `None` for one without a service, and for one that is over and whose end
    /// was taken into account. What is found of its targets is asked for: balancers that find one
    /// healthy, in order; none of one that is not there or drains.
    pub(crate) fn of(
        task: &Task,
        is_draining: bool,
        found: impl Fn(&TargetKey) -> Vec<String>,
    ) -> Option<Self> {
        let membership = task.service.as_ref()?;
        if task.is_over() && membership.settled_at.is_some() {
            return None;
        }
        let stage = stage(task);
        let is_running = matches!(stage, Some(Stage::Unchecked | Stage::Healthy));
        let targets =
            membership.targets.iter().filter(|it| is_running && !names_endpoint(&it.group));
        let mut found: Vec<Vec<String>> = targets.map(found).collect();
        let (targets, found_by) = (found.len(), found.pop().unwrap_or_default());
        let is_well = targets == 0 || !found_by.is_empty();
        let is_alike = is_well && found.iter().all(|it| *it == found_by);
        let crowd = stage.filter(|_| is_alike).map(|stage| Crowd {
            deployment: membership.deployment,
            revision: membership.revision,
            zone: task.zone.clone(),
            stage,
            is_draining: is_draining && stage != Stage::Leaving,
            targets,
            found_by,
        });
        let (service, created_at) = (task.service_key()?, task.created_at);
        Some(Self { service, task: task.id, created_at, crowd })
    }
}

impl Crowds {
    /// A task has another place than before.
    pub(crate) fn moved(&mut self, before: Option<Seat>, after: Option<Seat>) {
        if before == after {
            return;
        }
        if let Some(Seat { service, task, created_at, crowd }) = before {
            match crowd {
                Some(crowd) => self.leave(&service, &crowd, (created_at, task)),
                None => drop_from(&mut self.apart, &service, &task),
            }
        }
        if let Some(Seat { service, task, created_at, crowd }) = after {
            match crowd {
                Some(crowd) => {
                    let crowds = self.crowds.entry(service).or_default();
                    crowds.entry(crowd).or_default().insert((created_at, task));
                }
                None => drop(self.apart.entry(service).or_default().insert(task)),
            }
        }
    }

    fn leave(&mut self, service: &ServiceKey, crowd: &Crowd, task: (Timestamp, TaskId)) {
        let Some(crowds) = self.crowds.get_mut(service) else { return };
        drop_from(crowds, crowd, &task);
        if crowds.is_empty() {
            self.crowds.remove(service);
        }
    }
}

fn stage(task: &Task) -> Option<Stage> {
    let membership = task.service.as_ref()?;
    match (task.last, task.desired) {
        (Status::Stopped, _) => None,
        (_, Desired::Stopped) => Some(Stage::Leaving),
        _ if membership.protected_until.is_some() => None,
        (Status::Running, _) => {
            let all = |health| task.containers.iter().all(|it| it.health == health);
            let checked = if all(Health::Unknown) {
                Some(Stage::Unchecked)
            } else {
                all(Health::Healthy).then_some(Stage::Healthy)
            };
            checked.filter(|_| membership.healthy_at.is_some())
        }
        _ => Some(Stage::Starting),
    }
}
