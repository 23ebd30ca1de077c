//! What CloudWatch alarms do to a deployment (handbook 5.7): one that goes off ends it, while tasks
//! are replaced and for a bake time after that; one that was in ALARM before it began switches them
//! all off for this deployment, so that what an alarm complains of can be mended.
//!
//! Source: Amazon ECS Developer Guide, "How CloudWatch alarms detect Amazon ECS deployment failures".

use core::time::Duration;

use state::{
    AlarmState, AlarmWatch, DeploymentAlarms, Rollout, Service, ServiceDeploymentStatus as Status,
    State, Watching,
};

use super::events;
use super::step::Plan;

/// An alarm that a deployment names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// Its name.
    pub name: String,
    /// Where it stands; `None` if there is no such alarm.
    pub state: Option<AlarmState>,
    /// How long it takes to notice something: its periods together.
    pub span: Duration,
}

/// The alarms of a service that has a deployment under way. O(alarms named).
pub(super) fn watched(state: &State, service: &Service) -> Vec<Watched> {
    let goes_on = service.deployments.first().is_some_and(|it| it.rollout == Rollout::InProgress);
    let named = service.alarms.iter().filter(|_| goes_on).flat_map(|it| &it.names);
    let one = |name: &String| {
        let alarm = state.alarms().get(name);
        let span = alarm.map(|it| it.terms.period.saturating_mul(it.terms.periods));
        Watched {
            name: name.clone(),
            state: alarm.map(|it| it.state),
            span: span.unwrap_or_default(),
        }
    };
    named.map(one).collect()
}

/// What becomes of the alarms of a deployment that goes on. `Disabled` and `Triggered` are for good.
fn next(
    before: Option<&AlarmWatch>,
    configured: Option<&DeploymentAlarms>,
    alarms: &[Watched],
) -> Option<AlarmWatch> {
    let sounding = || alarms.iter().filter(|it| it.state == Some(AlarmState::Alarm));
    let names = |it: &DeploymentAlarms| it.names.clone();
    match (before, configured) {
        (None, None) => None,
        (None, Some(it)) => Some(AlarmWatch {
            names: names(it),
            status: match sounding().next() {
                Some(_) => Watching::Disabled,
                None => Watching::Monitoring,
            },
            triggered: Vec::new(),
            baked_at: None,
        }),
        (Some(watch), _) if watch.status != Watching::Monitoring => Some(watch.clone()),
        // Somebody has switched them off meanwhile.
        (Some(watch), None) => Some(AlarmWatch { status: Watching::Disabled, ..watch.clone() }),
        (Some(watch), Some(it)) => {
            let triggered: Vec<String> = sounding().map(|it| it.name.clone()).collect();
            let status = match triggered.is_empty() {
                true => Watching::Monitoring,
                false => Watching::Triggered,
            };
            Some(AlarmWatch { names: names(it), status, triggered, ..watch.clone() })
        }
    }
}

/// Follows the alarms of a deployment that goes on. Answers the names of those that went off just
/// now.
pub(super) fn follow(plan: &mut Plan<'_>) -> Option<Vec<String>> {
    let goes_on =
        plan.service.deployments.first().is_some_and(|it| it.rollout == Rollout::InProgress);
    let row = plan.rollout.as_mut().filter(|it| goes_on && it.status == Status::InProgress)?;
    let alarms = &plan.snapshot.alarms;
    let after = next(row.watch.as_ref(), plan.service.alarms.as_ref(), alarms);
    if row.watch == after {
        return None;
    }
    let before = core::mem::replace(&mut row.watch, after.clone());
    row.updated_at = plan.now;
    let after = after?;
    if before.is_none() {
        tell_of_start(plan, &after);
    }
    (after.status == Watching::Triggered).then_some(after.triggered)
}

/// Says what of its alarms does not count for a deployment that begins.
fn tell_of_start(plan: &mut Plan<'_>, watch: &AlarmWatch) {
    let id = plan.primary();
    let of = |state: Option<AlarmState>| {
        let alarms = plan.snapshot.alarms.iter().filter(move |it| it.state == state);
        alarms.map(|it| it.name.clone()).collect::<Vec<_>>()
    };
    let (missing, sounding) = (of(None), of(Some(AlarmState::Alarm)));
    if !missing.is_empty() {
        plan.say(events::alarms_missing(id, &missing));
    }
    if watch.status == Watching::Disabled {
        plan.say(events::alarms_disabled(id, &sounding));
    }
}

/// Whether a deployment whose tasks are all as they should be may be completed, as far as its alarms
/// go. The first time that it is asked of one that is monitored, its bake time begins: as long as
/// the slowest of its alarms takes to notice something.
pub(super) fn is_baked(plan: &mut Plan<'_>) -> bool {
    let (id, now) = (plan.primary(), plan.now);
    let goes_on =
        plan.service.deployments.first().is_some_and(|it| it.rollout == Rollout::InProgress);
    let Some(row) = plan.rollout.as_mut().filter(|it| goes_on && it.status == Status::InProgress)
    else {
        return true;
    };
    let Some(watch) = row.watch.as_mut().filter(|it| it.status == Watching::Monitoring) else {
        return true;
    };
    let span = plan.snapshot.alarms.iter().map(|it| it.span).max().unwrap_or_default();
    let begins = watch.baked_at.is_none();
    let baked_at = *watch.baked_at.get_or_insert(now.after(span));
    if baked_at <= now {
        return true;
    }
    if begins {
        row.updated_at = now;
        plan.say(events::baking(id, span));
    }
    plan.come_back(Some(baked_at));
    false
}

#[cfg(test)]
mod tests;
