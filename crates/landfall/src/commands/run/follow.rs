//! Following tasks until they run or have ended.

use core::time::Duration;
use std::collections::BTreeMap;

use shapes::ecs::Task;

use crate::client::Client;
use crate::commands::output::say;
use crate::commands::tasks::{describe, short};

/// How often the region is asked.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// How many looks in a row may go without an answer: a control plane that restarts takes some.
const SILENT_MAX: u32 = 20;

/// Waits until each task runs or has ended, and answers what became of them.
pub(super) async fn to_running(
    client: &Client,
    cluster: &str,
    tasks: &[Task],
) -> anyhow::Result<Vec<Task>> {
    let arns: Vec<String> = tasks.iter().filter_map(|it| it.task_arn.clone()).collect();
    let mut shown = BTreeMap::new();
    let mut silent = 0;
    loop {
        match describe(client, cluster, &arns).await {
            Ok(found) => {
                silent = 0;
                for it in &found {
                    tell(it, &mut shown);
                }
                if found.iter().all(|it| matches!(status(it), "RUNNING" | "STOPPED")) {
                    return Ok(found);
                }
            }
            Err(error) if silent < SILENT_MAX && error.code().is_none() => silent += 1,
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn status(task: &Task) -> &str {
    task.last_status.as_deref().unwrap_or_default()
}

/// One line for each new status of a task.
fn tell(task: &Task, shown: &mut BTreeMap<String, String>) {
    let id = short(task.task_arn.as_deref());
    if shown.get(&id).map(String::as_str) == Some(status(task)) {
        return;
    }
    shown.insert(id.clone(), status(task).to_owned());
    match task.stopped_reason.as_deref().filter(|_| status(task) == "STOPPED") {
        Some(reason) => say(&format!("{id}  STOPPED: {reason}{}", reasons(task))),
        None => say(&format!("{id}  {}", status(task))),
    }
}

/// What the containers say about their end.
fn reasons(task: &Task) -> String {
    let containers = task.containers.iter().flatten();
    let one = |it: &shapes::ecs::Container| {
        let name = it.name.as_deref().unwrap_or_default();
        match (&it.reason, it.exit_code) {
            // The task's reason is often that of the container which failed first.
            (reason @ Some(_), _) if *reason == task.stopped_reason => None,
            (Some(reason), _) => Some(format!("; {name}: {reason}")),
            (None, Some(code)) => Some(format!("; {name}: exit code {code}")),
            (None, None) => None,
        }
    };
    containers.filter_map(one).collect()
}

/// Whether a task ended otherwise than by doing what it was there for.
pub(super) fn has_failed(task: &Task) -> bool {
    let ended_well = |it: &shapes::ecs::Container| it.exit_code == Some(0);
    let mut containers = task.containers.iter().flatten();
    status(task) == "STOPPED" && !containers.all(ended_well)
}

#[cfg(test)]
mod tests {
    use shapes::ecs::Container;

    use super::*;

    fn task(status: &str, codes: &[Option<i32>]) -> Task {
        let container = |code: &Option<i32>| Container {
            name: Some("app".into()),
            exit_code: *code,
            ..Container::default()
        };
        Task {
            last_status: Some(status.into()),
            containers: Some(codes.iter().map(container).collect()),
            ..Task::default()
        }
    }

    #[test]
    fn only_an_end_with_zero_is_a_good_one() {
        assert!(!has_failed(&task("RUNNING", &[None])));
        assert!(!has_failed(&task("STOPPED", &[Some(0), Some(0)])));
        assert!(has_failed(&task("STOPPED", &[Some(0), Some(1)])));
        assert!(has_failed(&task("STOPPED", &[None])));
    }

    #[test]
    fn containers_say_how_they_ended() {
        assert_eq!(reasons(&task("STOPPED", &[Some(3), None])), "; app: exit code 3");
    }
}
