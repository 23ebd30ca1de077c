//! Who must look at what, from when.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use state::{Change, Context, Draft, State};
use types::Timestamp;

use crate::{Outcome, Reconciler, Subject};

/// How often everything is looked at in case a wake-up was forgotten.
const SWEEP_EVERY: Duration = Duration::from_mins(5);

/// What one turn of the queue did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reviewed {
    /// Which reconciler.
    pub reconciler: &'static str,
    /// What it looked at.
    pub subject: Subject,
    /// How many changes it proposed.
    pub changes: usize,
}

type Seat = usize;

/// The order of reviews: by due time, then reconciler, then subject; a subject stands in it at
/// most once for each reconciler.
pub struct Queue {
    reconcilers: Vec<Box<dyn Reconciler>>,
    order: BTreeSet<(Timestamp, Seat, Subject)>,
    due: BTreeMap<(Seat, Subject), Timestamp>,
    sweep_at: Timestamp,
}

impl Queue {
    /// A queue in which everything is due at once, as after a restart.
    pub fn new(reconcilers: Vec<Box<dyn Reconciler>>, state: &State, now: Timestamp) -> Self {
        let mut queue = Self {
            reconcilers,
            order: BTreeSet::new(),
            due: BTreeMap::new(),
            sweep_at: now.after(SWEEP_EVERY),
        };
        queue.wake_all(state, now);
        queue
    }

    /// Takes in a change of the state.
    pub fn hear(&mut self, change: &Change, now: Timestamp) {
        for seat in 0..self.reconcilers.len() {
            let woken = self.reconcilers.get(seat).and_then(|it| it.woken_by(change));
            if let Some(subject) = woken {
                self.wake(seat, subject, now);
            }
        }
    }

    /// When the next review is due.
    pub fn due(&self) -> Timestamp {
        self.order.first().map_or(self.sweep_at, |(at, _, _)| (*at).min(self.sweep_at))
    }

    /// Does the next due review, if there is one. The caller hears the draft's changes next.
    pub fn turn(&mut self, draft: &mut Draft<'_>, context: &mut Context<'_>) -> Option<Reviewed> {
        if self.sweep_at <= context.now {
            self.sweep_at = context.now.after(SWEEP_EVERY);
            self.wake_all(draft.state(), context.now);
        }
        let (at, seat, subject) = self.order.first()?.clone();
        if at > context.now {
            return None;
        }
        self.order.pop_first();
        self.due.remove(&(seat, subject.clone()));
        let reconciler = self.reconcilers.get(seat)?;
        let outcome = reconciler.review(draft, &subject, context);
        let name = reconciler.name();
        match outcome {
            Outcome::Settled => {}
            Outcome::Again => self.wake(seat, subject.clone(), context.now),
            Outcome::AgainAt(at) => self.wake(seat, subject.clone(), at),
            Outcome::Others(all) => all.into_iter().for_each(|(it, at)| self.wake(seat, it, at)),
        }
        Some(Reviewed { reconciler: name, subject, changes: draft.changes().len() })
    }

    fn wake_all(&mut self, state: &State, now: Timestamp) {
        for seat in 0..self.reconcilers.len() {
            let subjects = self.reconcilers.get(seat).map(|it| it.subjects(state));
            for subject in subjects.into_iter().flatten() {
                self.wake(seat, subject, now);
            }
        }
    }

    fn wake(&mut self, seat: Seat, subject: Subject, at: Timestamp) {
        let key = (seat, subject);
        match self.due.get(&key) {
            Some(earlier) if *earlier <= at => return,
            Some(later) => {
                self.order.remove(&(*later, seat, key.1.clone()));
            }
            None => {}
        }
        self.order.insert((at, seat, key.1.clone()));
        self.due.insert(key, at);
    }
}
