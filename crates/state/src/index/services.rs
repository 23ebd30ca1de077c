//! What services look for: their tasks, and how many of them a cluster has.

use std::collections::BTreeMap;

use types::ClusterName;

use super::{NONE, TaskSet, drop_from};
use crate::record::{Desired, Service, ServiceKey, ServiceStatus, Status, TargetKey, Task};

/// The indexes of services.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Services {
    tasks: BTreeMap<(ServiceKey, Desired), TaskSet>,
    active: BTreeMap<ClusterName, u32>,
    moving: BTreeMap<(ServiceKey, Move), TaskSet>,
    /// Tasks by what they are registered as.
    registered: BTreeMap<TargetKey, TaskSet>,
}

/// Which way a task goes in or out of its target groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Move {
    In,
    Out,
}

/// A running task that no target group knows may have to be registered; one that leaves, or is over
/// and known to some, has to be deregistered.
fn direction(task: &Task) -> Option<Move> {
    let targets = &task.service.as_ref()?.targets;
    match (task.last, task.desired) {
        (Status::Running, Desired::Running) if targets.is_empty() => Some(Move::In),
        (Status::Deactivating, _) => Some(Move::Out),
        (Status::Stopped, _) if !targets.is_empty() => Some(Move::Out),
        _ => None,
    }
}

impl Services {
    pub(super) fn tasks(&self, service: &ServiceKey, desired: Desired) -> &TaskSet {
        self.tasks.get(&(service.clone(), desired)).unwrap_or(&NONE)
    }

    pub(super) fn entering(&self, service: &ServiceKey) -> &TaskSet {
        self.moving.get(&(service.clone(), Move::In)).unwrap_or(&NONE)
    }

    pub(super) fn leaving(&self, service: &ServiceKey) -> &TaskSet {
        self.moving.get(&(service.clone(), Move::Out)).unwrap_or(&NONE)
    }

    pub(super) fn registered_as(&self, target: &TargetKey) -> &TaskSet {
        self.registered.get(target).unwrap_or(&NONE)
    }

    pub(super) fn active(&self, cluster: &ClusterName) -> u32 {
        self.active.get(cluster).copied().unwrap_or(0)
    }

    pub(super) fn task(&mut self, before: Option<&Task>, after: Option<&Task>) {
        if let Some((it, key)) = before.and_then(|it| Some((it, it.service_key()?))) {
            for target in targets_of(it) {
                drop_from(&mut self.registered, target, &it.id);
            }
            if let Some(way) = direction(it) {
                drop_from(&mut self.moving, &(key.clone(), way), &it.id);
            }
            drop_from(&mut self.tasks, &(key, it.desired), &it.id);
        }
        if let Some((it, key)) = after.and_then(|it| Some((it, it.service_key()?))) {
            for target in targets_of(it) {
                self.registered.entry(target.clone()).or_default().insert(it.id);
            }
            if let Some(way) = direction(it) {
                self.moving.entry((key.clone(), way)).or_default().insert(it.id);
            }
            self.tasks.entry((key, it.desired)).or_default().insert(it.id);
        }
    }

    pub(super) fn service(&mut self, before: Option<&Service>, after: Option<&Service>) {
        let active = |it: &&Service| it.status == ServiceStatus::Active;
        if let Some(it) = before.filter(active)
            && let Some(count) = self.active.get_mut(&it.key.cluster)
        {
            *count -= 1;
            if *count == 0 {
                self.active.remove(&it.key.cluster);
            }
        }
        if let Some(it) = after.filter(active) {
            *self.active.entry(it.key.cluster.clone()).or_default() += 1;
        }
    }
}

fn targets_of(task: &Task) -> &[TargetKey] {
    task.service.as_ref().map_or(&[], |it| &it.targets)
}
