//! The search for the best instance.

use std::collections::BTreeMap;

use state::State;
use types::{InstanceId, Zone};

use super::standing::Standing;
use super::{Field, Placed, Reasons, Request, Resource, Strategy, living_on};
use crate::query;

/// The instance that takes the task, if any can.
pub(super) fn search(state: &State, request: &Request, dice: u128) -> Option<Placed> {
    let mut fitting: Vec<Standing<'_>> = state
        .indexes()
        .instances(&request.cluster)
        .filter_map(|id| state.container_instance(id))
        .map(|it| Standing::of(state, it))
        .filter(|it| it.misfits(request).is_empty())
        .collect();
    for strategy in request.strategies() {
        fitting = narrow(state, request, fitting, strategy, dice);
    }
    let chosen = fitting.first()?;
    let tasks = of_group(state, request);
    let on_instance = tasks.get(&chosen.instance.id).copied().unwrap_or(0);
    Some(Placed {
        instance: chosen.instance.id,
        zone: chosen.instance.zone.clone(),
        reasons: Reasons {
            in_zone: in_zone(state, request, &chosen.instance.zone),
            on_instance,
            cpu: chosen.cpu(),
            memory: chosen.memory(),
        },
    })
}

/// Living tasks of the group by instance.
fn of_group(state: &State, request: &Request) -> BTreeMap<InstanceId, u32> {
    state
        .indexes()
        .instances(&request.cluster)
        .map(|id| (id, living_on(state, id).filter(|it| it.group == request.group).count()))
        .map(|(id, count)| (id, u32::try_from(count).unwrap_or(u32::MAX)))
        .collect()
}

/// Living tasks of the group in a zone.
fn in_zone(state: &State, request: &Request, zone: &Zone) -> u32 {
    let counted = |it: &&std::sync::Arc<state::Task>| {
        super::is_living(it)
            && it.cluster == request.cluster
            && it.group == request.group
            && it.zone == *zone
    };
    u32::try_from(state.tasks().values().filter(counted).count()).unwrap_or(u32::MAX)
}

fn narrow<'a>(
    state: &State,
    request: &Request,
    fitting: Vec<Standing<'a>>,
    strategy: &Strategy,
    dice: u128,
) -> Vec<Standing<'a>> {
    match strategy {
        Strategy::Spread(field) => {
            let bucket = |it: &state::ContainerInstance| match field {
                Field::Instance => Some(it.id.to_string()),
                Field::Zone => Some(it.zone.as_str().to_owned()),
                Field::Attribute(name) => query::attribute(it, name).map(str::to_owned),
            };
            let mut counts: BTreeMap<Option<String>, u32> = BTreeMap::new();
            if *field == Field::Zone {
                return least(fitting, |it| in_zone(state, request, &it.instance.zone));
            }
            for (id, count) in of_group(state, request) {
                if let Some(it) = state.container_instance(id) {
                    *counts.entry(bucket(it)).or_default() += count;
                }
            }
            least(fitting, |it| counts.get(&bucket(it.instance)).copied().unwrap_or(0))
        }
        Strategy::Binpack(Resource::Cpu) => least(fitting, |it| it.cpu().0),
        Strategy::Binpack(Resource::Memory) => least(fitting, |it| it.memory().0),
        Strategy::Random => {
            let count = fitting.len() as u128;
            let chosen = dice.checked_rem(count).and_then(|it| usize::try_from(it).ok());
            fitting.into_iter().skip(chosen.unwrap_or(0)).take(1).collect()
        }
    }
}

fn least<'a>(
    fitting: Vec<Standing<'a>>,
    weight: impl Fn(&Standing<'a>) -> u32,
) -> Vec<Standing<'a>> {
    let Some(least) = fitting.iter().map(&weight).min() else { return fitting };
    fitting.into_iter().filter(|it| weight(it) == least).collect()
}
