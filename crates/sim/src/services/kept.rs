//! What a daemon needs is kept for it: reckoned from the rows alone.

use std::collections::{BTreeMap, BTreeSet};

use plan::services::{Moment, Room};
use state::{
    Change, ContainerInstance, Demand, InstanceStatus, Rollout, Scheduling, Service,
    ServiceRevisionKey, ServiceStatus, State, Task,
};
use types::{InstanceId, TaskId, Timestamp};

use crate::plant::Plant;
use crate::region::{Cause, Decided};
use crate::tally::{Tally, Trial};
use crate::violation::{Checked, Invariant, broken};

use super::checks::OBSERVED_FOR;

/// What a look at a service leads to is what looking at each of its tasks leads to.
pub(crate) fn check_glances(state: &State, now: Timestamp, plant: Option<Plant>) -> Checked {
    for key in state.services().keys() {
        let one = plan::services::glance(state, key, OBSERVED_FOR, now);
        let other = plan::services::snapshot(state, key, OBSERVED_FOR, now);
        let (Some(mut one), Some(other)) = (one, other) else { continue };
        if plant == Some(Plant::Miscounts) {
            one.crowds.pop();
        }
        for room in [Room::Open, Room::None] {
            let moment = Moment { now, fresh: 1, room };
            if plan::services::step(&one, moment) != plan::services::step(&other, moment) {
                let (crowds, members) = (&one.crowds, &one.members);
                let detail = format!(
                    "a glance at {key:?} leads to another step: {crowds:?} beside {members:?}"
                );
                return broken(Invariant::Indexes, detail);
            }
        }
    }
    Ok(())
}

/// No task that the region places takes what a daemon that is yet to come will need.
pub(crate) fn check_kept(before: &State, it: &Decided, tally: &mut Tally) -> Checked {
    let by_placement = match &it.cause {
        Cause::Review => true,
        Cause::Operation { name, .. } => *name == "RunTask",
        _ => false,
    };
    let daemons: Vec<&Service> =
        before.services().values().map(AsRef::as_ref).filter(|it| is_daemon(it)).collect();
    if !by_placement || daemons.is_empty() {
        return Ok(());
    }
    let changed: BTreeMap<TaskId, Option<&Task>> = it
        .transaction
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::Task(id, after) => Some((*id, after.as_deref())),
            _ => None,
        })
        .collect();
    let fresh = changed.values().flatten().filter(|it| before.task(it.id).is_none());
    let of_daemon = |it: &Task| {
        let service = it.service_key().and_then(|it| before.services().get(&it));
        service.is_some_and(|it| it.scheduling == Scheduling::Daemon)
    };
    let instances: BTreeSet<InstanceId> =
        fresh.filter(|it| !of_daemon(it)).map(|it| it.instance).collect();
    for id in instances {
        check_instance(before, &changed, &daemons, id, tally)?;
    }
    Ok(())
}

fn check_instance(
    before: &State,
    changed: &BTreeMap<TaskId, Option<&Task>>,
    daemons: &[&Service],
    id: InstanceId,
    tally: &mut Tally,
) -> Checked {
    let Some(row) = before.container_instance(id) else { return Ok(()) };
    if row.status != InstanceStatus::Active {
        return Ok(());
    }
    let unchanged = before.indexes().held_on(id).iter().filter(|it| !changed.contains_key(it));
    let unchanged = unchanged.filter_map(|it| before.task(*it)).map(AsRef::as_ref);
    let others = changed.values().flatten().copied().filter(|it| it.instance == id && !it.released);
    let held: Vec<&Task> = unchanged.chain(others).collect();
    let used = held.iter().fold((0, 0), |sum, it| plus(sum, &it.demand));
    let missing = daemons.iter().filter(|daemon| {
        let of_it = |it: &&Task| it.service_key().as_ref() == Some(&daemon.key);
        !held.iter().copied().any(|it| of_it(&it))
    });
    let needed = missing.filter_map(|it| {
        let able = is_able(before, it, row);
        let definition = definition(before, it)?;
        let fits = definition.demand.cpu <= row.resources.cpu
            && definition.demand.memory <= row.resources.memory;
        (able && fits).then_some(&definition.demand)
    });
    let all = needed.fold(used, plus);
    tally.count(Trial::BesideDaemon, usize::from(all != used));
    let (cpu, memory) = (u64::from(row.resources.cpu.0), u64::from(row.resources.memory.0));
    if all.0 <= cpu && all.1 <= memory {
        return Ok(());
    }
    let detail = format!(
        "with what daemons need, {all:?} of {:?} CPU units and MiB are taken on {id}",
        (cpu, memory)
    );
    broken(Invariant::Daemons, detail)
}

fn plus(sum: (u64, u64), it: &Demand) -> (u64, u64) {
    (sum.0 + u64::from(it.cpu.0), sum.1 + u64::from(it.memory.0))
}

fn is_daemon(it: &Service) -> bool {
    it.scheduling == Scheduling::Daemon
        && it.status == ServiceStatus::Active
        && it.deployments.first().is_some_and(|it| it.rollout != Rollout::Failed)
}

/// Whether an instance can do what a service's newest tasks need, be there room or not.
pub(super) fn is_able(state: &State, service: &Service, row: &ContainerInstance) -> bool {
    let definition = definition(state, service);
    definition.is_some_and(|it| it.requires.iter().all(|it| row.attributes.contains_key(it)))
}

fn definition<'a>(state: &'a State, service: &Service) -> Option<&'a state::TaskDefinition> {
    let primary = service.deployments.first()?;
    let key = ServiceRevisionKey { service: service.key.clone(), id: primary.revision };
    let revision = state.service_revisions().get(&key)?;
    state.task_definition(&revision.definition).map(AsRef::as_ref)
}
