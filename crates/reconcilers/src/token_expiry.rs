//! Forgets client tokens whose time is over (handbook 1.2).

use state::{Change, Context, Draft, State};

use crate::{Outcome, Reconciler, Subject};

pub(crate) struct TokenExpiry;

impl Reconciler for TokenExpiry {
    fn name(&self) -> &'static str {
        "token-expiry"
    }

    fn subjects(&self, _: &State) -> Vec<Subject> {
        vec![Subject::Region]
    }

    fn woken_by(&self, change: &Change) -> Option<Subject> {
        matches!(change, Change::Token(_, Some(_))).then_some(Subject::Region)
    }

    fn review(&self, draft: &mut Draft<'_>, _: &Subject, context: &mut Context<'_>) -> Outcome {
        for _ in 0..state::CHANGES_MAX {
            let Some((at, key)) = draft.state().indexes().expiring().first().cloned() else {
                return Outcome::Settled;
            };
            if at > context.now {
                return Outcome::AgainAt(at);
            }
            draft.change(Change::Token(key, None));
        }
        Outcome::Again
    }
}
