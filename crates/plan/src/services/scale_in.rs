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
/// itself stays. O(all, and for each that goes their instances).
pub(super) fn order<'a>(
    free: &[&'a Member],
    all: &[&Member],
    scene: &Scene,
    most: usize,
) -> Vec<&'a Member> {
    // Of those that stand alike on one instance the newest is the next to go: only they are compared.
    let mut alike: BTreeMap<(u8, InstanceId), Vec<&Member>> = BTreeMap::new();
    for it in free {
        alike.entry((stage(it), it.instance)).or_default().push(it);
    }
    for group in alike.values_mut() {
        group.sort_by_key(|it| (it.created_at, Reverse(it.id)));
    }
    let mut zones: BTreeMap<&Zone, u32> = BTreeMap::new();
    let mut instances: BTreeMap<InstanceId, u32> = BTreeMap::new();
    for it in all {
        *zones.entry(&it.zone).or_default() += 1;
        *instances.entry(it.instance).or_default() += 1;
    }
    let mut order = Vec::new();
    while order.len() < most {
        let heads = alike.iter().filter_map(|(key, group)| Some((*group.last()?, *key)));
        let first = heads.min_by_key(|it| rank(it.0, scene, &zones, &instances));
        let Some((chosen, key)) = first else { break };
        alike.entry(key).or_default().pop();
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

/// What does not count yet goes first.
fn stage(it: &Member) -> u8 {
    match it.standing {
        Standing::Starting => 0,
        Standing::Unhealthy(_) => 1,
        Standing::Unproven => 2,
        Standing::Healthy | Standing::Leaving | Standing::Over => 3,
    }
}

type Rank = (u8, Reverse<u32>, Reverse<u32>, Reverse<i64>, TaskId);

fn rank(
    it: &Member,
    scene: &Scene,
    zones: &BTreeMap<&Zone, u32>,
    instances: &BTreeMap<InstanceId, u32>,
) -> Rank {
    let in_zone = zones.get(&it.zone).copied().unwrap_or(0);
    let on_instance = instances.get(&it.instance).copied().unwrap_or(0);
    let left = scene.left.get(&it.instance).copied().unwrap_or((0, 0));
    let (first, second) = match scene.strategies.first() {
        Some(Strategy::Binpack(Resource::Cpu)) => (left.0, 0),
        Some(Strategy::Binpack(Resource::Memory)) => (left.1, 0),
        Some(Strategy::Spread(Field::Instance)) => (on_instance, in_zone),
        _ => (in_zone, on_instance),
    };
    (stage(it), Reverse(first), Reverse(second), Reverse(it.created_at.0), it.id)
}
