//! The tables, and the one way to change them.

use std::collections::BTreeMap;
use std::sync::Arc;

use types::{ClusterName, Family, Home, InstanceId, TaskId};

use crate::record::{
    AccessKey, Assignment, Audit, Authority, Balancer, Certificate, Cluster, ContainerInstance,
    FamilyRow, HostedZone, JoinToken, Listener, LoadBalancer, RecordSet, RecordSetKey, RegionRow,
    Revision, Rule, Service, ServiceDeployment, ServiceDeploymentKey, ServiceEvent,
    ServiceEventKey, ServiceKey, ServiceRevision, ServiceRevisionKey, Setting, SettingKey, Target,
    TargetGroup, TargetKey, Task, TaskDefinition, Token, TokenKey,
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
            Change::Region(key, after) => Change::Region(key, swap(&mut self.region, key, after)),
            Change::Cluster(key, after) => {
                let before = swap(&mut self.clusters, key.clone(), after);
                Change::Cluster(key, before)
            }
            Change::Family(key, after) => {
                let before = swap(&mut self.families, key.clone(), after);
                Change::Family(key, before)
            }
            Change::TaskDefinition(key, after) => {
                let before = swap(&mut self.task_definitions, key.clone(), after.clone());
                self.indexes.task_definition(before.as_deref(), after.as_deref());
                Change::TaskDefinition(key, before)
            }
            Change::ContainerInstance(key, after) => {
                let before = swap(&mut self.container_instances, key, after.clone());
                self.indexes.container_instance(before.as_deref(), after.as_deref());
                self.indexes.capacity.container_instance(before.as_ref(), after.as_ref());
                Change::ContainerInstance(key, before)
            }
            Change::Task(key, after) => {
                let before = swap(&mut self.tasks, key, after.clone());
                self.indexes.task(before.as_deref(), after.as_deref());
                Change::Task(key, before)
            }
            Change::Token(key, after) => {
                let before = swap(&mut self.tokens, key.clone(), after.clone());
                self.indexes.token(before.as_deref(), after.as_deref());
                Change::Token(key, before)
            }
            Change::Setting(key, after) => {
                let before = swap(&mut self.settings, key.clone(), after);
                Change::Setting(key, before)
            }
            Change::AccessKey(key, after) => {
                let before = swap(&mut self.access_keys, key.clone(), after.clone());
                self.indexes.access_key(before.as_deref(), after.as_deref());
                Change::AccessKey(key, before)
            }
            Change::JoinToken(key, after) => {
                let before = swap(&mut self.join_tokens, key.clone(), after);
                Change::JoinToken(key, before)
            }
            Change::Audit(key, after) => Change::Audit(key, swap(&mut self.audits, key, after)),
            Change::Assignment(key, after) => {
                Change::Assignment(key, swap(&mut self.assignments, key, after))
            }
            Change::LoadBalancer(key, after) => {
                let before = swap(&mut self.load_balancers, key.clone(), after);
                Change::LoadBalancer(key, before)
            }
            Change::Listener(key, after) => {
                let before = swap(&mut self.listeners, key.clone(), after);
                Change::Listener(key, before)
            }
            Change::Rule(key, after) => {
                let before = swap(&mut self.rules, key.clone(), after.clone());
                self.indexes.rule(before.as_deref(), after.as_deref());
                Change::Rule(key, before)
            }
            Change::TargetGroup(key, after) => {
                let before = swap(&mut self.target_groups, key.clone(), after);
                Change::TargetGroup(key, before)
            }
            Change::Target(key, after) => {
                let before = swap(&mut self.targets, key.clone(), after.clone());
                self.indexes.target(before.as_deref(), after.as_deref());
                Change::Target(key, before)
            }
            Change::Certificate(key, after) => {
                let before = swap(&mut self.certificates, key.clone(), after);
                Change::Certificate(key, before)
            }
            Change::HostedZone(key, after) => {
                let before = swap(&mut self.hosted_zones, key.clone(), after);
                Change::HostedZone(key, before)
            }
            Change::RecordSet(key, after) => {
                let before = swap(&mut self.record_sets, key.clone(), after);
                Change::RecordSet(key, before)
            }
            Change::Balancer(key, after) => {
                let before = swap(&mut self.balancers, key.clone(), after);
                Change::Balancer(key, before)
            }
            Change::Authority(key, after) => {
                Change::Authority(key, swap(&mut self.authority, key, after))
            }
            Change::Service(key, after) => {
                let before = swap(&mut self.services, key.clone(), after.clone());
                self.indexes.service(before.as_deref(), after.as_deref());
                Change::Service(key, before)
            }
            Change::ServiceRevision(key, after) => {
                let before = swap(&mut self.service_revisions, key.clone(), after);
                Change::ServiceRevision(key, before)
            }
            Change::ServiceDeployment(key, after) => {
                let before = swap(&mut self.service_deployments, key.clone(), after);
                Change::ServiceDeployment(key, before)
            }
            Change::ServiceEvent(key, after) => {
                let before = swap(&mut self.service_events, key.clone(), after);
                Change::ServiceEvent(key, before)
            }
        }
    }
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
