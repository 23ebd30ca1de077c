//! What has had its time in the state: stopped tasks after their hour (handbook 2.4), and rows of
//! the audit trail.
//!
//! Two plain steps. [`due`] says what may leave, [`forget`] takes it out of the state by an
//! ordinary write. Whoever keeps a history puts what is due into it in between, and makes that
//! durable: a crash after that finds the same rows due again, and nothing is lost or written twice.
//! Where no history is kept, [`PastReaper`] takes the one step after the other.

use core::time::Duration;
use std::sync::Arc;

use state::{Audit, Change, Context, Draft, State, Task};
use types::Timestamp;

use crate::{Outcome, Policy, Reconciler, Subject};

/// What becomes of rows whose time in the state is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Past {
    /// They go. The audit trail keeps its newest rows.
    Forgotten,
    /// An archivist puts them into the history and takes them away then.
    Archived,
}

/// So many rows of the audit trail stay in the state at most. A row has about 400 bytes.
pub(crate) const AUDITS_KEPT: u64 = 10_000;

/// The audit trail is looked at whenever it has grown by so many rows.
const AUDITS_LOOKED_AT_EVERY: u64 = 64;

/// Rows whose time in the state is over.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Due {
    /// Tasks, the longest stopped first.
    pub tasks: Vec<Arc<Task>>,
    /// Rows of the audit trail, the oldest first.
    pub audits: Vec<Arc<Audit>>,
    /// When more will be due; `None` if nothing is in sight.
    pub again_at: Option<Timestamp>,
}

impl Due {
    /// Most rows that an archivist should carry in one turn. A backlog leaves the state at that rate
    /// for each sync of the history, and the writer describes no more than so many rows in one go:
    /// a few milliseconds.
    pub const CARRIED_MAX: usize = 1_000;

    /// Whether nothing is due.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.audits.is_empty()
    }

    /// How many there are.
    pub fn rows(&self) -> usize {
        self.tasks.len() + self.audits.len()
    }

    /// The same in parts, each as much as one write takes away.
    pub fn parts(&self) -> impl Iterator<Item = Self> {
        let tasks = self.tasks.chunks(state::CHANGES_MAX);
        let audits = self.audits.chunks(state::CHANGES_MAX);
        let of_tasks = tasks.map(|it| Self { tasks: it.to_vec(), ..Self::default() });
        of_tasks.chain(audits.map(|it| Self { audits: it.to_vec(), ..Self::default() }))
    }
}

/// What may leave the state now, at most so many rows. A task that still holds resources of a lost
/// instance stays until they are released.
pub fn due(state: &State, policy: &Policy, now: Timestamp, most: usize) -> Due {
    let old = |at: Timestamp| at.after(policy.stopped_kept) <= now;
    let stopped = || state.indexes().stopped().iter();
    let tasks: Vec<_> = stopped()
        .take_while(|(at, _)| old(*at))
        .filter_map(|(_, id)| state.task(*id).filter(|it| it.released).cloned())
        .take(most)
        .collect();
    let audits = due_audits(state, policy, now, most - tasks.len());
    if tasks.len() + audits.len() == most {
        return Due { tasks, audits, again_at: Some(now) };
    }
    let next_task = stopped().map(|(at, _)| *at).find(|at| !old(*at));
    let next_task = next_task.map(|at| at.after(policy.stopped_kept));
    let first_left = audits.last().map_or(0, |it| it.number + 1);
    let next_audit = audits_age(policy)
        .and_then(|kept| Some(state.audits().range(first_left..).next()?.1.at.after(kept)));
    let again_at = [next_task, next_audit].into_iter().flatten().min();
    Due { tasks, audits, again_at }
}

fn due_audits(state: &State, policy: &Policy, now: Timestamp, most: usize) -> Vec<Arc<Audit>> {
    let Some((newest, _)) = state.audits().last_key_value() else { return Vec::new() };
    let crowded = |it: &Audit| it.number + policy.audits_kept <= *newest;
    let old = |it: &Audit| audits_age(policy).is_some_and(|kept| it.at.after(kept) <= now);
    let rows = state.audits().values();
    rows.take_while(|it| crowded(it) || old(it)).take(most).cloned().collect()
}

/// How long rows of the audit trail stay, where a history has them afterwards.
fn audits_age(policy: &Policy) -> Option<Duration> {
    (policy.past == Past::Archived).then_some(policy.stopped_kept)
}

/// Takes rows away that were due, unless they have changed since: those will be due again.
pub fn forget(draft: &mut Draft<'_>, due: &Due) {
    for task in &due.tasks {
        if draft.state().task(task.id) == Some(task) {
            draft.change(Change::Task(task.id, None));
        }
    }
    for audit in &due.audits {
        if draft.state().audits().contains_key(&audit.number) {
            draft.change(Change::Audit(audit.number, None));
        }
    }
}

/// Forgets what is due where no history is kept.
pub(crate) struct PastReaper {
    pub(crate) policy: Policy,
}

impl Reconciler for PastReaper {
    fn name(&self) -> &'static str {
        "past-reaper"
    }

    fn subjects(&self, _: &State) -> Vec<Subject> {
        vec![Subject::Region]
    }

    fn woken_by(&self, change: &Change) -> Option<Subject> {
        let wakes = match change {
            Change::Task(_, Some(it)) => it.is_over(),
            Change::Audit(number, Some(_)) => number.is_multiple_of(AUDITS_LOOKED_AT_EVERY),
            _ => false,
        };
        wakes.then_some(Subject::Region)
    }

    fn review(&self, draft: &mut Draft<'_>, _: &Subject, context: &mut Context<'_>) -> Outcome {
        let due = due(draft.state(), &self.policy, context.now, state::CHANGES_MAX);
        forget(draft, &due);
        match due.again_at {
            Some(at) if at <= context.now => Outcome::Again,
            Some(at) => Outcome::AgainAt(at),
            None => Outcome::Settled,
        }
    }
}
