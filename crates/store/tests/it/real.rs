//! The journal on a real disk, and processes that are really killed.

use core::time::Duration;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use store::journal::disk::{RealDisk, SimDisk, SlowDisk, Step};
use store::journal::file::{CompactionBy, FileJournal, Options};
use store::journal::tools::verify;
use store::journal::{Batch, Journal, JournalError, Schema};

use crate::support::{batch, load, put, rows_after};

fn options() -> Options {
    Options {
        segment_bytes: 20_000,
        reserve_bytes: 30_000,
        compact_after_bytes: 30_000,
        compaction: CompactionBy::Thread,
        ..Options::new(Schema::new(1, Vec::new()))
    }
}

fn open(folder: &Path) -> FileJournal {
    let disk = RealDisk::open(folder).expect("the folder opens");
    FileJournal::open(Arc::new(disk), options()).expect("the journal opens")
}

/// Two rows that must always say the same, and one of many others.
fn numbered(number: u128) -> Batch {
    let text = number.to_string();
    let other = format!("row-{}", number % 100);
    batch(
        number,
        &[put(1, "first", &text), put(2, &other, &"x".repeat(300)), put(3, "last", &text)],
    )
}

#[test]
fn a_region_is_there_again_after_it_was_closed() {
    let temporary = tempfile::tempdir().expect("a folder");
    let folder = temporary.path().join("a/new/folder");
    let mut journal = open(&folder);
    let epoch = journal.acquire().expect("acquires");
    let batches: Vec<Batch> = (1..500).map(numbered).collect();
    for group in batches.chunks(7) {
        journal.commit(epoch, group).expect("commits");
    }
    journal.close().expect("closes");

    let mut again = open(&folder);
    again.acquire().expect("acquires");
    assert_eq!(load(&mut again).expect("loads"), rows_after(&batches));
    drop(again);
    let report = verify(&RealDisk::open(&folder).expect("opens")).expect("lists");
    assert!(report.is_sound(), "{report:?}");
}

#[test]
fn the_thread_makes_snapshots_beside_the_commits() {
    let temporary = tempfile::tempdir().expect("a folder");
    let mut journal = open(temporary.path());
    let epoch = journal.acquire().expect("acquires");
    let snapshots = || {
        let names = std::fs::read_dir(temporary.path()).expect("lists");
        let name = |it: std::io::Result<std::fs::DirEntry>| it.expect("lists").file_name();
        let finished = |it: &std::ffi::OsString| {
            it.to_string_lossy().starts_with("snapshot-") && !it.to_string_lossy().ends_with("tmp")
        };
        names.map(name).filter(finished).count()
    };
    let mut batches = Vec::new();
    while snapshots() < 2 && batches.len() < 100_000 {
        batches.push(numbered(batches.len() as u128 + 1));
        journal.commit(epoch, &batches[batches.len() - 1..]).expect("commits");
    }
    // The thread may have made a third one meanwhile.
    assert!(snapshots() >= 2, "after {} commits", batches.len());
    drop(journal);
    let mut again = open(temporary.path());
    again.acquire().expect("acquires");
    assert_eq!(load(&mut again).expect("loads"), rows_after(&batches));
}

#[test]
fn a_folder_belongs_to_one_process() {
    let temporary = tempfile::tempdir().expect("a folder");
    let _owner = open(temporary.path());
    let disk = RealDisk::open(temporary.path()).expect("opens");
    let second = FileJournal::open(Arc::new(disk), options());
    assert!(matches!(second, Err(JournalError::InUse)));
}

#[test]
fn a_disk_with_given_sync_times_holds_the_same_files_and_syncs_nothing() {
    let sim = SimDisk::new();
    let slow = || Arc::new(SlowDisk::new(Arc::new(sim.clone()), Duration::ZERO));
    let mut journal = FileJournal::open(slow(), options()).expect("opens");
    let epoch = journal.acquire().expect("acquires");
    let batches: Vec<Batch> = (1..200).map(numbered).collect();
    journal.commit(epoch, &batches).expect("commits");
    drop(journal);
    let mut again = FileJournal::open(slow(), options()).expect("opens");
    again.acquire().expect("acquires");
    assert_eq!(load(&mut again).expect("loads"), rows_after(&batches));
    let syncs = [Step::Sync, Step::SyncFolder];
    assert!(!sim.history().iter().any(|it| syncs.contains(it)));
}

/// Another process that commits until it is killed.
fn committing_child(folder: &Path) -> Child {
    let program = std::env::current_exe().expect("this program");
    let arguments = ["--exact", "real::child_commits_until_killed", "--ignored", "--nocapture"];
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the child starts");
    let mut input = child.stdin.take().expect("is piped");
    writeln!(input, "{}", folder.display()).expect("the child listens");
    child
}

#[test]
#[ignore = "the child of a_killed_process_loses_nothing_it_has_acknowledged"]
fn child_commits_until_killed() {
    let mut folder = String::new();
    std::io::stdin().read_line(&mut folder).expect("reads");
    if folder.is_empty() {
        return;
    }
    let mut journal = open(Path::new(folder.trim_end()));
    let epoch = journal.acquire().expect("acquires");
    load(&mut journal).expect("loads");
    let begin = journal.last_operation().map_or(1, |it| it.0 + 1);
    let mut output = std::io::stdout().lock();
    for number in (begin..begin + 300_000).step_by(3) {
        let group = [numbered(number), numbered(number + 1), numbered(number + 2)];
        journal.commit(epoch, &group).expect("commits");
        writeln!(output, "acknowledged {}", number + 2).expect("the parent listens");
    }
}

#[test]
fn a_killed_process_loses_nothing_it_has_acknowledged() {
    let temporary = tempfile::tempdir().expect("a folder");
    let mut committed = 0;
    for commits in [1, 50, 3, 120, 77] {
        let mut child = committing_child(temporary.path());
        let lines = BufReader::new(child.stdout.take().expect("is piped")).lines();
        let mut acknowledged = lines
            .map_while(Result::ok)
            .filter_map(|it| it.strip_prefix("acknowledged ")?.parse::<u128>().ok());
        let seen = acknowledged.nth(commits - 1).expect("the child commits");
        child.kill().expect("is killed");
        child.wait().expect("ends");
        let last_seen = acknowledged.last().unwrap_or(seen);

        let mut journal = open(temporary.path());
        journal.acquire().expect("acquires");
        let found = journal.last_operation().expect("has committed").0;
        assert!(found >= last_seen, "{last_seen} was acknowledged, {found} is there");
        assert!(found > committed, "the child went on where the one before was killed");
        committed = found;
        let batches: Vec<Batch> = (1..=found).map(numbered).collect();
        assert_eq!(load(&mut journal).expect("loads"), rows_after(&batches));
    }
}
