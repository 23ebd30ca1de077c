//! Placement as one would write it down without an index: every instance and every task is looked
//! at, every time.

use std::collections::{BTreeMap, BTreeSet};

use state::{ContainerInstance, InstanceStatus, State, Task};
use types::{InstanceId, Port};

use crate::placement::search::{DRAWS, draws};
use crate::placement::{Constraint, Field, Request, Resource, Strategy};
use crate::query::{self, Subject};

/// One instance with what the tables say of it.
struct Candidate<'a> {
    instance: &'a ContainerInstance,
    cpu: u64,
    memory: u64,
    gpus: u64,
    interfaces: u64,
    ports: BTreeSet<Port>,
    peers: u32,
}

/// Where the task should go.
pub(super) fn place(state: &State, request: &Request, dice: u128) -> Option<InstanceId> {
    let mut fitting: Vec<_> = state
        .container_instances()
        .values()
        .filter(|it| it.cluster == request.cluster)
        .map(|it| candidate(state, it, request))
        .filter(|it| fits(state, it, request))
        .collect();
    fitting.sort_by_key(|it| it.instance.id);
    let usual = Strategy::usual();
    let strategies = if request.strategies.is_empty() { &usual } else { &request.strategies };
    for (at, strategy) in strategies.iter().enumerate() {
        fitting = match strategy {
            Strategy::Random => drawn(state, request, fitting, &strategies[..at], dice),
            _ => narrow(state, request, fitting, strategy),
        };
    }
    fitting.iter().map(|it| it.instance.id).min()
}

fn held(state: &State, id: InstanceId) -> impl Iterator<Item = &Task> {
    let tasks = state.tasks().values().map(AsRef::as_ref);
    tasks.filter(move |it: &&Task| it.instance == id && !it.released)
}

fn candidate<'a>(state: &State, it: &'a ContainerInstance, request: &Request) -> Candidate<'a> {
    let sum = |of: fn(&Task) -> u64| held(state, it.id).map(of).sum::<u64>();
    let mut ports: BTreeSet<_> = it.resources.ports.iter().copied().collect();
    ports.extend(held(state, it.id).flat_map(state::ports_held));
    Candidate {
        instance: it,
        cpu: u64::from(it.resources.cpu.0).saturating_sub(sum(|it| it.demand.cpu.0.into())),
        memory: u64::from(it.resources.memory.0)
            .saturating_sub(sum(|it| it.demand.memory.0.into())),
        gpus: (it.resources.gpus.len() as u64).saturating_sub(sum(|it| it.demand.gpus.into())),
        interfaces: sum(|it| it.demand.interface.into()),
        ports,
        peers: peers(state, request, |task| task.instance == it.id),
    }
}

/// Living tasks of the group that are so.
fn peers(state: &State, request: &Request, are: impl Fn(&Task) -> bool) -> u32 {
    let tasks = state.tasks().values().filter(|it| {
        it.cluster == request.cluster
            && it.group == request.group
            && state::is_living(it)
            && are(it)
    });
    u32::try_from(tasks.count()).expect("small")
}

fn fits(state: &State, it: &Candidate<'_>, request: &Request) -> bool {
    let demand = &request.demand;
    let subject = Subject::of(state, it.instance);
    let keeps = |constraint: &Constraint| match constraint {
        Constraint::DistinctInstance => it.peers == 0,
        Constraint::MemberOf(expression) => query::matches(expression, &subject),
    };
    let full = |limit: u32| it.interfaces >= u64::from(limit);
    it.instance.status == InstanceStatus::Active
        && it.instance.connected
        && it.instance.forgot_at.is_none()
        && it.cpu >= u64::from(demand.cpu.0)
        && it.memory >= u64::from(demand.memory.0)
        && it.gpus >= u64::from(demand.gpus)
        && !(demand.interface && it.instance.resources.interfaces.is_some_and(full))
        && !demand.ports.iter().any(|port| it.ports.contains(port))
        && request.zones.as_ref().is_none_or(|zones| zones.contains(&it.instance.zone))
        && request.requires.iter().all(|name| query::attribute(it.instance, name).is_some())
        && request.constraints.iter().all(keeps)
}

fn narrow<'a>(
    state: &State,
    request: &Request,
    fitting: Vec<Candidate<'a>>,
    strategy: &Strategy,
) -> Vec<Candidate<'a>> {
    match strategy {
        Strategy::Spread(Field::Instance) => least(fitting, |it| it.peers.into()),
        Strategy::Spread(Field::Zone) => {
            least(fitting, |it| peers(state, request, |task| task.zone == it.instance.zone).into())
        }
        Strategy::Spread(Field::Attribute(name)) => {
            let mut counts: BTreeMap<Option<&str>, u64> = BTreeMap::new();
            for it in state.container_instances().values() {
                if it.cluster == request.cluster && it.status != InstanceStatus::Inactive {
                    let here = peers(state, request, |task| task.instance == it.id);
                    *counts.entry(query::attribute(it, name)).or_default() += u64::from(here);
                }
            }
            least(fitting, |it| {
                counts.get(&query::attribute(it.instance, name)).copied().unwrap_or(0)
            })
        }
        Strategy::Binpack(Resource::Cpu) => least(fitting, |it| it.cpu),
        Strategy::Binpack(Resource::Memory) => least(fitting, |it| it.memory),
        Strategy::Random => unreachable!("drawn"),
    }
}

/// One of them, each alike. Where nothing, or the zone alone, was decided before, the first of some
/// draws from all instances there that is one of them.
fn drawn<'a>(
    state: &State,
    request: &Request,
    mut fitting: Vec<Candidate<'a>>,
    before: &[Strategy],
    dice: u128,
) -> Vec<Candidate<'a>> {
    let in_zone = |it: &ContainerInstance| peers(state, request, |task| task.zone == it.zone);
    let level = fitting.first().map(|it| in_zone(it.instance));
    let mut all: Vec<_> = state
        .container_instances()
        .values()
        .filter(|it| it.cluster == request.cluster && it.takes_tasks())
        .filter(|it| before.is_empty() || Some(in_zone(it)) == level)
        .collect();
    all.sort_by_key(|it| (it.zone.clone(), it.id));
    if matches!(before, [] | [Strategy::Spread(Field::Zone)]) && level.is_some() {
        for number in draws(dice).take(DRAWS) {
            let drawn = all[usize::try_from(number % all.len() as u64).expect("small")].id;
            if let Some(at) = fitting.iter().position(|it| it.instance.id == drawn) {
                return vec![fitting.swap_remove(at)];
            }
        }
    }
    fitting.sort_by_key(|it| (it.instance.zone.clone(), it.instance.id));
    let chosen = dice.checked_rem(fitting.len() as u128).unwrap_or(0);
    fitting.into_iter().skip(usize::try_from(chosen).expect("small")).take(1).collect()
}

fn least<'a>(
    fitting: Vec<Candidate<'a>>,
    weight: impl Fn(&Candidate<'a>) -> u64,
) -> Vec<Candidate<'a>> {
    let weights: Vec<_> = fitting.iter().map(weight).collect();
    let least = weights.iter().min().copied();
    let kept = fitting.into_iter().zip(weights).filter(|(_, weight)| Some(*weight) == least);
    kept.map(|(it, _)| it).collect()
}
