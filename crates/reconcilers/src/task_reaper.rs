//! Takes stopped tasks out of the live tables after their hour (handbook 2.4).

use core::time::Duration;

use state::{Change, Context, Draft, State};

use crate::registry::CHANGES_MAX;
use crate::{Outcome, Reconciler, Subject};

pub(crate) struct TaskReaper {
    pub(crate) kept: Duration,
}

impl Reconciler for TaskReaper {
    fn name(&self) -> &'static str {
        "task-reaper"
    }

    fn subjects(&self, _: &State) -> Vec<Subject> {
        vec![Subject::Region]
    }

    fn woken_by(&self, change: &Change) -> Option<Subject> {
        matches!(change, Change::Task(_, Some(it)) if it.is_over()).then_some(Subject::Region)
    }

    /// A task that still holds resources of a lost instance stays until they are released.
    fn review(&self, draft: &mut Draft<'_>, _: &Subject, context: &mut Context<'_>) -> Outcome {
        let old = |at: types::Timestamp| at.after(self.kept) <= context.now;
        let state = draft.state();
        let over: Vec<_> = state
            .indexes()
            .stopped()
            .iter()
            .take_while(|(at, _)| old(*at))
            .filter(|(_, id)| state.task(*id).is_some_and(|it| it.released))
            .map(|(_, id)| *id)
            .take(CHANGES_MAX)
            .collect();
        let next = state.indexes().stopped().iter().map(|(at, _)| *at).find(|at| !old(*at));
        let full = over.len() == CHANGES_MAX;
        for id in over {
            draft.change(Change::Task(id, None));
        }
        match next {
            _ if full => Outcome::Again,
            Some(at) => Outcome::AgainAt(at.after(self.kept)),
            None => Outcome::Settled,
        }
    }
}
