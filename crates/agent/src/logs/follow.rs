//! Follows a log file through its rotations, and notes how far it has come.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Most that is read at a time, in bytes; a line of a shim has at most 16 KiB of text, which JSON
/// may spell in six times as many.
const CHUNK: u64 = 512 * 1024;
/// Rotated files that are looked for.
const ROTATED_MAX: u32 = 20;

/// A line of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Milliseconds since 1970.
    pub(super) at: i64,
    /// Without its line break.
    pub(super) text: String,
}

/// How far a file was followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Position {
    inode: u64,
    offset: u64,
}

/// One entry as a shim writes it.
#[derive(Deserialize)]
struct Entry {
    log: String,
    time: String,
}

/// Follows a log.
#[derive(Debug)]
pub(super) struct Follower {
    log: PathBuf,
    position: Position,
    /// What is written down.
    noted: Position,
}

impl Follower {
    /// Goes on where an earlier follower came to.
    pub(super) fn open(log: PathBuf) -> Self {
        let text = fs::read(note(&log)).unwrap_or_default();
        let position = serde_json::from_slice(&text).unwrap_or_default();
        Self { log, position, noted: position }
    }

    /// The next lines; none if there are none yet.
    pub(super) fn read(&mut self) -> Vec<Line> {
        // Each round goes to the next file at most.
        for _ in 0..=ROTATED_MAX {
            match self.step() {
                Ok(Step::Lines(lines)) => return lines,
                Ok(Step::NextFile) => {}
                Ok(Step::Nothing) => return Vec::new(),
                Err(error) => {
                    if error.kind() != io::ErrorKind::NotFound {
                        tracing::warn!(log = %self.log.display(), %error, "a log cannot be read");
                    }
                    return Vec::new();
                }
            }
        }
        Vec::new()
    }

    /// Writes down how far it has come.
    pub(super) fn note(&mut self) {
        if self.noted == self.position {
            return;
        }
        let path = note(&self.log);
        let fresh = path.with_extension("position.new");
        let bytes = serde_json::to_vec(&self.position).unwrap_or_default();
        let written = fs::write(&fresh, bytes).and_then(|()| fs::rename(&fresh, &path));
        match written {
            Ok(()) => self.noted = self.position,
            Err(error) => {
                let path = path.display();
                tracing::warn!(%path, %error, "how far a log was shipped is not noted");
            }
        }
    }

    fn step(&mut self) -> io::Result<Step> {
        let files = self.files();
        let index = files.iter().position(|(inode, _)| *inode == self.position.inode);
        let Some((inode, path)) = files.get(index.unwrap_or(0)) else { return Ok(Step::Nothing) };
        if index.is_none() {
            self.position = Position { inode: *inode, offset: 0 };
        }
        let mut file = File::open(path)?;
        let about = file.metadata()?;
        if about.ino() != self.position.inode {
            // It was rotated just now.
            return Ok(Step::NextFile);
        }
        if about.len() < self.position.offset {
            // It was emptied: files that are not kept begin anew in place.
            self.position.offset = 0;
        }
        file.seek(SeekFrom::Start(self.position.offset))?;
        let mut bytes = Vec::new();
        file.take(CHUNK).read_to_end(&mut bytes)?;
        let whole = bytes.iter().rposition(|it| *it == b'\n').map_or(0, |it| it + 1);
        if whole > 0 {
            self.position.offset += whole as u64;
            let lines = bytes.get(..whole).unwrap_or_default().split(|it| *it == b'\n');
            return Ok(Step::Lines(lines.filter_map(line).collect()));
        }
        match files.get(index.unwrap_or(0) + 1) {
            Some((inode, _)) => {
                self.position = Position { inode: *inode, offset: 0 };
                Ok(Step::NextFile)
            }
            None => Ok(Step::Nothing),
        }
    }

    /// The files of the log, the oldest first.
    fn files(&self) -> Vec<(u64, PathBuf)> {
        let rotated = (1..=ROTATED_MAX).rev().map(|number| {
            let mut name = self.log.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        });
        let all = rotated.chain([self.log.clone()]);
        all.filter_map(|it| Some((fs::metadata(&it).ok()?.ino(), it))).collect()
    }
}

enum Step {
    Lines(Vec<Line>),
    NextFile,
    Nothing,
}

fn note(log: &std::path::Path) -> PathBuf {
    log.with_extension("position")
}

fn line(bytes: &[u8]) -> Option<Line> {
    let entry: Entry = serde_json::from_slice(bytes).ok()?;
    let text = entry.log.strip_suffix('\n').unwrap_or(&entry.log);
    let text = text.strip_suffix('\r').unwrap_or(text).to_owned();
    Some(Line { at: milliseconds(&entry.time)?, text })
}

/// Milliseconds since 1970 of a time as shims write it: `2026-11-22T04:41:20.017716115Z`.
fn milliseconds(text: &str) -> Option<i64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(str::parse::<i64>);
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let (whole, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut parts = whole.splitn(3, ':').map(str::parse::<i64>);
    let (hour, minute, second) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    Some(seconds * 1000 + digits.parse::<i64>().ok()?)
}

/// Days from 1970-01-01 to a date, counted in years that begin in March, so that the leap day is
/// the last: the usual arithmetic of the proleptic Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::io::Write as _;

    use super::*;

    fn write(path: &std::path::Path, texts: &[&str]) {
        let mut bytes = String::new();
        for text in texts {
            let time = "1970-01-02T00:00:01.5Z";
            let _ = writeln!(bytes, r#"{{"log":"{text}\n","stream":"stdout","time":"{time}"}}"#);
        }
        let mut file = File::options().create(true).append(true).open(path).expect("opens");
        file.write_all(bytes.as_bytes()).expect("writes");
    }

    fn texts(follower: &mut Follower) -> String {
        let mut all = Vec::new();
        loop {
            let lines = follower.read();
            if lines.is_empty() {
                return all.join(" ");
            }
            all.extend(lines.into_iter().map(|it| it.text));
        }
    }

    #[test]
    fn times_are_read_to_the_millisecond() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1970-01-02T00:00:01.5Z", Some(86_401_500)),
            ("2026-11-22T01:06:33.029716115Z", Some(1_795_309_593_029)),
            ("2000-02-29T00:00:00.000Z", Some(951_782_400_000)),
            ("2000-02-29", None),
            ("", None),
        ] {
            assert_eq!(milliseconds(text), expected, "{text}");
        }
    }

    #[test]
    fn each_line_is_read_once_through_rotations_and_restarts() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("main.json");
        let mut follower = Follower::open(log.clone());
        assert_eq!(texts(&mut follower), "");
        write(&log, &["a", "b"]);
        assert_eq!(texts(&mut follower), "a b");
        follower.note();
        write(&log, &["c"]);
        fs::rename(&log, folder.path().join("main.json.1")).expect("rotates");
        write(&log, &["d"]);
        let mut follower = Follower::open(log.clone());
        assert_eq!(texts(&mut follower), "c d");
        follower.note();
        assert_eq!(texts(&mut Follower::open(log.clone())), "");
    }

    #[test]
    fn half_a_line_waits_for_its_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("main.json");
        fs::write(&log, r#"{"log":"x\n","stream":"s","#).expect("writes");
        let mut follower = Follower::open(log.clone());
        assert_eq!(texts(&mut follower), "");
        let mut file = File::options().append(true).open(&log).expect("opens");
        writeln!(file, r#""time":"1970-01-01T00:00:00Z"}}"#).expect("writes");
        assert_eq!(texts(&mut follower), "x");
    }
}
