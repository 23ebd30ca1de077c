//! The two percentages, at each start and stop of ours, and what protection keeps.

use std::collections::BTreeSet;

use state::{Desired, InstanceStatus, Scheduling, Service, State, StopCode, Task};
use types::InstanceId;

use super::checks::{View, is_healthy};
use super::kept;
use crate::tally::{Tally, Trial};
use crate::violation::{Checked, Invariant, broken};

/// How the reasons begin of stops that protection does not keep off: it is not well, its service was
/// deleted, and a daemon stands where none should be.
const OVERRIDING: [&str; 3] = ["Task ", "Service was deleted", "The container instance is none"];

/// No start takes a service above its upper bound, nor a daemon's instance above one.
pub(super) fn check_starts(
    before: &State,
    view: &View<'_>,
    service: &Service,
    tally: &mut Tally,
) -> Checked {
    let fresh = view.tasks.keys().filter(|it| before.task(**it).is_none()).count();
    if fresh == 0 {
        return Ok(());
    }
    let there = view.tasks.values().filter(|it| !it.is_over());
    if service.scheduling == Scheduling::Daemon {
        tally.count(Trial::DaemonStart, fresh);
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
    tally.note(Trial::Start);
    tally.count(Trial::LastStart, usize::from(there == most));
    Ok(())
}

/// No stop of ours takes healthy tasks below the lower bound, and none but for its health takes a
/// protected one.
pub(super) fn check_stops(
    before: &State,
    view: &View<'_>,
    service: &Service,
    tally: &mut Tally,
) -> Checked {
    let by_us = |it: &&&Task| {
        let stop = it.stop.as_ref();
        let was = before.task(it.id);
        was.is_some_and(|it| it.desired == Desired::Running)
            && stop.is_some_and(|it| it.code == StopCode::ServiceSchedulerInitiated)
    };
    let stopped: Vec<&Task> = view.tasks.values().filter(by_us).copied().collect();
    check_protected(view, service, &stopped, tally)?;
    let was_healthy =
        |it: &Task| before.task(it.id).is_some_and(|it| is_healthy(before, it, view.at));
    if !stopped.iter().any(|it| was_healthy(it)) {
        return Ok(());
    }
    let desired = match service.scheduling {
        Scheduling::Replica => u64::from(service.desired),
        Scheduling::Daemon => places(before, service).len() as u64,
    };
    let least = (desired * u64::from(service.minimum_percent)).div_ceil(100);
    let left = view.tasks.values().filter(|it| is_healthy(before, it, view.at)).count() as u64;
    if left < least {
        let detail = format!("{:?} has {left} healthy tasks left, of {least}", service.key);
        return broken(Invariant::Percentages, detail);
    }
    let (stop, last) = match service.scheduling {
        Scheduling::Replica => (Trial::Stop, Trial::LastStop),
        Scheduling::Daemon => (Trial::DaemonStop, Trial::LastDaemonStop),
    };
    tally.note(stop);
    tally.count(last, usize::from(left == least && least > 0));
    Ok(())
}

fn check_protected(
    view: &View<'_>,
    service: &Service,
    stopped: &[&Task],
    tally: &mut Tally,
) -> Checked {
    let reason = |it: &Task| it.stop.as_ref().map(|it| it.reason.clone()).unwrap_or_default();
    let overrides = |it: &Task| OVERRIDING.iter().any(|how| reason(it).starts_with(how));
    let is_protected = |it: &Task| {
        let until = it.service.as_ref().and_then(|it| it.protected_until);
        until.is_some_and(|it| it > view.at)
    };
    let plainly: Vec<&&Task> = stopped.iter().filter(|it| !overrides(it)).collect();
    if let Some(task) = plainly.iter().find(|it| is_protected(it)) {
        let (id, why) = (task.id, reason(task));
        let detail = format!("task {id} of {:?} is protected and stopped: {why}", service.key);
        return broken(Invariant::Protected, detail);
    }
    for it in view.tasks.values().filter(|it| plainly.iter().any(|other| other.id == it.id)) {
        let moved = reason(it).starts_with("Availability-zone rebalancing");
        tally.count(Trial::Moved, usize::from(moved));
    }
    let beside = view.tasks.values().any(|it| it.desired == Desired::Running && is_protected(it));
    tally.count(Trial::BesideProtected, usize::from(beside && !plainly.is_empty()));
    Ok(())
}

/// Instances that should have a daemon's task.
pub(super) fn places(state: &State, service: &Service) -> BTreeSet<InstanceId> {
    let rows = state.container_instances().values();
    let rows = rows.filter(|it| it.cluster == service.key.cluster);
    let places = rows.filter(|it| it.status == InstanceStatus::Active);
    places.filter(|it| kept::is_able(state, service, it)).map(|it| it.id).collect()
}
