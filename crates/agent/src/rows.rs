//! The agent's memory on disk: a log of rows, checked by sums, written anew when it has grown.
//!
//! ```text
//! rows.log    [length u32][crc32c u32][put 1 or delete 0][key length u16][key][value]…
//! ```
//!
//! What a crash cut off at the end is dropped when the log is read again: it was never promised.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use plan::agent::Row;

/// The log is written anew when it is this many bytes larger than twice what it holds.
const SLACK: u64 = 1024 * 1024;
/// Length and sum of an entry.
const HEAD: usize = 8;

/// The log, open.
#[derive(Debug)]
pub(crate) struct Rows {
    path: PathBuf,
    file: File,
    live: BTreeMap<String, Vec<u8>>,
    live_bytes: u64,
    log_bytes: u64,
}

impl Rows {
    /// Opens the log, or makes one, and reads what it holds.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join("rows.log");
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other?,
        };
        let mut live = BTreeMap::new();
        let whole = replay(&bytes, &mut live);
        if whole < bytes.len() {
            let dropped = bytes.len() - whole;
            tracing::warn!(path = %path.display(), dropped, "the end of the agent's memory was cut off");
        }
        let live_bytes = live.iter().map(|(key, value)| size(key, value)).sum();
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        file.set_len(whole as u64)?;
        file.sync_all()?;
        File::open(folder)?.sync_all()?;
        let mut rows = Self { path, file, live, live_bytes, log_bytes: whole as u64 };
        rows.shrink()?;
        Ok(rows)
    }

    /// What the log holds.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.live.iter().map(|(key, value)| (key.as_str(), value.as_slice()))
    }

    /// Writes rows; they are safe after the next [`Self::syncer`].
    pub(crate) fn append(&mut self, rows: Vec<Row>) -> io::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        for row in rows {
            entry(&row.key, row.value.as_deref(), &mut bytes);
            let before = match row.value {
                Some(value) => {
                    self.live_bytes += size(&row.key, &value);
                    self.live.insert(row.key.clone(), value)
                }
                None => self.live.remove(&row.key),
            };
            self.live_bytes -= before.map_or(0, |it| size(&row.key, &it));
        }
        self.file.write_all(&bytes)?;
        self.log_bytes += bytes.len() as u64;
        self.shrink()
    }

    /// The file whose `sync_data` makes all that was written safe.
    pub(crate) fn syncer(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Writes the log anew if most of it is of no use any more.
    fn shrink(&mut self) -> io::Result<()> {
        if self.log_bytes <= 2 * self.live_bytes + SLACK {
            return Ok(());
        }
        let fresh = self.path.with_extension("new");
        let mut bytes = Vec::new();
        for (key, value) in &self.live {
            entry(key, Some(value), &mut bytes);
        }
        let mut file = File::create(&fresh)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, &self.path)?;
        if let Some(folder) = self.path.parent() {
            File::open(folder)?.sync_all()?;
        }
        self.file = OpenOptions::new().append(true).open(&self.path)?;
        self.log_bytes = bytes.len() as u64;
        Ok(())
    }
}

fn size(key: &str, value: &[u8]) -> u64 {
    (HEAD + 3 + key.len() + value.len()) as u64
}

fn entry(key: &str, value: Option<&[u8]>, to: &mut Vec<u8>) {
    let mut body = vec![u8::from(value.is_some())];
    let length = u16::try_from(key.len()).unwrap_or(u16::MAX);
    body.extend(length.to_be_bytes());
    body.extend(key.bytes().take(usize::from(length)));
    body.extend(value.unwrap_or_default());
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    to.extend(length.to_be_bytes());
    to.extend(crc32c::crc32c(&body).to_be_bytes());
    to.extend(body);
}

/// Reads entries up to the first that is not whole; answers how many bytes are.
fn replay(bytes: &[u8], live: &mut BTreeMap<String, Vec<u8>>) -> usize {
    let mut at = 0;
    while let Some((body, next)) = body_at(bytes, at) {
        let Some((put, rest)) = body.split_first() else { return at };
        let Some((length, rest)) = rest.split_first_chunk::<2>() else { return at };
        let Some((key, value)) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
        else {
            return at;
        };
        let key = String::from_utf8_lossy(key).into_owned();
        if *put == 1 {
            live.insert(key, value.to_vec());
        } else {
            live.remove(&key);
        }
        at = next;
    }
    at
}

/// The body of the entry that begins here, and where the next one does.
fn body_at(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let (length, rest) = bytes.get(at..)?.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let body = rest.get(..length)?;
    (crc32c::crc32c(body) == u32::from_be_bytes(*sum)).then_some((body, at + HEAD + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &str, value: &str) -> Row {
        Row { key: key.into(), value: Some(value.into()) }
    }

    fn held(rows: &Rows) -> String {
        let pairs = rows.iter().map(|(key, value)| format!("{key}={}", value.escape_ascii()));
        pairs.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_was_written_is_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut rows = Rows::open(folder.path()).expect("opens");
        rows.append(vec![put("a", "1"), put("b", "2"), put("a", "3")]).expect("writes");
        rows.append(vec![Row { key: "b".into(), value: None }]).expect("writes");
        drop(rows);
        assert_eq!(held(&Rows::open(folder.path()).expect("opens")), "a=3");
    }

    #[test]
    fn a_log_cut_off_anywhere_holds_the_entries_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut rows = Rows::open(folder.path()).expect("opens");
        rows.append(vec![put("first", "1")]).expect("writes");
        let whole = rows.log_bytes;
        rows.append(vec![put("second", "2")]).expect("writes");
        let path = folder.path().join("rows.log");
        let bytes = fs::read(&path).expect("reads");
        for cut in usize::try_from(whole).expect("small")..bytes.len() {
            fs::write(&path, &bytes[..cut]).expect("writes");
            let mut again = Rows::open(folder.path()).expect("opens");
            assert_eq!(held(&again), "first=1");
            again.append(vec![put("third", "3")]).expect("writes");
            assert_eq!(held(&Rows::open(folder.path()).expect("opens")), "first=1 third=3");
        }
    }

    #[test]
    fn a_log_that_has_grown_is_written_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut rows = Rows::open(folder.path()).expect("opens");
        let large = "x".repeat(100_000);
        for _ in 0..40 {
            rows.append(vec![put("a", &large)]).expect("writes");
        }
        assert!(rows.log_bytes < 2 * SLACK, "{}", rows.log_bytes);
        assert_eq!(Rows::open(folder.path()).expect("opens").iter().count(), 1);
    }
}
