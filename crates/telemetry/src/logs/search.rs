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
    /// The last event that an earlier answer has held.
    pub after: Option<Place>,
}

/// Where an event stands among those of all streams. It stays there while streams come, grow and go.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The latest time of its stream by then: events of a stream keep their order of arrival.
    pub at: i64,
    /// Name of the stream.
    pub stream: String,
    /// Place in it.
    pub place: u64,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Name of the stream, place in it, event; in order of time.
    pub events: Vec<(String, u64, Event)>,
    /// The last of them, if there is more.
    pub more_after: Option<Place>,
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
        for reader in readers {
            heads.extend(self.head(reader, reader.head, i64::MIN)?);
        }
        let mut found = Found { events: Vec::new(), more_after: None };
        let (mut bytes, mut last) = (0, None);
        while let Some(Reverse(Head { order, reader, next, event })) = heads.pop() {
            heads.extend(self.head(reader, next, order.at)?);
            if self.after.as_ref().is_some_and(|it| order <= *it) {
                continue;
            }
            if found.events.len() >= self.limits.events || bytes >= self.limits.bytes {
                found.more_after = last;
                break;
            }
            bytes += event.message.len();
            found.events.push((order.stream.clone(), order.place, event));
            last = Some(order);
        }
        Ok(found)
    }

    /// The next event of a stream that matches, from a place on; what came before it was as late as
    /// `since`.
    fn head<'a>(
        &self,
        reader: &'a Reader,
        mut place: u64,
        since: i64,
    ) -> Result<Option<Reverse<Head<'a>>>, LogError> {
        while let Some((event, next)) = reader.next(place)? {
            let in_time = (self.limits.start..self.limits.end).contains(&event.timestamp);
            if in_time && self.pattern.matches(&event.message) {
                let at = event.timestamp.max(since);
                let order = Place { at, stream: reader.name.clone(), place };
                return Ok(Some(Reverse(Head { order, reader, next, event })));
            }
            place = next;
        }
        Ok(None)
    }
}

/// The first event of a stream that was not taken yet.
struct Head<'a> {
    order: Place,
    reader: &'a Reader,
    next: u64,
    event: Event,
}

impl PartialEq for Head<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Head<'_> {}

impl PartialOrd for Head<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head<'_> {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.order.cmp(&other.order)
    }
}
