//! The crash checker must be able to fail: on disks no journal can be safe on, it does.

use store::journal::disk::{Loss, SimDisk, Step};

use crate::crash::{BESIDE, crash, reaches, steps_of_a_life};

/// Crashes everywhere on a disk that ignores a kind of step; answers with what went wrong first.
fn first_wrong(ignored: Step, loss: Loss, beside: usize) -> Option<String> {
    let steps = steps_of_a_life(1, beside);
    steps.iter().enumerate().find_map(|(number, step)| {
        reaches(*step).into_iter().find_map(|done| {
            let disk = SimDisk::new();
            disk.ignore(ignored);
            crash(&disk, (1, beside), number, done, loss)
        })
    })
}

/// What a checker that works says.
fn check_found(wrong: Option<String>) {
    let wrong = wrong.expect("a broken promise is noticed");
    let broken = ["acknowledged", "Damaged", "the rows are not", "epoch"];
    assert!(broken.iter().any(|it| wrong.contains(it)), "{wrong}");
}

#[test]
fn a_disk_that_lies_about_syncs_is_found_out() {
    for beside in BESIDE {
        check_found(first_wrong(Step::Sync, Loss::Bytes, beside));
    }
}

#[test]
fn a_folder_that_lies_about_syncs_is_found_out() {
    for beside in BESIDE {
        check_found(first_wrong(Step::SyncFolder, Loss::Names, beside));
    }
}

#[test]
fn a_torn_end_that_is_not_cut_off_is_found_out() {
    for beside in BESIDE {
        // What is left of a torn write is mostly written over; not of every one.
        let wrong = (45..600)
            .step_by(40)
            .find_map(|bytes| first_wrong(Step::Truncate, Loss::Torn { bytes }, beside));
        check_found(wrong);
    }
}
