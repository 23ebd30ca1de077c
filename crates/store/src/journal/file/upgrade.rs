//! Takes the rows of an older release to the version of this one.
//!
//! A migration may move rows to other tables and keys, so the rows are sorted again. That needs
//! memory for all of them, as their owner does anyway, and happens once after an upgrade.

use super::catalog::snapshot_name;
use super::compact::{Compacted, begin_snapshot, publish};
use super::log::Log;
use super::merge::{Merged, Overlay};
use super::snapshot::Reader;
use crate::journal::schema::migrate;
use crate::journal::{JournalError, Row, Schema};

/// Writes all rows as a snapshot of the newest version and continues the log after it.
///
/// A crash in between leaves the old rows and a segment without records, from which this can be
/// done again.
pub(super) fn upgrade(
    log: &mut Log,
    overlay: Overlay<Vec<u8>>,
    from: u32,
    schema: &Schema,
) -> Result<Compacted, JournalError> {
    let steps = schema.steps(from)?;
    let base = log.catalog.newest_snapshot();
    let base = base.map(|it| Reader::open(&*log.disk, &snapshot_name(it))).transpose()?;
    let mut merged = Merged::new(base, overlay)?;
    let mut rows = Vec::new();
    while let Some(row) = merged.next(&mut Ok)? {
        rows.extend(migrate(row, &steps));
    }
    drop(merged);
    rows.sort_unstable();
    refuse_twins(&rows)?;

    log.begin_segment(0)?;
    let mut writer = begin_snapshot(&*log.disk, schema.version(), log.position)?;
    for row in &rows {
        writer.push(row)?;
    }
    publish(&*log.disk, writer, log.position.lsn)
}

fn refuse_twins(rows: &[Row]) -> Result<(), JournalError> {
    let twins = |pair: &&[Row]| match pair {
        [one, other] => (one.table, &one.key) == (other.table, &other.key),
        _ => false,
    };
    match rows.windows(2).find(twins) {
        Some([one, _]) => Err(JournalError::RowsCollide { table: one.table, key: one.key.clone() }),
        _ => Ok(()),
    }
}
