//! Where a segment's entries lie, by their keys: a set in memory while the segment grows, a sorted
//! file beside it afterwards.

use core::ops::RangeInclusive;
use std::collections::BTreeSet;

use super::files::{File, Files};
use super::{Attempt as _, HistoryError, Key};

/// First bytes of an index.
const MAGIC: [u8; 8] = *b"LFHINDX1";
/// Field, value, place.
const LINE: usize = 1 + 8 + 4;
/// Magic, count of lines, first and last time, end of the last entry, checksum of all that.
const HEAD: usize = 8 + 4 + 16 + 8 + 4;

/// What is known of a segment as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    /// The earliest time of its entries.
    pub(super) first: i64,
    /// The latest.
    pub(super) last: i64,
    /// Where its last entry ends.
    pub(super) end: u64,
}

impl Facts {
    pub(super) fn meets(&self, times: &RangeInclusive<i64>) -> bool {
        self.first <= *times.end() && *times.start() <= self.last
    }
}

/// Keys and places of a segment that still grows.
pub(super) type Lines = BTreeSet<(Key, u32)>;

/// Places in descending order of entries whose field has a value in that range.
pub(super) fn places(lines: &Lines, field: u8, values: &RangeInclusive<u64>) -> Vec<u32> {
    let from = (Key { field, value: *values.start() }, 0);
    let to = (Key { field, value: *values.end() }, u32::MAX);
    if from > to {
        return Vec::new();
    }
    let mut places: Vec<u32> = lines.range(from..=to).map(|(_, place)| *place).collect();
    places.sort_unstable_by(|a, b| b.cmp(a));
    places
}

/// Writes the index of a full segment; it is durable when this returns.
pub(super) fn write(
    files: &dyn Files,
    name: &str,
    lines: &Lines,
    facts: Facts,
) -> Result<(), HistoryError> {
    let mut body = Vec::with_capacity(lines.len() * LINE);
    for (key, place) in lines {
        body.push(key.field);
        body.extend(key.value.to_le_bytes());
        body.extend(place.to_le_bytes());
    }
    let mut bytes = MAGIC.to_vec();
    bytes.extend(u32::try_from(lines.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend(facts.first.to_le_bytes());
    bytes.extend(facts.last.to_le_bytes());
    bytes.extend(facts.end.to_le_bytes());
    bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
    bytes.extend(body);
    let write = || {
        let mut file = files.create(name)?;
        file.write_at(0, &bytes)?;
        file.sync()?;
        files.sync_names()
    };
    write().attempt("writing", name)
}

/// An index in a file.
pub(super) struct Sealed {
    file: Box<dyn File>,
    lines: u32,
    pub(super) facts: Facts,
}

impl Sealed {
    /// Opens an index; `None` if there is none, or its head is damaged.
    pub(super) fn open(files: &dyn Files, name: &str) -> Option<Self> {
        let file = files.open(name).ok()?;
        let mut head = [0; HEAD];
        file.read_at(0, &mut head).ok()?;
        let number = |at: usize| Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?));
        let long = |at: usize| Some(i64::from_le_bytes(head.get(at..at + 8)?.try_into().ok()?));
        let good =
            head.starts_with(&MAGIC) && crc32c::crc32c(head.get(..HEAD - 4)?) == number(HEAD - 4)?;
        let facts =
            Facts { first: long(12)?, last: long(20)?, end: u64::try_from(long(28)?).ok()? };
        let it = Self { file, lines: number(8)?, facts };
        (good && it.file.size().ok()? == HEAD as u64 + u64::from(it.lines) * LINE as u64)
            .then_some(it)
    }

    /// Places in descending order of entries whose field has a value in that range.
    pub(super) fn places(
        &self,
        field: u8,
        values: &RangeInclusive<u64>,
    ) -> std::io::Result<Vec<u32>> {
        let from = self.first_from(Key { field, value: *values.start() })?;
        let to = match values.end().checked_add(1) {
            Some(value) => self.first_from(Key { field, value })?,
            None => self.first_from(Key { field: field.saturating_add(1), value: 0 })?,
        };
        let bytes = self.lines(from, to.max(from))?;
        let mut places: Vec<u32> =
            bytes.chunks(LINE).filter_map(line).map(|(_, place)| place).collect();
        places.sort_unstable_by(|a, b| b.cmp(a));
        Ok(places)
    }

    /// The number of the first line whose key is not before that one.
    fn first_from(&self, key: Key) -> std::io::Result<u32> {
        let (mut low, mut high) = (0, self.lines);
        while low < high {
            let middle = low + (high - low) / 2;
            let bytes = self.lines(middle, middle + 1)?;
            match line(&bytes) {
                Some((found, _)) if found < key => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    fn lines(&self, from: u32, to: u32) -> std::io::Result<Vec<u8>> {
        let count = usize::try_from(to - from).map_err(std::io::Error::other)?;
        let mut bytes = vec![0; count * LINE];
        self.file.read_at(HEAD as u64 + u64::from(from) * LINE as u64, &mut bytes)?;
        Ok(bytes)
    }
}

fn line(bytes: &[u8]) -> Option<(Key, u32)> {
    let (field, rest) = bytes.split_first()?;
    let (value, place) = rest.split_at_checked(8)?;
    let key = Key { field: *field, value: u64::from_le_bytes(value.try_into().ok()?) };
    Some((key, u32::from_le_bytes(place.try_into().ok()?)))
}
