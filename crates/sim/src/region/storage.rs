//! Where the control plane's journal lies: in memory, or in files on a simulated disk.

use std::sync::{Arc, Mutex, PoisonError};

use state::Dice;
use store::Core;
use store::journal::disk::{Failure, Loss, SimDisk};
use store::journal::file::{CompactionBy, FileJournal, Options};
use store::journal::memory::{MemoryJournal, MemoryRegion, Outcome};
use store::journal::{Epoch, Journal, JournalError, Row, Schema};
use types::Home;

use crate::lot::Lot;

/// What the journal has made durable, and how its next write goes.
pub(crate) enum Storage {
    Memory { region: MemoryRegion, next: Arc<Mutex<Option<Outcome>>> },
    Files { disk: SimDisk },
}

impl Storage {
    pub(crate) fn new(files: bool) -> Self {
        match files {
            true => Self::Files { disk: SimDisk::new() },
            false => Self::Memory { region: MemoryRegion::new(), next: Arc::default() },
        }
    }

    /// A process takes the journal over.
    pub(crate) fn open(
        &self,
        home: &Home,
        dice: Dice,
    ) -> Result<(Core, Epoch, Box<dyn Journal>), JournalError> {
        let mut journal: Box<dyn Journal> = match self {
            Self::Memory { region, next } => {
                let next = next.clone();
                Box::new(MemoryJournal::with_faults(
                    region,
                    Arc::new(move |_| {
                        let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
                        next.take().unwrap_or(Outcome::Durable)
                    }),
                ))
            }
            Self::Files { disk } => {
                let options = Options {
                    segment_bytes: 256 * 1024,
                    reserve_bytes: 512 * 1024,
                    compact_after_bytes: 256 * 1024,
                    compaction: CompactionBy::Caller,
                    ..Options::new(Schema::new(1, Vec::new()))
                };
                Box::new(FileJournal::open(Arc::new(disk.clone()), options)?)
            }
        };
        let (core, epoch) = Core::open(home.clone(), dice, &mut *journal)?;
        Ok((core, epoch, journal))
    }

    /// The next write, of so many batches, fails; what of it is durable is drawn.
    pub(crate) fn fail_next(&self, batches: usize, lot: &mut Lot) {
        match self {
            Self::Memory { next, .. } => {
                let applied = usize::try_from(lot.below(batches as u64 + 1)).unwrap_or(0);
                let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
                *next = Some(Outcome::Fails { applied });
            }
            Self::Files { disk } => {
                let step = disk.steps() + usize::try_from(lot.below(2)).unwrap_or(0);
                let done = usize::try_from(lot.below(4_000)).unwrap_or(0);
                let failure = match lot.below(3) {
                    0 => Failure::Error,
                    1 => Failure::LostPages,
                    _ => Failure::Crash { done },
                };
                disk.fail_at(step, failure);
            }
        }
    }

    /// The next write fails; exactly so many of its batches are durable. In memory only.
    pub(crate) fn fail_exactly(&self, applied: usize) {
        if let Self::Memory { next, .. } = self {
            let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
            *next = Some(Outcome::Fails { applied });
        }
    }

    /// The process is gone, sometimes with its machine.
    pub(crate) fn crash(&self, lot: &mut Lot) {
        match self {
            Self::Memory { next, .. } => {
                *next.lock().unwrap_or_else(PoisonError::into_inner) = None;
            }
            Self::Files { disk } => {
                disk.heal();
                match lot.below(5) {
                    0 => disk.end_process(),
                    1 => disk.cut_power(Loss::Unsynced),
                    2 => disk.cut_power(Loss::Nothing),
                    3 => {
                        let bytes = usize::try_from(lot.below(4_000)).unwrap_or(0);
                        disk.cut_power(Loss::Torn { bytes });
                    }
                    _ => disk.cut_power(Loss::Sectors { seed: lot.below(u64::MAX) }),
                }
            }
        }
    }

    /// All durable rows, where they can be had without opening the journal.
    pub(crate) fn rows(&self) -> Option<Vec<Row>> {
        match self {
            Self::Memory { region, .. } => Some(region.rows()),
            Self::Files { .. } => None,
        }
    }
}
