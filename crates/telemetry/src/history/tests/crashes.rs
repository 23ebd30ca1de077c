//! Power cuts and failing disks at every step: nothing that counted as durable is lost, nothing is
//! told twice.

use std::collections::BTreeSet;

use super::*;

/// So many entries go from the state into the archive.
const ENTRIES: u64 = 24;
/// So many at once.
const BATCH: usize = 3;

/// A state from which entries are taken away once the archive has them, as the region does it.
struct Region {
    files: MemoryFiles,
    archive: Option<Archive>,
    rows: BTreeSet<u64>,
    day: i64,
}

impl Region {
    fn new() -> Self {
        let files = MemoryFiles::default();
        Self { files, archive: None, rows: (0..ENTRIES).collect(), day: 0 }
    }

    /// One turn of the archivist, which may fail anywhere.
    fn turn(&mut self) {
        if self.archive.is_none() {
            self.archive = Archive::open(Box::new(self.files.clone())).ok();
        }
        let Some(archive) = &self.archive else { return };
        let batch: Vec<u64> = self.rows.iter().copied().take(BATCH).collect();
        let entries: Vec<Entry> = batch.iter().copied().map(entry).collect();
        self.day += 1;
        if archive.append(&entries, NOON + self.day / 3 * DAY).is_ok() {
            self.rows.retain(|it| !batch.contains(it));
        }
    }

    /// The process ends; with it, or not, the machine.
    fn crash(&mut self, kept: Option<u8>) {
        self.archive = None;
        match kept {
            Some(kept) => self.files.crash(kept),
            None => self.files.heal(),
        }
    }

    /// What can be read, oldest first. Whatever is there, is there once.
    fn told(&mut self) -> Vec<u64> {
        if self.archive.is_none() {
            self.archive = Some(open(&self.files));
        }
        let mut seen = all(self.archive.as_ref().expect("opened"), &Query::everything(5));
        seen.sort_unstable();
        let once: BTreeSet<u64> = seen.iter().copied().collect();
        assert_eq!(seen.len(), once.len(), "something is told twice: {seen:?}");
        seen
    }

    fn check(&mut self, what: &str) {
        let told: BTreeSet<u64> = self.told().into_iter().collect();
        let known: BTreeSet<u64> = told.union(&self.rows).copied().collect();
        assert_eq!(known, (0..ENTRIES).collect(), "lost: {what}");
    }

    fn finish(&mut self) {
        for _ in 0..ENTRIES {
            self.turn();
        }
        assert!(self.rows.is_empty(), "the archive takes no more");
        assert_eq!(self.told(), (0..ENTRIES).collect::<Vec<_>>());
    }
}

/// How many steps a life without trouble takes.
fn steps() -> u64 {
    let mut region = Region::new();
    region.finish();
    region.files.steps()
}

#[test]
fn a_power_cut_at_any_step_loses_and_doubles_nothing() {
    for step in 0..steps() {
        for kept in [0, 100, 127, 128, 200, 255] {
            let mut region = Region::new();
            region.files.fail_after(step, Failure::Dead);
            for _ in 0..ENTRIES {
                region.turn();
            }
            region.crash(Some(kept));
            region.check(&format!("step {step}, {kept} of 256 kept"));
            region.finish();
        }
    }
}

#[test]
fn a_step_that_fails_once_loses_and_doubles_nothing() {
    for step in 0..steps() {
        for failure in [Failure::Refused, Failure::Half] {
            for kept in [None, Some(0), Some(130)] {
                let mut region = Region::new();
                region.files.fail_after(step, failure);
                for _ in 0..4 {
                    region.turn();
                }
                region.crash(kept);
                region.check(&format!("step {step}, {failure:?}, {kept:?}"));
                region.finish();
                let mut steady = Region::new();
                steady.files.fail_after(step, failure);
                steady.finish();
            }
        }
    }
}

#[test]
fn a_full_disk_loses_nothing_and_is_gone_on_from_once_there_is_room() {
    for step in 0..steps() {
        let mut region = Region::new();
        region.files.fail_after(step, Failure::Full);
        for _ in 0..ENTRIES {
            region.turn();
        }
        if region.archive.is_some() {
            region.check(&format!("full at step {step}"));
        }
        region.files.heal();
        region.finish();
    }
}

#[test]
fn two_power_cuts_in_a_row_are_like_one() {
    for first in (0..steps()).step_by(3) {
        for second in 0..8 {
            let mut region = Region::new();
            region.files.fail_after(first, Failure::Dead);
            for _ in 0..ENTRIES {
                region.turn();
            }
            region.crash(Some(140));
            region.files.fail_after(second, Failure::Dead);
            region.turn();
            region.crash(Some(30));
            region.check(&format!("steps {first}, then {second}"));
            region.finish();
        }
    }
}
