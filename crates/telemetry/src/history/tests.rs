mod crashes;

use super::*;

const NOON: i64 = 1_800_000_000_000;
const NAME: u8 = 2;

fn entry(number: u64) -> Entry {
    let name = if number.is_multiple_of(3) { "third" } else { "other" };
    Entry {
        identity: u128::from(number) << 64 | 7,
        at: NOON + i64::try_from(number).expect("small"),
        keys: vec![Key::of_text(NAME, name)],
        body: format!("entry {number}").into_bytes(),
    }
}

fn open(files: &MemoryFiles) -> Archive {
    Archive::open(Box::new(files.clone())).expect("opens")
}

fn numbers(found: &Found) -> Vec<u64> {
    found.entries.iter().map(|it| u64::try_from(it.identity >> 64).expect("a number")).collect()
}

/// Everything that a query finds, page by page.
fn all(archive: &Archive, query: &Query) -> Vec<u64> {
    let mut query = query.clone();
    let mut seen = Vec::new();
    loop {
        let found = archive.find(&query, &mut |_| true).expect("reads");
        seen.extend(numbers(&found));
        match found.next {
            Some(place) => query.before = Some(place.to_string().parse().expect("a place")),
            None => return seen,
        }
    }
}

fn by(by: By) -> Query {
    Query { by, ..Query::everything(2) }
}

/// Ten entries on three days, each day in a segment of its own.
fn three_days(files: &MemoryFiles) -> Archive {
    let archive = open(files);
    for number in 0..10 {
        let day = i64::try_from(number / 4).expect("small");
        archive.append(&[entry(number)], NOON + day * DAY).expect("is added");
    }
    archive
}

#[test]
fn the_newest_come_first_and_in_pages() {
    let files = MemoryFiles::default();
    let archive = three_days(&files);
    assert_eq!(all(&archive, &Query::everything(3)), [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    assert_eq!(all(&archive, &Query::everything(1)), [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    let segments = files.list().expect("lists");
    let expected = ["0000000001.idx", "0000000001.seg", "0000000002.idx", "0000000002.seg"];
    assert_eq!(segments, [expected.as_slice(), &["0000000003.seg"]].concat());
}

#[test]
fn entries_are_found_by_identity_key_and_time() {
    let files = MemoryFiles::default();
    for archive in [three_days(&files), open(&files)] {
        assert_eq!(all(&archive, &by(By::Identity(5..=5))), [5]);
        assert_eq!(all(&archive, &by(By::Identity(3..=6))), [6, 5, 4, 3]);
        assert_eq!(all(&archive, &by(By::Identity(3..=u64::MAX))), [9, 8, 7, 6, 5, 4, 3]);
        assert_eq!(all(&archive, &by(By::Key(Key::of_text(NAME, "third")))), [9, 6, 3, 0]);
        assert_eq!(all(&archive, &by(By::Key(Key::of_text(NAME, "fourth")))), [0_u64; 0]);
        let times = NOON + 3..=NOON + 5;
        assert_eq!(all(&archive, &Query { times, ..Query::everything(2) }), [5, 4, 3]);
    }
}

#[test]
fn bodies_come_back_whole_and_may_be_refused() {
    let archive = three_days(&MemoryFiles::default());
    let found = archive.find(&Query::everything(1), &mut |_| true).expect("reads");
    assert_eq!(found.entries, [entry(9)]);
    let odd = &mut |it: &Entry| it.body.ends_with(b"7");
    assert_eq!(numbers(&archive.find(&Query::everything(9), odd).expect("reads")), [7]);
}

#[test]
fn what_is_there_is_not_added_again() {
    let files = MemoryFiles::default();
    let archive = three_days(&files);
    let again: Vec<Entry> = (0..11).chain(8..11).map(entry).collect();
    archive.append(&again, NOON + 2 * DAY).expect("is added");
    assert_eq!(all(&archive, &Query::everything(9)), [10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    let archive = open(&files);
    archive.append(&again, NOON + 9 * DAY).expect("is added");
    assert_eq!(all(&archive, &Query::everything(9)), [10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
}

#[test]
fn a_lost_or_damaged_index_is_made_anew() {
    let files = MemoryFiles::default();
    drop(three_days(&files));
    files.remove("0000000001.idx").expect("is removed");
    let mut index = Files::open(&files, "0000000002.idx").expect("opens");
    index.write_at(9, b"x").expect("is damaged");
    let archive = open(&files);
    assert_eq!(all(&archive, &by(By::Identity(0..=8))), [8, 7, 6, 5, 4, 3, 2, 1, 0]);
}

#[test]
fn a_damaged_entry_hides_no_other() {
    let files = MemoryFiles::default();
    drop(three_days(&files));
    let mut segment = Files::open(&files, "0000000001.seg").expect("opens");
    segment.write_at(60, b"xxxx").expect("is damaged");
    assert_eq!(all(&open(&files), &Query::everything(9)), [9, 8, 7, 6, 5, 4, 3, 2, 0]);
    files.remove("0000000001.idx").expect("is removed");
    assert_eq!(all(&open(&files), &Query::everything(9)), [9, 8, 7, 6, 5, 4, 3, 2, 0]);
}

#[test]
fn whole_segments_go_when_their_youngest_is_too_old() {
    let files = MemoryFiles::default();
    let archive = open(&files);
    for number in 0..6 {
        let at = NOON + i64::try_from(number / 2).expect("small") * DAY;
        archive.append(&[Entry { at, ..entry(number) }], at).expect("is added");
    }
    let now = NOON + 3 * DAY;
    assert_eq!(archive.expire(Retention::Forever, now).expect("expires"), 0);
    assert_eq!(archive.expire(Retention::Days(3), now).expect("expires"), 0);
    assert_eq!(archive.expire(Retention::Days(2), now).expect("expires"), 1);
    assert_eq!(all(&archive, &Query::everything(9)), [5, 4, 3, 2]);
    assert_eq!(archive.expire(Retention::Days(0), now + 1).expect("expires"), 2);
    assert_eq!(files.list().expect("lists"), [""; 0]);
    archive.append(&[entry(9)], now).expect("is added");
    assert_eq!(all(&open(&files), &Query::everything(9)), [9]);
}

#[test]
fn a_folder_of_this_machine_does_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tasks");
    let files = || Box::new(RealFiles::open(&path).expect("opens"));
    let archive = Archive::open(files()).expect("opens");
    archive.append(&[entry(1), entry(2)], NOON).expect("is added");
    archive.append(&[entry(3)], NOON + DAY).expect("is added");
    drop(archive);
    let segment = path.join("0000000002.seg");
    let mut torn = std::fs::read(&segment).expect("reads");
    torn.extend(b"torn");
    std::fs::write(&segment, torn).expect("writes");
    let archive = Archive::open(files()).expect("opens");
    assert_eq!(all(&archive, &Query::everything(9)), [3, 2, 1]);
    archive.append(&[entry(4)], NOON + DAY).expect("is added");
    assert_eq!(archive.expire(Retention::Days(1), NOON + 3 * DAY).expect("expires"), 3);
    assert_eq!(all(&archive, &Query::everything(9)), [0_u64; 0]);
}
