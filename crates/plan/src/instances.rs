//! What becomes of a container instance row: the control plane's own steps.

use std::sync::Arc;

use state::{
    Change, ContainerInstance, Desired, Draft, InstanceStatus, State, Stop, StopCode, Task,
};
use types::{InstanceId, Timestamp};

use crate::tasks;

/// Its agent's session stands. Also raises the assignment, so that what the agent is told first
/// outdates all that was said before.
pub fn connect(draft: &mut Draft<'_>, id: InstanceId, now: Timestamp) {
    let Some(row) = draft.state().container_instance(id).cloned() else { return };
    let changed = !row.connected;
    draft.change(Change::from(ContainerInstance {
        connected: true,
        connected_at: if changed { now } else { row.connected_at },
        given_up_at: None,
        version: row.version + u64::from(changed),
        ..row.as_ref().clone()
    }));
    tasks::raise_assignment(draft, id);
}

/// Its agent has been silent for too long. It takes no tasks until it is back.
pub fn disconnect(draft: &mut Draft<'_>, id: InstanceId, now: Timestamp) {
    let Some(row) = draft.state().container_instance(id).filter(|it| it.connected).cloned() else {
        return;
    };
    draft.change(Change::from(ContainerInstance {
        connected: false,
        connected_at: now,
        version: row.version + 1,
        ..row.as_ref().clone()
    }));
}

/// Sets whether it takes new tasks.
pub fn set_status(draft: &mut Draft<'_>, row: &ContainerInstance, status: InstanceStatus) {
    if row.status != status {
        let version = row.version + 1;
        draft.change(Change::from(ContainerInstance { status, version, ..row.clone() }));
    }
}

/// Takes an instance out for good. What it held is over and free: at once as far as this write has
/// room, else in steps ([`end_forgotten`]).
pub fn deregister(draft: &mut Draft<'_>, row: &ContainerInstance, now: Timestamp) {
    draft.change(Change::from(ContainerInstance {
        status: InstanceStatus::Inactive,
        connected: false,
        connected_at: now,
        version: row.version + 1,
        ..row.clone()
    }));
    end_forgotten(draft, row.id, now);
}

/// Writes the row of an instance whose agent has just registered. What its session says next
/// outdates all that was said before.
///
/// If the agent knows nothing of the tasks that the instance had (`forgot_at`), they are over: at
/// once as far as this write has room, else in steps ([`end_forgotten`]).
pub fn register(draft: &mut Draft<'_>, row: ContainerInstance, now: Timestamp) {
    let id = row.id;
    draft.change(Change::from(row));
    tasks::raise_assignment(draft, id);
    end_forgotten(draft, id, now);
}

/// How far the tasks of an instance that cannot hold them any more have been ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// None is left.
    All,
    /// This write is full.
    Some,
}

/// Declares over and free what an instance still holds although it was deregistered or its agent
/// has forgotten it, as far as this write has room. Nothing for any other instance.
///
/// With the last of them an instance that had forgotten takes tasks again. O(tasks ended).
pub fn end_forgotten(draft: &mut Draft<'_>, id: InstanceId, now: Timestamp) -> Ended {
    let Some(row) = draft.state().container_instance(id).cloned() else { return Ended::All };
    let Some(stop) = why_over(&row) else { return Ended::All };
    while let Some(task) = first_held(draft.state(), id) {
        let keys = draft.state().indexes().keys_of(task.id).count();
        if draft.room() < keys + CHANGES_BESIDE_KEYS {
            return Ended::Some;
        }
        let mut after = Task { released: true, ..task.as_ref().clone() };
        if !task.is_over() {
            tasks::close(&mut after, stop.clone(), now);
        }
        draft.change(Change::from(after));
        tasks::drop_keys(draft, task.id);
        tasks::settle_token(draft, &task, now);
    }
    if row.forgot_at.is_some() {
        draft.change(Change::from(ContainerInstance { forgot_at: None, ..row.as_ref().clone() }));
    }
    Ended::All
}

/// What an ended task changes beside its keys: itself and its token; and what must still fit after
/// the last one: the instance and the audit trail's two rows.
const CHANGES_BESIDE_KEYS: usize = 5;

/// A task that the instance holds something of, or that should still run there.
fn first_held(state: &State, id: InstanceId) -> Option<Arc<Task>> {
    let indexes = state.indexes();
    let first = indexes.held_on(id).first().or(indexes.tasks_on(id, Desired::Running).first())?;
    state.task(*first).cloned()
}

/// Why the tasks of an instance are over whatever its agent says; `None` if they are not.
fn why_over(row: &ContainerInstance) -> Option<Stop> {
    if row.status == InstanceStatus::Inactive {
        return Some(Stop {
            code: StopCode::UserInitiated,
            reason: "Container instance deregistration forced by user".into(),
        });
    }
    row.forgot_at.is_some().then(|| Stop {
        code: StopCode::InfrastructureHealth,
        reason: format!(
            "Container instance {} registered anew and does not know its tasks any more",
            row.id
        ),
    })
}
