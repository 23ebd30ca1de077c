//! Where the control plane's journal lies: in memory, or in files on a simulated disk.

use std::sync::{Arc, Mutex, PoisonError};

use state::Dice;
use store::Core;
use store::journal::disk::Disk as _;
use store::journal::disk::{Failure, Loss, SimDisk, Step};
use store::journal::file::FileJournal;
use store::journal::memory::{MemoryJournal, MemoryRegion, Outcome};
use store::journal::{Epoch, Journal, JournalError, Row};
use types::Home;

use super::upgrade;
use crate::lot::Lot;
use crate::plant::Plant;

/// What the journal has made durable, and how its next write goes.
pub(crate) enum Storage {
    Memory { region: MemoryRegion, next: Arc<Mutex<Option<Outcome>>> },
    Files { disk: SimDisk, release: u32, plant: Option<Plant> },
}

impl Storage {
    pub(crate) fn new(files: bool) -> Self {
        match files {
            true => Self::Files { disk: SimDisk::new(), release: 1, plant: None },
            false => Self::Memory { region: MemoryRegion::new(), next: Arc::default() },
        }
    }

    /// The same with a bug planted in it.
    pub(crate) fn with(mut self, bug: Option<Plant>) -> Self {
        if let Self::Files { plant, .. } = &mut self {
            *plant = bug;
        }
        self
    }

    /// A process takes the journal over.
    pub(crate) fn open(
        &self,
        home: &Home,
        dice: Dice,
    ) -> Result<(Core, Epoch, Box<dyn Journal>), JournalError> {
        match self {
            Self::Memory { region, next } => {
                let next = next.clone();
                let mut journal = MemoryJournal::with_faults(
                    region,
                    Arc::new(move |_| {
                        let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
                        next.take().unwrap_or(Outcome::Durable)
                    }),
                );
                let (core, epoch) = Core::open(home.clone(), dice, &mut journal)?;
                Ok((core, epoch, Box::new(journal)))
            }
            Self::Files { disk, release, plant } => {
                let mut lot = Lot::from(dice.clone());
                let opened = open_files(disk, (*release, *plant), home, dice);
                if opened.is_err() {
                    // The process ends with its machine, which may have halted.
                    disk.cut_power(Loss::Sectors { seed: lot.below(u64::MAX) });
                }
                opened
            }
        }
    }

    /// The next write, of so many batches, fails; what of it is durable is drawn.
    pub(crate) fn fail_next(&self, batches: usize, lot: &mut Lot) {
        match self {
            Self::Memory { next, .. } => {
                let applied = usize::try_from(lot.below(batches as u64 + 1)).unwrap_or(0);
                let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
                *next = Some(Outcome::Fails { applied });
            }
            Self::Files { disk, plant, .. } => {
                if *plant == Some(Plant::IgnoresFailedSync) {
                    disk.ignore(Step::Sync);
                    return;
                }
                let step = disk.steps() + usize::try_from(lot.below(2)).unwrap_or(0);
                let done = usize::try_from(lot.below(4_000)).unwrap_or(0);
                let failure = match lot.below(4) {
                    0 => Failure::Error,
                    1 => Failure::LostPages,
                    2 => Failure::NoSpace,
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

    /// One of the next steps of the disk fails: of a commit, of a new segment, of a snapshot at the
    /// next start.
    pub(crate) fn fail_soon(&self, lot: &mut Lot) {
        if let Self::Files { disk, .. } = self {
            let step = disk.steps() + usize::try_from(lot.below(60)).unwrap_or(0);
            let done = usize::try_from(lot.below(2_000)).unwrap_or(0);
            let failure = match lot.below(4) {
                0 => Failure::Error,
                1 => Failure::LostPages,
                2 => Failure::NoSpace,
                _ => Failure::Crash { done },
            };
            disk.fail_at(step, failure);
        }
    }

    /// The step after so many others of the disk fails like this.
    pub(crate) fn fail_step(&self, after: usize, failure: Failure) {
        if let Self::Files { disk, .. } = self {
            disk.fail_at(disk.steps() + after, failure);
        }
    }

    /// Only so many bytes more fit on the disk; `None` is all that one wants.
    pub(crate) fn set_room(&self, bytes: Option<u64>) {
        if let Self::Files { disk, .. } = self {
            disk.set_capacity(bytes);
        }
    }

    /// What the journal's files take, in bytes, with what is set aside.
    pub(crate) fn used(&self) -> u64 {
        let Self::Files { disk, .. } = self else { return 0 };
        let names = disk.list().unwrap_or_default();
        let sizes = names.iter().filter_map(|it| disk.content(it)).map(|it| it.len() as u64);
        sizes.sum()
    }

    /// Faults of the disk end.
    pub(crate) fn heal(&self) {
        if let Self::Files { disk, .. } = self {
            disk.heal();
            disk.set_capacity(None);
        }
    }

    /// The process is gone, sometimes with its machine.
    pub(crate) fn crash(&self, lot: &mut Lot) {
        match self {
            Self::Memory { next, .. } => {
                *next.lock().unwrap_or_else(PoisonError::into_inner) = None;
            }
            Self::Files { disk, .. } => {
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

type Opened = (Core, Epoch, Box<dyn Journal>);

fn open_files(
    disk: &SimDisk,
    (release, plant): (u32, Option<Plant>),
    home: &Home,
    dice: Dice,
) -> Result<Opened, JournalError> {
    let mut journal = upgrade::open(disk, release, plant)?;
    let (core, epoch) = Core::open(home.clone(), dice, &mut journal)?;
    snapshot(&mut journal)?;
    Ok((core, epoch, Box::new(journal)))
}

/// Makes a snapshot if one is due. That there is no room for it is no harm.
fn snapshot(journal: &mut FileJournal) -> Result<(), JournalError> {
    while let Some(work) = journal.compaction()? {
        match work.run(&|| false) {
            Ok(Some(made)) => journal.adopt(Ok(made))?,
            Ok(None) => return Ok(()),
            Err(error) => return journal.adopt(Err(error)),
        }
    }
    Ok(())
}
