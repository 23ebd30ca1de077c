//! Moves tasks of a steady service from zones that have more of them to zones that have fewer
//! (handbook 4.7).

use std::collections::{BTreeMap, BTreeSet};

use state::RemarkKind;
use types::Zone;

use super::events;
use super::step::{Plan, Starting};

/// Zones may differ by so many tasks.
const TOLERATED: u32 = 1;

/// Starts a task in the poorest zone that takes one if the zones differ by more than one; scaling in
/// takes one from the fullest zone once that one is healthy. Protected tasks stay: of the zones,
/// `free` are those that could give one.
///
/// Source: ECS Developer Guide, "Balancing an Amazon ECS service across Availability Zones".
pub(super) fn plan(plan: &mut Plan<'_>, counts: &BTreeMap<Zone, u32>, free: &BTreeSet<Zone>) {
    let (Some(least), Some(most)) = (counts.values().min(), counts.values().max()) else { return };
    let is_balanced = most - least <= TOLERATED;
    let was_moving = plan.snapshot.scene.is_rebalancing;
    if is_balanced {
        plan.service.remarks.drop(RemarkKind::Rebalancing);
        plan.service.remarks.drop(RemarkKind::NotMoved);
        if was_moving {
            plan.say(events::balanced(counts));
        }
        return;
    }
    let given = free.iter().filter_map(|it| counts.get(it)).max().copied().unwrap_or(0);
    let takes = |it: &Zone| plan.snapshot.scene.zones.contains(it);
    let mut poor: Vec<_> =
        counts.iter().filter(|(zone, count)| **count + TOLERATED < given && takes(zone)).collect();
    poor.sort_by_key(|(_, count)| **count);
    let zones: Vec<Zone> = poor.into_iter().map(|(zone, _)| zone.clone()).collect();
    let room = plan.bounds().upper.saturating_sub(plan.present());
    if plan.allowed(u32::from(room > 0 && !zones.is_empty())) > 0 {
        // Where there was no place the last time it is tried without a word.
        if !plan.service.remarks.has(RemarkKind::NotMoved) {
            plan.remark(RemarkKind::Rebalancing, events::not_balanced(counts));
        }
        plan.step.start = Some(Starting::InFirstOf(zones));
    }
}
