//! Rows written by older and newer releases.

use store::journal::disk::{Failure, Loss, SimDisk};
use store::journal::file::Options;
use store::journal::{Batch, Journal, JournalError, Migration, Row, Schema};

use crate::support::{Ending, Rows, batch, load, open, put, small};

/// Version 2 stores the length before the value, moves table 3 to table 4 under reversed keys and
/// drops table 9.
fn to_version_2(row: Row) -> Option<Row> {
    match row.table {
        9 => None,
        3 => Some(Row { table: 4, key: row.key.iter().rev().copied().collect(), ..row }),
        _ => {
            let length = format!("{}:", row.value.len()).into_bytes();
            Some(Row { value: [length, row.value].concat(), ..row })
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the form of a migration")]
fn to_version_3(row: Row) -> Option<Row> {
    Some(Row { value: row.value.to_ascii_uppercase(), ..row })
}

fn version(number: u32) -> Options {
    let steps = vec![
        Migration { from: 1, to: 2, row: to_version_2 },
        Migration { from: 2, to: 3, row: to_version_3 },
    ];
    Options { schema: Schema::new(number, steps), ..small() }
}

fn old_batches() -> Vec<Batch> {
    vec![
        batch(1, &[put(1, "a", "one"), put(3, "ab", "moved"), put(9, "x", "dropped")]),
        batch(2, &[put(1, "b", "gone"), put(3, "ba", "too")]),
        batch(3, &[put(1, "a", "two"), crate::support::delete(1, "b")]),
    ]
}

fn written_by(number: u32) -> SimDisk {
    let disk = SimDisk::new();
    let mut journal = open(&disk, &version(number)).expect("opens");
    let epoch = journal.acquire().expect("acquires");
    journal.commit(epoch, &old_batches()).expect("commits");
    disk
}

fn expected(rows: &[(u8, &str, &str)]) -> Rows {
    rows.iter()
        .map(|(table, key, value)| ((*table, key.as_bytes().into()), (*value).into()))
        .collect()
}

#[test]
fn older_rows_come_out_as_the_newest_version() {
    let disk = written_by(1);
    let mut journal = open(&disk, &version(3)).expect("opens");
    let epoch = journal.acquire().expect("acquires");
    let rows = expected(&[(1, "a", "3:TWO"), (4, "ab", "TOO"), (4, "ba", "MOVED")]);
    assert_eq!(load(&mut journal).expect("loads"), rows);

    journal.commit(epoch, &[batch(4, &[put(1, "a", "new")])]).expect("commits");
    drop(journal);
    let mut again = open(&disk, &version(3)).expect("opens");
    again.acquire().expect("acquires");
    let rows = expected(&[(1, "a", "new"), (4, "ab", "TOO"), (4, "ba", "MOVED")]);
    assert_eq!(load(&mut again).expect("loads"), rows, "migrated once, not twice");
}

#[test]
fn a_journal_without_rows_becomes_newer_too() {
    let disk = SimDisk::new();
    drop(open(&disk, &version(1)).expect("opens"));
    let mut journal = open(&disk, &version(2)).expect("opens");
    journal.acquire().expect("acquires");
    drop(journal);
    let refused = open(&disk, &version(1));
    assert!(matches!(refused, Err(JournalError::TooNew { .. })));
}

#[test]
fn newer_rows_are_refused_by_name_and_version() {
    let disk = written_by(2);
    let Err(error) = open(&disk, &version(1)) else { panic!("an older release opened it") };
    let text = error.to_string();
    assert_eq!(text, "log-00000000000000000000 has row version 2; this release reads up to 1");
}

#[test]
fn a_missing_migration_is_named() {
    let disk = written_by(1);
    let schema = Schema::new(3, vec![Migration { from: 2, to: 3, row: to_version_3 }]);
    let mut journal = open(&disk, &Options { schema, ..small() }).expect("opens");
    let error = journal.acquire().expect_err("no way from 1");
    assert!(matches!(error, JournalError::NoMigration { from: 1, to: 3 }), "{error:?}");
}

#[test]
fn a_migration_that_makes_two_rows_one_is_refused() {
    let disk = written_by(1);
    let same = |row: Row| Some(Row { table: 1, key: b"same".to_vec(), ..row });
    let schema = Schema::new(2, vec![Migration { from: 1, to: 2, row: same }]);
    let mut journal = open(&disk, &Options { schema, ..small() }).expect("opens");
    let error = journal.acquire().expect_err("rows collide");
    assert!(matches!(error, JournalError::RowsCollide { table: 1, .. }), "{error:?}");
}

/// Upgrades with a fault at a step, then again without one, by a release that is newer still.
fn check_upgrade_cut_short(step: usize, done: usize, loss: Loss, last: u32) {
    let at = format!("step {step}, {done} done, {loss:?}, then version {last}");
    let disk = written_by(1);
    let begin = disk.steps();
    disk.fail_at(begin + step, Failure::Crash { done });
    let cut_short = || {
        let mut journal = open(&disk, &version(2))?;
        journal.acquire()
    };
    let ending = cut_short().err().map(Ending::from);
    assert_eq!(ending.as_ref().and_then(Ending::wrong), None, "{at}");
    disk.heal();
    disk.cut_power(loss);
    let mut journal = open(&disk, &version(last)).expect(&at);
    journal.acquire().expect(&at);
    let rows = load(&mut journal).expect(&at);
    let value = if last == 2 { "3:two" } else { "3:TWO" };
    assert_eq!(rows.get(&(1, b"a".to_vec())).map(Vec::as_slice), Some(value.as_bytes()), "{at}");
    assert_eq!(rows.len(), 3, "{at}");
}

#[test]
fn a_crash_at_any_step_of_an_upgrade_leaves_one_that_can_be_done_again() {
    for step in 0..28 {
        for done in [0, 30, 1000] {
            for loss in [Loss::Nothing, Loss::Unsynced, Loss::Sectors { seed: 5 }] {
                check_upgrade_cut_short(step, done, loss, 2);
                check_upgrade_cut_short(step, done, loss, 3);
            }
        }
    }
}
