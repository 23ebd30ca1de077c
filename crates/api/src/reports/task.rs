//! `SubmitTaskStateChange` and its two smaller sisters.

use plan::{services, tasks as steps};
use shapes::ecs as shape;
use state::{Binding, Change, Container, Context, Draft, State, Status, Stop, StopCode, Task};
use types::{Port, Protocol, Timestamp};

use crate::ecs::{Error, container_instances, find};

/// Longest reason that is kept. Source: ECS API Reference, `SubmitTaskStateChange`.
const REASON_MAX: usize = 1024;
/// What agents expect to read.
const ACKNOWLEDGED: &str = "OK";

/// `SubmitTaskStateChange`: how far a task and its containers have come.
///
/// A report that would move anything back changes nothing and is acknowledged, so that an agent
/// never repeats it for ever.
///
/// # Errors
///
/// [`Error::InvalidParameter`] if there is no such task, [`Error::AccessDenied`] if the caller does
/// not speak for its instance.
///
/// Source: Amazon ECS API Reference, `SubmitTaskStateChange`.
pub(crate) fn submit_task_state_change(
    draft: &mut Draft<'_>,
    ask: shape::SubmitTaskStateChangeRequest,
    context: &mut Context<'_>,
) -> Result<shape::SubmitTaskStateChangeResponse, Error> {
    let cluster = find::cluster(draft.state(), ask.cluster.as_deref())?.name.clone();
    let text = ask.task.clone().unwrap_or_default();
    let task = find::task(draft.state(), &cluster, &text)?.clone();
    speaks_for(draft.state(), &task, context)?;
    let reported = Reported {
        status: status(ask.status.as_deref())?,
        reason: ask.reason.unwrap_or_default(),
        containers: ask.containers.unwrap_or_default(),
        pull_started_at: ask.pull_started_at.map(time),
        pull_stopped_at: ask.pull_stopped_at.map(time),
        execution_stopped_at: ask.execution_stopped_at.map(time),
    };
    take_in(draft, &task, &reported, context.now);
    Ok(shape::SubmitTaskStateChangeResponse { acknowledgment: Some(ACKNOWLEDGED.into()) })
}

/// `SubmitContainerStateChange`: how far one container has come. Current agents say it with the
/// task instead.
///
/// # Errors
///
/// As [`submit_task_state_change`].
///
/// Source: Amazon ECS API Reference, `SubmitContainerStateChange`.
pub(crate) fn submit_container_state_change(
    draft: &mut Draft<'_>,
    ask: shape::SubmitContainerStateChangeRequest,
    context: &mut Context<'_>,
) -> Result<shape::SubmitContainerStateChangeResponse, Error> {
    let container = shape::ContainerStateChange {
        container_name: ask.container_name,
        exit_code: ask.exit_code,
        network_bindings: ask.network_bindings,
        reason: ask.reason,
        runtime_id: ask.runtime_id,
        status: ask.status,
        ..Default::default()
    };
    let task = shape::SubmitTaskStateChangeRequest {
        cluster: ask.cluster,
        task: ask.task,
        containers: Some(vec![container]),
        ..Default::default()
    };
    submit_task_state_change(draft, task, context)?;
    Ok(shape::SubmitContainerStateChangeResponse { acknowledgment: Some(ACKNOWLEDGED.into()) })
}

/// `SubmitAttachmentStateChanges`: what interfaces and volumes have done. What is shown of an
/// interface follows from its task, so there is nothing to keep.
///
/// # Errors
///
/// [`Error::ClusterNotFound`].
///
/// Source: Amazon ECS API Reference, `SubmitAttachmentStateChanges`.
pub(crate) fn submit_attachment_state_changes(
    draft: &mut Draft<'_>,
    ask: shape::SubmitAttachmentStateChangesRequest,
    _: &mut Context<'_>,
) -> Result<shape::SubmitAttachmentStateChangesResponse, Error> {
    find::cluster(draft.state(), ask.cluster.as_deref())?;
    Ok(shape::SubmitAttachmentStateChangesResponse { acknowledgment: Some(ACKNOWLEDGED.into()) })
}

/// A report in our words.
struct Reported {
    status: Option<Status>,
    reason: String,
    containers: Vec<shape::ContainerStateChange>,
    pull_started_at: Option<Timestamp>,
    pull_stopped_at: Option<Timestamp>,
    execution_stopped_at: Option<Timestamp>,
}

fn take_in(draft: &mut Draft<'_>, before: &Task, reported: &Reported, now: Timestamp) {
    if before.is_over() {
        // Given up before; now its instance says that it is gone.
        if reported.status == Some(Status::Stopped) && !before.released {
            steps::release(draft, before);
            steps::raise_assignment(draft, before.instance);
        }
        return;
    }
    let mut task = before.clone();
    for change in &reported.containers {
        let found = task.containers.iter_mut();
        let mut found =
            found.filter(|it| Some(it.name.as_str()) == change.container_name.as_deref());
        if let Some(container) = found.next() {
            move_container(container, change);
        }
    }
    task.connected_at.get_or_insert(now);
    task.pull_started_at = task.pull_started_at.or(reported.pull_started_at);
    task.pull_stopped_at = task.pull_stopped_at.or(reported.pull_stopped_at);
    task.execution_stopped_at = task.execution_stopped_at.or(reported.execution_stopped_at);
    match reported.status {
        Some(Status::Stopped) => {
            let stop = why(&task, reported);
            steps::close(&mut task, stop, now);
            task.released = true;
            // The version rises below, once for the whole report.
            task.version = before.version;
        }
        Some(status) if status > task.last => {
            task.last = status;
            if status == Status::Running {
                task.started_at.get_or_insert(now);
            }
        }
        _ => {}
    }
    if task == *before {
        return;
    }
    task.version = before.version + 1;
    let over = task.is_over();
    services::note_digests(draft, &task, now);
    draft.change(Change::from(task));
    if over {
        steps::drop_keys(draft, before.id);
        steps::settle_token(draft, before, now);
        steps::raise_assignment(draft, before.instance);
    }
}

fn move_container(container: &mut Container, change: &shape::ContainerStateChange) {
    let short = |text: &String| text.chars().take(REASON_MAX).collect::<String>();
    if let Some(id) = change.runtime_id.as_ref().filter(|it| !it.is_empty()) {
        container.runtime_id = Some(id.clone());
    }
    if let Some(digest) = change.image_digest.as_ref().filter(|it| !it.is_empty()) {
        container.image_digest = Some(digest.clone());
    }
    if let Some(bindings) = change.network_bindings.as_ref().filter(|it| !it.is_empty()) {
        container.bindings = bindings.iter().filter_map(binding).collect();
    }
    let Ok(Some(status)) = status(change.status.as_deref()) else { return };
    if status < container.last {
        return;
    }
    container.last = status;
    // Docker shows an exit code of 0 for what still runs, and agents pass that on.
    let exit_code = change.exit_code.filter(|_| status == Status::Stopped);
    container.exit_code = container.exit_code.or(exit_code);
    let reason = change.reason.as_ref().filter(|it| !it.is_empty()).map(short);
    container.reason = container.reason.take().or(reason);
}

fn binding(it: &shape::NetworkBinding) -> Option<Binding> {
    let number = |it: i32| u16::try_from(it).ok();
    let range = |text: &Option<String>| {
        let (first, last) = text.as_deref()?.split_once('-')?;
        Some((first.parse().ok()?, last.parse().ok()?))
    };
    let protocol = Protocol::parse(it.protocol.as_ref().map_or("tcp", |it| it.as_str()));
    let address = it.bind_ip.clone().unwrap_or_default();
    if let (Some((container, container_last)), Some((host, host_last))) =
        (range(&it.container_port_range), range(&it.host_port_range))
    {
        return Some(Binding {
            address,
            container,
            host: Port { protocol, number: host },
            container_last: Some(container_last),
            host_last: Some(host_last),
        });
    }
    Some(Binding {
        address,
        container: number(it.container_port?)?,
        host: Port { protocol, number: number(it.host_port?)? },
        container_last: None,
        host_last: None,
    })
}

/// Why a task has stopped that nobody told to: a container ended, or it never came so far.
fn why(task: &Task, reported: &Reported) -> Stop {
    let said = Some(reported.reason.clone()).filter(|it| !it.is_empty());
    let exited = task.containers.iter().any(|it| it.exit_code.is_some());
    let mut failures = task.containers.iter().filter_map(failure);
    let failure = failures.find(|it| !(exited && is_consequence(it))).map(ToOwned::to_owned);
    if task.started_at.is_some() || (exited && failure.is_none()) {
        return Stop {
            code: StopCode::EssentialContainerExited,
            reason: said.unwrap_or_else(|| "Essential container in task exited".into()),
        };
    }
    Stop {
        code: StopCode::TaskFailedToStart,
        reason: said.or(failure).unwrap_or_else(|| steps::unexplained().reason),
    }
}

/// Why a container never ran, if its agent says that it did not. An exit code alone is no proof of
/// the contrary: Docker gives one to a command that is not there.
fn failure(it: &Container) -> Option<&str> {
    let reason = it.reason.as_deref()?;
    (it.exit_code.is_none() || reason.starts_with("Cannot")).then_some(reason)
}

/// Whether a container only never began because its task was stopping already, in the words of
/// the genuine agent and ours.
fn is_consequence(reason: &str) -> bool {
    ["TaskStoppedBeforePullBeginError", "Task stopped before"]
        .iter()
        .any(|it| reason.starts_with(it))
}

/// A status in the words of agents; what lies before running is all the same to us.
fn status(text: Option<&str>) -> Result<Option<Status>, Error> {
    Ok(match text.unwrap_or_default() {
        "" => None,
        "STOPPED" => Some(Status::Stopped),
        "RUNNING" | "RESOURCES_PROVISIONED" => Some(Status::Running),
        "PULLED" | "CREATED" | "MANIFEST_PULLED" | "ACTIVATING" => Some(Status::Activating),
        "NONE" | "PENDING" => Some(Status::Pending),
        other => return Err(Error::invalid(format!("Invalid status: '{other}'."))),
    })
}

fn time(at: shapes::Timestamp) -> Timestamp {
    Timestamp(at.0)
}

fn speaks_for(state: &State, task: &Task, context: &Context<'_>) -> Result<(), Error> {
    match state.container_instance(task.instance) {
        Some(row) => container_instances::may_speak_for(state, row, context),
        None => Ok(()),
    }
}
