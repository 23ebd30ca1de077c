//! A stream's file: a head that names it, then events.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use super::event::{Event, HEAD, MESSAGE_MAX, TAIL};
use super::{Attempt as _, LogError};

/// Where a page begins. Places are bytes in the stream's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// The oldest event.
    Head,
    /// The newest event, backwards.
    Tail,
    /// This place, onwards.
    Forward(u64),
    /// This place, backwards.
    Backward(u64),
}

/// What a page may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Events not before this.
    pub start: i64,
    /// Events before this.
    pub end: i64,
    /// So many events.
    pub events: usize,
    /// So many bytes of messages.
    pub bytes: usize,
}

/// Part of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// In the order of the file.
    pub events: Vec<Event>,
    /// Where the page before ends.
    pub backward: u64,
    /// Where the next page begins.
    pub forward: u64,
}

/// Reads a stream as it was when the reader was made.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    pub(super) name: String,
    pub(super) file: Arc<File>,
    pub(super) path: PathBuf,
    /// Where the first event begins.
    pub(super) head: u64,
    /// Where the last event ends.
    pub(super) end: u64,
}

impl Reader {
    pub(super) fn page(&self, from: From, limits: &Limits) -> Result<Page, LogError> {
        match from {
            From::Head => self.onwards(self.head, limits),
            From::Forward(place) => self.onwards(place.clamp(self.head, self.end), limits),
            From::Tail => self.backwards(self.end, limits),
            From::Backward(place) => self.backwards(place.clamp(self.head, self.end), limits),
        }
    }

    /// The event that begins at a place, and where the next one begins.
    pub(super) fn next(&self, place: u64) -> Result<Option<(Event, u64)>, LogError> {
        if place.saturating_add((HEAD + TAIL) as u64) > self.end {
            return Ok(None);
        }
        let length = self.length(place)?;
        let size = Event::size(length);
        let event = self.event(place, size)?;
        Ok(event.map(|event| (event, place + size)))
    }

    fn previous(&self, place: u64) -> Result<Option<(Event, u64)>, LogError> {
        if place < self.head + (HEAD + TAIL) as u64 {
            return Ok(None);
        }
        let size = Event::size(self.length(place - TAIL as u64)?);
        let Some(begin) = place.checked_sub(size).filter(|it| *it >= self.head) else {
            return Ok(None);
        };
        let event = self.event(begin, size)?;
        Ok(event.map(|event| (event, begin)))
    }

    fn onwards(&self, mut place: u64, limits: &Limits) -> Result<Page, LogError> {
        let backward = place;
        let mut taken = Taken::default();
        while let Some((event, next)) = self.next(place)? {
            if taken.is_full(limits) {
                break;
            }
            taken.offer(event, limits);
            place = next;
        }
        Ok(Page { events: taken.events, backward, forward: place })
    }

    fn backwards(&self, mut place: u64, limits: &Limits) -> Result<Page, LogError> {
        let forward = place;
        let mut taken = Taken::default();
        while let Some((event, begin)) = self.previous(place)? {
            if taken.is_full(limits) {
                break;
            }
            taken.offer(event, limits);
            place = begin;
        }
        taken.events.reverse();
        Ok(Page { events: taken.events, backward: place, forward })
    }

    fn length(&self, place: u64) -> Result<u32, LogError> {
        let mut bytes = [0; 4];
        self.file.read_exact_at(&mut bytes, place).attempt("reading", &self.path)?;
        Ok(u32::from_le_bytes(bytes))
    }

    /// `None` where no event lies: a place that a client made up.
    fn event(&self, place: u64, size: u64) -> Result<Option<Event>, LogError> {
        let fits = size <= (MESSAGE_MAX + HEAD + TAIL) as u64 && place + size <= self.end;
        let Some(size) = usize::try_from(size).ok().filter(|_| fits) else { return Ok(None) };
        let mut bytes = vec![0; size];
        self.file.read_exact_at(&mut bytes, place).attempt("reading", &self.path)?;
        Ok(Event::read(&bytes))
    }
}

#[derive(Default)]
struct Taken {
    events: Vec<Event>,
    bytes: usize,
}

impl Taken {
    fn is_full(&self, limits: &Limits) -> bool {
        self.events.len() >= limits.events || self.bytes >= limits.bytes
    }

    fn offer(&mut self, event: Event, limits: &Limits) {
        if (limits.start..limits.end).contains(&event.timestamp) {
            self.bytes += event.message.len();
            self.events.push(event);
        }
    }
}
