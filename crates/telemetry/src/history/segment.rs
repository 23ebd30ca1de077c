//! One file of entries, from its first byte to its last.

use super::files::{File, Files};
use super::frame::{self, Entry};
use super::index::{Facts, Lines};
use super::{Attempt as _, DAY, HistoryError};

/// First bytes of a segment.
const MAGIC: [u8; 8] = *b"LFHIST01";

/// A segment that still grows.
pub(super) struct Active {
    pub(super) number: u64,
    /// The day on which it began, since 1970.
    pub(super) day: i64,
    pub(super) lines: Lines,
    pub(super) facts: Facts,
    file: Box<dyn File>,
    /// Whether something may lie behind the end that no append has promised.
    torn: bool,
}

/// Name of a segment's file.
pub(super) fn name(number: u64) -> String {
    format!("{number:010}.seg")
}

/// Name of the file of its index.
pub(super) fn index_name(number: u64) -> String {
    format!("{number:010}.idx")
}

impl Active {
    /// Begins a segment.
    pub(super) fn begin(files: &dyn Files, number: u64, day: i64) -> Result<Self, HistoryError> {
        let name = name(number);
        let make = || {
            let mut file = files.create(&name)?;
            file.write_at(0, &MAGIC)?;
            file.sync()?;
            files.sync_names()?;
            Ok(file)
        };
        let file = make().attempt("making", &name)?;
        Ok(Self { number, day, lines: Lines::new(), facts: empty(), file, torn: false })
    }

    /// Goes through a segment's entries. What is damaged is passed over; what lies behind the last
    /// whole one is no entry.
    pub(super) fn read(files: &dyn Files, number: u64) -> Result<Self, HistoryError> {
        let name = name(number);
        let file = files.open(&name).attempt("opening", &name)?;
        let size = file.size().attempt("measuring", &name)?;
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        file.read_at(0, &mut bytes).attempt("reading", &name)?;
        let mut it =
            Self { number, day: i64::MIN, lines: Lines::new(), facts: empty(), file, torn: true };
        let mut place = MAGIC.len();
        while let Some(rest) = bytes.get(place..).filter(|it| !it.is_empty()) {
            match entry_in(rest) {
                Some((entry, length)) => {
                    it.note(&entry, place as u64);
                    place += length;
                    it.facts.end = place as u64;
                }
                None => place += 1,
            }
        }
        it.day = it.facts.last.div_euclid(DAY);
        Ok(it)
    }

    /// Makes what was read durable and cuts off what no append has promised.
    pub(super) fn settle(&mut self) -> Result<(), HistoryError> {
        let name = name(self.number);
        // A segment of which not even the first bytes are there has just begun.
        if self.facts.end == MAGIC.len() as u64 {
            self.file.write_at(0, &MAGIC).attempt("writing", &name)?;
        }
        self.torn = true;
        self.cut(&name)?;
        self.file.sync().attempt("syncing", &name)
    }

    /// Adds entries. After a failure nothing of them counts; the next append writes over what has
    /// come so far, so that no sync is believed which only repeats one that failed.
    pub(super) fn append(&mut self, entries: &[&Entry]) -> Result<(), HistoryError> {
        let name = name(self.number);
        self.cut(&name)?;
        let mut bytes = Vec::new();
        let mut starts = Vec::new();
        for entry in entries {
            starts.push(self.facts.end + bytes.len() as u64);
            entry.write(&mut bytes);
        }
        self.torn = true;
        let end = self.facts.end;
        let file = &mut self.file;
        let written = file.write_at(end, &bytes).and_then(|()| file.sync());
        if written.is_err() && file.cut(end).is_ok() {
            self.torn = false;
        }
        written.attempt("writing", &name)?;
        self.torn = false;
        for (entry, place) in entries.iter().zip(starts) {
            self.note(entry, place);
        }
        self.facts.end = end + bytes.len() as u64;
        Ok(())
    }

    fn cut(&mut self, name: &str) -> Result<(), HistoryError> {
        if self.torn {
            self.file.cut(self.facts.end).attempt("cutting", name)?;
            self.torn = false;
        }
        Ok(())
    }

    fn note(&mut self, entry: &Entry, place: u64) {
        let place = u32::try_from(place).expect("a segment is far smaller than 4 GiB");
        self.facts.first = self.facts.first.min(entry.at);
        self.facts.last = self.facts.last.max(entry.at);
        self.lines.extend(entry.all_keys().map(|key| (key, place)));
    }
}

/// A segment without entries: no time lies between its first and its last.
fn empty() -> Facts {
    Facts { first: i64::MAX, last: i64::MIN, end: MAGIC.len() as u64 }
}

/// The whole entry that these bytes begin with, and its length.
fn entry_in(bytes: &[u8]) -> Option<(Entry, usize)> {
    let (head, rest) = bytes.split_first_chunk()?;
    let length = Entry::length(*head)?;
    let entry = Entry::read(*head, rest.get(..length)?)?;
    Some((entry, frame::HEAD + length))
}

/// The entry at a place of a file; `None` if it is damaged.
pub(super) fn entry_at(file: &dyn File, place: u64) -> std::io::Result<Option<Entry>> {
    let mut head = [0; frame::HEAD];
    file.read_at(place, &mut head)?;
    let behind = file.size()?.saturating_sub(place + frame::HEAD as u64);
    let fits = |it: &usize| *it as u64 <= behind;
    let Some(length) = Entry::length(head).filter(fits) else { return Ok(None) };
    let mut rest = vec![0; length];
    file.read_at(place + frame::HEAD as u64, &mut rest)?;
    Ok(Entry::read(head, &rest))
}
