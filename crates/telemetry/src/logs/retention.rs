//! Events past their group's retention give their disk space back.
//!
//! Places in a stream are bytes in its file and clients hold them, so a file keeps its length:
//! where its old events lay is a hole. A file beside it says where the first event is that counts;
//! it is durable before the hole is made.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};

use super::stream::Reader;
use super::{Attempt as _, LogError};

/// Milliseconds of a day.
const DAY: i64 = 24 * 60 * 60 * 1000;
/// Less than this is not worth a hole: file systems give whole blocks back.
const WORTH: u64 = 64 * 1024;

/// Events before this time are past a retention of so many days.
pub(super) fn cutoff(now: i64, days: u32) -> i64 {
    now.saturating_sub(i64::from(days).saturating_mul(DAY))
}

/// Where the first event lies that is not past its time. Events lie in order of arrival: an old one
/// behind a young one stays with it.
pub(super) fn first_kept(reader: &Reader, cutoff: i64) -> Result<u64, LogError> {
    let mut place = reader.head;
    while let Some((event, next)) = reader.next(place)? {
        if event.timestamp >= cutoff {
            break;
        }
        place = next;
    }
    Ok(place)
}

/// Whether the space before a place is worth giving back; at the end of a stream any is.
pub(super) fn is_worth_it(reader: &Reader, kept: u64) -> bool {
    kept > reader.head && (kept - reader.head >= WORTH || kept == reader.end)
}

/// Gives the space of events before `kept` back.
pub(super) fn give_back(reader: &Reader, kept: u64) -> Result<(), LogError> {
    write_mark(&reader.path, kept)?;
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    let hole = fallocate(&reader.file, flags, reader.head, kept - reader.head);
    hole.map_err(std::io::Error::from).attempt("giving space back of", &reader.path)
}

/// The file that says where a stream's first event is.
pub(super) fn mark(stream: &Path) -> PathBuf {
    stream.with_extension("begin")
}

/// Where the first event of a stream is, if old ones were given back.
pub(super) fn read_mark(stream: &Path) -> Result<Option<u64>, LogError> {
    let path = mark(stream);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim().parse().ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).attempt("reading", &path),
    }
}

fn write_mark(stream: &Path, place: u64) -> Result<(), LogError> {
    let (path, fresh) = (mark(stream), stream.with_extension("begin-new"));
    let write = || {
        let mut file = File::create(&fresh)?;
        write!(file, "{place}")?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        stream.parent().map_or(Ok(()), |it| File::open(it)?.sync_all())
    };
    write().attempt("writing", &path)
}
