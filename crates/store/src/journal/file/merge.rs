//! The rows of a snapshot with the log on top: for each key the last writer wins.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::vec;

use super::record::{HEADER_BYTES, Kind, Record};
use super::snapshot::Reader;
use crate::journal::error::damaged;
use crate::journal::{JournalError, Row};

/// What the log says of each row, in the order in which it said so.
///
/// Sorted at the end rather than kept sorted: a million rows in a tree cost four times as much.
pub(super) struct Overlay<V>(Vec<Change<V>>);

/// What the log says of one row: its value in some form, or that it is gone.
struct Change<V> {
    table: u8,
    /// The first bytes of the key, which decide most comparisons without looking for the key.
    begin: [u8; 8],
    key: Vec<u8>,
    held: Option<V>,
}

/// A value that still lies in a segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// The number of the segment, as its reader counts.
    pub(super) segment: usize,
    pub(super) offset: u64,
    pub(super) length: usize,
}

/// The merged rows, in order of table and key.
pub(super) struct Merged<V> {
    base: Option<Reader>,
    base_next: Option<Row>,
    log: Peekable<vec::IntoIter<Change<V>>>,
}

impl<V> Change<V> {
    fn order(&self, other: &Self) -> Ordering {
        (self.table, self.begin, &self.key).cmp(&(other.table, other.begin, &other.key))
    }

    fn is_same_row(&self, other: &Self) -> bool {
        self.order(other) == Ordering::Equal
    }
}

impl<V> Overlay<V> {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    /// Lays a record on top. `hold` is given a value and its offset in the file.
    pub(super) fn lay(
        &mut self,
        file: &str,
        record: &Record<'_>,
        offset: u64,
        mut hold: impl FnMut(&[u8], u64) -> V,
    ) -> Result<(), JournalError> {
        if record.kind != Kind::Batch {
            return Ok(());
        }
        let (_, ops) = record
            .batch()
            .ok_or_else(|| damaged(file, offset, "the changes are not of the known form"))?;
        let payload = offset + HEADER_BYTES as u64;
        for op in ops {
            let held = op.put.map(|(value, at)| hold(value, payload + at as u64));
            let change =
                Change { table: op.table, begin: begin(op.key), key: op.key.to_vec(), held };
            self.0.push(change);
        }
        Ok(())
    }
}

/// The first eight bytes of a key, or all of it and zeros; orders keys as far as it goes.
fn begin(key: &[u8]) -> [u8; 8] {
    let mut begin = [0; 8];
    begin.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    begin
}

impl<V> Merged<V> {
    /// A snapshot, if there is one, and what the log says after it.
    pub(super) fn new(base: Option<Reader>, overlay: Overlay<V>) -> Result<Self, JournalError> {
        let mut changes = overlay.0;
        // Stable: of several changes of a row, the one that was made last stays last.
        changes.sort_by(Change::order);
        let mut merged = Self { base, base_next: None, log: changes.into_iter().peekable() };
        merged.advance_base()?;
        Ok(merged)
    }

    /// The next row, its value fetched by `fetch` if it comes from the log.
    pub(super) fn next(
        &mut self,
        fetch: &mut dyn FnMut(V) -> Result<Vec<u8>, JournalError>,
    ) -> Result<Option<Row>, JournalError> {
        loop {
            let base_key = self.base_next.as_ref().map(|it| (it.table, it.key.as_slice()));
            let log_key = self.log.peek().map(|it| (it.table, it.key.as_slice()));
            let log_is_next = match (base_key, log_key) {
                (_, None) => false,
                (None, Some(_)) => true,
                (Some(base), Some(log)) => log <= base,
            };
            if !log_is_next {
                let row = self.base_next.take();
                self.advance_base()?;
                return Ok(row);
            }
            if base_key == log_key {
                self.advance_base()?;
            }
            if let Some(Change { table, key, held: Some(held), .. }) = self.last_change() {
                return Ok(Some(Row { table, key, value: fetch(held)? }));
            }
        }
    }

    /// The last of the changes of the next row of the log.
    fn last_change(&mut self) -> Option<Change<V>> {
        let mut change = self.log.next()?;
        while let Some(later) = self.log.next_if(|it| it.is_same_row(&change)) {
            change = later;
        }
        Some(change)
    }

    fn advance_base(&mut self) -> Result<(), JournalError> {
        self.base_next = match &mut self.base {
            Some(base) => base.next()?,
            None => None,
        };
        Ok(())
    }
}
