//! The rows of a snapshot with the log on top: for each key the last writer wins.

use std::collections::{BTreeMap, btree_map};
use std::iter::Peekable;

use super::record::{Kind, Record};
use super::snapshot::Reader;
use crate::journal::error::damaged;
use crate::journal::{JournalError, Row};

/// What the log says of each row: its value in some form, or that it is gone.
pub(super) type Overlay<V> = BTreeMap<(u8, Vec<u8>), Option<V>>;

/// What the log says, taken apart in order.
type InOrder<V> = Peekable<btree_map::IntoIter<(u8, Vec<u8>), Option<V>>>;

/// A value that still lies in a segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// The number of the segment, as its reader counts.
    pub(super) segment: usize,
    pub(super) offset: u64,
    pub(super) length: usize,
}

/// Lays a record over what was before it. `hold` is given a value and its offset in the file.
pub(super) fn lay<V>(
    overlay: &mut Overlay<V>,
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
        .ok_or_else(|| damaged(file, offset, "the changes of a batch are not of the known form"))?;
    let payload = offset + super::record::HEADER_BYTES as u64;
    for op in ops {
        let held = op.put.map(|(value, at)| hold(value, payload + at as u64));
        overlay.insert((op.table, op.key.to_vec()), held);
    }
    Ok(())
}

/// The merged rows, in order of table and key.
pub(super) struct Merged<V> {
    base: Option<Reader>,
    base_next: Option<Row>,
    log: InOrder<V>,
}

impl<V> Merged<V> {
    /// A snapshot, if there is one, and what the log says after it.
    pub(super) fn new(base: Option<Reader>, overlay: Overlay<V>) -> Result<Self, JournalError> {
        let mut merged = Self { base, base_next: None, log: overlay.into_iter().peekable() };
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
            let log_key = self.log.peek().map(|((table, key), _)| (*table, key.as_slice()));
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
            if let Some(((table, key), Some(held))) = self.log.next() {
                return Ok(Some(Row { table, key, value: fetch(held)? }));
            }
        }
    }

    fn advance_base(&mut self) -> Result<(), JournalError> {
        self.base_next = match &mut self.base {
            Some(base) => base.next()?,
            None => None,
        };
        Ok(())
    }
}
