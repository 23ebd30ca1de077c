//! Opens what an earlier process has left: finds the end of the log and makes it durable.

use std::sync::Arc;

use super::catalog::{Catalog, Closed, read_whole, remove_unfinished, segment_name, snapshot_name};
use super::log::{Log, OpenSegment, Sizes, create_segment};
use super::merge::Overlay;
use super::segment::{self, End, Position, Scanned};
use super::snapshot;
use crate::journal::disk::Disk;
use crate::journal::error::{Attempt, damaged};
use crate::journal::{JournalError, Schema};

/// A journal that is ready to be acquired.
pub(super) struct Recovered {
    pub(super) log: Log,
    /// What the log says after the newest snapshot.
    pub(super) overlay: Overlay<Vec<u8>>,
    /// The version of the stored rows; none if there are no rows and never were.
    pub(super) rows: Option<u32>,
}

/// The way through the live segments so far.
struct Replay<'a> {
    disk: &'a dyn Disk,
    schema: &'a Schema,
    position: Position,
    overlay: Overlay<Vec<u8>>,
    rows: Option<u32>,
}

/// Reads the folder and mends what a crash may leave: unfinished files and a torn last write.
pub(super) fn recover(
    disk: Arc<dyn Disk>,
    sizes: Sizes,
    schema: &Schema,
) -> Result<Recovered, JournalError> {
    remove_unfinished(&*disk)?;
    // A name can be seen although the process before ended before it had made it durable.
    disk.sync_folder().attempt("syncing", "the folder")?;
    let mut catalog = Catalog::read(&*disk)?;
    let mut replay = Replay::begin(&*disk, schema, &catalog)?;
    let open = match catalog.live_segments().split_last() {
        None => replay.create_first(&catalog, sizes)?,
        Some((last, closed)) => {
            for segment in closed {
                replay.read(*segment, End::Closed)?;
            }
            replay.reopen(*last)?
        }
    };
    catalog.segments.retain(|it| it.start < open.start);
    let Replay { position, overlay, rows, .. } = replay;
    let log = Log::new(Arc::clone(&disk), sizes, schema.version(), catalog, open, position)?;
    Ok(Recovered { log, overlay, rows })
}

impl<'a> Replay<'a> {
    /// Starts from the newest snapshot, or from nothing.
    fn begin(
        disk: &'a dyn Disk,
        schema: &'a Schema,
        catalog: &Catalog,
    ) -> Result<Self, JournalError> {
        let mut position = Position::default();
        let mut rows = None;
        if let Some(newest) = catalog.newest_snapshot() {
            let name = snapshot_name(newest);
            let header = snapshot::Header::read(disk, &name)?;
            schema.admit(&name, header.schema)?;
            if header.position.lsn != newest {
                return Err(damaged(&name, 16, "its name and its header disagree"));
            }
            position = header.position;
            rows = Some(header.schema);
        }
        Ok(Self { disk, schema, position, overlay: Overlay::new(), rows })
    }

    /// The first segment of a new journal.
    fn create_first(&self, catalog: &Catalog, sizes: Sizes) -> Result<OpenSegment, JournalError> {
        if !catalog.snapshots.is_empty() {
            let name = segment_name(self.position.lsn);
            return Err(damaged(&name, 0, "the segment after the newest snapshot is missing"));
        }
        create_segment(self.disk, self.schema.version(), self.position, sizes.segment)
    }

    /// Lays the records of the next segment over what is before it.
    fn read(&mut self, segment: Closed, end: End) -> Result<(Scanned, u32, Vec<u8>), JournalError> {
        let name = segment_name(segment.start);
        if segment.start != self.position.lsn {
            let missing = segment_name(self.position.lsn);
            return Err(damaged(&missing, 0, format!("it is missing or too short before {name}")));
        }
        let bytes = read_whole(self.disk, &name)?;
        let header = segment::Header::read(&name, &bytes)?;
        self.schema.admit(&name, header.schema)?;
        let expected = Position { operation: None, ..self.position };
        if header.start != expected {
            return Err(damaged(&name, 16, "it does not continue what is before it"));
        }
        let overlay = &mut self.overlay;
        let found = segment::scan(&name, &bytes, self.position, end, &mut |record, offset| {
            overlay.lay(&name, record, offset, |value, _| value.to_vec())
        })?;
        self.position = found.end;
        if found.records > 0 {
            self.check_version(&name, header.schema)?;
        }
        Ok((found, header.schema, bytes))
    }

    fn check_version(&mut self, name: &str, version: u32) -> Result<(), JournalError> {
        match self.rows.replace(version) {
            Some(before) if before != version => {
                let what = format!("its rows are of version {version}, those before of {before}");
                Err(damaged(name, 12, what))
            }
            _ => Ok(()),
        }
    }

    /// Opens the last segment for more. Cuts a torn write off and what is after it, and writes those
    /// again which no later record knows as durable: they can be read, but they may never have
    /// reached the disk, and a sync does not help pages that the system has given up on.
    fn reopen(&mut self, segment: Closed) -> Result<OpenSegment, JournalError> {
        let (found, schema, bytes) = self.read(segment, End::Open)?;
        let name = segment_name(segment.start);
        let mut file = self.disk.open_to_write(&name).attempt("opening", &name)?;
        if found.end_offset < bytes.len() as u64 {
            file.truncate(found.end_offset).attempt("cutting the torn end off", &name)?;
        }
        let place = |offset| usize::try_from(offset).unwrap_or(usize::MAX);
        let range = place(found.unsettled_offset)..place(found.end_offset);
        let last_writes = bytes.get(range).unwrap_or_default();
        file.write_at(found.unsettled_offset, last_writes).attempt("writing to", &name)?;
        file.sync().attempt("syncing", &name)?;
        Ok(OpenSegment::new(segment.start, schema, file, found.end_offset))
    }
}
