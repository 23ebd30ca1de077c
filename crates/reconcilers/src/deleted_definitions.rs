//! Removes task definitions whose deletion was asked for once nothing refers to them
//! (handbook 3.1).

use core::time::Duration;

use state::{
    Change, Context, DefinitionStatus, Draft, Revision, ServiceRevisionKey, ServiceStatus, State,
};

use crate::{Outcome, Reconciler, Subject};

/// How often it is looked again at one that a service holds: what a service lets go of names no
/// task definition.
const LOOK: Duration = Duration::from_secs(5);

pub(crate) struct DeletedDefinitions;

impl Reconciler for DeletedDefinitions {
    fn name(&self) -> &'static str {
        "deleted-definitions"
    }

    fn subjects(&self, state: &State) -> Vec<Subject> {
        state
            .task_definitions()
            .values()
            .filter(|it| it.status == DefinitionStatus::DeleteInProgress)
            .map(|it| Subject::Definition(it.revision.clone()))
            .collect()
    }

    fn woken_by(&self, change: &Change) -> Option<Subject> {
        match change {
            Change::TaskDefinition(key, Some(it))
                if it.status == DefinitionStatus::DeleteInProgress =>
            {
                Some(Subject::Definition(key.clone()))
            }
            Change::Task(_, Some(it)) if it.is_over() => {
                Some(Subject::Definition(it.revision.clone()))
            }
            _ => None,
        }
    }

    fn review(
        &self,
        draft: &mut Draft<'_>,
        subject: &Subject,
        context: &mut Context<'_>,
    ) -> Outcome {
        let Subject::Definition(revision) = subject else { return Outcome::Settled };
        let doomed = draft
            .state()
            .task_definition(revision)
            .is_some_and(|it| it.status == DefinitionStatus::DeleteInProgress);
        if !doomed || draft.state().indexes().uses(revision) > 0 {
            return Outcome::Settled;
        }
        if is_served(draft.state(), revision) {
            return Outcome::AgainAt(context.now.after(LOOK));
        }
        draft.change(Change::TaskDefinition(revision.clone(), None));
        Outcome::Settled
    }
}

/// Whether a service has a deployment of a task definition, or would go back to one.
fn is_served(state: &State, definition: &Revision) -> bool {
    let held = |key: &ServiceRevisionKey| {
        state.services().get(&key.service).is_some_and(|it| {
            it.status != ServiceStatus::Inactive
                && (it.completed_revision == Some(key.id)
                    || it.deployments.iter().any(|it| it.revision == key.id))
        })
    };
    state.indexes().service_revisions_of(definition).any(held)
}
