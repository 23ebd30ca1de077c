//! Carries a step out: everything that it says of rows, and as many of its starts as a write holds.

use plan::connect;
use plan::launch::Launch;
use plan::placement::Refusal;
use plan::services::events;
use plan::services::{self, Snapshot, Starting, Step, Stopping, Why};
use state::{
    Change, Context, Draft, Membership, Remark, RemarkKind, Service, ServiceRevisionKey, Stop,
    StopCode, Task,
};
use types::{TaskId, Timestamp};

/// What a start changes at most: the task, its credentials, what its instance is told.
const CHANGES_OF_START: usize = 3;
/// What has to fit behind starts: the service's row, and events with those that they push out.
const CHANGES_OF_END: usize = 8;

/// What came of it.
pub(super) struct Done {
    /// Why a task could not be placed.
    pub(super) refused: Option<Refusal>,
    /// Whether there is more to do at once.
    pub(super) has_more: bool,
    /// When something is due by itself.
    pub(super) again_at: Option<Timestamp>,
}

/// Carries a step out.
pub(super) fn apply(
    draft: &mut Draft<'_>,
    before: &Snapshot,
    step: Step,
    context: &mut Context<'_>,
) -> Done {
    let mut service = step.service.clone();
    for id in &step.settle {
        note(draft, *id, |it| it.settled_at = Some(context.now));
    }
    for id in &step.prove {
        note(draft, *id, |it| it.healthy_at = Some(context.now));
    }
    if let Some(rollout) = step.rollout.filter(|it| before.rollout.as_ref() != Some(it)) {
        draft.change(Change::from(rollout));
    }
    for sentence in &step.events {
        services::add_event(draft, &mut service, sentence, context);
    }
    stop(draft, &mut service, &step.stop, context);
    let mut done = Done { refused: None, has_more: step.has_more, again_at: step.again_at };
    if let Some(start) = &step.start {
        // Placement reads the service as it was before, which is as it is in all that matters here.
        start_tasks(draft, &mut service, start, &mut done, context);
    }
    if service != before.service {
        connect::follow(draft, &before.service, &service);
        draft.change(Change::from(service));
    }
    done
}

/// Writes what the scheduler notes of a task. What is shown of the task does not change.
fn note(draft: &mut Draft<'_>, id: TaskId, what: impl FnOnce(&mut Membership)) {
    let Some(task) = draft.state().task(id) else { return };
    let mut task = Task::clone(task);
    if let Some(membership) = &mut task.service {
        what(membership);
        draft.change(Change::from(task));
    }
}

/// Says what is so, unless that was said before.
fn remark(
    draft: &mut Draft<'_>,
    service: &mut Service,
    kind: RemarkKind,
    sentence: &str,
    context: &mut Context<'_>,
) {
    if service.remarks.add(Remark { kind, sentence: sentence.into() }) {
        services::add_event(draft, service, sentence, context);
    }
}

fn stop(
    draft: &mut Draft<'_>,
    service: &mut Service,
    stopping: &[Stopping],
    context: &mut Context<'_>,
) {
    let primary = service.deployments.first().map_or(0, |it| it.id);
    for it in stopping {
        let Some(task) = draft.state().task(it.task).cloned() else { continue };
        let reason = it.why.reason(primary);
        let stop = Stop { code: StopCode::ServiceSchedulerInitiated, reason };
        services::retire(draft, &task, stop, context.now);
        if let Why::Unhealthy(reason) = &it.why {
            services::add_event(draft, service, &events::unhealthy(it.task, reason), context);
        }
    }
    let others = || stopping.iter().filter(|it| !matches!(it.why, Why::Unhealthy(_)));
    let moved: Vec<_> = others().filter(|it| it.why == Why::Rebalancing).collect();
    if let Some(first) = moved.first() {
        let ids: Vec<TaskId> = moved.iter().map(|it| it.task).collect();
        services::add_event(
            draft,
            service,
            &events::stopped_to_rebalance(&ids, &first.zone),
            context,
        );
    }
    let rest = || others().filter(|it| it.why != Why::Rebalancing);
    let running: Vec<TaskId> = rest().filter(|it| it.is_running).map(|it| it.task).collect();
    if !running.is_empty() {
        services::add_event(draft, service, &events::stopped(&running), context);
    }
    let pending = rest().filter(|it| !it.is_running).count();
    if pending > 0 {
        services::add_event(draft, service, &events::stopped_pending(pending), context);
    }
}

fn start_tasks(
    draft: &mut Draft<'_>,
    service: &mut Service,
    start: &Starting,
    done: &mut Done,
    context: &mut Context<'_>,
) {
    let Some(launch) = launch(draft, service) else { return };
    let mut started = Vec::new();
    let mut moved_to = None;
    match start {
        Starting::Anywhere(count) => {
            place(draft, &launch, *count, &mut started, done, context);
        }
        Starting::InFirstOf(zones) => {
            for zone in zones {
                place(draft, &launch.within(zone), 1, &mut started, done, context);
                if !started.is_empty() {
                    moved_to = Some(zone);
                    done.refused = None;
                    break;
                }
            }
        }
        Starting::On(instances) => {
            for id in instances {
                if draft.room() < CHANGES_OF_START + CHANGES_OF_END {
                    done.has_more = true;
                    break;
                }
                match launch.start(draft, *id, context, 0) {
                    Ok(task) => started.push(task),
                    Err(it) => done.refused = Some(Refusal { closest: vec![it], instances: 1 }),
                }
            }
        }
    }
    let count = u32::try_from(started.len()).unwrap_or(u32::MAX);
    if let Some(primary) = service.deployments.first_mut().filter(|_| count > 0) {
        services::launched(primary, count, context.now);
        service.remarks.drop(RemarkKind::NoPlace);
    }
    match moved_to {
        _ if started.is_empty() => {}
        Some(zone) => {
            let sentence = events::started_to_rebalance(&started, zone);
            services::add_event(draft, service, &sentence, context);
            service.remarks.drop(RemarkKind::NotMoved);
            if !service.remarks.has(RemarkKind::Rebalancing) {
                service.remarks.add(Remark { kind: RemarkKind::Rebalancing, sentence });
            }
        }
        None => services::add_event(draft, service, &events::started(&started), context),
    }
    if let Some(refusal) = &done.refused {
        remark(draft, service, RemarkKind::NoPlace, &events::no_place(refusal), context);
        if matches!(start, Starting::InFirstOf(_)) {
            service.remarks.drop(RemarkKind::Rebalancing);
            remark(draft, service, RemarkKind::NotMoved, events::REBALANCING_STOPPED, context);
        }
    }
}

/// What tasks of the PRIMARY deployment have in common.
fn launch(draft: &Draft<'_>, service: &Service) -> Option<Launch> {
    let deployment = service.deployments.first()?;
    let key = ServiceRevisionKey { service: service.key.clone(), id: deployment.revision };
    let revision = draft.state().service_revisions().get(&key)?;
    services::launch(draft.state(), service, revision, deployment)
}

fn place(
    draft: &mut Draft<'_>,
    launch: &Launch,
    count: u32,
    started: &mut Vec<TaskId>,
    done: &mut Done,
    context: &mut Context<'_>,
) {
    for _ in 0..count {
        if draft.room() < CHANGES_OF_START + CHANGES_OF_END {
            done.has_more = true;
            return;
        }
        match launch.place(draft, context, 0) {
            Ok(task) => started.push(task),
            Err(refusal) => {
                done.refused = Some(refusal);
                return;
            }
        }
    }
}
