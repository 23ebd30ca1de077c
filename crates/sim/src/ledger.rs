//! What must hold of every transaction, told from what was durable before it.

mod launches;
mod reply;
mod rows;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use state::{Change, Outcome, State, TokenKey};
use types::{Family, TaskId, Timestamp};

use crate::archivist::Entry;
use crate::event::MachineId;
use crate::holdings::CHANGES_MAX;
use crate::machine::Machine;
use crate::region::{Cause, Decided};
use crate::tally::Tally;
use crate::violation::{Checked, Invariant, broken};

/// What the checks remember of the past.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Every binding of each token, the latest last.
    launches: BTreeMap<TokenKey, Vec<Launch>>,
    /// When tasks stopped; also of those that are gone.
    stopped: BTreeMap<TaskId, Timestamp>,
    /// Tasks that were ever made.
    made: BTreeSet<TaskId>,
    /// Tasks whose rows have gone, each when its time had come.
    gone: BTreeSet<TaskId>,
    /// Every row of the audit trail that ever was.
    audits: BTreeSet<u64>,
    /// How long stopped tasks are kept in the state.
    kept: Duration,
    revisions: BTreeMap<Family, u32>,
    pub(crate) count: Count,
}

/// One binding of a token.
#[derive(Debug, Clone)]
struct Launch {
    variant: u64,
    tasks: Vec<TaskId>,
    at: Timestamp,
}

/// How much has happened: a simulation in which nothing does proves nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Tasks made.
    pub made: u64,
    /// Tasks that came to run.
    pub ran: u64,
    /// Tasks that stopped.
    pub stopped: u64,
    /// Requests that repeated a token and were answered as the first.
    pub replayed: u64,
    /// Requests that balancers sent to targets.
    pub requests: u64,
    /// Targets that were gone after they had drained.
    pub drained: u64,
    /// How often what is promised of services was put to the test.
    pub tried: Tally,
}

impl Count {
    /// What happened in another run.
    pub fn add(&mut self, other: &Self) {
        let Self { made, ran, stopped, replayed, requests, drained, tried } = other;
        self.made += made;
        self.ran += ran;
        self.stopped += stopped;
        self.replayed += replayed;
        self.requests += requests;
        self.drained += drained;
        self.tried.add(tried);
    }
}

impl Ledger {
    /// Stopped tasks stay in the state for so long.
    pub(crate) fn keep_for(&mut self, time: Duration) {
        self.kept = time;
    }

    /// All that is over: stopped tasks and what requests did.
    pub(crate) fn over(&self) -> impl Iterator<Item = Entry> {
        let tasks = self.stopped.keys().map(|it| Entry::Task(*it));
        tasks.chain(self.audits.iter().map(|it| Entry::Audit(*it)))
    }

    /// Whether a task was durable until its row went, after its time.
    pub(crate) fn is_past(&self, id: TaskId) -> bool {
        self.gone.contains(&id)
    }

    /// Checks one transaction against the state it is applied to, before it is.
    pub(crate) fn check(
        &mut self,
        before: &State,
        machines: &BTreeMap<MachineId, Machine>,
        it: &Decided,
    ) -> Checked {
        // Rows as the transaction leaves them: one that changes twice counts once.
        let mut tasks = BTreeMap::new();
        let mut tokens = BTreeMap::new();
        for change in &it.transaction.changes {
            match change {
                Change::Task(id, after) => {
                    tasks.insert(*id, after.clone());
                }
                Change::Token(key, after) => {
                    tokens.insert(key.clone(), after.clone());
                }
                Change::Audit(number, Some(_)) => {
                    self.audits.insert(*number);
                }
                Change::TaskDefinition(revision, Some(_)) => {
                    self.check_revision(before, revision)?;
                }
                _ => {}
            }
        }
        let rows = it.transaction.changes.len();
        if rows > CHANGES_MAX {
            return broken(Invariant::Bounded, format!("{:?} changes {rows} rows", it.cause));
        }
        check_audit(it)?;
        for (id, after) in &tasks {
            let row = before.task(*id).map(AsRef::as_ref);
            self.check_task(before, machines, it, *id, (row, after.as_deref()))?;
        }
        for (key, after) in &tokens {
            self.check_token(before, it, key, (before.tokens().get(key), after.as_ref()), &tasks)?;
        }
        Self::check_bound(it, &tasks, &tokens)
    }

    fn check_revision(&mut self, before: &State, revision: &state::Revision) -> Checked {
        if before.task_definition(revision).is_some() {
            return Ok(());
        }
        let highest = self.revisions.entry(revision.family.clone()).or_default();
        if revision.number <= *highest {
            let detail = format!("{revision:?} is not above {highest}");
            return broken(Invariant::Revisions, detail);
        }
        *highest = revision.number;
        Ok(())
    }
}

/// A request that may change something leaves one audit row, everything else none.
fn check_audit(it: &Decided) -> Checked {
    let rows: Vec<_> = it
        .transaction
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::Audit(_, Some(row)) => Some(row),
            _ => None,
        })
        .collect();
    let gone = it.transaction.changes.iter().any(|it| matches!(it, Change::Audit(_, None)));
    let expected = match &it.cause {
        Cause::Operation { name, .. } if !name.starts_with("Submit") => 1,
        _ => 0,
    };
    let may_go = it.cause == Cause::Archivist;
    if rows.len() != expected || gone && !may_go {
        let detail = format!("{:?} left {} audit rows, {expected} are due", it.cause, rows.len());
        return broken(Invariant::Audited, detail);
    }
    let Cause::Operation { name, refused, .. } = &it.cause else { return Ok(()) };
    let Some(row) = rows.first() else { return Ok(()) };
    let says_refused = matches!(row.outcome, Outcome::Refused { .. });
    if row.operation != *name || says_refused != *refused {
        return broken(Invariant::Audited, format!("{:?} is told as {row:?}", it.cause));
    }
    let other = it
        .transaction
        .changes
        .iter()
        .find(|it| !matches!(it, Change::Audit(..) | Change::Region(..)));
    match other {
        Some(other) if *refused => {
            broken(Invariant::Atomicity, format!("{name} was refused and changed {other:?}"))
        }
        _ => Ok(()),
    }
}
