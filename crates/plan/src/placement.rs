//! Which container instance takes a task, and why none does (handbook 4.1–4.3).
//!
//! Constraints bind; strategies are a best effort within them, applied left to right; the
//! identifier breaks what ties remain, so equal input gives equal answers. One task at a time: the
//! caller applies the task to its draft and asks again, so that a burst is spread fairly.

mod candidates;
mod explain;
mod filter;
mod misfit;
mod placing;
mod request;
mod search;
mod standing;
mod verify;

use state::{Capacity, State};
use types::{Cpu, InstanceId, MemoryMib, Zone};

pub use explain::{Explanation, Failure, FullZone, Refusal, check, explain};
pub use misfit::Misfit;
pub use placing::placing;
pub use request::{Constraint, Field, Request, Resource, Strategy};
pub use standing::gpus_for;
pub use verify::{doubled, verify};

/// How many instances a refusal names at most. Source: issue 2, Settled questions.
pub const NAMED: usize = 10;

/// Where a task goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The instance that takes it.
    pub instance: InstanceId,
    /// The zone of that instance.
    pub zone: Zone,
    /// Why it was this one.
    pub reasons: Reasons,
}

/// What spoke for the chosen instance, before the task is on it. `Display` makes a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reasons {
    /// Living tasks of the group in the zone.
    pub in_zone: u32,
    /// Living tasks of the group on the instance.
    pub on_instance: u32,
    /// CPU units free on the instance.
    pub cpu: Cpu,
    /// Memory free on the instance.
    pub memory: MemoryMib,
}

impl core::fmt::Display for Reasons {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "its zone held {} of the group and the instance {}; {} CPU units and {} MiB were free",
            self.in_zone, self.on_instance, self.cpu.0, self.memory.0
        )
    }
}

/// Picks the instance for one task.
///
/// `dice` decides only where [`Strategy::Random`] asks for it. Costs a logarithm of the instances
/// of the cluster for the usual chains of strategies (zones first or not, then instances, one
/// binpack or `random`), a step for each 64 instances for all others.
///
/// # Errors
///
/// [`Refusal`] if no instance of the cluster can take it; it names the closest ones.
pub fn place(state: &State, request: &Request, dice: u128) -> Result<Placed, Refusal> {
    choose(state.capacity(), request, dice).ok_or_else(|| explain::refusal(state, request))
}

/// What [`place`] answers, from the index alone; `None` is a refusal that says nothing.
pub fn choose(capacity: &Capacity, request: &Request, dice: u128) -> Option<Placed> {
    search::search(capacity, request, dice)
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
