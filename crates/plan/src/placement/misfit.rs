//! Why an instance cannot take a task.

use core::fmt;

use types::{Cpu, MemoryMib, Port, ServiceName, Zone};

use super::Resource;

/// One thing that speaks against an instance. `Display` says it with its numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misfit {
    /// No instance of that identifier in the cluster.
    Missing,
    /// It was deregistered.
    Inactive,
    /// It is draining.
    Draining,
    /// Its agent is not connected.
    Agent,
    /// It stands in a zone that no subnet of the request lies in.
    Location {
        /// Where it stands.
        zone: Zone,
    },
    /// It lacks attributes that the task definition needs.
    Attribute {
        /// Which ones.
        lacks: Vec<String>,
    },
    /// A `memberOf` constraint does not hold for it.
    MemberOf {
        /// The expression.
        expression: String,
    },
    /// A living task of the group is on it already.
    Distinct,
    /// Too little CPU.
    Cpu {
        /// Asked for.
        needs: Cpu,
        /// Left.
        free: Cpu,
        /// Registered.
        of: Cpu,
    },
    /// Too little memory.
    Memory {
        /// Asked for.
        needs: MemoryMib,
        /// Left.
        free: MemoryMib,
        /// Registered.
        of: MemoryMib,
    },
    /// What is left is kept for daemons whose tasks are yet to come.
    Kept {
        /// CPU units or mebibytes.
        resource: Resource,
        /// Asked for.
        needs: u32,
        /// Left.
        free: u32,
        /// Of that: for daemons.
        kept: u32,
        /// The first of them.
        daemon: ServiceName,
    },
    /// Host ports are taken.
    Ports {
        /// Which ones.
        taken: Vec<Port>,
    },
    /// No network interface is left.
    Interface {
        /// How many it can hold.
        of: u32,
    },
    /// What interfaces are left are kept for daemons whose tasks are yet to come.
    KeptInterface {
        /// Left.
        free: u32,
        /// For daemons.
        kept: u32,
        /// The first of them.
        daemon: ServiceName,
    },
    /// No address is left in the subnets of the request that lie in its zone.
    Address {
        /// Which ones.
        subnets: Vec<String>,
    },
    /// Too few GPUs.
    Gpu {
        /// Asked for.
        needs: u16,
        /// Left.
        free: u32,
        /// Registered.
        of: u32,
    },
}

impl Misfit {
    /// AWS's word for it, as in `failures[].reason` (handbook 2.3).
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Missing => "MISSING",
            // Differs: AWS has no word for a draining instance; it takes no tasks either.
            Self::Inactive | Self::Draining => "INACTIVE",
            Self::Agent => "AGENT",
            Self::Location { .. } => "LOCATION",
            Self::Attribute { .. } => "ATTRIBUTE",
            Self::MemberOf { .. } => "MemberOf placement constraint unsatisfied.",
            Self::Distinct => "DistinctInstance placement constraint unsatisfied.",
            Self::Cpu { .. } | Self::Kept { resource: Resource::Cpu, .. } => "RESOURCE:CPU",
            Self::Memory { .. } | Self::Kept { resource: Resource::Memory, .. } => {
                "RESOURCE:MEMORY"
            }
            Self::Ports { .. } => "RESOURCE:PORTS",
            Self::Interface { .. } | Self::KeptInterface { .. } | Self::Address { .. } => {
                "RESOURCE:ENI"
            }
            Self::Gpu { .. } => "RESOURCE:GPU",
        }
    }

    /// How far from fitting this is, from 1 to 1,000 for a shortage; more for what no waiting
    /// mends.
    pub(super) fn distance(&self) -> u64 {
        let short = |needs: u64, free: u64| {
            (needs.saturating_sub(free) * 1_000).checked_div(needs).unwrap_or(0).max(1)
        };
        match self {
            Self::Cpu { needs, free, .. } => short(needs.0.into(), free.0.into()),
            Self::Memory { needs, free, .. } => short(needs.0.into(), free.0.into()),
            Self::Gpu { needs, free, .. } => short((*needs).into(), (*free).into()),
            Self::Kept { needs, free, kept, .. } => {
                short((*needs).into(), free.saturating_sub(*kept).into())
            }
            Self::Ports { .. }
            | Self::Interface { .. }
            | Self::KeptInterface { .. }
            | Self::Address { .. } => 1_000,
            Self::Distinct => 2_000,
            Self::MemberOf { .. } | Self::Attribute { .. } | Self::Location { .. } => 10_000,
            Self::Agent => 1_000_000,
            Self::Draining => 2_000_000,
            Self::Inactive | Self::Missing => 4_000_000,
        }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no such container instance in the cluster"),
            Self::Inactive => f.write_str("the container instance was deregistered"),
            Self::Draining => f.write_str("the container instance is draining"),
            Self::Agent => f.write_str("its agent is not connected"),
            Self::Location { zone } => {
                write!(f, "stands in {zone}, where the task has no subnet")
            }
            Self::Attribute { lacks } => {
                write!(f, "lacks attribute {}", lacks.join(", "))
            }
            Self::MemberOf { expression } => write!(f, "is not a member of `{expression}`"),
            Self::Distinct => f.write_str("has a task of the same group already"),
            Self::Cpu { needs, free, of } => {
                write!(f, "needs {} CPU units, {} of {} free", needs.0, free.0, of.0)
            }
            Self::Memory { needs, free, of } => {
                write!(f, "needs {} MiB of memory, {} of {} free", needs.0, free.0, of.0)
            }
            Self::Kept { resource, needs, free, kept, daemon } => {
                let unit = match resource {
                    Resource::Cpu => "CPU units",
                    Resource::Memory => "MiB of memory",
                };
                write!(
                    f,
                    "needs {needs} {unit}, {free} are free, of which {kept} are kept for the \
                     daemon {daemon}"
                )
            }
            Self::Ports { taken } => {
                let list: Vec<_> = taken
                    .iter()
                    .map(|it| format!("{}/{}", it.number, it.protocol.as_str()))
                    .collect();
                let noun = if list.len() == 1 { "host port" } else { "host ports" };
                let verb = if list.len() == 1 { "is" } else { "are" };
                write!(f, "{noun} {} {verb} taken", list.join(", "))
            }
            Self::Interface { of } => {
                write!(f, "needs a network interface, none of {of} is free")
            }
            Self::KeptInterface { free, kept, daemon } => {
                write!(
                    f,
                    "needs a network interface, {free} are free and {kept} kept for the daemon \
                     {daemon}"
                )
            }
            Self::Address { subnets } => {
                write!(f, "needs an address, none is free in {}", subnets.join(", "))
            }
            Self::Gpu { needs, free, of } => {
                write!(f, "needs {needs} GPUs, {free} of {of} free")
            }
        }
    }
}
