//! Tasks of services that a decision need not tell apart, as counts.

use std::collections::{BTreeMap, BTreeSet};

use types::{ClusterName, InstanceId, Zone};

use super::{Indexes, NONE, TaskSet, drop_from};
use crate::record::{ContainerInstance, Desired, Health, InstanceStatus, ServiceKey, Status, Task};

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
}

/// How far the tasks of a crowd are. All of them are to run, and none is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// They do not run yet.
    Starting,
    /// They run, were healthy once, are no targets, and no container of them is checked.
    Unchecked,
    /// The same, and all their containers pass their checks.
    Healthy,
}

/// The crowds of each service, and the tasks that are in none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Crowds {
    counts: BTreeMap<ServiceKey, BTreeMap<Crowd, u32>>,
    apart: BTreeMap<ServiceKey, TaskSet>,
    /// DRAINING instances of each cluster: who is on one stands for itself.
    draining: BTreeMap<ClusterName, BTreeSet<InstanceId>>,
}

impl Indexes {
    /// The crowds of a service, with how many tasks are in each. A handful for each deployment and
    /// zone.
    pub fn crowds(&self, service: &ServiceKey) -> impl Iterator<Item = (&Crowd, u32)> {
        let crowds = self.crowds.counts.get(service).into_iter().flatten();
        crowds.map(|(crowd, count)| (crowd, *count))
    }

    /// Those of [`Indexes::open_tasks`] that are in no crowd.
    pub fn apart(&self, service: &ServiceKey) -> &TaskSet {
        self.crowds.apart.get(service).unwrap_or(&NONE)
    }

    /// Whether an instance of a cluster drains.
    pub fn has_draining(&self, cluster: &ClusterName) -> bool {
        self.crowds.draining.contains_key(cluster)
    }
}

impl Crowds {
    pub(super) fn task(&mut self, before: Option<&Task>, after: Option<&Task>) {
        if let Some((it, key)) = before.and_then(|it| Some((it, it.service_key()?))) {
            match place(it) {
                Place::Crowd(crowd) => self.leave(&key, &crowd),
                Place::Apart => drop_from(&mut self.apart, &key, &it.id),
                Place::Past => {}
            }
        }
        if let Some((it, key)) = after.and_then(|it| Some((it, it.service_key()?))) {
            match place(it) {
                Place::Crowd(crowd) => {
                    *self.counts.entry(key).or_default().entry(crowd).or_default() += 1;
                }
                Place::Apart => drop(self.apart.entry(key).or_default().insert(it.id)),
                Place::Past => {}
            }
        }
    }

    fn leave(&mut self, key: &ServiceKey, crowd: &Crowd) {
        let Some(crowds) = self.counts.get_mut(key) else { return };
        if let Some(count) = crowds.get_mut(crowd) {
            *count -= 1;
            if *count == 0 {
                crowds.remove(crowd);
            }
        }
        if crowds.is_empty() {
            self.counts.remove(key);
        }
    }

    pub(super) fn container_instance(
        &mut self,
        before: Option<&ContainerInstance>,
        after: Option<&ContainerInstance>,
    ) {
        let drains = |it: &&ContainerInstance| it.status == InstanceStatus::Draining;
        if let Some(it) = before.filter(drains) {
            drop_from(&mut self.draining, &it.cluster, &it.id);
        }
        if let Some(it) = after.filter(drains) {
            self.draining.entry(it.cluster.clone()).or_default().insert(it.id);
        }
    }
}

enum Place {
    Crowd(Crowd),
    Apart,
    /// It is over, and its end was taken into account.
    Past,
}

fn place(task: &Task) -> Place {
    let Some(membership) = &task.service else { return Place::Past };
    if task.is_over() {
        return if membership.settled_at.is_none() { Place::Apart } else { Place::Past };
    }
    let is_plain = task.desired == Desired::Running && membership.protected_until.is_none();
    let stage = match (is_plain, task.last) {
        (false, _) => None,
        (true, Status::Running) => {
            let of = membership.targets.is_empty() && membership.healthy_at.is_some();
            of.then(|| stage(task)).flatten()
        }
        (true, _) => Some(Stage::Starting),
    };
    match stage {
        Some(stage) => Place::Crowd(Crowd {
            deployment: membership.deployment,
            revision: membership.revision,
            zone: task.zone.clone(),
            stage,
        }),
        None => Place::Apart,
    }
}

fn stage(task: &Task) -> Option<Stage> {
    let all = |health| task.containers.iter().all(|it| it.health == health);
    if all(Health::Unknown) {
        Some(Stage::Unchecked)
    } else {
        all(Health::Healthy).then_some(Stage::Healthy)
    }
}
