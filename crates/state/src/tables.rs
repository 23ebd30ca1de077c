//! The tables, and the one way to change them.

use std::collections::BTreeMap;
use std::sync::Arc;

use types::{ClusterName, Family, Home, InstanceId, TaskId};

use crate::index::Seat;
use crate::record::{
    AccessKey, Alarm, Assignment, Audit, Authority, Balancer, Certificate, ClassicInstance,
    ClassicInstanceKey, ClassicLoadBalancer, Cluster, ConnectEndpoint, ContainerInstance, Desired,
    DiscoveryInstance, DiscoveryInstanceKey, DiscoveryOperation, DiscoveryService, FamilyRow,
    HostedZone, InstanceStatus, JoinToken, Listener, LoadBalancer, Namespace, RecordSet,
    RecordSetKey, RegionRow, Revision, Rule, Service, ServiceDeployment, ServiceDeploymentKey,
    ServiceEvent, ServiceEventKey, ServiceKey, ServiceRevision, ServiceRevisionKey, Setting,
    SettingKey, Target, TargetGroup, TargetHealth, TargetKey, Task, TaskDefinition, Token,
    TokenKey,
};
use crate::{Capacity, Change, Indexes};

/// A record that is kept in a table.
pub trait Table {
    /// What it is found by.
    type Key: Ord + Clone + core::fmt::Debug;

    /// Number of its table in the journal; never reused.
    const NUMBER: u8;

    /// What this record is found by.
    fn key(&self) -> Self::Key;
}

/// Lists the tables once: record, number in the journal, field of the state, key.
macro_rules! tables {
    ($($record:ident = $number:literal, $field:ident: $key:ty, |$it:ident| $value:expr;)*) => {
        $(impl Table for $record {
            type Key = $key;
            const NUMBER: u8 = $number;
            fn key(&self) -> $key {
                let $it = self;
                $value
            }
        })*

        /// Everything the control plane believes.
        #[derive(Debug, Clone)]
        pub struct State {
            home: Home,
            $($field: BTreeMap<$key, Arc<$record>>,)*
            indexes: Indexes,
        }

        impl State {
            /// A region that nothing has happened in yet.
            pub fn new(home: Home) -> Self {
                Self { home, $($field: BTreeMap::new(),)* indexes: Indexes::default() }
            }

            $(
                #[doc = concat!("All records of `", stringify!($record), "`, by key.")]
                pub fn $field(&self) -> &BTreeMap<$key, Arc<$record>> {
                    &self.$field
                }
            )*

            /// Every record as the change that puts it, table by table in order.
            pub fn rows(&self) -> impl Iterator<Item = Change> + '_ {
                core::iter::empty()$(
                    .chain(self.$field.values().map(|it| Change::from(it.clone())))
                )*
            }
        }

        impl PartialEq for State {
            /// Equal tables; the indexes follow from them.
            fn eq(&self, other: &Self) -> bool {
                self.home == other.home $(&& self.$field == other.$field)*
            }
        }
    };
}

tables! {
    RegionRow = 1, region: (), |_it| ();
    Cluster = 2, clusters: ClusterName, |it| it.name.clone();
    FamilyRow = 3, families: Family, |it| it.family.clone();
    TaskDefinition = 4, task_definitions: Revision, |it| it.revision.clone();
    ContainerInstance = 5, container_instances: InstanceId, |it| it.id;
    Task = 6, tasks: TaskId, |it| it.id;
    Token = 7, tokens: TokenKey, |it| it.key.clone();
    Setting = 8, settings: SettingKey, |it| it.key.clone();
    AccessKey = 9, access_keys: String, |it| it.id.clone();
    JoinToken = 10, join_tokens: String, |it| it.id.clone();
    Audit = 11, audits: u64, |it| it.number;
    Assignment = 12, assignments: InstanceId, |it| it.instance;
    LoadBalancer = 20, load_balancers: String, |it| it.arn.clone();
    Listener = 21, listeners: String, |it| it.arn.clone();
    Rule = 22, rules: String, |it| it.arn.clone();
    TargetGroup = 23, target_groups: String, |it| it.arn.clone();
    Target = 24, targets: TargetKey, |it| it.key.clone();
    Certificate = 25, certificates: String, |it| it.arn.clone();
    HostedZone = 26, hosted_zones: String, |it| it.id.clone();
    RecordSet = 27, record_sets: RecordSetKey, |it| it.key.clone();
    Balancer = 28, balancers: String, |it| it.name.clone();
    Authority = 29, authority: (), |_it| ();
    Service = 30, services: ServiceKey, |it| it.key.clone();
    ServiceRevision = 31, service_revisions: ServiceRevisionKey, |it| it.key.clone();
    ServiceDeployment = 32, service_deployments: ServiceDeploymentKey, |it| it.key.clone();
    ServiceEvent = 33, service_events: ServiceEventKey, |it| it.key.clone();
    ConnectEndpoint = 34, connect_endpoints: String, |it| it.arn.clone();
    ClassicLoadBalancer = 35, classic_load_balancers: String, |it| it.name.clone();
    ClassicInstance = 36, classic_instances: ClassicInstanceKey, |it| it.key.clone();
    Namespace = 40, namespaces: String, |it| it.id.clone();
    DiscoveryService = 41, discovery_services: String, |it| it.id.clone();
    DiscoveryInstance = 42, discovery_instances: DiscoveryInstanceKey, |it| it.key.clone();
    DiscoveryOperation = 43, discovery_operations: String, |it| it.id.clone();
    Alarm = 44, alarms: String, |it| it.name.clone();
}

/// Makes a change that indexes follow from, and tells them what was there and what is.
macro_rules! noted {
    ($state:ident, $variant:ident, $table:ident, $index:ident, $key:ident, $after:ident) => {{
        let before = swap(&mut $state.$table, $key.clone(), $after.clone());
        $state.indexes.$index(before.as_deref(), $after.as_deref());
        Change::$variant($key, before)
    }};
}

impl State {
    /// Whose region this is.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// What follows from the tables, kept current.
    pub fn indexes(&self) -> &Indexes {
        &self.indexes
    }

    /// What is left where: what placement looks at.
    pub fn capacity(&self) -> &Capacity {
        self.indexes.capacity()
    }

    /// The indexes as one computes them from the tables: what [`State::indexes`] must equal.
    pub fn recomputed_indexes(&self) -> Indexes {
        let mut fresh = Self::new(self.home.clone());
        for change in self.rows() {
            fresh.apply(change);
        }
        fresh.indexes
    }

    /// A cluster by name.
    pub fn cluster(&self, name: &ClusterName) -> Option<&Arc<Cluster>> {
        self.clusters.get(name)
    }

    /// A task by id.
    pub fn task(&self, id: TaskId) -> Option<&Arc<Task>> {
        self.tasks.get(&id)
    }

    /// A container instance by id.
    pub fn container_instance(&self, id: InstanceId) -> Option<&Arc<ContainerInstance>> {
        self.container_instances.get(&id)
    }

    /// A task definition by family and revision.
    pub fn task_definition(&self, revision: &Revision) -> Option<&Arc<TaskDefinition>> {
        self.task_definitions.get(revision)
    }

    /// Makes one change and answers the change that would take it back.
    ///
    /// Total: any change applies to any state.
    pub fn apply(&mut self, change: Change) -> Change {
        match change {
            Change::Region(key, after) => put(&mut self.region, key, after, Change::Region),
            Change::Cluster(key, after) => put(&mut self.clusters, key, after, Change::Cluster),
            Change::Family(key, after) => put(&mut self.families, key, after, Change::Family),
            Change::TaskDefinition(key, after) => {
                noted!(self, TaskDefinition, task_definitions, task_definition, key, after)
            }
            Change::ContainerInstance(key, after) => {
                let after_drains = after.as_deref().is_some_and(drains);
                let moved = match after_drains == self.is_draining(key) {
                    true => Vec::new(),
                    false => self.indexes.tasks_on(key, Desired::Running).iter().copied().collect(),
                };
                self.seated_anew(&moved, |state| {
                    let before = swap(&mut state.container_instances, key, after.clone());
                    state.indexes.container_instance(before.as_deref(), after.as_deref());
                    state.indexes.capacity.container_instance(before.as_ref(), after.as_ref());
                    Change::ContainerInstance(key, before)
                })
            }
            Change::Task(key, after) => {
                self.seated_anew(&[key], |state| noted!(state, Task, tasks, task, key, after))
            }
            Change::Token(key, after) => noted!(self, Token, tokens, token, key, after),
            Change::Setting(key, after) => put(&mut self.settings, key, after, Change::Setting),
            Change::AccessKey(key, after) => {
                noted!(self, AccessKey, access_keys, access_key, key, after)
            }
            Change::JoinToken(key, after) => {
                put(&mut self.join_tokens, key, after, Change::JoinToken)
            }
            Change::Audit(key, after) => put(&mut self.audits, key, after, Change::Audit),
            Change::Assignment(key, after) => {
                put(&mut self.assignments, key, after, Change::Assignment)
            }
            Change::LoadBalancer(key, after) => {
                put(&mut self.load_balancers, key, after, Change::LoadBalancer)
            }
            Change::Listener(key, after) => put(&mut self.listeners, key, after, Change::Listener),
            Change::Rule(key, after) => noted!(self, Rule, rules, rule, key, after),
            Change::TargetGroup(key, after) => {
                put(&mut self.target_groups, key, after, Change::TargetGroup)
            }
            Change::Target(key, after) => {
                let tasks: Vec<_> = self.indexes.registered_as(&key).iter().copied().collect();
                self.seated_anew(&tasks, |state| noted!(state, Target, targets, target, key, after))
            }
            Change::Certificate(key, after) => {
                put(&mut self.certificates, key, after, Change::Certificate)
            }
            Change::HostedZone(key, after) => {
                noted!(self, HostedZone, hosted_zones, hosted_zone, key, after)
            }
            Change::RecordSet(key, after) => {
                put(&mut self.record_sets, key, after, Change::RecordSet)
            }
            Change::Balancer(key, after) => put(&mut self.balancers, key, after, Change::Balancer),
            Change::Authority(key, after) => {
                put(&mut self.authority, key, after, Change::Authority)
            }
            Change::Service(key, after) => noted!(self, Service, services, service, key, after),
            Change::ServiceRevision(key, after) => {
                noted!(self, ServiceRevision, service_revisions, service_revision, key, after)
            }
            Change::ServiceDeployment(key, after) => {
                put(&mut self.service_deployments, key, after, Change::ServiceDeployment)
            }
            Change::ServiceEvent(key, after) => {
                put(&mut self.service_events, key, after, Change::ServiceEvent)
            }
            Change::ConnectEndpoint(key, after) => {
                put(&mut self.connect_endpoints, key, after, Change::ConnectEndpoint)
            }
            Change::ClassicLoadBalancer(key, after) => {
                put(&mut self.classic_load_balancers, key, after, Change::ClassicLoadBalancer)
            }
            Change::ClassicInstance(key, after) => {
                let tasks = self.indexes.registered_as(&key.as_target());
                let tasks: Vec<_> = tasks.iter().copied().collect();
                self.seated_anew(&tasks, |state| {
                    noted!(state, ClassicInstance, classic_instances, classic_instance, key, after)
                })
            }
            Change::Namespace(key, after) => {
                noted!(self, Namespace, namespaces, namespace, key, after)
            }
            Change::DiscoveryService(key, after) => {
                noted!(self, DiscoveryService, discovery_services, discovery_service, key, after)
            }
            Change::DiscoveryInstance(key, after) => {
                noted!(self, DiscoveryInstance, discovery_instances, discovery_instance, key, after)
            }
            Change::DiscoveryOperation(key, after) => {
                put(&mut self.discovery_operations, key, after, Change::DiscoveryOperation)
            }
            Change::Alarm(key, after) => noted!(self, Alarm, alarms, alarm, key, after),
        }
    }
}

impl State {
    /// Makes a change after which these tasks may be of other crowds.
    fn seated_anew(
        &mut self,
        tasks: &[TaskId],
        change: impl FnOnce(&mut Self) -> Change,
    ) -> Change {
        let before: Vec<_> = tasks.iter().map(|it| self.seat(*it)).collect();
        let undone = change(self);
        for (task, before) in tasks.iter().zip(before) {
            let after = self.seat(*task);
            self.indexes.crowds.moved(before, after);
        }
        undone
    }

    fn seat(&self, task: TaskId) -> Option<Seat> {
        let task = self.tasks.get(&task)?;
        Seat::of(task, self.is_draining(task.instance), |it| self.found_healthy_by(it))
    }

    fn is_draining(&self, instance: InstanceId) -> bool {
        self.container_instances.get(&instance).is_some_and(|it| drains(it))
    }

    /// Balancers that find a target healthy; none if it drains or is not there.
    fn found_healthy_by(&self, key: &TargetKey) -> Vec<String> {
        let (draining, seen) = match ClassicInstanceKey::of(key) {
            Some(key) => match self.classic_instances.get(&key) {
                Some(it) => (it.draining, &it.seen),
                None => return Vec::new(),
            },
            None => match self.targets.get(key) {
                Some(it) => (it.draining, &it.seen),
                None => return Vec::new(),
            },
        };
        let healthy = seen.iter().filter(|it| it.1.health == TargetHealth::Healthy);
        healthy.filter(|_| draining.is_none()).map(|it| it.0.clone()).collect()
    }
}

fn drains(instance: &ContainerInstance) -> bool {
    instance.status == InstanceStatus::Draining
}

/// Makes a change that no index follows from.
fn put<K: Ord + Clone, V>(
    table: &mut BTreeMap<K, Arc<V>>,
    key: K,
    after: Option<Arc<V>>,
    undone: fn(K, Option<Arc<V>>) -> Change,
) -> Change {
    let before = swap(table, key.clone(), after);
    undone(key, before)
}

fn swap<K: Ord, V>(
    table: &mut BTreeMap<K, Arc<V>>,
    key: K,
    after: Option<Arc<V>>,
) -> Option<Arc<V>> {
    match after {
        Some(record) => table.insert(key, record),
        None => table.remove(&key),
    }
}
