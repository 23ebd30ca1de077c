//! Which task of a service goes first when there are too many (handbook 4.6).

use core::cmp::Reverse;
use std::collections::BTreeMap;

use types::{InstanceId, TaskId, Zone};

use super::snapshot::{Member, Scene};
use super::standing::Standing;
use crate::placement::{Field, Resource, Strategy};

/// Those that may go in the order in which they do, out of all; each choice sees those before it gone.
///
/// Tasks that do not count yet go before all others. Spread tasks (and those without a strategy)
/// come from the fullest zone, and there from the fullest instance; packed ones from where the
/// instance is left with the most free. The newest goes first among equals, so that what has proved
/// itself stays.
pub(super) fn order<'a>(
    free: &[&'a Member],
    all: &[&Member],
    scene: &Scene,
    most: usize,
) -> Vec<&'a Member> {
    let mut left: Vec<&Member> = free.to_vec();
    let mut zones: BTreeMap<&Zone, u32> = BTreeMap::new();
    let mut instances: BTreeMap<InstanceId, u32> = BTreeMap::new();
    for it in all {
        *zones.entry(&it.zone).or_default() += 1;
        *instances.entry(it.instance).or_default() += 1;
    }
    let mut order = Vec::new();
    while order.len() < most {
        let rank = |it: &Member| rank(it, scene, &zones, &instances);
        let first = left.iter().enumerate().min_by_key(|(_, it)| rank(it)).map(|it| it.0);
        let Some(first) = first else { break };
        let chosen = left.swap_remove(first);
        if let Some(count) = zones.get_mut(&chosen.zone) {
            *count -= 1;
        }
        if let Some(count) = instances.get_mut(&chosen.instance) {
            *count -= 1;
        }
        order.push(chosen);
    }
    order
}

type Rank = (u8, Reverse<u32>, Reverse<u32>, Reverse<i64>, TaskId);

fn rank(
    it: &Member,
    scene: &Scene,
    zones: &BTreeMap<&Zone, u32>,
    instances: &BTreeMap<InstanceId, u32>,
) -> Rank {
    let stage = match it.standing {
        Standing::Starting => 0,
        Standing::Unhealthy(_) => 1,
        Standing::Unproven => 2,
        Standing::Healthy | Standing::Leaving | Standing::Over => 3,
    };
    let in_zone = zones.get(&it.zone).copied().unwrap_or(0);
    let on_instance = instances.get(&it.instance).copied().unwrap_or(0);
    let left = scene.left.get(&it.instance).copied().unwrap_or((0, 0));
    let (first, second) = match scene.strategies.first() {
        Some(Strategy::Binpack(Resource::Cpu)) => (left.0, 0),
        Some(Strategy::Binpack(Resource::Memory)) => (left.1, 0),
        Some(Strategy::Spread(Field::Instance)) => (on_instance, in_zone),
        _ => (in_zone, on_instance),
    };
    (stage, Reverse(first), Reverse(second), Reverse(it.created_at.0), it.id)
}
