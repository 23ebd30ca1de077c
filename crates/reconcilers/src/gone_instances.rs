//! Forgets container instances an hour after they were deregistered.

use core::time::Duration;

use state::{Change, ContainerInstance, Context, Desired, Draft, InstanceStatus, State};

use crate::{Outcome, Reconciler, Subject};

/// How long a deregistered instance stays describable; stopped tasks stay as long.
const KEPT: Duration = Duration::from_hours(1);

pub(crate) struct GoneInstances;

impl Reconciler for GoneInstances {
    fn name(&self) -> &'static str {
        "gone-instances"
    }

    fn subjects(&self, state: &State) -> Vec<Subject> {
        let all = state.container_instances().values();
        all.filter(|it| is_gone(it)).map(|it| Subject::Instance(it.id)).collect()
    }

    /// Its tasks are reaped in the same hour, and the last of them may be what it waits for.
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
        let due = row.connected_at.after(KEPT);
        let indexes = draft.state().indexes();
        let named = [Desired::Running, Desired::Stopped]
            .iter()
            .any(|desired| !indexes.tasks_on(*id, *desired).is_empty());
        if due > context.now {
            return Outcome::AgainAt(due);
        }
        if named {
            return Outcome::AgainAt(context.now.after(KEPT));
        }
        draft.change(Change::ContainerInstance(*id, None));
        draft.change(Change::Assignment(*id, None));
        Outcome::Settled
    }
}

fn is_gone(it: &ContainerInstance) -> bool {
    it.status == InstanceStatus::Inactive
}
