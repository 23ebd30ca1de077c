//! The search for the best instance: the usual chains of strategies walk the index and stop at the
//! first answer; all others narrow down the whole set.

use state::capacity::{Bits, Block, Capacity, GroupPlaces, Known, Pool, Share};
use types::{Cpu, InstanceId, MemoryMib};

use super::candidates::Candidates;
use super::filter::Filter;
use super::{Field, Placed, Reasons, Request, Resource, Strategy};

/// How many instances binpack looks at one by one before it takes them 64 at a time.
const PATIENCE: usize = 256;

/// How many instances `random` draws from all before it looks for those that comply. So many all
/// miss once in a thousand times where a fifth of them complies.
pub(super) const DRAWS: usize = 32;

/// Numbers that follow from the dice, for the draws of one decision.
///
/// Source: O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms for
/// Random Number Generation", 2014: the upper half of a linear congruential generator of 128 bits.
pub(super) fn draws(dice: u128) -> impl Iterator<Item = u64> {
    const FACTOR: u128 = 0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645;
    const STEP: u128 = 0x5851_F42D_4C95_7F2D_1405_7B7E_F767_814F;
    let next = |it: &u128| Some(it.wrapping_mul(FACTOR).wrapping_add(STEP));
    let upper = |it: u128| u64::try_from(it >> 64).expect("64 bits are left");
    core::iter::successors(Some(dice), next).map(upper)
}

/// The best instance for the task, if any can take it.
pub(super) fn search(capacity: &Capacity, request: &Request, dice: u128) -> Option<Placed> {
    let pool = capacity.pool(&request.cluster)?;
    let group = pool.group(&request.group);
    let search = Search { pool, request, group: group.map(|it| it.1), dice };
    let found = search.best()?;
    let zone = pool.zones().get(found.zone)?;
    let on_instance = group.map_or(0, |(at, _)| pool.host(found.host).count(at));
    Some(Placed {
        instance: found.id,
        zone: zone.name().clone(),
        reasons: Reasons {
            in_zone: search.living(found.zone),
            on_instance,
            cpu: Cpu(found.left.0),
            memory: MemoryMib(found.left.1),
        },
    })
}

/// An instance that can take the task.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) zone: usize,
    pub(super) id: InstanceId,
    pub(super) host: u32,
    /// CPU units and mebibytes.
    pub(super) left: (u32, u32),
}

pub(super) struct Search<'a> {
    pub(super) pool: &'a Pool,
    pub(super) request: &'a Request,
    pub(super) group: Option<&'a GroupPlaces>,
    pub(super) dice: u128,
}

impl<'a> Search<'a> {
    fn best(&self) -> Option<Found> {
        match self.request.strategies() {
            [Strategy::Spread(Field::Zone), rest @ ..] => self.zone_by_zone(rest),
            all => self.within(all, |_| true),
        }
    }

    /// Living tasks of the group in a zone.
    pub(super) fn living(&self, zone: usize) -> u32 {
        self.group.and_then(|it| it.share(zone)).map_or(0, Share::living)
    }

    /// Tries the zones with the fewest tasks of the group first; those with equally many together.
    fn zone_by_zone(&self, rest: &[Strategy]) -> Option<Found> {
        let zones = 0..self.pool.zones().len();
        let mut fewest = zones.clone().map(|it| self.living(it)).min();
        while let Some(count) = fewest {
            let found = self.within(rest, |zone| self.living(zone) == count);
            if found.is_some() {
                return found;
            }
            fewest = zones.clone().map(|it| self.living(it)).filter(|it| *it > count).min();
        }
        None
    }

    /// The best instance of the zones that count.
    fn within(&self, rest: &[Strategy], counts: impl Fn(usize) -> bool) -> Option<Found> {
        let filters = || {
            (0..self.pool.zones().len()).filter(|zone| counts(*zone)).filter_map(|zone| {
                Some((zone, Filter::of(self.pool, zone, self.request, self.group)?))
            })
        };
        match rest {
            [] => filters()
                .filter_map(|(zone, filter)| first_outside(zone, &filter, &[], Known::default()))
                .min_by_key(|it| it.id),
            [Strategy::Spread(Field::Instance)] => filters()
                .filter_map(|(zone, filter)| self.fewest(zone, filter))
                .min_by_key(|(level, it)| (*level, it.id))
                .map(|(_, it)| it),
            [Strategy::Binpack(resource)] => self.packed(filters(), *resource),
            [Strategy::Random, ..] => self.drawn(&counts),
            _ => {
                let filters: Vec<_> = filters().collect();
                let mut candidates = Candidates::of(self, &filters);
                candidates.narrow_all(rest);
                candidates.first()
            }
        }
    }

    /// The first of those with the fewest tasks of the group, and how many those are.
    fn fewest(&self, zone: usize, filter: Filter<'a>) -> Option<(usize, Found)> {
        let share = self.group.and_then(|it| it.share(zone));
        let members = share.map_or(&[][..], |it| it.members().words());
        let covered = self.group.is_some_and(|it| it.covers(&self.request.demand));
        let known = share.filter(|_| covered).map_or_else(Known::default, Share::known);
        if let Some(found) = first_outside(zone, &filter, members, known) {
            return Some((0, found));
        }
        let share = share?;
        if covered {
            let mut levels = (1..).zip(share.levels());
            return levels.find_map(|(level, it)| Some((level, first_of(zone, &filter, it)?)));
        }
        // The smallest task of the group so far: members that are closed to the others count too.
        let mut candidates = Candidates::of(self, &[(zone, filter)]);
        candidates.narrow_all(&[Strategy::Spread(Field::Instance)]);
        let found = candidates.first()?;
        let (at, _) = self.pool.group(&self.request.group)?;
        Some((self.pool.host(found.host).count(at) as usize, found))
    }

    /// One of those that comply, each alike. Draws from all instances of the zones that count, and
    /// looks for those that comply only where few do.
    fn drawn(&self, counts: impl Fn(usize) -> bool) -> Option<Found> {
        let zones = self.pool.zones_by_name().filter(|it| counts(*it));
        let zones: Vec<_> = zones
            .filter_map(|it| Some((it, self.pool.zones().get(it)?.rows())))
            .map(|(it, rows)| (it, rows, Filter::of(self.pool, it, self.request, self.group)))
            .collect();
        let all: u64 = zones.iter().map(|it| it.1.seated() as u64).sum();
        for number in draws(self.dice).take(DRAWS) {
            let mut rank = usize::try_from(number.checked_rem(all)?).ok()?;
            for (zone, rows, filter) in &zones {
                if rank >= rows.seated() {
                    rank -= rows.seated();
                    continue;
                }
                let (block, bit) = rows.at_rank(u32::try_from(rank).ok()?)?;
                if filter.as_ref().is_some_and(|it| it.word(block, 1 << bit) != 0) {
                    return Some(found(*zone, block, bit));
                }
                break;
            }
        }
        let filters: Vec<_> =
            zones.into_iter().filter_map(|(zone, _, filter)| Some((zone, filter?))).collect();
        let mut candidates = Candidates::of(self, &filters);
        candidates.narrow_all(&[Strategy::Random]);
        candidates.first()
    }

    /// The one with the least left of a resource.
    fn packed(
        &self,
        filters: impl Iterator<Item = (usize, Filter<'a>)>,
        resource: Resource,
    ) -> Option<Found> {
        let least = |it: &Found| match resource {
            Resource::Cpu => (it.left.0, it.id),
            Resource::Memory => (it.left.1, it.id),
        };
        filters
            .filter_map(|(zone, filter)| match self.packed_in(zone, &filter, resource) {
                Walk::Found(found) => Some(found),
                Walk::Nobody => None,
                Walk::TooLong => {
                    let filters = [(zone, filter)];
                    let mut candidates = Candidates::of(self, &filters);
                    candidates.narrow_all(&[Strategy::Binpack(resource)]);
                    candidates.first()
                }
            })
            .min_by_key(least)
    }

    fn packed_in(&self, zone: usize, filter: &Filter<'a>, resource: Resource) -> Walk {
        let demand = &self.request.demand;
        let (cpu, memory) = (demand.cpu.0, demand.memory.0);
        let Some(places) = self.pool.zones().get(zone) else { return Walk::Nobody };
        let (shelf, left, other) = match resource {
            Resource::Cpu => (places.by_cpu(), cpu, memory),
            Resource::Memory => (places.by_memory(), memory, cpu),
        };
        let plain = filter.is_plain();
        for (steps, book) in shelf.from(left, other).enumerate() {
            if plain || filter.accepts(book.host) {
                let left = match resource {
                    Resource::Cpu => (book.left, book.other),
                    Resource::Memory => (book.other, book.left),
                };
                let id = self.pool.host(book.host).id();
                return Walk::Found(Found { zone, id, host: book.host, left });
            }
            if steps >= PATIENCE {
                return Walk::TooLong;
            }
        }
        Walk::Nobody
    }
}

/// How a walk along a shelf ended.
enum Walk {
    Found(Found),
    Nobody,
    TooLong,
}

/// The first of a zone that complies and is not one of these members.
fn first_outside(
    zone: usize,
    filter: &Filter<'_>,
    mut members: &[(u32, u64)],
    known: Known,
) -> Option<Found> {
    let mut from = 0;
    while let Some((at, block, seats)) = filter.next(from, members, known) {
        if let Some(bit) = block.first(filter.word(block, seats)) {
            return Some(found(zone, block, bit));
        }
        from = at + 1;
        while members.first().is_some_and(|it| it.0 <= block.label()) {
            members = members.get(1..)?;
        }
    }
    None
}

/// The first of a set that complies.
fn first_of(zone: usize, filter: &Filter<'_>, bits: &Bits) -> Option<Found> {
    bits.words().iter().find_map(|(label, seats)| {
        let block = filter.rows().block(*label)?;
        let bit = block.first(filter.word(block, *seats))?;
        Some(found(zone, block, bit))
    })
}

pub(super) fn found(zone: usize, block: &Block, bit: u8) -> Found {
    Found { zone, id: block.id(bit), host: block.host(bit), left: block.left(bit) }
}
