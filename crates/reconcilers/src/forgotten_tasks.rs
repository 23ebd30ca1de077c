//! Ends what container instances cannot hold any more: those that were deregistered by force, and
//! those whose agent has registered without its memory. The operation marks the instance and ends
//! as many tasks as one write carries; the rest are ended here, a write at a time.

use plan::instances::{self, Ended};
use state::{Change, ContainerInstance, Context, Draft, InstanceStatus, State};

use crate::{Outcome, Reconciler, Subject};

pub(crate) struct ForgottenTasks;

impl Reconciler for ForgottenTasks {
    fn name(&self) -> &'static str {
        "forgotten-tasks"
    }

    fn subjects(&self, state: &State) -> Vec<Subject> {
        let all = state.container_instances().values();
        all.filter(|it| has_forgotten(it)).map(|it| Subject::Instance(it.id)).collect()
    }

    fn woken_by(&self, change: &Change) -> Option<Subject> {
        match change {
            Change::ContainerInstance(id, Some(it)) if has_forgotten(it) => {
                Some(Subject::Instance(*id))
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
        let Subject::Instance(id) = subject else { return Outcome::Settled };
        match instances::end_forgotten(draft, *id, context.now) {
            Ended::All => Outcome::Settled,
            Ended::Some => Outcome::Again,
        }
    }
}

fn has_forgotten(it: &ContainerInstance) -> bool {
    it.status == InstanceStatus::Inactive || it.forgot_at.is_some()
}
