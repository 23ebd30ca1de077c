//! Keeps services: their desired counts, their deployments, their daemons (handbook 5).
//!
//! What is to be done is decided by `plan::services::step`; here it is carried out.

mod apply;
mod room;

use core::time::Duration;
use std::sync::{Arc, Mutex};

use plan::services::{self, Moment, Room as Places, fresh_id, glance};
use state::{
    Change, Context, Draft, ServiceDeploymentKey, ServiceEventKey, ServiceKey, ServiceRevisionKey,
    ServiceStatus, State,
};

use crate::{Outcome, Reconciler, Subject};

pub(crate) use room::{Room, Waiting};

/// How long a service that found no place waits for a change in its cluster.
const RETRY: Duration = Duration::from_secs(15);

/// How long a deleted service stays describable.
const INACTIVE_KEPT: Duration = Duration::from_hours(1);

/// Keeps the promise of each service.
pub(crate) struct Services {
    /// How long a task without any check has to run before it counts as healthy.
    pub(crate) observed_for: Duration,
    /// Services that look for a place.
    pub(crate) waiting: Arc<Mutex<Waiting>>,
}

impl Reconciler for Services {
    fn name(&self) -> &'static str {
        "services"
    }

    fn subjects(&self, state: &State) -> Vec<Subject> {
        state.services().keys().cloned().map(Subject::Service).collect()
    }

    fn woken_by(&self, change: &Change) -> Option<Subject> {
        match change {
            Change::Service(key, Some(_)) => Some(Subject::Service(key.clone())),
            Change::ServiceDeployment(key, Some(_)) => Some(Subject::Service(key.service.clone())),
            Change::Task(_, Some(it)) => it.service_key().map(Subject::Service),
            Change::Target(_, Some(it)) => it.service.clone().map(Subject::Service),
            Change::ClassicInstance(_, Some(it)) => it.service.clone().map(Subject::Service),
            _ => None,
        }
    }

    fn review(
        &self,
        draft: &mut Draft<'_>,
        subject: &Subject,
        context: &mut Context<'_>,
    ) -> Outcome {
        let Subject::Service(key) = subject else { return Outcome::Settled };
        look(draft, key, self.observed_for, &self.waiting, context)
    }
}

/// One look at a service.
fn look(
    draft: &mut Draft<'_>,
    key: &ServiceKey,
    observed_for: Duration,
    waiting: &Mutex<Waiting>,
    context: &mut Context<'_>,
) -> Outcome {
    let Some(before) = glance(draft.state(), key, observed_for, context.now) else {
        room::forget(waiting, key);
        return Outcome::Settled;
    };
    let is_empty = before.members.is_empty() && before.crowds.is_empty();
    if before.service.status == ServiceStatus::Inactive && is_empty {
        room::forget(waiting, key);
        let gone_at = before.service.deleted_at.unwrap_or(context.now).after(INACTIVE_KEPT);
        return if gone_at > context.now { Outcome::AgainAt(gone_at) } else { forget(draft, key) };
    }
    let moment = |room, context: &mut Context<'_>| Moment {
        now: context.now,
        fresh: fresh_id(context.dice),
        room,
    };
    let step = services::step(&before, moment(Places::Open, context));
    let mut done = apply::apply(draft, &before, step, context);
    if done.refused.is_some() {
        // Where the lower bound allows it, room is made by stopping first.
        if let Some(again) = glance(draft.state(), key, observed_for, context.now) {
            let step = services::step(&again, moment(Places::None, context));
            let more = apply::apply(draft, &again, step, context);
            done = apply::Done { refused: done.refused, ..more };
        }
    }
    room::note(waiting, &before, done.refused.is_some());
    let retry = done.refused.map(|_| context.now.after(RETRY));
    match [retry, done.again_at].into_iter().flatten().min() {
        _ if done.has_more => Outcome::Again,
        Some(at) => Outcome::AgainAt(at),
        None => Outcome::Settled,
    }
}

/// Takes away what is left of a deleted service.
fn forget(draft: &mut Draft<'_>, key: &ServiceKey) -> Outcome {
    let (state, most) = (draft.state(), draft.room().saturating_sub(1));
    let revision = |id| ServiceRevisionKey { service: key.clone(), id };
    let rollout = |id| ServiceDeploymentKey { service: key.clone(), id };
    let event = |number| ServiceEventKey { service: key.clone(), number };
    let revisions = state.service_revisions().range(revision(0)..=revision(u64::MAX));
    let rollouts = state.service_deployments().range(rollout(0)..=rollout(u64::MAX));
    let events = state.service_events().range(event(0)..=event(u64::MAX));
    let parts: Vec<Change> = revisions
        .map(|it| Change::ServiceRevision(it.0.clone(), None))
        .chain(rollouts.map(|it| Change::ServiceDeployment(it.0.clone(), None)))
        .chain(events.map(|it| Change::ServiceEvent(it.0.clone(), None)))
        .take(most + 1)
        .collect();
    if parts.len() > most {
        for part in parts.into_iter().take(most) {
            draft.change(part);
        }
        return Outcome::Again;
    }
    for part in parts {
        draft.change(part);
    }
    draft.change(Change::Service(key.clone(), None));
    Outcome::Settled
}
