//! One zone of a cluster: its instances in every order that decisions ask for.

use types::{InstanceId, Zone as ZoneName};

use super::block::Rows;
use super::shelf::{Book, Shelf};
use super::traits::Traits;

/// One zone of a cluster: the instances there that can take tasks.
#[derive(Debug, Clone)]
pub struct Zone {
    pub(super) name: ZoneName,
    pub(super) rows: Rows,
    pub(super) traits: Traits,
    pub(super) by_cpu: Shelf,
    pub(super) by_memory: Shelf,
}

impl Zone {
    pub(super) fn new(name: ZoneName) -> Self {
        Self {
            name,
            rows: Rows::default(),
            traits: Traits::default(),
            by_cpu: Shelf::default(),
            by_memory: Shelf::default(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &ZoneName {
        &self.name
    }

    /// Its instances in the order of their identifiers.
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Which of them have which attribute, port or the like.
    pub fn traits(&self) -> &Traits {
        &self.traits
    }

    /// They in the order of CPU left.
    pub fn by_cpu(&self) -> &Shelf {
        &self.by_cpu
    }

    /// They in the order of memory left.
    pub fn by_memory(&self) -> &Shelf {
        &self.by_memory
    }

    /// Puts a host with so much CPU and memory left on both shelves.
    pub(super) fn shelve(
        &mut self,
        host: u32,
        (cpu, memory): (u32, u32),
        ids: impl Fn(u32) -> InstanceId + Copy,
    ) {
        self.by_cpu.put(Book::new(cpu, memory, ids(host), host), ids);
        self.by_memory.put(Book::new(memory, cpu, ids(host), host), ids);
    }

    /// Takes a host that had so much left from both shelves.
    pub(super) fn unshelve(
        &mut self,
        host: u32,
        (cpu, memory): (u32, u32),
        ids: impl Fn(u32) -> InstanceId + Copy,
    ) {
        self.by_cpu.take(Book::new(cpu, memory, ids(host), host), ids);
        self.by_memory.take(Book::new(memory, cpu, ids(host), host), ids);
    }
}
