//! A service that keeps one task on each container instance that can take it (handbook 5.1).

use std::collections::{BTreeMap, BTreeSet};

use state::{RemarkKind, Rollout};
use types::InstanceId;

use super::snapshot::Member;
use super::standing::Standing;
use super::step::{Plan, Room, Starting, Why};
use super::{events, rollout};

pub(super) fn plan(plan: &mut Plan<'_>) {
    stop_misplaced(plan);
    stop_outdated(plan);
    start_missing(plan);
    say_if_stuck(plan);
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

/// Starts one where there is none. That is all the upper bound asks of a daemon, of which 100 percent
/// is one on each instance that should have it: one that stands elsewhere takes nobody's place.
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
    let count = plan.allowed(u32::try_from(free.len()).unwrap_or(u32::MAX));
    if count > 0 {
        let on = free.into_iter().take(count as usize).collect();
        plan.step.start = Some(Starting::On(on));
    }
}

/// A share of few instances rounded up is all of them: then no older daemon may ever go.
fn say_if_stuck(plan: &mut Plan<'_>) {
    let moves = !plan.step.stop.is_empty() || plan.step.start.is_some() || plan.leaving() > 0;
    let in_progress =
        plan.service.deployments.first().is_some_and(|it| it.rollout == Rollout::InProgress);
    if moves || !in_progress || plan.room == Room::None {
        return;
    }
    let primary = plan.primary();
    let comes = plan.count(|it| it.deployment == primary && it.standing != Standing::Healthy) > 0;
    let places = &plan.snapshot.scene.places;
    let is_kept =
        |it: &Member| it.deployment != primary && places.contains(&it.instance) && !it.is_protected;
    if !comes && plan.active().any(|it| is_kept(it) && plan.is_needed(it)) {
        plan.remark(RemarkKind::Stuck, events::STUCK);
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

#[cfg(test)]
mod tests {
    use state::{Scheduling, Service};
    use types::Timestamp;

    use super::super::snapshot::{Scene, Snapshot};
    use super::super::step::{Moment, step};
    use super::super::tests::{member, service};
    use super::*;

    /// What a daemon that may lose half starts on, how many it stops, and what it says.
    fn look(places: &[u128], picture: &[&str]) -> (Option<Starting>, usize, Vec<String>) {
        let daemon = Service { scheduling: Scheduling::Daemon, ..service(0, 50, 100) };
        let places = places.iter().map(|it| InstanceId::new(*it)).collect();
        let snapshot = Snapshot {
            crowds: Vec::new(),
            service: daemon,
            rollout: None,
            completed: None,
            alarms: Vec::new(),
            members: picture.iter().map(|it| member(it)).collect(),
            scene: Scene { places, ..Scene::default() },
            until: None,
            has_more: false,
        };
        let moment = Moment { now: Timestamp(1_000_000), fresh: 3, room: Room::Open };
        let step = step(&snapshot, moment);
        (step.start, step.stop.len(), step.events)
    }

    #[test]
    fn a_daemon_that_stands_where_none_should_be_goes_when_another_has_come() {
        let (start, stopped, _) = look(&[8], &["7 of 1 in a: healthy"]);
        assert_eq!((start, stopped), (Some(Starting::On(vec![InstanceId::new(8)])), 0));
        let (start, stopped, _) = look(&[8], &["7 of 1 in a: healthy", "8 of 2 in a: starting"]);
        assert_eq!((start, stopped), (None, 0));
        let (start, stopped, _) = look(&[8], &["7 of 1 in a: healthy", "8 of 2 in a: healthy"]);
        assert_eq!((start, stopped), (None, 1));
    }

    #[test]
    fn a_daemon_whose_lower_bound_keeps_all_it_has_says_so() {
        let (start, stopped, said) = look(&[7], &["7 of 1 in a: healthy"]);
        assert_eq!((start, stopped, said), (None, 0, vec![events::STUCK.to_owned()]));
        let (_, stopped, said) = look(&[7, 8], &["7 of 1 in a: healthy", "8 of 1 in a: healthy"]);
        assert_eq!((stopped, said.len()), (1, 0), "half may go");
        let (_, _, said) = look(&[7, 8], &["7 of 1 in a: healthy", "8 of 2 in a: starting"]);
        assert_eq!(said.len(), 0, "another one comes");
    }
}
