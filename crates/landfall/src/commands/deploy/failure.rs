//! The task that a deployment failed by, and its last words.

use core::time::Duration;

use shapes::ecs::{
    ContainerDefinition, DescribeTaskDefinition, DescribeTaskDefinitionRequest, DesiredStatus,
    ListTasks, ListTasksRequest, Task, TaskStopCode,
};
use shapes::logs::{GetLogEvents, GetLogEventsRequest};
use tokio::time::{Instant, sleep};

use super::follow::Rollout;
use crate::client::{CallError, Client};
use crate::commands::logs::{Kept, kept};
use crate::commands::tasks::{cluster_of, describe};

/// How many lines of each container are shown, the last ones.
const LINES: i32 = 10;
/// How long the last lines of a container may take to arrive.
const LINES_WITHIN: Duration = Duration::from_secs(10);
/// How often is looked for them: longer than an agent gathers.
const LOOK_EVERY: Duration = Duration::from_millis(700);

/// A task that failed.
#[derive(Debug, Clone)]
pub(super) struct Failing {
    pub(super) task: Task,
    /// What its containers wrote last.
    pub(super) lines: Vec<String>,
}

/// The task of the deployment that failed last, with its last words; `None` if none did.
pub(super) async fn newest(
    client: &Client,
    rollout: &Rollout,
) -> Result<Option<Failing>, CallError> {
    let Some(task) = newest_task(client, rollout).await? else { return Ok(None) };
    let lines = last_words(client, &task).await?;
    Ok(Some(Failing { task, lines }))
}

/// The same with what has arrived of its words so far.
pub(super) async fn glimpse(
    client: &Client,
    rollout: &Rollout,
) -> Result<Option<Failing>, CallError> {
    let Some(task) = newest_task(client, rollout).await? else { return Ok(None) };
    let lines = words_of(client, &containers_of(client, &task).await?, &task).await?;
    Ok(Some(Failing { task, lines }))
}

async fn newest_task(client: &Client, rollout: &Rollout) -> Result<Option<Task>, CallError> {
    let ask = ListTasksRequest {
        cluster: rollout.service.cluster_arn.clone(),
        service_name: rollout.service.service_name.clone(),
        desired_status: Some(DesiredStatus::Stopped),
        ..ListTasksRequest::default()
    };
    let arns = client.call::<ListTasks>(&ask).await?.task_arns.unwrap_or_default();
    let Some(cluster) = arns.first().and_then(|it| cluster_of(it)) else { return Ok(None) };
    let tasks = describe(client, cluster, &arns).await?;
    let ours = tasks.into_iter().filter(|it| it.started_by == rollout.deployment && has_failed(it));
    Ok(ours.max_by_key(|it| it.stopping_at.or(it.stopped_at).map(|it| it.0)))
}

/// Whether it ended otherwise than because the service wanted fewer or other tasks.
fn has_failed(task: &Task) -> bool {
    match task.stop_code {
        Some(TaskStopCode::ServiceSchedulerInitiated) => {
            let reason = task.stopped_reason.as_deref().unwrap_or_default();
            reason.starts_with("Task failed")
        }
        Some(TaskStopCode::UserInitiated) | None => false,
        Some(_) => true,
    }
}

/// What the containers of a task wrote last. Agents send lines in batches, the last ones after the
/// end of the container: where one ran, its lines are waited for.
async fn last_words(client: &Client, task: &Task) -> Result<Vec<String>, CallError> {
    let containers = containers_of(client, task).await?;
    let mut ran = task.containers.iter().flatten();
    let ran = ran.any(|it| it.exit_code.is_some());
    let deadline = Instant::now() + LINES_WITHIN;
    let mut lines = Vec::new();
    loop {
        let before = lines.len();
        lines = words_of(client, &containers, task).await?;
        let complete = !lines.is_empty() && lines.len() == before;
        if complete || !ran || Instant::now() > deadline {
            return Ok(lines);
        }
        sleep(LOOK_EVERY).await;
    }
}

async fn containers_of(
    client: &Client,
    task: &Task,
) -> Result<Vec<ContainerDefinition>, CallError> {
    let ask = DescribeTaskDefinitionRequest {
        task_definition: task.task_definition_arn.clone(),
        include: None,
    };
    let definition = client.call::<DescribeTaskDefinition>(&ask).await?.task_definition;
    Ok(definition.and_then(|it| it.container_definitions).unwrap_or_default())
}

/// What has arrived of what its containers wrote last.
async fn words_of(
    client: &Client,
    containers: &[ContainerDefinition],
    task: &Task,
) -> Result<Vec<String>, CallError> {
    let mut lines = Vec::new();
    for it in containers {
        lines.extend(lines_of(client, it, task).await?);
    }
    Ok(lines)
}

async fn lines_of(
    client: &Client,
    container: &ContainerDefinition,
    task: &Task,
) -> Result<Vec<String>, CallError> {
    let Kept::Stream { group, stream } = kept(container, task) else { return Ok(Vec::new()) };
    let ask = GetLogEventsRequest {
        log_group_name: Some(group),
        log_stream_name: Some(stream),
        limit: Some(LINES),
        ..GetLogEventsRequest::default()
    };
    let events = match client.call::<GetLogEvents>(&ask).await {
        // One that has written nothing has no stream.
        Err(error) if error.code() == Some("ResourceNotFoundException") => return Ok(Vec::new()),
        answer => answer?.events.unwrap_or_default(),
    };
    let name = container.name.as_deref().unwrap_or_default();
    let text = events.into_iter().filter_map(|it| it.message);
    Ok(text.map(|it| format!("{name} | {}", it.trim_end_matches('\n'))).collect())
}

/// Why a task stopped, with what its containers say.
pub(super) fn why(task: &Task) -> String {
    let reason = task.stopped_reason.as_deref().unwrap_or("stopped for a reason that is not known");
    let containers = task.containers.iter().flatten();
    let words = containers.filter_map(|it| {
        let name = it.name.as_deref().unwrap_or_default();
        match (&it.reason, it.exit_code) {
            (Some(said), _) if said != reason => Some(format!("; {name}: {said}")),
            (None, Some(code)) => Some(format!("; {name}: exit code {code}")),
            _ => None,
        }
    });
    let words: Vec<_> = words.collect();
    format!("stopped: {reason}{}", words.concat())
}

#[cfg(test)]
mod tests {
    use shapes::ecs::Container;

    use super::*;

    fn task(code: Option<TaskStopCode>, reason: &str) -> Task {
        Task { stop_code: code, stopped_reason: Some(reason.into()), ..Task::default() }
    }

    #[test]
    fn tasks_that_made_room_have_not_failed() {
        let by_scheduler = |reason| task(Some(TaskStopCode::ServiceSchedulerInitiated), reason);
        assert!(!has_failed(&by_scheduler("Scaling activity initiated by (deployment ecs-svc/1)")));
        let moved = "Availability-zone rebalancing initiated by (deployment ecs-svc/1)";
        assert!(!has_failed(&by_scheduler(moved)));
        assert!(has_failed(&by_scheduler("Task failed ELB health checks in (target-group a)")));
        assert!(has_failed(&task(Some(TaskStopCode::EssentialContainerExited), "exited")));
        assert!(!has_failed(&task(Some(TaskStopCode::UserInitiated), "by hand")));
        assert!(!has_failed(&task(None, "")));
    }

    #[test]
    fn a_task_says_why_with_its_exit_codes() {
        let mut it = task(None, "Essential container in task exited");
        let container = |exit_code, reason: Option<&str>| Container {
            name: Some("app".into()),
            exit_code,
            reason: reason.map(str::to_owned),
            ..Container::default()
        };
        it.containers = Some(vec![container(Some(3), None)]);
        assert_eq!(why(&it), "stopped: Essential container in task exited; app: exit code 3");
        it.containers = Some(vec![container(None, Some("Essential container in task exited"))]);
        assert_eq!(why(&it), "stopped: Essential container in task exited");
    }
}
