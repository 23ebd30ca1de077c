//! Instances in the order of what they have left of one resource, for binpack.
//!
//! A sorted list in chunks. Each chunk knows the most that any of its instances has left of the
//! *other* resource, so that a search steps over exhausted instances a chunk at a time.
#![expect(clippy::indexing_slicing, reason = "positions come from the shelf's own searches")]

use types::InstanceId;

/// A chunk that grows beyond this is split.
const CHUNK: usize = 64;

/// One instance on a shelf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Book {
    /// What is left of the resource that orders the shelf.
    pub left: u32,
    /// Who.
    pub id: InstanceId,
    /// What is left of the other one.
    pub other: u32,
    /// Its host.
    pub host: u32,
}

impl Book {
    fn key(&self) -> (u32, InstanceId) {
        (self.left, self.id)
    }
}

/// A list of instances sorted by what is left, then by identifier.
#[derive(Debug, Clone, Default)]
pub struct Shelf {
    chunks: Vec<Vec<Book>>,
    firsts: Vec<(u32, InstanceId)>,
    most: Vec<u32>,
}

impl Shelf {
    /// Instances that have at least that much left of both, the least left first.
    pub fn from(&self, left: u32, other: u32) -> impl Iterator<Item = &Book> {
        let start = self.chunk_of((left, InstanceId::new(0)));
        let most = self.most.get(start..).unwrap_or_default().iter();
        let chunks = self.chunks.get(start..).unwrap_or_default().iter();
        chunks
            .zip(most)
            .filter(move |(_, most)| **most >= other)
            .flat_map(|(chunk, _)| chunk)
            .filter(move |it| it.left >= left && it.other >= other)
    }

    /// Instances with the most left first.
    pub fn descending(&self) -> impl Iterator<Item = &Book> {
        self.chunks.iter().rev().flat_map(|it| it.iter().rev())
    }

    pub(super) fn put(&mut self, book: Book) {
        if self.chunks.is_empty() {
            self.chunks.push(vec![book]);
            self.firsts.push(book.key());
            self.most.push(book.other);
            return;
        }
        let at = self.chunk_of(book.key());
        let chunk = &mut self.chunks[at];
        let position = chunk.partition_point(|it| it.key() < book.key());
        chunk.insert(position, book);
        self.firsts[at] = chunk[0].key();
        self.most[at] = self.most[at].max(book.other);
        if chunk.len() > CHUNK {
            let upper = chunk.split_off(CHUNK / 2);
            self.firsts.insert(at + 1, upper[0].key());
            self.chunks.insert(at + 1, upper);
            self.most.insert(at + 1, 0);
            self.weigh(at);
            self.weigh(at + 1);
        }
    }

    pub(super) fn take(&mut self, left: u32, id: InstanceId) {
        if self.chunks.is_empty() {
            return;
        }
        let at = self.chunk_of((left, id));
        let chunk = &mut self.chunks[at];
        let Ok(position) = chunk.binary_search_by(|it| it.key().cmp(&(left, id))) else { return };
        let book = chunk.remove(position);
        if chunk.is_empty() {
            self.chunks.remove(at);
            self.firsts.remove(at);
            self.most.remove(at);
            return;
        }
        self.firsts[at] = chunk[0].key();
        if book.other == self.most[at] {
            self.weigh(at);
        }
    }

    fn weigh(&mut self, at: usize) {
        self.most[at] = self.chunks[at].iter().map(|it| it.other).max().unwrap_or(0);
    }

    /// The chunk where this key is, or would go.
    fn chunk_of(&self, key: (u32, InstanceId)) -> usize {
        self.firsts.partition_point(|it| *it <= key).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dice;

    #[test]
    fn a_shelf_agrees_with_a_sorted_list() {
        let mut dice = Dice::of(7);
        let mut shelf = Shelf::default();
        let mut list: Vec<Book> = Vec::new();
        for id in 0..2_000_u32 {
            let mut number = || u32::try_from(dice.below(300)).expect("small");
            let book =
                Book { left: number(), id: InstanceId::new(id.into()), other: number(), host: id };
            shelf.put(book);
            list.push(book);
            if id % 3 == 0 {
                let gone = list
                    .swap_remove(usize::try_from(dice.below(list.len() as u64)).expect("small"));
                shelf.take(gone.left, gone.id);
            }
            list.sort_unstable();
            let (left, other) = (id % 310, (id * 7) % 310);
            let expected = list.iter().find(|it| it.left >= left && it.other >= other);
            assert_eq!(shelf.from(left, other).next(), expected);
        }
        assert_eq!(shelf.descending().count(), list.len());
    }
}
