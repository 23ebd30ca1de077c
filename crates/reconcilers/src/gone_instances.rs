//! Forgets container instances an hour after they were deregistered.

use core::time::Duration;

use state::{Change, ContainerInstance, Context, Desired, Draft, InstanceStatus, State};

use crate::{Outcome, Reconciler, Subject};

/// How much longer than its tasks an instance stays, so that the last of them is gone by then and
/// one look is enough; and how long it waits for those that are not.
const GRACE: Duration = Duration::from_secs(1);

pub(crate) struct GoneInstances {
    /// How long stopped tasks stay describable: a deregistered instance stays as long.
    pub(crate) kept: Duration,
}

impl Reconciler for GoneInstances {
    fn name(&self) -> &'static str {
        "gone-instances"
    }

    fn subjects(&self, state: &State) -> Vec<Subject> {
        let all = state.container_instances().values();
        all.filter(|it| is_gone(it)).map(|it| Subject::Instance(it.id)).collect()
    }

    fn woken_by(&self, change: &Change) -> Option<Subject> {
        match change {
            Change::ContainerInstance(id, Some(it)) if is_gone(it) => Some(Subject::Instance(*id)),
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
        let Some(row) = draft.state().container_instance(*id).filter(|it| is_gone(it)) else {
            return Outcome::Settled;
        };
        // Its tasks were over at the latest when it was deregistered, so they are gone before.
        let due = row.connected_at.after(self.kept).after(GRACE);
        let indexes = draft.state().indexes();
        let named = [Desired::Running, Desired::Stopped]
            .iter()
            .any(|desired| !indexes.tasks_on(*id, *desired).is_empty());
        if due > context.now {
            return Outcome::AgainAt(due);
        }
        if named {
            // After a restart everything is due at once, and this look may come before theirs.
            return Outcome::AgainAt(context.now.after(GRACE));
        }
        draft.change(Change::ContainerInstance(*id, None));
        draft.change(Change::Assignment(*id, None));
        Outcome::Settled
    }
}

fn is_gone(it: &ContainerInstance) -> bool {
    it.status == InstanceStatus::Inactive
}
