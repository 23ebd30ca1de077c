//! The story of one task: who asked for it, where it is, how far it has come, why it ended, and
//! what can be done.

use shapes::landfall as shape;
use state::{
    Audit, Container, Context, Desired, Health, InstanceStatus, State, Status, Stop, StopCode, Task,
};
use types::{ClusterName, TaskId, Timestamp, short_name};

use super::{Error, trail};
use crate::ecs::find;

/// The shortest start of an identifier that may stand for it.
const PREFIX_MIN: usize = 4;

/// Digits of an identifier.
const DIGITS: usize = 32;

/// `ExplainTask`: the story of a task, named by its ARN, its id, or the start of its id.
///
/// # Errors
///
/// [`Error::AccessDenied`] to agents and tasks, [`Error::ClusterNotFound`],
/// [`Error::InvalidParameter`] if none or several tasks are meant.
pub(super) fn explain_task(
    state: &State,
    ask: shape::ExplainTaskRequest,
    context: &Context<'_>,
) -> Result<shape::ExplainTaskResponse, Error> {
    trail::people_only(state, context)?;
    let cluster = match &ask.cluster {
        Some(name) => Some(find::known_cluster(state, Some(name))?.name.clone()),
        None => None,
    };
    let task = meant(state, cluster.as_ref(), &ask.task.unwrap_or_default())?;
    Ok(shape::ExplainTaskResponse {
        task_arn: Some(state.home().task(&task.cluster, task.id)),
        lines: Some(story(state, task, context.now)),
    })
}

/// The one task whose id begins like that.
fn meant<'a>(
    state: &'a State,
    cluster: Option<&ClusterName>,
    text: &str,
) -> Result<&'a Task, Error> {
    let id = short_name(text, "task").unwrap_or(text);
    let unknown = || Error::InvalidParameter(format!("There is no task {text}."));
    if id.len() < PREFIX_MIN {
        return Err(Error::InvalidParameter(format!(
            "Give at least the first {PREFIX_MIN} digits of a task's id."
        )));
    }
    let (first, last) = range(id).ok_or_else(unknown)?;
    let tasks = state.tasks().range(first..=last).map(|(_, task)| task.as_ref());
    let mut found = tasks.filter(|it| cluster.is_none_or(|cluster| it.cluster == *cluster));
    let task = found.next().ok_or_else(unknown)?;
    match found.next() {
        None => Ok(task),
        Some(_) => Err(Error::InvalidParameter(format!(
            "Several tasks have ids that begin with {id}: give more digits."
        ))),
    }
}

/// The first and the last id that begin with these digits.
fn range(start: &str) -> Option<(TaskId, TaskId)> {
    let digits: String = start.chars().filter(|it| *it != '-').collect();
    if digits.len() > DIGITS {
        return None;
    }
    let filled =
        |with: &str| TaskId::parse(&(digits.clone() + &with.repeat(DIGITS - digits.len())));
    Some((filled("0").ok()?, filled("f").ok()?))
}

fn story(state: &State, task: &Task, now: Timestamp) -> Vec<String> {
    let mut lines = vec![standing(task)];
    lines.push(origin(state, task));
    lines.push(place(state, task));
    lines.extend(waiting(state, task));
    lines.extend(task.stop.as_ref().map(|it| stop(task, it)));
    lines.extend(task.containers.iter().map(container));
    lines.extend(held(state, task));
    lines.push(format!("Next: {}", advice(state, task, now)));
    lines
}

fn standing(task: &Task) -> String {
    let when = match task.last {
        Status::Stopped => task.stopped_at.map(|it| format!(" since {}", it.rfc3339())),
        Status::Running => task.started_at.map(|it| format!(" since {}", it.rfc3339())),
        _ => None,
    };
    format!(
        "Task {} of {} in cluster {} is {}{}; it should be {}.",
        task.id,
        task.revision,
        task.cluster,
        task.last.as_str(),
        when.unwrap_or_default(),
        task.desired.as_str()
    )
}

fn origin(state: &State, task: &Task) -> String {
    let token = task.token.as_ref().map_or(String::new(), |it| format!(", client token {it}"));
    let at = task.created_at.rfc3339();
    match state.audits().get(&task.audit).map(AsRef::as_ref) {
        Some(Audit { operation, caller, source_ip, user_agent, .. }) => {
            let tool = user_agent.split_whitespace().next().unwrap_or("an unnamed tool");
            format!(
                "Asked for by {operation} (audit event {}) at {at}, by {caller} from {source_ip} \
                 with {tool}{token}.",
                task.audit
            )
        }
        None => format!(
            "Asked for at {at} by audit event {}, which is no longer kept{token}.",
            task.audit
        ),
    }
}

fn place(state: &State, task: &Task) -> String {
    let mut text = format!("Placed on container instance {} in {}", task.instance, task.zone);
    match state.container_instance(task.instance) {
        None => text += ", which is gone",
        Some(instance) => {
            if let Some(Some(address)) = instance.attributes.get("landfall.address") {
                text = format!("{text} at {address}");
            }
            match (instance.status, instance.connected) {
                (InstanceStatus::Inactive, _) => text += ", which was deregistered",
                (_, true) => text += ", whose agent is connected",
                (_, false) => {
                    let since = instance.connected_at.rfc3339();
                    text = format!("{text}, whose agent has been disconnected since {since}");
                }
            }
            if instance.status == InstanceStatus::Draining {
                text += " (DRAINING)";
            }
        }
    }
    text + "."
}

/// What a task that is on its way waits for.
fn waiting(state: &State, task: &Task) -> Option<String> {
    let connected = state.container_instance(task.instance).is_some_and(|it| it.connected);
    let text = match (task.last, task.desired) {
        (Status::Stopped | Status::Running, Desired::Running) | (Status::Stopped, _) => {
            return None;
        }
        (_, Desired::Stopped) if connected => "It is being stopped: its agent was told.",
        (_, Desired::Stopped) => {
            "It is to stop, but nobody knows whether it did until its agent comes back."
        }
        (_, Desired::Running) if !connected => {
            "It waits for its agent, which is not connected, to take it over."
        }
        _ if task.connected_at.is_none() => "Its agent has not taken it over yet.",
        _ if task.pull_started_at.is_some() && task.pull_stopped_at.is_none() => {
            "Its images are being pulled."
        }
        _ => "Its agent is preparing its network, volumes and containers.",
    };
    Some(text.to_owned())
}

fn stop(task: &Task, stop: &Stop) -> String {
    let verb = if task.is_over() { "Stopped" } else { "Stopping" };
    format!("{verb} because: {} ({}).", stop.reason.trim_end_matches('.'), class(stop.code))
}

fn class(code: StopCode) -> &'static str {
    match code {
        StopCode::TaskFailedToStart => "TaskFailedToStart",
        StopCode::EssentialContainerExited => "EssentialContainerExited",
        StopCode::UserInitiated => "UserInitiated",
        StopCode::ServiceSchedulerInitiated => "ServiceSchedulerInitiated",
        StopCode::SpotInterruption => "SpotInterruption",
        StopCode::TerminationNotice => "TerminationNotice",
        StopCode::InfrastructureHealth => "InfrastructureHealth",
    }
}

fn container(it: &Container) -> String {
    let mut text = format!("Container {} is {}", it.name, it.last.as_str());
    if let Some(code) = it.exit_code {
        text = format!("{text}, exit code {code}{}", meaning(code));
    }
    match it.health {
        Health::Unknown => {}
        Health::Healthy => text += ", healthy",
        Health::Unhealthy => text += ", unhealthy",
    }
    if let Some(reason) = &it.reason {
        text = format!("{text}: {reason}");
    }
    text.trim_end_matches('.').to_owned() + "."
}

/// What a shell would say of an exit code: above 128 stands the signal that ended the process.
fn meaning(code: i32) -> &'static str {
    match code {
        126 => " (the command cannot be executed)",
        127 => " (the command was not found)",
        130 => " (interrupted)",
        134 => " (aborted)",
        137 => " (killed)",
        139 => " (memory fault)",
        143 => " (told to end)",
        _ => "",
    }
}

/// A stopped task may hold its resources still.
fn held(state: &State, task: &Task) -> Option<String> {
    if !task.is_over() || task.released || state.container_instance(task.instance).is_none() {
        return None;
    }
    Some("Its resources stay reserved until its instance confirms that it is gone.".to_owned())
}

fn advice(state: &State, task: &Task, now: Timestamp) -> String {
    let id: String = task.id.to_string().chars().take(8).collect();
    let instance = state.container_instance(task.instance);
    if let Some(it) = instance.filter(|it| !it.connected && !task.is_over()) {
        let silent = now.since(it.connected_at).as_secs();
        return format!(
            "look after its instance, silent for {silent} s; if it stays away, the task is given \
             up and can be started elsewhere."
        );
    }
    let logs = || format!("its output is shown by `landfall logs {id}`.");
    let Some(stop) = task.stop.as_ref().filter(|_| task.is_over()) else {
        return match task.last {
            Status::Running => logs(),
            _ => "wait; `landfall ps` follows it.".to_owned(),
        };
    };
    let reasons = task.containers.iter().filter_map(|it| it.reason.as_deref());
    let all = reasons.chain([stop.reason.as_str()]).collect::<Vec<_>>().join("\n");
    known_cure(&all).unwrap_or_else(|| match stop.code {
        StopCode::EssentialContainerExited => logs(),
        StopCode::TaskFailedToStart => {
            "mend what the reason names, and run the task again.".to_owned()
        }
        _ => "nothing; run it again if it is still wanted.".to_owned(),
    })
}

/// What helps against reasons that come again and again.
fn known_cure(reasons: &str) -> Option<String> {
    let cures = [
        (
            "CannotPull",
            "check the image's name and the registry's rights, or load it from a file with \
             `landfall image load`.",
        ),
        ("OutOfMemory", "give the container a higher `memory`, or find out what fills it."),
        (
            "log group",
            "make the log group with `aws logs create-log-group`, or correct `awslogs-group`.",
        ),
    ];
    let cure = cures.iter().find(|(word, _)| reasons.contains(word))?.1;
    Some(cure.to_owned())
}

#[cfg(test)]
mod tests {
    use shapes::ecs;

    use super::*;
    use crate::ecs::task_definitions::register_task_definition;
    use crate::ecs::tasks::run_task;
    use crate::fixture::{self, Fixture};

    fn started() -> (Fixture, TaskId) {
        let mut region = fixture::region();
        region.instance(1);
        let definition = ecs::RegisterTaskDefinitionRequest {
            family: Some("web".into()),
            container_definitions: Some(vec![ecs::ContainerDefinition {
                name: Some("app".into()),
                image: Some("nginx".into()),
                memory: Some(100),
                ..Default::default()
            }]),
            ..Default::default()
        };
        region.write(register_task_definition, definition).expect("registers");
        for id in region.state.container_instances().keys().copied().collect::<Vec<_>>() {
            let mut row = region.state.container_instance(id).expect("there").as_ref().clone();
            let definition = region.state.task_definitions().values().next().expect("one");
            for name in &definition.requires {
                row.attributes.insert(name.clone(), None);
            }
            region.state.apply(row.into());
        }
        let ask = ecs::RunTaskRequest {
            task_definition: Some("web".into()),
            client_token: Some("monday".into()),
            ..Default::default()
        };
        region.write(run_task, ask).expect("runs");
        let id = *region.state.tasks().keys().next().expect("a task");
        (region, id)
    }

    fn explain(region: &Fixture, task: &str) -> Result<String, Error> {
        let ask = shape::ExplainTaskRequest { cluster: None, task: Some(task.into()) };
        Ok(region.read(explain_task, ask)?.lines.expect("lines").join("\n"))
    }

    #[test]
    fn a_task_is_found_by_arn_id_or_the_start_of_its_id() {
        let (region, id) = started();
        let arn = region.state.home().task(&ClusterName::parse("default").expect("valid"), id);
        let id = id.to_string();
        for name in [arn.as_str(), &id, &id[..4], &id[..20]] {
            assert!(explain(&region, name).is_ok(), "{name}");
        }
        for name in ["", &id[..3], "zzzz", &format!("{id}0"), "arn:aws:ecs:r:a:cluster/x"] {
            assert!(explain(&region, name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_pending_task_says_what_it_waits_for() {
        let (region, id) = started();
        let text = explain(&region, &id.to_string()).expect("explains");
        for part in [
            "of web:1 in cluster default is PENDING; it should be RUNNING.",
            "client token monday.",
            "in us-east-1a, whose agent is connected.",
            "Its agent has not taken it over yet.",
            "Container app is PENDING.",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn a_stopped_task_says_why_and_what_helps() {
        let (mut region, id) = started();
        let check = |region: &mut Fixture, reason: &str, code: i32, expected: &str| {
            let mut row = region.state.task(id).expect("there").as_ref().clone();
            row.last = Status::Stopped;
            row.desired = Desired::Stopped;
            row.stopped_at = Some(region.now);
            row.stop = Some(Stop {
                code: StopCode::EssentialContainerExited,
                reason: "Essential container in task exited".into(),
            });
            for it in &mut row.containers {
                it.last = Status::Stopped;
                it.exit_code = Some(code);
                it.reason = (!reason.is_empty()).then(|| reason.to_owned());
            }
            region.state.apply(row.into());
            let text = explain(region, &id.to_string()).expect("explains");
            assert!(text.contains(expected), "{expected}\n{text}");
            text
        };
        let text = check(&mut region, "", 1, "Next: its output is shown by `landfall logs ");
        assert!(text.contains("(EssentialContainerExited)."), "{text}");
        assert!(text.contains("Container app is STOPPED, exit code 1."), "{text}");
        assert!(text.contains("stay reserved until its instance confirms"), "{text}");
        let reason = "OutOfMemoryError: Container killed due to memory usage";
        check(&mut region, reason, 137, "exit code 137 (killed): OutOfMemoryError");
        check(&mut region, reason, 137, "Next: give the container a higher `memory`");
    }
}
