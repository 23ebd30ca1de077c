//! The instances of a zone in the order of their identifiers, 64 to a block.
#![expect(clippy::indexing_slicing, reason = "seats and positions come from the block itself")]
#![expect(clippy::needless_bitwise_bool, reason = "without a branch it is one vector operation")]

use types::InstanceId;

use super::bits::{Bits, Seat};

/// How many instances a block holds.
pub(super) const SEATS: usize = 64;

/// Distance of labels when blocks are appended in order; leaves room to split between them.
const GAP: u32 = 1 << 14;

/// By how many blocks a placement at most lets a group know more.
const STRIDE: usize = 4;

/// Up to 64 instances whose identifiers follow each other.
#[derive(Debug, Clone)]
pub struct Block {
    label: u32,
    used: u64,
    /// Bits in the order of the identifiers, as many as seats are taken.
    order: [u8; SEATS],
    taken: usize,
    ids: [InstanceId; SEATS],
    hosts: [u32; SEATS],
    cpu: [u32; SEATS],
    memory: [u32; SEATS],
}

impl Block {
    fn new(label: u32) -> Self {
        Self {
            label,
            used: 0,
            order: [0; SEATS],
            taken: 0,
            ids: [InstanceId::new(0); SEATS],
            hosts: [0; SEATS],
            cpu: [0; SEATS],
            memory: [0; SEATS],
        }
    }

    /// Its label: rises from block to block within a zone.
    pub fn label(&self) -> u32 {
        self.label
    }

    /// The seats that are taken.
    pub fn used(&self) -> u64 {
        self.used
    }

    /// Who sits there.
    pub fn id(&self, bit: u8) -> InstanceId {
        self.ids[usize::from(bit)]
    }

    /// The host that sits there.
    pub fn host(&self, bit: u8) -> u32 {
        self.hosts[usize::from(bit)]
    }

    /// What is left there: CPU units and mebibytes.
    pub fn left(&self, bit: u8) -> (u32, u32) {
        (self.cpu[usize::from(bit)], self.memory[usize::from(bit)])
    }

    /// Those of the seats with at least that much left.
    pub fn fitting(&self, seats: u64, cpu: u32, memory: u32) -> u64 {
        if seats.count_ones() <= 8 {
            return self.fitting_few(seats, cpu, memory);
        }
        let mut fits = [0_u8; SEATS];
        for (at, fit) in fits.iter_mut().enumerate() {
            *fit = u8::from((self.cpu[at] >= cpu) & (self.memory[at] >= memory));
        }
        let mut word = 0;
        for (at, eight) in fits.chunks_exact(8).enumerate() {
            let eight: [u8; 8] = eight.try_into().expect("chunks of eight");
            // Gathers the lowest bit of each byte.
            let packed = u64::from_le_bytes(eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
            word |= packed << (8 * at);
        }
        word & seats
    }

    fn fitting_few(&self, mut seats: u64, cpu: u32, memory: u32) -> u64 {
        let mut word = 0;
        while seats != 0 {
            let at = seats.trailing_zeros() as usize;
            word |= u64::from((self.cpu[at] >= cpu) & (self.memory[at] >= memory)) << at;
            seats &= seats - 1;
        }
        word
    }

    /// Whether some of the seats have that much left.
    fn has_room(&self, mut seats: u64, room: (u32, u32)) -> bool {
        while seats != 0 {
            let at = seats.trailing_zeros() as usize;
            if self.cpu[at] >= room.0 && self.memory[at] >= room.1 {
                return true;
            }
            seats &= seats - 1;
        }
        false
    }

    /// The first of these seats in the order of identifiers.
    pub fn first(&self, seats: u64) -> Option<u8> {
        self.order().iter().copied().find(|bit| seats >> bit & 1 == 1)
    }

    /// These seats in the order of identifiers.
    pub fn ordered(&self, seats: u64) -> impl Iterator<Item = u8> + '_ {
        self.order().iter().copied().filter(move |bit| seats >> bit & 1 == 1)
    }

    /// The seats that are taken, in the order of identifiers.
    fn order(&self) -> &[u8] {
        &self.order[..self.taken]
    }

    fn put(&mut self, id: InstanceId, host: u32) -> Seat {
        let bit = u8::try_from(self.used.trailing_ones()).unwrap_or(63);
        let position = self.order().partition_point(|it| self.ids[usize::from(*it)] < id);
        self.order.copy_within(position..self.taken, position + 1);
        self.order[position] = bit;
        self.taken += 1;
        self.used |= 1 << bit;
        self.ids[usize::from(bit)] = id;
        self.hosts[usize::from(bit)] = host;
        Seat { label: self.label, bit }
    }

    fn take(&mut self, bit: u8) {
        if let Some(position) = self.order().iter().position(|it| *it == bit) {
            self.order.copy_within(position + 1..self.taken, position);
            self.taken -= 1;
        }
        self.used &= !(1 << bit);
        self.cpu[usize::from(bit)] = 0;
        self.memory[usize::from(bit)] = 0;
    }
}

/// The blocks of a zone in order, each with the most that any of its instances has left.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    #[expect(clippy::vec_box, reason = "a block is 1.8 KiB and moves when one is added before it")]
    blocks: Vec<Box<Block>>,
    labels: Vec<u32>,
    used: Vec<u64>,
    firsts: Vec<InstanceId>,
    cpu_most: Vec<u32>,
    memory_most: Vec<u32>,
    /// When each block last gained room or an instance, on the clock of `gains`.
    gained: Vec<u64>,
    gains: u64,
    /// How many sit before each block, and at the end how many sit in all.
    ranks: Vec<u32>,
}

/// What was once found out: in blocks before this label, nobody else has room, unless the block
/// has gained some since.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known {
    pub(super) label: u32,
    epoch: u64,
}

/// Where a new instance goes.
pub(super) enum Room {
    /// There is a seat in this block.
    Block(usize),
    /// These hosts must leave their seats first: the block is split in two.
    Split(usize, Vec<u32>),
    /// There is no label left between two blocks: everybody must leave.
    Relabel,
}

impl Rows {
    /// The blocks, in order.
    pub fn blocks(&self) -> &[Box<Block>] {
        &self.blocks
    }

    /// How many instances there are.
    pub fn seated(&self) -> usize {
        self.ranks.last().map_or(0, |it| *it as usize)
    }

    /// The instance before which so many others sit, in the order of identifiers.
    pub fn at_rank(&self, rank: u32) -> Option<(&Block, u8)> {
        let at = self.ranks.partition_point(|it| *it <= rank).checked_sub(1)?;
        let block = self.blocks.get(at)?;
        let bit = block.order().get((rank - self.ranks[at]) as usize)?;
        Some((block, *bit))
    }

    /// Counts anew who sits before each block, after this one has changed.
    fn rank(&mut self, from: usize) {
        self.ranks.resize(self.blocks.len() + 1, 0);
        for at in from..self.blocks.len() {
            self.ranks[at + 1] = self.ranks[at] + self.used[at].count_ones();
        }
    }

    /// The labels of the blocks, in order.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The block of a label.
    pub fn block(&self, label: u32) -> Option<&Block> {
        self.labels.binary_search(&label).ok().map(|at| self.blocks[at].as_ref())
    }

    /// Whether some instance of the block at this position may have that much left.
    pub fn may_fit(&self, at: usize, cpu: u32, memory: u32) -> bool {
        self.cpu_most[at] >= cpu && self.memory_most[at] >= memory
    }

    /// Position of the first block from one on where somebody may have that much left and is not
    /// one of these members; and the seats there that are not. Steps over what is known.
    pub fn next_fit(
        &self,
        from: usize,
        room: (u32, u32),
        members: &[(u32, u64)],
        known: Known,
    ) -> Option<(usize, u64)> {
        let from = from.max(self.unknown_from(known));
        let labels = self.labels.get(from..)?;
        let mut members = members.iter().peekable();
        let most = self.cpu_most[from..].iter().zip(&self.memory_most[from..]);
        let rows = labels.iter().zip(&self.used[from..]).zip(most).enumerate();
        for (step, ((label, used), (cpu, memory))) in rows {
            if *cpu < room.0 || *memory < room.1 || self.is_known(from + step, known) {
                continue;
            }
            while members.next_if(|it| it.0 < *label).is_some() {}
            let taken = members.next_if(|it| it.0 == *label).map_or(0, |it| it.1);
            if used & !taken != 0 {
                return Some((from + step, used & !taken));
            }
        }
        None
    }

    fn is_known(&self, at: usize, known: Known) -> bool {
        self.labels[at] < known.label && self.gained[at] <= known.epoch
    }

    /// Position of the first block of which nothing is known.
    fn unknown_from(&self, known: Known) -> usize {
        let before = self.labels.partition_point(|it| *it < known.label);
        if known.epoch == self.gains {
            return before;
        }
        self.gained[..before].iter().position(|it| *it > known.epoch).unwrap_or(before)
    }

    /// Finds out a little more: goes on by a few blocks in which nobody but members has room.
    pub(super) fn learn(&self, known: Known, room: (u32, u32), members: &Bits) -> Known {
        let start = self.unknown_from(known);
        let stop = self.blocks.len().min(start + STRIDE);
        let none = |at: &usize| {
            let block = &self.blocks[*at];
            let others = block.used & !members.word(block.label);
            !self.may_fit(*at, room.0, room.1) || !block.has_room(others, room)
        };
        let passed = (start..stop).take_while(none).count();
        let label = self.labels.get(start + passed).copied().unwrap_or(u32::MAX);
        Known { label, epoch: self.gains }
    }

    fn gain(&mut self, at: usize) {
        self.gains += 1;
        self.gained[at] = self.gains;
    }

    /// Whether what is known is true; for tests of the index.
    pub(super) fn confirms(&self, known: Known, room: (u32, u32), members: &Bits) -> bool {
        (0..self.blocks.len()).filter(|at| self.is_known(*at, known)).all(|at| {
            let block = &self.blocks[at];
            !block.has_room(block.used & !members.word(block.label), room)
        })
    }

    pub(super) fn room(&self, id: InstanceId) -> Room {
        if self.blocks.is_empty() {
            return Room::Split(0, Vec::new());
        }
        let at = self.firsts.partition_point(|it| *it <= id).saturating_sub(1);
        let block = &self.blocks[at];
        if block.taken < SEATS {
            return Room::Block(at);
        }
        if self.label_after(at).is_none() {
            return Room::Relabel;
        }
        let is_last = at + 1 == self.blocks.len();
        let appends = is_last && block.order().last().is_some_and(|bit| block.id(*bit) < id);
        let moved = if appends { &[] } else { &block.order()[SEATS / 2..] };
        Room::Split(at, moved.iter().map(|bit| block.host(*bit)).collect())
    }

    fn label_after(&self, at: usize) -> Option<u32> {
        let label = self.labels[at];
        match self.labels.get(at + 1) {
            None => label.checked_add(GAP),
            Some(next) => Some(label + (next - label) / 2).filter(|it| *it > label),
        }
    }

    /// Adds an empty block after the one at this position, beginning at `first`.
    pub(super) fn split(&mut self, at: usize, first: InstanceId) -> usize {
        let (position, label) = if self.blocks.is_empty() {
            (0, 0)
        } else {
            (at + 1, self.label_after(at).expect("room said that there is a label"))
        };
        self.blocks.insert(position, Box::new(Block::new(label)));
        self.labels.insert(position, label);
        self.used.insert(position, 0);
        self.firsts.insert(position, first);
        self.cpu_most.insert(position, 0);
        self.memory_most.insert(position, 0);
        self.gained.insert(position, 0);
        self.gain(position);
        self.rank(position);
        position
    }

    pub(super) fn put(&mut self, at: usize, id: InstanceId, host: u32) -> Seat {
        if id < self.firsts[at] {
            self.firsts[at] = id;
        }
        let seat = self.blocks[at].put(id, host);
        self.used[at] = self.blocks[at].used;
        self.gain(at);
        self.rank(at);
        seat
    }

    /// Leaves an empty block where it is, unless `tidy`.
    pub(super) fn take(&mut self, seat: Seat) {
        let Ok(at) = self.labels.binary_search(&seat.label) else { return };
        self.blocks[at].take(seat.bit);
        self.used[at] = self.blocks[at].used;
        self.rank(at);
        self.weigh(at);
    }

    /// Drops a block that nobody sits in.
    pub(super) fn tidy(&mut self, label: u32) {
        let Ok(at) = self.labels.binary_search(&label) else { return };
        if self.blocks[at].used == 0 {
            self.blocks.remove(at);
            self.labels.remove(at);
            self.used.remove(at);
            self.firsts.remove(at);
            self.cpu_most.remove(at);
            self.memory_most.remove(at);
            self.gained.remove(at);
            self.rank(at);
        }
    }

    /// Notes what is left at a seat; answers what was left before.
    pub(super) fn set(&mut self, seat: Seat, cpu: u32, memory: u32) -> (u32, u32) {
        let Ok(at) = self.labels.binary_search(&seat.label) else { return (cpu, memory) };
        let block = &mut self.blocks[at];
        let bit = usize::from(seat.bit);
        let (cpu_before, memory_before) = (block.cpu[bit], block.memory[bit]);
        block.cpu[bit] = cpu;
        block.memory[bit] = memory;
        let falls = |before, after, most| before == most && after < before;
        if falls(cpu_before, cpu, self.cpu_most[at])
            || falls(memory_before, memory, self.memory_most[at])
        {
            self.weigh(at);
        } else {
            self.cpu_most[at] = self.cpu_most[at].max(cpu);
            self.memory_most[at] = self.memory_most[at].max(memory);
        }
        if cpu > cpu_before || memory > memory_before {
            self.gain(at);
        }
        (cpu_before, memory_before)
    }

    fn weigh(&mut self, at: usize) {
        let block = &self.blocks[at];
        self.cpu_most[at] = block.cpu.iter().copied().fold(0, u32::max);
        self.memory_most[at] = block.memory.iter().copied().fold(0, u32::max);
    }
}
