//! Blocks of hosts files.

use std::os::unix::fs::PermissionsExt as _;

use state::{Answer, Change, HostedZone, RecordSet, RecordSetKey};
use types::{AccountId, Home, Region, Timestamp};

use super::*;

const OWN: &str = "127.0.0.1\tlocalhost\n# a comment\n10.0.0.1 other\n";

fn entry(name: &str, address: &str) -> Entry {
    (name.to_owned(), address.parse().expect("an address"))
}

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(text: &str) -> Self {
        let it = Self { folder: tempfile::tempdir().expect("a folder") };
        fs::write(it.path(), text).expect("writes");
        it
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("hosts")
    }

    fn file(&self, region: &str) -> HostsFile {
        HostsFile::new(self.path(), region)
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).expect("reads")
    }
}

#[test]
fn a_block_comes_changes_and_goes_and_the_rest_stays_to_the_byte() {
    let place = Place::new(OWN);
    let file = place.file("abc");
    file.keep(&[entry("a.example.com", "172.31.0.9")]).expect("writes");
    let text = place.text();
    assert!(text.starts_with(OWN), "{text}");
    assert!(text.contains("\n172.31.0.9\ta.example.com\n"), "{text}");

    file.keep(&[entry("b.example.com", "172.31.0.8")]).expect("writes");
    let text = place.text();
    assert!(
        !text.contains("a.example.com") && text.contains("172.31.0.8\tb.example.com"),
        "{text}"
    );
    assert_eq!(text.matches("begin").count(), 1, "{text}");

    file.keep(&[]).expect("writes");
    assert_eq!(place.text(), OWN);
    assert_eq!(fs::read_dir(place.folder.path()).expect("reads").count(), 1, "nothing beside it");
}

#[test]
fn what_others_add_behind_the_block_stays() {
    let place = Place::new(OWN);
    let file = place.file("abc");
    file.keep(&[entry("a.example.com", "172.31.0.9")]).expect("writes");
    fs::write(place.path(), place.text() + "10.0.0.2 later\n").expect("writes");
    file.keep(&[]).expect("writes");
    assert_eq!(place.text(), format!("{OWN}10.0.0.2 later\n"));
}

#[test]
fn two_regions_have_two_blocks() {
    let place = Place::new(OWN);
    let (one, other) = (place.file("one"), place.file("two"));
    one.keep(&[entry("a.example.com", "172.31.0.9")]).expect("writes");
    other.keep(&[entry("b.example.com", "172.30.0.9")]).expect("writes");
    one.keep(&[]).expect("writes");
    let text = place.text();
    assert!(text.contains("b.example.com") && !text.contains("a.example.com"), "{text}");
    other.keep(&[]).expect("writes");
    assert_eq!(place.text(), OWN);
}

#[test]
fn regions_that_write_at_the_same_time_lose_nothing_of_each_other() {
    let place = Place::new(OWN);
    std::thread::scope(|scope| {
        for region in ["one", "two", "three", "four"] {
            let file = place.file(region);
            scope.spawn(move || {
                for last in 1..=20 {
                    let address = format!("172.31.0.{last}");
                    file.keep(&[entry(&format!("{region}.example.com"), &address)])
                        .expect("writes");
                }
            });
        }
    });
    let text = place.text();
    for region in ["one", "two", "three", "four"] {
        assert!(text.contains(&format!("172.31.0.20\t{region}.example.com\n")), "{text}");
    }
}

#[test]
fn mode_and_links_stay() {
    let place = Place::new(OWN);
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o640)).expect("sets");
    let link = place.folder.path().join("link");
    std::os::unix::fs::symlink(place.path(), &link).expect("links");
    let file = HostsFile::new(link.clone(), "abc");
    file.keep(&[entry("a.example.com", "172.31.0.9")]).expect("writes");
    assert!(place.text().contains("a.example.com"));
    assert!(fs::symlink_metadata(&link).expect("is there").is_symlink());
    let mode = fs::metadata(place.path()).expect("is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
}

#[test]
fn a_file_that_nothing_can_be_put_in_place_of_is_written_over() {
    let place = Place::new(OWN);
    let long = format!("{OWN}10.0.0.3 more\n");
    overwrite(&place.path(), long.as_bytes()).expect("writes");
    assert_eq!(place.text(), long);
    overwrite(&place.path(), OWN.as_bytes()).expect("writes");
    assert_eq!(place.text(), OWN, "nothing of the longer one is left");
}

#[test]
fn a_block_without_its_end_takes_nothing_of_others_with_it() {
    let begin = "# landfall abc begin: names\n";
    let place = Place::new(&format!("{begin}{OWN}"));
    place.file("abc").keep(&[]).expect("writes");
    assert_eq!(place.text(), OWN);
    let block = format!("{begin}1.2.3.4 x\n# landfall abc end\n");
    let place = Place::new(&format!("{begin}{OWN}{block}"));
    place.file("abc").keep(&[]).expect("writes");
    assert_eq!(place.text(), OWN);
}

#[test]
fn a_file_without_its_last_newline_gets_one() {
    let place = Place::new("127.0.0.1 localhost");
    place.file("abc").keep(&[entry("a.example.com", "172.31.0.9")]).expect("writes");
    place.file("abc").keep(&[]).expect("writes");
    assert_eq!(place.text(), "127.0.0.1 localhost\n");
}

#[test]
fn a_missing_file_is_an_error_and_is_not_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = HostsFile::new(folder.path().join("hosts"), "abc");
    file.keep(&[entry("a.example.com", "172.31.0.9")]).expect_err("is not there");
    assert!(!file.path().exists());
}

fn region(sets: &[(&str, &str, &[&str])]) -> State {
    let region = Region::parse("us-east-1").expect("a region");
    let account = AccountId::parse("123456789012").expect("an account");
    let mut state = State::new(Home { region, account });
    state.apply(Change::from(HostedZone {
        id: "Z1".into(),
        name: "example.com.".into(),
        caller_reference: "once".into(),
        comment: None,
        vpcs: Vec::new(),
        tags: Vec::new(),
        created_at: Timestamp(0),
    }));
    for (name, kind, values) in sets {
        let key = RecordSetKey {
            zone: "Z1".into(),
            reversed: plan::names::reversed(name),
            kind: (*kind).to_owned(),
            identifier: String::new(),
        };
        let values = values.iter().map(|it| (*it).to_owned()).collect();
        let answer = Answer::Values { ttl: 60, values };
        state.apply(Change::from(RecordSet { key, name: (*name).to_owned(), answer }));
    }
    state
}

#[test]
fn names_that_lead_to_addresses_are_told_and_nothing_else() {
    let state = region(&[
        ("b.example.com.", "A", &["10.0.0.2", "10.0.0.3"]),
        ("a.example.com.", "CNAME", &["b.example.com"]),
        ("six.example.com.", "AAAA", &["fd00::1"]),
        ("*.example.com.", "A", &["10.0.0.9"]),
        ("text.example.com.", "TXT", &["\"10.0.0.4\""]),
        ("out.example.com.", "CNAME", &["elsewhere.example.net"]),
        ("odd#name.example.com.", "A", &["10.0.0.5"]),
    ]);
    assert_eq!(
        entries(&state),
        [
            entry("a.example.com", "10.0.0.2"),
            entry("a.example.com", "10.0.0.3"),
            entry("b.example.com", "10.0.0.2"),
            entry("b.example.com", "10.0.0.3"),
            entry("six.example.com", "fd00::1"),
        ]
    );
}
