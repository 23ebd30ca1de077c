//! What follows from the tables and is kept current, so that no decision scans them.

mod alarms;
mod balancing;
mod crowds;
mod daemons;
mod discovery;
mod services;
mod silence;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use alarms::Alarms;
use balancing::Balancing;
use crowds::Crowds;
pub(crate) use crowds::Seat;
pub use crowds::{Aged, Crowd, Stage};
use daemons::Daemons;
pub use discovery::Discovery;
use services::Services;
use silence::Silence;
use types::{ClusterName, Family, InstanceId, TaskId, Timestamp};

use crate::Capacity;
use crate::record::{
    AccessKey, Alarm, ClassicInstance, ContainerInstance, DefinitionStatus, Desired,
    DiscoveryInstance, DiscoveryService, HostedZone, InstanceStatus, Namespace, Purpose, Revision,
    Rule, Service, ServiceRevision, Status, Target, TargetKey, Task, TaskDefinition, Token,
    TokenKey,
};

/// How many tasks of a cluster or instance are in which state, and how many instances stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Tasks that are neither running nor stopped.
    pub pending: u32,
    /// Tasks that run.
    pub running: u32,
    /// Container instances that are ACTIVE or DRAINING; zero for an instance.
    pub instances: u32,
}

type TaskSet = BTreeSet<TaskId>;

/// Sets of records by what decisions ask for. Every lookup is a logarithm.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Indexes {
    /// Tasks of a cluster by desired status.
    tasks: BTreeMap<(ClusterName, Desired), TaskSet>,
    families: BTreeMap<(ClusterName, Desired, Family), TaskSet>,
    starters: BTreeMap<(ClusterName, Desired, Arc<str>), TaskSet>,
    instance_tasks: BTreeMap<(InstanceId, Desired), TaskSet>,
    /// Tasks that hold resources of an instance.
    held: BTreeMap<InstanceId, TaskSet>,
    stopped: BTreeSet<(Timestamp, TaskId)>,
    instances: BTreeMap<ClusterName, BTreeSet<InstanceId>>,
    machines: BTreeMap<(ClusterName, String), InstanceId>,
    registrations: BTreeMap<(ClusterName, String), InstanceId>,
    definitions: BTreeMap<(DefinitionStatus, Family), BTreeSet<u32>>,
    uses: BTreeMap<Revision, u32>,
    expiring: BTreeSet<(Timestamp, TokenKey)>,
    task_keys: BTreeMap<TaskId, BTreeSet<String>>,
    expiring_keys: BTreeSet<(Timestamp, String)>,
    addresses: BTreeMap<u32, TaskId>,
    balancing: Balancing,
    services: Services,
    discovery: Discovery,
    alarms: Alarms,
    silence: Silence,
    daemons: Daemons,
    pub(crate) crowds: Crowds,
    cluster_counts: BTreeMap<ClusterName, Counts>,
    instance_counts: BTreeMap<InstanceId, Counts>,
    pub(crate) capacity: Capacity,
}

impl Indexes {
    /// What is left where: what placement looks at.
    pub fn capacity(&self) -> &Capacity {
        &self.capacity
    }

    /// Tasks of a cluster with that desired status.
    pub fn tasks(&self, cluster: &ClusterName, desired: Desired) -> &TaskSet {
        self.tasks.get(&(cluster.clone(), desired)).unwrap_or(&NONE)
    }

    /// Tasks of a cluster and family with that desired status.
    pub fn tasks_of_family(
        &self,
        cluster: &ClusterName,
        desired: Desired,
        family: &Family,
    ) -> &TaskSet {
        self.families.get(&(cluster.clone(), desired, family.clone())).unwrap_or(&NONE)
    }

    /// Tasks of a cluster and `startedBy` with that desired status.
    pub fn tasks_started_by(&self, cluster: &ClusterName, desired: Desired, who: &str) -> &TaskSet {
        self.starters.get(&(cluster.clone(), desired, who.into())).unwrap_or(&NONE)
    }

    /// Tasks of an instance with that desired status.
    pub fn tasks_on(&self, instance: InstanceId, desired: Desired) -> &TaskSet {
        self.instance_tasks.get(&(instance, desired)).unwrap_or(&NONE)
    }

    /// Tasks that hold resources of an instance.
    pub fn held_on(&self, instance: InstanceId) -> &TaskSet {
        self.held.get(&instance).unwrap_or(&NONE)
    }

    /// Stopped tasks, the longest stopped first.
    pub fn stopped(&self) -> &BTreeSet<(Timestamp, TaskId)> {
        &self.stopped
    }

    /// Instances of a cluster that are ACTIVE or DRAINING.
    pub fn instances(&self, cluster: &ClusterName) -> impl Iterator<Item = InstanceId> + '_ {
        self.instances.get(cluster).into_iter().flatten().copied()
    }

    /// The instance of a cluster that stands on the machine of that name.
    pub fn on_machine(&self, cluster: &ClusterName, machine: &str) -> Option<InstanceId> {
        self.machines.get(&(cluster.clone(), machine.to_owned())).copied()
    }

    /// The instance of a cluster that remembers a registration with that client token.
    pub fn registered_with(&self, cluster: &ClusterName, token: &str) -> Option<InstanceId> {
        self.registrations.get(&(cluster.clone(), token.to_owned())).copied()
    }

    /// Revisions of a family in that status.
    pub fn revisions(&self, status: DefinitionStatus, family: &Family) -> Option<&BTreeSet<u32>> {
        self.definitions.get(&(status, family.clone()))
    }

    /// Families with a revision in that status, and those revisions, from a family on.
    pub fn families_from(
        &self,
        status: DefinitionStatus,
        from: &Family,
    ) -> impl Iterator<Item = (&Family, &BTreeSet<u32>)> {
        self.definitions
            .range((status, from.clone())..)
            .take_while(move |((it, _), _)| *it == status)
            .map(|((_, family), revisions)| (family, revisions))
    }

    /// How many tasks that have not stopped refer to a task definition.
    pub fn uses(&self, revision: &Revision) -> u32 {
        self.uses.get(revision).copied().unwrap_or(0)
    }

    /// Tokens by the time they are forgotten, the earliest first.
    pub fn expiring(&self) -> &BTreeSet<(Timestamp, TokenKey)> {
        &self.expiring
    }

    /// Access keys made for a task.
    pub fn keys_of(&self, task: TaskId) -> impl Iterator<Item = &String> {
        self.task_keys.get(&task).into_iter().flatten()
    }

    /// Access keys by the time they expire, the earliest first.
    pub fn expiring_keys(&self) -> &BTreeSet<(Timestamp, String)> {
        &self.expiring_keys
    }

    /// The task that holds an address of the VPC.
    pub fn address_holder(&self, address: u32) -> Option<TaskId> {
        self.addresses.get(&address).copied()
    }

    /// Addresses of the VPC that tasks hold, from one on, in order.
    pub fn addresses_from(&self, first: u32) -> impl Iterator<Item = u32> + '_ {
        self.addresses.range(first..).map(|(address, _)| *address)
    }

    /// ARNs of the rules that name a target group.
    pub fn rules_of_group(&self, group: &str) -> impl Iterator<Item = &String> {
        self.balancing.rules_of_group(group)
    }

    /// Targets that drain, by the time that their connections are closed, the earliest first.
    pub fn draining(&self) -> &BTreeSet<(Timestamp, TargetKey)> {
        self.balancing.draining()
    }

    /// An instance that is not INACTIVE by its EC2 id.
    pub fn ec2_instance(&self, id: &str) -> Option<InstanceId> {
        self.balancing.ec2_instance(id)
    }

    /// What names are made of.
    pub fn discovery(&self) -> &Discovery {
        &self.discovery
    }

    /// What a cluster holds.
    pub fn cluster_counts(&self, cluster: &ClusterName) -> Counts {
        self.cluster_counts.get(cluster).copied().unwrap_or_default()
    }

    /// What an instance holds.
    pub fn instance_counts(&self, instance: InstanceId) -> Counts {
        self.instance_counts.get(&instance).copied().unwrap_or_default()
    }

    pub(crate) fn task(&mut self, before: Option<&Task>, after: Option<&Task>) {
        if let Some(task) = before {
            self.forget_task(task);
        }
        if let Some(task) = after {
            self.note_task(task);
        }
        self.services.task(before, after);
        self.capacity.task(before, after);
    }

    fn note_task(&mut self, task: &Task) {
        let id = task.id;
        let of = |it: &Task| (it.cluster.clone(), it.desired);
        self.tasks.entry(of(task)).or_default().insert(id);
        let family = (task.cluster.clone(), task.desired, task.revision.family.clone());
        self.families.entry(family).or_default().insert(id);
        if let Some(who) = &task.started_by {
            let key = (task.cluster.clone(), task.desired, who.as_str().into());
            self.starters.entry(key).or_default().insert(id);
        }
        self.instance_tasks.entry((task.instance, task.desired)).or_default().insert(id);
        if !task.released {
            self.held.entry(task.instance).or_default().insert(id);
        }
        if let Some(interface) = task.interface.as_ref().filter(|_| !task.released) {
            self.addresses.insert(interface.address, id);
        }
        if let Some(at) = task.stopped_at {
            self.stopped.insert((at, id));
        }
        if !task.is_over() {
            *self.uses.entry(task.revision.clone()).or_default() += 1;
        }
        self.count(task, |it| it + 1);
    }

    fn forget_task(&mut self, task: &Task) {
        let id = task.id;
        drop_from(&mut self.tasks, &(task.cluster.clone(), task.desired), &id);
        let family = (task.cluster.clone(), task.desired, task.revision.family.clone());
        drop_from(&mut self.families, &family, &id);
        if let Some(who) = &task.started_by {
            let key = (task.cluster.clone(), task.desired, who.as_str().into());
            drop_from(&mut self.starters, &key, &id);
        }
        drop_from(&mut self.instance_tasks, &(task.instance, task.desired), &id);
        if !task.released {
            drop_from(&mut self.held, &task.instance, &id);
        }
        if let Some(interface) = task.interface.as_ref().filter(|_| !task.released) {
            self.addresses.remove(&interface.address);
        }
        if let Some(at) = task.stopped_at {
            self.stopped.remove(&(at, id));
        }
        if !task.is_over()
            && let Some(uses) = self.uses.get_mut(&task.revision)
        {
            *uses -= 1;
            if *uses == 0 {
                self.uses.remove(&task.revision);
            }
        }
        self.count(task, |it| it - 1);
    }

    fn count(&mut self, task: &Task, step: fn(u32) -> u32) {
        let field: fn(&mut Counts) -> &mut u32 = match task.last {
            Status::Stopped => return,
            it if it.runs() => |it| &mut it.running,
            _ => |it| &mut it.pending,
        };
        let cluster = field(self.cluster_counts.entry(task.cluster.clone()).or_default());
        *cluster = step(*cluster);
        let instance = field(self.instance_counts.entry(task.instance).or_default());
        *instance = step(*instance);
        tidy(&mut self.cluster_counts, &task.cluster);
        tidy(&mut self.instance_counts, &task.instance);
    }

    pub(crate) fn classic_instance(
        &mut self,
        before: Option<&ClassicInstance>,
        after: Option<&ClassicInstance>,
    ) {
        self.balancing.classic_instance(before, after);
    }

    pub(crate) fn container_instance(
        &mut self,
        before: Option<&ContainerInstance>,
        after: Option<&ContainerInstance>,
    ) {
        self.balancing.container_instance(before, after);
        self.silence.container_instance(before, after);
        let standing = |it: &&ContainerInstance| it.status != InstanceStatus::Inactive;
        if let Some(it) = before.filter(standing) {
            drop_from(&mut self.instances, &it.cluster, &it.id);
            if let Some(machine) = &it.machine {
                self.machines.remove(&(it.cluster.clone(), machine.clone()));
            }
            for token in it.registrations.iter().flatten() {
                self.registrations.remove(&(it.cluster.clone(), token.clone()));
            }
            if let Some(counts) = self.cluster_counts.get_mut(&it.cluster) {
                counts.instances -= 1;
            }
            tidy(&mut self.cluster_counts, &it.cluster);
        }
        if let Some(it) = after.filter(standing) {
            self.instances.entry(it.cluster.clone()).or_default().insert(it.id);
            if let Some(machine) = &it.machine {
                self.machines.insert((it.cluster.clone(), machine.clone()), it.id);
            }
            for token in it.registrations.iter().flatten() {
                self.registrations.insert((it.cluster.clone(), token.clone()), it.id);
            }
            self.cluster_counts.entry(it.cluster.clone()).or_default().instances += 1;
        }
    }

    pub(crate) fn rule(&mut self, before: Option<&Rule>, after: Option<&Rule>) {
        self.balancing.rule(before, after);
    }

    pub(crate) fn service(&mut self, before: Option<&Service>, after: Option<&Service>) {
        self.services.service(before, after);
        self.daemons.service(before, after);
    }

    pub(crate) fn service_revision(
        &mut self,
        before: Option<&ServiceRevision>,
        after: Option<&ServiceRevision>,
    ) {
        self.services.revision(before, after);
    }

    pub(crate) fn alarm(&mut self, before: Option<&Alarm>, after: Option<&Alarm>) {
        self.alarms.alarm(before, after);
    }

    pub(crate) fn target(&mut self, before: Option<&Target>, after: Option<&Target>) {
        self.balancing.target(before, after);
    }

    pub(crate) fn hosted_zone(&mut self, before: Option<&HostedZone>, after: Option<&HostedZone>) {
        self.discovery.hosted_zone(before, after);
    }

    pub(crate) fn namespace(&mut self, before: Option<&Namespace>, after: Option<&Namespace>) {
        self.discovery.namespace(before, after);
    }

    pub(crate) fn discovery_service(
        &mut self,
        before: Option<&DiscoveryService>,
        after: Option<&DiscoveryService>,
    ) {
        self.discovery.service(before, after);
    }

    pub(crate) fn discovery_instance(
        &mut self,
        before: Option<&DiscoveryInstance>,
        after: Option<&DiscoveryInstance>,
    ) {
        self.discovery.instance(before, after);
    }

    pub(crate) fn task_definition(
        &mut self,
        before: Option<&TaskDefinition>,
        after: Option<&TaskDefinition>,
    ) {
        if let Some(it) = before {
            let key = (it.status, it.revision.family.clone());
            drop_from(&mut self.definitions, &key, &it.revision.number);
        }
        if let Some(it) = after {
            let key = (it.status, it.revision.family.clone());
            self.definitions.entry(key).or_default().insert(it.revision.number);
        }
    }

    pub(crate) fn token(&mut self, before: Option<&Token>, after: Option<&Token>) {
        if let Some(it) = before {
            self.expiring.remove(&(it.expires_at, it.key.clone()));
        }
        if let Some(it) = after {
            self.expiring.insert((it.expires_at, it.key.clone()));
        }
    }

    pub(crate) fn access_key(&mut self, before: Option<&AccessKey>, after: Option<&AccessKey>) {
        let task = |it: &AccessKey| match it.purpose {
            Purpose::Task { task, .. } => Some(task),
            Purpose::Root | Purpose::Agent(_) | Purpose::Balancer => None,
        };
        if let Some((at, it)) = before.and_then(|it| Some((it.expires_at?, it))) {
            self.expiring_keys.remove(&(at, it.id.clone()));
        }
        if let Some((at, it)) = after.and_then(|it| Some((it.expires_at?, it))) {
            self.expiring_keys.insert((at, it.id.clone()));
        }
        if let Some((it, task)) = before.and_then(|it| Some((it, task(it)?))) {
            drop_from(&mut self.task_keys, &task, &it.id);
        }
        if let Some((it, task)) = after.and_then(|it| Some((it, task(it)?))) {
            self.task_keys.entry(task).or_default().insert(it.id.clone());
        }
    }
}

static NONE: TaskSet = BTreeSet::new();

/// Takes a member out of a set, and the set out of its map once it is empty.
fn drop_from<K: Ord, M: Ord>(map: &mut BTreeMap<K, BTreeSet<M>>, key: &K, member: &M) {
    if let Some(set) = map.get_mut(key) {
        set.remove(member);
        if set.is_empty() {
            map.remove(key);
        }
    }
}

fn tidy<K: Ord, C: PartialEq + Default>(counts: &mut BTreeMap<K, C>, key: &K) {
    if counts.get(key) == Some(&C::default()) {
        counts.remove(key);
    }
}
