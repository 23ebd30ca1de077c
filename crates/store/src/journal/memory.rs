//! A journal in memory whose every write can fail, for the simulator and for tests.
//!
//! The durable content is a [`MemoryRegion`]; a [`MemoryJournal`] is one process that uses it. A
//! crash is dropping the journal and opening another one on the same region.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Batch, Epoch, Journal, JournalError, Lsn, Op, OperationId, Room, Row};

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
}

/// A write that is about to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Write {
    /// How many writes this journal has attempted before.
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

/// Decides how each write goes; from a script, or from dice of the caller's.
pub type Faults = Box<dyn FnMut(Write) -> Outcome + Send>;

/// One owner's journal of a region in memory.
pub struct MemoryJournal {
    region: MemoryRegion,
    faults: Faults,
    writes: u64,
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

    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content {
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
        Self::with_faults(region, Box::new(|_| Outcome::Durable))
    }

    /// A journal on which writes go as `faults` says.
    pub fn with_faults(region: &MemoryRegion, faults: Faults) -> Self {
        let region = region.clone();
        Self { region, faults, writes: 0, owned: None, broken: false }
    }

    /// Does a write of so many parts: hands to `apply` how many of them become durable.
    fn write(&mut self, batches: usize, apply: impl FnOnce(usize)) -> Result<(), JournalError> {
        let number = self.writes;
        self.writes += 1;
        match (self.faults)(Write { number, batches }) {
            Outcome::Durable => {
                apply(usize::MAX);
                Ok(())
            }
            Outcome::Fails { applied } => {
                apply(applied);
                self.broken = true;
                let source = io::Error::other("simulated failure");
                Err(JournalError::Failed { attempted: format!("write {number}"), source })
            }
        }
    }

    fn check(&self) -> Result<(), JournalError> {
        if self.broken { Err(JournalError::Broken) } else { Ok(()) }
    }
}

impl Journal for MemoryJournal {
    fn acquire(&mut self) -> Result<Epoch, JournalError> {
        self.check()?;
        let region = self.region.clone();
        let epoch = Epoch(region.content().epoch.0 + 1);
        self.write(0, |durable| {
            if durable > 0 {
                let mut content = region.content();
                content.epoch = epoch;
                content.lsn.0 += 1;
            }
        })?;
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

    fn commit(&mut self, epoch: Epoch, batches: &[Batch]) -> Result<Lsn, JournalError> {
        self.check()?;
        let current = self.region.content().epoch;
        if self.owned.is_none() {
            return Err(JournalError::NotAcquired);
        }
        if self.owned != Some(epoch) || current != epoch {
            return Err(JournalError::Fenced { asked: epoch, current });
        }
        batches.iter().try_for_each(Batch::check)?;
        let region = self.region.clone();
        if !batches.is_empty() {
            self.write(batches.len(), |durable| {
                region.content().apply(batches.get(..durable).unwrap_or(batches));
            })?;
        }
        let lsn = region.content().lsn;
        Ok(lsn)
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
