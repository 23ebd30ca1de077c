//! A newer release takes over what an older one has written.
//!
//! The older release kept rows in another form: in another table, under a turned key, with a mark
//! before the value. Before an upgrade some rows are put into that form, in one batch; the newer
//! release opens the journal with a schema version that is one higher and takes all of them back.

use std::sync::Arc;

use store::journal::disk::SimDisk;
use store::journal::file::{CompactionBy, FileJournal, Options};
use store::journal::{Batch, Journal as _, JournalError, Migration, Op, OperationId, Row, Schema};

use super::Storage;
use crate::lot::Lot;
use crate::plant::Plant;

/// How much higher the numbers of the older release's tables are.
const OLD_TABLES: u8 = 100;
/// What the older release wrote before each value.
const OLD_MARK: u8 = 0xf7;

/// Opens the journal as a release does.
pub(super) fn open(
    disk: &SimDisk,
    release: u32,
    plant: Option<Plant>,
) -> Result<FileJournal, JournalError> {
    let row = if plant == Some(Plant::SkipsMigration) { skipped } else { renewed };
    let steps = (1..release).map(|from| Migration { from, to: from + 1, row }).collect();
    let options = Options {
        segment_bytes: 64 * 1024,
        reserve_bytes: 128 * 1024,
        compact_after_bytes: 64 * 1024,
        compaction: CompactionBy::Caller,
        ..Options::new(Schema::new(release, steps))
    };
    FileJournal::open(Arc::new(disk.clone()), options)
}

/// A row as the older release kept it.
fn aged(row: &Row) -> Row {
    let key = row.key.iter().rev().copied().collect();
    let mut value = vec![OLD_MARK];
    value.extend(&row.value);
    Row { table: row.table + OLD_TABLES, key, value }
}

/// A row of either release as this one keeps it.
#[expect(clippy::unnecessary_wraps, reason = "other migrations drop rows")]
fn renewed(row: Row) -> Option<Row> {
    match (row.table.checked_sub(OLD_TABLES), row.value.split_first()) {
        (Some(table), Some((&OLD_MARK, value))) => {
            let key = row.key.into_iter().rev().collect();
            Some(Row { table, key, value: value.to_vec() })
        }
        _ => Some(row),
    }
}

/// The bug of [`Plant::SkipsMigration`].
fn skipped(row: Row) -> Option<Row> {
    (row.table < OLD_TABLES).then_some(row)
}

impl Storage {
    /// The next process to open the journal is of a newer release. Half of the rows are of the
    /// older form then, if the disk lets them be written.
    pub(crate) fn upgrade(&mut self, lot: &mut Lot) -> Result<(), JournalError> {
        let Self::Files { disk, release, plant } = self else { return Ok(()) };
        let before = *release;
        *release += 1;
        let mut journal = open(disk, before, *plant)?;
        let epoch = journal.acquire()?;
        let mut rows = Vec::new();
        journal.load(&mut |row| {
            rows.push(row);
            Ok(())
        })?;
        rows.retain(|_| lot.below(2) == 0);
        let ops = rows.iter().flat_map(|row| {
            let gone = Op::Delete { table: row.table, key: row.key.clone() };
            [gone, Op::Put(aged(row))]
        });
        let batch = Batch { id: OperationId(lot.bits()), ops: ops.collect() };
        journal.commit(epoch, &[batch]).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aged_row_comes_back_as_it_was() {
        let row = Row { table: 3, key: vec![1, 2, 3], value: vec![9] };
        assert_ne!(aged(&row), row);
        assert_eq!(renewed(aged(&row)), Some(row.clone()));
        assert_eq!(renewed(row.clone()), Some(row));
    }
}
