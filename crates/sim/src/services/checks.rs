//! What must hold of services at every transaction, reckoned from the rows alone.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use state::{Change, Desired, Health, ServiceKey, ServiceStatus, State, Status, StopCode, Task};
use types::{TaskId, Timestamp};

use super::bounds;
use super::digests::Resolved;
use crate::balancing::is_in_service;
use crate::region::{Cause, Decided};
use crate::tally::{Tally, Trial};
use crate::violation::Checked;
use crate::world::World;

/// How long a task without a check has to run before it counts, in this world.
pub(super) const OBSERVED_FOR: Duration = Duration::from_secs(5);

/// What the checks remember.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Revisions that were ever rolled out completely.
    pub(super) completed: BTreeSet<u64>,
    /// Tasks that failed, by deployment: launches that came to nothing, and those that were
    /// stopped for their health.
    pub(super) failed: BTreeMap<u64, BTreeSet<TaskId>>,
    /// What tasks were made of.
    resolved: Resolved,
}

/// The rows of one service's tasks as a transaction leaves them.
pub(super) struct View<'a> {
    pub(super) tasks: BTreeMap<TaskId, &'a Task>,
    pub(super) at: Timestamp,
}

impl World {
    /// Checks one transaction against the state it is applied to, before it is.
    pub(crate) fn check_services(&mut self, it: &Decided) -> Checked {
        let before = &self.region.shadow;
        let (ledger, tally) = (&mut self.services.ledger, &mut self.ledger.count.tried);
        let mut touched = BTreeSet::new();
        for change in &it.transaction.changes {
            match change {
                Change::Service(key, _) => drop(touched.insert(key.clone())),
                Change::Task(_, Some(task)) => touched.extend(task.service_key()),
                _ => {}
            }
        }
        for key in touched {
            ledger.check(before, it, &key, tally)?;
        }
        ledger.resolved.check(before, it, &ledger.failed, tally)
    }
}

impl Ledger {
    fn check(
        &mut self,
        before: &State,
        it: &Decided,
        key: &ServiceKey,
        tally: &mut Tally,
    ) -> Checked {
        let row = it.transaction.changes.iter().rev().find_map(|change| match change {
            Change::Service(of, after) if of == key => Some(after.clone()),
            _ => None,
        });
        let was = before.services().get(key);
        let Some(service) = row.unwrap_or_else(|| was.cloned()) else { return Ok(()) };
        let view = view(before, it, key);
        self.note_failures(before, &view, tally);
        if it.cause != Cause::Review {
            return Ok(());
        }
        if service.status == ServiceStatus::Active {
            bounds::check_starts(before, &view, &service, tally)?;
            bounds::check_stops(before, &view, &service, tally)?;
        }
        match was {
            Some(was) => self.check_rollout(before, it, &view, (was, &service), tally),
            None => Ok(()),
        }
    }

    /// Remembers tasks that failed, each once.
    fn note_failures(&mut self, before: &State, view: &View<'_>, tally: &mut Tally) {
        for task in view.tasks.values() {
            let Some(membership) = &task.service else { continue };
            let was = before.task(task.id);
            let code = task.stop.as_ref().map(|it| it.code);
            if code == Some(StopCode::InfrastructureHealth) && was.is_some_and(|it| !it.is_over()) {
                tally.note(Trial::Lost);
            }
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

/// Whether a task counts.
pub(super) fn is_healthy(state: &State, task: &Task, at: Timestamp) -> bool {
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
