//! What operators do: check, read, cut, set aside, back up.

use store::journal::disk::{Disk, SimDisk};
use store::journal::file::FileJournal;
use store::journal::tools::{
    Entry, FileKind, What, records, rows, set_snapshot_aside, truncate_at, verify,
};
use store::journal::{Batch, Epoch, Journal, JournalError, Lsn};

use crate::support::{batch, delete, load, open, put, rows_after, small};

/// Batches of about 130 bytes, so that seven of them fill a segment.
fn batches(ids: core::ops::Range<u128>) -> Vec<Batch> {
    let one = |id| batch(id, &[put(1, &format!("key-{}", id % 5), &"x".repeat(50))]);
    ids.map(one).collect()
}

fn commit_each(journal: &mut FileJournal, epoch: Epoch, batches: &[Batch]) {
    for batch in batches {
        journal.commit(epoch, std::slice::from_ref(batch)).expect("commits");
    }
}

fn compact(journal: &mut FileJournal) {
    let job = journal.compaction().expect("may begin").expect("is due");
    journal.adopt(job.run(&|| false).map(|it| it.expect("not cancelled"))).expect("adopts");
}

fn entries(disk: &SimDisk) -> Vec<Entry> {
    let mut entries = Vec::new();
    records(disk, &mut |entry| {
        entries.push(entry);
        Ok(())
    })
    .expect("is readable");
    entries
}

fn damage(disk: &SimDisk, file: &str, offset: u64) {
    let mut bytes = disk.content(file).expect("is there");
    bytes[usize::try_from(offset).expect("small")] ^= 1;
    disk.put(file, bytes);
}

#[test]
fn records_come_out_readable_and_in_order() {
    let disk = SimDisk::new();
    let mut journal = open(&disk, &small()).expect("opens");
    let epoch = journal.acquire().expect("acquires");
    let change = batch(7, &[put(1, "a", "1"), delete(2, "b")]);
    journal.commit(epoch, std::slice::from_ref(&change)).expect("commits");
    journal.close().expect("closes");
    let found: Vec<_> = entries(&disk).into_iter().map(|it| (it.lsn, it.epoch, it.what)).collect();
    let expected = [
        (Lsn(1), Epoch(1), What::Acquired),
        (Lsn(2), Epoch(1), What::Batch(change)),
        (Lsn(3), Epoch(1), What::Closed),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_check_lists_every_file_and_finds_the_damaged_one() {
    let disk = SimDisk::new();
    let mut journal = open(&disk, &small()).expect("opens");
    let epoch = journal.acquire().expect("acquires");
    commit_each(&mut journal, epoch, &batches(1..10));
    compact(&mut journal);
    commit_each(&mut journal, epoch, &batches(10..20));

    let report = verify(&disk).expect("lists, also beside a running region");
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.end.lsn, Lsn(20));
    let snapshots = report.files.iter().filter(|it| it.kind == FileKind::Snapshot);
    assert_eq!(snapshots.map(|it| it.entries).collect::<Vec<_>>(), [5]);

    let victim = entries(&disk).into_iter().find(|it| it.lsn == Lsn(12)).expect("is there");
    damage(&disk, &victim.file, victim.offset + 50);
    let report = verify(&disk).expect("lists");
    let faults: Vec<_> = report.files.iter().filter_map(|it| it.fault.as_ref()).collect();
    assert!(
        matches!(faults.as_slice(), [JournalError::Damaged { file, offset, .. }]
            if (file, *offset) == (&victim.file, victim.offset)),
        "{faults:?}"
    );
}

#[test]
fn cutting_at_the_damage_keeps_what_is_before_it_and_sets_the_rest_aside() {
    let disk = SimDisk::new();
    let mut journal = open(&disk, &small()).expect("opens");
    let epoch = journal.acquire().expect("acquires");
    let batches = batches(1..20);
    commit_each(&mut journal, epoch, &batches);
    assert!(matches!(truncate_at(&disk, "log-00000000000000000000", 44), Err(JournalError::InUse)));
    drop(journal);

    let victim = entries(&disk).into_iter().find(|it| it.lsn == Lsn(10)).expect("is there");
    damage(&disk, &victim.file, victim.offset + 50);
    assert!(matches!(open(&disk, &small()), Err(JournalError::Damaged { .. })));
    let beside = truncate_at(&disk, &victim.file, victim.offset + 1);
    assert!(matches!(beside, Err(JournalError::Unsuitable(_))), "{beside:?}");

    let left = truncate_at(&disk, &victim.file, victim.offset).expect("cuts");
    assert_eq!(left, Lsn(9));
    let mut again = open(&disk, &small()).expect("opens now");
    again.acquire().expect("acquires");
    // The first record acquired the region, so record nine is batch eight.
    assert_eq!(load(&mut again).expect("loads"), rows_after(&batches[..8]));
    let names = disk.list().expect("lists");
    assert!(names.iter().filter(|it| it.starts_with("cut-")).count() >= 2, "{names:?}");
}

#[test]
fn a_damaged_snapshot_is_set_aside_without_loss() {
    for snapshots in [1, 2] {
        let disk = SimDisk::new();
        let mut journal = open(&disk, &small()).expect("opens");
        let epoch = journal.acquire().expect("acquires");
        let batches = batches(1..30);
        for part in batches.chunks(12).take(snapshots) {
            commit_each(&mut journal, epoch, part);
            compact(&mut journal);
        }
        let committed = 12 * snapshots;
        drop(journal);
        let names = disk.list().expect("lists");
        let newest = names.iter().rfind(|it| it.starts_with("snapshot-")).expect("has one");
        damage(&disk, newest, 100);
        let mut damaged = open(&disk, &small()).expect("its header is sound");
        damaged.acquire().expect("acquires");
        assert!(matches!(load(&mut damaged), Err(JournalError::Damaged { .. })));
        drop(damaged);

        set_snapshot_aside(&disk).expect("the log reaches back");
        let mut again = open(&disk, &small()).expect("opens");
        again.acquire().expect("acquires");
        assert_eq!(load(&mut again).expect("loads"), rows_after(&batches[..committed]));
    }
}

#[test]
fn without_a_second_copy_no_snapshot_is_set_aside() {
    let disk = SimDisk::new();
    drop(open(&disk, &small()).expect("opens"));
    let refused = set_snapshot_aside(&disk);
    assert!(matches!(refused, Err(JournalError::Unsuitable(_))), "{refused:?}");
}

#[test]
fn a_backup_holds_what_was_durable_when_it_was_asked_for() {
    let disk = SimDisk::new();
    let mut journal = open(&disk, &small()).expect("opens");
    let epoch = journal.acquire().expect("acquires");
    let batches = batches(1..40);
    commit_each(&mut journal, epoch, &batches[..10]);
    compact(&mut journal);
    commit_each(&mut journal, epoch, &batches[10..20]);
    let backup = journal.backup();
    commit_each(&mut journal, epoch, &batches[20..]);
    assert!(journal.compaction().expect("asks").is_none(), "the files of the backup stay");

    let target = SimDisk::new();
    assert_eq!(backup.copy_to(&target).expect("copies"), Lsn(21));
    let mut names = Vec::new();
    rows(&target, &mut |row| {
        names.push(row.key);
        Ok(())
    })
    .expect("the copy has a snapshot");
    assert_eq!(names.len(), 5);
    let mut copy = open(&target, &small()).expect("opens");
    assert!(copy.acquire().expect("acquires") > epoch);
    assert_eq!(load(&mut copy).expect("loads"), rows_after(&batches[..20]));

    let refused = journal.backup().copy_to(&target);
    assert!(matches!(refused, Err(JournalError::Unsuitable(_))), "{refused:?}");
    compact(&mut journal);
}
