//! `UpdateTaskProtection`, `GetTaskProtection`: tasks of services that neither scaling in nor a
//! deployment may stop.
//!
//! Source: Amazon ECS API Reference; handbook 2.8.

use core::time::Duration;
use std::sync::Arc;

use shapes::ecs as shape;
use state::{Change, Context, Desired, Draft, State, Task};
use types::{ClusterName, Timestamp};

use crate::ecs::view::time;
use crate::ecs::{Error, find};

/// Most tasks that one call protects. Source: ECS API Reference, `UpdateTaskProtection`.
const PROTECTED_MAX: usize = 10;
/// Most tasks that one call asks about. Source: ECS API Reference, `GetTaskProtection`.
const ASKED_MAX: usize = 100;
/// How long a protection lasts that says nothing, and at most, in minutes. Source: handbook 2.8.
const MINUTES: i32 = 120;
const MINUTES_MAX: i32 = 2_880;

/// `UpdateTaskProtection`: protects tasks for a time, or ends that.
///
/// # Errors
///
/// [`Error::ClusterNotFound`]; [`Error::InvalidParameter`] for none or too many tasks, and a time
/// out of range.
pub(crate) fn update_task_protection(
    draft: &mut Draft<'_>,
    ask: shape::UpdateTaskProtectionRequest,
    context: &mut Context<'_>,
) -> Result<shape::UpdateTaskProtectionResponse, Error> {
    let cluster = find::cluster(draft.state(), ask.cluster.as_deref())?.name.clone();
    let asked = limited(ask.tasks.unwrap_or_default(), PROTECTED_MAX)?;
    let until = until(ask.protection_enabled, ask.expires_in_minutes, context.now)?;
    let (mut tasks, mut failures) = (Vec::new(), Vec::new());
    for text in asked {
        match service_task(draft.state(), &cluster, &text)? {
            Err(failure) => failures.push(failure),
            Ok(task) if task.desired == Desired::Stopped => {
                failures.push(not_valid(draft.state(), &task, "The task is stopping."));
            }
            Ok(task) => {
                let mut after = task.as_ref().clone();
                if let Some(membership) = &mut after.service {
                    membership.protected_until = until;
                }
                tasks.push(protected(draft.state(), &after, context.now));
                draft.change(Change::from(after));
            }
        }
    }
    Ok(shape::UpdateTaskProtectionResponse {
        protected_tasks: Some(tasks),
        failures: Some(failures),
    })
}

/// `GetTaskProtection`: how the tasks that are asked about stand; without any, all of the cluster
/// that are protected.
///
/// # Errors
///
/// [`Error::ClusterNotFound`]; [`Error::InvalidParameter`] for too many tasks.
pub(crate) fn get_task_protection(
    state: &State,
    ask: shape::GetTaskProtectionRequest,
    context: &Context<'_>,
) -> Result<shape::GetTaskProtectionResponse, Error> {
    let cluster = find::cluster(state, ask.cluster.as_deref())?.name.clone();
    let (mut tasks, mut failures) = (Vec::new(), Vec::new());
    match ask.tasks.filter(|it| !it.is_empty()) {
        Some(asked) => {
            for text in limited(asked, ASKED_MAX)? {
                match service_task(state, &cluster, &text)? {
                    Ok(task) => tasks.push(protected(state, &task, context.now)),
                    Err(failure) => failures.push(failure),
                }
            }
        }
        None => {
            let ids = state.indexes().tasks(&cluster, Desired::Running).iter();
            let rows = ids.filter_map(|id| state.task(*id));
            let guarded = rows.filter(|it| protection(it, context.now).is_some());
            tasks.extend(guarded.map(|it| protected(state, it, context.now)));
        }
    }
    Ok(shape::GetTaskProtectionResponse { protected_tasks: Some(tasks), failures: Some(failures) })
}

fn limited(asked: Vec<String>, most: usize) -> Result<Vec<String>, Error> {
    match asked.len() {
        0 => Err(Error::invalid("Tasks cannot be empty.")),
        count if count > most => {
            Err(Error::invalid(format!("Tasks cannot have more than {most} entries.")))
        }
        _ => Ok(asked),
    }
}

fn until(
    enabled: Option<bool>,
    minutes: Option<i32>,
    now: Timestamp,
) -> Result<Option<Timestamp>, Error> {
    let minutes = minutes.unwrap_or(MINUTES);
    if !(1..=MINUTES_MAX).contains(&minutes) {
        return Err(Error::invalid(format!(
            "expiresInMinutes must be between 1 and {MINUTES_MAX}."
        )));
    }
    let life = Duration::from_mins(u64::from(minutes.unsigned_abs()));
    Ok(enabled.unwrap_or(false).then(|| now.after(life)))
}

/// A task of a service; the inner error is the failure that says why it is none.
fn service_task(
    state: &State,
    cluster: &ClusterName,
    text: &str,
) -> Result<Result<Arc<Task>, shape::Failure>, Error> {
    let id = find::task_id(state, cluster, text)?;
    let Some(task) = id.and_then(|id| state.task(id)).filter(|it| it.cluster == *cluster) else {
        let arn = id.map_or_else(|| text.to_owned(), |id| state.home().task(cluster, id));
        return Ok(Err(failure(arn, "MISSING", "The task was not found.")));
    };
    Ok(match (&task.service, task.is_over()) {
        (Some(_), false) => Ok(task.clone()),
        (Some(_), true) => Err(not_valid(state, task, "The task has stopped.")),
        (None, _) => Err(not_valid(state, task, "The task is not part of a service.")),
    })
}

fn not_valid(state: &State, task: &Task, detail: &str) -> shape::Failure {
    failure(state.home().task(&task.cluster, task.id), "TASK_NOT_VALID", detail)
}

fn failure(arn: String, reason: &str, detail: &str) -> shape::Failure {
    shape::Failure {
        arn: Some(arn),
        reason: Some(reason.to_owned()),
        detail: Some(detail.to_owned()),
    }
}

/// Until when a task is protected, if it is.
fn protection(task: &Task, now: Timestamp) -> Option<Timestamp> {
    task.service.as_ref()?.protected_until.filter(|it| *it > now)
}

fn protected(state: &State, task: &Task, now: Timestamp) -> shape::ProtectedTask {
    let until = protection(task, now);
    shape::ProtectedTask {
        task_arn: Some(state.home().task(&task.cluster, task.id)),
        protection_enabled: Some(until.is_some()),
        expiration_date: until.map(time),
    }
}
