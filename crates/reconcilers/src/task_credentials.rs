//! Keeps tasks that act in a role in credentials that have not expired.

use core::time::Duration;

use plan::{credentials, tasks};
use state::{AccessKey, Change, Context, Draft, Purpose, State};
use types::{TaskId, Timestamp};

use crate::{Outcome, Reconciler, Subject};

/// Fresh credentials come so long before the old ones expire, which stay good meanwhile.
const AHEAD: Duration = Duration::from_hours(1);

pub(crate) struct TaskCredentials;

impl Reconciler for TaskCredentials {
    fn name(&self) -> &'static str {
        "task-credentials"
    }

    fn subjects(&self, _: &State) -> Vec<Subject> {
        vec![Subject::Region]
    }

    fn woken_by(&self, change: &Change) -> Option<Subject> {
        let expires = |it: &AccessKey| it.expires_at.is_some();
        matches!(change, Change::AccessKey(_, Some(it)) if expires(it)).then_some(Subject::Region)
    }

    fn review(&self, draft: &mut Draft<'_>, _: &Subject, context: &mut Context<'_>) -> Outcome {
        let soon = context.now.after(AHEAD);
        let due: Vec<_> = draft
            .state()
            .indexes()
            .expiring_keys()
            .iter()
            .take_while(|(at, _)| *at <= soon)
            .filter_map(|(_, id)| draft.state().access_keys().get(id).cloned())
            .collect();
        let mut next = draft
            .state()
            .indexes()
            .expiring_keys()
            .iter()
            .map(|(at, _)| earlier(*at))
            .find(|at| *at > context.now);
        for key in due {
            if draft.changes().len() + 3 > state::CHANGES_MAX {
                return Outcome::Again;
            }
            if let Some(at) = renew(draft, &key, context) {
                next = Some(next.map_or(at, |it| it.min(at)));
            }
        }
        next.map_or(Outcome::Settled, Outcome::AgainAt)
    }
}

fn earlier(at: Timestamp) -> Timestamp {
    Timestamp(at.0 - i64::try_from(AHEAD.as_millis()).unwrap_or(0))
}

/// Looks at one key that expires soon or has; answers when to look at it again.
fn renew(draft: &mut Draft<'_>, key: &AccessKey, context: &mut Context<'_>) -> Option<Timestamp> {
    let expires_at = key.expires_at?;
    if let Purpose::Task { task, .. } = key.purpose {
        let row = draft.state().task(task).filter(|it| !it.is_over()).cloned();
        if let Some(row) = row.filter(|_| is_newest(draft.state(), task, key)) {
            let life = credentials::TASK_KEY_LIFE;
            let purpose = key.purpose.clone();
            let fresh = credentials::temporary(purpose, life, context.now, context.dice);
            draft.change(Change::from(fresh));
            tasks::raise_assignment(draft, row.instance);
        }
    }
    if expires_at > context.now {
        return Some(expires_at);
    }
    draft.change(Change::AccessKey(key.id.clone(), None));
    None
}

fn is_newest(state: &State, task: TaskId, key: &AccessKey) -> bool {
    let others = state.indexes().keys_of(task).filter_map(|id| state.access_keys().get(id));
    others.into_iter().all(|it| it.expires_at <= key.expires_at)
}
