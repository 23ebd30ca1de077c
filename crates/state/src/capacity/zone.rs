//! One zone of a cluster: its instances in every order that decisions ask for.

use types::Zone as ZoneName;

use super::block::Rows;
use super::shelf::Shelf;
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
}
