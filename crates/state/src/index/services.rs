//! What services look for: their tasks, and how many of them a cluster has.

use std::collections::{BTreeMap, BTreeSet};

use types::ClusterName;

use super::{Indexes, NONE, TaskSet, drop_from};
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

impl Indexes {
    /// Tasks of a service with that desired status; those that have stopped are among them for as
    /// long as they are remembered.
    pub fn tasks_of_service(&self, service: &ServiceKey, desired: Desired) -> &TaskSet {
        self.services.tasks.get(&(service.clone(), desired)).unwrap_or(&NONE)
    }

    /// Tasks of a service that run, are to run, and are no targets. Those of revisions without target
    /// groups are among them.
    pub fn entering_targets(&self, service: &ServiceKey) -> &TaskSet {
        self.services.moving.get(&(service.clone(), TargetMove::In)).unwrap_or(&NONE)
    }

    /// Tasks of a service that leave their target groups (DEACTIVATING), and those that are over and
    /// still noted as targets.
    pub fn leaving_targets(&self, service: &ServiceKey) -> &TaskSet {
        self.services.moving.get(&(service.clone(), TargetMove::Out)).unwrap_or(&NONE)
    }

    /// Services of which a task may go in or out of a target group; one may come twice.
    pub fn services_moving_targets(&self) -> impl Iterator<Item = &ServiceKey> {
        self.services.moving.keys().map(|it| &it.0)
    }

    /// Targets that were registered for tasks of services.
    pub fn registered_targets(&self) -> impl Iterator<Item = &TargetKey> {
        self.services.registered.keys()
    }

    /// Tasks that a target was registered for: one, but for a moment.
    pub fn registered_as(&self, target: &TargetKey) -> &TaskSet {
        self.services.registered.get(target).unwrap_or(&NONE)
    }

    /// Tasks of a service that are not over, and those whose end the scheduler has not taken into
    /// account yet.
    pub fn open_tasks(&self, service: &ServiceKey) -> &TaskSet {
        self.services.open.get(service).unwrap_or(&NONE)
    }

    /// Revisions of services that are of a task definition, whatever has become of the services.
    pub fn service_revisions_of(
        &self,
        definition: &Revision,
    ) -> impl Iterator<Item = &ServiceRevisionKey> {
        self.services.revisions.get(definition).into_iter().flatten()
    }

    /// How many services of a cluster are ACTIVE.
    pub fn active_services(&self, cluster: &ClusterName) -> u32 {
        self.services.active.get(cluster).copied().unwrap_or(0)
    }

    /// Services with a deployment under way that this alarm may end.
    pub fn services_watching(&self, alarm: &str) -> impl Iterator<Item = &ServiceKey> {
        self.services.watching.get(alarm).into_iter().flatten()
    }
}

impl Services {
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
