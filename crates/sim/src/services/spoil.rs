//! How planted bugs spoil what the scheduler of services has decided.

use state::{
    Change, Demand, Deployment, Desired, DiscoveryHealth, DiscoveryInstance, Draft, Rollout,
    Scheduling, Service, ServiceDeploymentStatus, ServiceKey, State, Status, Stop, StopCode,
    Switch, Task,
};
use types::{TaskId, Timestamp};

use crate::plant::Plant;

/// Spoils a review.
pub(crate) fn tamper(plant: Plant, draft: &mut Draft<'_>, now: Timestamp) {
    match plant {
        Plant::StopsHealthy => {
            let guarded = |it: &Task| {
                let service = it.service_key().and_then(|it| draft.state().services().get(&it));
                service.is_some_and(|it| it.minimum_percent > 0 && it.steady_at.is_some())
            };
            if let Some(task) = changed(draft).into_iter().find(guarded) {
                stop_all(draft, &task, now, |_| true);
            }
        }
        Plant::StopsDaemons => {
            let guarded = |it: &Task| {
                let service = it.service_key().and_then(|it| draft.state().services().get(&it));
                service
                    .is_some_and(|it| it.scheduling == Scheduling::Daemon && it.minimum_percent > 0)
            };
            if let Some(task) = changed(draft).into_iter().find(guarded) {
                stop_all(draft, &task, now, |_| true);
            }
        }
        Plant::StopsProtected => {
            if let Some(task) = changed(draft).first().cloned() {
                stop_all(draft, &task, now, |it| {
                    let until = it.service.as_ref().and_then(|it| it.protected_until);
                    until.is_some_and(|it| it > now)
                });
            }
        }
        Plant::StartsTooMany => double(draft, 10, Scheduling::Replica),
        Plant::DoublesDaemons => double(draft, 1, Scheduling::Daemon),
        Plant::FillsInstances => fill(draft),
        Plant::FollowsTags => {
            for mut task in changed(draft) {
                if task.containers.iter().any(|it| it.pinned_digest.is_some()) {
                    task.containers.iter_mut().for_each(|it| it.pinned_digest = None);
                    draft.change(Change::from(task));
                }
            }
        }
        Plant::CountsTwice => services(draft, |before, after| {
            let (Some(old), Some(new)) =
                (before.deployments.first(), after.deployments.first_mut())
            else {
                return;
            };
            if old.id == new.id && new.failed > old.failed {
                new.failed += 1;
            }
        }),
        Plant::ForgetsFailures => services(draft, |before, after| {
            if let (Some(old), Some(new)) =
                (before.deployments.first(), after.deployments.first_mut())
            {
                new.failed = new.failed.min(old.failed);
            }
        }),
        Plant::CompletesEarly => services(draft, |before, after| {
            let Some(new) = after.deployments.first_mut() else { return };
            let goes_on = |it: &Deployment| it.id == new.id && it.rollout == Rollout::InProgress;
            if new.rollout == Rollout::InProgress && before.deployments.iter().any(goes_on) {
                new.rollout = Rollout::Completed;
                after.completed_revision = Some(new.revision);
            }
        }),
        Plant::ForgetsSpread => services(draft, |_, after| after.rebalancing = Switch::Off),
        Plant::RollsBackAnywhere => {
            let goes_back = draft.changes().iter().any(|it| {
                matches!(it, Change::ServiceDeployment(_, Some(it))
                    if it.status == ServiceDeploymentStatus::RollbackInProgress)
            });
            services(draft, |before, after| {
                let first = after.deployments.first_mut().filter(|_| goes_back);
                if let (Some(new), Some(old)) = (first, before.deployments.first())
                    && new.id != old.id
                {
                    new.revision = old.revision;
                }
            });
        }
        Plant::FailsUnmonitored | Plant::SkipsBakeTime => super::alarms::spoil(plant, draft, now),
        _ => {}
    }
}

/// Spoils where services are found.
pub(crate) fn tamper_names(plant: Plant, draft: &mut Draft<'_>) {
    let state = draft.state();
    let spoilt: Vec<Change> = draft.steps().filter_map(|it| spoilt(plant, state, it)).collect();
    for it in spoilt {
        draft.change(it);
    }
}

/// What is put in the place of a change.
fn spoilt(plant: Plant, state: &State, (after, before): (&Change, &Change)) -> Option<Change> {
    match (plant, after, before) {
        (Plant::KeepsFound, Change::DiscoveryInstance(_, None), Change::DiscoveryInstance(..)) => {
            Some(before.clone())
        }
        (Plant::FindsIll, Change::DiscoveryInstance(_, Some(it)), _) if it.health.is_some() => {
            let health = Some(DiscoveryHealth::Healthy);
            Some(Change::from(DiscoveryInstance { health, ..it.as_ref().clone() }))
        }
        (Plant::ReachesLeaving, Change::Target(_, Some(it)), Change::Target(_, Some(_)))
            if it.draining.is_some() && it.key.group.contains(":service-connect/") =>
        {
            Some(before.clone())
        }
        (Plant::ReachesIll, Change::Target(key, _), Change::Target(_, Some(it)))
            if it.draining.is_none() && key.group.contains(":service-connect/") =>
        {
            let ids = state.indexes().registered_as(key);
            let mut tasks = ids.iter().filter_map(|it| state.task(*it));
            let runs = |it: &Task| (it.last, it.desired) == (Status::Running, Desired::Running);
            tasks.any(|it| runs(it)).then(|| before.clone())
        }
        (Plant::LeavesOut, Change::Target(key, Some(_)), Change::Target(_, None))
            if key.group.contains(":service-connect/") =>
        {
            Some(before.clone())
        }
        _ => None,
    }
}

/// Tasks of services that the review has changed.
fn changed(draft: &Draft<'_>) -> Vec<Task> {
    let rows = draft.changes().iter().filter_map(|it| match it {
        Change::Task(_, Some(task)) if task.service.is_some() => Some(task.as_ref().clone()),
        _ => None,
    });
    rows.collect()
}

fn stop_all(draft: &mut Draft<'_>, of: &Task, now: Timestamp, which: impl Fn(&Task) -> bool) {
    let Some(key) = of.service_key() else { return };
    let open = draft.state().indexes().open_tasks(&key).clone();
    for id in open {
        let Some(task) = draft.state().task(id).cloned() else { continue };
        let runs = task.desired == Desired::Running && task.last == Status::Running;
        if runs && which(&task) {
            let code = StopCode::ServiceSchedulerInitiated;
            let stop = Stop { code, reason: "Scaling activity that nobody wants".into() };
            plan::tasks::ask_to_stop(draft, &task, stop, now);
        }
    }
}

/// A task that is placed where a daemon is yet to come takes everything that is left there.
pub(crate) fn fill(draft: &mut Draft<'_>) {
    let rows = draft.changes().iter().filter_map(|it| match it {
        Change::Task(_, Some(task)) => Some(task.as_ref().clone()),
        _ => None,
    });
    let fresh: Vec<Task> = rows.filter(|it| it.last == Status::Pending).collect();
    for mut task in fresh {
        let state = draft.state();
        let pool = state.capacity().pool(&task.cluster);
        let host = pool.and_then(|pool| Some((pool, pool.host_of(task.instance)?)));
        let Some((pool, host)) = host else { continue };
        let is_there = |it: &ServiceKey| {
            let group = pool.group_named(&format!("service:{}", it.name));
            group.is_some()
                && state.indexes().held_on(task.instance).iter().any(|id| {
                    state.task(*id).is_some_and(|task| task.service_key().as_ref() == Some(it))
                })
        };
        let awaited = state.indexes().daemons(&task.cluster).iter().any(|it| !is_there(it));
        let of_daemon =
            task.service_key().is_some_and(|it| state.indexes().daemons(&it.cluster).contains(&it));
        if awaited && !of_daemon {
            task.demand.cpu.0 += host.left().0;
            draft.change(Change::from(task));
        }
    }
}

/// What a review starts is started more often.
fn double(draft: &mut Draft<'_>, times: u128, scheduling: Scheduling) {
    let fresh = changed(draft).into_iter().find(|it| {
        let service = it.service_key().and_then(|it| draft.state().services().get(&it));
        it.last == Status::Pending && service.is_some_and(|it| it.scheduling == scheduling)
    });
    let Some(task) = fresh else { return };
    for more in 1..=times {
        let id = TaskId::new(task.id.bits() ^ more);
        let demand = Demand { ports: Vec::new(), ..Demand::default() };
        draft.change(Change::from(Task { id, demand, ..task.clone() }));
    }
}

/// Spoils the rows of services that the review has changed.
fn services(draft: &mut Draft<'_>, spoil: impl Fn(&Service, &mut Service)) {
    let rows = draft.steps().filter_map(|(after, before)| match (after, before) {
        (Change::Service(_, Some(after)), Change::Service(_, Some(before))) => {
            Some((before.clone(), after.clone()))
        }
        _ => None,
    });
    let rows: Vec<_> = rows.collect();
    for (before, after) in rows {
        let mut spoiled = after.as_ref().clone();
        spoil(&before, &mut spoiled);
        if spoiled != *after {
            draft.change(Change::from(spoiled));
        }
    }
}
