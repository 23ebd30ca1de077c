//! Why a task is where it is, as placement saw it.

use minicbor::{Decode, Encode};
use types::{Cpu, InstanceId, MemoryMib};

/// What spoke for a task's instance when it was chosen, before the task was on it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Placing {
    /// The strategies that the caller asked for, in words; none are the usual ones.
    #[n(0)]
    pub strategies: Vec<String>,
    /// Instances of the cluster.
    #[n(1)]
    pub instances: u32,
    /// How many of them could have taken it.
    #[n(2)]
    pub candidates: u32,
    /// Living tasks of the group in the zone of the chosen one.
    #[n(3)]
    pub in_zone: u32,
    /// Living tasks of the group on the chosen one.
    #[n(4)]
    pub on_instance: u32,
    /// CPU units that were free there.
    #[n(5)]
    pub cpu: Cpu,
    /// Memory that was free there.
    #[n(6)]
    pub memory: MemoryMib,
    /// Those that came closest without being able to, closest first; few.
    #[n(7)]
    pub refused: Vec<Passed>,
}

/// An instance that could not take the task.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Passed {
    /// Which.
    #[n(0)]
    pub instance: InstanceId,
    /// What spoke against it, shortened.
    #[n(1)]
    pub detail: String,
}
