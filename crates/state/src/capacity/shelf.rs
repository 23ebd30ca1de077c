//! Instances in the order of what they have left of one resource, for binpack.
//!
//! A sorted list in chunks. Each chunk knows the most that any of its instances has left of the
//! *other* resource, so that a search steps over exhausted instances a chunk at a time. Books are
//! small, because every placement moves some of them: of an identifier they hold the beginning
//! only, and who keeps the shelf says the rest where that does not tell two instances apart.
#![expect(clippy::indexing_slicing, reason = "positions come from the shelf's own searches")]

use types::InstanceId;

/// A chunk that grows beyond this is split.
const CHUNK: usize = 32;

/// One instance on a shelf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Book {
    /// What is left of the resource that orders the shelf.
    pub left: u32,
    /// The first bits of its identifier.
    beginning: u32,
    /// What is left of the other one.
    pub other: u32,
    /// Its host.
    pub host: u32,
}

impl Book {
    pub(super) fn new(left: u32, other: u32, id: InstanceId, host: u32) -> Self {
        let beginning = u32::try_from(id.bits() >> 96).expect("32 bits are left");
        Self { left, beginning, other, host }
    }

    /// Whether it stands before another one: by what is left, then by identifier.
    fn is_before(&self, other: &Self, ids: impl Fn(u32) -> InstanceId) -> bool {
        let key = |it: &Self| u64::from(it.left) << 32 | u64::from(it.beginning);
        let (one, two) = (key(self), key(other));
        one < two || one == two && ids(self.host) < ids(other.host)
    }
}

/// A list of instances sorted by what is left, then by identifier.
#[derive(Debug, Clone, Default)]
pub struct Shelf {
    chunks: Vec<Vec<Book>>,
    firsts: Vec<Book>,
    most: Vec<u32>,
}

impl Shelf {
    /// Instances that have at least that much left of both, the least left first.
    pub fn from(&self, left: u32, other: u32) -> impl Iterator<Item = &Book> {
        let start = self.firsts.partition_point(|it| it.left < left).saturating_sub(1);
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

    pub(super) fn put(&mut self, book: Book, ids: impl Fn(u32) -> InstanceId + Copy) {
        if self.chunks.is_empty() {
            self.chunks.push(vec![book]);
            self.firsts.push(book);
            self.most.push(book.other);
            return;
        }
        let at = self.chunk_of(&book, ids);
        let chunk = &mut self.chunks[at];
        let position = chunk.partition_point(|it| it.is_before(&book, ids));
        chunk.insert(position, book);
        self.firsts[at] = chunk[0];
        self.most[at] = self.most[at].max(book.other);
        if chunk.len() > CHUNK {
            let upper = chunk.split_off(CHUNK / 2);
            self.firsts.insert(at + 1, upper[0]);
            self.chunks.insert(at + 1, upper);
            self.most.insert(at + 1, 0);
            self.weigh(at);
            self.weigh(at + 1);
        }
    }

    pub(super) fn take(&mut self, book: Book, ids: impl Fn(u32) -> InstanceId + Copy) {
        if self.chunks.is_empty() {
            return;
        }
        let at = self.chunk_of(&book, ids);
        let chunk = &mut self.chunks[at];
        let position = chunk.partition_point(|it| it.is_before(&book, ids));
        if chunk.get(position).is_none_or(|it| it.host != book.host) {
            return;
        }
        let book = chunk.remove(position);
        if chunk.is_empty() {
            self.chunks.remove(at);
            self.firsts.remove(at);
            self.most.remove(at);
            return;
        }
        self.firsts[at] = chunk[0];
        if book.other == self.most[at] {
            self.weigh(at);
        }
    }

    fn weigh(&mut self, at: usize) {
        self.most[at] = self.chunks[at].iter().map(|it| it.other).max().unwrap_or(0);
    }

    /// The chunk where this book is, or would go.
    fn chunk_of(&self, book: &Book, ids: impl Fn(u32) -> InstanceId + Copy) -> usize {
        let after = self.firsts.partition_point(|it| !book.is_before(it, ids));
        after.saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dice;

    /// What is left of both, and whose it is.
    type Entry = (u32, InstanceId, u32, u32);

    fn check(ids: &[InstanceId]) {
        let mut dice = Dice::of(7);
        let mut shelf = Shelf::default();
        let mut list: Vec<Entry> = Vec::new();
        let id = |host: u32| ids[host as usize];
        let book = |it: &Entry| Book::new(it.0, it.2, it.1, it.3);
        for host in 0..u32::try_from(ids.len()).expect("small") {
            let mut number = || u32::try_from(dice.below(300)).expect("small");
            let entry = (number(), id(host), number(), host);
            shelf.put(book(&entry), id);
            list.push(entry);
            if host % 3 == 0 {
                let gone = list
                    .swap_remove(usize::try_from(dice.below(list.len() as u64)).expect("small"));
                shelf.take(book(&gone), id);
            }
            list.sort_unstable();
            let (left, other) = (host % 310, (host * 7) % 310);
            let expected = list.iter().find(|it| it.0 >= left && it.2 >= other).map(book);
            assert_eq!(shelf.from(left, other).next().copied(), expected);
        }
        let all: Vec<_> = list.iter().rev().map(book).collect();
        assert_eq!(shelf.descending().copied().collect::<Vec<_>>(), all);
    }

    #[test]
    fn a_shelf_agrees_with_a_sorted_list() {
        let mut dice = Dice::of(8);
        check(&(0..2_000).map(|_| InstanceId::new(dice.bits())).collect::<Vec<_>>());
    }

    #[test]
    fn a_shelf_tells_instances_apart_whose_identifiers_begin_alike() {
        check(&(0..2_000).rev().map(InstanceId::new).collect::<Vec<_>>());
    }
}
