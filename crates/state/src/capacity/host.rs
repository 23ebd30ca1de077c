//! One instance as placement sees it: what it has, what is held, which groups it runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use types::{InstanceId, Port};

use super::bits::Seat;
use super::group::Shape;
use crate::record::{ContainerInstance, Task};

/// One instance.
#[derive(Debug, Clone)]
pub struct Host {
    pub(super) id: InstanceId,
    pub(super) record: Option<Arc<ContainerInstance>>,
    /// What the record says it has; nothing without a record.
    pub(super) limits: Limits,
    pub(super) cpu: u64,
    pub(super) memory: u64,
    pub(super) gpus: u64,
    pub(super) interfaces: u64,
    pub(super) running: u32,
    /// Tasks that hold something here or are counted here.
    pub(super) tasks: u32,
    /// Holders of each host port, the machine itself among them.
    pub(super) ports: BTreeMap<Port, u32>,
    pub(super) groups: Vec<Presence>,
    /// With at least that much left, CPU and memory, every group here is open; `None` if one is
    /// closed, or asks for more than these.
    pub(super) ease: Option<(u32, u32)>,
    /// Position of its zone in the pool, and its seat there, if it can take tasks.
    pub(super) seat: Option<(usize, Seat)>,
}

/// What an instance has in all, taken from its record so that decisions need not go there.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Limits {
    cpu: u32,
    memory: u32,
    pub(super) gpus: u32,
    pub(super) interfaces: Option<u32>,
}

/// The living tasks of one group on one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presence {
    /// Position of the group in the pool.
    pub group: u32,
    /// How many.
    pub count: u32,
    /// Whether one more of the group's shape fits.
    pub(super) open: bool,
}

impl Host {
    pub(super) fn new(id: InstanceId) -> Self {
        Self {
            id,
            record: None,
            limits: Limits::default(),
            cpu: 0,
            memory: 0,
            gpus: 0,
            interfaces: 0,
            running: 0,
            tasks: 0,
            ports: BTreeMap::new(),
            groups: Vec::new(),
            ease: Some((0, 0)),
            seat: None,
        }
    }

    /// Its identifier.
    pub fn id(&self) -> InstanceId {
        self.id
    }

    /// Its record; `None` if tasks name an instance that is not there.
    pub fn record(&self) -> Option<&ContainerInstance> {
        self.record.as_deref()
    }

    /// Tasks that run.
    pub fn running(&self) -> u32 {
        self.running
    }

    /// GPUs left.
    pub fn gpus_left(&self) -> u32 {
        left(self.limits.gpus, self.gpus)
    }

    /// Living tasks of a group.
    pub fn count(&self, group: u32) -> u32 {
        self.groups.iter().find(|it| it.group == group).map_or(0, |it| it.count)
    }

    /// The groups that have living tasks here, in no order.
    pub fn groups(&self) -> &[Presence] {
        &self.groups
    }

    /// Whether a host port is taken.
    pub fn holds(&self, port: Port) -> bool {
        self.ports.contains_key(&port)
    }

    /// CPU units and mebibytes left.
    pub fn left(&self) -> (u32, u32) {
        (left(self.limits.cpu, self.cpu), left(self.limits.memory, self.memory))
    }

    /// Whether a network interface is left.
    pub fn has_interface(&self) -> bool {
        self.interfaces_left().is_none_or(|it| it > 0)
    }

    /// Network interfaces left; `None` if nothing bounds them.
    pub fn interfaces_left(&self) -> Option<u32> {
        Some(left(self.limits.interfaces?, self.interfaces))
    }

    pub(super) fn fits(&self, shape: &Shape) -> bool {
        let (cpu, memory) = self.left();
        cpu >= shape.cpu
            && memory >= shape.memory
            && (shape.gpus == 0 || self.gpus_left() >= u32::from(shape.gpus))
            && (!shape.interface || self.has_interface())
            && !shape.ports.iter().any(|it| self.ports.contains_key(it))
    }

    /// Whether every group here is open as a matter of course.
    pub(super) fn is_at_ease(&self) -> bool {
        let left = self.left();
        self.ease.is_some_and(|(cpu, memory)| left.0 >= cpu && left.1 >= memory)
    }

    /// Whether it takes tasks at all.
    pub(super) fn is_ready(&self) -> bool {
        self.record.as_ref().is_some_and(|it| it.takes_tasks())
    }

    pub(super) fn set_record(&mut self, record: Option<Arc<ContainerInstance>>) {
        let has = record.as_ref().map(|it| &it.resources);
        self.limits = has.map_or_else(Limits::default, |it| Limits {
            cpu: it.cpu.0,
            memory: it.memory.0,
            gpus: u32::try_from(it.gpus.len()).unwrap_or(u32::MAX),
            interfaces: it.interfaces,
        });
        self.record = record;
    }

    pub(super) fn hold(&mut self, task: &Task) {
        self.cpu += u64::from(task.demand.cpu.0);
        self.memory += u64::from(task.demand.memory.0);
        self.gpus += u64::from(task.demand.gpus);
        self.interfaces += u64::from(task.demand.interface);
    }

    pub(super) fn free(&mut self, task: &Task) {
        self.cpu -= u64::from(task.demand.cpu.0);
        self.memory -= u64::from(task.demand.memory.0);
        self.gpus -= u64::from(task.demand.gpus);
        self.interfaces -= u64::from(task.demand.interface);
    }

    /// Whether the port was free before.
    pub(super) fn hold_port(&mut self, port: Port) -> bool {
        let holders = self.ports.entry(port).or_default();
        *holders += 1;
        *holders == 1
    }

    /// Whether the port is free now.
    pub(super) fn free_port(&mut self, port: Port) -> bool {
        let Some(holders) = self.ports.get_mut(&port) else { return false };
        *holders -= 1;
        let is_free = *holders == 0;
        if is_free {
            self.ports.remove(&port);
        }
        is_free
    }

    /// Whether nothing speaks of it any more.
    pub(super) fn is_idle(&self) -> bool {
        self.record.is_none() && self.tasks == 0
    }
}

fn left(total: u32, held: u64) -> u32 {
    u32::try_from(u64::from(total).saturating_sub(held)).unwrap_or(0)
}
