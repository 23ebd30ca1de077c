//! What a cluster has, counted.

use std::collections::{BTreeMap, BTreeSet};

use state::{ContainerInstance, Desired, Scheduling, State, Task, is_living};
use types::{ClusterName, Cpu, Group, InstanceId, MemoryMib, Zone};

use super::loss::scheduling;
use super::{Room, Seats};

/// What a zone contributes to a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneShare {
    /// The zone.
    pub zone: Zone,
    /// Instances that take tasks.
    pub hosts: u32,
    /// Instances that take none: draining, or their agents are not there.
    pub resting: u32,
    /// Living tasks.
    pub tasks: u32,
    /// What the instances that take tasks have.
    pub has: Room,
    /// What of it is free.
    pub free: Room,
}

/// Where the living tasks of a group are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tasks {
    /// How their service counts them; `None` for tasks that stand alone.
    pub scheduling: Option<Scheduling>,
    /// How many there are.
    pub count: u32,
    /// How many there are in each zone of the cluster.
    pub by_zone: BTreeMap<Zone, u32>,
    /// How many there are on each instance that has some.
    pub by_instance: BTreeMap<InstanceId, u32>,
}

pub(super) struct Survey {
    pub(super) zones: Vec<ZoneShare>,
    pub(super) groups: BTreeMap<Group, Tasks>,
    /// ACTIVE and DRAINING ones.
    pub(super) instances: Seats,
    /// What living tasks hold.
    held: (u64, u64),
}

impl Survey {
    /// The instances of a zone.
    pub(super) fn members(&self, zone: &Zone) -> BTreeSet<InstanceId> {
        self.instances.iter().filter(|it| it.1 == zone).map(|it| *it.0).collect()
    }

    /// How many instances of the mean size the living tasks fill, by what fills more of them.
    pub(super) fn load(&self) -> u32 {
        let sum = |part: fn(&ZoneShare) -> u32| -> u64 {
            self.zones.iter().map(|it| u64::from(part(it))).sum()
        };
        let hosts = sum(|it| it.hosts);
        let hosts_for = |held: u64, has: u64| {
            (held * hosts)
                .checked_div(has)
                .map_or(0, |it| if it * has < held * hosts { it + 1 } else { it })
        };
        let by_cpu = hosts_for(self.held.0, sum(|it| it.has.cpu.0));
        let by_memory = hosts_for(self.held.1, sum(|it| it.has.memory.0));
        u32::try_from(by_cpu.max(by_memory)).unwrap_or(u32::MAX)
    }
}

/// The living tasks of a cluster, by identifier.
pub(super) fn living<'a>(
    state: &'a State,
    cluster: &ClusterName,
) -> impl Iterator<Item = &'a Task> + use<'a> {
    let all = state.indexes().tasks(cluster, Desired::Running).iter();
    all.filter_map(|id| state.task(*id)).map(AsRef::as_ref).filter(|it| is_living(it))
}

pub(super) fn survey(state: &State, cluster: &ClusterName) -> Survey {
    let mut zones: BTreeMap<Zone, ZoneShare> = BTreeMap::new();
    let mut instances = Seats::new();
    for id in state.indexes().instances(cluster) {
        let Some(instance) = state.container_instance(id) else { continue };
        instances.insert(id, instance.zone.clone());
        let share = zones.entry(instance.zone.clone()).or_insert_with(|| none(&instance.zone));
        count(state, instance, share);
    }
    let mut groups: BTreeMap<Group, Tasks> = BTreeMap::new();
    let mut held = (0, 0);
    for task in living(state, cluster) {
        let tasks = groups.entry(task.group.clone()).or_insert_with(|| Tasks {
            scheduling: scheduling(state, task),
            by_zone: zones.keys().map(|it| (it.clone(), 0)).collect(),
            ..Tasks::default()
        });
        tasks.count += 1;
        *tasks.by_zone.entry(task.zone.clone()).or_default() += 1;
        *tasks.by_instance.entry(task.instance).or_default() += 1;
        held.0 += u64::from(task.demand.cpu.0);
        held.1 += u64::from(task.demand.memory.0);
        if let Some(share) = zones.get_mut(&task.zone) {
            share.tasks += 1;
        }
    }
    Survey { zones: zones.into_values().collect(), groups, instances, held }
}

fn none(zone: &Zone) -> ZoneShare {
    let (has, free) = (Room::default(), Room::default());
    ZoneShare { zone: zone.clone(), hosts: 0, resting: 0, tasks: 0, has, free }
}

fn count(state: &State, instance: &ContainerInstance, share: &mut ZoneShare) {
    if !instance.takes_tasks() {
        share.resting += 1;
        return;
    }
    share.hosts += 1;
    let pool = state.capacity().pool(&instance.cluster);
    let host = pool.and_then(|it| it.host_of(instance.id));
    let (cpu, memory) = host.map_or((0, 0), state::capacity::Host::left);
    let has = &instance.resources;
    share.has = plus(share.has, has.cpu, has.memory);
    share.free = plus(share.free, Cpu(cpu), MemoryMib(memory));
}

fn plus(room: Room, cpu: Cpu, memory: MemoryMib) -> Room {
    Room {
        cpu: Cpu(room.cpu.0.saturating_add(cpu.0)),
        memory: MemoryMib(room.memory.0.saturating_add(memory.0)),
    }
}
