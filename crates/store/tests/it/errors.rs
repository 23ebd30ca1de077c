//! Steps that report an error while the machine runs on.

use store::journal::disk::{Failure, Loss, SimDisk, Step};
use store::journal::{Journal, JournalError};

use crate::crash::{BESIDE, steps_of_a_life};
use crate::support::{Dice, Ending, History, batch, open, put, small};

/// A step fails; the process ends, and others follow it with or without a power cut.
fn check_failure(beside: usize, step: usize, failure: Failure, loss: Option<Loss>) {
    let at = format!("{beside} beside, step {step}, {failure:?}, {loss:?}");
    let disk = SimDisk::new();
    let mut history = History::with_beside(beside);
    let mut dice = Dice(1);
    disk.fail_at(step, failure);
    let first = history.live(&disk, &small(), 14, &mut dice);
    assert_eq!(first.wrong(), None, "{at}");
    match loss {
        Some(loss) => disk.cut_power(loss),
        None => disk.end_process(),
    }
    for life in 0..2 {
        let ending = history.live(&disk, &small(), 2, &mut dice);
        assert!(matches!(ending, Ending::Peaceful), "{at}, life {life}: {ending:?}");
        disk.cut_power(Loss::Unsynced);
    }
}

#[test]
fn an_error_at_any_step_loses_nothing_that_was_acknowledged() {
    for beside in BESIDE {
        for step in 0..steps_of_a_life(1, beside).len() {
            for failure in [Failure::Error, Failure::NoSpace] {
                let sectors = Loss::Sectors { seed: step as u64 };
                for loss in [None, Some(Loss::Unsynced), Some(sectors)] {
                    check_failure(beside, step, failure, loss);
                }
            }
        }
    }
}

#[test]
fn a_failed_sync_whose_bytes_can_still_be_read_is_made_good_at_the_next_opening() {
    for beside in BESIDE {
        let steps = steps_of_a_life(1, beside);
        for (number, _) in steps.iter().enumerate().filter(|(_, it)| **it == Step::Sync) {
            for loss in [None, Some(Loss::Unsynced)] {
                check_failure(beside, number, Failure::LostPages, loss);
            }
        }
    }
}

#[test]
fn after_a_failed_sync_the_journal_does_nothing_any_more() {
    let disk = SimDisk::new();
    let mut journal = open(&disk, &small()).expect("opens");
    let epoch = journal.acquire().expect("acquires");
    let first = batch(1, &[put(1, "a", "1")]);
    disk.fail_at(disk.steps() + 1, Failure::Error);
    let error = journal.commit(epoch, std::slice::from_ref(&first)).expect_err("sync fails");
    assert!(matches!(error, JournalError::Failed { .. }), "{error:?}");

    let steps = disk.steps();
    let again = journal.commit(epoch, &[first]);
    assert!(matches!(again, Err(JournalError::Broken)), "{again:?}");
    assert!(matches!(journal.acquire(), Err(JournalError::Broken)));
    assert!(matches!(journal.load(&mut |_| Ok(())), Err(JournalError::Broken)));
    assert_eq!(disk.steps(), steps, "a broken journal touches no file");
}

#[test]
fn a_commit_of_many_batches_is_one_write_and_one_sync() {
    let disk = SimDisk::new();
    let mut journal = open(&disk, &small()).expect("opens");
    let epoch = journal.acquire().expect("acquires");
    let before = disk.steps();
    let group: Vec<_> = (1..9).map(|it| batch(it, &[put(1, "a", "1")])).collect();
    journal.commit(epoch, &group).expect("commits");
    let steps = disk.history();
    assert!(
        matches!(steps.get(before..), Some([Step::Write(_), Step::Sync])),
        "{:?}",
        steps.get(before..)
    );
}
