//! What must hold of services at every transaction, reckoned from the rows alone.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use state::{
    Breaker, Change, Desired, Health, Rollout, Scheduling, Service, ServiceKey, ServiceRevisionKey,
    ServiceStatus, State, Status, StopCode, Task, Threshold,
};
use types::{TaskId, Timestamp};

use super::digests::Resolved;
use crate::balancing::{is_in_service, is_reachable};
use crate::region::{Cause, Decided};
use crate::violation::{Checked, Invariant, broken};
use crate::world::World;

/// How long a task without a check has to run before it counts, in this world.
pub(super) const OBSERVED_FOR: Duration = Duration::from_secs(5);

/// What the checks remember.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Revisions that were ever rolled out completely.
    completed: BTreeSet<u64>,
    /// Tasks that failed, by deployment: launches that came to nothing, and those that were
    /// stopped for their health.
    failed: BTreeMap<u64, BTreeSet<TaskId>>,
    /// What tasks were made of.
    resolved: Resolved,
    /// Rollouts that were completed.
    rollouts: u64,
    /// Breakers that tripped.
    trips: u64,
}

/// The rows of one service's tasks as a transaction leaves them.
struct View<'a> {
    tasks: BTreeMap<TaskId, &'a Task>,
    at: Timestamp,
}

impl World {
    /// Checks one transaction against the state it is applied to, before it is.
    pub(crate) fn check_services(&mut self, it: &Decided) -> Checked {
        let before = &self.region.shadow;
        let ledger = &mut self.services.ledger;
        let mut touched = BTreeSet::new();
        for change in &it.transaction.changes {
            match change {
                Change::Service(key, _) => drop(touched.insert(key.clone())),
                Change::Task(_, Some(task)) => touched.extend(task.service_key()),
                _ => {}
            }
        }
        for key in touched {
            ledger.check(before, it, &key)?;
        }
        ledger.resolved.check(before, it, &ledger.failed)?;
        self.ledger.count.rollouts = ledger.rollouts;
        self.ledger.count.trips = ledger.trips;
        Ok(())
    }
}

impl Ledger {
    fn check(&mut self, before: &State, it: &Decided, key: &ServiceKey) -> Checked {
        let row = it.transaction.changes.iter().rev().find_map(|change| match change {
            Change::Service(of, after) if of == key => Some(after.clone()),
            _ => None,
        });
        let was = before.services().get(key);
        let Some(service) = row.unwrap_or_else(|| was.cloned()) else { return Ok(()) };
        let view = view(before, it, key);
        self.note_failures(before, &view);
        if it.cause == Cause::Review {
            if service.status == ServiceStatus::Active {
                check_starts(before, &view, &service)?;
                check_stops(before, &view, &service)?;
            }
            if let Some(was) = was {
                self.check_rollout(was, &service)?;
            }
        }
        Ok(())
    }

    /// Remembers tasks that failed, each once.
    fn note_failures(&mut self, before: &State, view: &View<'_>) {
        for task in view.tasks.values() {
            let Some(membership) = &task.service else { continue };
            let was = before.task(task.id);
            let code = task.stop.as_ref().map(|it| it.code);
            let by_itself = matches!(
                code,
                Some(StopCode::TaskFailedToStart | StopCode::EssentialContainerExited)
            );
            let launch = task.is_over() && by_itself && membership.healthy_at.is_none();
            let ill = code == Some(StopCode::ServiceSchedulerInitiated)
                && was.is_some_and(|it| it.desired == Desired::Running)
                && task.stop.as_ref().is_some_and(|it| it.reason.starts_with("Task "));
            if launch || ill {
                self.failed.entry(membership.deployment).or_default().insert(task.id);
            }
        }
    }

    /// A breaker trips exactly at its threshold, by failures that there were; a rollback goes to the
    /// revision that was completed last.
    fn check_rollout(&mut self, was: &Service, is: &Service) -> Checked {
        let (Some(old), Some(new)) = (was.deployments.first(), is.deployments.first()) else {
            return Ok(());
        };
        if let Some(revision) =
            is.completed_revision.filter(|it| was.completed_revision != Some(*it))
        {
            self.completed.insert(revision);
            self.rollouts += 1;
        }
        let now = is.deployments.iter().find(|it| it.id == old.id);
        let failed =
            now.filter(|it| it.rollout == Rollout::Failed && old.rollout == Rollout::InProgress);
        if let Some(it) = failed.filter(|it| it.reason.contains("tasks failed")) {
            self.trips += 1;
            let wanted = is.breaker.as_ref().map(|it| threshold(it, is.desired));
            // Who lowers a threshold may find that it was passed long ago.
            let exact = wanted.map(|it| it.max(old.failed)) == Some(it.failed);
            if !exact && is.scheduling == Scheduling::Replica {
                let detail =
                    format!("{:?} trips at {} failures, not at {wanted:?}", is.key, it.failed);
                return broken(Invariant::Breaker, detail);
            }
        }
        if let (Some(breaker), Scheduling::Replica) = (&is.breaker, is.scheduling)
            && new.rollout == Rollout::InProgress
            && new.failed > threshold(breaker, is.desired)
        {
            let detail = format!("{:?} goes on after {} failures", is.key, new.failed);
            return broken(Invariant::Breaker, detail);
        }
        let seen = self.failed.get(&new.id).map_or(0, BTreeSet::len);
        if new.failed as usize > seen {
            let detail = format!("{:?} counts {} failures, {seen} happened", is.key, new.failed);
            return broken(Invariant::Breaker, detail);
        }
        if new.id != old.id && was.completed_revision != Some(new.revision) {
            let detail =
                format!("{:?} goes back to a revision that was not completed last", is.key);
            return broken(Invariant::Rollback, detail);
        }
        Ok(())
    }
}

/// The tasks of a service that are not over, as the transaction leaves them, and those it changes.
fn view<'a>(before: &'a State, it: &'a Decided, key: &ServiceKey) -> View<'a> {
    let open = before.indexes().open_tasks(key).iter();
    let mut tasks: BTreeMap<TaskId, &Task> =
        open.filter_map(|it| before.task(*it)).map(|it| (it.id, it.as_ref())).collect();
    for change in &it.transaction.changes {
        if let Change::Task(id, Some(task)) = change
            && task.service_key().as_ref() == Some(key)
        {
            tasks.insert(*id, task.as_ref());
        }
    }
    View { tasks, at: it.at }
}

/// No start takes a service above its upper bound, nor a daemon's instance above one.
fn check_starts(before: &State, view: &View<'_>, service: &Service) -> Checked {
    let is_new = |it: &Task| before.task(it.id).is_none();
    if !view.tasks.values().any(|it| is_new(it)) {
        return Ok(());
    }
    let there = view.tasks.values().filter(|it| !it.is_over());
    if service.scheduling == Scheduling::Daemon {
        let mut instances = BTreeSet::new();
        let doubled = there.map(|it| it.instance).find(|it| !instances.insert(*it));
        return match doubled {
            Some(instance) => {
                let detail = format!("two daemons of {:?} are on {instance}", service.key);
                broken(Invariant::Daemons, detail)
            }
            None => Ok(()),
        };
    }
    let most = u64::from(service.desired) * u64::from(service.maximum_percent) / 100;
    let there = there.count() as u64;
    if there > most {
        let detail = format!("{:?} starts its {there}th task, of {most}", service.key);
        return broken(Invariant::Percentages, detail);
    }
    Ok(())
}

/// No stop of ours takes healthy tasks below the lower bound, and none but for its health takes a
/// protected one.
fn check_stops(before: &State, view: &View<'_>, service: &Service) -> Checked {
    let by_us = |it: &&&Task| {
        let stop = it.stop.as_ref();
        let was = before.task(it.id);
        was.is_some_and(|it| it.desired == Desired::Running)
            && stop.is_some_and(|it| it.code == StopCode::ServiceSchedulerInitiated)
    };
    let stopped: Vec<&Task> = view.tasks.values().filter(by_us).copied().collect();
    for task in &stopped {
        let until = task.service.as_ref().and_then(|it| it.protected_until);
        let scaled = task.stop.as_ref().is_some_and(|it| it.reason.starts_with("Scaling"));
        if scaled && until.is_some_and(|it| it > view.at) {
            let detail = format!("task {} of {:?} is protected and stopped", task.id, service.key);
            return broken(Invariant::Protected, detail);
        }
    }
    let was_healthy =
        |it: &Task| before.task(it.id).is_some_and(|it| is_healthy(before, it, view.at));
    if !stopped.iter().any(|it| was_healthy(it)) || service.scheduling == Scheduling::Daemon {
        return Ok(());
    }
    let least = (u64::from(service.desired) * u64::from(service.minimum_percent)).div_ceil(100);
    let left = view.tasks.values().filter(|it| is_healthy(before, it, view.at)).count() as u64;
    if left < least {
        let detail = format!("{:?} has {left} healthy tasks left, of {least}", service.key);
        return broken(Invariant::Percentages, detail);
    }
    Ok(())
}

fn is_healthy(state: &State, task: &Task, at: Timestamp) -> bool {
    let runs = task.last == Status::Running && task.desired == Desired::Running;
    let proven = task.service.as_ref().is_some_and(|it| it.healthy_at.is_some());
    let old = proven || task.started_at.is_some_and(|it| it.after(OBSERVED_FOR) <= at);
    let checked = task.revision.family.as_str() == "svc-check";
    let well = task.containers.iter().all(|it| it.health == Health::Healthy);
    // A balanced one is observed by its balancers, and for no time besides.
    let balanced =
        plan::services::revision_of(state, task).is_some_and(|it| !it.targets.is_empty());
    runs && is_in_service(state, task) && if checked { well } else { old || balanced }
}

/// As the documentation has it.
fn threshold(breaker: &Breaker, desired: u32) -> u32 {
    let part = |percent: u32| (desired * percent).div_ceil(100);
    match breaker.threshold {
        Threshold::Count(it) => it,
        Threshold::Bounded(percent) => part(percent).clamp(3, 200),
        Threshold::Unbounded(percent) => part(percent).max(1),
    }
}

/// Whether all services are as they should be.
pub(crate) fn unsettled(state: &State) -> Option<String> {
    for service in state.services().values() {
        let name = &service.key.name;
        let tasks = state.indexes().open_tasks(&service.key).len();
        match service.status {
            ServiceStatus::Inactive => continue,
            ServiceStatus::Draining => return Some(format!("service {name} is not gone")),
            ServiceStatus::Active => {}
        }
        let done = service.deployments.len() == 1
            && service.deployments.iter().all(|it| it.rollout == Rollout::Completed);
        let wanted = match service.scheduling {
            Scheduling::Replica => service.desired as usize,
            Scheduling::Daemon => tasks,
        };
        if (!done || tasks != wanted || service.steady_at.is_none())
            && has_room(state, service)
            && is_reachable(state, service)
        {
            let rollouts: Vec<_> = service.deployments.iter().map(|it| it.rollout).collect();
            return Some(format!("service {name} has {tasks} tasks of {wanted}, {rollouts:?}"));
        }
    }
    None
}

/// Whether another task of a service would find a place.
fn has_room(state: &State, service: &Service) -> bool {
    let Some(primary) = service.deployments.first() else { return true };
    let key = ServiceRevisionKey { service: service.key.clone(), id: primary.revision };
    let Some(revision) = state.service_revisions().get(&key) else { return true };
    let launch = plan::services::launch(state, service, revision, primary);
    launch.is_none_or(|it| {
        let placed = plan::placement::choose(state.capacity(), it.request(), 0);
        placed.is_some_and(|placed| {
            plan::launch::kept_for_daemons(state, placed.instance, it.request()).is_none()
        })
    })
}
