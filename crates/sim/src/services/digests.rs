//! One digest for all tasks of a deployment, though tags move all the time.

use std::collections::{BTreeMap, BTreeSet};

use state::{Change, ServiceRevision, ServiceRevisionKey, State, Task};
use types::{ContainerName, TaskId};

use crate::region::Decided;
use crate::tally::{Tally, Trial};
use crate::violation::{Checked, Invariant, broken};

/// How long a tag means one image, in milliseconds.
const TAGS_MOVE_EVERY: u64 = 7_000;

/// Failures of a deployment before its tags are not resolved for it any more.
const ATTEMPTS: usize = 3;

/// The digest that an image's name means at a time: its own, or what its tag means by then.
pub(crate) fn digest_of(image: &str, now: u64) -> String {
    match image.split_once('@') {
        Some((_, digest)) => digest.to_owned(),
        None => format!("sha256:{image}-{}", now / TAGS_MOVE_EVERY),
    }
}

/// Containers of a task, each with a digest.
type Digests = BTreeMap<ContainerName, String>;

/// What the check remembers.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    /// What the first tasks of a revision were made of.
    first: BTreeMap<u64, Digests>,
    /// What later ones have to be made of.
    due: BTreeMap<TaskId, Digests>,
    /// Revisions of which some deployment had failed so often; one that goes back to it finds it so.
    given_up: BTreeSet<u64>,
}

impl Resolved {
    /// A task that was launched after another one of its revision had said what it was made of, is
    /// made of the same, unless too many launches had failed before that.
    pub(super) fn check(
        &mut self,
        before: &State,
        it: &Decided,
        failed: &BTreeMap<u64, BTreeSet<TaskId>>,
        tally: &mut Tally,
    ) -> Checked {
        let tasks = it.transaction.changes.iter().filter_map(|it| match it {
            Change::Task(_, Some(task)) => Some((task.as_ref(), task.service.as_ref()?)),
            _ => None,
        });
        let tasks: Vec<_> = tasks.collect();
        for (task, of) in tasks.iter().filter(|(task, _)| before.task(task.id).is_none()) {
            let first = self.first.get(&of.revision).cloned();
            tally.count(Trial::Pinned, usize::from(first.is_some()));
            self.due.insert(task.id, first.unwrap_or_default());
        }
        for (task, of) in tasks {
            for (name, digest) in digests(task) {
                let due = self.due.get(&task.id).and_then(|it| it.get(name));
                if due.is_some_and(|it| it != digest) {
                    let detail = format!("task {} is made of {digest}, not of {due:?}", task.id);
                    return broken(Invariant::OneDigest, detail);
                }
                let Some(revision) = revision(before, it, task, of.revision) else { continue };
                if revision.unresolved_at.is_none() {
                    let first = self.first.entry(of.revision).or_default();
                    first.entry(name.clone()).or_insert_with(|| digest.clone());
                } else if failed.get(&of.deployment).map_or(0, BTreeSet::len) >= ATTEMPTS {
                    self.given_up.insert(of.revision);
                } else if !self.given_up.contains(&of.revision) {
                    let detail = format!("revision {} is given up too early", of.revision);
                    return broken(Invariant::OneDigest, detail);
                }
            }
        }
        Ok(())
    }
}

fn digests(task: &Task) -> impl Iterator<Item = (&ContainerName, &String)> {
    task.containers.iter().filter_map(|it| Some((&it.name, it.image_digest.as_ref()?)))
}

/// The revision of a task as a transaction leaves it.
fn revision<'a>(
    before: &'a State,
    it: &'a Decided,
    task: &Task,
    id: u64,
) -> Option<&'a ServiceRevision> {
    let key = ServiceRevisionKey { service: task.service_key()?, id };
    let changed = it.transaction.changes.iter().rev().find_map(|it| match it {
        Change::ServiceRevision(of, after) if *of == key => after.as_deref(),
        _ => None,
    });
    changed.or_else(|| before.service_revisions().get(&key).map(AsRef::as_ref))
}
