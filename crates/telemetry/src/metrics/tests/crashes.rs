//! Power cuts and failing disks at every step: what tending has made durable is not lost, nothing
//! counts twice.

use super::*;
use crate::history::Failure;

/// Minutes between two samples.
const EVERY: i64 = 25;
/// How many samples: enough for seals and for folds to the second level.
const SAMPLES: i64 = 16;

/// A store that a region writes to and tends.
struct Region {
    files: MemoryFiles,
    store: Option<MetricStore>,
    taken: u32,
    durable: u32,
    asked: u32,
}

impl Region {
    fn new() -> Self {
        Self { files: MemoryFiles::default(), store: None, taken: 0, durable: 0, asked: 0 }
    }

    /// A sample, and what is done every few seconds. Any of it may fail.
    fn turn(&mut self, number: i64) {
        if self.store.is_none() {
            self.store = MetricStore::open(Arc::new(self.files.clone())).ok();
        }
        let Some(store) = &self.store else { return };
        let now = NOON + number * EVERY * 60;
        self.asked += 1;
        if store.put(&[sample("m", now, 1.0)], now * 1000).is_ok() {
            self.taken += 1;
        }
        for _ in 0..3 {
            match store.tend(now * 1000) {
                Ok(Tended::More) => {}
                Ok(Tended::Done) => {
                    self.durable = self.taken;
                    return;
                }
                Err(_) => return,
            }
        }
    }

    fn live(&mut self, numbers: core::ops::Range<i64>) {
        numbers.for_each(|it| self.turn(it));
    }

    fn crash(&mut self, kept: Option<u8>) {
        self.store = None;
        match kept {
            Some(kept) => self.files.crash(kept),
            None => self.files.heal(),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "there are few")]
    fn count(&mut self) -> i64 {
        let store = self.store.get_or_insert_with(|| open(&self.files));
        read(store, "m", (0, DAY), DAY).iter().map(|it| it.1[0]).sum::<f64>() as i64
    }

    fn check(&mut self, what: &str) {
        let (least, most) = (i64::from(self.durable), i64::from(self.asked));
        let found = self.count();
        assert!((least..=most).contains(&found), "{what}: {least} <= {found} <= {most}");
    }
}

fn steps() -> u64 {
    let mut region = Region::new();
    region.live(0..SAMPLES);
    assert_eq!(region.count(), i64::from(region.taken));
    let folded = names(&region.files).iter().filter(|it| it.starts_with("1-")).count();
    assert!(folded > 1, "nothing was folded: {:?}", names(&region.files));
    region.files.steps()
}

#[test]
fn a_power_cut_at_any_step_loses_nothing_durable_and_doubles_nothing() {
    for step in 0..steps() {
        for kept in [0, 100, 127, 128, 200, 255] {
            let mut region = Region::new();
            region.files.fail_after(step, Failure::Dead);
            region.live(0..SAMPLES);
            region.crash(Some(kept));
            region.check(&format!("step {step}, {kept} of 256 kept"));
            let before = region.count();
            region.live(SAMPLES..SAMPLES + 3);
            assert_eq!(region.count(), before + 3, "step {step}, {kept} of 256 kept");
        }
    }
}

#[test]
fn a_step_that_fails_once_loses_nothing_that_was_taken_in() {
    for step in 0..steps() {
        for failure in [Failure::Refused, Failure::Half] {
            let mut region = Region::new();
            region.files.fail_after(step, failure);
            region.live(0..SAMPLES);
            assert_eq!(region.count(), i64::from(region.taken), "step {step}, {failure:?}");
            region.crash(None);
            assert_eq!(region.count(), i64::from(region.taken), "step {step}, {failure:?}, ended");
        }
    }
}

#[test]
fn a_full_disk_loses_nothing_and_is_gone_on_from_once_there_is_room() {
    for step in 0..steps() {
        let mut region = Region::new();
        region.files.fail_after(step, Failure::Full);
        region.live(0..SAMPLES);
        region.files.heal();
        region.live(SAMPLES..SAMPLES + 3);
        assert_eq!(region.count(), i64::from(region.taken), "full at step {step}");
        assert!(region.taken >= 3);
    }
}
