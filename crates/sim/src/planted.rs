//! How planted bugs spoil what an operation has decided.

use plan::routing::RoutingTable;
use plan::session::ToAgent;
use state::{Change, Desired, Draft, InstanceStatus, State, Status, Task};
use store::Core;
use types::Timestamp;

use crate::holdings::CHANGES_MAX;
use crate::plant::Plant;

/// Spoils a decision within its transaction.
pub(crate) fn tamper(plant: Option<Plant>, operation: &str, draft: &mut Draft<'_>) {
    let Some(plant) = plant else { return };
    match (plant, operation) {
        (Plant::FreesEarly, "StopTask") => each(draft, |it| {
            it.released |= it.desired == Desired::Stopped;
        }),
        (Plant::ForgetsToken | Plant::TokenApart, "RunTask") => {
            for key in tokens(draft) {
                draft.change(Change::Token(key, None));
            }
        }
        (Plant::SkipsAudit, "StopTask") => {
            let newest = draft.state().audits().last_key_value().map(|(number, _)| *number);
            if let Some(number) = newest {
                draft.change(Change::Audit(number, None));
            }
        }
        (Plant::MovesBack, "StopTask") => each(draft, |it| {
            if it.last == Status::Running {
                it.last = Status::Pending;
            }
        }),
        (Plant::SameVersion, "StopTask") => each(draft, |it| {
            it.version = it.version.saturating_sub(1);
        }),
        (Plant::Moves, "StopTask") => move_to(draft, |_, _, _| true),
        (Plant::Overcommits, "RunTask") => {
            let first = draft.state().container_instances().keys().next().copied();
            move_to(draft, |state, it, task| Some(it.id) == first && can(state, it, task));
        }
        (Plant::PlacesAnywhere, "RunTask") => {
            move_to(draft, |state, it, task| {
                let fits = it.resources.cpu >= task.demand.cpu
                    && it.resources.memory >= task.demand.memory
                    && state.indexes().held_on(it.id).is_empty();
                fits && (!it.connected || it.status == InstanceStatus::Draining)
            });
        }
        (Plant::IgnoresConstraint, "RunTask") => move_to(draft, |state, it, task| {
            let bound = task.started_by.as_deref() == Some("ssd") && task.demand.gpus == 0;
            let fits = it.resources.cpu >= task.demand.cpu
                && it.resources.memory >= task.demand.memory
                && state.indexes().held_on(it.id).is_empty();
            let stands = it.connected && it.status == InstanceStatus::Active;
            bound && fits && stands && !it.attributes.contains_key("disk")
        }),
        (Plant::FillsInstances, "RunTask") => crate::services::fill(draft),
        (Plant::SharesAddress, "RunTask") => {
            let mut held = draft.state().tasks().values().filter(|it| !it.released);
            if let Some(address) = held.find_map(|it| Some(it.interface.as_ref()?.address)) {
                each(draft, |it| it.interface.iter_mut().for_each(|it| it.address = address));
            }
        }
        (Plant::LacksInterface, "RunTask") => each(draft, |it| it.interface = None),
        (Plant::MovesInterface, "StopTask") => {
            each(draft, |it| it.interface.iter_mut().for_each(|it| it.id.push('0')));
        }
        (Plant::SharesGpu, "RunTask") => each(draft, |it| {
            for gpu in it.containers.iter_mut().flat_map(|it| &mut it.gpus) {
                gpu.replace_range(gpu.len() - 1.., "0");
            }
        }),
        (Plant::IgnoresCapability, "RunTask") => move_to(draft, |state, it, task| {
            let definition = state.task_definition(&task.revision);
            definition.is_some()
                && !can(state, it, task)
                && it.connected
                && it.status == InstanceStatus::Active
        }),
        (Plant::Unbounded, "StopTask") => {
            for before in tasks(draft) {
                for _ in 0..CHANGES_MAX {
                    draft.change(Change::from(before.clone()));
                }
            }
        }
        (Plant::ReapsEarly, "StopTask") => {
            let over = |it: &&std::sync::Arc<Task>| it.is_over() && it.released;
            let first = draft.state().tasks().values().find(over).map(|it| it.id);
            if let Some(id) = first {
                draft.change(Change::Task(id, None));
            }
        }
        _ => {}
    }
}

/// Spoils what an agent is told.
pub(crate) fn tamper_told(plant: Option<Plant>, message: &mut ToAgent) {
    if let ToAgent::Payload(payload) = message
        && plant == Some(Plant::ForgetsGpus)
    {
        payload.tasks.iter_mut().flatten().for_each(|it| it.associations = None);
    }
}

/// Spoils what a balancer makes of a table.
pub(crate) fn tamper_served(plant: Option<Plant>, table: &mut RoutingTable) {
    if plant == Some(Plant::ForgetsDraining) {
        let targets = table.groups.iter_mut().flat_map(|it| &mut it.targets);
        targets.for_each(|it| it.draining = None);
    }
}

/// Whose report it is.
pub(crate) fn tamper_name(plant: Option<Plant>, state: &State, name: &str) -> String {
    let first = state.balancers().keys().next().filter(|_| plant == Some(Plant::MixesReports));
    first.map_or_else(|| name.to_owned(), Clone::clone)
}

/// Whether nobody hears of a change.
pub(crate) fn is_unheard(plant: Option<Plant>, change: &Change) -> bool {
    match plant {
        Some(Plant::WakesNobody) => matches!(change, Change::ContainerInstance(..)),
        Some(Plant::SleepsThroughAlarms) => matches!(change, Change::Alarm(..)),
        Some(Plant::KeepsServices) => {
            matches!(change, Change::Task(_, Some(it)) if it.service.is_some())
        }
        Some(Plant::KeepsTargets) => matches!(change, Change::Target(..) | Change::Balancer(..)),
        // Who hears of what is spoilt would put it right at once.
        Some(Plant::KeepsFound | Plant::FindsIll) => {
            matches!(change, Change::DiscoveryInstance(..))
        }
        Some(Plant::ReachesLeaving | Plant::LeavesOut | Plant::ReachesIll) => {
            matches!(change, Change::Target(..))
        }
        _ => false,
    }
}

/// Spoils what a reconciler has decided.
pub(crate) fn tamper_review(plant: Option<Plant>, draft: &mut Draft<'_>, now: Timestamp) {
    if plant == Some(Plant::LetsGoEarly) {
        each(draft, |it| {
            if it.last == Status::Deactivating {
                it.last = Status::Stopping;
            }
        });
    }
    if plant == Some(Plant::KeepsEnded) {
        let kept: Vec<Change> = draft.steps().filter_map(|it| registration(it.0, it.1)).collect();
        for it in kept {
            draft.change(it);
        }
    }
    if plant == Some(Plant::FreesLost) {
        each(draft, |it| it.released |= it.is_over());
    }
    if let Some(plant) = plant {
        crate::losses::tamper(plant, draft, now);
    }
    if let Some(plant) = plant.filter(|it| it.is_of_names()) {
        crate::services::tamper_names(plant, draft);
    } else if let Some(plant) = plant.filter(|it| it.is_of_services()) {
        crate::services::tamper(plant, draft, now);
    }
}

/// What puts a target back that is taken away without draining.
fn registration(change: &Change, inverse: &Change) -> Option<Change> {
    match (change, inverse) {
        (Change::Target(_, None), Change::Target(_, Some(it))) if it.draining.is_none() => {
            it.service.as_ref().map(|_| inverse.clone())
        }
        _ => None,
    }
}

/// Spoils a decision by a second transaction.
pub(crate) fn tamper_after(plant: Option<Plant>, operation: &str, core: &mut Core, seen: usize) {
    if plant != Some(Plant::TokenApart) || operation != "RunTask" {
        return;
    }
    let fresh = core.fresh().iter().skip(seen).flat_map(|it| &it.changes);
    let tokens: Vec<_> =
        fresh.filter(|it| matches!(it, Change::Token(_, Some(_)))).cloned().collect();
    for token in tokens {
        core.write(state::Caller::region(), 0, |draft, _| draft.change(token));
    }
}

fn tasks(draft: &Draft<'_>) -> Vec<Task> {
    let mut all: Vec<_> = draft
        .changes()
        .iter()
        .filter_map(|it| match it {
            Change::Task(id, Some(_)) => draft.state().task(*id).map(|it| it.as_ref().clone()),
            _ => None,
        })
        .collect();
    all.dedup_by_key(|it| it.id);
    all
}

fn each(draft: &mut Draft<'_>, spoil: impl Fn(&mut Task)) {
    for before in tasks(draft) {
        let mut after = before.clone();
        spoil(&mut after);
        if after != before {
            draft.change(Change::from(after));
        }
    }
}

fn move_to(
    draft: &mut Draft<'_>,
    whither: impl Fn(&state::State, &state::ContainerInstance, &Task) -> bool,
) {
    for task in tasks(draft) {
        let all = draft.state().container_instances().values();
        let other = all
            .filter(|it| it.id != task.instance && it.status != InstanceStatus::Inactive)
            .find(|it| whither(draft.state(), it, &task))
            .map(|it| it.id);
        if let Some(instance) = other {
            draft.change(Change::from(Task { instance, ..task }));
        }
    }
}

/// Whether an instance has the capabilities that a task needs.
fn can(state: &state::State, it: &state::ContainerInstance, task: &Task) -> bool {
    let definition = state.task_definition(&task.revision);
    definition
        .is_some_and(|wants| wants.requires.iter().all(|name| it.attributes.contains_key(name)))
}

fn tokens(draft: &Draft<'_>) -> Vec<state::TokenKey> {
    let all = draft.changes().iter().filter_map(|it| match it {
        Change::Token(key, Some(_)) => Some(key.clone()),
        _ => None,
    });
    all.collect()
}
