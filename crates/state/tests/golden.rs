//! The stored form only grows: rows that a released version wrote stay readable for ever, and what
//! has no new fields is written as it always was.
//!
//! A golden file holds one row in hexadecimal digits. Files are added, never changed: a test that
//! fails here says that journals of users would no longer be read.

#![expect(clippy::indexing_slicing, clippy::panic, reason = "a test that fails may panic")]

mod records;

use std::path::Path;

use state::{Change, State, decode, encode};

/// A record under the name of its file.
type Named = (&'static str, Change);

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1")
}

fn table(name: &str) -> u8 {
    let number = name.split('-').next().and_then(|it| it.parse().ok());
    number.expect("file names begin with the number of their table")
}

fn stored(name: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(folder().join(name).with_extension("hex"));
    let text = text.unwrap_or_else(|error| panic!("{name}: {error}"));
    let digits: Vec<u32> = text.chars().filter_map(|it| it.to_digit(16)).collect();
    digits.chunks(2).map(|it| u8::try_from(it[0] * 16 + it[1]).expect("a byte")).collect()
}

/// In lines that fit a screen.
fn digits(bytes: &[u8]) -> String {
    bytes.chunks(48).map(|it| types::hex(it) + "\n").collect()
}

#[test]
fn every_row_that_was_ever_written_is_still_read() {
    for (name, change) in records::all() {
        let read = decode(table(name), &stored(name));
        assert_eq!(read.expect("is read"), change, "{name}");
    }
}

#[test]
fn every_record_is_written_as_it_always_was() {
    for (name, change) in records::all() {
        let row = encode(&change);
        let value = row.value.expect("a put");
        assert_eq!(row.table, table(name), "{name}");
        let golden = std::fs::read_to_string(folder().join(name).with_extension("hex"));
        assert_eq!(golden.unwrap_or_default(), digits(&value), "{name}");
    }
}

#[test]
fn every_table_has_golden_rows_and_every_golden_row_is_tested() {
    let names: Vec<_> = records::all().into_iter().map(|(name, _)| name).collect();
    for number in (1..=12).chain(20..=36).chain(40..=44) {
        assert!(names.iter().any(|it| table(it) == number), "table {number}");
    }
    for number in [0, 13, 19, 37, 39, 45] {
        let unknown = decode(number, &[]).expect_err("nothing").to_string();
        assert!(unknown.contains("does not know"), "table {number} needs golden rows: {unknown}");
    }
    let files = std::fs::read_dir(folder()).expect("a folder");
    for file in files {
        let file = file.expect("a file").path();
        let name = file.file_stem().and_then(|it| it.to_str()).expect("a name");
        assert!(names.contains(&name), "{name} is tested by nobody");
    }
}

/// Rows are arrays of fields by number, so a later version's fields stand at the end.
#[test]
fn fields_of_a_later_version_are_passed_over() {
    for (name, change) in records::all() {
        let mut bytes = stored(name);
        assert!(longer(&mut bytes), "{name} is no array");
        assert_eq!(decode(table(name), &bytes).expect("is read"), change, "{name}");
    }
}

/// Appends fields to a row, so many that they come after all that this version knows.
fn longer(bytes: &mut Vec<u8>) -> bool {
    const MORE: u8 = 40;
    let (length, head) = match bytes.first() {
        Some(it @ 0x80..=0x97) => (it - 0x80, 1),
        Some(0x98) => (bytes[1], 2),
        _ => return false,
    };
    bytes.splice(..head, [0x98, length + MORE]);
    // Fields up to the last one known are absent (null), those behind it hold a text.
    bytes
        .extend((0..MORE).flat_map(|it| if it < MORE / 2 { vec![0xf6] } else { vec![0x61, b'x'] }));
    true
}

#[test]
fn a_state_of_golden_rows_has_the_indexes_that_follow_from_them() {
    let mut state = State::new(records::home());
    for (_, change) in records::all() {
        state.apply(change);
    }
    assert_eq!(state.recomputed_indexes(), *state.indexes());
}

#[test]
fn a_damaged_row_is_an_error_and_nothing_worse() {
    for (name, _) in records::all() {
        let whole = stored(name);
        for length in 0..whole.len() {
            assert!(decode(table(name), &whole[..length]).is_err(), "{name} cut at {length}");
        }
        for place in 0..whole.len() {
            let mut bent = whole.clone();
            bent[place] ^= 0xff;
            drop(decode(table(name), &bent));
        }
    }
}
