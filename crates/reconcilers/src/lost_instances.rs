//! Gives up the tasks of a container instance that stays lost.
//!
//! The lost-instance rule: an instance that is not heard of counts as disconnected (the link's
//! doing) and takes no new tasks; its tasks keep their state and what they hold. After a further
//! wait they are given up: stopped, with a reason that names the instance. What they hold stays
//! held until the instance confirms, returns as a newer incarnation, or is deregistered.

use core::time::Duration;

use state::{
    Change, ContainerInstance, Context, Desired, Draft, InstanceStatus, State, Stop, StopCode,
};
use types::InstanceId;

use crate::{Outcome, Reconciler, Subject};

/// What a given up task changes beside its keys: itself, its token and what its instance is told;
/// and, with the last one, the instance.
const CHANGES_BESIDE_KEYS: usize = 4;

/// Keeps the lost-instance rule.
pub struct LostInstances {
    /// How long after the disconnection; `None` is never.
    pub give_up_after: Option<Duration>,
}

impl Reconciler for LostInstances {
    fn name(&self) -> &'static str {
        "lost-instances"
    }

    fn subjects(&self, state: &State) -> Vec<Subject> {
        state
            .container_instances()
            .values()
            .filter(|it| is_lost(it))
            .map(|it| Subject::Instance(it.id))
            .collect()
    }

    fn woken_by(&self, change: &Change) -> Option<Subject> {
        match change {
            Change::ContainerInstance(id, Some(it)) if is_lost(it) => Some(Subject::Instance(*id)),
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
        let Some(instance) = draft.state().container_instance(*id).cloned() else {
            return Outcome::Settled;
        };
        let (true, Some(wait)) = (is_lost(&instance), self.give_up_after) else {
            return Outcome::Settled;
        };
        let due = instance.connected_at.after(wait);
        if due > context.now {
            return Outcome::AgainAt(due);
        }
        give_up(draft, *id, context)
    }
}

fn is_lost(it: &ContainerInstance) -> bool {
    !it.connected && it.status != InstanceStatus::Inactive
}

fn give_up(draft: &mut Draft<'_>, id: InstanceId, context: &Context<'_>) -> Outcome {
    let indexes = draft.state().indexes();
    let living: Vec<_> = indexes
        .tasks_on(id, Desired::Running)
        .iter()
        .chain(indexes.tasks_on(id, Desired::Stopped))
        .filter_map(|task| draft.state().task(*task).filter(|it| !it.is_over()).cloned())
        .take(state::CHANGES_MAX)
        .collect();
    for task in living {
        let keys = draft.state().indexes().keys_of(task.id).count();
        if draft.changes().len() + keys + CHANGES_BESIDE_KEYS > state::CHANGES_MAX {
            return Outcome::Again;
        }
        let stop = Stop {
            code: StopCode::InfrastructureHealth,
            reason: format!("Container instance {id} was lost: its agent has not been heard of"),
        };
        plan::tasks::give_up(draft, &task, stop, context.now);
    }
    if let Some(it) = draft.state().container_instance(id).filter(|it| it.given_up_at.is_none()) {
        let it = ContainerInstance { given_up_at: Some(context.now), ..it.as_ref().clone() };
        draft.change(Change::from(it));
    }
    Outcome::Settled
}
