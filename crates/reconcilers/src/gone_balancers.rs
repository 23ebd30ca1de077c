//! Forgets balancers an hour after they were there last.

use core::time::Duration;

use state::{Change, Context, Draft, State};

use crate::{Outcome, Reconciler, Subject};

/// As long as container instances and stopped tasks are kept.
const KEPT: Duration = Duration::from_hours(1);

pub(crate) struct GoneBalancers;

impl Reconciler for GoneBalancers {
    fn name(&self) -> &'static str {
        "gone-balancers"
    }

    fn subjects(&self, _: &State) -> Vec<Subject> {
        vec![Subject::Region]
    }

    fn woken_by(&self, change: &Change) -> Option<Subject> {
        match change {
            Change::Balancer(_, Some(it)) if !it.connected => Some(Subject::Region),
            _ => None,
        }
    }

    /// Balancers are few: looks at all of them.
    fn review(&self, draft: &mut Draft<'_>, _: &Subject, context: &mut Context<'_>) -> Outcome {
        let gone = draft.state().balancers().values().filter(|it| !it.connected);
        let mut due: Vec<_> =
            gone.map(|it| (it.connected_at.after(KEPT), it.name.clone())).collect();
        due.sort();
        let over = due.iter().take_while(|it| it.0 <= context.now).take(state::CHANGES_MAX);
        let over: Vec<String> = over.map(|it| it.1.clone()).collect();
        let next = due.get(over.len()).map(|it| it.0);
        for name in over {
            draft.change(Change::Balancer(name, None));
        }
        match next {
            None => Outcome::Settled,
            Some(at) if at <= context.now => Outcome::Again,
            Some(at) => Outcome::AgainAt(at),
        }
    }
}
