//! Events of many streams in order of time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::stream::{Limits, Reader};
use super::{Event, LogError, Pattern};

/// What is looked for in a group.
#[derive(Debug, Clone)]
pub struct Search {
    /// These streams; all if empty.
    pub streams: Vec<String>,
    /// Streams whose name begins so.
    pub prefix: String,
    /// What a message must hold.
    pub pattern: Pattern,
    /// Times, and how much one answer may hold.
    pub limits: Limits,
    /// How many matching events come before those asked for: earlier answers have held them.
    pub skip: usize,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Name of the stream, place in it, event; in order of time.
    pub events: Vec<(String, u64, Event)>,
    /// Whether there is more.
    pub more: bool,
}

impl Search {
    pub(super) fn includes(&self, stream: &str) -> bool {
        (self.streams.is_empty() || self.streams.iter().any(|it| it == stream))
            && stream.starts_with(&self.prefix)
    }

    /// Merges the streams, each of which is in order of arrival. Costs what lies before the end of
    /// the answer.
    pub(super) fn run(&self, readers: &[Reader]) -> Result<Found, LogError> {
        let mut heads = BinaryHeap::new();
        for (index, reader) in readers.iter().enumerate() {
            if let Some(head) = self.head(readers, index, reader.head)? {
                heads.push(head);
            }
        }
        let mut found = Found { events: Vec::new(), more: false };
        let (mut skipped, mut bytes) = (0, 0);
        while let Some(Reverse(Head { index, place, next, event, .. })) = heads.pop() {
            if skipped < self.skip {
                skipped += 1;
            } else if found.events.len() >= self.limits.events || bytes >= self.limits.bytes {
                found.more = true;
                break;
            } else if let Some(reader) = readers.get(index) {
                bytes += event.message.len();
                found.events.push((reader.name.clone(), place, event));
            }
            if let Some(head) = self.head(readers, index, next)? {
                heads.push(head);
            }
        }
        Ok(found)
    }

    /// The next event of a stream that matches, from a place on.
    fn head(
        &self,
        readers: &[Reader],
        index: usize,
        mut place: u64,
    ) -> Result<Option<Reverse<Head>>, LogError> {
        let Some(reader) = readers.get(index) else { return Ok(None) };
        while let Some((event, next)) = reader.next(place)? {
            let in_time = (self.limits.start..self.limits.end).contains(&event.timestamp);
            if in_time && self.pattern.matches(&event.message) {
                let at = event.timestamp;
                return Ok(Some(Reverse(Head { at, index, place, next, event })));
            }
            place = next;
        }
        Ok(None)
    }
}

/// The first event of a stream that was not taken yet; ordered by time, then stream, then place.
struct Head {
    at: i64,
    index: usize,
    place: u64,
    next: u64,
    event: Event,
}

impl Head {
    fn order(&self) -> (i64, usize, u64) {
        (self.at, self.index, self.place)
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Head {}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}
