//! What the row of a task says of why it was placed where it is.

use state::capacity::Known;
use state::{Passed, Placing, State};

use super::explain::{LOOKED_AT, explain};
use super::filter::Filter;
use super::{Placed, Reasons, Request};

/// How many instances that could not take the task are named.
const PASSED_MAX: usize = 3;
/// Longest reason of one of them, in characters.
const DETAIL_MAX: usize = 160;

/// Why a task went where it goes, in the state before it is there.
///
/// Instances that could not take it are named only where the cluster is small. Costs a step for
/// each 64 instances.
pub fn placing(state: &State, request: &Request, placed: &Placed) -> Placing {
    let instances = state.indexes().cluster_counts(&request.cluster).instances;
    let Reasons { in_zone, on_instance, cpu, memory } = placed.reasons;
    let mut refused = Vec::new();
    if instances as usize <= LOOKED_AT {
        let all = explain(state, request);
        let short = |it: String| it.chars().take(DETAIL_MAX).collect();
        let unable = all.iter().filter(|it| !it.misfits.is_empty()).take(PASSED_MAX);
        refused.extend(
            unable.map(|it| Passed { instance: it.instance, detail: short(it.to_string()) }),
        );
    }
    Placing {
        strategies: request.strategies.iter().map(ToString::to_string).collect(),
        instances,
        candidates: candidates(state, request),
        in_zone,
        on_instance,
        cpu,
        memory,
        refused,
    }
}

/// How many instances can take the task.
fn candidates(state: &State, request: &Request) -> u32 {
    let Some(pool) = state.capacity().pool(&request.cluster) else { return 0 };
    let group = pool.group(&request.group).map(|it| it.1);
    let zones = 0..pool.zones().len();
    let filters = zones.filter_map(|zone| Filter::of(pool, zone, request, group));
    filters.map(|it| complying(&it)).sum()
}

fn complying(filter: &Filter<'_>) -> u32 {
    let (mut count, mut from) = (0, 0);
    while let Some((at, block, seats)) = filter.next(from, &[], Known::default()) {
        count += filter.word(block, seats).count_ones();
        from = at + 1;
    }
    count
}
