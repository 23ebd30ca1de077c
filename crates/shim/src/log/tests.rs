use super::*;

fn file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("shim-log-{}-{name}", std::process::id()))
}

/// What `log` says in each entry of a file.
fn entries(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let entry = |line: &str| -> serde_json::Value { serde_json::from_str(line).expect("JSON") };
    text.lines().map(|it| entry(it)["log"].as_str().expect("text").to_owned()).collect()
}

#[test]
fn lines_arrive_whole_whatever_the_pieces_they_come_in() {
    let path = file("pieces");
    let mut log = LogFile::open(&path, None, 1).expect("opens");
    let mut lines = Lines::new("stdout");
    for piece in ["a\nb", "", "c\n", "\n", "quote \" \u{e9}\n", "end"] {
        lines.take(piece.as_bytes(), &mut log);
    }
    lines.take(&[0xff], &mut log);
    lines.finish(&mut log);
    assert_eq!(entries(&path), ["a\n", "bc\n", "\n", "quote \" \u{e9}\n", "end\u{fffd}\n"]);
    fs::remove_file(path).expect("removes");
}

#[test]
fn a_long_line_is_split_and_only_its_last_piece_ends() {
    let path = file("long");
    let mut log = LogFile::open(&path, None, 1).expect("opens");
    let mut lines = Lines::new("stderr");
    lines.take(&vec![b'x'; PIECE + 3], &mut log);
    lines.take(b"\nshort\n", &mut log);
    let found = entries(&path);
    assert_eq!(found.iter().map(String::len).collect::<Vec<_>>(), [PIECE, 4, 6]);
    assert!(!found[0].ends_with('\n') && found[1] == "xxx\n");
    fs::remove_file(path).expect("removes");
}

#[test]
fn files_rotate_by_size_and_the_oldest_goes() {
    let path = file("rotate");
    let mut log = LogFile::open(&path, Some(200), 3).expect("opens");
    let mut lines = Lines::new("stdout");
    for number in 0..10 {
        lines.take(format!("line {number}\n").as_bytes(), &mut log);
    }
    let numbered = |it: u32| PathBuf::from(format!("{}.{it}", path.display()));
    assert_eq!(entries(&path), ["line 8\n", "line 9\n"]);
    assert_eq!(entries(&numbered(1)), ["line 6\n", "line 7\n"]);
    assert_eq!(entries(&numbered(2)), ["line 4\n", "line 5\n"]);
    assert!(!numbered(3).exists());
    for it in [path.clone(), numbered(1), numbered(2)] {
        fs::remove_file(it).expect("removes");
    }
}

#[test]
fn times_are_shown_as_rfc_3339() {
    for (seconds, shown) in [
        (0, "1970-01-01T00:00:00.000000005Z"),
        (951_782_400, "2000-02-29T00:00:00.000000005Z"),
        (1_795_316_377, "2026-11-22T02:59:37.000000005Z"),
        (4_107_542_399, "2100-02-28T23:59:59.000000005Z"),
    ] {
        assert_eq!(rfc3339(Duration::new(seconds, 5)), shown);
    }
}
