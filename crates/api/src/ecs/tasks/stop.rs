//! `StopTask`.

use shapes::ecs as shape;
use state::{Context, Draft, Stop, StopCode};

use super::view;
use crate::ecs::{Error, find};

/// What stands in `stoppedReason` when the caller gave none.
const REASON: &str = "Task stopped by user";

/// `StopTask`: asks the task's agent to stop it, after a service's task has left its target groups. A
/// task that has stopped is shown as it is.
///
/// # Errors
///
/// [`Error::InvalidParameter`] if there is no such task.
///
/// Source: Amazon ECS API Reference, `StopTask`.
pub(crate) fn stop_task(
    draft: &mut Draft<'_>,
    ask: shape::StopTaskRequest,
    context: &mut Context<'_>,
) -> Result<shape::StopTaskResponse, Error> {
    let cluster = find::cluster(draft.state(), ask.cluster.as_deref())?.name.clone();
    let text = ask.task.unwrap_or_default();
    let task = find::task(draft.state(), &cluster, &text)?.clone();
    let reason = ask.reason.filter(|it| !it.is_empty()).unwrap_or_else(|| REASON.into());
    let stop = Stop { code: StopCode::UserInitiated, reason };
    plan::services::retire(draft, &task, stop, context.now);
    let state = draft.state();
    let row = state.task(task.id).unwrap_or(&task);
    Ok(shape::StopTaskResponse { task: Some(view::task(state, row, view::Tags::Hidden)) })
}
