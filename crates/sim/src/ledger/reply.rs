//! What must hold of an answer when it leaves: it says what is durable, and the same as before.

use state::{State, TokenKey};
use types::{ClusterName, TaskId};

use super::Ledger;
use crate::event::Reply;
use crate::violation::{Invariant, Violation};
use crate::world::world_error;

impl Ledger {
    /// What is wrong with an answer, if anything is.
    pub(crate) fn check_reply(
        &mut self,
        durable: &State,
        operation: &str,
        token: Option<String>,
        variant: u64,
        answer: &Reply,
    ) -> Option<Violation> {
        let key = token.and_then(|token| {
            Some(TokenKey { cluster: ClusterName::parse("default").ok()?, token })
        });
        match (operation, answer) {
            ("RunTask", Reply::Done(body)) => self.check_launched(durable, key?, variant, body),
            ("RunTask", Reply::Refused { code, resources, .. }) if code == "ConflictException" => {
                self.check_conflict(&key?, variant, resources)
            }
            ("DescribeTasks", Reply::Done(body)) => check_shown(durable, body),
            _ => None,
        }
    }

    fn check_launched(
        &mut self,
        durable: &State,
        key: TokenKey,
        variant: u64,
        body: &[u8],
    ) -> Option<Violation> {
        let mut answer = shapes::ecs::RunTaskResponse::default();
        if let Err(error) = shapes::json::decode(body, &mut answer) {
            return Some(world_error(error.to_string()));
        }
        let shown: Vec<_> = answer
            .tasks
            .into_iter()
            .flatten()
            .filter_map(|it| id(it.task_arn.as_deref()?))
            .collect();
        let hidden = shown.iter().find(|id| durable.task(**id).is_none() && !self.is_past(**id));
        if let Some(hidden) = hidden {
            let detail = format!("an answer names task {hidden}, which is not durable");
            return Some(Violation { invariant: Invariant::Durability, detail });
        }
        if self.bindings(&key).any(|(of, tasks)| of == variant && tasks == shown) {
            self.count.replayed += 1;
            return None;
        }
        let bindings: Vec<_> = self.bindings(&key).collect();
        let detail = format!("{} answers {shown:?}, bound are {bindings:?}", key.token);
        Some(Violation { invariant: Invariant::OneLaunch, detail })
    }

    fn check_conflict(
        &self,
        key: &TokenKey,
        variant: u64,
        resources: &[String],
    ) -> Option<Violation> {
        let named: Vec<_> = resources.iter().filter_map(|it| id(it)).collect();
        if self.bindings(key).any(|(of, tasks)| of != variant && tasks == named) {
            return None;
        }
        let detail = format!("{} is in conflict with {named:?}", key.token);
        Some(Violation { invariant: Invariant::OneLaunch, detail })
    }
}

fn id(arn: &str) -> Option<TaskId> {
    TaskId::parse(arn.rsplit('/').next()?).ok()
}

/// No task is shown in a version that is not durable.
fn check_shown(durable: &State, body: &[u8]) -> Option<Violation> {
    let mut answer = shapes::ecs::DescribeTasksResponse::default();
    if let Err(error) = shapes::json::decode(body, &mut answer) {
        return Some(world_error(error.to_string()));
    }
    for task in answer.tasks.into_iter().flatten() {
        let Some(row) = task.task_arn.as_deref().and_then(id).and_then(|it| durable.task(it))
        else {
            continue;
        };
        let shown = task.version.and_then(|it| u64::try_from(it).ok()).unwrap_or(0);
        if shown > row.version {
            let detail = format!("task {} is shown as of version {shown}", row.id);
            return Some(Violation { invariant: Invariant::Durability, detail });
        }
    }
    None
}
