//! Keeps tasks of services in the target groups of their revisions and behind the endpoints of
//! their services for as long as they run, and stops none of them before it is out.
//!
//! A running task is registered; one that leaves (DEACTIVATING) is deregistered, drains, and is told
//! to stop once its targets are gone; one that is over is taken out at once. A target that somebody
//! else has deregistered is registered again when it is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use plan::connect;
use plan::services::{self, CHANGES_OF_EVENT, Registration, target_events as events};
use plan::targets::{self, TARGETS_MAX};
use state::{
    Change, Context, Desired, Draft, RemarkKind, ServiceKey, State, Status, Target, TargetKey,
    TargetMove, Task, classic_name,
};
use types::{TaskId, Timestamp};

use crate::{Outcome, Reconciler, Subject};

/// Target groups of one service, at most. Source: handbook 5.12.
const GROUPS_MAX: usize = 5;
/// What one task changes at most beside targets of endpoints: a target in each group, itself, and
/// what its instance is told.
const CHANGES_OF_TASK: usize = GROUPS_MAX + 2;
/// Kinds of events that one task may add: in each group, and that it drains.
const EVENTS_OF_TASK: usize = GROUPS_MAX + 1;

pub(crate) struct TargetRegistration;

impl Reconciler for TargetRegistration {
    fn name(&self) -> &'static str {
        "target-registration"
    }

    fn subjects(&self, state: &State) -> Vec<Subject> {
        let moving = state.indexes().services_moving_targets().cloned().map(Subject::Service);
        let registered = state.indexes().registered_targets();
        let gone = registered.filter(|it| !targets::is_there(state, it));
        let endpoints = state.connect_endpoints().keys().cloned().map(Subject::Whole);
        moving.chain(gone.cloned().map(Subject::Target)).chain(endpoints).collect()
    }

    fn woken_by(&self, change: &Change) -> Option<Subject> {
        match change {
            Change::Task(id, Some(task)) => match task.target_move() {
                Some(_) => task.service_key().map(Subject::Service),
                // Its health may be another one.
                None => stays(task).then_some(Subject::Task(*id)),
            },
            Change::ConnectEndpoint(arn, Some(_)) => Some(Subject::Whole(arn.clone())),
            Change::Target(key, None) => Some(Subject::Target(key.clone())),
            Change::ClassicInstance(key, None) => Some(Subject::Target(key.as_target())),
            Change::ClassicInstance(key, Some(it))
                if it.draining.is_none() && it.seen.is_empty() =>
            {
                Some(Subject::Target(key.as_target()))
            }
            // Somebody else may have registered again what leaves.
            Change::Target(key, Some(it)) if it.draining.is_none() && it.seen.is_empty() => {
                Some(Subject::Target(key.clone()))
            }
            _ => None,
        }
    }

    fn review(
        &self,
        draft: &mut Draft<'_>,
        subject: &Subject,
        context: &mut Context<'_>,
    ) -> Outcome {
        let Some(tasks) = tasks_of(draft.state(), subject) else { return Outcome::Settled };
        let mut said = BTreeMap::new();
        let mut outcome = Outcome::Settled;
        for id in tasks {
            let Some(task) = draft.state().task(id).cloned() else { continue };
            let Some(key) = task.service_key() else { continue };
            let endpoints = connect::of_service(draft.state(), &key).count();
            let tally: &mut Tally = said.entry(key).or_default();
            let events = CHANGES_OF_EVENT * (tally.events() + EVENTS_OF_TASK);
            let is_first = draft.changes().is_empty();
            if !is_first && draft.room() < CHANGES_OF_TASK + endpoints + events {
                outcome = Outcome::Again;
                break;
            }
            match task.target_move() {
                Some(TargetMove::Out) => leave(draft, &task, tally, context.now),
                Some(TargetMove::In) | None => enter(draft, &task, tally, context.now),
            }
        }
        for (service, tally) in said {
            tally.say(draft, &service, context);
        }
        outcome
    }
}

/// The tasks that a subject is about.
fn tasks_of(state: &State, subject: &Subject) -> Option<Vec<TaskId>> {
    let indexes = state.indexes();
    match subject {
        Subject::Service(key) => {
            let entering = indexes.entering_targets(key);
            let entering = Some(entering).filter(|_| has_groups(state, key));
            let leaving = indexes.leaving_targets(key).iter();
            Some(leaving.chain(entering.into_iter().flatten()).copied().collect())
        }
        Subject::Task(id) => Some(vec![*id]),
        Subject::Target(key) => Some(indexes.registered_as(key).iter().copied().collect()),
        Subject::Whole(endpoint) => {
            let endpoint = state.connect_endpoints().get(endpoint)?;
            let all = indexes.tasks_of_service(&endpoint.service, Desired::Running);
            Some(all.iter().copied().collect())
        }
        _ => None,
    }
}

/// Whether a task is a target and is to stay one.
fn stays(task: &Task) -> bool {
    let targets = task.service.as_ref().is_some_and(|it| !it.targets.is_empty());
    targets && task.last == Status::Running && task.desired == Desired::Running
}

/// Whether tasks of a service may have to be registered at all.
fn has_groups(state: &State, key: &ServiceKey) -> bool {
    let Some(service) = state.services().get(key) else { return false };
    if connect::of_service(state, key).next().is_some() {
        return true;
    }
    service.deployments.iter().any(|it| {
        let key = state::ServiceRevisionKey { service: key.clone(), id: it.revision };
        let revision = state.service_revisions().get(&key);
        revision.is_some_and(|it| !it.targets.is_empty())
    })
}

/// Registers a running task wherever it is not.
fn enter(draft: &mut Draft<'_>, task: &Arc<Task>, tally: &mut Tally, now: Timestamp) {
    let runs = task.last == Status::Running && task.desired == Desired::Running;
    let Some(membership) = task.service.as_ref().filter(|_| runs) else { return };
    let wanted = services::registrations(draft.state(), task, now);
    if wanted.contains(&Registration::NotYet) {
        return;
    }
    let mut keys: Vec<TargetKey> = Vec::new();
    for one in wanted {
        let target = match one {
            Registration::As(target) if keys.contains(&target.key) => continue,
            Registration::As(target) => target,
            Registration::Refused(group, why) => {
                tally.refused.insert((group, why));
                continue;
            }
            Registration::NotYet => return,
        };
        let key = target.key.clone();
        let is_known = membership.targets.contains(&key);
        match register(draft, *target, is_known) {
            Registered::Afresh => Tally::count(&mut tally.registered, draft.state(), &key),
            Registered::Before => {}
            Registered::Full => {
                let why = format!("A target group can have at most {TARGETS_MAX} targets");
                tally.refused.insert((key.group, why));
                continue;
            }
        }
        keys.push(key);
    }
    for key in &membership.targets {
        // Another task may have the host port by now.
        let is_over = keys.contains(key) || is_shared(draft.state(), key, task.id, now);
        if !is_over && ends(draft, key, tally, now) {
            keys.push(key.clone());
        }
    }
    if keys != membership.targets {
        change_targets(draft, task, keys);
    }
}

/// Deregisters what a task is and should be no more. Whether it still is, as something may be under
/// way to it.
fn ends(draft: &mut Draft<'_>, key: &TargetKey, tally: &mut Tally, now: Timestamp) -> bool {
    if targets::get(draft.state(), key).is_some_and(|it| it.draining.is_none()) {
        targets::deregister(draft, key, now);
        Tally::count(&mut tally.deregistered, draft.state(), key);
    }
    targets::is_there(draft.state(), key)
}

enum Registered {
    Afresh,
    Before,
    Full,
}

/// Puts a target into its group. One that drains because somebody has deregistered it (`is_known`)
/// is left alone until it is gone; one that drains for an earlier task is taken over.
fn register(draft: &mut Draft<'_>, target: Target, is_known: bool) -> Registered {
    let state = draft.state();
    match targets::get(state, &target.key) {
        Some(standing) if standing.draining.is_some() && is_known => return Registered::Before,
        Some(standing) if standing.draining.is_none() => {
            if standing.service != target.service {
                let adopted = Target { service: target.service, ..standing.as_ref().clone() };
                draft.change(targets::put(adopted));
            }
            return Registered::Before;
        }
        _ => {}
    }
    let others = targets::of_group(state, &target.key.group).filter(|it| it.draining.is_none());
    if others.count() >= TARGETS_MAX {
        return Registered::Full;
    }
    draft.change(targets::put(target));
    Registered::Afresh
}

/// Deregisters a task that leaves or is over, and lets it go once it is no target any more.
fn leave(draft: &mut Draft<'_>, task: &Arc<Task>, tally: &mut Tally, now: Timestamp) {
    let Some(membership) = &task.service else { return };
    let mut drains = false;
    for key in &membership.targets {
        let state = draft.state();
        let Some(target) = targets::get(state, key) else { continue };
        let is_new = target.draining.is_none();
        if is_shared(state, key, task.id, now) {
            continue;
        }
        if !task.is_over() {
            targets::deregister(draft, key, now);
            drains |= is_new && targets::is_there(draft.state(), key);
        } else if is_taken_over(state, key, task.id) {
            continue;
        } else {
            draft.change(targets::take(key));
        }
        if is_new {
            Tally::count(&mut tally.deregistered, draft.state(), key);
        }
    }
    tally.draining += u32::from(drains);
    if task.is_over() {
        change_targets(draft, task, Vec::new());
        return;
    }
    let state = draft.state();
    let is_in =
        |it: &TargetKey| targets::is_there(state, it) && !is_shared(state, it, task.id, now);
    if !membership.targets.iter().any(is_in) {
        services::let_go(draft, task);
    }
}

/// Whether another task stays where this one leaves: behind another listener of a Classic Load
/// Balancer, where an instance is in or out as a whole, or at a host port that was this one's before.
fn is_shared(state: &State, key: &TargetKey, from: TaskId, now: Timestamp) -> bool {
    let is_wanted = |task: &Task| {
        let mut wanted = services::registrations(state, task, now).into_iter();
        wanted.any(|it| matches!(it, Registration::As(it) if it.key == *key))
    };
    let whole = classic_name(&key.group).is_some();
    let mut others = state.indexes().registered_as(key).iter().filter(|it| **it != from);
    others.any(|it| state.task(*it).is_some_and(|it| stays(it) && (whole || is_wanted(it))))
}

/// Whether a target is another task's by now.
fn is_taken_over(state: &State, key: &TargetKey, from: TaskId) -> bool {
    let mut others = state.indexes().registered_as(key).iter().filter(|it| **it != from);
    others.any(|it| state.task(*it).is_some_and(|it| !it.is_over()))
}

fn change_targets(draft: &mut Draft<'_>, task: &Arc<Task>, targets: Vec<TargetKey>) {
    let mut after = task.as_ref().clone();
    if let Some(membership) = &mut after.service {
        membership.targets = targets;
    }
    draft.change(Change::from(after));
}

/// What one look has done, for the service's events.
#[derive(Debug, Default)]
struct Tally {
    /// Targets by target group.
    registered: BTreeMap<String, u32>,
    deregistered: BTreeMap<String, u32>,
    /// Tasks whose targets drain.
    draining: u32,
    /// Groups, and why a task cannot be in them.
    refused: BTreeSet<(String, String)>,
}

impl Tally {
    /// Counts a target in its group. Endpoints are no target groups: nothing is said of them.
    fn count(into: &mut BTreeMap<String, u32>, state: &State, key: &TargetKey) {
        if !state.connect_endpoints().contains_key(&key.group) {
            *into.entry(key.group.clone()).or_default() += 1;
        }
    }

    fn events(&self) -> usize {
        let drains = usize::from(self.draining > 0);
        // Of a group that takes part in no load balancer that is said too.
        2 * self.registered.len() + self.deregistered.len() + drains + self.refused.len()
    }

    fn say(self, draft: &mut Draft<'_>, service: &ServiceKey, context: &mut Context<'_>) {
        let mut sentences = Vec::new();
        sentences.extend(self.registered.iter().map(|it| events::registered(it.0, *it.1)));
        if self.draining > 0 {
            sentences.push(events::draining(self.draining));
        }
        sentences.extend(self.deregistered.iter().map(|it| events::deregistered(it.0, *it.1)));
        for sentence in sentences {
            services::say(draft, service, &sentence, context);
        }
        for (group, why) in &self.refused {
            let sentence = events::not_registered(group, why);
            services::remark(draft, service, RemarkKind::NotRegistered, sentence, context);
        }
        for group in self.registered.keys().filter(|it| classic_name(it).is_none()) {
            if draft.state().indexes().rules_of_group(group).next().is_none() {
                let sentence = events::unused(group);
                services::remark(draft, service, RemarkKind::Unused, sentence, context);
            }
        }
    }
}
