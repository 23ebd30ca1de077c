//! What a power cut takes from a simulated disk.

use std::collections::BTreeMap;

use super::Inner;

/// The unit in which a real disk writes, in bytes: each survives whole or not at all.
const SECTOR: usize = 512;

/// What happens at a power cut to that which was written and not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// All of it is there.
    Nothing,
    /// None of it is there, neither bytes nor names.
    Unsynced,
    /// Names are as seen, bytes are as synced.
    Bytes,
    /// Bytes are as seen, names are as synced.
    Names,
    /// Names are as seen, and of the bytes the first so many that were written.
    Torn {
        /// How many unsynced bytes have survived.
        bytes: usize,
    },
    /// Each sector and each name has survived or not, in no order, as dice of this seed say. A
    /// file may have its new size and zeros in it.
    Sectors {
        /// The seed of the dice.
        seed: u64,
    },
}

/// A change of a file that is not durable yet.
#[derive(Clone)]
pub(super) enum Pending {
    Write { order: usize, offset: u64, bytes: Vec<u8> },
    Cut { order: usize, size: u64 },
}

/// A change of the names that is not durable yet.
#[derive(Clone)]
pub(super) enum Entry {
    Create { id: u64, name: String },
    Rename { id: u64, from: String, to: String },
    Remove { id: u64, name: String },
}

impl Pending {
    /// Does the change to these bytes.
    pub(super) fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes, .. } => {
                put(content, usize::try_from(*offset).unwrap_or(usize::MAX), bytes);
            }
            Self::Cut { size, .. } => {
                content.truncate(usize::try_from(*size).unwrap_or(usize::MAX));
            }
        }
    }

    fn order(&self) -> usize {
        match self {
            Self::Write { order, .. } | Self::Cut { order, .. } => *order,
        }
    }
}

/// Writes bytes at an offset; a hole before them is zeros.
fn put(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    if let Some(place) = content.get_mut(offset..end) {
        place.copy_from_slice(bytes);
    }
}

impl Entry {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Create { id, name } => {
                names.insert(name.clone(), *id);
            }
            Self::Rename { id, from, to } => {
                names.retain(|name, it| name != from || it != id);
                names.insert(to.clone(), *id);
            }
            Self::Remove { id, name } => names.retain(|it, of| it != name || of != id),
        }
    }
}

/// A small generator of random numbers (splitmix64), good enough to choose what is lost.
struct Dice(u64);

impl Dice {
    fn heads(&mut self) -> bool {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (it >> 40) & 1 == 1
    }
}

impl Inner {
    /// Makes the disk what it is after a power cut: everything that is left is durable.
    pub(super) fn lose(&mut self, loss: Loss) {
        let mut dice = Dice(if let Loss::Sectors { seed } = loss { seed } else { 0 });
        self.lose_bytes(loss, &mut dice);
        self.lose_names(loss, &mut dice);
        let names = &self.names;
        self.files.retain(|id, _| names.values().any(|it| it == id));
        for content in self.files.values_mut() {
            content.seen.clone_from(&content.durable);
            content.pending.clear();
        }
    }

    fn lose_bytes(&mut self, loss: Loss, dice: &mut Dice) {
        match loss {
            Loss::Unsynced | Loss::Bytes => {}
            Loss::Nothing | Loss::Names => self.keep_bytes(usize::MAX),
            Loss::Torn { bytes } => self.keep_bytes(bytes),
            Loss::Sectors { .. } => self.keep_sectors(dice),
        }
    }

    /// Keeps the first so many unsynced bytes, in the order in which they were written.
    fn keep_bytes(&mut self, mut budget: usize) {
        let mut changes: Vec<(usize, u64, Pending)> = Vec::new();
        for (id, content) in &self.files {
            changes.extend(content.pending.iter().map(|it| (it.order(), *id, it.clone())));
        }
        changes.sort_by_key(|(order, ..)| *order);
        for (_, id, mut change) in changes {
            if let Pending::Write { bytes, .. } = &mut change {
                bytes.truncate(budget);
                budget -= bytes.len();
            }
            if let Some(content) = self.files.get_mut(&id) {
                change.apply(&mut content.durable);
            }
        }
    }

    fn keep_sectors(&mut self, dice: &mut Dice) {
        for content in self.files.values_mut() {
            for change in &content.pending {
                match change {
                    Pending::Cut { .. } if dice.heads() => change.apply(&mut content.durable),
                    Pending::Cut { .. } => {}
                    Pending::Write { offset, bytes, .. } => {
                        let offset = usize::try_from(*offset).unwrap_or(usize::MAX);
                        keep_some(&mut content.durable, offset, bytes, dice);
                    }
                }
            }
            if dice.heads() && content.durable.len() < content.seen.len() {
                content.durable.resize(content.seen.len(), 0);
            }
        }
    }

    fn lose_names(&mut self, loss: Loss, dice: &mut Dice) {
        match loss {
            Loss::Nothing | Loss::Bytes | Loss::Torn { .. } => {
                self.durable_names.clone_from(&self.names);
            }
            Loss::Unsynced | Loss::Names => {}
            Loss::Sectors { .. } => {
                for entry in &self.pending_names {
                    if dice.heads() {
                        entry.apply(&mut self.durable_names);
                    }
                }
            }
        }
        self.names.clone_from(&self.durable_names);
        self.pending_names.clear();
    }
}

/// Writes each sector of a write, or leaves it out.
fn keep_some(content: &mut Vec<u8>, offset: usize, bytes: &[u8], dice: &mut Dice) {
    let mut at = offset;
    let mut rest = bytes;
    while !rest.is_empty() {
        let (sector, after) = rest.split_at(rest.len().min(SECTOR - at % SECTOR));
        if dice.heads() {
            put(content, at, sector);
        }
        at += sector.len();
        rest = after;
    }
}
