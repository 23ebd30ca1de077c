//! What services look for: their tasks, and how many of them a cluster has.

use std::collections::{BTreeMap, BTreeSet};

use types::ClusterName;

use super::{NONE, TaskSet, drop_from};
use crate::record::{
    Desired, Revision, Rollout, Service, ServiceKey, ServiceRevision, ServiceRevisionKey,
    ServiceStatus, TargetKey, TargetMove, Task,
};

/// The indexes of services.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Services {
    tasks: BTreeMap<(ServiceKey, Desired), TaskSet>,
    open: BTreeMap<ServiceKey, TaskSet>,
    active: BTreeMap<ClusterName, u32>,
    moving: BTreeMap<(ServiceKey, TargetMove), TaskSet>,
    /// Tasks by what they are registered as.
    registered: BTreeMap<TargetKey, TaskSet>,
    /// Service revisions by their task definition.
    revisions: BTreeMap<Revision, BTreeSet<ServiceRevisionKey>>,
    /// Services with a deployment under way, by the alarms that may end it.
    watching: BTreeMap<String, BTreeSet<ServiceKey>>,
}

impl Services {
    pub(super) fn tasks(&self, service: &ServiceKey, desired: Desired) -> &TaskSet {
        self.tasks.get(&(service.clone(), desired)).unwrap_or(&NONE)
    }

    pub(super) fn open(&self, service: &ServiceKey) -> &TaskSet {
        self.open.get(service).unwrap_or(&NONE)
    }

    pub(super) fn entering(&self, service: &ServiceKey) -> &TaskSet {
        self.moving.get(&(service.clone(), TargetMove::In)).unwrap_or(&NONE)
    }

    pub(super) fn leaving(&self, service: &ServiceKey) -> &TaskSet {
        self.moving.get(&(service.clone(), TargetMove::Out)).unwrap_or(&NONE)
    }

    pub(super) fn moving(&self) -> impl Iterator<Item = &ServiceKey> {
        self.moving.keys().map(|it| &it.0)
    }

    pub(super) fn registered(&self) -> impl Iterator<Item = &TargetKey> {
        self.registered.keys()
    }

    pub(super) fn registered_as(&self, target: &TargetKey) -> &TaskSet {
        self.registered.get(target).unwrap_or(&NONE)
    }

    pub(super) fn revisions(
        &self,
        definition: &Revision,
    ) -> impl Iterator<Item = &ServiceRevisionKey> {
        self.revisions.get(definition).into_iter().flatten()
    }

    pub(super) fn watching(&self, alarm: &str) -> impl Iterator<Item = &ServiceKey> {
        self.watching.get(alarm).into_iter().flatten()
    }

    pub(super) fn active(&self, cluster: &ClusterName) -> u32 {
        self.active.get(cluster).copied().unwrap_or(0)
    }

    pub(super) fn task(&mut self, before: Option<&Task>, after: Option<&Task>) {
        if let Some((it, key)) = before.and_then(|it| Some((it, it.service_key()?))) {
            for target in targets_of(it) {
                drop_from(&mut self.registered, target, &it.id);
            }
            if let Some(way) = it.target_move() {
                drop_from(&mut self.moving, &(key.clone(), way), &it.id);
            }
            drop_from(&mut self.open, &key, &it.id);
            drop_from(&mut self.tasks, &(key, it.desired), &it.id);
        }
        if let Some((it, key)) = after.and_then(|it| Some((it, it.service_key()?))) {
            for target in targets_of(it) {
                self.registered.entry(target.clone()).or_default().insert(it.id);
            }
            if let Some(way) = it.target_move() {
                self.moving.entry((key.clone(), way)).or_default().insert(it.id);
            }
            if is_open(it) {
                self.open.entry(key.clone()).or_default().insert(it.id);
            }
            self.tasks.entry((key, it.desired)).or_default().insert(it.id);
        }
    }

    pub(super) fn revision(
        &mut self,
        before: Option<&ServiceRevision>,
        after: Option<&ServiceRevision>,
    ) {
        if let Some(it) = before {
            drop_from(&mut self.revisions, &it.definition, &it.key);
        }
        if let Some(it) = after {
            self.revisions.entry(it.definition.clone()).or_default().insert(it.key.clone());
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
        for (it, alarm) in before.into_iter().flat_map(|it| watched(it).map(move |name| (it, name)))
        {
            drop_from(&mut self.watching, alarm, &it.key);
        }
        for (it, alarm) in after.into_iter().flat_map(|it| watched(it).map(move |name| (it, name)))
        {
            self.watching.entry(alarm.clone()).or_default().insert(it.key.clone());
        }
    }
}

/// Names of the alarms that may end the deployment that a service has under way.
fn watched(service: &Service) -> impl Iterator<Item = &String> {
    let primary = service.deployments.first();
    let goes_on = primary.is_some_and(|it| it.rollout == Rollout::InProgress);
    service.alarms.iter().filter(move |_| goes_on).flat_map(|it| &it.names)
}

fn targets_of(task: &Task) -> &[TargetKey] {
    task.service.as_ref().map_or(&[], |it| &it.targets)
}

/// Whether the scheduler has something to do with a task still: it is not over, or its end has not
/// been taken into account.
fn is_open(task: &Task) -> bool {
    !task.is_over() || task.service.as_ref().is_some_and(|it| it.settled_at.is_none())
}
