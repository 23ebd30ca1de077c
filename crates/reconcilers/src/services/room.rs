//! Wakes services when something beside them has changed: an instance has come, drains, or has let go
//! of a task; a daemon that room was kept for; a balancer, whose word on their targets counts, has come or gone; an alarm that may end
//! their deployment is another one than before.

use core::mem;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use plan::connect;
use plan::services::Snapshot;
use state::capacity::Pool;
use state::{
    Change, Context, Draft, InstanceStatus, Scheduling, Service, ServiceKey, ServiceRevisionKey,
    ServiceStatus, State, Switch,
};
use types::{ClusterName, InstanceId, Timestamp, Zone};

use super::look;
use crate::{Outcome, Reconciler, Subject};

/// Services that one change makes look for a place; the others come by their own time.
const WOKEN_MAX: usize = 16;
/// Changes that one look may need.
const CHANGES_OF_LOOK: usize = 50;

type Services = BTreeMap<ClusterName, BTreeSet<ServiceKey>>;

/// Services that look for a place, and daemons, which look at every instance.
///
/// What is remembered here saves looking at every service when an instance changes; nothing depends
/// on it, for whoever waits also comes back by itself.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    refused: Services,
    daemons: Services,
    /// Daemons that leave a draining instance as the last.
    lasting: Services,
    /// Services whose tasks are moved between zones.
    balanced: Services,
    /// What instances were when they were looked at last; not known of any after a restart.
    statuses: BTreeMap<InstanceId, InstanceStatus>,
    /// Zones that could take tasks when somebody looked last.
    zones: BTreeMap<ClusterName, BTreeSet<Zone>>,
    /// Who is to be looked at next.
    next: BTreeSet<ServiceKey>,
    /// Who is to be looked at later, as a look has found.
    later: BTreeMap<ServiceKey, Timestamp>,
}

/// Notes whether a service waits for a place.
pub(super) fn note(waiting: &Mutex<Waiting>, snapshot: &Snapshot, was_refused: bool) {
    let service = &snapshot.service;
    let is_active = service.status == ServiceStatus::Active;
    let is_daemon = is_active && service.scheduling == Scheduling::Daemon;
    let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    set(&mut waiting.refused, &service.key, is_active && was_refused);
    set(&mut waiting.daemons, &service.key, is_daemon);
    let is_lasting = is_daemon && snapshot.members.iter().any(|it| it.is_draining);
    set(&mut waiting.lasting, &service.key, is_lasting);
    let is_balanced = is_active && service.rebalancing == Switch::On;
    set(&mut waiting.balanced, &service.key, is_balanced);
}

/// A service waits for nothing.
pub(super) fn forget(waiting: &Mutex<Waiting>, key: &ServiceKey) {
    let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    set(&mut waiting.refused, key, false);
    set(&mut waiting.daemons, key, false);
    set(&mut waiting.lasting, key, false);
    set(&mut waiting.balanced, key, false);
}

fn set(services: &mut Services, key: &ServiceKey, belongs: bool) {
    if belongs {
        services.entry(key.cluster.clone()).or_default().insert(key.clone());
    } else if let Some(others) = services.get_mut(&key.cluster) {
        others.remove(key);
        if others.is_empty() {
            services.remove(&key.cluster);
        }
    }
}

/// Looks at services whose neighbourhood has changed.
pub(crate) struct Room {
    /// As for [`super::Services`].
    pub(crate) observed_for: Duration,
    /// Services that look for a place.
    pub(crate) waiting: Arc<Mutex<Waiting>>,
}

impl Reconciler for Room {
    fn name(&self) -> &'static str {
        "services-room"
    }

    fn subjects(&self, _: &State) -> Vec<Subject> {
        // After a restart and in a sweep every service is looked at anyway.
        Vec::new()
    }

    fn woken_by(&self, change: &Change) -> Option<Subject> {
        match change {
            Change::ContainerInstance(id, _) => Some(Subject::Instance(*id)),
            Change::Task(_, Some(it)) if it.released => Some(Subject::Cluster(it.cluster.clone())),
            // Room that was kept for a daemon may be free now.
            Change::Service(key, Some(it)) if it.scheduling == Scheduling::Daemon => {
                Some(Subject::Cluster(key.cluster.clone()))
            }
            Change::Balancer(..) => Some(Subject::Region),
            Change::Alarm(name, _) => Some(Subject::Alarm(name.clone())),
            _ => None,
        }
    }

    fn review(
        &self,
        draft: &mut Draft<'_>,
        subject: &Subject,
        context: &mut Context<'_>,
    ) -> Outcome {
        let services = match subject {
            Subject::Cluster(cluster) => self.refused_in(cluster, context),
            Subject::Instance(id) => self.around(draft.state(), *id, context),
            Subject::Region => checked(draft.state()),
            Subject::Alarm(name) => {
                draft.state().indexes().services_watching(name).cloned().collect()
            }
            Subject::Service(key) => BTreeSet::from([key.clone()]),
            _ => return Outcome::Settled,
        };
        self.waiting().next.extend(services);
        loop {
            let Some(key) = self.waiting().next.pop_first() else { return self.others() };
            match look(draft, &key, self.observed_for, &self.waiting, context) {
                Outcome::Again => drop(self.waiting().later.insert(key, context.now)),
                Outcome::AgainAt(at) => drop(self.waiting().later.insert(key, at)),
                Outcome::Settled | Outcome::Others(_) => {}
            }
            if draft.room() < CHANGES_OF_LOOK {
                return Outcome::Again;
            }
        }
    }
}

/// Services whose tasks balancers check. O(services): balancers come and go rarely.
fn checked(state: &State) -> BTreeSet<ServiceKey> {
    let is_checked = |service: &&Arc<Service>| {
        let mut revisions = service.deployments.iter().filter_map(|it| {
            let key = ServiceRevisionKey { service: service.key.clone(), id: it.revision };
            state.service_revisions().get(&key)
        });
        revisions.any(|it| !it.targets.is_empty())
            || connect::of_service(state, &service.key).next().is_some()
    };
    state.services().values().filter(is_checked).map(|it| it.key.clone()).collect()
}

/// Zones of a cluster where an instance takes tasks. O(zones).
fn zones(state: &State, cluster: &ClusterName) -> BTreeSet<Zone> {
    let zones = state.capacity().pool(cluster).into_iter().flat_map(Pool::zones);
    let open = zones.filter(|it| it.by_memory().descending().next().is_some());
    open.map(|it| it.name().clone()).collect()
}

impl Room {
    /// Whom a look has found something for that is due later.
    fn others(&self) -> Outcome {
        let later = mem::take(&mut self.waiting().later);
        let later: Vec<_> =
            later.into_iter().map(|(key, at)| (Subject::Service(key), at)).collect();
        if later.is_empty() { Outcome::Settled } else { Outcome::Others(later) }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Some of those that wait in a cluster: all, if there are few, else a part that the dice choose.
    fn refused_in(&self, cluster: &ClusterName, context: &mut Context<'_>) -> BTreeSet<ServiceKey> {
        let waiting = self.waiting();
        let mut chosen = waiting.lasting.get(cluster).cloned().unwrap_or_default();
        let Some(services) = waiting.refused.get(cluster) else { return chosen };
        let first = match services.len() {
            many if many > WOKEN_MAX => context.dice.below(many as u64),
            _ => 0,
        };
        let first = usize::try_from(first).unwrap_or(0);
        let woken = services.len().min(WOKEN_MAX);
        chosen.extend(services.iter().cycle().skip(first).take(woken).cloned());
        chosen
    }

    /// Whoever may have to do something when an instance has changed: those that wait in its cluster,
    /// daemons, and those that have to leave it.
    fn around(
        &self,
        state: &State,
        id: InstanceId,
        context: &mut Context<'_>,
    ) -> BTreeSet<ServiceKey> {
        let Some(instance) = state.container_instance(id) else {
            self.waiting().statuses.remove(&id);
            return BTreeSet::new();
        };
        let mut services = self.refused_in(&instance.cluster, context);
        let mut waiting = self.waiting();
        services.extend(waiting.daemons.get(&instance.cluster).into_iter().flatten().cloned());
        let drains = instance.status == InstanceStatus::Draining;
        let before = waiting.statuses.insert(id, instance.status);
        let zones = zones(state, &instance.cluster);
        if waiting.zones.get(&instance.cluster) != Some(&zones) {
            let balanced = waiting.balanced.get(&instance.cluster);
            services.extend(balanced.into_iter().flatten().cloned());
            waiting.zones.insert(instance.cluster.clone(), zones);
        }
        if drains || before != Some(instance.status) {
            let tasks = state.indexes().held_on(id).iter().filter_map(|it| state.task(*it));
            services.extend(tasks.filter_map(|it| it.service_key()));
        }
        services
    }
}
