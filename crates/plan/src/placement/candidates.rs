//! All instances that can take a task, narrowed down strategy by strategy, 64 at a time.

use std::collections::BTreeMap;

use state::capacity::{Block, Known, Pool, Share, Values, ZonePlaces};

use super::filter::Filter;
use super::search::{Found, Search, found};
use super::{Field, Resource, Strategy};
use crate::query;

/// Those that are left. Costs a step for each 64 instances of the cluster, and more where
/// strategies ask for it.
pub(super) struct Candidates<'a, 'b> {
    search: &'b Search<'a>,
    zones: Vec<Seats<'a>>,
}

/// Those of one zone, block by block.
struct Seats<'a> {
    zone: usize,
    words: Vec<(&'a Block, u64)>,
}

impl<'a> Seats<'a> {
    fn narrow(&mut self, keep: impl Fn(&'a Block, u64) -> u64) {
        for (block, word) in &mut self.words {
            *word = keep(block, *word);
        }
        self.words.retain(|it| it.1 != 0);
    }

    fn each(&self) -> impl Iterator<Item = (&'a Block, u8)> + '_ {
        self.words.iter().flat_map(|(block, word)| block.ordered(*word).map(|bit| (*block, bit)))
    }
}

impl<'a, 'b> Candidates<'a, 'b> {
    pub(super) fn of(search: &'b Search<'a>, filters: &[(usize, Filter<'a>)]) -> Self {
        let mut zones = Vec::new();
        for (zone, filter) in filters {
            let mut words = Vec::new();
            let mut from = 0;
            while let Some((at, block, seats)) = filter.next(from, &[], Known::default()) {
                let word = filter.word(block, seats);
                words.extend((word != 0).then_some((block, word)));
                from = at + 1;
            }
            zones.push(Seats { zone: *zone, words });
        }
        zones.retain(|it| !it.words.is_empty());
        Self { search, zones }
    }

    /// The one with the smallest identifier.
    pub(super) fn first(&self) -> Option<Found> {
        self.zones
            .iter()
            .filter_map(|it| it.each().next().map(|(block, bit)| found(it.zone, block, bit)))
            .min_by_key(|it| it.id)
    }

    pub(super) fn narrow_all(&mut self, strategies: &[Strategy]) {
        for strategy in strategies {
            match strategy {
                Strategy::Spread(Field::Zone) => self.least_by_zone(),
                Strategy::Spread(Field::Instance) => self.least_by_instance(),
                Strategy::Spread(Field::Attribute(name)) => self.least_by_attribute(name),
                Strategy::Binpack(Resource::Cpu) => self.least(|block, bit| block.left(bit).0),
                Strategy::Binpack(Resource::Memory) => self.least(|block, bit| block.left(bit).1),
                Strategy::Random => self.draw(),
            }
        }
    }

    fn pool(&self) -> &'a Pool {
        self.search.pool
    }

    fn least(&mut self, weight: impl Fn(&Block, u8) -> u32) {
        let all = self.zones.iter().flat_map(Seats::each);
        let Some(least) = all.map(|(block, bit)| weight(block, bit)).min() else { return };
        self.narrow(|_, block, word| {
            let kept = block.ordered(word).filter(|bit| weight(block, *bit) == least);
            kept.fold(0, |word, bit| word | 1 << bit)
        });
    }

    fn narrow(&mut self, keep: impl Fn(usize, &'a Block, u64) -> u64) {
        for seats in &mut self.zones {
            let zone = seats.zone;
            seats.narrow(|block, word| keep(zone, block, word));
        }
        self.zones.retain(|it| !it.words.is_empty());
    }

    fn least_by_zone(&mut self) {
        let search = self.search;
        let least = self.zones.iter().map(|it| search.living(it.zone)).min();
        self.zones.retain(|it| Some(search.living(it.zone)) == least);
    }

    fn least_by_instance(&mut self) {
        let search = self.search;
        let Some((position, group)) = search.pool.group(&search.request.group) else { return };
        let without = |zone: usize, block: &Block, word: u64| {
            word & !group.share(zone).map_or(0, |it| it.members().word(block.label()))
        };
        let some =
            |it: &Seats<'a>| it.words.iter().any(|(b, word)| without(it.zone, b, *word) != 0);
        if self.zones.iter().any(some) {
            self.narrow(without);
        } else {
            let pool = self.pool();
            self.least(|block, bit| pool.host(block.host(bit)).count(position));
        }
    }

    fn least_by_attribute(&mut self, name: &str) {
        if name == query::ZONE {
            return self.least_by_zone();
        }
        let counts = self.counts_by_attribute(name);
        let mut tiers: BTreeMap<u32, Vec<Option<&str>>> = BTreeMap::new();
        for (value, count) in &counts {
            tiers.entry(*count).or_default().push(*value);
        }
        if tiers.len() == 1 {
            return;
        }
        let pool = self.pool();
        for values in tiers.values() {
            let buckets: Vec<_> =
                pool.zones().iter().map(|it| Bucket::of(it, name, values)).collect();
            let keep = |zone: usize, block: &Block, word: u64| {
                word & buckets.get(zone).map_or(0, |it| it.word(block.label()))
            };
            let some =
                |it: &Seats<'a>| it.words.iter().any(|(b, word)| keep(it.zone, b, *word) != 0);
            if self.zones.iter().any(some) {
                self.narrow(keep);
                return;
            }
        }
    }

    /// Living tasks of the group by value of an attribute, for every value that occurs; `None`
    /// stands for the instances that lack it.
    fn counts_by_attribute(&self, name: &str) -> BTreeMap<Option<&'a str>, u32> {
        let pool = self.pool();
        let mut counts = BTreeMap::from([(None, 0)]);
        for zone in pool.zones() {
            let values = zone.traits().attribute(name).into_iter().flat_map(Values::each);
            counts.extend(values.map(|(value, _)| (Some(value), 0)));
        }
        let Some((position, group)) = pool.group(&self.search.request.group) else { return counts };
        for (at, zone) in pool.zones().iter().enumerate() {
            let Some(members) = group.share(at).map(Share::members) else { continue };
            let count = |(label, seats): (u32, u64)| -> u32 {
                let block = zone.rows().block(label).filter(|_| seats != 0);
                let hosts =
                    block.into_iter().flat_map(|it| it.ordered(seats).map(|bit| it.host(bit)));
                hosts.map(|it| pool.host(it).count(position)).sum()
            };
            let held = zone.traits().attribute(name);
            for (value, bits) in held.into_iter().flat_map(Values::each) {
                let found: u32 = members.meet(bits).map(count).sum();
                *counts.entry(Some(value)).or_default() += found;
            }
            let has = |label: u32| held.map_or(0, |it| it.all().word(label));
            let lacking =
                members.words().iter().map(|(label, word)| count((*label, word & !has(*label))));
            *counts.entry(None).or_default() += lacking.sum::<u32>();
        }
        for (host, count) in group.away() {
            if let Some(it) = pool.host(host).record().filter(|it| stands(it)) {
                *counts.entry(query::attribute(it, name)).or_default() += count;
            }
        }
        counts
    }

    /// Leaves one, each alike: by name of the zone, then by identifier.
    fn draw(&mut self) {
        let pool = self.pool();
        self.zones.sort_by_key(|it| pool.zones().get(it.zone).map(|it| it.name().clone()));
        let many = |it: &Seats<'a>| it.words.iter().map(|(_, word)| word.count_ones()).sum::<u32>();
        let count: u32 = self.zones.iter().map(many).sum();
        let Some(chosen) = self.search.dice.checked_rem(count.into()) else { return };
        let mut before = u32::try_from(chosen).unwrap_or(0);
        for seats in &self.zones {
            for (block, word) in &seats.words {
                let here = word.count_ones();
                if before >= here {
                    before -= here;
                } else if let Some(bit) = block.ordered(*word).nth(before as usize) {
                    self.zones = vec![Seats { zone: seats.zone, words: vec![(*block, 1 << bit)] }];
                    return;
                }
            }
        }
    }
}

/// The seats of one zone that are in one of several buckets of an attribute, block by block.
struct Bucket<'a> {
    labels: &'a [u32],
    words: Vec<u64>,
}

impl<'a> Bucket<'a> {
    fn of(zone: &'a ZonePlaces, name: &str, values: &[Option<&str>]) -> Self {
        let labels = zone.rows().labels();
        let held = zone.traits().attribute(name);
        let mut words = vec![0; labels.len()];
        if values.contains(&None) {
            for (word, label) in words.iter_mut().zip(labels) {
                *word = !held.map_or(0, |it| it.all().word(*label));
            }
        }
        for bits in values.iter().flatten().filter_map(|value| held?.with(value)) {
            let mut places = words.iter_mut().zip(labels);
            for (label, word) in bits.words() {
                if let Some((it, _)) = places.find(|it| it.1 == label) {
                    *it |= word;
                }
            }
        }
        Self { labels, words }
    }

    fn word(&self, label: u32) -> u64 {
        let at = self.labels.binary_search(&label).ok();
        at.and_then(|it| self.words.get(it)).copied().unwrap_or(0)
    }
}

/// Whether the instance is still there.
fn stands(it: &state::ContainerInstance) -> bool {
    it.status != state::InstanceStatus::Inactive
}
