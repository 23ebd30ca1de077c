//! What is said when a task finds no place.

use core::fmt;

use state::{InstanceStatus, State};
use types::InstanceId;

use super::standing::Standing;
use super::{Misfit, NAMED, Request};

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
}

/// Whether this very instance can take the task, as `StartTask` asks.
///
/// Strategies play no part.
///
/// # Errors
///
/// Everything that speaks against it; its [`Explanation::failure`] is the answer's entry.
pub fn check(state: &State, instance: InstanceId, request: &Request) -> Result<(), Explanation> {
    let record = state.container_instance(instance).filter(|it| it.cluster == request.cluster);
    let misfits = match record {
        None => vec![Misfit::Missing],
        // Whatever else it lacks is of no interest any more.
        Some(it) if it.status == InstanceStatus::Inactive => vec![Misfit::Inactive],
        Some(it) => Standing::of(state, it).misfits(request),
    };
    if misfits.is_empty() { Ok(()) } else { Err(Explanation { instance, misfits }) }
}

/// What speaks against each instance of the cluster, closest first. For people: costs what exists.
pub fn explain(state: &State, request: &Request) -> Vec<Explanation> {
    let mut all: Vec<_> = state
        .indexes()
        .instances(&request.cluster)
        .map(|it| explained(state, it, request))
        .collect();
    all.sort_by_key(Explanation::rank);
    all
}

pub(super) fn explained(state: &State, instance: InstanceId, request: &Request) -> Explanation {
    match check(state, instance, request) {
        Ok(()) => Explanation { instance, misfits: Vec::new() },
        Err(explanation) => explanation,
    }
}

/// Why there is no place.
pub(super) fn refusal(state: &State, request: &Request) -> Refusal {
    let mut closest = explain(state, request);
    let instances = closest.len();
    closest.truncate(NAMED);
    Refusal { closest, instances }
}
