//! The end of the log: the open segment, to which records are appended and synced.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::catalog::{Catalog, Closed, RESERVE, remove_if_there, segment_name, unfinished};
use super::record::{self, Kind, Stamp};
use super::segment::{self, HEADER_BYTES, Position};
use crate::journal::commit::{Commit, Flights, Synced};
use crate::journal::disk::{Disk, DiskFile};
use crate::journal::error::Attempt;
use crate::journal::{Batch, Epoch, JournalError, Lsn, Room};

/// The segment to which records are appended.
pub(super) struct OpenSegment {
    pub(super) start: Lsn,
    pub(super) schema: u32,
    pub(super) file: Box<dyn DiskFile>,
    pub(super) size: u64,
    handles: Handles,
}

/// Handles of one segment that no write is using.
///
/// Each write under way has one to itself: a system tells a failed write once to each handle
/// (Linux since 4.13), so of two syncs that share one the wrong one may be told.
#[derive(Clone, Default)]
struct Handles(Arc<Mutex<Vec<Box<dyn DiskFile>>>>);

impl Handles {
    fn take(&self, disk: &dyn Disk, name: &str) -> Result<Box<dyn DiskFile>, JournalError> {
        let idle = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| disk.open_to_write(name).attempt("opening", name), Ok)
    }

    fn give_back(&self, handle: Box<dyn DiskFile>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
    }
}

impl OpenSegment {
    /// A segment that has so many bytes.
    pub(super) fn new(start: Lsn, schema: u32, file: Box<dyn DiskFile>, size: u64) -> Self {
        Self { start, schema, file, size, handles: Handles::default() }
    }
}

/// The sizes of a log, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) segment: u64,
    pub(super) reserve: u64,
}

/// The log as its writer sees it.
pub(super) struct Log {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) sizes: Sizes,
    /// The version of the rows that are appended.
    pub(super) schema: u32,
    pub(super) catalog: Catalog,
    pub(super) open: OpenSegment,
    /// The end of the log. What is before it is durable, but for the commits under way.
    pub(super) position: Position,
    flights: Flights,
    pub(super) room: Room,
    /// Records of one write; kept so that its memory is used again.
    buffer: Vec<u8>,
}

/// Makes and publishes a new segment that begins at a point of the log.
pub(super) fn create_segment(
    disk: &dyn Disk,
    schema: u32,
    start: Position,
    bytes: u64,
) -> Result<OpenSegment, JournalError> {
    let name = segment_name(start.lsn);
    let temporary = unfinished(&name);
    remove_if_there(disk, &temporary)?;
    let header = segment::Header { schema, start }.encode();
    let mut file = prepare(disk, &temporary, &header, bytes).map_err(|source| {
        if is_full(&source) {
            JournalError::Full { attempted: format!("a new segment {name}"), source }
        } else {
            JournalError::Failed { attempted: format!("creating {temporary}"), source }
        }
    })?;
    file.sync().attempt("syncing", &temporary)?;
    disk.rename(&temporary, &name).attempt("renaming to", &name)?;
    disk.sync_folder().attempt("syncing the folder for", &name)?;
    Ok(OpenSegment::new(start.lsn, schema, file, header.len() as u64))
}

fn prepare(
    disk: &dyn Disk,
    name: &str,
    header: &[u8],
    bytes: u64,
) -> io::Result<Box<dyn DiskFile>> {
    let mut file = disk.create(name)?;
    file.preallocate(bytes)?;
    file.write_at(0, header)?;
    Ok(file)
}

/// Whether the system said that no space is left.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl Log {
    /// A log that ends in this segment. Sets space aside for it.
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        sizes: Sizes,
        schema: u32,
        catalog: Catalog,
        open: OpenSegment,
        position: Position,
    ) -> Result<Self, JournalError> {
        let flights = Flights::at(position.lsn);
        let room = Room::Ample;
        let buffer = Vec::new();
        let mut log = Self { disk, sizes, schema, catalog, open, position, flights, room, buffer };
        if log.open.schema == log.schema {
            log.preallocate_open()?;
        }
        log.refill_reserve()?;
        Ok(log)
    }

    /// Appends batches: one write, and one sync for the caller to run.
    pub(super) fn append(
        &mut self,
        epoch: Epoch,
        batches: &[Batch],
    ) -> Result<Commit, JournalError> {
        self.look_for_room()?;
        self.buffer.clear();
        let settled = self.flights.settled();
        let mut end = self.position;
        for batch in batches {
            let stamp = Stamp { lsn: Lsn(end.lsn.0 + 1), epoch, settled, previous: end.chain };
            let chain = record::write_batch(&mut self.buffer, stamp, batch);
            end = Position { lsn: stamp.lsn, epoch, chain, operation: Some(batch.id) };
        }
        self.write(end)
    }

    /// A commit of nothing, which is settled when those before it are.
    pub(super) fn append_nothing(&mut self) -> Commit {
        self.flights.begin(self.position.lsn, || Ok(()))
    }

    /// Takes in how a sync went; answers up to where everything is durable now.
    pub(super) fn settle(&mut self, synced: Synced) -> Result<Lsn, JournalError> {
        self.flights.settle(synced)
    }

    /// Appends a record that says something about the owner, and makes it durable.
    pub(super) fn mark(&mut self, epoch: Epoch, kind: Kind) -> Result<(), JournalError> {
        self.buffer.clear();
        let settled = self.flights.settled();
        let lsn = Lsn(self.position.lsn.0 + 1);
        let stamp = Stamp { lsn, epoch, settled, previous: self.position.chain };
        let chain = record::write_mark(&mut self.buffer, stamp, kind);
        let written = self.write(Position { lsn, epoch, chain, ..self.position })?;
        self.settle(written.sync()).map(drop)
    }

    /// Writes what is in the buffer, after which the log ends at `end`.
    fn write(&mut self, end: Position) -> Result<Commit, JournalError> {
        let bytes = self.buffer.len() as u64;
        let has_records = self.open.start < self.position.lsn;
        if has_records && self.open.size + bytes > self.sizes.segment {
            self.begin_segment(bytes)?;
        }
        let name = segment_name(self.open.start);
        let handles = self.open.handles.clone();
        let mut handle = handles.take(&*self.disk, &name)?;
        handle.write_at(self.open.size, &self.buffer).attempt("writing to", &name)?;
        self.open.size += bytes;
        self.position = end;
        Ok(self.flights.begin(end.lsn, move || {
            handle.sync().attempt("syncing", &name)?;
            handles.give_back(handle);
            Ok(())
        }))
    }

    /// Closes the open segment and begins the next one, with room for at least so many bytes of
    /// records. An open segment without records is replaced.
    ///
    /// What is torn in a closed segment counts as damage, so all of it is durable before that.
    pub(super) fn begin_segment(&mut self, bytes: u64) -> Result<(), JournalError> {
        if !self.flights.is_empty() {
            let name = segment_name(self.open.start);
            self.open.file.sync().attempt("syncing", &name)?;
        }
        let bytes = self.sizes.segment.max(HEADER_BYTES as u64 + bytes);
        let next = self.create_segment_somehow(bytes)?;
        let mut closed = core::mem::replace(&mut self.open, next);
        if closed.start < self.open.start {
            // Gives back what was set aside beyond its end.
            let name = segment_name(closed.start);
            closed.file.truncate(closed.size).attempt("trimming", &name)?;
            self.catalog.segments.push(Closed { start: closed.start, bytes: closed.size });
        }
        Ok(())
    }

    /// Makes a new segment; where there is no space, in the place of the reserve.
    fn create_segment_somehow(&mut self, bytes: u64) -> Result<OpenSegment, JournalError> {
        let disk = Arc::clone(&self.disk);
        let create = || create_segment(&*disk, self.schema, self.position, bytes);
        match create() {
            Err(JournalError::Full { .. }) => {
                self.release_reserve()?;
                create_segment(&*disk, self.schema, self.position, bytes)
            }
            answer => answer,
        }
    }

    /// Sets space aside for the rest of the open segment.
    fn preallocate_open(&mut self) -> Result<(), JournalError> {
        let name = segment_name(self.open.start);
        match self.open.file.preallocate(self.sizes.segment) {
            Err(error) if is_full(&error) => {
                self.release_reserve()?;
                match self.open.file.preallocate(self.sizes.segment) {
                    Err(error) if is_full(&error) => Ok(()),
                    answer => answer.attempt("setting space aside for", &name),
                }
            }
            answer => answer.attempt("setting space aside for", &name),
        }
    }

    /// Sets the reserve aside again if there is space for it now.
    pub(super) fn look_for_room(&mut self) -> Result<(), JournalError> {
        match self.room {
            Room::ReserveOnly => self.refill_reserve(),
            Room::Ample => Ok(()),
        }
    }

    /// Sets the reserve aside if it is not, or not whole. If there is no space for it, says so in
    /// `room`.
    pub(super) fn refill_reserve(&mut self) -> Result<(), JournalError> {
        let file = match self.disk.open_to_write(RESERVE) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.disk.create(RESERVE),
            answer => answer,
        };
        match file.and_then(|mut it| it.preallocate(self.sizes.reserve)) {
            Ok(()) => self.room = Room::Ample,
            Err(error) if is_full(&error) => {
                self.room = Room::ReserveOnly;
                remove_if_there(&*self.disk, RESERVE)?;
            }
            Err(error) => return Err(error).attempt("setting space aside in", RESERVE),
        }
        Ok(())
    }

    /// Gives the reserve back to the file system. The sync makes it really free.
    fn release_reserve(&mut self) -> Result<(), JournalError> {
        self.room = Room::ReserveOnly;
        remove_if_there(&*self.disk, RESERVE)?;
        self.disk.sync_folder().attempt("syncing the folder without", RESERVE)
    }
}
