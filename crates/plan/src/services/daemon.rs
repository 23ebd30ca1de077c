//! A service that keeps one task on each container instance that can take it (handbook 5.1).

use std::collections::{BTreeMap, BTreeSet};

use state::Rollout;
use types::InstanceId;

use super::rollout;
use super::snapshot::Member;
use super::standing::Standing;
use super::step::{Plan, Room, Starting, Why};

pub(super) fn plan(plan: &mut Plan<'_>) {
    stop_misplaced(plan);
    stop_outdated(plan);
    start_missing(plan);
    conclude(plan);
}

/// What stands where no daemon should be goes; on a draining instance when all else has gone.
fn stop_misplaced(plan: &mut Plan<'_>) {
    let scene = &plan.snapshot.scene;
    let misplaced: Vec<_> =
        plan.active().filter(|it| !scene.places.contains(&it.instance)).collect();
    for member in misplaced {
        if !member.is_draining {
            plan.stop(member, Why::NotEligible);
        } else if scene.emptied.contains(&member.instance) {
            plan.stop(member, Why::Draining);
        }
    }
}

/// An older daemon has to go before the newer one can come: no instance has two.
fn stop_outdated(plan: &mut Plan<'_>) {
    let is_stalled =
        plan.service.deployments.first().is_none_or(|it| it.rollout == Rollout::Failed);
    let allowed =
        plan.service.deployments.first().map_or(0, |it| super::pace::allowance(it, plan.now));
    if is_stalled || allowed == 0 {
        return;
    }
    let primary = plan.primary();
    let places = &plan.snapshot.scene.places;
    let here = |it: &&Member| places.contains(&it.instance);
    let mut outdated: Vec<_> =
        plan.active().filter(here).filter(|it| it.deployment != primary).collect();
    outdated.sort_by_key(|it| (it.standing == Standing::Healthy, it.instance, it.id));
    for member in outdated {
        plan.stop(member, Why::Deployment(primary));
    }
    let ill: Vec<_> = plan
        .active()
        .filter(here)
        .filter(|it| it.deployment == primary)
        .filter(|it| matches!(it.standing, Standing::Unhealthy(_)))
        .collect();
    for member in ill {
        plan.stop_unhealthy(member);
    }
}

fn start_missing(plan: &mut Plan<'_>) {
    let is_stalled =
        plan.service.deployments.first().is_none_or(|it| it.rollout == Rollout::Failed);
    if is_stalled || plan.room == Room::None {
        return;
    }
    let members = plan.snapshot.members.iter();
    let held: BTreeSet<InstanceId> =
        members.filter(|it| it.standing != Standing::Over).map(|it| it.instance).collect();
    let scene = &plan.snapshot.scene;
    let free = scene.places.iter().filter(|it| !held.contains(it) && !scene.deaf.contains(it));
    let free: Vec<InstanceId> = free.copied().collect();
    let room = plan.bounds().upper.saturating_sub(plan.present());
    let want = u32::try_from(free.len()).unwrap_or(u32::MAX).min(room);
    let count = plan.allowed(want);
    if count > 0 {
        let on = free.into_iter().take(count as usize).collect();
        plan.step.start = Some(Starting::On(on));
    }
}

fn conclude(plan: &mut Plan<'_>) {
    let primary = plan.primary();
    let mut there: BTreeMap<InstanceId, bool> = BTreeMap::new();
    for member in plan.snapshot.members.iter().filter(|it| it.standing != Standing::Over) {
        let is_well = member.deployment == primary && member.standing == Standing::Healthy;
        there.entry(member.instance).and_modify(|it| *it = false).or_insert(is_well);
    }
    let places = &plan.snapshot.scene.places;
    let all = places.iter().all(|it| there.get(it) == Some(&true));
    let none_else = there.keys().all(|it| places.contains(it));
    if all && none_else && plan.step.stop.is_empty() && plan.step.start.is_none() {
        rollout::steady(plan);
    } else {
        rollout::unsteady(plan);
    }
}
