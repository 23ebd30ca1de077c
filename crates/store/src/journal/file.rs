//! The embedded journal: a write-ahead log with snapshots, in one folder, without a server.
//!
//! | file | what it is |
//! |---|---|
//! | `log-N` | a *segment*: the records after record N |
//! | `snapshot-N` | all rows as they are after record N |
//! | `reserve` | nothing but space, for the stops and deletes of a full disk |
//! | `lock` | held by the process that has the journal open |
//! | `*.tmp` | unfinished, removed at the next opening |
//!
//! Files are written under a temporary name, synced, renamed, and the folder is synced; so a file
//! with a proper name is whole, but for the end of the last segment. The two newest snapshots are
//! kept, and the segments after the older one: it and they are a second copy of all rows.

mod backup;
mod bytes;
mod catalog;
mod compact;
mod log;
mod merge;
mod record;
mod recover;
mod segment;
mod snapshot;
pub mod tools;
mod upgrade;

use std::sync::Arc;

pub use backup::Backup;
pub use compact::{Compacted, Compaction};
pub use segment::Position;

use self::catalog::{Closed, segment_name, snapshot_name};
use self::compact::CompactionThread;
use self::log::{Log, Sizes};
use self::merge::{Merged, Overlay};
use self::record::Kind;
use self::segment::End;
use self::snapshot::Reader;
use super::disk::Disk;
use super::error::Attempt;
use super::{
    Batch, Commit, Epoch, Journal, JournalError, Lsn, OperationId, Room, Row, Schema, Synced,
};

/// What a change needs beside its key and value, in bytes, at most.
pub(super) const OP_BYTES_MOST: usize = record::OP_BYTES_MOST;

/// How a journal in a folder behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// The version of the rows to write and the way from older ones.
    pub schema: Schema,
    /// How large a segment may become, in bytes. Space for it is set aside when it begins.
    pub segment_bytes: u64,
    /// How much space is set aside for when the disk is full, in bytes; a segment must fit.
    pub reserve_bytes: u64,
    /// A snapshot is due when the closed segments since the last one have this many bytes, and
    /// half as many as that snapshot.
    pub compact_after_bytes: u64,
    /// Who makes snapshots.
    pub compaction: CompactionBy,
}

/// Who makes snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompactionBy {
    /// A thread of the journal's own, when one is due.
    Thread,
    /// Whoever opened the journal, with [`FileJournal::compaction`].
    Caller,
}

/// A region's journal in a folder.
pub struct FileJournal {
    log: Log,
    options: Options,
    /// What the log says after the newest snapshot, as long as nothing has been committed.
    overlay: Option<Overlay<Vec<u8>>>,
    /// The version of the stored rows.
    rows: Option<u32>,
    owned: Option<Epoch>,
    broken: bool,
    snapshot_bytes: u64,
    /// Where the log was when the last compaction began, so that one that failed waits for the next
    /// segment.
    compaction_tried: Option<Lsn>,
    thread: Option<CompactionThread>,
    /// Shared with those who read old files, which stay meanwhile.
    at_work: Arc<()>,
    _lock: Box<dyn Send>,
}

impl Options {
    /// Sizes for a region in production: segments of 64 MiB, snapshots by a thread.
    pub fn new(schema: Schema) -> Self {
        Self {
            schema,
            segment_bytes: 64 * 1024 * 1024,
            reserve_bytes: 80 * 1024 * 1024,
            compact_after_bytes: 64 * 1024 * 1024,
            compaction: CompactionBy::Thread,
        }
    }
}

impl FileJournal {
    /// Opens the journal in a folder, making it if there is none, and finds the end of its log.
    ///
    /// Reads all of the log since the last snapshot, which [`Journal::load`] then does not.
    ///
    /// # Errors
    ///
    /// [`JournalError::InUse`] if another process has it open, [`JournalError::Damaged`] if what
    /// is there is more than a crash can explain, [`JournalError::TooNew`] if a newer release has
    /// written it, [`JournalError::Full`] and [`JournalError::Failed`].
    pub fn open(disk: Arc<dyn Disk>, options: Options) -> Result<Self, JournalError> {
        let lock = catalog::lock(&*disk)?;
        let sizes = Sizes { segment: options.segment_bytes, reserve: options.reserve_bytes };
        let found = recover::recover(Arc::clone(&disk), sizes, &options.schema)?;
        let snapshot_bytes = match found.log.catalog.newest_snapshot().map(snapshot_name) {
            None => 0,
            Some(name) => {
                disk.open_to_read(&name).and_then(|it| it.size()).attempt("measuring", &name)?
            }
        };
        Ok(Self {
            log: found.log,
            options,
            overlay: Some(found.overlay),
            rows: found.rows,
            owned: None,
            broken: false,
            snapshot_bytes,
            compaction_tried: None,
            thread: None,
            at_work: Arc::new(()),
            _lock: lock,
        })
    }

    /// Closes the journal so that at the next opening even damage to its last write is noticed.
    ///
    /// # Errors
    ///
    /// As [`Journal::commit`]; the journal is closed all the same.
    pub fn close(mut self) -> Result<(), JournalError> {
        self.guard(|it| match it.owned {
            Some(epoch) => it.log.mark(epoch, Kind::Closed),
            None => Ok(()),
        })
    }

    /// The next snapshot to make, if a segment has been closed since the last one and nobody is
    /// making one or copying the journal. Its answer belongs to [`FileJournal::adopt`].
    ///
    /// # Errors
    ///
    /// [`JournalError::NotAcquired`], and [`JournalError::Failed`] if old files cannot be read or
    /// removed.
    pub fn compaction(&mut self) -> Result<Option<Compaction>, JournalError> {
        self.guard(Self::begin_compaction)
    }

    /// Takes in a snapshot that has been made, and removes the files it has made useless.
    ///
    /// That there was no space for one ([`JournalError::Full`]) is no harm.
    ///
    /// # Errors
    ///
    /// The error that is handed in, after which the journal is broken.
    pub fn adopt(&mut self, made: Result<Compacted, JournalError>) -> Result<(), JournalError> {
        self.guard(|it| it.take_in(made))
    }

    /// A copy to be made of all that has been begun by now, also of what is not durable here yet. While it is there no snapshot is begun.
    pub fn backup(&self) -> Backup {
        let log = &self.log;
        let closed = log.catalog.live_segments().iter().map(|it| (it.start, it.bytes));
        Backup {
            disk: Arc::clone(&log.disk),
            snapshot: log.catalog.newest_snapshot(),
            segments: closed.chain([(log.open.start, log.open.size)]).collect(),
            end: log.position.lsn,
            _at_work: Arc::clone(&self.at_work),
        }
    }

    /// The end of the log.
    pub fn position(&self) -> Position {
        self.log.position
    }

    /// Does nothing on a broken journal, and breaks it if it fails.
    fn guard<T>(
        &mut self,
        act: impl FnOnce(&mut Self) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        if self.broken {
            return Err(JournalError::Broken);
        }
        let answer = act(self);
        self.broken = answer.as_ref().is_err_and(|it| !it.is_refusal());
        answer
    }

    fn check_owner(&self, epoch: Epoch) -> Result<(), JournalError> {
        match self.owned {
            None => Err(JournalError::NotAcquired),
            Some(current) if current == epoch => Ok(()),
            Some(current) => Err(JournalError::Fenced { asked: epoch, current }),
        }
    }

    /// Brings rows and open segment to the version of this release.
    fn upgrade(&mut self) -> Result<(), JournalError> {
        let version = self.options.schema.version();
        match self.rows {
            Some(from) if from < version => {
                let overlay = self.take_overlay()?;
                let made = upgrade::upgrade(&mut self.log, overlay, from, &self.options.schema)?;
                self.rows = Some(version);
                self.take_in(Ok(made))
            }
            _ if self.log.open.schema < version => self.log.begin_segment(0),
            _ => Ok(()),
        }
    }

    /// What the log says after the newest snapshot, read again if it is not at hand.
    fn take_overlay(&mut self) -> Result<Overlay<Vec<u8>>, JournalError> {
        if let Some(overlay) = self.overlay.take() {
            return Ok(overlay);
        }
        let mut overlay = Overlay::new();
        let open = Closed { start: self.log.open.start, bytes: self.log.open.size };
        for segment in self.log.catalog.live_segments().iter().chain([&open]) {
            let name = segment_name(segment.start);
            let bytes = catalog::read_whole(&*self.log.disk, &name)?;
            let start = segment::Header::read(&name, &bytes)?.start;
            segment::scan(&name, &bytes, start, End::Closed, &mut |record, offset| {
                overlay.lay(&name, record, offset, |value, _| value.to_vec())
            })?;
        }
        Ok(overlay)
    }

    fn begin_compaction(&mut self) -> Result<Option<Compaction>, JournalError> {
        if self.owned.is_none() {
            return Err(JournalError::NotAcquired);
        }
        let segments = self.log.catalog.live_segments().to_vec();
        if segments.is_empty() || Arc::strong_count(&self.at_work) > 1 {
            return Ok(None);
        }
        // Without space the second copy of the rows goes first, so that a snapshot may fit.
        self.tidy(if self.room() == Room::ReserveOnly { 1 } else { SNAPSHOTS_KEPT })?;
        self.compaction_tried = Some(self.log.open.start);
        let disk = Arc::clone(&self.log.disk);
        let base = self.log.catalog.newest_snapshot();
        let at_work = Arc::clone(&self.at_work);
        Compaction::begin(disk, self.log.schema, base, segments, at_work).map(Some)
    }

    fn take_in(&mut self, made: Result<Compacted, JournalError>) -> Result<(), JournalError> {
        let made = match made {
            Err(JournalError::Full { .. }) => return Ok(()),
            other => other?,
        };
        self.snapshot_bytes = made.bytes;
        let snapshots = &mut self.log.catalog.snapshots;
        if snapshots.last() != Some(&made.end) {
            snapshots.push(made.end);
        }
        self.tidy(SNAPSHOTS_KEPT)
    }

    /// Removes what so many snapshots do not need, unless somebody reads old files; then the next
    /// compaction does it.
    fn tidy(&mut self, snapshots: usize) -> Result<(), JournalError> {
        if Arc::strong_count(&self.at_work) > 1 {
            return Ok(());
        }
        let open = self.log.open.start;
        self.log.catalog.prune(&*self.log.disk, snapshots, open)
    }

    /// Takes in what the thread has made, and starts it again when a snapshot is due.
    fn compact_in_background(&mut self) -> Result<(), JournalError> {
        if let Some(thread) = self.thread.take_if(|it| it.is_finished())
            && let Some(made) = thread.result().transpose()
        {
            self.take_in(made)?;
        }
        if self.options.compaction == CompactionBy::Thread
            && self.is_compaction_due()
            && let Some(job) = self.begin_compaction()?
        {
            self.thread = Some(CompactionThread::start(job)?);
        }
        Ok(())
    }

    fn is_compaction_due(&self) -> bool {
        let closed: u64 = self.log.catalog.live_segments().iter().map(|it| it.bytes).sum();
        self.compaction_tried != Some(self.log.open.start)
            && closed >= self.options.compact_after_bytes.max(self.snapshot_bytes / 2)
    }
}

/// How many snapshots are kept.
const SNAPSHOTS_KEPT: usize = 2;

impl Journal for FileJournal {
    fn acquire(&mut self) -> Result<Epoch, JournalError> {
        self.guard(|it| {
            it.upgrade()?;
            let epoch = Epoch(it.log.position.epoch.0 + 1);
            it.log.mark(epoch, Kind::Acquired)?;
            it.owned = Some(epoch);
            Ok(epoch)
        })
    }

    fn load(
        &mut self,
        each: &mut dyn FnMut(Row) -> Result<(), JournalError>,
    ) -> Result<Lsn, JournalError> {
        self.guard(|it| {
            if it.owned.is_none() {
                return Err(JournalError::NotAcquired);
            }
            let overlay = it.take_overlay()?;
            let base = it.log.catalog.newest_snapshot();
            let base = base.map(|end| Reader::open(&*it.log.disk, &snapshot_name(end)));
            let mut merged = Merged::new(base.transpose()?, overlay)?;
            while let Some(row) = merged.next(&mut Ok)? {
                each(row)?;
            }
            Ok(it.log.position.lsn)
        })
    }

    fn begin(&mut self, epoch: Epoch, batches: &[Batch]) -> Result<Commit, JournalError> {
        self.guard(|it| {
            it.check_owner(epoch)?;
            batches.iter().try_for_each(Batch::check)?;
            if batches.is_empty() {
                return Ok(it.log.append_nothing());
            }
            it.overlay = None;
            let begun = it.log.append(epoch, batches)?;
            it.rows = Some(it.options.schema.version());
            it.compact_in_background()?;
            Ok(begun)
        })
    }

    fn settle(&mut self, synced: Synced) -> Result<Lsn, JournalError> {
        self.guard(|it| it.log.settle(synced))
    }

    fn last_operation(&self) -> Option<OperationId> {
        self.log.position.operation
    }

    fn close(self: Box<Self>) -> Result<(), JournalError> {
        Self::close(*self)
    }

    fn look_for_room(&mut self) -> Result<(), JournalError> {
        self.guard(|it| it.log.look_for_room())
    }

    fn room(&self) -> Room {
        self.log.room
    }
}

impl Drop for FileJournal {
    /// Nobody may write to the folder once its lock is gone.
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            thread.cancel();
        }
    }
}
