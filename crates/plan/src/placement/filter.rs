//! Who of a zone can take the task: everything that binds, 64 instances at a time.

use std::borrow::Cow;

use state::ContainerInstance;
use state::capacity::{Bits, Block, GroupPlaces, Known, Pool, Rows, Share, Values, ZonePlaces};

use super::Request;
use crate::query::{self, Expression, Node, Property, Subject, Term, Test, Value};

/// What binds, ready for one zone.
pub(super) struct Filter<'a> {
    pool: &'a Pool,
    rows: &'a Rows,
    cpu: u32,
    memory: u32,
    gpus: u32,
    with: Vec<&'a Bits>,
    without: Vec<&'a Bits>,
    members: Vec<Sieve<'a>>,
    /// Those that must ask each instance, so they come last.
    asked: Vec<Sieve<'a>>,
}

impl<'a> Filter<'a> {
    /// What the request demands of instances of this zone; `None` if none can comply.
    pub(super) fn of(
        pool: &'a Pool,
        zone: usize,
        request: &'a Request,
        group: Option<&'a GroupPlaces>,
    ) -> Option<Self> {
        let mut filter = Self::of_constraints(pool, zone, request, group)?;
        let traits = pool.zones().get(zone)?.traits();
        let demand = &request.demand;
        filter.cpu = demand.cpu.0;
        filter.memory = demand.memory.0;
        filter.gpus = demand.gpus.into();
        filter.without.extend(demand.ports.iter().filter_map(|it| traits.port(*it)));
        filter.without.extend(demand.interface.then(|| traits.no_interface()));
        filter.with.extend((demand.gpus > 0).then(|| traits.gpus()));
        Some(filter)
    }

    /// The same, whatever room is left.
    pub(super) fn of_constraints(
        pool: &'a Pool,
        zone: usize,
        request: &'a Request,
        group: Option<&'a GroupPlaces>,
    ) -> Option<Self> {
        let places = pool.zones().get(zone)?;
        if !request.allows(places.name()) {
            return None;
        }
        let mut filter = Self {
            pool,
            rows: places.rows(),
            cpu: 0,
            memory: 0,
            gpus: 0,
            with: Vec::new(),
            without: Vec::new(),
            members: Vec::new(),
            asked: Vec::new(),
        };
        for name in request.requires.iter().filter(|it| *it != query::ZONE) {
            let values = places.traits().attribute(name)?;
            if values.count() < places.rows().seated() {
                filter.with.push(values.all());
            }
        }
        for expression in request.expressions() {
            match Sieve::of(pool, zone, places, expression) {
                Sieve::Nobody => return None,
                Sieve::Everybody => {}
                sieve if sieve.asks() => filter.asked.push(sieve),
                sieve => filter.members.push(sieve),
            }
        }
        if request.is_distinct() {
            filter.without.extend(group.and_then(|it| it.share(zone)).map(Share::members));
        }
        Some(filter)
    }

    /// Whether room is all that binds.
    pub(super) fn is_plain(&self) -> bool {
        self.gpus == 0
            && self.with.is_empty()
            && self.without.is_empty()
            && self.members.is_empty()
            && self.asked.is_empty()
    }

    /// The instances of the zone that it chooses from.
    pub(super) fn rows(&self) -> &'a Rows {
        self.rows
    }

    /// The next block, from a position on, where somebody other than these members may have room:
    /// its position, the block, those seats.
    pub(super) fn next(
        &self,
        from: usize,
        members: &[(u32, u64)],
        known: Known,
    ) -> Option<(usize, &'a Block, u64)> {
        let (at, seats) = self.rows.next_fit(from, (self.cpu, self.memory), members, known)?;
        Some((at, self.rows.blocks().get(at)?, seats))
    }

    /// Whether a host of the zone complies.
    pub(super) fn accepts(&self, host: u32) -> bool {
        let seat = self.pool.seat_of(host).map(|it| it.1);
        seat.and_then(|it| Some((self.rows.block(it.label)?, it)))
            .is_some_and(|(block, seat)| self.word(block, seat.word()) != 0)
    }

    /// Those of the seats of a block that comply.
    pub(super) fn word(&self, block: &Block, seats: u64) -> u64 {
        let label = block.label();
        let mut word = seats & block.used();
        for sieve in &self.members {
            word = sieve.word(self.pool, block, word);
        }
        for bits in &self.with {
            word &= bits.word(label);
        }
        for bits in &self.without {
            word &= !bits.word(label);
        }
        if word != 0 {
            word = block.fitting(word, self.cpu, self.memory);
        }
        for sieve in &self.asked {
            word = sieve.word(self.pool, block, word);
        }
        if self.gpus > 0 {
            word = keep(word, |bit| self.pool.host(block.host(bit)).gpus_left() >= self.gpus);
        }
        word
    }
}

/// An expression, ready for one zone: texts have become sets.
enum Sieve<'a> {
    Everybody,
    Nobody,
    Set(Cow<'a, Bits>),
    All(Vec<Sieve<'a>>),
    Any(Vec<Sieve<'a>>),
    Not(Box<Sieve<'a>>),
    /// What no set is kept of is asked of each instance.
    Each(&'a Term),
}

impl<'a> Sieve<'a> {
    fn of(pool: &'a Pool, zone: usize, places: &'a ZonePlaces, it: &'a Expression) -> Self {
        Self::of_node(pool, zone, places, it.root())
    }

    fn of_node(pool: &'a Pool, zone: usize, places: &'a ZonePlaces, node: &'a Node) -> Self {
        let each = |nodes: &'a [Node]| {
            nodes.iter().map(|it| Self::of_node(pool, zone, places, it)).collect()
        };
        match node {
            Node::All(nodes) => Self::All(each(nodes)),
            Node::Any(nodes) => Self::Any(each(nodes)),
            Node::Not(node) => Self::Not(Box::new(Self::of_node(pool, zone, places, node))),
            Node::Term(term) => Self::of_term(pool, zone, places, term),
        }
    }

    fn of_term(pool: &'a Pool, zone: usize, places: &'a ZonePlaces, term: &'a Term) -> Self {
        let traits = places.traits();
        let test = &term.test;
        match &term.property {
            Property::AgentConnected => Self::known(test.of_text(Some("true"))),
            Property::Attribute(name) if name == query::ZONE => {
                Self::known(test.of_text(Some(places.name().as_str())))
            }
            Property::Attribute(name) => match (traits.attribute(name), test) {
                (None, _) => Self::known(test.of_text(None)),
                (Some(values), Test::Exists) => Self::Set(Cow::Borrowed(values.all())),
                (Some(values), Test::Lacks) => {
                    Self::Not(Box::new(Self::Set(Cow::Borrowed(values.all()))))
                }
                (Some(values), _) => Self::of_values(values, test, |it| test.of_text(Some(it))),
            },
            Property::AgentVersion => {
                Self::of_values(traits.agent_versions(), test, |it| test.of_version(it))
            }
            Property::Ec2InstanceId => {
                Self::of_values(traits.machines(), test, |it| test.of_text(Some(it)))
            }
            Property::TaskGroup => match test {
                Test::Equals(Value::Text(name)) => {
                    let group = pool.group_named(name).and_then(|it| it.share(zone));
                    group.map_or(Self::Nobody, |it| Self::Set(Cow::Borrowed(it.members())))
                }
                _ => Self::Each(term),
            },
            Property::RegisteredAt | Property::RunningTasksCount => Self::Each(term),
        }
    }

    /// Whether it must ask each instance.
    fn asks(&self) -> bool {
        match self {
            Self::Each(_) => true,
            Self::All(all) | Self::Any(all) => all.iter().any(Self::asks),
            Self::Not(it) => it.asks(),
            Self::Everybody | Self::Nobody | Self::Set(_) => false,
        }
    }

    fn known(holds: bool) -> Self {
        if holds { Self::Everybody } else { Self::Nobody }
    }

    fn of_values(values: &'a Values, test: &'a Test, accepts: impl Fn(&str) -> bool) -> Self {
        let with = |wanted: &'a [Value]| {
            let texts = wanted.iter().filter_map(|it| match it {
                Value::Text(it) => Some(it.as_str()),
                _ => None,
            });
            Self::union(texts.filter_map(|it| values.with(it)))
        };
        let all_but = |sieve: Self| {
            let all = Self::Set(Cow::Borrowed(values.all()));
            Self::All(vec![all, Self::Not(Box::new(sieve))])
        };
        match test {
            Test::Equals(it @ Value::Text(_)) => with(core::slice::from_ref(it)),
            Test::In(list) => with(list),
            Test::Differs(it @ Value::Text(_)) => all_but(with(core::slice::from_ref(it))),
            Test::NotIn(list) => all_but(with(list)),
            _ => Self::union(values.each().filter(|it| accepts(it.0)).map(|it| it.1)),
        }
    }

    fn union(mut sets: impl Iterator<Item = &'a Bits>) -> Self {
        let Some(first) = sets.next() else { return Self::Nobody };
        let mut set = Cow::Borrowed(first);
        for bits in sets {
            set.to_mut().join(bits);
        }
        Self::Set(set)
    }

    fn word(&self, pool: &Pool, block: &Block, seats: u64) -> u64 {
        if seats == 0 {
            return 0;
        }
        match self {
            Self::Everybody => seats,
            Self::Nobody => 0,
            Self::Set(bits) => seats & bits.word(block.label()),
            Self::All(all) => all.iter().fold(seats, |left, it| it.word(pool, block, left)),
            Self::Any(any) => {
                any.iter().fold(0, |found, it| found | it.word(pool, block, seats & !found))
            }
            Self::Not(it) => seats & !it.word(pool, block, seats),
            Self::Each(term) => keep(seats, |bit| {
                let host = pool.host(block.host(bit));
                host.record().is_some_and(|it: &ContainerInstance| {
                    term.holds(&Subject::on_host(pool, host, it))
                })
            }),
        }
    }
}

/// The bits that pass.
fn keep(mut word: u64, passes: impl Fn(u8) -> bool) -> u64 {
    let mut kept = 0;
    while word != 0 {
        let bit = word.trailing_zeros();
        if passes(u8::try_from(bit).unwrap_or(63)) {
            kept |= 1 << bit;
        }
        word &= word - 1;
    }
    kept
}
