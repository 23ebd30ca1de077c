//! Measures the embedded journal on a folder of this machine and prints what it found.
//!
//! `cargo run --release -p store --example measure_journal -- FOLDER [ROWS]`; it needs about 4 GB
//! of disk for 1,000,000 rows, and leaves nothing in the folder.
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use core::time::Duration;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use store::journal::disk::{Disk, RealDisk, SlowDisk};
use store::journal::file::{CompactionBy, FileJournal, Options};
use store::journal::{Batch, Journal, JournalError, Op, OperationId, Row, Schema};

type Answer<T> = Result<T, Box<dyn Error>>;

const VALUE_BYTES: usize = 1024;

/// How long each rate is measured.
const PERIOD: Duration = Duration::from_secs(2);

/// A small generator of random numbers (splitmix64), so that values do not compress and keys are
/// in no order.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        it ^ (it >> 31)
    }

    fn row(&mut self) -> Row {
        let key = [self.next().to_le_bytes(), self.next().to_le_bytes()].concat();
        let value = (0..VALUE_BYTES / 8).flat_map(|_| self.next().to_le_bytes()).collect();
        Row { table: 1, key, value }
    }
}

fn group(dice: &mut Dice, batches: u32) -> Vec<Batch> {
    let batch = |dice: &mut Dice| Batch {
        id: OperationId(u128::from(dice.next())),
        ops: vec![Op::Put(dice.row())],
    };
    (0..batches).map(|_| batch(dice)).collect()
}

fn options(compaction: CompactionBy) -> Options {
    Options { compaction, ..Options::new(Schema::new(1, Vec::new())) }
}

/// A folder that is gone when this is.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            println!("{} could not be removed: {error}", self.0.display());
        }
    }
}

fn main() -> Answer<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("which folder?")?);
    let rows = arguments.next().map_or(Ok(1_000_000), |it| it.parse())?;
    let scratch = |name: &str| Scratch(folder.join(name));
    {
        let here = scratch("measure-syncs");
        measure_syncs(&RealDisk::open(&here.0)?)?;
    }
    {
        let here = scratch("measure-commits");
        measure_commits("this disk", &here.0, |it| it)?;
    }
    for sync in [Duration::ZERO, Duration::from_millis(4)] {
        let here = scratch("measure-slow");
        let name = format!("syncs that take {} ms", sync.as_millis());
        measure_commits(&name, &here.0, |it| Arc::new(SlowDisk::new(it, sync)))?;
    }
    let here = scratch("measure-load");
    measure_load(&here.0, rows)
}

/// What the disk can do at best: the same appends without a journal.
fn measure_syncs(disk: &dyn Disk) -> Answer<()> {
    let mut file = disk.create("probe")?;
    file.preallocate(64 << 20)?;
    let begin = Instant::now();
    let mut count = 0_u32;
    while begin.elapsed() < PERIOD {
        file.write_at(u64::from(count) * 1100, &[7; 1100])?;
        file.sync()?;
        count += 1;
    }
    let rate = f64::from(count) / begin.elapsed().as_secs_f64();
    println!("appends of 1,100 bytes, each synced: {rate:.0}/s");
    Ok(())
}

fn measure_commits(
    name: &str,
    folder: &Path,
    wrap: impl Fn(Arc<dyn Disk>) -> Arc<dyn Disk>,
) -> Answer<()> {
    let disk = wrap(Arc::new(RealDisk::open(folder)?));
    let mut journal = FileJournal::open(disk, options(CompactionBy::Thread))?;
    let epoch = journal.acquire()?;
    let mut dice = Dice(1);
    for batches in [1, 64] {
        let groups: Vec<_> = (0..64).map(|_| group(&mut dice, batches)).collect();
        let mut times = Vec::new();
        let begin = Instant::now();
        for group in groups.iter().cycle() {
            let before = Instant::now();
            journal.commit(epoch, group)?;
            times.push(before.elapsed());
            if begin.elapsed() >= PERIOD {
                break;
            }
        }
        let rate = f64::from(batches) * f64::from(u32::try_from(times.len())?)
            / begin.elapsed().as_secs_f64();
        times.sort_unstable();
        let at = |percent: usize| times.get(times.len() * percent / 100).copied();
        println!(
            "{name}, {batches} batches of 1 KiB a commit: {rate:.0} batches/s, p50 {:.2?}, p99 {:.2?}",
            at(50).unwrap_or_default(),
            at(99).unwrap_or_default(),
        );
    }
    Ok(())
}

fn measure_load(folder: &Path, rows: u32) -> Answer<()> {
    let open = || -> Answer<FileJournal> {
        let disk = Arc::new(RealDisk::open(folder)?);
        Ok(FileJournal::open(disk, options(CompactionBy::Caller))?)
    };
    let mut dice = Dice(2);
    let mut journal = open()?;
    let epoch = journal.acquire()?;
    let begin = Instant::now();
    for _ in 0..rows / 1000 {
        journal.commit(epoch, &group(&mut dice, 1000))?;
    }
    println!("writing {rows} rows, 1,000 a commit: {:.2?}", begin.elapsed());
    journal.close()?;
    time_load("from the log alone", open)?;

    let mut journal = open()?;
    journal.acquire()?;
    let begin = Instant::now();
    let made = match journal.compaction()? {
        Some(job) => job.run(&|| false)?,
        None => None,
    };
    if let Some(made) = made {
        println!("making a snapshot of {} rows: {:.2?}", made.rows, begin.elapsed());
        journal.adopt(Ok(made))?;
    }
    journal.close()?;
    time_load("from a snapshot and the end of the log", open)
}

fn time_load(name: &str, open: impl Fn() -> Answer<FileJournal>) -> Answer<()> {
    let begin = Instant::now();
    let mut journal = open()?;
    journal.acquire()?;
    let opened = begin.elapsed();
    let mut rows: Vec<Row> = Vec::new();
    journal.load(&mut |row| -> Result<(), JournalError> {
        rows.push(row);
        Ok(())
    })?;
    println!(
        "loading {} rows {name}: {:.2?}, of which opening {opened:.2?}",
        rows.len(),
        begin.elapsed()
    );
    Ok(())
}
