//! `DescribeTasks`.

use shapes::ecs as shape;
use state::{Context, State};
use types::TaskId;

use super::view;
use crate::ecs::view::failure;
use crate::ecs::{Error, find};

/// Most tasks of one request. Source: ECS API Reference, `DescribeTasks`.
const TASKS_MAX: usize = 100;

/// `DescribeTasks`: tasks by id or ARN, in the order asked; unknown ones are failures.
///
/// # Errors
///
/// [`Error::InvalidParameter`] if none or too many are asked for.
///
/// Source: Amazon ECS API Reference, `DescribeTasks`.
pub(crate) fn describe_tasks(
    state: &State,
    ask: shape::DescribeTasksRequest,
    _: &Context<'_>,
) -> Result<shape::DescribeTasksResponse, Error> {
    let cluster = find::cluster(state, ask.cluster.as_deref())?.name.clone();
    let asked = ask.tasks.unwrap_or_default();
    if asked.is_empty() {
        return Err(Error::invalid("Tasks cannot be empty."));
    }
    if asked.len() > TASKS_MAX {
        return Err(Error::invalid(format!("Tasks cannot have more than {TASKS_MAX} entries.")));
    }
    let with = tags_shown(ask.include.as_deref())?;
    let mut tasks = Vec::new();
    let mut failures = Vec::new();
    for text in asked {
        let id = find::task_id(state, &cluster, &text)?;
        match id.and_then(|id| state.task(id)).filter(|it| it.cluster == cluster) {
            Some(row) => tasks.push(view::task(state, row, with)),
            None => failures.push(failure(arn(state, &cluster, id, text), "MISSING")),
        }
    }
    Ok(shape::DescribeTasksResponse { tasks: Some(tasks), failures: Some(failures) })
}

fn tags_shown(include: Option<&[shape::TaskField]>) -> Result<view::Tags, Error> {
    let mut shown = view::Tags::Hidden;
    for field in include.unwrap_or_default() {
        match field {
            shape::TaskField::Tags => shown = view::Tags::Shown,
            shape::TaskField::Other(it) => {
                return Err(Error::invalid(format!("Invalid include: '{it}'.")));
            }
        }
    }
    Ok(shown)
}

fn arn(state: &State, cluster: &types::ClusterName, id: Option<TaskId>, text: String) -> String {
    id.map_or(text, |id| state.home().task(cluster, id))
}
