//! Container instances that are not heard of, by what becomes of their tasks.

use std::collections::{BTreeMap, BTreeSet};

use types::{ClusterName, InstanceId, Timestamp};

use super::{Indexes, drop_from, tidy};
use crate::record::{ContainerInstance, InstanceStatus};

/// Milliseconds that one count of given up instances stands for.
const MINUTE: i64 = 60_000;

type Moments = BTreeSet<(Timestamp, InstanceId)>;

static NONE: Moments = BTreeSet::new();

/// The instances of each cluster that stand and are not heard of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Silence {
    /// Those whose tasks have not been given up, by the time from which they were not heard of.
    waiting: BTreeMap<ClusterName, Moments>,
    /// Those whose tasks were, by the time of that.
    given_up: BTreeMap<ClusterName, Moments>,
    /// How many of those by minute.
    minutes: BTreeMap<(ClusterName, i64), u32>,
}

impl Indexes {
    /// Instances of a cluster that are not heard of and whose tasks have not been given up, by the
    /// time from which they were not heard of.
    pub fn silent(&self, cluster: &ClusterName) -> &BTreeSet<(Timestamp, InstanceId)> {
        self.silence.waiting.get(cluster).unwrap_or(&NONE)
    }

    /// Clusters that have such instances.
    pub fn clusters_with_silent(&self) -> impl Iterator<Item = &ClusterName> {
        self.silence.waiting.keys()
    }

    /// Instances of a cluster that are not heard of and whose tasks were given up, by the time of
    /// that.
    pub fn given_up(&self, cluster: &ClusterName) -> &BTreeSet<(Timestamp, InstanceId)> {
        self.silence.given_up.get(cluster).unwrap_or(&NONE)
    }

    /// How many of them were given up in the minute of that time or later. O(minutes since then).
    pub fn given_up_since(&self, cluster: &ClusterName, since: Timestamp) -> u32 {
        let of = |minute| (cluster.clone(), minute);
        self.silence.minutes.range(of(minute(since))..=of(i64::MAX)).map(|it| it.1).sum()
    }
}

impl Silence {
    pub(super) fn container_instance(
        &mut self,
        before: Option<&ContainerInstance>,
        after: Option<&ContainerInstance>,
    ) {
        if let Some(it) = before.filter(|it| is_silent(it)) {
            match it.given_up_at {
                None => drop_from(&mut self.waiting, &it.cluster, &(it.connected_at, it.id)),
                Some(at) => {
                    drop_from(&mut self.given_up, &it.cluster, &(at, it.id));
                    let key = (it.cluster.clone(), minute(at));
                    if let Some(count) = self.minutes.get_mut(&key) {
                        *count -= 1;
                    }
                    tidy(&mut self.minutes, &key);
                }
            }
        }
        if let Some(it) = after.filter(|it| is_silent(it)) {
            let cluster = it.cluster.clone();
            match it.given_up_at {
                None => {
                    self.waiting.entry(cluster).or_default().insert((it.connected_at, it.id));
                }
                Some(at) => {
                    *self.minutes.entry((cluster.clone(), minute(at))).or_default() += 1;
                    self.given_up.entry(cluster).or_default().insert((at, it.id));
                }
            }
        }
    }
}

fn is_silent(it: &ContainerInstance) -> bool {
    !it.connected && it.status != InstanceStatus::Inactive
}

fn minute(at: Timestamp) -> i64 {
    at.0.div_euclid(MINUTE)
}
