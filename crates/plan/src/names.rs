//! What names stand for: the record sets of hosted zones, the names of load balancers of all kinds, those of
//! services of Cloud Map and those of endpoints of Service Connect.
//!
//! Source: RFC 1034, section 4.3.2; RFC 4592 (wildcards); Route 53 Developer Guide, "Choosing
//! between alias and non-alias records".

use core::slice;

use state::{Answer, Change, HostedZone, RecordSet, RecordSetKey, State};

use crate::connect::{self, Named};

mod form;
mod load_balancers;
pub mod services;

pub use form::{BadName, canonical, reversed, shown};
pub use load_balancers::{is_of_load_balancers, load_balancer, zone_of_load_balancers};

/// So many names are followed from the one that was asked for: more is a circle.
const STEPS_MAX: u32 = 8;

/// What a question about a name comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers {
    /// Whether there is an answer.
    pub outcome: Outcome,
    /// The answer, in the order in which names were followed: CNAMEs first.
    pub records: Vec<Record>,
    /// The SOA record of the zone that says that there is nothing, for whoever keeps that in mind.
    pub authority: Option<Record>,
}

/// Whether there is an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// There is.
    Found,
    /// The name exists, but has nothing of that type.
    NoData,
    /// No such name in a zone of ours (NXDOMAIN).
    NoSuchName,
    /// The rest of the answer is known elsewhere, under this name: no zone of ours has it.
    Elsewhere(String),
    /// Names lead to names without end (SERVFAIL).
    TooLong,
}

/// One record of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its name in lower case, with the dot at its end.
    pub name: String,
    /// Such as `A` or `CNAME`.
    pub kind: String,
    /// How long it may be kept, in seconds.
    pub ttl: u32,
    /// In the form of a zone file.
    pub value: String,
}

/// Answers a question about a name. The type is in upper case, such as `A`.
///
/// Where a service has more instances than an answer tells of, `chance` chooses among them: any
/// number, each as likely as the others.
///
/// O(load balancers, endpoints), of which a region has some hundreds at most.
pub fn resolve(state: &State, name: &str, kind: &str, chance: u64) -> Answers {
    match canonical(name) {
        Ok(name) => walk(state, name, kind, &mut Way { steps: 0, chance }),
        Err(_) => Answers::none(Outcome::NoSuchName, None),
    }
}

/// Whether answers may depend on what a change is about: a state of these rows alone answers as the
/// whole one does.
pub fn is_about_names(change: &Change) -> bool {
    matches!(
        change,
        Change::LoadBalancer(..)
            | Change::ClassicLoadBalancer(..)
            | Change::HostedZone(..)
            | Change::RecordSet(..)
            | Change::Namespace(..)
            | Change::DiscoveryService(..)
            | Change::DiscoveryInstance(..)
            | Change::ConnectEndpoint(..)
    )
}

impl Answers {
    fn none(outcome: Outcome, authority: Option<Record>) -> Self {
        Self { outcome, records: Vec::new(), authority }
    }
}

/// What one name says.
enum Step {
    Says(Vec<Record>),
    /// It is another name for the one in this record.
    Leads(Record),
    Nothing(Outcome, Option<Record>),
}

/// How far names were followed, and what chooses among instances.
struct Way {
    steps: u32,
    chance: u64,
}

fn walk(state: &State, mut name: String, kind: &str, way: &mut Way) -> Answers {
    let mut records = Vec::new();
    loop {
        way.steps += 1;
        if way.steps > STEPS_MAX {
            return Answers { outcome: Outcome::TooLong, records, authority: None };
        }
        match step(state, &name, kind, way) {
            Step::Says(found) => {
                records.extend(found);
                return Answers { outcome: Outcome::Found, records, authority: None };
            }
            Step::Leads(record) => {
                let next = canonical(&record.value);
                records.push(record);
                match next {
                    Ok(next) => name = next,
                    Err(_) => {
                        return Answers { outcome: Outcome::NoData, records, authority: None };
                    }
                }
            }
            Step::Nothing(outcome, authority) => return Answers { outcome, records, authority },
        }
    }
}

fn step(state: &State, name: &str, kind: &str, way: &mut Way) -> Step {
    if let Some(nodes) = load_balancers::nodes(state, name) {
        return match load_balancers::addresses(nodes, name, kind) {
            records if records.is_empty() => Step::Nothing(Outcome::NoData, None),
            records => Step::Says(records),
        };
    }
    match connect::named(state, name) {
        Named::Elsewhere => {}
        Named::Nothing => return Step::Nothing(Outcome::NoSuchName, None),
        Named::By(found) => {
            return match load_balancers::addresses(slice::from_ref(&found.node), name, kind) {
                records if records.is_empty() => Step::Nothing(Outcome::NoData, None),
                records => Step::Says(records),
            };
        }
    }
    let Some(zone) = zone_of(state, name) else {
        return Step::Nothing(Outcome::Elsewhere(name.to_owned()), None);
    };
    let namespace = state.indexes().discovery().namespace_of_zone(&zone.id);
    if let Some(namespace) = namespace.filter(|_| name != zone.name) {
        return services::step(state, (zone, namespace), (name, kind), way.chance);
    }
    let Some(sets) = node(state, zone, name) else {
        return Step::Nothing(Outcome::NoSuchName, authority(state, zone));
    };
    let nothing = || Step::Nothing(Outcome::NoData, authority(state, zone));
    let wanted = sets.iter().find(|it| it.key.kind == kind);
    let Some(set) = wanted.or_else(|| sets.iter().find(|it| it.key.kind == "CNAME")) else {
        return nothing();
    };
    match &set.answer {
        Answer::Values { .. } if set.key.kind == kind => Step::Says(records_of(set, name)),
        Answer::Values { .. } => match records_of(set, name).into_iter().next() {
            Some(record) => Step::Leads(record),
            None => nothing(),
        },
        Answer::Alias { name: other, .. } => {
            let there = walk(state, other.clone(), &set.key.kind, way);
            let own = there.records.into_iter().filter(|it| it.kind == set.key.kind);
            let own: Vec<_> = own.map(|it| Record { name: name.to_owned(), ..it }).collect();
            match (there.outcome, own.as_slice()) {
                (Outcome::TooLong, _) => Step::Nothing(Outcome::TooLong, None),
                (_, []) => nothing(),
                (_, [first, ..]) if set.key.kind != kind => Step::Leads(first.clone()),
                _ => Step::Says(own),
            }
        }
    }
}

fn records_of(set: &RecordSet, name: &str) -> Vec<Record> {
    let Answer::Values { ttl, values } = &set.answer else { return Vec::new() };
    let record = |value: &String| Record {
        name: name.to_owned(),
        kind: set.key.kind.clone(),
        ttl: *ttl,
        value: value.clone(),
    };
    values.iter().map(record).collect()
}

/// The zone that a name is in: the one with the longest name, of two with the same the private one.
pub fn zone_of<'a>(state: &'a State, name: &str) -> Option<&'a HostedZone> {
    let index = state.indexes().discovery();
    let mut above = Some(name);
    while let Some(name) = above.filter(|it| !it.is_empty()) {
        if let Some(id) = index.zone_named(name) {
            return state.hosted_zones().get(id).map(AsRef::as_ref);
        }
        above = name.split_once('.').map(|it| it.1);
    }
    None
}

/// The sets that stand at a name, its own or those of the wildcard that covers it. `None` if the
/// name does not exist.
fn node<'a>(state: &'a State, zone: &HostedZone, name: &str) -> Option<Vec<&'a RecordSet>> {
    if exists(state, zone, name) {
        return Some(sets_at(state, zone, name).collect());
    }
    let mut below = name;
    while let Some((_, above)) = below.split_once('.') {
        if !form::is_within(above, &zone.name) {
            break;
        }
        let wild: Vec<_> = sets_at(state, zone, &format!("*.{above}")).collect();
        if !wild.is_empty() {
            return Some(wild);
        }
        // A wildcard covers nothing below a name that exists.
        if exists(state, zone, above) {
            break;
        }
        below = above;
    }
    None
}

/// Whether a name has sets, or one below it does.
fn exists(state: &State, zone: &HostedZone, name: &str) -> bool {
    let start = reversed(name);
    let next = state.record_sets().range(first_at(zone, &start)..).next();
    next.is_some_and(|(key, _)| key.zone == zone.id && key.reversed.starts_with(&start))
}

/// The sets of a name itself, in order of their types.
pub fn sets_at<'a>(
    state: &'a State,
    zone: &HostedZone,
    name: &str,
) -> impl Iterator<Item = &'a RecordSet> + use<'a> {
    let first = first_at(zone, &reversed(name));
    let (id, at) = (first.zone.clone(), first.reversed.clone());
    let rest = state.record_sets().range(first..);
    rest.take_while(move |(key, _)| key.zone == id && key.reversed == at).map(|it| it.1.as_ref())
}

fn first_at(zone: &HostedZone, reversed: &str) -> RecordSetKey {
    RecordSetKey {
        zone: zone.id.clone(),
        reversed: reversed.to_owned(),
        kind: String::new(),
        identifier: String::new(),
    }
}

fn authority(state: &State, zone: &HostedZone) -> Option<Record> {
    let set = sets_at(state, zone, &zone.name).find(|it| it.key.kind == "SOA")?;
    records_of(set, &zone.name).into_iter().next()
}

#[cfg(test)]
mod tests;
