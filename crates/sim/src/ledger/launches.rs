//! What must hold of tokens and the tasks they stand for.

use std::collections::BTreeMap;
use std::sync::Arc;

use state::{State, Task, Token, TokenKey};
use types::{TaskId, Timestamp};

use super::{Launch, Ledger};
use crate::region::{Cause, Decided};
use crate::violation::{Checked, Invariant, broken};

const HOUR: i64 = 3_600_000;

type Rows = BTreeMap<TaskId, Option<Arc<Task>>>;

impl Ledger {
    pub(super) fn check_token(
        &mut self,
        state: &State,
        it: &Decided,
        key: &TokenKey,
        rows: (Option<&Arc<Token>>, Option<&Arc<Token>>),
        tasks: &Rows,
    ) -> Checked {
        match rows {
            (None, Some(after)) => self.check_binding(state, it, key, after, tasks),
            (Some(before), Some(after))
                if before.tasks != after.tasks || before.audit != after.audit =>
            {
                self.check_binding(state, it, key, after, tasks)
            }
            (Some(before), None) => {
                let Some(launch) = self.launches.get(key).and_then(|it| it.last()) else {
                    return broken(Invariant::Atomicity, format!("{} was never bound", key.token));
                };
                if it.at < self.free_at(launch) {
                    let detail = format!("{} is forgotten early: {before:?}", key.token);
                    return broken(Invariant::Retention, detail);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A token is bound, by one request and with the tasks of it.
    fn check_binding(
        &mut self,
        state: &State,
        it: &Decided,
        key: &TokenKey,
        after: &Token,
        tasks: &Rows,
    ) -> Checked {
        let Cause::Operation { name: "RunTask", variant, refused: false, .. } = &it.cause else {
            let detail = format!("{} is bound by {:?}", key.token, it.cause);
            return broken(Invariant::Atomicity, detail);
        };
        if let Some(earlier) = self.launches.get(key).and_then(|it| it.last()) {
            let free_at = self.free_at(earlier);
            if it.at < free_at {
                let detail = format!(
                    "{} started {:?} and now {:?}, before {free_at:?}",
                    key.token, earlier.tasks, after.tasks
                );
                return broken(Invariant::OneLaunch, detail);
            }
        }
        let missing = after
            .tasks
            .iter()
            .find(|id| !tasks.get(*id).is_some_and(Option::is_some) || state.task(**id).is_some());
        if let Some(missing) = missing {
            let detail = format!("{} names {missing}, which is not made with it", key.token);
            return broken(Invariant::Atomicity, detail);
        }
        let launch = Launch { variant: *variant, tasks: after.tasks.clone(), at: it.at };
        self.launches.entry(key.clone()).or_default().push(launch);
        Ok(())
    }

    /// When a token may mean something else: 24 hours after its first use, or an hour after the
    /// last of its tasks has stopped.
    fn free_at(&self, launch: &Launch) -> Timestamp {
        let day = launch.at.0 + 24 * HOUR;
        let ends: Option<Vec<_>> =
            launch.tasks.iter().map(|id| self.stopped.get(id).map(|it| it.0)).collect();
        let last = ends.and_then(|it| it.into_iter().max());
        Timestamp(last.map_or(day, |last| day.min(last + HOUR)))
    }

    /// New tasks of a request with a token come with that token's row.
    pub(super) fn check_bound(
        it: &Decided,
        tasks: &Rows,
        tokens: &BTreeMap<TokenKey, Option<Arc<Token>>>,
    ) -> Checked {
        if !matches!(it.cause, Cause::Operation { name: "RunTask", .. }) {
            return Ok(());
        }
        for task in tasks.values().flatten().filter(|it| it.version == 1) {
            let Some(token) = &task.token else { continue };
            let key = TokenKey { cluster: task.cluster.clone(), token: token.clone() };
            let bound = tokens.get(&key).and_then(|it| it.as_ref());
            if bound.is_none_or(|row| !row.tasks.contains(&task.id) || row.audit != task.audit) {
                let detail = format!("task {} is made without its token {token}", task.id);
                return broken(Invariant::Atomicity, detail);
            }
        }
        Ok(())
    }

    /// Every binding that a token has had, with its request.
    pub(super) fn bindings(&self, key: &TokenKey) -> impl Iterator<Item = (u64, &[TaskId])> {
        let all = self.launches.get(key).into_iter().flatten();
        all.map(|it| (it.variant, it.tasks.as_slice()))
    }
}
