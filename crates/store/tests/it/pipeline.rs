//! Several commits under way at once: what each promises, and what the others' fates do to it.

use store::journal::disk::{Disk, Failure, Loss, SimDisk, Step};
use store::journal::memory::{MemoryJournal, MemoryRegion, Outcome, Write};
use store::journal::{Batch, Epoch, Journal, JournalError, Lsn};

use crate::support::{batch, load, open, put, rows_after, small};

/// The journal in files and the one in memory, each with its region acquired.
fn journals() -> [(Box<dyn Journal>, Epoch); 2] {
    let mut file = open(&SimDisk::new(), &small()).expect("opens");
    let mut memory = MemoryJournal::open(&MemoryRegion::new());
    let epochs = [file.acquire().expect("acquires"), memory.acquire().expect("acquires")];
    [(Box::new(file), epochs[0]), (Box::new(memory), epochs[1])]
}

fn numbered(number: u128) -> Batch {
    batch(number, &[put(1, &number.to_string(), "v")])
}

#[test]
fn nothing_is_durable_before_all_that_is_before_it() {
    for (mut journal, epoch) in journals() {
        let first = journal.begin(epoch, &[numbered(1), numbered(2)]).expect("begins");
        let second = journal.begin(epoch, &[numbered(3)]).expect("begins");
        let third = journal.begin(epoch, &[numbered(4)]).expect("begins");
        assert_eq!([first.lsn(), second.lsn(), third.lsn()], [Lsn(3), Lsn(4), Lsn(5)]);

        assert_eq!(journal.settle(third.sync()).expect("syncs"), Lsn(1));
        assert_eq!(journal.settle(first.sync()).expect("syncs"), Lsn(3));
        assert_eq!(journal.settle(second.sync()).expect("syncs"), Lsn(5));
    }
}

#[test]
fn a_commit_of_nothing_waits_for_those_before_it() {
    for (mut journal, epoch) in journals() {
        let first = journal.begin(epoch, &[numbered(1)]).expect("begins");
        let nothing = journal.begin(epoch, &[]).expect("begins");
        assert_eq!(nothing.lsn(), first.lsn());
        assert_eq!(journal.settle(nothing.sync()).expect("syncs"), Lsn(1));
        assert_eq!(journal.settle(first.sync()).expect("syncs"), Lsn(2));
    }
}

#[test]
fn after_a_failed_sync_no_later_commit_is_answered_for() {
    let disk = SimDisk::new();
    let mut file = open(&disk, &small()).expect("opens");
    let epoch = file.acquire().expect("acquires");
    disk.fail_at(disk.steps() + 2, Failure::Error);
    check_no_later_one_counts(&mut file, epoch);

    let faults = |write: Write| match write.number {
        1 => Outcome::Fails { applied: 0 },
        _ => Outcome::Durable,
    };
    let region = MemoryRegion::new();
    let mut memory = MemoryJournal::with_faults(&region, std::sync::Arc::new(faults));
    let epoch = memory.acquire().expect("acquires");
    check_no_later_one_counts(&mut memory, epoch);
    assert_eq!(region.rows(), [], "the later one stands behind a tear");
}

fn check_no_later_one_counts(journal: &mut dyn Journal, epoch: Epoch) {
    let first = journal.begin(epoch, &[numbered(1)]).expect("begins");
    let second = journal.begin(epoch, &[numbered(2)]).expect("begins");
    let (first, second) = (first.sync(), second.sync());
    let failed = journal.settle(first);
    assert!(matches!(failed, Err(JournalError::Failed { .. })), "{failed:?}");
    let later = journal.settle(second);
    assert!(matches!(later, Err(JournalError::Broken)), "{later:?}");
}

#[test]
fn writes_that_are_lost_are_told_to_every_sync_under_way() {
    // The second sync is told first; the first one must not take the silence for success.
    let disk = SimDisk::new();
    let mut journal = open(&disk, &small()).expect("opens");
    let epoch = journal.acquire().expect("acquires");
    let first = journal.begin(epoch, &[numbered(1)]).expect("begins");
    let second = journal.begin(epoch, &[numbered(2)]).expect("begins");
    disk.fail_at(disk.steps(), Failure::LostPages);
    let second = second.sync();
    let first = journal.settle(first.sync());
    assert!(matches!(first, Err(JournalError::Failed { .. })), "{first:?}");
    assert!(matches!(journal.settle(second), Err(JournalError::Broken)));
}

#[test]
fn a_torn_commit_takes_a_whole_later_one_with_it() {
    for synced in [false, true] {
        let disk = SimDisk::new();
        let mut journal = open(&disk, &small()).expect("opens");
        let epoch = journal.acquire().expect("acquires");
        journal.commit(epoch, &[numbered(1)]).expect("commits");
        let torn_at = disk.content("log-00000000000000000000").expect("is there").len();
        let torn = journal.begin(epoch, &[numbered(2)]).expect("begins");
        let whole = journal.begin(epoch, &[numbered(3)]).expect("begins");
        if synced {
            assert!(journal.settle(whole.sync()).expect("syncs") < torn.lsn());
        }
        disk.cut_power(Loss::Nothing);
        let mut bytes = disk.content("log-00000000000000000000").expect("is there");
        bytes[torn_at + 50] ^= 1;
        disk.put("log-00000000000000000000", bytes);

        let mut again = open(&disk, &small()).expect("a tear is no damage");
        assert!(again.acquire().expect("acquires") > epoch);
        assert_eq!(load(&mut again).expect("loads"), rows_after(&[numbered(1)]));
    }
}

#[test]
fn all_that_no_later_record_knows_as_durable_is_written_again() {
    let disk = SimDisk::new();
    let mut journal = open(&disk, &small()).expect("opens");
    let epoch = journal.acquire().expect("acquires");
    let first = journal.begin(epoch, &[numbered(1)]).expect("begins").sync();
    let log = || disk.content("log-00000000000000000000").expect("is there").len();
    let settled = log();
    let second = journal.begin(epoch, &[numbered(2)]).expect("begins");
    journal.settle(first).expect("is durable");
    // The third record knows the first as durable and says nothing of the second.
    let third = journal.begin(epoch, &[numbered(3)]).expect("begins");
    disk.fail_at(disk.steps(), Failure::LostPages);
    let failed = journal.settle(second.sync());
    assert!(failed.is_err(), "{failed:?}");
    drop((third, journal));
    disk.end_process();

    // Both can be read, neither is on the disk.
    let before = disk.steps();
    drop(open(&disk, &small()).expect("opens"));
    let written_again = Step::Write(log() - settled);
    assert!(disk.history()[before..].contains(&written_again), "{written_again:?}");
    disk.cut_power(Loss::Unsynced);
    let mut again = open(&disk, &small()).expect("opens");
    again.acquire().expect("acquires");
    let all = [numbered(1), numbered(2), numbered(3)];
    assert_eq!(load(&mut again).expect("loads"), rows_after(&all));
}

#[test]
fn a_segment_is_closed_only_when_all_of_it_is_durable() {
    let disk = SimDisk::new();
    let mut journal = open(&disk, &small()).expect("opens");
    let epoch = journal.acquire().expect("acquires");
    let mut batches = Vec::new();
    let mut under_way = Vec::new();
    while disk.list().expect("lists").iter().filter(|it| it.starts_with("log-")).count() < 2 {
        batches.push(numbered(batches.len() as u128 + 1));
        under_way.push(journal.begin(epoch, &batches[batches.len() - 1..]).expect("begins"));
    }
    disk.cut_power(Loss::Unsynced);
    let mut again = open(&disk, &small()).expect("opens");
    again.acquire().expect("acquires");
    // What had begun the second segment is lost, nothing of the first is.
    assert_eq!(load(&mut again).expect("loads"), rows_after(&batches[..batches.len() - 1]));
}

#[test]
fn who_acquires_a_region_cuts_off_what_another_has_under_way() {
    let region = MemoryRegion::new();
    let mut old = MemoryJournal::open(&region);
    let epoch = old.acquire().expect("acquires");
    let late = old.begin(epoch, &[numbered(1)]).expect("begins");
    MemoryJournal::open(&region).acquire().expect("takes over");
    let refused = old.settle(late.sync());
    assert!(matches!(refused, Err(JournalError::Fenced { .. })), "{refused:?}");
    assert_eq!(region.rows(), []);
}
