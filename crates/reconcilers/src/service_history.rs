//! Drops what services keep of their past no longer: records of old deployments and revisions that
//! nothing names.

use plan::services;
use state::{Change, Context, Draft, State};

use crate::{Outcome, Reconciler, Subject};

/// Keeps the past of services within bounds.
pub(crate) struct ServiceHistory;

impl Reconciler for ServiceHistory {
    fn name(&self) -> &'static str {
        "service-history"
    }

    fn subjects(&self, state: &State) -> Vec<Subject> {
        state.services().keys().cloned().map(Subject::Service).collect()
    }

    fn woken_by(&self, change: &Change) -> Option<Subject> {
        match change {
            Change::Service(key, Some(_)) => Some(Subject::Service(key.clone())),
            Change::ServiceDeployment(key, Some(_)) => Some(Subject::Service(key.service.clone())),
            _ => None,
        }
    }

    fn review(
        &self,
        draft: &mut Draft<'_>,
        subject: &Subject,
        context: &mut Context<'_>,
    ) -> Outcome {
        let Subject::Service(key) = subject else { return Outcome::Settled };
        let outdated = services::outdated(draft.state(), key, context.now);
        let records = outdated.deployments.into_iter();
        let records = records.map(|it| Change::ServiceDeployment(it, None));
        let revisions = outdated.revisions.into_iter();
        let all: Vec<Change> =
            records.chain(revisions.map(|it| Change::ServiceRevision(it, None))).collect();
        let most = draft.room();
        let has_more = all.len() > most;
        for change in all.into_iter().take(most) {
            draft.change(change);
        }
        match outdated.again_at {
            _ if has_more => Outcome::Again,
            Some(at) => Outcome::AgainAt(at),
            None => Outcome::Settled,
        }
    }
}
