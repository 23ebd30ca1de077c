//! Whoever carries what is over into the history, step by step as production does: looks what is
//! due, makes it durable in the history, has it taken out of the state. Its process may end between
//! any two steps.

use core::time::Duration;
use std::collections::BTreeSet;

use reconcilers::{Due, Past, Policy};
use state::{Caller, Change, State};
use types::{TaskId, Timestamp};

use crate::event::{Event, RegionEvent};
use crate::lot::Lot;
use crate::plant::Plant;
use crate::region::{Cause, Release};
use crate::violation::{Checked, Invariant, broken};
use crate::world::World;

/// The longest and the shortest time between two looks at the state, in milliseconds.
const LOOK_EVERY: (u64, u64) = (50, 5_000);
/// The longest that writing the history down takes, in milliseconds.
const KEEPING: u64 = 2_000;
/// Where a history is kept, stopped tasks stay in the state for so long, so that many leave it.
const KEPT: Duration = Duration::from_mins(1);

/// Something that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Entry {
    Task(TaskId),
    Audit(u64),
}

/// The history: what is durable of it, and what is not yet.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    entries: Vec<Entry>,
    durable: usize,
}

impl Archive {
    /// Writes down what is not there yet.
    fn append(&mut self, due: &Due) {
        let there: BTreeSet<Entry> = self.entries.iter().copied().collect();
        let tasks = due.tasks.iter().map(|it| Entry::Task(it.id));
        let all = tasks.chain(due.audits.iter().map(|it| Entry::Audit(it.number)));
        self.entries.extend(all.filter(|it| !there.contains(it)));
    }

    fn sync(&mut self) {
        self.durable = self.entries.len();
    }

    /// The process ends: any part of what is not durable is lost.
    pub(crate) fn crash(&mut self, lot: &mut Lot) {
        let open = self.entries.len() - self.durable;
        let left = usize::try_from(lot.below(open as u64 + 1)).unwrap_or_default();
        self.entries.truncate(self.durable + left);
        self.sync();
    }

    fn durable(&self) -> impl Iterator<Item = Entry> {
        self.entries.iter().take(self.durable).copied()
    }
}

impl World {
    /// What the region keeps, and for how long.
    pub(crate) fn policy(&self) -> Policy {
        match self.swarm.archives {
            true => Policy { stopped_kept: KEPT, past: Past::Archived, ..Policy::default() },
            false => Policy::default(),
        }
    }

    /// First step: what is due?
    pub(crate) fn look_back(&mut self) -> Checked {
        let policy = self.policy();
        self.job(Cause::Review, |core| {
            let due = reconcilers::due(core.state(), &policy, core.now(), Due::CARRIED_MAX);
            Release::Due(due)
        })
    }

    /// Second step: it is written down, and durable some time later.
    pub(crate) fn keep(&mut self, due: Due) -> Checked {
        self.archive.append(&due);
        if self.plant == Some(Plant::ForgetsUnkept) {
            return self.forget(due);
        }
        let wait = self.lots.region.between(1, KEEPING);
        let life = self.region.life;
        let kept = RegionEvent::Kept { life, due: Box::new(due) };
        self.agenda.after(wait, Event::Region(kept));
        Ok(())
    }

    /// It is durable in the history.
    pub(crate) fn kept(&mut self, due: Due) -> Checked {
        self.archive.sync();
        self.forget(due)
    }

    /// Third step: it leaves the state.
    fn forget(&mut self, due: Due) -> Checked {
        let again_at = due.again_at;
        self.job(Cause::Archivist, |core| {
            for part in due.parts() {
                core.write(Caller::region(), 0, |draft, _| reconcilers::forget(draft, &part));
            }
            Release::Forgotten { again_at }
        })
    }

    /// It has left the state.
    pub(crate) fn forgotten(&mut self, again_at: Option<Timestamp>) {
        let now = self.region_clock();
        let (least, most) = LOOK_EVERY;
        let wait = again_at.and_then(|at| u64::try_from(at.since(now).as_millis()).ok());
        let life = self.region.life;
        let wait = wait.unwrap_or(most).clamp(least, most);
        self.agenda.after(wait, Event::Region(RegionEvent::LookBack { life }));
    }

    /// What leaves the state is in the history by then.
    pub(crate) fn check_kept(&self, changes: &[Change]) -> Checked {
        if !self.swarm.archives {
            return Ok(());
        }
        let leaving = changes.iter().filter_map(|it| match it {
            Change::Task(id, None) => Some(Entry::Task(*id)),
            Change::Audit(number, None) => Some(Entry::Audit(*number)),
            _ => None,
        });
        for entry in leaving {
            if !self.archive.durable().any(|it| it == entry) {
                return broken(Invariant::Retention, format!("{entry:?} leaves and is not kept"));
            }
        }
        Ok(())
    }

    /// Whatever is over is in the state or in the history, and there once. Readers look at the state
    /// first and pass over what they have seen.
    pub(crate) fn check_history(&self) -> Checked {
        if !self.swarm.archives {
            return Ok(());
        }
        let state: &State = &self.region.shadow;
        let kept: BTreeSet<Entry> = self.archive.durable().collect();
        if kept.len() != self.archive.durable {
            return broken(Invariant::Retention, "the history tells something twice");
        }
        let there = |it: &Entry| match it {
            Entry::Task(id) => state.task(*id).is_some(),
            Entry::Audit(number) => state.audits().contains_key(number),
        };
        match self.ledger.over().find(|it| !there(it) && !kept.contains(it)) {
            Some(lost) => {
                broken(Invariant::Retention, format!("{lost:?} is neither in the state nor kept"))
            }
            None => Ok(()),
        }
    }
}
