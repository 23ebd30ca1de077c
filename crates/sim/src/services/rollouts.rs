//! What becomes of deployments: failures are counted and trip a breaker, a rollback goes back to
//! what was completed last, and nothing is complete before it is.

use std::collections::BTreeSet;

use state::{
    Breaker, Change, Deployment, Desired, InstanceStatus, Rollout, Scheduling, Service,
    ServiceDeployment, ServiceDeploymentStatus, ServiceStatus, State, StopCode, Task, Threshold,
};

use super::checks::{Ledger, View, is_healthy};
use crate::region::Decided;
use crate::tally::{Tally, Trial};
use crate::violation::{Checked, Invariant, broken};

/// Exit codes of what was killed from outside: that says nothing of the program.
const KILLED: [i32; 2] = [137, 143];

impl Ledger {
    /// A breaker trips exactly at its threshold, by failures that there were; a rollback goes to the
    /// revision that was completed last; what is complete is so.
    pub(super) fn check_rollout(
        &mut self,
        before: &State,
        it: &Decided,
        view: &View<'_>,
        (was, is): (&Service, &Service),
        tally: &mut Tally,
    ) -> Checked {
        let (Some(old), Some(new)) = (was.deployments.first(), is.deployments.first()) else {
            return Ok(());
        };
        check_trip(is, old, tally)?;
        check_counted(before, view, was, (old, new), tally)?;
        let seen = self.failed.get(&new.id).map_or(0, BTreeSet::len);
        if new.failed as usize > seen {
            let detail = format!("{:?} counts {} failures, {seen} happened", is.key, new.failed);
            return broken(Invariant::Breaker, detail);
        }
        self.check_completed(before, view, was, is, tally)?;
        self.check_back(before, it, (was, is), tally)
    }

    /// A rollout is complete when nothing but its tasks is left, all of them count, and there are as
    /// many as are desired.
    fn check_completed(
        &mut self,
        before: &State,
        view: &View<'_>,
        was: &Service,
        is: &Service,
        tally: &mut Tally,
    ) -> Checked {
        let Some(new) = is.deployments.first().filter(|it| it.rollout == Rollout::Completed) else {
            return Ok(());
        };
        let before_it = was.deployments.first().filter(|it| it.id == new.id);
        if before_it.is_some_and(|it| it.rollout == Rollout::Completed) {
            return Ok(());
        }
        // Who is complete may begin at once to move tasks to another zone.
        let is_there = |it: &&&Task| !it.is_over() && before.task(it.id).is_some();
        let there: Vec<&Task> = view.tasks.values().filter(is_there).copied().collect();
        let counts = |it: &Task| {
            let of_it = it.service.as_ref().is_some_and(|it| it.deployment == new.id);
            of_it && is_healthy(before, it, view.at)
        };
        let wrong = there.iter().find(|it| !counts(it));
        let is_all = is.scheduling == Scheduling::Daemon || there.len() == is.desired as usize;
        if wrong.is_some() || !is_all || is.completed_revision != Some(new.revision) {
            let (count, wrong) = (there.len(), wrong.map(|it| it.id));
            let detail = format!(
                "{:?} is complete with {count} tasks of {}, of which {wrong:?} does not count",
                is.key, is.desired
            );
            return broken(Invariant::Completed, detail);
        }
        self.completed.insert(new.revision);
        tally.note(Trial::Rollout);
        Ok(())
    }

    /// A rollback begins with the revision that was completed last, and ends with it.
    fn check_back(
        &self,
        before: &State,
        it: &Decided,
        (was, is): (&Service, &Service),
        tally: &mut Tally,
    ) -> Checked {
        let (Some(old), Some(new)) = (was.deployments.first(), is.deployments.first()) else {
            return Ok(());
        };
        if new.id != old.id {
            let last = was.completed_revision.filter(|it| self.completed.contains(it));
            if last != Some(new.revision) {
                let detail =
                    format!("{:?} goes back to a revision that was not completed last", is.key);
                return broken(Invariant::Rollback, detail);
            }
            tally.note(Trial::GoingBack);
        }
        let done = ServiceDeploymentStatus::RollbackSuccessful;
        let ended = it.transaction.changes.iter().find_map(|it| match it {
            Change::ServiceDeployment(key, Some(row)) if key.service == is.key => Some((key, row)),
            _ => None,
        });
        let ended = ended.filter(|(key, row)| {
            let was = before.service_deployments().get(*key).map(|it| it.status);
            row.status == done && was != Some(done)
        });
        let Some((_, row)) = ended else { return Ok(()) };
        if !is_back(row, is) {
            let detail = format!("{:?} ends a rollback elsewhere than it began", is.key);
            return broken(Invariant::Rollback, detail);
        }
        tally.note(Trial::Back);
        Ok(())
    }
}

fn is_back(row: &ServiceDeployment, is: &Service) -> bool {
    let back = row.rollback.as_ref().map(|it| it.revision);
    let runs = is.deployments.first().map(|it| it.revision);
    back.is_some() && back == runs && back == is.completed_revision
}

/// Whoever trips has failed as often as it may, and no more often.
fn check_trip(is: &Service, old: &Deployment, tally: &mut Tally) -> Checked {
    let now = is.deployments.iter().find(|it| it.id == old.id);
    let failed =
        now.filter(|it| it.rollout == Rollout::Failed && old.rollout == Rollout::InProgress);
    let Some(it) = failed.filter(|it| it.reason.contains("tasks failed")) else { return Ok(()) };
    tally.note(Trial::Trip);
    let wanted = is.breaker.as_ref().map(|it| threshold(it, is.desired));
    // Who lowers a threshold may find that it was passed long ago.
    let exact = wanted.map(|it| it.max(old.failed)) == Some(it.failed);
    if !exact && is.scheduling == Scheduling::Replica {
        let detail = format!("{:?} trips at {} failures, not at {wanted:?}", is.key, it.failed);
        return broken(Invariant::Breaker, detail);
    }
    Ok(())
}

/// Each failure that is taken into account counts once, up to the threshold.
fn check_counted(
    before: &State,
    view: &View<'_>,
    was: &Service,
    (old, new): (&Deployment, &Deployment),
    tally: &mut Tally,
) -> Checked {
    let mine = |it: &&&Task| it.service.as_ref().is_some_and(|it| it.deployment == old.id);
    let mine: Vec<(&Task, Option<&Task>)> = view
        .tasks
        .values()
        .filter(mine)
        .map(|it| (*it, before.task(it.id).map(AsRef::as_ref)))
        .collect();
    let noted = |task: &Task| task.service.as_ref().and_then(|it| it.settled_at).is_some();
    let settled = mine.iter().filter(|(is, was)| {
        noted(is) && was.is_some_and(|was| !noted(was)) && is_failed_launch(is)
    });
    let settled = settled.count();
    let ill = || mine.iter().filter(|(is, was)| is_stopped_for_health(is, *was));
    let drains = |it: &Task| {
        let row = before.container_instance(it.instance);
        row.is_some_and(|it| it.status == InstanceStatus::Draining)
    };
    // One that has to leave its instance anyway is not held against the version.
    let sure = ill().filter(|(is, _)| !drains(is)).count();
    if settled + sure == 0 || was.scheduling != Scheduling::Replica {
        return Ok(());
    }
    tally.note(Trial::Failure);
    let is_proven = |task: &Task| task.service.as_ref().and_then(|it| it.healthy_at).is_some();
    let forgives = mine.iter().any(|(is, was)| is_proven(is) && !was.is_some_and(is_proven));
    let goes_on =
        new.id == old.id && old.rollout == Rollout::InProgress && new.rollout != Rollout::Completed;
    if !goes_on || forgives {
        return Ok(());
    }
    let most = was.breaker.as_ref().map_or(u32::MAX, |it| threshold(it, was.desired));
    let counted = |more: usize| {
        let all = old.failed.saturating_add(u32::try_from(more).unwrap_or(u32::MAX));
        all.min(most.max(old.failed))
    };
    let (least, most) = (counted(settled + sure), counted(settled + ill().count()));
    if !(least..=most).contains(&new.failed) {
        let detail = format!(
            "{:?} had {} failures, {settled} launches and {sure} ill tasks more, and counts {}",
            was.key, old.failed, new.failed
        );
        return broken(Invariant::Breaker, detail);
    }
    Ok(())
}

/// It ended by itself before it ever counted.
fn is_failed_launch(task: &Task) -> bool {
    let code = task.stop.as_ref().map(|it| it.code);
    let by_itself =
        matches!(code, Some(StopCode::TaskFailedToStart | StopCode::EssentialContainerExited));
    let proven = task.service.as_ref().is_some_and(|it| it.healthy_at.is_some());
    let killed =
        || task.containers.iter().any(|it| it.exit_code.is_some_and(|it| KILLED.contains(&it)));
    task.is_over() && by_itself && !proven && (task.started_at.is_none() || !killed())
}

fn is_stopped_for_health(is: &Task, was: Option<&Task>) -> bool {
    let stop = is.stop.as_ref().filter(|it| it.code == StopCode::ServiceSchedulerInitiated);
    was.is_some_and(|it| it.desired == Desired::Running)
        && stop.is_some_and(|it| it.reason.starts_with("Task "))
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

/// Where no review is due: nobody goes on who has failed as often as it may.
pub(crate) fn check_tripped(state: &State) -> Checked {
    for service in state.services().values().filter(|it| it.status == ServiceStatus::Active) {
        let (Some(breaker), Some(primary)) = (&service.breaker, service.deployments.first()) else {
            continue;
        };
        if service.scheduling == Scheduling::Replica
            && primary.rollout == Rollout::InProgress
            && primary.failed >= threshold(breaker, service.desired)
        {
            let detail = format!("{:?} goes on after {} failures", service.key, primary.failed);
            return broken(Invariant::Breaker, detail);
        }
    }
    Ok(())
}
