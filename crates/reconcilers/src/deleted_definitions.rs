//! Removes task definitions whose deletion was asked for once nothing refers to them
//! (handbook 3.1).

use state::{Change, Context, DefinitionStatus, Draft, State};

use crate::{Outcome, Reconciler, Subject};

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

    fn review(&self, draft: &mut Draft<'_>, subject: &Subject, _: &mut Context<'_>) -> Outcome {
        let Subject::Definition(revision) = subject else { return Outcome::Settled };
        let doomed = draft
            .state()
            .task_definition(revision)
            .is_some_and(|it| it.status == DefinitionStatus::DeleteInProgress);
        if doomed && draft.state().indexes().uses(revision) == 0 {
            draft.change(Change::TaskDefinition(revision.clone(), None));
        }
        Outcome::Settled
    }
}
