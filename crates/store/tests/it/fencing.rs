//! Only the owner with the highest epoch writes.

use store::journal::disk::SimDisk;
use store::journal::{Epoch, Journal, JournalError};

use crate::support::{batch, load, open, put, small};

#[test]
fn a_stale_epoch_commits_nothing() {
    let disk = SimDisk::new();
    let mut journal = open(&disk, &small()).expect("opens");
    let old = journal.acquire().expect("acquires");
    let new = journal.acquire().expect("acquires again");
    assert!(new > old);

    let refused = journal.commit(old, &[batch(1, &[put(1, "a", "old")])]);
    assert!(
        matches!(refused, Err(JournalError::Fenced { asked, current }) if (asked, current) == (old, new)),
        "{refused:?}"
    );
    journal.commit(new, &[batch(2, &[put(1, "a", "new")])]).expect("the owner still can");
    let rows = load(&mut journal).expect("loads");
    assert_eq!(rows.into_values().collect::<Vec<_>>(), [b"new".to_vec()]);
}

#[test]
fn nobody_commits_or_loads_without_acquiring() {
    let disk = SimDisk::new();
    let mut journal = open(&disk, &small()).expect("opens");
    let refused = journal.commit(Epoch(0), &[batch(1, &[])]);
    assert!(matches!(refused, Err(JournalError::NotAcquired)), "{refused:?}");
    assert!(matches!(journal.load(&mut |_| Ok(())), Err(JournalError::NotAcquired)));
    journal.acquire().expect("a refusal breaks nothing");
}

#[test]
fn each_opening_owns_under_a_higher_epoch() {
    let disk = SimDisk::new();
    let epochs: Vec<_> = (0..3)
        .map(|_| open(&disk, &small()).expect("opens").acquire().expect("acquires"))
        .collect();
    assert_eq!(epochs, [Epoch(1), Epoch(2), Epoch(3)]);
}

#[test]
fn a_second_process_is_kept_out() {
    let disk = SimDisk::new();
    let first = open(&disk, &small()).expect("opens");
    assert!(matches!(open(&disk, &small()), Err(JournalError::InUse)));
    drop(first);
    open(&disk, &small()).expect("opens once the first is gone");
}

#[test]
fn what_is_too_large_is_refused_and_breaks_nothing() {
    let disk = SimDisk::new();
    let mut journal = open(&disk, &small()).expect("opens");
    let epoch = journal.acquire().expect("acquires");
    let long = "k".repeat(store::journal::KEY_BYTES_MOST + 1);
    let refused = journal.commit(epoch, &[batch(1, &[put(1, &long, "")])]);
    assert!(matches!(refused, Err(JournalError::TooLarge { .. })), "{refused:?}");
    journal.commit(epoch, &[batch(2, &[put(1, "short", "")])]).expect("commits");
}
