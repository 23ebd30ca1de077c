//! What happens next: events by time, and in the order they were planned within one instant.

use std::collections::BTreeMap;

use crate::event::Event;

/// Events to come. Time is in milliseconds since the run began.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    now: u64,
    planned: u64,
    events: BTreeMap<(u64, u64), Event>,
}

impl Agenda {
    /// The present.
    pub(crate) fn now(&self) -> u64 {
        self.now
    }

    /// Plans an event after a wait.
    pub(crate) fn after(&mut self, wait: u64, event: Event) {
        self.at(self.now.saturating_add(wait), event);
    }

    /// Plans an event for a time; what lies in the past happens at once.
    pub(crate) fn at(&mut self, at: u64, event: Event) {
        self.planned += 1;
        self.events.insert((at.max(self.now), self.planned), event);
    }

    /// When the next event is.
    pub(crate) fn due(&self) -> Option<u64> {
        self.events.keys().next().map(|(at, _)| *at)
    }

    /// Lets time pass without an event.
    pub(crate) fn wait_until(&mut self, at: u64) {
        self.now = self.now.max(at);
    }

    /// Moves on to the next event.
    pub(crate) fn next(&mut self) -> Option<Event> {
        let ((at, _), event) = self.events.pop_first()?;
        self.now = at;
        Some(event)
    }
}
