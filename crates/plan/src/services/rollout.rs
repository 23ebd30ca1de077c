//! What becomes of a service's deployments: begun, counted, tripped, put back, completed
//! (handbook 5.4, 5.7, 5.8). Every phase can be taken up from the rows alone.

use shapes::{ecs as shape, stored};
use state::{
    Deployment, Rollback, Rollout, ServiceDeploymentStatus as Status, ServiceRevision, Switch,
};

use super::snapshot::{Member, Snapshot};
use super::standing::Standing;
use super::step::Plan;
use super::{alarms, breaker, events, pace};

/// Takes into account how tasks ended.
pub(super) fn settle(plan: &mut Plan<'_>) {
    let over = plan.snapshot.members.iter().filter(|it| it.standing == Standing::Over);
    for member in over {
        plan.step.settle.push(member.id);
        let Some(how) = member.stumble else { continue };
        if member.deployment != plan.primary() {
            continue;
        }
        count_failure(plan);
        let now = plan.now;
        if let Some(primary) = plan.service.deployments.first_mut() {
            let before = primary.stumbles;
            pace::stumbled(primary, member.created_at, how, now);
            if before < pace::TOLD_OF && primary.stumbles >= pace::TOLD_OF {
                plan.say(events::UNABLE_TO_START);
            }
        }
    }
}

/// One more failure of the PRIMARY deployment; none beyond those that trip its breaker.
pub(super) fn count_failure(plan: &mut Plan<'_>) {
    let now = plan.now;
    if is_tripped(plan) {
        return;
    }
    let Some(primary) = plan.service.deployments.first_mut() else { return };
    primary.failed = primary.failed.saturating_add(1);
    primary.updated_at = now;
    if primary.rollout == Rollout::InProgress
        && let Some(rollout) = &mut plan.rollout
    {
        rollout.failures = rollout.failures.saturating_add(1);
        rollout.updated_at = now;
    }
}

fn is_tripped(plan: &Plan<'_>) -> bool {
    let Some(primary) = plan.service.deployments.first() else { return true };
    let Some(breaker) = &plan.service.breaker else { return false };
    match primary.rollout {
        Rollout::InProgress => primary.failed >= breaker::threshold(breaker, plan.desired()),
        Rollout::Failed => true,
        Rollout::Completed => false,
    }
}

/// A rollout that was asked for begins.
pub(super) fn begin(plan: &mut Plan<'_>) {
    let now = plan.now;
    if let Some(it) = plan.rollout.as_mut().filter(|it| it.status == Status::Pending) {
        it.status = Status::InProgress;
        it.started_at = Some(now);
        it.updated_at = now;
    }
}

/// Ends a rollout that failed or that somebody wants ended.
pub(super) fn monitor(plan: &mut Plan<'_>) {
    let in_progress =
        plan.service.deployments.first().is_some_and(|it| it.rollout == Rollout::InProgress);
    match plan.rollout.as_ref().map(|it| it.status) {
        Some(Status::StopRequested) => {
            let reason = "ECS deployment stopped by the user.";
            fail(plan, reason);
            end(plan, Status::Stopped, None);
        }
        Some(Status::RollbackRequested) => {
            fail(plan, "ECS deployment rollback requested by the user.");
            let reason = "Service deployment rolled back by the user.";
            go_back(plan, "rollback", reason);
        }
        _ if in_progress && is_tripped(plan) => trip(plan),
        _ => {
            if let Some(names) = alarms::follow(plan) {
                sound(plan, &names);
            }
        }
    }
}

/// Alarms of the deployment have gone off.
fn sound(plan: &mut Plan<'_>, alarms: &[String]) {
    let (id, names) = (plan.primary(), alarms.join(", "));
    fail(plan, &format!("ECS deployment failed: alarm detected: {names}."));
    plan.say(events::alarm_detected(id, alarms));
    let configured = plan.service.alarms.as_ref();
    if configured.is_some_and(|it| it.rollback == Switch::On) {
        let reason = format!("Service deployment rolled back because of the alarms: {names}.");
        go_back(plan, "alarms", &reason);
    } else {
        let why = format!("Service deployment failed because of the alarms: {names}.");
        end(plan, Status::Stopped, Some(&why));
    }
}

fn trip(plan: &mut Plan<'_>) {
    let id = plan.primary();
    fail(plan, "ECS deployment circuit breaker: tasks failed to start.");
    plan.say(events::failed(id));
    let goes_back = plan.service.breaker.as_ref().is_some_and(|it| it.rollback == Switch::On);
    let was_going_back =
        plan.rollout.as_ref().is_some_and(|it| it.status == Status::RollbackInProgress);
    let why = Some("Service deployment failed: the circuit breaker was triggered.");
    match (was_going_back, goes_back) {
        (true, _) => end(plan, Status::RollbackFailed, why),
        (false, true) => {
            go_back(
                plan,
                "circuit breaker",
                "Service deployment rolled back because the circuit breaker was triggered.",
            );
        }
        (false, false) => end(plan, Status::Stopped, why),
    }
}

fn fail(plan: &mut Plan<'_>, reason: &str) {
    let now = plan.now;
    if let Some(primary) = plan.service.deployments.first_mut() {
        primary.rollout = Rollout::Failed;
        primary.reason = reason.into();
        primary.updated_at = now;
    }
}

fn end(plan: &mut Plan<'_>, status: Status, reason: Option<&str>) {
    let now = plan.now;
    let Some(it) = &mut plan.rollout else { return };
    it.status = status;
    it.status_reason = reason.map(ToOwned::to_owned).or(it.status_reason.take());
    it.updated_at = now;
    it.finished_at = Some(now);
    if status == Status::Stopped {
        it.stopped_at = Some(now);
    }
}

/// The last completed revision becomes PRIMARY again: its deployment, if that has tasks still, or a
/// new one. `by` is what made it so.
fn go_back(plan: &mut Plan<'_>, by: &str, reason: &str) {
    let now = plan.now;
    let failed = plan.service.deployments.first().map(|it| it.revision);
    let target = plan.snapshot.completed.clone();
    let Some(target) = target.filter(|it| Some(it.key.id) != failed) else {
        let why = "There is no completed deployment to roll back to.";
        end(plan, Status::RollbackFailed, Some(why));
        return;
    };
    let deployments = &mut plan.service.deployments;
    let service_deployment = deployments.first().map_or(0, |it| it.service_deployment);
    let kept = deployments.iter().position(|it| it.revision == target.key.id);
    let before = kept.map(|at| deployments.remove(at));
    let id = before.as_ref().map_or(plan.fresh, |it| it.id);
    let back = Deployment {
        id,
        revision: target.key.id,
        rollout: Rollout::InProgress,
        reason: format!("ECS deployment {by}: rolling back to deploymentId ecs-svc/{id}."),
        completed_at: before.as_ref().and_then(|it| it.completed_at),
        failed: 0,
        stumbles: 0,
        wait_until: None,
        created_at: before.as_ref().map_or(now, |it| it.created_at),
        updated_at: now,
        service_deployment,
        paced_until: before.as_ref().and_then(|it| it.paced_until),
    };
    deployments.insert(0, back);
    plan.service.spec = put_back(&plan.service.spec, &target);
    plan.say(events::rolling_back(id));
    let Some(it) = &mut plan.rollout else { return };
    it.status = Status::RollbackInProgress;
    it.status_reason = Some(reason.into());
    it.rollback =
        Some(Rollback { reason: reason.into(), started_at: now, revision: target.key.id });
    it.updated_at = now;
}

/// The service's spec with everything that starts a deployment as it was then (handbook 5.3).
fn put_back(spec: &[u8], target: &ServiceRevision) -> Vec<u8> {
    let read = |bytes: &[u8]| stored::from_slice::<shape::CreateServiceRequest>(bytes).ok();
    let (Some(now), Some(then)) = (read(spec), read(&target.spec)) else { return spec.to_vec() };
    stored::to_vec(&shape::CreateServiceRequest {
        task_definition: then.task_definition,
        network_configuration: then.network_configuration,
        platform_version: then.platform_version,
        load_balancers: then.load_balancers,
        service_registries: then.service_registries,
        service_connect_configuration: then.service_connect_configuration,
        volume_configurations: then.volume_configurations,
        vpc_lattice_configurations: then.vpc_lattice_configurations,
        ..now
    })
}

/// Notes tasks that count as healthy for the first time: the deployment can start tasks.
pub(super) fn prove(plan: &mut Plan<'_>) {
    let news: Vec<&Member> =
        plan.active().filter(|it| it.standing == Standing::Healthy && !it.is_proven).collect();
    for member in news {
        if !plan.note_proven(member) || member.deployment != plan.primary() {
            continue;
        }
        let breaker = plan.service.breaker;
        let resets = breaker.is_none_or(|it| it.reset_on_healthy_task == Switch::On);
        if let Some(primary) = plan.service.deployments.first_mut() {
            primary.stumbles = 0;
            primary.wait_until = None;
            if resets && primary.rollout != Rollout::Failed {
                primary.failed = 0;
            }
        }
    }
}

/// Everything is as it should be: completes the rollout, and says so.
pub(super) fn steady(plan: &mut Plan<'_>) {
    if !alarms::is_baked(plan) {
        return;
    }
    let now = plan.now;
    let Some(primary) = plan.service.deployments.first_mut() else { return };
    if primary.rollout == Rollout::Failed {
        plan.service.steady_at = None;
        return;
    }
    if primary.rollout == Rollout::InProgress {
        primary.rollout = Rollout::Completed;
        primary.reason = format!("ECS deployment ecs-svc/{} completed.", primary.id);
        primary.completed_at = Some(now);
        primary.updated_at = now;
        primary.failed = 0;
        let (id, revision) = (primary.id, primary.revision);
        plan.service.completed_revision = Some(revision);
        plan.service.steady_at = None;
        plan.say(events::completed(id));
        match plan.rollout.as_ref().map(|it| it.status) {
            Some(Status::InProgress) => end(plan, Status::Successful, None),
            Some(Status::RollbackInProgress) => end(plan, Status::RollbackSuccessful, None),
            _ => {}
        }
    }
    let due = plan.service.steady_at.map(|it| it.after(events::REPEATED_AFTER));
    if due.is_none_or(|it| it <= now) {
        plan.service.steady_at = Some(now);
        plan.service.remarks.clear();
        plan.say(events::STEADY);
    }
    let next = plan.service.steady_at.map(|it| it.after(events::REPEATED_AFTER));
    plan.come_back(next);
}

/// Something is not as it should be.
pub(super) fn unsteady(plan: &mut Plan<'_>) {
    plan.service.steady_at = None;
}

/// Older deployments without tasks are INACTIVE, and vanish.
pub(super) fn forget_replaced(plan: &mut Plan<'_>) {
    let Snapshot { members, crowds, .. } = plan.snapshot;
    let has_tasks = |id| {
        members.iter().any(|it| it.deployment == id && it.standing != Standing::Over)
            || crowds.iter().any(|it| it.deployment == id)
    };
    let primary = plan.primary();
    plan.service.deployments.retain(|it| it.id == primary || has_tasks(it.id));
}
