//! The placement index: what is left where, and which groups stand where.
//!
//! Instances that can take tasks (ACTIVE, their agent connected) sit in *blocks* of 64, in the
//! order of their identifiers, zone by zone. What decisions ask about them is kept as sets of
//! seats, so that one machine word answers for 64 instances; what is left of CPU and memory also
//! orders them on two *shelves*. Everything here follows from the tables of instances and tasks
//! and is kept current by [`crate::State::apply`]. The layout depends on history, the meaning does
//! not: two are equal when they say the same of every instance.

mod bits;
mod block;
mod group;
mod host;
mod picture;
mod pool;
mod shelf;
mod traits;
mod zone;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use types::{ClusterName, InstanceId, Port};

pub use bits::{Bits, Seat};
pub use block::{Block, Known, Rows};
pub use group::{Group as GroupPlaces, Shape, Share};
pub use host::{Host, Presence};
pub use pool::Pool;
pub use shelf::{Book, Shelf};
pub use traits::{Traits, Values};
pub use zone::Zone as ZonePlaces;

use crate::record::{ContainerInstance, Desired, Status, Task};

/// What is left where, cluster by cluster.
#[derive(Debug, Clone, Default)]
pub struct Capacity {
    pools: BTreeMap<ClusterName, Pool>,
}

impl Capacity {
    /// The instances of a cluster.
    pub fn pool(&self, cluster: &ClusterName) -> Option<&Pool> {
        self.pools.get(cluster)
    }

    /// Takes in that an instance was put, changed or taken away.
    pub fn container_instance(
        &mut self,
        before: Option<&Arc<ContainerInstance>>,
        after: Option<&Arc<ContainerInstance>>,
    ) {
        let moves = |it: &&Arc<ContainerInstance>| after.is_none_or(|a| a.cluster != it.cluster);
        if let Some(it) = before.filter(moves) {
            self.pool_mut(&it.cluster).instance(it.id, None);
        }
        if let Some(it) = after {
            self.pool_mut(&it.cluster).instance(it.id, Some(it));
        }
    }

    /// Takes in that a task was put, changed or taken away.
    ///
    /// A task holds what it asked for until it is released. Costs a logarithm of the instances of
    /// the cluster, and what groups and ports the instance has.
    pub fn task(&mut self, before: Option<&Task>, after: Option<&Task>) {
        if let (Some(before), Some(after)) = (before, after)
            && weighs_alike(before, after)
        {
            return;
        }
        let before = before.filter(|it| weighs(it));
        let after = after.filter(|it| weighs(it));
        if let Some(before) = before {
            let stays = |it: &Task| it.instance == before.instance && it.cluster == before.cluster;
            let pool = self.pool_mut(&before.cluster);
            let host = pool.leave(before);
            if !after.is_some_and(stays) {
                pool.refresh(host);
            }
        }
        if let Some(after) = after {
            let pool = self.pool_mut(&after.cluster);
            let host = pool.join(after);
            pool.refresh(host);
        }
    }

    fn pool_mut(&mut self, cluster: &ClusterName) -> &mut Pool {
        if !self.pools.contains_key(cluster) {
            self.pools.insert(cluster.clone(), Pool::default());
        }
        self.pools.get_mut(cluster).expect("just made")
    }
}

/// Whether spreading counts a task: it is to run and has not stopped.
///
/// Source: Amazon ECS Developer Guide, "Task placement constraints": what counts is the desired
/// status, so a task that is being stopped does not stand in the way of a new one.
pub fn is_living(task: &Task) -> bool {
    task.desired == Desired::Running && task.last != Status::Stopped
}

/// Whether the index says anything of a task.
fn weighs(task: &Task) -> bool {
    !task.released || is_living(task) || task.last.runs()
}

/// Whether two versions of a task are the same to the index.
fn weighs_alike(one: &Task, other: &Task) -> bool {
    let facts = |it: &Task| (it.instance, it.released, is_living(it), it.last.runs());
    facts(one) == facts(other)
        && one.cluster == other.cluster
        && one.zone == other.zone
        && one.group == other.group
        && one.demand == other.demand
        && (one.demand.interface || bindings(one).eq(bindings(other)))
}

fn bindings(task: &Task) -> impl Iterator<Item = &crate::record::Binding> {
    task.containers.iter().flat_map(|it| &it.bindings)
}

/// Host ports that a task holds on its instance: those it asked for, and those its agent published.
///
/// A task with an address of its own holds none but what it asked for.
pub fn ports_held(task: &Task) -> BTreeSet<Port> {
    let mut ports: BTreeSet<Port> = task.demand.ports.iter().copied().collect();
    if task.demand.interface {
        return ports;
    }
    for binding in bindings(task) {
        let first = binding.host.number;
        for number in first..=binding.host_last.unwrap_or(first) {
            ports.insert(Port { protocol: binding.host.protocol, number });
        }
    }
    ports
}

impl Pool {
    /// The host of an instance, if any task or record names it.
    pub fn host_of(&self, id: InstanceId) -> Option<&Host> {
        self.by_id.get(&id).map(|at| self.host(*at))
    }
}

#[cfg(test)]
mod tests;
