//! All segments of an archive: one that grows, and those that are full.

use std::collections::BTreeMap;

use super::files::Files;
use super::frame::{BODY_MAX, Entry, KEYS_MAX};
use super::index::{self, Facts, Sealed};
use super::query::{Found, Place, Query};
use super::segment::{Active, entry_at, index_name, name};
use super::{Attempt as _, DAY, HistoryError};

/// A segment of so many bytes is full: small enough to read when its index must be made anew,
/// large enough that there are few of them.
pub(super) const SEGMENT_MAX: u64 = 8 << 20;

/// So many entries one query looks at; its answer says where to go on.
const EXAMINED_MAX: usize = 10_000;

pub(super) struct Segments {
    files: Box<dyn Files>,
    sealed: BTreeMap<u64, Facts>,
    active: Option<Active>,
    next: u64,
}

impl Segments {
    pub(super) fn open(files: Box<dyn Files>) -> Result<Self, HistoryError> {
        let names = files.list().attempt("listing", "the history")?;
        let numbers = |ending: &str| -> Vec<u64> {
            let stems = names.iter().filter_map(|it| it.strip_suffix(ending));
            stems.filter_map(|it| it.parse().ok()).collect()
        };
        let all = numbers(".seg");
        for orphan in numbers(".idx").into_iter().filter(|it| !all.contains(it)) {
            let name = index_name(orphan);
            files.remove(&name).attempt("removing", &name)?;
        }
        let mut it = Self { files, sealed: BTreeMap::new(), active: None, next: 1 };
        for number in all {
            it.next = it.next.max(number + 1);
            it.adopt(number)?;
        }
        Ok(it)
    }

    /// Takes in a segment that is there; a growing one that is not the newest is full.
    fn adopt(&mut self, number: u64) -> Result<(), HistoryError> {
        self.seal()?;
        let index = Sealed::open(self.files.as_ref(), &index_name(number));
        if let Some(index) = index {
            self.sealed.insert(number, index.facts);
            return Ok(());
        }
        let mut active = Active::read(self.files.as_ref(), number)?;
        active.settle()?;
        self.active = Some(active);
        Ok(())
    }

    pub(super) fn append(&mut self, entries: &[Entry], now: i64) -> Result<(), HistoryError> {
        let day = now.div_euclid(DAY);
        let mut fresh: Vec<&Entry> = Vec::new();
        for entry in entries {
            if entry.body.len() > BODY_MAX || entry.keys.len() > KEYS_MAX {
                let long = std::io::Error::from(std::io::ErrorKind::InvalidInput);
                return Err(long).attempt("writing", "an entry that is too long");
            }
            let twice = fresh.iter().any(|it| it.identity == entry.identity);
            if !twice && !self.holds(entry)? {
                fresh.push(entry);
            }
        }
        if fresh.is_empty() {
            return Ok(());
        }
        if self.active.as_ref().is_some_and(|it| it.day != day || it.facts.end >= SEGMENT_MAX) {
            self.seal()?;
        }
        let active = match &mut self.active {
            Some(active) => active,
            none => {
                let begun = Active::begin(self.files.as_ref(), self.next, day)?;
                self.next += 1;
                none.insert(begun)
            }
        };
        active.append(&fresh)
    }

    /// Whether this very entry is there: its time tells in which segments it may be.
    fn holds(&self, entry: &Entry) -> Result<bool, HistoryError> {
        let upper = u64::try_from(entry.identity >> 64).unwrap_or(u64::MAX);
        let query = Query {
            by: super::By::Identity(upper..=upper),
            times: entry.at..=entry.at,
            before: None,
            limit: 1,
        };
        Ok(!self.find(&query, &mut |it| it.identity == entry.identity)?.entries.is_empty())
    }

    /// Gives the growing segment its index; from then on it is full.
    fn seal(&mut self) -> Result<(), HistoryError> {
        if let Some(active) = &self.active {
            let name = index_name(active.number);
            index::write(self.files.as_ref(), &name, &active.lines, active.facts)?;
            self.sealed.insert(active.number, active.facts);
            self.active = None;
        }
        Ok(())
    }

    pub(super) fn find(
        &self,
        query: &Query,
        accepts: &mut dyn FnMut(&Entry) -> bool,
    ) -> Result<Found, HistoryError> {
        let mut found = Found { entries: Vec::new(), next: None };
        let mut examined = 0;
        for (number, facts) in self.newest_first() {
            let behind = query.before.is_some_and(|it| number > it.segment);
            if behind || !facts.meets(&query.times) {
                continue;
            }
            let places = self.places(number, query)?;
            if places.is_empty() {
                continue;
            }
            let file = self.files.open(&name(number)).attempt("opening", &name(number))?;
            for offset in places {
                let place = Place { segment: number, offset };
                if query.before.is_some_and(|it| place >= it) {
                    continue;
                }
                if found.entries.len() >= query.limit || examined >= EXAMINED_MAX {
                    found.next = Some(Place { offset: offset.saturating_add(1), ..place });
                    return Ok(found);
                }
                examined += 1;
                let read = entry_at(file.as_ref(), offset.into());
                let entry = read.attempt("reading", &name(number))?;
                // A damaged entry is passed over: the others are still true.
                let fits = |it: &Entry| query.times.contains(&it.at) && accepts(it);
                found.entries.extend(entry.filter(fits));
            }
        }
        Ok(found)
    }

    fn newest_first(&self) -> impl Iterator<Item = (u64, Facts)> + '_ {
        let active = self.active.iter().map(|it| (it.number, it.facts));
        active.chain(self.sealed.iter().rev().map(|(number, facts)| (*number, *facts)))
    }

    fn places(&self, number: u64, query: &Query) -> Result<Vec<u32>, HistoryError> {
        let (field, values) = query.keys();
        if let Some(active) = self.active.as_ref().filter(|it| it.number == number) {
            return Ok(index::places(&active.lines, field, &values));
        }
        let name = index_name(number);
        let Some(index) = Sealed::open(self.files.as_ref(), &name) else {
            let gone = std::io::Error::other("the index is damaged; the next start mends it");
            return Err(gone).attempt("reading", &name);
        };
        index.places(field, &values).attempt("reading", &name)
    }

    pub(super) fn expire(&mut self, before: i64) -> Result<usize, HistoryError> {
        let old = |facts: &Facts| facts.last < before;
        if self.active.as_ref().is_some_and(|it| !it.lines.is_empty() && old(&it.facts)) {
            self.seal()?;
        }
        let numbers: Vec<u64> =
            self.sealed.iter().filter(|(_, facts)| old(facts)).map(|(number, _)| *number).collect();
        for number in &numbers {
            for name in [name(*number), index_name(*number)] {
                match self.files.remove(&name) {
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    other => other.attempt("removing", &name)?,
                }
            }
            self.sealed.remove(number);
        }
        if !numbers.is_empty() {
            self.files.sync_names().attempt("syncing", "the history")?;
        }
        Ok(numbers.len())
    }
}
