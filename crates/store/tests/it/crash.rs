//! A machine that halts at every step of a region's life, at several bytes of every write.

use store::SYNCS_AT_ONCE;
use store::journal::disk::{Failure, Loss, SimDisk, Step};

use crate::support::{Dice, Ending, History, small};

/// How many groups of batches the life that is cut short commits.
const COMMITS: usize = 14;

/// How many commits are under way beside the latest one, in the lives that are cut short.
pub(crate) const BESIDE: [usize; 4] = [0, 1, 3, SYNCS_AT_ONCE - 1];

const _: () = assert!(SYNCS_AT_ONCE <= COMMITS, "so many are never under way");

/// Every step of a whole first life, as the disk counts them.
pub(crate) fn steps_of_a_life(seed: u64, beside: usize) -> Vec<Step> {
    let disk = SimDisk::new();
    let ending = History::with_beside(beside).live(&disk, &small(), COMMITS, &mut Dice(seed));
    assert!(matches!(ending, Ending::Peaceful), "{ending:?}");
    disk.history()
}

/// Halts the machine at a step, loses something, and lets the region live twice more, the second
/// time after losing all that was not synced. Answers with what went wrong.
pub(crate) fn crash(
    disk: &SimDisk,
    (seed, beside): (u64, usize),
    step: usize,
    done: usize,
    loss: Loss,
) -> Option<String> {
    let mut history = History::with_beside(beside);
    let mut dice = Dice(seed);
    disk.fail_at(step, Failure::Crash { done });
    let mut endings = vec![history.live(disk, &small(), COMMITS, &mut dice)];
    disk.cut_power(loss);
    endings.push(history.live(disk, &small(), 3, &mut dice));
    disk.cut_power(Loss::Unsynced);
    endings.push(history.live(disk, &small(), 1, &mut dice));
    let promise = endings.iter().find_map(Ending::wrong).map(str::to_owned);
    let shape = match endings.as_slice() {
        [cut_short, Ending::Peaceful, Ending::Peaceful] if cut_short.failure().is_some() => None,
        other => Some(format!("{other:?}")),
    };
    promise
        .or(shape)
        .map(|it| format!("seed {seed}, {beside} beside, step {step}, {done} done, {loss:?}: {it}"))
}

/// How far to let a step come before the machine halts.
pub(crate) fn reaches(step: Step) -> Vec<usize> {
    match step {
        Step::Write(bytes) => {
            let mut reaches = vec![0, 1, 20, 39, 40, 41, bytes / 2, bytes - 1, bytes];
            reaches.retain(|it| *it <= bytes);
            reaches.sort_unstable();
            reaches.dedup();
            reaches
        }
        _ => vec![0, 1],
    }
}

fn losses(seed: u64) -> Vec<Loss> {
    let mut losses =
        vec![Loss::Nothing, Loss::Unsynced, Loss::Bytes, Loss::Names, Loss::Torn { bytes: 45 }];
    losses.extend((0..3).map(|it| Loss::Sectors { seed: seed * 31 + it }));
    losses
}

/// Answers with how many crashes there were.
fn check_every_crash(seed: u64, beside: usize) -> usize {
    let mut crashes = 0;
    let steps = steps_of_a_life(seed, beside);
    assert!(steps.iter().filter(|it| **it == Step::Rename).count() >= 4, "{steps:?}");
    assert!(steps.contains(&Step::Remove), "no old file was removed: {steps:?}");
    for (number, step) in steps.iter().enumerate() {
        for done in reaches(*step) {
            for loss in losses(number as u64) {
                let wrong = crash(&SimDisk::new(), (seed, beside), number, done, loss);
                assert!(wrong.is_none(), "{step:?}: {}", wrong.unwrap_or_default());
                crashes += 1;
            }
        }
    }
    crashes
}

#[test]
fn a_crash_at_any_step_leaves_a_prefix_with_all_that_was_acknowledged() {
    let crashes = check_every_crash(1, 0);
    assert!(crashes > 4000, "only {crashes}");
}

#[test]
fn a_crash_at_any_step_of_another_life_does_too() {
    let crashes = check_every_crash(2, 0);
    assert!(crashes > 4000, "only {crashes}");
}

#[test]
fn a_crash_while_two_syncs_are_under_way_does_too() {
    let crashes = check_every_crash(1, 1) + check_every_crash(4, 1);
    assert!(crashes > 8000, "only {crashes}");
}

#[test]
fn a_crash_while_four_syncs_are_under_way_does_too() {
    let crashes = check_every_crash(1, 3) + check_every_crash(5, 3);
    assert!(crashes > 8000, "only {crashes}");
}

#[test]
fn a_crash_while_as_many_syncs_are_under_way_as_may_be_does_too() {
    let beside = SYNCS_AT_ONCE - 1;
    let crashes = check_every_crash(1, beside) + check_every_crash(6, beside);
    assert!(crashes > 8000, "only {crashes}");
}

#[test]
fn a_crash_while_recovering_from_a_crash_loses_nothing() {
    for beside in BESIDE {
        check_crashes_while_recovering(3, beside);
    }
}

fn check_crashes_while_recovering(seed: u64, beside: usize) {
    let steps = steps_of_a_life(seed, beside);
    for (number, step) in steps.iter().enumerate().filter(|(_, it)| matches!(it, Step::Write(_))) {
        for done in reaches(*step) {
            let mut history = History::with_beside(beside);
            let mut dice = Dice(seed);
            let disk = SimDisk::new();
            disk.fail_at(number, Failure::Crash { done });
            history.live(&disk, &small(), COMMITS, &mut dice);
            disk.cut_power(Loss::Nothing);
            let begin = disk.steps();
            for later in begin..begin + 8 {
                check_second_crash(&disk, &history, later);
            }
        }
    }
}

/// From a disk that has crashed once: halts at a step of the opening, and opens again.
fn check_second_crash(disk: &SimDisk, before: &History, step: usize) {
    for loss in [Loss::Unsynced, Loss::Nothing, Loss::Sectors { seed: step as u64 }] {
        let disk = disk.fork();
        let mut history = before.fork();
        disk.fail_at(step, Failure::Crash { done: 7 });
        let first = history.live(&disk, &small(), 0, &mut Dice(4));
        assert_eq!(first.wrong(), None, "step {step}, {loss:?}");
        disk.cut_power(loss);
        let second = history.live(&disk, &small(), 2, &mut Dice(5));
        assert!(matches!(second, Ending::Peaceful), "step {step}, {loss:?}: {second:?}");
    }
}
