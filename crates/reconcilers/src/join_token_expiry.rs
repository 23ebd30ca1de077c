//! Forgets join tokens whose time is over.

use state::{Change, Context, Draft, State};
use types::Timestamp;

use crate::{Outcome, Reconciler, Subject};

pub(crate) struct JoinTokenExpiry;

impl Reconciler for JoinTokenExpiry {
    fn name(&self) -> &'static str {
        "join-token-expiry"
    }

    fn subjects(&self, _: &State) -> Vec<Subject> {
        vec![Subject::Region]
    }

    fn woken_by(&self, change: &Change) -> Option<Subject> {
        matches!(change, Change::JoinToken(_, Some(_))).then_some(Subject::Region)
    }

    /// Looks at all of them: there are a thousand at most.
    fn review(&self, draft: &mut Draft<'_>, _: &Subject, context: &mut Context<'_>) -> Outcome {
        let tokens = draft.state().join_tokens().values();
        let over: Vec<_> = tokens
            .filter(|it| it.expires_at <= context.now)
            .map(|it| it.id.clone())
            .take(state::CHANGES_MAX)
            .collect();
        let full = over.len() == state::CHANGES_MAX;
        for id in over {
            draft.change(Change::JoinToken(id, None));
        }
        let next: Option<Timestamp> =
            draft.state().join_tokens().values().map(|it| it.expires_at).min();
        match next {
            _ if full => Outcome::Again,
            Some(at) => Outcome::AgainAt(at),
            None => Outcome::Settled,
        }
    }
}
