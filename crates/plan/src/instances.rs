//! What becomes of a container instance row: the control plane's own steps.

use state::{Change, ContainerInstance, Desired, Draft, InstanceStatus, Stop, Task};
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

/// Takes an instance out for good. What it still held counts no more, so it is free.
pub fn deregister(draft: &mut Draft<'_>, row: &ContainerInstance, stop: &Stop, now: Timestamp) {
    forget_tasks(draft, row.id, stop, now);
    draft.change(Change::from(ContainerInstance {
        status: InstanceStatus::Inactive,
        connected: false,
        connected_at: now,
        version: row.version + 1,
        ..row.clone()
    }));
}

/// Declares everything that an instance held over and free: it cannot hold it any more, because it
/// is out of the region or has come back empty.
pub fn forget_tasks(draft: &mut Draft<'_>, id: InstanceId, stop: &Stop, now: Timestamp) {
    let indexes = draft.state().indexes();
    let all = indexes
        .tasks_on(id, Desired::Running)
        .iter()
        .chain(indexes.held_on(id))
        .filter_map(|task| draft.state().task(*task).cloned());
    let mut all: Vec<_> = all.filter(|it| !it.is_over() || !it.released).collect();
    all.sort_by_key(|it| it.id);
    all.dedup_by_key(|it| it.id);
    for task in all {
        let mut after = Task { released: true, ..task.as_ref().clone() };
        if !task.is_over() {
            tasks::close(&mut after, stop.clone(), now);
        }
        draft.change(Change::from(after));
        tasks::drop_keys(draft, task.id);
        tasks::settle_token(draft, &task, now);
    }
}
