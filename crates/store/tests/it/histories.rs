//! Many random lives of one region, each cut short by some fault at some step.

use store::SYNCS_AT_ONCE;
use store::journal::disk::{Failure, Loss, SimDisk};

use crate::support::{Dice, Ending, History, small};

const SEEDS: u64 = 1000;
const LIVES: usize = 8;

fn any_failure(dice: &mut Dice) -> Failure {
    match dice.below(6) {
        0 => Failure::Error,
        1 => Failure::NoSpace,
        2 => Failure::LostPages,
        _ => Failure::Crash { done: dice.below(200) },
    }
}

fn any_loss(dice: &mut Dice) -> Loss {
    match dice.below(8) {
        0 => Loss::Nothing,
        1 => Loss::Unsynced,
        2 => Loss::Bytes,
        3 => Loss::Names,
        4 => Loss::Torn { bytes: dice.below(300) },
        _ => Loss::Sectors { seed: dice.next() },
    }
}

/// Answers with the steps of all lives, so that a run can be compared with another.
fn check_seed(seed: u64) -> usize {
    let mut dice = Dice(seed);
    let mut history = History::with_beside(dice.below(SYNCS_AT_ONCE));
    let disk = SimDisk::new();
    for life in 0..LIVES {
        disk.fail_at(disk.steps() + dice.below(90), any_failure(&mut dice));
        let ending = history.live(&disk, &small(), 12, &mut dice);
        assert_eq!(ending.wrong(), None, "seed {seed}, life {life}");
        if dice.below(3) == 0 {
            disk.end_process();
        } else {
            disk.cut_power(any_loss(&mut dice));
        }
    }
    disk.heal();
    disk.cut_power(Loss::Unsynced);
    let ending = history.live(&disk, &small(), 5, &mut dice);
    assert!(matches!(ending, Ending::Peaceful), "seed {seed}: {ending:?}");
    disk.steps()
}

#[test]
fn random_lives_with_random_faults_never_lose_what_was_acknowledged() {
    for seed in 0..SEEDS {
        check_seed(seed);
    }
}

#[test]
fn the_same_seed_does_the_same_steps() {
    assert_eq!(check_seed(7), check_seed(7));
}
