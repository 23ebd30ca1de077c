//! A container instance: a disk, containers, and the real agent core under a made-up machine.

mod agent;
mod boot;
mod revision;
mod runtime;
mod steps;

use std::collections::{BTreeMap, BTreeSet};

use plan::agent::{Core, Host, Row, Step};
use state::Dice;
use types::{Cpu, MemoryMib, Port};

pub(crate) use runtime::Runtime;

use crate::clock::Clock;
use crate::event::{AgentCall, CallId, MachineId, WireId};
use crate::lot::Lots;
use crate::region::ZONES;

/// Ports that no task may have. Source: handbook 4.2.
pub(crate) const RESERVED_PORTS: [u16; 5] = [22, 2375, 2376, 51678, 51679];

/// Which revision of the protocol an agent speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AgentRevision {
    /// The one of this release.
    Current,
    /// One that knows fewer capabilities, says things that nobody knows any more, and is told things
    /// that it does not know yet.
    Older,
}

/// A machine.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) id: MachineId,
    /// `i-…`.
    pub(crate) ec2: String,
    pub(crate) zone: &'static str,
    /// Whether it has the attribute `disk=ssd`.
    pub(crate) ssd: bool,
    /// Where its host ports are, if it says so.
    pub(crate) address: Option<String>,
    pub(crate) host: Host,
    /// Which revision of the protocol its agent speaks.
    pub(crate) agent_revision: AgentRevision,
    /// Of which machine this is a copy.
    pub(crate) copy_of: Option<MachineId>,
    /// Whether it is there at all; copies go.
    pub(crate) exists: bool,
    pub(crate) clock: Clock,
    pub(crate) boot: u64,
    pub(crate) life: u64,
    /// Until then its agent process does nothing.
    pub(crate) frozen_until: u64,
    /// Until then nothing passes between it and the region.
    pub(crate) cut_off_until: u64,
    pub(crate) disk: Disk,
    pub(crate) runtime: Runtime,
    /// Every host port that a task has had on it, by the task's id.
    pub(crate) bound: BTreeSet<(String, u16)>,
    pub(crate) agent: Option<Agent>,
}

/// What outlives the agent's process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    /// The ARN that the instance registered under.
    pub(crate) arn: Option<String>,
    pub(crate) rows: BTreeMap<String, Vec<u8>>,
}

/// A running agent process.
#[derive(Debug)]
pub(crate) struct Agent {
    /// Nothing before it is registered.
    pub(crate) core: Option<Core>,
    pub(crate) dice: Dice,
    /// Rows that may be late and are not on disk yet.
    pub(crate) unsafe_rows: Vec<Row>,
    /// Its websocket, and whether that stands.
    pub(crate) wire: Option<WireId>,
    pub(crate) open: bool,
    pub(crate) calls: BTreeMap<CallId, AgentCall>,
    pub(crate) steps: BTreeMap<u64, Step>,
    pub(crate) next_step: u64,
    pub(crate) tick_at: u64,
}

impl Machine {
    /// A machine that has not booted. Its size, zone and attributes are drawn.
    pub(crate) fn new(id: MachineId, lots: &mut Lots) -> Self {
        let lot = &mut lots.machines;
        let cpu = 512 * u32::try_from(lot.between(1, 4)).unwrap_or(1);
        let zone = lot.pick(&ZONES).copied().unwrap_or("us-east-1a");
        let gpus = lot.below(5).saturating_sub(1);
        Self {
            id,
            ec2: format!("i-{:017x}", id + 1),
            zone,
            ssd: lot.below(2) == 0,
            address: None,
            agent_revision: AgentRevision::Current,
            host: Host {
                cpu: Cpu(cpu),
                memory: MemoryMib(cpu * 2),
                reserved_ports: RESERVED_PORTS.into_iter().map(Port::tcp).collect(),
                gpus: (0..gpus).map(|it| format!("GPU-{id}-{it}")).collect(),
            },
            copy_of: None,
            exists: true,
            clock: Clock::new(),
            boot: 0,
            life: 0,
            frozen_until: 0,
            cut_off_until: 0,
            disk: Disk::default(),
            runtime: Runtime::default(),
            bound: BTreeSet::new(),
            agent: None,
        }
    }

    /// A machine of a known size in a zone, for stories.
    pub(crate) fn plain(id: MachineId, zone: &'static str, cpu: Cpu, lots: &mut Lots) -> Self {
        let mut plain = Self::new(id, lots);
        (plain.zone, plain.ssd) = (zone, false);
        plain.address = Some(format!("10.9.0.{}", id + 1));
        plain.host.gpus = (0..2).map(|it| format!("GPU-{id}-{it}")).collect();
        (plain.host.cpu, plain.host.memory) = (cpu, MemoryMib(cpu.0 * 2));
        plain
    }

    /// A second machine with this one's disk and identity, and no containers.
    pub(crate) fn copy(&self, id: MachineId) -> Self {
        Self {
            id,
            ec2: self.ec2.clone(),
            zone: self.zone,
            ssd: self.ssd,
            address: self.address.clone(),
            agent_revision: self.agent_revision,
            host: self.host.clone(),
            copy_of: Some(self.id),
            exists: true,
            clock: Clock::new(),
            boot: 0,
            life: 0,
            frozen_until: 0,
            cut_off_until: 0,
            disk: self.disk.clone(),
            runtime: Runtime::default(),
            bound: BTreeSet::new(),
            agent: None,
        }
    }

    /// The container instance that it is registered as, by its id.
    pub(crate) fn instance(&self) -> Option<types::InstanceId> {
        let arn = self.disk.arn.as_deref()?;
        let name = types::short_name(arn, "container-instance")?;
        types::InstanceId::parse(name).ok()
    }
}
