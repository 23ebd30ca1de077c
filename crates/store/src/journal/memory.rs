//! A journal in memory whose every write can fail, for the simulator and for tests.
//!
//! The durable content is a [`MemoryRegion`]; a [`MemoryJournal`] is one process that uses it. A
//! crash is dropping the journal and opening another one on the same region.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::commit::Flights;
use super::{Batch, Commit, Epoch, Journal, JournalError, Lsn, Op, OperationId, Room, Row, Synced};

type Rows = BTreeMap<(u8, Vec<u8>), Vec<u8>>;

/// What is durable. Clones are the same region.
#[derive(Clone, Default)]
pub struct MemoryRegion(Arc<Mutex<Content>>);

#[derive(Clone)]
struct Content {
    rows: Arc<Rows>,
    lsn: Lsn,
    epoch: Epoch,
    operation: Option<OperationId>,
    room: Room,
    /// Written and not durable yet, in order. A later write may be synced before an earlier one.
    written: VecDeque<Written>,
}

/// Batches of one write.
#[derive(Clone)]
struct Written {
    number: u64,
    batches: Arc<[Batch]>,
    /// How many of them its sync has made durable, once that has ended.
    applied: Option<usize>,
}

/// A write that is about to become durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Write {
    /// How many writes this journal has begun before.
    pub number: u64,
    /// How many batches it has; none when a region is acquired.
    pub batches: usize,
}

/// How a write goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is durable.
    Durable,
    /// An error is reported, although the first so many batches are durable: all of them, none, or
    /// some. An acquisition counts as one.
    Fails {
        /// How many batches are durable.
        applied: usize,
    },
}

/// Decides how the sync of each write goes, on the thread that syncs, where it may also wait for
/// something: from a script, or from dice of the caller's.
pub type Faults = Arc<dyn Fn(Write) -> Outcome + Send + Sync>;

/// One owner's journal of a region in memory.
pub struct MemoryJournal {
    region: MemoryRegion,
    faults: Faults,
    writes: u64,
    flights: Flights,
    /// The place of the last batch that was begun.
    end: Lsn,
    owned: Option<Epoch>,
    broken: bool,
}

impl Default for Content {
    fn default() -> Self {
        Self {
            rows: Arc::default(),
            lsn: Lsn::default(),
            epoch: Epoch::default(),
            operation: None,
            room: Room::Ample,
            written: VecDeque::new(),
        }
    }
}

impl MemoryRegion {
    /// A region without rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another region that holds what this one holds now. O(1) until one of them changes.
    pub fn fork(&self) -> Self {
        Self(Arc::new(Mutex::new(self.content().clone())))
    }

    /// All rows, in order.
    pub fn rows(&self) -> Vec<Row> {
        let rows = Arc::clone(&self.content().rows);
        let row = |((table, key), value): (&(u8, Vec<u8>), &Vec<u8>)| Row {
            table: *table,
            key: key.clone(),
            value: value.clone(),
        };
        rows.iter().map(row).collect()
    }

    /// Says how much room there is from now on.
    pub fn set_room(&self, room: Room) {
        self.content().room = room;
    }

    /// Ends a write as the faults say, unless somebody else has acquired the region meanwhile.
    fn sync(&self, faults: &Faults, write: Write, epoch: Epoch) -> Result<(), JournalError> {
        let outcome = faults(write);
        let mut content = self.content();
        check_owner(&content, Some(epoch), epoch)?;
        match outcome {
            Outcome::Durable => {
                content.synced(write.number, usize::MAX);
                Ok(())
            }
            Outcome::Fails { applied } => {
                content.synced(write.number, applied);
                Err(failed(write.number))
            }
        }
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_owner(content: &Content, owned: Option<Epoch>, asked: Epoch) -> Result<(), JournalError> {
    let current = content.epoch;
    match owned {
        None => Err(JournalError::NotAcquired),
        Some(epoch) if epoch == asked && current == asked => Ok(()),
        Some(_) => Err(JournalError::Fenced { asked, current }),
    }
}

fn failed(number: u64) -> JournalError {
    let source = io::Error::other("simulated failure");
    JournalError::Failed { attempted: format!("write {number}"), source }
}

impl Content {
    /// The sync of a write has ended. What is durable is a prefix: a write counts when all those
    /// before it are whole.
    fn synced(&mut self, number: u64, applied: usize) {
        if let Some(it) = self.written.iter_mut().find(|it| it.number == number) {
            it.applied = Some(applied.min(it.batches.len()));
        }
        while let Some(first) = self.written.front()
            && let Some(applied) = first.applied
        {
            let batches = Arc::clone(&first.batches);
            self.apply(batches.get(..applied).unwrap_or_default());
            if applied < batches.len() {
                self.written.clear();
                return;
            }
            self.written.pop_front();
        }
    }

    fn apply(&mut self, batches: &[Batch]) {
        let rows = Arc::make_mut(&mut self.rows);
        for batch in batches {
            for op in &batch.ops {
                match op {
                    Op::Put(row) => {
                        rows.insert((row.table, row.key.clone()), row.value.clone());
                    }
                    Op::Delete { table, key } => {
                        rows.remove(&(*table, key.clone()));
                    }
                }
            }
            self.lsn.0 += 1;
            self.operation = Some(batch.id);
        }
    }
}

impl MemoryJournal {
    /// A journal on which every write succeeds.
    pub fn open(region: &MemoryRegion) -> Self {
        Self::with_faults(region, Arc::new(|_| Outcome::Durable))
    }

    /// A journal on which writes go as `faults` says. What earlier ones had under way is lost.
    pub fn with_faults(region: &MemoryRegion, faults: Faults) -> Self {
        let region = region.clone();
        let flights = Flights::at(Lsn::default());
        let (writes, end) = (0, Lsn::default());
        Self { region, faults, writes, flights, end, owned: None, broken: false }
    }

    /// The number of the next write.
    fn next_write(&mut self) -> u64 {
        self.writes += 1;
        self.writes - 1
    }

    fn check(&self) -> Result<(), JournalError> {
        if self.broken { Err(JournalError::Broken) } else { Ok(()) }
    }
}

impl Journal for MemoryJournal {
    fn acquire(&mut self) -> Result<Epoch, JournalError> {
        self.check()?;
        let number = self.next_write();
        let outcome = (self.faults)(Write { number, batches: 0 });
        let mut content = self.region.content();
        let epoch = Epoch(content.epoch.0 + 1);
        if outcome != (Outcome::Fails { applied: 0 }) {
            content.epoch = epoch;
            content.lsn.0 += 1;
            content.written.clear();
        }
        if outcome != Outcome::Durable {
            self.broken = true;
            return Err(failed(number));
        }
        self.end = content.lsn;
        self.flights = Flights::at(content.lsn);
        self.owned = Some(epoch);
        Ok(epoch)
    }

    fn load(
        &mut self,
        each: &mut dyn FnMut(Row) -> Result<(), JournalError>,
    ) -> Result<Lsn, JournalError> {
        self.check()?;
        if self.owned.is_none() {
            return Err(JournalError::NotAcquired);
        }
        let (rows, lsn) = {
            let content = self.region.content();
            (Arc::clone(&content.rows), content.lsn)
        };
        for ((table, key), value) in rows.iter() {
            each(Row { table: *table, key: key.clone(), value: value.clone() })?;
        }
        Ok(lsn)
    }

    fn begin(&mut self, epoch: Epoch, batches: &[Batch]) -> Result<Commit, JournalError> {
        self.check()?;
        let mut content = self.region.content();
        check_owner(&content, self.owned, epoch)?;
        batches.iter().try_for_each(Batch::check)?;
        if batches.is_empty() {
            return Ok(self.flights.begin(self.end, || Ok(())));
        }
        let number = self.writes;
        self.writes += 1;
        self.end.0 += batches.len() as u64;
        let write = Write { number, batches: batches.len() };
        content.written.push_back(Written { number, batches: batches.into(), applied: None });
        let (region, faults) = (self.region.clone(), Arc::clone(&self.faults));
        Ok(self.flights.begin(self.end, move || region.sync(&faults, write, epoch)))
    }

    fn settle(&mut self, synced: Synced) -> Result<Lsn, JournalError> {
        self.check()?;
        let answer = self.flights.settle(synced);
        self.broken = answer.as_ref().is_err_and(|it| !it.is_refusal());
        answer
    }

    fn last_operation(&self) -> Option<OperationId> {
        self.region.content().operation
    }

    fn close(self: Box<Self>) -> Result<(), JournalError> {
        Ok(())
    }

    fn room(&self) -> Room {
        self.region.content().room
    }
}
