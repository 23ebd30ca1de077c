//! Which container instance takes a task, and why none does (handbook 4.1–4.3).
//!
//! Constraints bind; strategies are a best effort within them, applied left to right; the
//! identifier breaks what ties remain, so equal input gives equal answers. One task at a time: the
//! caller applies the task to its draft and asks again, so that a burst is spread fairly.

mod explain;
mod misfit;
mod request;
mod search;
mod standing;
mod verify;

use state::{Status, Desired, State, Task};
use types::{InstanceId, Zone, Cpu, MemoryMib};

pub use explain::{Explanation, Failure, Refusal, check, explain};
pub use misfit::Misfit;
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
/// `dice` decides only where [`Strategy::Random`] asks for it.
///
/// # Errors
///
/// [`Refusal`] if no instance of the cluster can take it; it names the closest ones.
pub fn place(state: &State, request: &Request, dice: u128) -> Result<Placed, Refusal> {
    search::search(state, request, dice).ok_or_else(|| explain::refusal(state, request))
}

/// Whether spreading counts this task: it is to run and has not stopped.
///
/// Source: Amazon ECS Developer Guide, "Task placement constraints": distinctInstance looks at the
/// desired status, so a task that is being stopped does not stand in the way.
pub fn is_living(task: &Task) -> bool {
    task.desired == Desired::Running && task.last != Status::Stopped
}

/// Tasks of an instance that spreading counts.
pub(crate) fn living_on(state: &State, instance: InstanceId) -> impl Iterator<Item = &Task> {
    state
        .indexes()
        .tasks_on(instance, Desired::Running)
        .iter()
        .filter_map(|id| state.task(*id))
        .map(AsRef::as_ref)
        .filter(|it| is_living(it))
}

#[cfg(test)]
mod tests;
