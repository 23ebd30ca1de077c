//! A disk that fills up.

use store::journal::disk::SimDisk;
use store::journal::file::FileJournal;
use store::journal::{Batch, Epoch, Journal, JournalError, Room};

use crate::support::{batch, delete, load, open, put, small};

/// Commits puts until only the reserve is left; answers with how many there were.
fn fill(journal: &mut FileJournal, epoch: Epoch) -> u32 {
    for number in 0..1000 {
        let key = format!("row-{number}");
        let grow = batch(u128::from(number) + 1, &[put(1, &key, &"x".repeat(100))]);
        journal.commit(epoch, &[grow]).expect("there is room, or the reserve");
        if journal.room() == Room::ReserveOnly {
            return number + 1;
        }
    }
    panic!("the disk never filled up");
}

fn removal(number: u32) -> Batch {
    batch(10_000 + u128::from(number), &[delete(1, &format!("row-{number}"))])
}

#[test]
fn deletes_work_on_a_full_disk_and_its_owner_is_told() {
    let disk = SimDisk::new();
    disk.set_capacity(Some(12_000));
    let mut journal = open(&disk, &small()).expect("opens");
    let epoch = journal.acquire().expect("acquires");
    assert_eq!(journal.room(), Room::Ample);
    let filled = fill(&mut journal, epoch);
    assert!(filled > 20, "the disk is used before the reserve is: {filled}");

    for number in 0..8 {
        journal.commit(epoch, &[removal(number)]).expect("the reserve is for this");
    }
    assert_eq!(load(&mut journal).expect("loads").len(), filled as usize - 8);

    disk.set_capacity(Some(100_000));
    journal.commit(epoch, &[removal(9)]).expect("commits");
    assert_eq!(journal.room(), Room::Ample, "space came back, and so did the reserve");
}

#[test]
fn that_there_is_space_again_is_found_by_looking_alone() {
    let disk = SimDisk::new();
    disk.set_capacity(Some(12_000));
    let mut journal = open(&disk, &small()).expect("opens");
    let epoch = journal.acquire().expect("acquires");
    fill(&mut journal, epoch);
    journal.look_for_room().expect("looks");
    assert_eq!(journal.room(), Room::ReserveOnly, "nothing has changed");
    disk.set_capacity(Some(100_000));
    journal.look_for_room().expect("looks");
    assert_eq!(journal.room(), Room::Ample);
}

#[test]
fn beyond_the_reserve_commits_are_refused_and_nothing_breaks() {
    let disk = SimDisk::new();
    disk.set_capacity(Some(8_000));
    let mut journal = open(&disk, &small()).expect("opens");
    let epoch = journal.acquire().expect("acquires");
    let mut committed = 0;
    let refused = (0..1000).find_map(|number| {
        let grow = batch(number + 1, &[put(1, &format!("row-{number}"), &"x".repeat(100))]);
        match journal.commit(epoch, &[grow]) {
            Ok(_) => {
                committed += 1;
                None
            }
            Err(error) => Some(error),
        }
    });
    assert!(matches!(refused, Some(JournalError::Full { .. })), "{refused:?}");
    assert_eq!(load(&mut journal).expect("still loads").len(), committed);

    drop(journal);
    let mut again = open(&disk, &small()).expect("a full disk can be opened");
    assert_eq!(again.room(), Room::ReserveOnly);
    disk.set_capacity(None);
    let epoch = again.acquire().expect("acquires with space");
    again.commit(epoch, &[removal(1)]).expect("commits");
    assert_eq!(load(&mut again).expect("loads").len(), committed - 1);
}

#[test]
fn a_snapshot_without_space_is_given_up_and_harms_nothing() {
    let disk = SimDisk::new();
    let mut journal = open(&disk, &small()).expect("opens");
    let epoch = journal.acquire().expect("acquires");
    for number in 0..40 {
        let grow = batch(number + 1, &[put(1, &format!("row-{number}"), &"x".repeat(100))]);
        journal.commit(epoch, &[grow]).expect("commits");
    }
    disk.set_capacity(Some(1));
    let mut job = journal.compaction().expect("may begin").expect("is due");
    let made = loop {
        match job.step() {
            Ok(None) => {}
            Ok(Some(made)) => break Ok(made),
            Err(error) => break Err(error),
        }
    };
    assert!(matches!(made, Err(JournalError::Full { .. })), "{made:?}");
    drop(job);
    journal.adopt(made).expect("is no harm");
    assert!(disk.content("snapshot-00000000000000000041.tmp").is_none());

    disk.set_capacity(None);
    let job = journal.compaction().expect("may begin").expect("is due again");
    journal.adopt(job.run(&|| false).map(|it| it.expect("not cancelled"))).expect("has space now");
    assert_eq!(load(&mut journal).expect("loads").len(), 40);
}

#[test]
fn without_space_the_second_copy_makes_room_for_a_snapshot() {
    let disk = SimDisk::new();
    disk.set_capacity(Some(20_000));
    let mut journal = open(&disk, &small()).expect("opens");
    let epoch = journal.acquire().expect("acquires");
    let mut number = 0;
    let mut commit = |journal: &mut FileJournal| {
        number += 1;
        let grow = batch(number, &[put(1, &format!("row-{}", number % 20), &"x".repeat(100))]);
        journal.commit(epoch, &[grow]).expect("there is room, or the reserve");
    };
    for _ in 0..2 {
        (0..30).for_each(|_| commit(&mut journal));
        compact(&mut journal).expect("has space");
    }
    while journal.room() == Room::Ample {
        commit(&mut journal);
    }
    compact(&mut journal).expect("has the space of the older snapshot and its log");
    commit(&mut journal);
    assert_eq!(journal.room(), Room::Ample, "and now there is space again");
    assert_eq!(load(&mut journal).expect("loads").len(), 20);
}

fn compact(journal: &mut FileJournal) -> Result<(), JournalError> {
    let job = journal.compaction()?.expect("is due");
    let made = job.run(&|| false)?.expect("not cancelled");
    journal.adopt(Ok(made))
}
