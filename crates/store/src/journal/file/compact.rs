//! Makes a snapshot out of the one before it and the segments closed since then.
//!
//! It needs neither the state nor memory for the rows: it keeps the keys of those segments and
//! where their values lie. It reads files that nobody changes, so it can run beside commits.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use super::catalog::{
    Closed, read_whole, remove_if_there, segment_name, snapshot_name, unfinished,
};
use super::log::is_full;
use super::merge::{Merged, Overlay, Place};
use super::segment::{self, End, Position};
use super::snapshot::{self, Pushed, Reader, Writer};
use crate::journal::disk::{Disk, DiskFile};
use crate::journal::error::{Attempt, damaged};
use crate::journal::{JournalError, Lsn};

/// A snapshot in the making.
pub struct Compaction {
    disk: Arc<dyn Disk>,
    schema: u32,
    base: Option<Lsn>,
    position: Position,
    segments: Vec<Closed>,
    files: Vec<Box<dyn DiskFile>>,
    overlay: Overlay<Place>,
    output: Option<Output>,
    /// Tells the journal that it is at work, and keeps the files it reads where they are.
    _at_work: Arc<()>,
}

/// What there is once all segments have been read.
struct Output {
    merged: Merged<Place>,
    writer: Writer,
}

/// A durable snapshot that its journal does not know yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    /// The last record in it.
    pub(super) end: Lsn,
    /// Its size.
    pub bytes: u64,
    /// The number of its rows.
    pub rows: u64,
}

impl Compaction {
    /// Begins; the segments are all closed ones after the base, in order.
    pub(super) fn begin(
        disk: Arc<dyn Disk>,
        schema: u32,
        base: Option<Lsn>,
        segments: Vec<Closed>,
        at_work: Arc<()>,
    ) -> Result<Self, JournalError> {
        let position = match base {
            Some(base) => snapshot::Header::read(&*disk, &snapshot_name(base))?.position,
            None => Position::default(),
        };
        Ok(Self {
            disk,
            schema,
            base,
            position,
            segments,
            files: Vec::new(),
            overlay: Overlay::new(),
            output: None,
            _at_work: at_work,
        })
    }

    /// Does a part of the work: reads a segment or writes a block. Answers when all is done.
    ///
    /// Give the answer, or the error, to [`FileJournal::adopt`](super::FileJournal::adopt).
    ///
    /// # Errors
    ///
    /// [`JournalError::Full`] if there is no space for a snapshot, which harms nothing; any other
    /// breaks the journal.
    pub fn step(&mut self) -> Result<Option<Compacted>, JournalError> {
        let answer = self.work();
        match answer {
            Err(JournalError::Failed { attempted, source }) if is_full(&source) => {
                // Its space is needed; if it cannot be removed, the next opening does it.
                let _unfinished = self.disk.remove(&unfinished(&snapshot_name(self.position.lsn)));
                Err(JournalError::Full { attempted, source })
            }
            other => other,
        }
    }

    /// Does all of the work, unless `cancelled` says between two steps that nobody wants it.
    ///
    /// # Errors
    ///
    /// As [`Compaction::step`].
    pub fn run(mut self, cancelled: &dyn Fn() -> bool) -> Result<Option<Compacted>, JournalError> {
        while !cancelled() {
            if let Some(done) = self.step()? {
                return Ok(Some(done));
            }
        }
        Ok(None)
    }

    fn work(&mut self) -> Result<Option<Compacted>, JournalError> {
        if let Some(segment) = self.segments.get(self.files.len()).copied() {
            self.read_segment(segment)?;
            return Ok(None);
        }
        let mut output = match self.output.take() {
            Some(output) => output,
            None => self.begin_output()?,
        };
        let files = &self.files;
        while let Some(row) = output.merged.next(&mut |place| fetch(files, place))? {
            if output.writer.push(&row)? == Pushed::BlockWritten {
                self.output = Some(output);
                return Ok(None);
            }
        }
        publish(&*self.disk, output.writer, self.position.lsn).map(Some)
    }

    fn read_segment(&mut self, segment: Closed) -> Result<(), JournalError> {
        let name = segment_name(segment.start);
        let number = self.files.len();
        let bytes = read_whole(&*self.disk, &name)?;
        let header = segment::Header::read(&name, &bytes)?;
        if header.start != (Position { operation: None, ..self.position }) {
            return Err(damaged(&name, 16, "it does not continue what is before it"));
        }
        let overlay = &mut self.overlay;
        let mut each = |record: &_, offset| {
            overlay.lay(&name, record, offset, |value, offset| Place {
                segment: number,
                offset,
                length: value.len(),
            })
        };
        let found = segment::scan(&name, &bytes, self.position, End::Closed, &mut each)?;
        self.position = found.end;
        self.files.push(self.disk.open_to_read(&name).attempt("opening", &name)?);
        Ok(())
    }

    fn begin_output(&mut self) -> Result<Output, JournalError> {
        let base = self.base.map(|it| Reader::open(&*self.disk, &snapshot_name(it)));
        let overlay = core::mem::replace(&mut self.overlay, Overlay::new());
        let merged = Merged::new(base.transpose()?, overlay)?;
        let writer = begin_snapshot(&*self.disk, self.schema, self.position)?;
        Ok(Output { merged, writer })
    }
}

fn fetch(files: &[Box<dyn DiskFile>], place: Place) -> Result<Vec<u8>, JournalError> {
    let mut value = vec![0; place.length];
    let file = files.get(place.segment).expect("places are only made for segments that were read");
    file.read_at(place.offset, &mut value).attempt("reading a value from", "a closed segment")?;
    Ok(value)
}

/// Begins a snapshot of the rows at a point of the log.
pub(super) fn begin_snapshot(
    disk: &dyn Disk,
    schema: u32,
    position: Position,
) -> Result<Writer, JournalError> {
    let name = unfinished(&snapshot_name(position.lsn));
    remove_if_there(disk, &name)?;
    Writer::create(disk, &name, snapshot::Header { schema, position })
}

/// Finishes a snapshot, makes it durable and gives it its name, durably.
pub(super) fn publish(
    disk: &dyn Disk,
    writer: Writer,
    end: Lsn,
) -> Result<Compacted, JournalError> {
    let name = snapshot_name(end);
    let (bytes, rows) = writer.finish()?;
    disk.rename(&unfinished(&name), &name).attempt("renaming to", &name)?;
    disk.sync_folder().attempt("syncing the folder for", &name)?;
    Ok(Compacted { end, bytes, rows })
}

/// A compaction on a thread of its own.
pub(super) struct CompactionThread {
    handle: JoinHandle<Result<Option<Compacted>, JournalError>>,
    cancelled: Arc<AtomicBool>,
}

impl CompactionThread {
    /// Starts the thread.
    pub(super) fn start(job: Compaction) -> Result<Self, JournalError> {
        let cancelled = Arc::new(AtomicBool::new(false));
        let heard = Arc::clone(&cancelled);
        let handle = thread::Builder::new()
            .name("journal-compaction".to_owned())
            .spawn(move || job.run(&|| heard.load(Ordering::Relaxed)))
            .attempt("starting", "the compaction thread")?;
        Ok(Self { handle, cancelled })
    }

    /// Whether its answer is there.
    pub(super) fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// Waits for the thread and takes its answer.
    pub(super) fn result(self) -> Result<Option<Compacted>, JournalError> {
        self.handle.join().unwrap_or_else(|_| {
            let source = io::Error::other("its thread panicked");
            Err(JournalError::Failed { attempted: "compacting".to_owned(), source })
        })
    }

    /// Ends the thread, after which it writes nothing any more.
    pub(super) fn cancel(self) {
        self.cancelled.store(true, Ordering::Relaxed);
        let _unwanted = self.result();
    }
}
