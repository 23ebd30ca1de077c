//! What is said when a task finds no place.

use core::fmt;

use std::collections::BTreeSet;

use state::State;
use types::{InstanceId, Zone};

use super::filter::Filter;
use super::{Misfit, NAMED, Request, standing};

/// How many instances a refusal looks at; a cluster of no more is looked at whole.
pub(super) const LOOKED_AT: usize = 32;

/// How many a refusal takes from each end of the index.
const DRAWN: usize = 4;

/// Everything that speaks against one instance; nothing if it could take the task.
///
/// `Display` joins it to one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The instance.
    pub instance: InstanceId,
    /// The most fundamental first.
    pub misfits: Vec<Misfit>,
}

/// No instance can take the task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The closest instances first, at most [`NAMED`]; empty if the cluster has none.
    pub closest: Vec<Explanation>,
    /// How many instances the cluster has, ACTIVE or DRAINING.
    pub instances: usize,
}

/// A zone where the task fits, but where no subnet of its request has an address left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullZone {
    /// The zone.
    pub zone: Zone,
    /// The subnets of the request that lie in it.
    pub subnets: Vec<String>,
    /// The instance that would have taken the task.
    pub instance: InstanceId,
}

/// One entry of `failures[]`, but for the ARN's form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The instance that was considered.
    pub instance: InstanceId,
    /// AWS's word.
    pub reason: &'static str,
    /// Everything that speaks against it, with numbers.
    pub detail: String,
}

impl Explanation {
    /// As an entry of `failures[]`; `None` if nothing speaks against the instance.
    pub fn failure(&self) -> Option<Failure> {
        let first = self.misfits.first()?;
        Some(Failure { instance: self.instance, reason: first.reason(), detail: self.to_string() })
    }

    /// Smaller is closer to fitting.
    fn rank(&self) -> (u64, usize, u64, InstanceId) {
        let distances = self.misfits.iter().map(Misfit::distance);
        let gone: u64 = distances.clone().filter(|it| *it >= 1_000_000).sum();
        (gone, self.misfits.len(), distances.sum(), self.instance)
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.misfits.is_empty() {
            return f.write_str("fits");
        }
        for (at, misfit) in self.misfits.iter().enumerate() {
            let join = if at == 0 { "" } else { "; " };
            write!(f, "{join}{misfit}")?;
        }
        Ok(())
    }
}

impl Refusal {
    /// The entries of `failures[]`, closest first.
    pub fn failures(&self) -> Vec<Failure> {
        self.closest.iter().filter_map(Explanation::failure).collect()
    }

    /// The refusal of a request that had instances taken out, because what is left there is kept for
    /// daemons: those are the closest.
    #[must_use]
    pub fn for_daemons(mut self, kept: &[Explanation]) -> Self {
        self.closest.retain(|it| kept.iter().all(|other| other.instance != it.instance));
        self.closest.extend_from_slice(kept);
        self.closest.sort_by_key(Explanation::rank);
        self.closest.truncate(NAMED);
        self
    }

    /// The refusal of a request whose zones were narrowed down to those with addresses: what it says
    /// of the others is that they have none.
    #[must_use]
    pub fn for_lack_of_addresses(mut self, full: &[FullZone]) -> Self {
        for misfit in self.closest.iter_mut().flat_map(|it| &mut it.misfits) {
            if let Misfit::Location { zone } = misfit
                && let Some(it) = full.iter().find(|it| it.zone == *zone)
            {
                *misfit = Misfit::Address { subnets: it.subnets.clone() };
            }
        }
        for it in full {
            if self.closest.iter().all(|other| other.instance != it.instance) {
                let misfits = vec![Misfit::Address { subnets: it.subnets.clone() }];
                self.closest.push(Explanation { instance: it.instance, misfits });
            }
        }
        self.closest.sort_by_key(Explanation::rank);
        self.closest.truncate(NAMED);
        self
    }
}

/// Whether this very instance can take the task, as `StartTask` asks.
///
/// Strategies play no part.
///
/// # Errors
///
/// Everything that speaks against it; its [`Explanation::failure`] is the answer's entry.
pub fn check(state: &State, instance: InstanceId, request: &Request) -> Result<(), Explanation> {
    let it = explained(state, instance, request);
    if it.misfits.is_empty() { Ok(()) } else { Err(it) }
}

/// What speaks against each instance of the cluster, closest first. For people: costs what exists.
pub fn explain(state: &State, request: &Request) -> Vec<Explanation> {
    let all = state.indexes().instances(&request.cluster);
    ranked(state, request, all)
}

fn explained(state: &State, instance: InstanceId, request: &Request) -> Explanation {
    let pool = state.capacity().pool(&request.cluster);
    let host = pool.and_then(|pool| Some((pool, pool.host_of(instance)?)));
    let misfits = match host {
        Some((pool, host)) => standing::misfits(pool, host, request),
        None => vec![Misfit::Missing],
    };
    Explanation { instance, misfits }
}

fn ranked(
    state: &State,
    request: &Request,
    instances: impl Iterator<Item = InstanceId>,
) -> Vec<Explanation> {
    let mut all: Vec<_> = instances.map(|it| explained(state, it, request)).collect();
    all.sort_by_key(Explanation::rank);
    all
}

/// Why there is no place.
///
/// A small cluster is looked at whole. Of a large one only those are considered that come closest
/// by some measure that the index has at hand, so that a refusal stays about as quick as a
/// placement.
pub(super) fn refusal(state: &State, request: &Request) -> Refusal {
    let instances = state.indexes().cluster_counts(&request.cluster).instances as usize;
    let mut closest = if instances <= LOOKED_AT {
        explain(state, request)
    } else {
        ranked(state, request, near(state, request).into_iter())
    };
    closest.truncate(NAMED);
    Refusal { closest, instances }
}

/// Instances that are close to fitting: those with the most memory and the most CPU left, first
/// among those that keep the constraints.
fn near(state: &State, request: &Request) -> BTreeSet<InstanceId> {
    let mut near = BTreeSet::new();
    let Some(pool) = state.capacity().pool(&request.cluster) else { return near };
    let group = pool.group(&request.group).map(|it| it.1);
    for (at, zone) in pool.zones().iter().enumerate() {
        if near.len() >= LOOKED_AT {
            break;
        }
        let filter = Filter::of_constraints(pool, at, request, group);
        for shelf in [zone.by_memory(), zone.by_cpu()] {
            let complying = shelf
                .descending()
                .take(LOOKED_AT)
                .filter(|it| filter.as_ref().is_some_and(|filter| filter.accepts(it.host)));
            near.extend(complying.take(DRAWN).map(|it| pool.host(it.host).id()));
        }
    }
    let roomy = pool.zones().iter().flat_map(|it| it.by_memory().descending().take(NAMED));
    let anybody = state.indexes().instances(&request.cluster);
    for id in roomy.map(|it| pool.host(it.host).id()).chain(anybody) {
        if near.len() >= NAMED {
            break;
        }
        near.insert(id);
    }
    near
}
