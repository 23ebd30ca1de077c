use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;

use super::*;

fn group(name: &str) -> GroupFacts {
    GroupFacts { name: name.into(), created: 1, retention_days: None, tags: BTreeMap::new() }
}

fn event(timestamp: i64, message: &str) -> Event {
    Event { timestamp, ingested: timestamp + 1, message: message.into() }
}

fn limits(events: usize) -> Limits {
    Limits { start: i64::MIN, end: i64::MAX, events, bytes: usize::MAX }
}

fn store() -> (tempfile::TempDir, LogStore) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = LogStore::open(folder.path()).expect("opens");
    store.create_group(group("g")).expect("made");
    store.create_stream("g", "s", 5).expect("made");
    (folder, store)
}

fn messages(page: &Page) -> Vec<&str> {
    page.events.iter().map(|it| it.message.as_str()).collect()
}

#[test]
fn pages_lead_through_a_stream_both_ways() {
    let (_folder, store) = store();
    let events: Vec<_> =
        ["a", "b", "c", "d", "e"].into_iter().zip(1..).map(|(m, t)| event(t, m)).collect();
    store.append("g", "s", &events).expect("appended");

    let first = store.read("g", "s", From::Head, &limits(2)).expect("reads");
    assert_eq!(messages(&first), ["a", "b"]);
    let second = store.read("g", "s", From::Forward(first.forward), &limits(2)).expect("reads");
    assert_eq!(messages(&second), ["c", "d"]);
    let back = store.read("g", "s", From::Backward(second.backward), &limits(9)).expect("reads");
    assert_eq!(messages(&back), ["a", "b"]);
    let tail = store.read("g", "s", From::Tail, &limits(2)).expect("reads");
    assert_eq!(messages(&tail), ["d", "e"]);

    let end = store.read("g", "s", From::Forward(tail.forward), &limits(2)).expect("reads");
    assert_eq!((messages(&end).len(), end.forward), (0, tail.forward));
    store.append("g", "s", &[event(6, "f")]).expect("appended");
    let more = store.read("g", "s", From::Forward(end.forward), &limits(2)).expect("reads");
    assert_eq!(messages(&more), ["f"]);
}

#[test]
fn a_torn_append_is_cut_off_at_the_next_start() {
    let (folder, store) = store();
    store.append("g", "s", &[event(1, "whole")]).expect("appended");
    let path = std::fs::read_dir(folder.path().join("1"))
        .expect("a group")
        .map(|it| it.expect("an entry").path())
        .find(|it| it.extension().is_some_and(|it| it == "log"))
        .expect("a stream");
    let mut bytes = Vec::new();
    event(2, "torn").write(&mut bytes);
    bytes.truncate(bytes.len() - 3);
    drop(store);
    let mut file = OpenOptions::new().append(true).open(&path).expect("opens");
    file.write_all(&bytes).expect("writes");

    let store = LogStore::open(folder.path()).expect("opens");
    store.append("g", "s", &[event(3, "after")]).expect("appended");
    let page = store.read("g", "s", From::Head, &limits(9)).expect("reads");
    assert_eq!(messages(&page), ["whole", "after"]);
    let facts = store.streams("g", "").expect("lists").remove(0);
    assert_eq!((facts.first, facts.last, facts.created), (Some(1), Some(3), 5));
}

#[test]
fn a_search_merges_streams_in_order_of_time() {
    let (_folder, store) = store();
    store.create_stream("g", "t", 5).expect("made");
    store.append("g", "s", &[event(1, "x 1"), event(4, "x 4"), event(5, "y 5")]).expect("appended");
    store.append("g", "t", &[event(2, "x 2"), event(3, "x 3")]).expect("appended");
    let mut search = Search {
        streams: Vec::new(),
        prefix: String::new(),
        pattern: Pattern::parse("x").expect("a pattern"),
        limits: limits(3),
        after: None,
    };
    let found = store.search("g", &search).expect("finds");
    let said = |found: &Found| -> Vec<String> {
        found.events.iter().map(|(_, _, it)| it.message.clone()).collect()
    };
    assert_eq!(said(&found), ["x 1", "x 2", "x 3"]);
    search.after = found.more_after;
    assert!(search.after.is_some());
    // Meanwhile something comes in that is earlier than what was shown, and a stream goes.
    store.create_stream("g", "a", 5).expect("made");
    store.append("g", "a", &[event(1, "x late"), event(6, "x 6")]).expect("appended");
    store.delete_stream("g", "t").expect("deleted");
    let found = store.search("g", &search).expect("finds");
    assert_eq!((said(&found), found.more_after), (vec!["x 4".into(), "x 6".into()], None));
}

#[test]
fn a_search_page_by_page_shows_events_that_came_out_of_order_once() {
    let (_folder, store) = store();
    store.append("g", "s", &[event(5, "s 5")]).expect("appended");
    store.append("g", "s", &[event(1, "s 1")]).expect("appended");
    store.create_stream("g", "t", 5).expect("made");
    store.append("g", "t", &[event(3, "t 3"), event(5, "t 5")]).expect("appended");
    let mut search = Search {
        streams: Vec::new(),
        prefix: String::new(),
        pattern: Pattern::parse("").expect("a pattern"),
        limits: limits(1),
        after: None,
    };
    let mut said = Vec::new();
    loop {
        let found = store.search("g", &search).expect("finds");
        said.extend(found.events.into_iter().map(|(_, _, it)| it.message));
        search.after = found.more_after;
        if search.after.is_none() {
            break;
        }
    }
    assert_eq!(said, ["t 3", "s 5", "s 1", "t 5"]);
}

#[test]
fn what_is_not_there_is_said() {
    let (_folder, store) = store();
    assert!(matches!(store.create_group(group("g")), Err(LogError::GroupExists)));
    assert!(matches!(store.create_stream("g", "s", 1), Err(LogError::StreamExists)));
    assert!(matches!(store.append("g", "no", &[]), Err(LogError::NoStream)));
    assert!(matches!(store.append("no", "s", &[]), Err(LogError::NoGroup)));
    store.delete_group("g").expect("removed");
    assert!(matches!(store.streams("g", ""), Err(LogError::NoGroup)));
    assert_eq!(store.groups(""), []);
}

#[test]
fn a_place_that_a_client_made_up_harms_nothing() {
    let (_folder, store) = store();
    store.append("g", "s", &[event(1, "a"), event(2, "b")]).expect("appended");
    for place in 0..200 {
        drop(store.read("g", "s", From::Forward(place), &limits(9)).expect("reads"));
        drop(store.read("g", "s", From::Backward(place), &limits(9)).expect("reads"));
    }
    drop(store.read("g", "s", From::Forward(u64::MAX), &limits(9)).expect("reads"));
}

/// Bytes that files in a folder take on the disk.
fn on_disk(folder: &std::path::Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let entries = std::fs::read_dir(folder).expect("a folder").map(|it| it.expect("an entry"));
    let size = |it: std::fs::DirEntry| match it.metadata().expect("its size") {
        about if about.is_dir() => on_disk(&it.path()),
        about => about.blocks() * 512,
    };
    entries.map(size).sum()
}

#[test]
fn what_is_past_its_retention_gives_its_disk_space_back() {
    const DAY: i64 = 24 * 60 * 60 * 1000;
    let (folder, store) = store();
    store.create_group(group("for-ever")).expect("made");
    store.create_stream("for-ever", "s", 5).expect("made");
    let large = "x".repeat(100_000);
    for day in 0..20 {
        for name in ["g", "for-ever"] {
            store.append(name, "s", &[event(day * DAY, &large)]).expect("appended");
        }
    }
    store.append("g", "s", &[event(20 * DAY, "young")]).expect("appended");
    let place = store.read("g", "s", From::Tail, &limits(1)).expect("reads").backward;
    assert_eq!(store.expire(100 * DAY).expect("nothing is to go"), 0);
    store.change_group("g", |it| it.retention_days = Some(3)).expect("changed");
    let before = on_disk(folder.path());
    let given = store.expire(20 * DAY).expect("gives back");
    assert_eq!(given, 17 * Event::size(100_000));
    assert!(before - on_disk(folder.path()) > 16 * 100_000, "{before}");
    assert_eq!(store.expire(20 * DAY).expect("settled"), 0);

    let check = |store: &LogStore| {
        let page = store.read("g", "s", From::Head, &limits(9)).expect("reads");
        let times: Vec<_> = page.events.iter().map(|it| it.timestamp / DAY).collect();
        assert_eq!(times, [17, 18, 19, 20]);
        let kept = store.read("g", "s", From::Forward(place), &limits(9)).expect("reads");
        assert_eq!(messages(&kept), ["young"], "places that clients hold mean what they meant");
        let facts = store.streams("g", "").expect("lists").remove(0);
        assert_eq!((facts.first, facts.last), (Some(17 * DAY), Some(20 * DAY)));
        assert_eq!(facts.bytes, 3 * Event::size(100_000) + Event::size(5));
        assert_eq!(store.groups("g")[0].1, facts.bytes);
        let other = store.read("for-ever", "s", From::Head, &limits(99)).expect("reads");
        assert_eq!(other.events.len(), 20);
    };
    check(&store);
    drop(store);
    let store = LogStore::open(folder.path()).expect("opens");
    check(&store);

    assert_eq!(
        store.expire(400 * DAY).expect("gives back"),
        3 * Event::size(100_000) + Event::size(5)
    );
    store.append("g", "s", &[event(400 * DAY, "new")]).expect("appended");
    drop(store);
    let store = LogStore::open(folder.path()).expect("opens");
    let page = store.read("g", "s", From::Head, &limits(9)).expect("reads");
    assert_eq!(messages(&page), ["new"]);
    store.delete_stream("g", "s").expect("removed");
    store.create_stream("g", "s", 7).expect("made");
    store.append("g", "s", &[event(1, "again")]).expect("appended");
    assert_eq!(messages(&store.read("g", "s", From::Head, &limits(9)).expect("reads")), ["again"]);
}
