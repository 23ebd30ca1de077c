//! Sets of seats: sparse, 64 to a word.

/// Where an instance sits in the order of its zone: a block, by its label, and a bit within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seat {
    /// Label of the block.
    pub label: u32,
    /// Bit within the block, 0 to 63.
    pub bit: u8,
}

impl Seat {
    /// The word that has only this seat.
    pub fn word(self) -> u64 {
        1 << self.bit
    }
}

/// A set of seats of one zone, by block; blocks that have none of it take no room.
#[derive(Debug, Clone, Default)]
pub struct Bits(Vec<(u32, u64)>);

impl Bits {
    /// The members in a block.
    pub fn word(&self, label: u32) -> u64 {
        match self.find(label) {
            Ok(at) => self.0.get(at).map_or(0, |it| it.1),
            Err(_) => 0,
        }
    }

    /// The blocks that have members, in order.
    pub fn words(&self) -> &[(u32, u64)] {
        &self.0
    }

    /// Whether it has no members.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What it has in common with another set, block by block.
    pub fn meet<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (u32, u64)> + 'a {
        let (few, many) = if self.0.len() < other.0.len() { (self, other) } else { (other, self) };
        few.0.iter().map(|(label, word)| (*label, word & many.word(*label)))
    }

    /// Adds all members of another set.
    pub fn join(&mut self, other: &Self) {
        let mut joined = Vec::with_capacity(self.0.len() + other.0.len());
        let mut mine = self.0.iter().copied().peekable();
        for (label, word) in &other.0 {
            while let Some(it) = mine.next_if(|it| it.0 < *label) {
                joined.push(it);
            }
            let same = mine.next_if(|it| it.0 == *label).map_or(0, |it| it.1);
            joined.push((*label, same | word));
        }
        joined.extend(mine);
        self.0 = joined;
    }

    pub(super) fn put(&mut self, seat: Seat) {
        match self.find(seat.label) {
            Ok(at) => {
                if let Some(it) = self.0.get_mut(at) {
                    it.1 |= seat.word();
                }
            }
            Err(at) => self.0.insert(at, (seat.label, seat.word())),
        }
    }

    pub(super) fn take(&mut self, seat: Seat) {
        if let Ok(at) = self.find(seat.label)
            && let Some(it) = self.0.get_mut(at)
        {
            it.1 &= !seat.word();
            if it.1 == 0 {
                self.0.remove(at);
            }
        }
    }

    fn find(&self, label: u32) -> Result<usize, usize> {
        self.0.binary_search_by_key(&label, |it| it.0)
    }
}
