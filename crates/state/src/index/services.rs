//! What services look for: their tasks, and how many of them a cluster has.

use std::collections::BTreeMap;

use types::ClusterName;

use super::{NONE, TaskSet, drop_from};
use crate::record::{Desired, Service, ServiceKey, ServiceStatus, Task};

/// The indexes of services.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Services {
    tasks: BTreeMap<(ServiceKey, Desired), TaskSet>,
    active: BTreeMap<ClusterName, u32>,
}

impl Services {
    pub(super) fn tasks(&self, service: &ServiceKey, desired: Desired) -> &TaskSet {
        self.tasks.get(&(service.clone(), desired)).unwrap_or(&NONE)
    }

    pub(super) fn active(&self, cluster: &ClusterName) -> u32 {
        self.active.get(cluster).copied().unwrap_or(0)
    }

    pub(super) fn task(&mut self, before: Option<&Task>, after: Option<&Task>) {
        if let Some((it, key)) = before.and_then(|it| Some((it, it.service_key()?))) {
            drop_from(&mut self.tasks, &(key, it.desired), &it.id);
        }
        if let Some((it, key)) = after.and_then(|it| Some((it, it.service_key()?))) {
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
