//! Container output as Docker's json-file: one object a line, rotated by size.
//!
//! A line longer than 16 KiB is split; as in Docker, a piece that is not the last of its line
//! ends without `\n` inside `log`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock;

/// Longest piece of a line.
///
/// Source: Docker Engine, `defaultBufSize` of the log copier.
const PIECE: usize = 16 * 1024;

/// One stream of a container, cut into lines.
#[derive(Debug)]
pub(crate) struct Lines {
    stream: &'static str,
    held: Vec<u8>,
}

impl Lines {
    /// Nothing yet of the stream of that name.
    pub(crate) fn new(stream: &'static str) -> Self {
        Self { stream, held: Vec::new() }
    }

    /// Takes output in and writes the lines (or pieces) that are complete.
    pub(crate) fn take(&mut self, bytes: &[u8], log: &mut LogFile) {
        let now = clock::since_epoch();
        self.held.extend_from_slice(bytes);
        let mut from = 0;
        while let Some(rest) = self.held.get(from..) {
            let end = rest.iter().take(PIECE).position(|it| *it == b'\n');
            let (piece, next, ended) = match end {
                Some(end) => (rest.get(..end), end + 1, true),
                None if rest.len() >= PIECE => (rest.get(..PIECE), PIECE, false),
                None => break,
            };
            log.write(piece.unwrap_or_default(), ended, self.stream, now);
            from += next;
        }
        self.held.drain(..from);
    }

    /// Writes what is left when the stream ends.
    pub(crate) fn finish(&mut self, log: &mut LogFile) {
        if !self.held.is_empty() {
            log.write(&self.held, true, self.stream, clock::since_epoch());
            self.held = Vec::new();
        }
    }
}

/// A log file with its rotation.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    file: File,
    written: u64,
    max_bytes: Option<u64>,
    max_files: u32,
}

impl LogFile {
    /// Opens the file to append; makes its folder.
    pub(crate) fn open(path: &Path, max_bytes: Option<u64>, max_files: u32) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let written = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, written, max_bytes, max_files: max_files.max(1) })
    }

    /// Writes one entry. A full disk loses entries, never the container.
    fn write(&mut self, text: &[u8], ended: bool, stream: &str, now: Duration) {
        let mut text = String::from_utf8_lossy(text).into_owned();
        if ended {
            text.push('\n');
        }
        let text = serde_json::to_string(&text).unwrap_or_default();
        let time = rfc3339(now);
        let entry = format!("{{\"log\":{text},\"stream\":\"{stream}\",\"time\":\"{time}\"}}\n");
        let size = entry.len() as u64;
        if self.max_bytes.is_some_and(|max| self.written > 0 && self.written + size > max) {
            // Without room for a new file the old one goes on growing rather than being lost.
            let _ = self.rotate();
        }
        if self.file.write_all(entry.as_bytes()).is_ok() {
            self.written += size;
        }
    }

    fn rotate(&mut self) -> io::Result<()> {
        let numbered = |number: u32| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        if self.max_files == 1 {
            self.file.set_len(0)?;
            self.written = 0;
            return Ok(());
        }
        for number in (1..self.max_files - 1).rev() {
            let _ = fs::rename(numbered(number), numbered(number + 1));
        }
        fs::rename(&self.path, numbered(1))?;
        self.file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        self.written = 0;
        Ok(())
    }
}

/// A point in time as RFC 3339 with nanoseconds, in UTC.
fn rfc3339(since_epoch: Duration) -> String {
    let seconds = since_epoch.as_secs();
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    let nanoseconds = since_epoch.subsec_nanos();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanoseconds:09}Z")
}

/// Year, month and day of a number of days since 1970.
///
/// Counts years from 1 March of the year 0, so that a leap day is the last of its year; an era
/// of 400 years has 146,097 days.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests;
