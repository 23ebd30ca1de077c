//! The journal in memory, whose writes fail as told.

use store::journal::memory::{MemoryJournal, MemoryRegion, Outcome};
use store::journal::{Journal, JournalError, OperationId, Room};

use crate::support::{batch, load, put, rows_after};

#[test]
fn what_is_committed_outlives_its_journal() {
    let region = MemoryRegion::new();
    let batches = [batch(1, &[put(1, "a", "1")]), batch(2, &[put(1, "b", "2")])];
    let mut journal = MemoryJournal::open(&region);
    let epoch = journal.acquire().expect("acquires");
    journal.commit(epoch, &batches).expect("commits");
    drop(journal);

    let mut again = MemoryJournal::open(&region);
    assert!(again.acquire().expect("acquires") > epoch);
    assert_eq!(load(&mut again).expect("loads"), rows_after(&batches));
    assert_eq!(again.last_operation(), Some(OperationId(2)));
}

#[test]
fn a_failed_write_leaves_as_much_as_was_asked_for_and_breaks_the_journal() {
    for applied in 0..=3 {
        let region = MemoryRegion::new();
        let faults = move |write: store::journal::memory::Write| match write.number {
            1 => Outcome::Fails { applied },
            _ => Outcome::Durable,
        };
        let mut journal = MemoryJournal::with_faults(&region, std::sync::Arc::new(faults));
        let epoch = journal.acquire().expect("acquires");
        let batches: Vec<_> = (1..4).map(|it| batch(it, &[put(1, &it.to_string(), "v")])).collect();
        let failed = journal.commit(epoch, &batches);
        assert!(matches!(failed, Err(JournalError::Failed { .. })));
        assert!(matches!(journal.commit(epoch, &[]), Err(JournalError::Broken)));

        let mut again = MemoryJournal::open(&region);
        again.acquire().expect("acquires");
        assert_eq!(load(&mut again).expect("loads"), rows_after(&batches[..applied]));
        let last = applied.checked_sub(1).map(|it| batches[it].id);
        assert_eq!(again.last_operation(), last, "the unknown outcome is resolved by this");
    }
}

#[test]
fn the_owner_before_is_fenced_off() {
    let region = MemoryRegion::new();
    let mut old = MemoryJournal::open(&region);
    let epoch = old.acquire().expect("acquires");
    let mut new = MemoryJournal::open(&region);
    new.acquire().expect("takes over");
    let refused = old.commit(epoch, &[batch(1, &[put(1, "a", "old")])]);
    assert!(matches!(refused, Err(JournalError::Fenced { .. })), "{refused:?}");
    assert_eq!(region.rows(), []);
}

#[test]
fn a_fork_goes_its_own_way() {
    let region = MemoryRegion::new();
    let fork = region.fork();
    let mut journal = MemoryJournal::open(&region);
    let epoch = journal.acquire().expect("acquires");
    journal.commit(epoch, &[batch(1, &[put(1, "a", "1")])]).expect("commits");
    region.set_room(Room::ReserveOnly);
    assert_eq!(journal.room(), Room::ReserveOnly);
    assert_eq!(fork.rows(), []);
}
