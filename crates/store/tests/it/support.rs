//! One life of a region on a disk, and the check of what a crash has left.

use std::collections::BTreeMap;
use std::sync::Arc;

use store::journal::disk::{Disk, SimDisk};
use store::journal::file::{CompactionBy, FileJournal, Options};
use store::journal::tools::verify;
use store::journal::{
    Batch, Commit, Epoch, Journal, JournalError, Lsn, Op, OperationId, Row, Schema,
};

/// A small generator of random numbers (splitmix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        it ^ (it >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("below a usize")
    }
}

/// Segments so small that a few commits fill one.
pub(crate) fn small() -> Options {
    Options {
        schema: Schema::new(1, Vec::new()),
        segment_bytes: 1000,
        reserve_bytes: 2000,
        compact_after_bytes: 0,
        compaction: CompactionBy::Caller,
    }
}

pub(crate) fn open(disk: &SimDisk, options: &Options) -> Result<FileJournal, JournalError> {
    FileJournal::open(Arc::new(disk.clone()) as Arc<dyn Disk>, options.clone())
}

pub(crate) fn put(table: u8, key: &str, value: &str) -> Op {
    Op::Put(Row { table, key: key.into(), value: value.into() })
}

pub(crate) fn delete(table: u8, key: &str) -> Op {
    Op::Delete { table, key: key.into() }
}

pub(crate) fn batch(id: u128, ops: &[Op]) -> Batch {
    Batch { id: OperationId(id), ops: ops.to_vec() }
}

/// A batch of a few changes in a small world of keys.
pub(crate) fn any_batch(id: u128, dice: &mut Dice) -> Batch {
    let op = |dice: &mut Dice| {
        let table = u8::try_from(dice.below(2)).expect("small");
        let key = format!("key-{}", dice.below(9));
        if dice.below(10) < 3 {
            return delete(table, &key);
        }
        put(table, &key, &"v".repeat(dice.below(90)).replace("vvv", &format!("{id:03}")))
    };
    let count = 1 + dice.below(4);
    batch(id, &(0..count).map(|_| op(dice)).collect::<Vec<_>>())
}

pub(crate) type Rows = BTreeMap<(u8, Vec<u8>), Vec<u8>>;

/// What the rows are after these batches.
pub(crate) fn rows_after(batches: &[Batch]) -> Rows {
    let mut rows = Rows::new();
    for op in batches.iter().flat_map(|it| &it.ops) {
        match op {
            Op::Put(row) => rows.insert((row.table, row.key.clone()), row.value.clone()),
            Op::Delete { table, key } => rows.remove(&(*table, key.clone())),
        };
    }
    rows
}

/// What a journal loads, which must be each row once and in order.
pub(crate) fn load(journal: &mut dyn Journal) -> Result<Rows, JournalError> {
    let mut rows = Rows::new();
    journal.load(&mut |row| {
        let key = (row.table, row.key);
        assert!(rows.last_key_value().is_none_or(|(last, _)| *last < key), "{key:?} out of order");
        rows.insert(key, row.value);
        Ok(())
    })?;
    Ok(rows)
}

/// What clients of a region have seen over all its lives.
#[derive(Default)]
pub(crate) struct History {
    /// How many commits are under way beside the latest one.
    pub(crate) beside: usize,
    pub(crate) submitted: Vec<Batch>,
    pub(crate) acknowledged: usize,
    pub(crate) epoch: Epoch,
    next_id: u128,
}

/// A commit that is not acknowledged yet.
struct UnderWay {
    lsn: Lsn,
    /// How many batches are there once it is durable.
    submitted: usize,
    sync: Option<Commit>,
}

/// How a life has ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// It did all it was to do.
    Peaceful,
    /// The disk failed it, as disks do.
    Failed(JournalError),
    /// The journal broke its promise.
    Wrong(String),
}

impl Ending {
    /// Which promise was broken.
    pub(crate) fn wrong(&self) -> Option<&str> {
        if let Self::Wrong(what) = self { Some(what) } else { None }
    }

    /// Which error of the disk ended it.
    pub(crate) fn failure(&self) -> Option<&JournalError> {
        if let Self::Failed(error) = self { Some(error) } else { None }
    }
}

impl From<JournalError> for Ending {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Failed { .. } | JournalError::Full { .. } | JournalError::Broken => {
                Self::Failed(error)
            }
            other => Self::Wrong(format!("{other:?}")),
        }
    }
}

impl History {
    /// A region that has so many commits under way beside the latest one.
    pub(crate) fn with_beside(beside: usize) -> Self {
        Self { beside, ..Self::default() }
    }

    /// The same past, for another future.
    pub(crate) fn fork(&self) -> Self {
        let submitted = self.submitted.clone();
        Self { submitted, ..*self }
    }

    /// One process: opens, checks what is there, commits groups of batches and makes snapshots
    /// bit by bit between them.
    pub(crate) fn live(
        &mut self,
        disk: &SimDisk,
        options: &Options,
        commits: usize,
        dice: &mut Dice,
    ) -> Ending {
        self.try_to_live(disk, options, commits, dice).err().unwrap_or(Ending::Peaceful)
    }

    fn try_to_live(
        &mut self,
        disk: &SimDisk,
        options: &Options,
        commits: usize,
        dice: &mut Dice,
    ) -> Result<(), Ending> {
        let mut journal = open(disk, options)?;
        let epoch = journal.acquire()?;
        self.check(&mut journal, epoch)?;
        let report = verify(disk)?;
        if !report.is_sound() {
            return Err(Ending::Wrong(format!("the check finds damage: {report:?}")));
        }
        let mut compaction = None;
        let mut under_way = Vec::new();
        for _ in 0..commits {
            let group: Vec<Batch> = (0..=dice.below(4)).map(|_| self.batch(dice)).collect();
            self.submitted.extend(group.iter().cloned());
            let begun = journal.begin(epoch, &group)?;
            let (lsn, submitted) = (begun.lsn(), self.submitted.len());
            under_way.push(UnderWay { lsn, submitted, sync: Some(begun) });
            self.sync_some(&mut journal, &mut under_way, self.beside, dice)?;

            if compaction.is_none() {
                compaction = journal.compaction()?;
            }
            if let Some(made) = compaction.as_mut().and_then(|it| it.step().transpose()) {
                compaction = None;
                journal.adopt(made)?;
            }
        }
        self.sync_some(&mut journal, &mut under_way, 0, dice)?;
        if dice.below(2) == 0 {
            journal.close()?;
        }
        Ok(())
    }

    /// Syncs until so few commits are left that are not, in any order; what the journal then says
    /// is durable is acknowledged.
    fn sync_some(
        &mut self,
        journal: &mut FileJournal,
        under_way: &mut Vec<UnderWay>,
        left: usize,
        dice: &mut Dice,
    ) -> Result<(), Ending> {
        while under_way.iter().filter(|it| it.sync.is_some()).count() > left {
            let open: Vec<usize> =
                (0..under_way.len()).filter(|it| under_way[*it].sync.is_some()).collect();
            let chosen = &mut under_way[open[dice.below(open.len())]];
            let Some(begun) = chosen.sync.take() else { continue };
            let durable = journal.settle(begun.sync())?;
            while let Some(first) = under_way.first().filter(|it| it.lsn <= durable) {
                self.acknowledged = first.submitted;
                under_way.remove(0);
            }
        }
        Ok(())
    }

    fn batch(&mut self, dice: &mut Dice) -> Batch {
        self.next_id += 1;
        any_batch(self.next_id, dice)
    }

    /// The content is that of a prefix of the submitted batches which holds all acknowledged ones.
    pub(crate) fn check(&mut self, journal: &mut FileJournal, epoch: Epoch) -> Result<(), Ending> {
        let wrong = |what: String| Err(Ending::Wrong(what));
        if epoch <= self.epoch {
            return wrong(format!("epoch {epoch} comes after {}", self.epoch));
        }
        let rows = load(journal)?;
        let last = journal.last_operation();
        let kept = match last {
            None => 0,
            Some(id) => match self.submitted.iter().position(|it| it.id == id) {
                Some(place) => place + 1,
                None => return wrong(format!("operation {id} was never submitted")),
            },
        };
        if kept < self.acknowledged {
            return wrong(format!("{} were acknowledged, {kept} are there", self.acknowledged));
        }
        if rows != rows_after(self.submitted.get(..kept).unwrap_or_default()) {
            return wrong(format!("the rows are not those of the first {kept} batches"));
        }
        self.submitted.truncate(kept);
        self.acknowledged = kept;
        self.epoch = epoch;
        Ok(())
    }
}
