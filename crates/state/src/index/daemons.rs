//! Daemon services, whose tasks have their room kept on each instance.

use std::collections::{BTreeMap, BTreeSet};

use types::ClusterName;

use super::{Indexes, drop_from};
use crate::record::{Scheduling, Service, ServiceKey, ServiceStatus};

static NONE: BTreeSet<ServiceKey> = BTreeSet::new();

/// The ACTIVE daemon services of each cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Daemons {
    active: BTreeMap<ClusterName, BTreeSet<ServiceKey>>,
}

impl Indexes {
    /// The ACTIVE daemon services of a cluster.
    pub fn daemons(&self, cluster: &ClusterName) -> &BTreeSet<ServiceKey> {
        self.daemons.active.get(cluster).unwrap_or(&NONE)
    }
}

impl Daemons {
    pub(super) fn service(&mut self, before: Option<&Service>, after: Option<&Service>) {
        if let Some(it) = before.filter(|it| is_daemon(it)) {
            drop_from(&mut self.active, &it.key.cluster, &it.key);
        }
        if let Some(it) = after.filter(|it| is_daemon(it)) {
            self.active.entry(it.key.cluster.clone()).or_default().insert(it.key.clone());
        }
    }
}

fn is_daemon(it: &Service) -> bool {
    it.scheduling == Scheduling::Daemon && it.status == ServiceStatus::Active
}
