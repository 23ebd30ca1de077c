//! The brake on mass failure, reckoned once more from the rows alone.

use state::{Change, ContainerInstance, InstanceStatus, State};
use types::{ClusterName, Timestamp};

use crate::plant::Plant;
use crate::region::Decided;
use crate::tally::{Tally, Trial};
use crate::violation::{Checked, Invariant, broken};

/// Instances given up before that count no more, in milliseconds.
const COUNTED_FOR: i64 = 600_000;
/// Time between two instances of a small cluster, in milliseconds.
const STRIDE: i64 = 10_000;

/// Most instances of a cluster are never given up at once.
pub(crate) fn check(before: &State, it: &Decided, tally: &mut Tally) -> Checked {
    let fresh: Vec<&ContainerInstance> = it
        .transaction
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::ContainerInstance(_, Some(row)) => Some(row.as_ref()),
            _ => None,
        })
        .filter(|row| row.given_up_at.is_some() && !was_given_up(before, row))
        .collect();
    let Some(first) = fresh.first() else { return Ok(()) };
    let Some(from) = slowed(before, &first.cluster, it.at) else { return Ok(()) };
    if fresh.len() > 1 {
        let detail =
            format!("{} instances are given up together, although most are lost", fresh.len());
        return broken(Invariant::Slowed, detail);
    }
    if it.at < from {
        let early = from.0 - it.at.0;
        return broken(Invariant::Slowed, format!("{} is given up {early} ms early", first.id));
    }
    tally.note(Trial::Slowed);
    Ok(())
}

fn was_given_up(before: &State, row: &ContainerInstance) -> bool {
    before.container_instance(row.id).is_some_and(|it| it.given_up_at.is_some())
}

/// From when on the next instance may be given up, if too many of the cluster are lost.
fn slowed(state: &State, cluster: &ClusterName, at: Timestamp) -> Option<Timestamp> {
    let rows = state.container_instances().values();
    let stand: Vec<_> =
        rows.filter(|it| it.cluster == *cluster && it.status != InstanceStatus::Inactive).collect();
    let minute = |it: Timestamp| it.0.div_euclid(60_000);
    let since = minute(Timestamp(at.0 - COUNTED_FOR));
    let recent = |it: &ContainerInstance| it.given_up_at.is_none_or(|it| minute(it) >= since);
    let lost = stand.iter().filter(|it| !it.connected && recent(it)).count();
    let heard = stand.iter().filter(|it| it.connected).count();
    let given_up = stand.iter().filter(|it| !it.connected).filter_map(|it| it.given_up_at);
    let is_slowed = lost >= 3 && lost * 100 > (lost + heard) * 55;
    let last = given_up.max().filter(|it| *it <= at);
    is_slowed.then(|| last.map_or(at, |it| Timestamp(it.0 + STRIDE)))
}

/// A planted bug: whoever gives an instance up gives up another one.
pub(crate) fn tamper(plant: Plant, draft: &mut state::Draft<'_>, now: Timestamp) {
    if plant != Plant::GivesUpTwo {
        return;
    }
    let fresh = draft.steps().find_map(|(after, before)| match (after, before) {
        (Change::ContainerInstance(_, Some(after)), Change::ContainerInstance(_, Some(before)))
            if after.given_up_at.is_some() && before.given_up_at.is_none() =>
        {
            Some(after.cluster.clone())
        }
        _ => None,
    });
    let other = fresh.and_then(|it| draft.state().indexes().silent(&it).first().copied());
    let row = other.and_then(|it| draft.state().container_instance(it.1).cloned());
    if let Some(row) = row {
        let given_up_at = Some(now);
        draft.change(Change::from(ContainerInstance { given_up_at, ..row.as_ref().clone() }));
    }
}
