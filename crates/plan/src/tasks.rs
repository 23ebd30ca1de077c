//! What becomes of a task row: the control plane's own steps.
//!
//! Every step keeps three promises: status only moves forward, the version rises with each visible
//! change, and the instance's assignment rises when what it should hold has changed.

use core::time::Duration;

use state::{Assignment, Change, Desired, Draft, Status, Stop, StopCode, Task, Token, TokenKey};
use types::{InstanceId, TaskId, Timestamp};

/// How long a token outlives the last of its tasks. Source: ECS Developer Guide, idempotency.
const TOKEN_AFTER_STOP: Duration = Duration::from_hours(1);

/// Longest `stoppedReason` and container `reason`, in characters.
const REASON_MAX: usize = 1024;

/// Asks for a task to stop: the agent will be told. Does nothing to one that already should.
pub fn ask_to_stop(draft: &mut Draft<'_>, task: &Task, stop: Stop, now: Timestamp) {
    if task.desired == Desired::Stopped {
        return;
    }
    draft.change(Change::from(asked(task, stop, now)));
    raise_assignment(draft, task.instance);
}

/// Asks for a running task to leave its target groups before it stops: its agent is told nothing
/// yet. Does nothing to one that already should stop.
pub fn ask_to_leave(draft: &mut Draft<'_>, task: &Task, stop: Stop, now: Timestamp) {
    if task.desired == Desired::Running {
        let after = Task { last: Status::Deactivating, ..asked(task, stop, now) };
        draft.change(Change::from(after));
    }
}

fn asked(task: &Task, stop: Stop, now: Timestamp) -> Task {
    Task {
        desired: Desired::Stopped,
        stop: Some(shortened(stop)),
        stopping_at: Some(now),
        version: task.version + 1,
        ..task.clone()
    }
}

/// Declares a task over without its agent's word: its instance is lost. What it holds stays held.
pub fn give_up(draft: &mut Draft<'_>, task: &Task, stop: Stop, now: Timestamp) {
    if task.is_over() {
        return;
    }
    let mut after = task.clone();
    close(&mut after, stop, now);
    draft.change(Change::from(after));
    drop_keys(draft, task.id);
    settle_token(draft, task, now);
    raise_assignment(draft, task.instance);
}

/// Makes a task row that is over, for a reason, at a time. Keeps what was there first.
pub fn close(task: &mut Task, stop: Stop, now: Timestamp) {
    task.desired = Desired::Stopped;
    task.last = Status::Stopped;
    task.stop.get_or_insert_with(|| shortened(stop));
    task.stopping_at.get_or_insert(now);
    task.stopped_at.get_or_insert(now);
    task.tags.clear();
    task.version += 1;
    for container in &mut task.containers {
        container.last = Status::Stopped;
    }
}

/// Gives back what a task that is over still holds: its instance has confirmed, or is gone.
pub fn release(draft: &mut Draft<'_>, task: &Task) {
    if task.is_over() && !task.released {
        draft.change(Change::from(Task { released: true, ..task.clone() }));
    }
}

/// Takes away the credentials of a task: they die with it.
pub fn drop_keys(draft: &mut Draft<'_>, task: TaskId) {
    let keys: Vec<_> = draft.state().indexes().keys_of(task).cloned().collect();
    for key in keys {
        draft.change(Change::AccessKey(key, None));
    }
}

/// Marks that what an instance should hold has changed.
pub fn raise_assignment(draft: &mut Draft<'_>, instance: InstanceId) {
    let version = draft.state().assignments().get(&instance).map_or(0, |it| it.version) + 1;
    draft.change(Change::from(Assignment { instance, version }));
}

/// Once the last task of a token has stopped, the token lives an hour more at most.
pub fn settle_token(draft: &mut Draft<'_>, task: &Task, now: Timestamp) {
    let Some(token) = &task.token else { return };
    let key = TokenKey { cluster: task.cluster.clone(), token: token.clone() };
    let Some(row) = draft.state().tokens().get(&key).cloned() else { return };
    if !row.tasks.contains(&task.id) {
        return;
    }
    let over = |id| draft.state().task(id).is_none_or(|it| it.is_over());
    let expires_at = row.expires_at.min(now.after(TOKEN_AFTER_STOP));
    if expires_at != row.expires_at && row.tasks.iter().copied().all(over) {
        draft.change(Change::from(Token { expires_at, ..row.as_ref().clone() }));
    }
}

/// The reason of a stop that nobody has explained.
pub fn unexplained() -> Stop {
    Stop { code: StopCode::TaskFailedToStart, reason: "Task failed to start".into() }
}

fn shortened(stop: Stop) -> Stop {
    Stop { reason: stop.reason.chars().take(REASON_MAX).collect(), ..stop }
}
