//! The brake on mass failure: how fast the tasks of lost container instances are given up, and so
//! replaced.
//!
//! Where most of a cluster is not heard of at once, a fault between it and the control plane is
//! likelier than the death of all those machines, and what is left could hardly take everything over.
//! So tasks are given up instance by instance, slowly; whoever comes back meanwhile keeps its tasks.
//! The loss of one zone of two or three is replaced at once. What users ask for is never slowed.

use core::time::Duration;

use state::State;
use types::{ClusterName, InstanceId, Timestamp};

/// More than this part of a cluster's instances, in percent, is too much at once. Source: Kubernetes,
/// `unhealthy-zone-threshold`.
const SHARE: u64 = 55;
/// So few instances may be lost for reasons of their own, however small the cluster is.
const LEAST: u32 = 3;
/// Instances whose tasks were given up before that are lost for good, and count no more.
const COUNTED_FOR: Duration = Duration::from_mins(10);
/// Under the brake, one of each hundred instances of a cluster is given up in this time.
const STRIDE: Duration = Duration::from_secs(10);
const OF_EACH: u32 = 100;

/// Too many instances of a cluster are lost at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brake {
    /// Whose.
    pub cluster: ClusterName,
    /// Instances that are not heard of, but for those that were given up long ago.
    pub lost: u32,
    /// Those and all that are heard of.
    pub of: u32,
    /// How many of the lost ones still have their tasks.
    pub waiting: u32,
    /// Time between two instances whose tasks are given up.
    pub every: Duration,
    /// From when on the next instance's tasks may be given up.
    pub next: Timestamp,
}

/// Whether the replacement of a cluster's lost tasks is slowed. A logarithm.
pub fn brake(state: &State, cluster: &ClusterName, now: Timestamp) -> Option<Brake> {
    let indexes = state.indexes();
    let standing = indexes.cluster_counts(cluster).instances;
    let (waiting, given_up) = (indexes.silent(cluster), indexes.given_up(cluster));
    let waiting = u32::try_from(waiting.len()).unwrap_or(u32::MAX);
    let silent = waiting.saturating_add(u32::try_from(given_up.len()).unwrap_or(u32::MAX));
    let since = Timestamp(now.0.saturating_sub(COUNTED_FOR.as_millis().try_into().unwrap_or(0)));
    let lost = waiting.saturating_add(indexes.given_up_since(cluster, since));
    let of = standing.saturating_sub(silent).saturating_add(lost);
    if waiting == 0 || !is_too_much(lost, of) {
        return None;
    }
    let every = STRIDE / of.div_ceil(OF_EACH).max(1);
    // Of a clock that was set back nothing is said.
    let last = given_up.last().map(|it| it.0).filter(|it| *it <= now);
    let next = last.map_or(now, |it| it.after(every));
    Some(Brake { cluster: cluster.clone(), lost, of, waiting, every, next })
}

/// Whether so many of so many instances are more than may be lost at once.
pub fn is_too_much(lost: u32, of: u32) -> bool {
    lost >= LEAST && u64::from(lost) * 100 > u64::from(of) * SHARE
}

/// The instance of a cluster whose tasks are to be given up next, and when that may be.
pub fn next(
    state: &State,
    cluster: &ClusterName,
    give_up_after: Duration,
    now: Timestamp,
) -> Option<(InstanceId, Timestamp)> {
    let (lost_at, id) = *state.indexes().silent(cluster).first()?;
    let due = lost_at.after(give_up_after);
    let slowed = brake(state, cluster, now).filter(|_| due <= now);
    Some((id, slowed.map_or(due, |it| it.next.max(due))))
}

/// What is said of it, with what to do about it.
impl core::fmt::Display for Brake {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "{SLOWED} {} of {} container instances of cluster {} are not heard of, more than \
             {SHARE} percent, so a fault between them and the control plane is likely. Their tasks \
             are given up one instance every {} seconds; those that come back keep their tasks. \
             Deregister (with force) an instance that is gone for good: its tasks are replaced at \
             once.",
            self.lost,
            self.of,
            self.cluster,
            self.every.as_secs_f64()
        )
    }
}

/// What [`Brake`] says first, by which it is known.
pub const SLOWED: &str = "replacement of tasks on lost container instances is slowed:";

#[cfg(test)]
mod tests;
