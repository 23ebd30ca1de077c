//! Targets of target groups: where they are, how they leave, what their checks have come to. The
//! operations of the API and the registration of services' tasks do the same. Instances of Classic
//! Load Balancers are targets here too, in rows of their own table.

use core::time::Duration;
use std::net::IpAddr;
use std::sync::Arc;

use state::{
    Change, ClassicInstance, ClassicInstanceKey, ContainerInstance, Draft, Draining, Seen, State,
    Target, TargetHealth, TargetKey, classic_name,
};
use types::{Timestamp, Zone};

use crate::routing::attributes::GroupAttributes;
use crate::{classic, connect};

/// Targets of one group. Source: handbook 7.1.
pub const TARGETS_MAX: usize = 1_000;
/// Where an instance says which address its host ports are at.
const ADDRESS_ATTRIBUTE: &str = "landfall.address";
/// Where an instance says which zone it is in.
const ZONE_ATTRIBUTE: &str = "ecs.availability-zone";

/// A target, whichever table it is a row of.
pub fn get(state: &State, key: &TargetKey) -> Option<Arc<Target>> {
    match ClassicInstanceKey::of(key) {
        Some(key) => state.classic_instances().get(&key).map(|it| Arc::new(it.as_target())),
        None => state.targets().get(key).cloned(),
    }
}

/// Whether there is such a target.
pub fn is_there(state: &State, key: &TargetKey) -> bool {
    match ClassicInstanceKey::of(key) {
        Some(key) => state.classic_instances().contains_key(&key),
        None => state.targets().contains_key(key),
    }
}

/// The change that makes a target what it is given as.
pub fn put(target: Target) -> Change {
    match ClassicInstance::of(&target) {
        Some(instance) => Change::from(instance),
        None => Change::from(target),
    }
}

/// The change that takes a target away.
pub fn take(key: &TargetKey) -> Change {
    match ClassicInstanceKey::of(key) {
        Some(key) => Change::ClassicInstance(key, None),
        None => Change::Target(key.clone(), None),
    }
}

/// The targets of a target group, in order of id and port.
pub fn of_group<'a>(
    state: &'a State,
    group: &str,
) -> impl Iterator<Item = &'a Arc<Target>> + use<'a> {
    let group = group.to_owned();
    let first = TargetKey { group: group.clone(), id: String::new(), port: 0 };
    state.targets().range(first..).take_while(move |it| it.0.group == group).map(|it| it.1)
}

/// Where host ports of a container instance are reached, and its zone.
pub fn instance_place(instance: &ContainerInstance) -> (Option<IpAddr>, Option<Zone>) {
    let attribute = |name: &str| instance.attributes.get(name).cloned().flatten();
    let address = attribute(ADDRESS_ATTRIBUTE).and_then(|it| it.parse().ok());
    let zone = attribute(ZONE_ATTRIBUTE).and_then(|it| Zone::parse(&it).ok());
    (address, zone)
}

/// The zone of the subnet that an address is of; `None` for one outside of the VPC.
pub fn zone_of(state: &State, address: IpAddr) -> Option<Zone> {
    let IpAddr::V4(address) = address else { return None };
    let bits = address.to_bits();
    let region = state.region().get(&())?;
    let subnet = region.subnets.iter().find(|it| {
        let size = 32_u32.saturating_sub(u32::from(it.prefix));
        bits.checked_shr(size) == it.base.checked_shr(size)
    });
    subnet.map(|it| it.zone.clone())
}

/// Takes a target out of its group: what it has under way may end until the group's delay is over.
/// One that drains already, or is not there, is left as it is.
pub fn deregister(draft: &mut Draft<'_>, key: &TargetKey, now: Timestamp) {
    let state = draft.state();
    let Some(target) = get(state, key).filter(|it| it.draining.is_none()) else { return };
    let change = match delay(state, &key.group).filter(|it| !it.is_zero()) {
        Some(delay) => {
            let draining = Some(Draining { since: now, until: now.after(delay) });
            put(Target { draining, ..target.as_ref().clone() })
        }
        None => take(key),
    };
    draft.change(change);
}

/// How long a target that leaves a group may finish what it has. Nothing goes to targets of a group
/// that nothing names.
fn delay(state: &State, group: &str) -> Option<Duration> {
    if state.connect_endpoints().contains_key(group) {
        return Some(connect::DRAINING);
    }
    if let Some(name) = classic_name(group) {
        return classic::draining(&state.classic_load_balancers().get(name)?.attributes);
    }
    state.indexes().rules_of_group(group).next()?;
    let group = state.target_groups().get(group)?;
    Some(GroupAttributes::of(&group.attributes).deregistration_delay)
}

/// What the balancers that are there find together: healthy if one of them finds it so. Of several
/// bad findings the newest counts.
pub fn found(state: &State, target: &Target) -> TargetHealth {
    combined(seen_now(state, target))
}

/// The same; where no balancer has a session, what they all found last: they go on serving it.
pub fn found_last(state: &State, target: &Target) -> TargetHealth {
    if state.balancers().values().any(|it| it.connected) {
        found(state, target)
    } else {
        combined(target.seen.values())
    }
}

/// What the balancers that are there find of a target.
pub fn seen_now<'a>(state: &'a State, target: &'a Target) -> impl Iterator<Item = &'a Seen> {
    let is_there = |name: &str| state.balancers().get(name).is_some_and(|it| it.connected);
    target.seen.iter().filter(move |it| is_there(it.0)).map(|it| it.1)
}

fn combined<'a>(all: impl Iterator<Item = &'a Seen>) -> TargetHealth {
    let mut newest: Option<(Timestamp, &TargetHealth)> = None;
    for seen in all {
        match seen.health {
            TargetHealth::Healthy => return TargetHealth::Healthy,
            TargetHealth::Initial => {}
            _ if newest.is_none_or(|it| it.0 < seen.since) => {
                newest = Some((seen.since, &seen.health));
            }
            _ => {}
        }
    }
    newest.map_or(TargetHealth::Initial, |it| it.1.clone())
}

/// What is wrong with a target, in AWS's words; `None` if nothing is known to be.
pub fn fault(health: &TargetHealth) -> Option<String> {
    match health {
        TargetHealth::Healthy | TargetHealth::Initial => None,
        TargetHealth::WrongCode(code) => {
            Some(format!("Health checks failed with these codes: [{code}]"))
        }
        TargetHealth::Timeout => Some("Request timed out".to_owned()),
        TargetHealth::Failed => Some("Health checks failed".to_owned()),
    }
}
