//! Which target gets the next request.
//!
//! A [`Rotation`] is what one thread of a balancer knows of one group (in one zone, where zones are
//! kept apart): which targets may be chosen, whose turn it is, and how much each has under way. Each
//! thread counts for itself, as each node of an AWS load balancer does. A choice costs O(1), or
//! O(log targets) by least outstanding requests.

use core::time::Duration;
use std::collections::BTreeSet;

use types::{Timestamp, Zone};

use crate::routing::attributes::Algorithm;
use crate::routing::{ReadyGroup, Target};

/// A full share, for slow start and for targets that do as well as the others.
pub const SHARE_FULL: u32 = 1_000;

/// The least share that mitigation leaves to a target, so that it can show that it is well again.
pub(crate) const SHARE_LEAST: u32 = 50;

/// How many targets are offered a request before one takes it without looking at its share.
const OFFERS_MAX: u64 = 32;

/// How often another target is drawn, before it is whoever is left.
const DRAWS: u64 = 8;

/// How the targets of a group are found to be.
pub trait Healths {
    /// Whether the target of that number passes its checks.
    fn is_healthy(&self, target: u32) -> bool;

    /// How much of its turn it gets, of [`SHARE_FULL`]; less while it does worse than the others.
    fn share(&self, _: u32) -> u32 {
        SHARE_FULL
    }
}

impl<F: Fn(u32) -> bool> Healths for F {
    fn is_healthy(&self, target: u32) -> bool {
        self(target)
    }
}

/// Who of a group's targets takes the next request.
#[derive(Debug, Clone, Default)]
pub struct Rotation {
    algorithm: Option<Algorithm>,
    slow_start: Option<Duration>,
    slots: Vec<Slot>,
    /// Numbers of the targets that may be chosen.
    eligible: Vec<u32>,
    fails_open: bool,
    turn: usize,
    /// The eligible by load, then by how long they have waited; for least outstanding requests only.
    by_load: BTreeSet<(u32, u64, u32)>,
    clock: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    in_flight: u32,
    /// When it was chosen last.
    last: u64,
    is_eligible: bool,
    was_healthy: bool,
    /// When its slow start began.
    ramp_from: Option<Timestamp>,
    /// Of [`SHARE_FULL`]; by mitigation.
    share: Option<u32>,
}

impl Rotation {
    /// A rotation over the group's targets (of one zone only, where `zone` is given), with what the
    /// rotation over an older version of the same group knew.
    pub fn new(
        group: &ReadyGroup,
        zone: Option<&Zone>,
        healths: &dyn Healths,
        now: Timestamp,
        before: Option<(&ReadyGroup, &Self)>,
    ) -> Self {
        let carried = |target: &Target| {
            let (old, rotation) = before?;
            let number = old.told.targets.binary_search_by(|it| {
                (it.id.as_str(), it.port).cmp(&(target.id.as_str(), target.port))
            });
            rotation.slots.get(number.ok()?).copied()
        };
        let slots = group.told.targets.iter().map(|it| carried(it).unwrap_or_default()).collect();
        let mut rotation = Self {
            algorithm: Some(group.attributes.algorithm),
            slow_start: group.attributes.slow_start,
            slots,
            clock: before.map_or(0, |it| it.1.clock),
            turn: before.map_or(0, |it| it.1.turn),
            ..Self::default()
        };
        rotation.refresh(group, zone, healths, now);
        rotation
    }

    /// Looks again at who may be chosen, and how much: after each change of a health or a share.
    pub fn refresh(
        &mut self,
        group: &ReadyGroup,
        zone: Option<&Zone>,
        healths: &dyn Healths,
        now: Timestamp,
    ) {
        let takes = |it: &Target| {
            it.draining.is_none()
                && it.address.is_some()
                && zone.is_none_or(|zone| it.zone.as_ref().is_none_or(|own| own == zone))
        };
        let registered: Vec<u32> =
            (0..).zip(&group.told.targets).filter(|(_, it)| takes(it)).map(|(it, _)| it).collect();
        let healthy: Vec<u32> =
            registered.iter().copied().filter(|it| healths.is_healthy(*it)).collect();
        self.note_health(&healthy, now);

        let enough = group.attributes.fail_open.is_none_or(|open| {
            let wanted_share = open.percentage.unwrap_or(0) as usize;
            healthy.len() >= open.count.max(1) as usize
                && healthy.len() * 100 >= registered.len() * wanted_share
        });
        self.fails_open = !enough && !registered.is_empty();
        self.eligible = if enough { healthy } else { registered };
        for (number, slot) in (0..).zip(&mut self.slots) {
            slot.is_eligible = false;
            slot.share = Some(healths.share(number)).filter(|it| *it < SHARE_FULL);
        }
        self.by_load.clear();
        for number in &self.eligible {
            let Some(slot) = self.slots.get_mut(*number as usize) else { continue };
            slot.is_eligible = true;
            if self.algorithm == Some(Algorithm::LeastOutstandingRequests) {
                self.by_load.insert((slot.in_flight, slot.last, *number));
            }
        }
    }

    /// A target that becomes healthy beside healthy ones begins slowly; one that becomes unhealthy
    /// will begin again.
    fn note_health(&mut self, healthy: &[u32], now: Timestamp) {
        let slow_start = self.slow_start;
        let ramps =
            |slot: &Slot| slot.ramp_from.is_some_and(|from| Some(now.since(from)) < slow_start);
        let others = self.slots.iter().any(|it| it.was_healthy && !ramps(it));
        let is_healthy: BTreeSet<u32> = healthy.iter().copied().collect();
        for (number, slot) in (0..).zip(&mut self.slots) {
            let healthy = is_healthy.contains(&number);
            if healthy && !slot.was_healthy {
                slot.ramp_from = (others && slow_start.is_some()).then_some(now);
            }
            slot.was_healthy = healthy;
        }
    }

    /// The target of the next request; `None` if the group has none to choose.
    pub fn next(&mut self, dice: u64, now: Timestamp) -> Option<u32> {
        self.clock += 1;
        match self.algorithm? {
            Algorithm::LeastOutstandingRequests => self.by_load.first().map(|it| it.2),
            Algorithm::RoundRobin => self.offer(dice, now, |rotation, _| {
                rotation.turn = (rotation.turn + 1).checked_rem(rotation.eligible.len())?;
                rotation.eligible.get(rotation.turn).copied()
            }),
            Algorithm::WeightedRandom { .. } => self.offer(dice, now, |rotation, draw| {
                let place = usize::try_from(draw).ok()?.checked_rem(rotation.eligible.len())?;
                rotation.eligible.get(place).copied()
            }),
        }
    }

    /// The target of a request that has not reached the ones that were `tried`; `None` if there is
    /// nobody else. O(eligible × tried).
    pub fn next_but(&mut self, tried: &[u32], dice: u64, now: Timestamp) -> Option<u32> {
        let is_other = |it: &u32| !tried.contains(it);
        if self.algorithm == Some(Algorithm::LeastOutstandingRequests) {
            return self.by_load.iter().map(|it| it.2).find(is_other);
        }
        let mut draws = (0..DRAWS).filter_map(|it| self.next(dice.wrapping_add(it), now));
        let drawn = draws.find(is_other);
        drawn.or_else(|| self.eligible.iter().copied().find(is_other))
    }

    /// Offers the request to one after the other; each takes it as often as its share says.
    fn offer(
        &mut self,
        dice: u64,
        now: Timestamp,
        mut candidate: impl FnMut(&mut Self, u64) -> Option<u32>,
    ) -> Option<u32> {
        let mut chosen = None;
        for attempt in 0..OFFERS_MAX {
            let draw = mix(dice.wrapping_add(attempt));
            chosen = Some(candidate(self, draw >> 32)?);
            let share = chosen.map_or(SHARE_FULL, |it| self.share(it, now));
            if share >= SHARE_FULL || (draw & 0xffff_ffff) % u64::from(SHARE_FULL) < share.into() {
                break;
            }
        }
        chosen
    }

    fn share(&self, target: u32, now: Timestamp) -> u32 {
        let Some(slot) = self.slots.get(target as usize) else { return SHARE_FULL };
        let by_ramp = match (slot.ramp_from, self.slow_start) {
            (Some(from), Some(whole)) if now.since(from) < whole => {
                let gone = now.since(from).as_millis() * u128::from(SHARE_FULL);
                u32::try_from(gone / whole.as_millis().max(1)).unwrap_or(SHARE_FULL).max(1)
            }
            _ => SHARE_FULL,
        };
        by_ramp.min(slot.share.unwrap_or(SHARE_FULL))
    }

    /// Whether a target may get requests, for those who stay with theirs.
    pub fn is_eligible(&self, target: u32) -> bool {
        self.slots.get(target as usize).is_some_and(|it| it.is_eligible)
    }

    /// Whether requests go to targets although too few are healthy.
    pub fn fails_open(&self) -> bool {
        self.fails_open
    }

    /// Whether it has anybody to choose.
    pub fn is_empty(&self) -> bool {
        self.eligible.is_empty()
    }

    /// A request has gone to a target.
    pub fn began(&mut self, target: u32) {
        let clock = self.clock;
        self.count(target, |slot| {
            slot.in_flight += 1;
            slot.last = clock;
        });
    }

    /// A request to a target is over.
    pub fn ended(&mut self, target: u32) {
        self.count(target, |slot| slot.in_flight = slot.in_flight.saturating_sub(1));
    }

    fn count(&mut self, target: u32, change: impl FnOnce(&mut Slot)) {
        let Some(slot) = self.slots.get_mut(target as usize) else { return };
        let stood = self.by_load.remove(&(slot.in_flight, slot.last, target));
        change(slot);
        if stood {
            self.by_load.insert((slot.in_flight, slot.last, target));
        }
    }
}

/// `SplitMix64`: one draw of dice gives as many as are needed.
fn mix(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests;
