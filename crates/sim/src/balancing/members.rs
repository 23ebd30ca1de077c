//! What must hold of services' tasks in target groups: they are in for as long as they run, and
//! none is stopped before it is out.

use plan::routing::attributes::GroupAttributes;
use plan::services::{Registration, registrations, revision_of};
use plan::targets;
use state::{
    Change, Desired, Service, ServiceRevisionKey, State, Status, Target, TargetGroup, TargetHealth,
    TargetKey, Task,
};
use types::{TaskId, Timestamp};

use crate::region::Decided;
use crate::tally::Trial;
use crate::violation::{Checked, Invariant, broken};
use crate::world::World;

impl World {
    /// One transaction, before it is applied: no task goes on to its end while it is a target.
    pub(super) fn check_members(&mut self, it: &Decided) -> Checked {
        let changes = &it.transaction.changes;
        for change in changes {
            let Change::Task(id, Some(after)) = change else { continue };
            let Some(before) = self.region.shadow.task(*id) else { continue };
            let was_target =
                |it: &&Task| it.service.as_ref().is_some_and(|it| !it.targets.is_empty());
            let Some(member) = Some(before.as_ref()).filter(was_target) else { continue };
            if after.is_over() || after.desired == Desired::Running {
                continue;
            }
            if after.last == Status::Running {
                let detail = format!("task {id} is to stop, and is a target");
                return broken(Invariant::Drained, detail);
            }
            let targets = || member.service.iter().flat_map(|it| &it.targets);
            if (before.last, after.last) == (Status::Running, Status::Deactivating) {
                let stations =
                    || self.balancing.balancers.values().filter_map(|it| it.station.as_ref());
                let is_busy =
                    targets().any(|it| stations().any(|station| station.in_flight(it) > 0));
                let tally = &mut self.ledger.count.tried;
                tally.count(Trial::LetGoBusy, usize::from(is_busy));
            }
            let gone = |key: &TargetKey| {
                let last = changes.iter().rev().find_map(|it| match it {
                    Change::Target(other, after) if other == key => Some(after.is_none()),
                    Change::ClassicInstance(other, after) if other.as_target() == *key => {
                        Some(after.is_none())
                    }
                    _ => None,
                });
                let is_gone = last.unwrap_or_else(|| !targets::is_there(&self.region.shadow, key));
                is_gone || self.is_anothers(key, *id, after.stopping_at.unwrap_or_default())
            };
            if after.last != Status::Stopping {
                continue;
            }
            if !targets().all(gone) {
                let detail = format!("task {id} is stopped, and drains still");
                return broken(Invariant::Drained, detail);
            }
            let of_classic = targets().any(|it| state::classic_name(&it.group).is_some());
            let tally = &mut self.ledger.count.tried;
            tally.note(Trial::LetGo);
            tally.count(Trial::LetGoClassic, usize::from(of_classic));
        }
        Ok(())
    }

    /// Whether a target is another running task's by now, which its agent has reported at that port: a
    /// machine's port passes from task to task, and copies of a machine take ports of their own choice.
    fn is_anothers(&self, key: &TargetKey, from: TaskId, now: Timestamp) -> bool {
        let state = &self.region.shadow;
        let is_registered = |task: &Task| {
            let mut wanted = registrations(state, task, now).into_iter();
            wanted.any(|it| matches!(it, Registration::As(it) if it.key == *key))
        };
        let runs = |it: &Task| (it.last, it.desired) == (Status::Running, Desired::Running);
        let mut others = state.indexes().registered_as(key).iter().filter(|it| **it != from);
        others.any(|it| state.task(*it).is_some_and(|it| runs(it) && is_registered(it)))
    }

    /// Whether a service's target has nothing to finish: nothing names its group, it has no delay, or
    /// its tasks are over.
    pub(super) fn may_go_at_once(&self, group: &TargetGroup, target: &Target) -> bool {
        let state = &self.region.shadow;
        let is_named = state.indexes().rules_of_group(&group.arn).next().is_some();
        let delay = GroupAttributes::of(&group.attributes).deregistration_delay;
        if target.service.is_some() && (!is_named || delay.is_zero()) {
            return true;
        }
        self.is_left(target)
    }

    /// Whether all tasks that a target was registered for are over.
    pub(super) fn is_left(&self, target: &Target) -> bool {
        let state = &self.region.shadow;
        let tasks = state.indexes().registered_as(&target.key);
        !tasks.is_empty() && tasks.iter().all(|it| state.task(*it).is_none_or(|it| it.is_over()))
    }
}

/// Where no review is due: a service's task is a target of its groups exactly while it runs.
pub(crate) fn check_registered(state: &State) -> Checked {
    let instances = state.classic_instances().values().map(|it| it.as_target());
    let all = state.targets().values().map(|it| it.as_ref().clone()).chain(instances);
    for target in all.filter(|it| it.service.is_some()) {
        let tasks = state.indexes().registered_as(&target.key);
        let runs = |it: &Task| match it.desired {
            Desired::Running => it.last == Status::Running,
            Desired::Stopped => it.last == Status::Deactivating && target.draining.is_some(),
        };
        if !tasks.iter().any(|it| state.task(*it).is_some_and(|it| runs(it))) {
            let detail =
                format!("{} is a target of a service, and no task of it runs", target.key.id);
            return broken(Invariant::Registered, detail);
        }
    }
    let members = state.tasks().values().filter(|it| it.service.is_some());
    for task in members.filter(|it| (it.last, it.desired) == (Status::Running, Desired::Running)) {
        for one in registrations(state, task, task.created_at) {
            let Registration::As(target) = one else { continue };
            if !targets::is_there(state, &target.key) {
                let detail = format!("task {} runs, and is no target", task.id);
                return broken(Invariant::Registered, detail);
            }
        }
    }
    Ok(())
}

/// Whether a task is in service wherever it should be: registered, and found healthy by a balancer
/// that is there, or by any where none is.
pub(crate) fn is_in_service(state: &State, task: &Task) -> bool {
    let wanted = revision_of(state, task).map_or(0, |it| it.targets.len());
    let keys = task.service.iter().flat_map(|it| &it.targets);
    let keys = keys.filter(|it| !state.connect_endpoints().contains_key(&it.group));
    let is_healthy = |target: &Target| {
        let some = state.balancers().values().any(|it| it.connected);
        let counts =
            |name: &str| !some || state.balancers().get(name).is_some_and(|it| it.connected);
        let mut seen = target.seen.iter().filter(|it| counts(it.0));
        target.draining.is_none() && seen.any(|it| it.1.health == TargetHealth::Healthy)
    };
    let healthy = keys.filter(|it| targets::get(state, it).is_some_and(|it| is_healthy(&it)));
    healthy.count() == wanted
}

/// Whether balancers are told of all that a service's newest tasks are targets of: without that none
/// of them is ever in service.
pub(crate) fn is_reachable(state: &State, service: &Service) -> bool {
    let Some(primary) = service.deployments.first() else { return true };
    let key = ServiceRevisionKey { service: service.key.clone(), id: primary.revision };
    let targets = state.service_revisions().get(&key).map_or(&[][..], |it| &it.targets);
    let mut groups = targets.iter().filter_map(|it| it.group.as_ref());
    groups.all(|it| {
        let mut rules = state.indexes().rules_of_group(it).filter_map(|it| state.rules().get(it));
        rules.any(|it| state.listeners().contains_key(&it.listener))
    })
}
