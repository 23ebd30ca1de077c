//! Gives up the tasks of container instances that stay lost.
//!
//! The lost-instance rule: an instance that is not heard of counts as disconnected (the link's
//! doing) and takes no new tasks; its tasks keep their state and what they hold. After a further
//! wait they are given up: stopped, with a reason that names the instance. What they hold stays
//! held until the instance confirms, returns as a newer incarnation, or is deregistered.
//!
//! Where most instances of a cluster are lost at once that goes slowly (`plan::mass_loss`), and the
//! services that wait for it say so.

use core::ops::Bound;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use plan::mass_loss::{self, Brake};
use plan::services;
use state::{
    Change, ContainerInstance, Context, Desired, Draft, ServiceEventKey, ServiceKey, State, Stop,
    StopCode,
};
use types::{ClusterName, InstanceId, Timestamp};

use crate::{Outcome, Reconciler, Subject};

/// What a given up task changes beside its keys: itself, its token and what its instance is told;
/// and, with the last one, the instance.
const CHANGES_BESIDE_KEYS: usize = 4;

/// What telling a service changes: its event, its row, and the oldest event.
const CHANGES_OF_TELLING: usize = services::CHANGES_OF_EVENT + 1;

/// Keeps the lost-instance rule.
#[derive(Debug)]
pub struct LostInstances {
    /// How long after the disconnection; `None` is never.
    give_up_after: Option<Duration>,
    /// Up to which lost instance services were told that it waits. This saves looking at them
    /// again; nothing depends on it.
    told: Mutex<BTreeMap<ClusterName, (Timestamp, InstanceId)>>,
}

impl LostInstances {
    /// Tasks are given up so long after the disconnection; `None` is never.
    pub fn new(give_up_after: Option<Duration>) -> Self {
        Self { give_up_after, told: Mutex::default() }
    }
}

impl Reconciler for LostInstances {
    fn name(&self) -> &'static str {
        "lost-instances"
    }

    fn subjects(&self, state: &State) -> Vec<Subject> {
        state.indexes().clusters_with_silent().cloned().map(Subject::Cluster).collect()
    }

    fn woken_by(&self, change: &Change) -> Option<Subject> {
        match change {
            // One that comes back may lift the brake.
            Change::ContainerInstance(_, Some(it)) => Some(Subject::Cluster(it.cluster.clone())),
            _ => None,
        }
    }

    fn review(
        &self,
        draft: &mut Draft<'_>,
        subject: &Subject,
        context: &mut Context<'_>,
    ) -> Outcome {
        let (Subject::Cluster(cluster), Some(wait)) = (subject, self.give_up_after) else {
            return Outcome::Settled;
        };
        let now = context.now;
        let Some((id, at)) = mass_loss::next(draft.state(), cluster, wait, now) else {
            return Outcome::Settled;
        };
        if at <= now {
            give_up(draft, id, context);
            return Outcome::Again;
        }
        match mass_loss::brake(draft.state(), cluster, now) {
            Some(brake) => self.tell(draft, &brake, wait, at, context),
            None => Outcome::AgainAt(at),
        }
    }
}

/// Gives up tasks of an instance, as many as a write holds; with the last of them it is noted.
fn give_up(draft: &mut Draft<'_>, id: InstanceId, context: &Context<'_>) {
    let indexes = draft.state().indexes();
    let living: Vec<_> = indexes
        .tasks_on(id, Desired::Running)
        .iter()
        .chain(indexes.tasks_on(id, Desired::Stopped))
        .filter_map(|task| draft.state().task(*task).filter(|it| !it.is_over()).cloned())
        .take(state::CHANGES_MAX)
        .collect();
    for task in living {
        let keys = draft.state().indexes().keys_of(task.id).count();
        if draft.changes().len() + keys + CHANGES_BESIDE_KEYS > state::CHANGES_MAX {
            return;
        }
        let stop = Stop {
            code: StopCode::InfrastructureHealth,
            reason: format!("Container instance {id} was lost: its agent has not been heard of"),
        };
        plan::tasks::give_up(draft, &task, stop, context.now);
    }
    if let Some(it) = draft.state().container_instance(id) {
        let it = ContainerInstance { given_up_at: Some(context.now), ..it.as_ref().clone() };
        draft.change(Change::from(it));
    }
}

impl LostInstances {
    /// Services with tasks on instances whose time has come, and that have to wait, say so once.
    fn tell(
        &self,
        draft: &mut Draft<'_>,
        brake: &Brake,
        wait: Duration,
        at: Timestamp,
        context: &mut Context<'_>,
    ) -> Outcome {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let from = told.get(&brake.cluster).map_or(Bound::Unbounded, |it| Bound::Excluded(*it));
        let silent = draft.state().indexes().silent(&brake.cluster);
        let untold = silent.range((from, Bound::Unbounded)).copied();
        let is_due = |it: &(Timestamp, InstanceId)| it.0.after(wait) <= context.now;
        let due: Vec<_> = untold.clone().take_while(is_due).collect();
        let next = untold.map(|it| it.0.after(wait)).find(|it| *it > context.now);
        for instance in due {
            for service in services_on(draft.state(), instance.1) {
                if draft.room() < CHANGES_OF_TELLING {
                    return Outcome::Again;
                }
                if !was_told(draft.state(), &service, instance.0) {
                    services::say(draft, &service, &brake.to_string(), context);
                }
            }
            told.insert(brake.cluster.clone(), instance);
        }
        Outcome::AgainAt(next.map_or(at, |it| it.min(at)))
    }
}

/// Services that have tasks on an instance. O(its tasks).
fn services_on(state: &State, instance: InstanceId) -> BTreeSet<ServiceKey> {
    let tasks = state.indexes().tasks_on(instance, Desired::Running).iter();
    let open = tasks.filter_map(|it| state.task(*it)).filter(|it| !it.is_over());
    open.filter_map(|it| it.service_key()).collect()
}

/// Whether a service has said since then that its tasks have to wait. O(its events since then).
fn was_told(state: &State, service: &ServiceKey, since: Timestamp) -> bool {
    let key = |number| ServiceEventKey { service: service.clone(), number };
    let newest_first = state.service_events().range(key(0)..=key(u64::MAX)).rev().map(|it| it.1);
    let mut recent = newest_first.take_while(|it| it.at > since);
    recent.any(|it| it.message.contains(mass_loss::SLOWED))
}
