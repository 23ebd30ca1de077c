//! Where the living tasks of one group are.

use std::collections::BTreeMap;

use types::{Group as Name, Port};

use super::bits::{Bits, Seat};
use super::block::Known;
use crate::record::Demand;

/// The least that any task of a group has asked for since the group came up.
///
/// An instance without room for it has no room for any larger task, so spreading need not look at
/// it. It only makes searches shorter; no answer depends on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shape {
    pub(super) cpu: u32,
    pub(super) memory: u32,
    pub(super) gpus: u16,
    pub(super) interface: bool,
    pub(super) ports: Vec<Port>,
}

impl Shape {
    fn of(demand: &Demand) -> Self {
        Self {
            cpu: demand.cpu.0,
            memory: demand.memory.0,
            gpus: demand.gpus,
            interface: demand.interface,
            ports: demand.ports.clone(),
        }
    }

    /// Whether a task that asks for this fits only where the shape does.
    pub fn covers(&self, demand: &Demand) -> bool {
        demand.cpu.0 >= self.cpu
            && demand.memory.0 >= self.memory
            && demand.gpus >= self.gpus
            && demand.interface >= self.interface
            && self.ports.iter().all(|it| demand.ports.contains(it))
    }

    /// What it asks of CPU and memory.
    pub(super) fn room(&self) -> (u32, u32) {
        (self.cpu, self.memory)
    }

    /// What it asks of CPU and memory, if it asks for nothing else.
    pub(super) fn plain(&self) -> Option<(u32, u32)> {
        let plain = self.gpus == 0 && !self.interface && self.ports.is_empty();
        plain.then_some((self.cpu, self.memory))
    }

    fn shrink(&mut self, demand: &Demand) {
        self.cpu = self.cpu.min(demand.cpu.0);
        self.memory = self.memory.min(demand.memory.0);
        self.gpus = self.gpus.min(demand.gpus);
        self.interface &= demand.interface;
        self.ports.retain(|it| demand.ports.contains(it));
    }
}

/// A group's part of one zone.
#[derive(Debug, Clone, Default)]
pub struct Share {
    pub(super) living: u32,
    members: Bits,
    open: Vec<Bits>,
    pub(super) known: Known,
}

impl Share {
    /// Living tasks of the group in the zone, on whatever instance.
    pub fn living(&self) -> u32 {
        self.living
    }

    /// Seats with at least one.
    pub fn members(&self) -> &Bits {
        &self.members
    }

    /// Members with room for the group's shape, by how many tasks of it they have: the first
    /// level has one.
    pub fn levels(&self) -> &[Bits] {
        &self.open
    }

    /// Blocks where nobody but members has room for the group's shape.
    pub fn known(&self) -> Known {
        self.known
    }

    pub(super) fn put(&mut self, seat: Seat, count: u32, open: bool) {
        self.members.put(seat);
        if open {
            let level = count as usize;
            if self.open.len() < level {
                self.open.resize_with(level, Bits::default);
            }
            if let Some(bits) = self.open.get_mut(level - 1) {
                bits.put(seat);
            }
        }
    }

    /// Takes a member away.
    pub(super) fn take(&mut self, seat: Seat, count: u32, open: bool) {
        self.close(seat, count, open);
        self.members.take(seat);
    }

    /// Takes a member from its level only, if it is on one.
    pub(super) fn close(&mut self, seat: Seat, count: u32, open: bool) {
        if open
            && let Some(bits) = (count as usize).checked_sub(1).and_then(|it| self.open.get_mut(it))
        {
            bits.take(seat);
            while self.open.last().is_some_and(Bits::is_empty) {
                self.open.pop();
            }
        }
    }
}

/// A group of tasks within a cluster.
#[derive(Debug, Clone)]
pub struct Group {
    pub(super) name: Name,
    pub(super) living: u32,
    pub(super) shape: Option<Shape>,
    /// By position of the zone in the pool.
    pub(super) shares: Vec<Share>,
    /// Living tasks by host, where the host cannot take tasks.
    pub(super) away: BTreeMap<u32, u32>,
}

impl Group {
    pub(super) fn new(name: Name) -> Self {
        Self { name, living: 0, shape: None, shares: Vec::new(), away: BTreeMap::new() }
    }

    /// Its name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// What it holds of a zone, by the zone's position.
    pub fn share(&self, zone: usize) -> Option<&Share> {
        self.shares.get(zone)
    }

    /// Whether every instance with room for this demand is in a level or has none of the group.
    pub fn covers(&self, demand: &Demand) -> bool {
        self.shape.as_ref().is_none_or(|it| it.covers(demand))
    }

    /// Hosts that cannot take tasks but have living ones of the group, and how many.
    pub fn away(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.away.iter().map(|(host, count)| (*host, *count))
    }

    pub(super) fn share_mut(&mut self, zone: usize) -> &mut Share {
        if self.shares.len() <= zone {
            self.shares.resize_with(zone + 1, Share::default);
        }
        self.shares.get_mut(zone).expect("just made")
    }

    /// Notes what a new task asks for; whether that makes the shape smaller.
    pub(super) fn note(&mut self, demand: &Demand) -> bool {
        match &mut self.shape {
            None => {
                self.shape = Some(Shape::of(demand));
                true
            }
            Some(shape) if shape.covers(demand) => false,
            Some(shape) => {
                shape.shrink(demand);
                true
            }
        }
    }
}
