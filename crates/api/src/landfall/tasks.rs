//! The story of one task: who asked for it, where it is, how far it has come, why it ended, and
//! what can be done.

use std::sync::Arc;

use shapes::landfall as shape;
use state::{
    Audit, Container, Context, Desired, Health, InstanceStatus, Placing, State, Status, Stop,
    StopCode, Task,
};
use types::{ClusterName, TaskId, Timestamp, short_name};

use super::{Error, past, trail};

/// The shortest start of an identifier that may stand for it.
const PREFIX_MIN: usize = 4;

/// Digits of an identifier.
const DIGITS: usize = 32;

/// The ids that begin with certain digits.
#[derive(Debug, Clone)]
pub struct Ids {
    text: String,
    first: TaskId,
    last: TaskId,
}

/// Which task a request is about, as far as the state knows.
#[derive(Debug, Clone)]
pub struct Meant {
    /// The ids that it may have.
    pub ids: Ids,
    /// The cluster it is looked for in; any if there is none.
    pub cluster: Option<ClusterName>,
    /// Tasks of the state that it may be: none, one, or (to say so) two.
    pub found: Vec<Arc<Task>>,
}

/// From where a task is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// The region still shows it.
    State,
    /// Its time is over.
    History,
}

impl Ids {
    /// Reads the ARN, the id or the start of the id of a task.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidParameter`] if no id or too many begin so.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let id = short_name(text, "task").unwrap_or(text);
        if id.len() < PREFIX_MIN {
            return Err(Error::InvalidParameter(format!(
                "Give at least the first {PREFIX_MIN} digits of a task's id."
            )));
        }
        let digits: String = id.chars().filter(|it| *it != '-').collect();
        let filled = |with: &str| {
            let rest = DIGITS.checked_sub(digits.len())?;
            TaskId::parse(&(digits.clone() + &with.repeat(rest))).ok()
        };
        let range = filled("0").zip(filled("f"));
        let (first, last) = range.ok_or_else(|| unknown(text))?;
        Ok(Self { text: text.to_owned(), first, last })
    }

    /// Whether an id begins so.
    pub fn contains(&self, id: TaskId) -> bool {
        (self.first..=self.last).contains(&id)
    }

    /// The first and the last id that begin so.
    pub fn bounds(&self) -> (TaskId, TaskId) {
        (self.first, self.last)
    }

    /// Nothing has an id that begins so.
    pub fn unknown(&self) -> Error {
        unknown(&self.text)
    }

    /// Several tasks have ids that begin so.
    pub fn ambiguous(&self) -> Error {
        Error::InvalidParameter(format!(
            "Several tasks have ids that begin with {}: give more digits.",
            self.text
        ))
    }
}

fn unknown(text: &str) -> Error {
    Error::InvalidParameter(format!("There is no task {text}."))
}

/// First step of `ExplainTask`: which tasks of the state are meant by an ARN, an id, or the start
/// of an id.
///
/// # Errors
///
/// [`Error::AccessDenied`] to agents and tasks, [`Error::InvalidParameter`] for what names no task
/// or no cluster.
pub fn meant_task(
    state: &State,
    ask: &shape::ExplainTaskRequest,
    context: &Context<'_>,
) -> Result<Meant, Error> {
    trail::people_only(state, context)?;
    let cluster = ask.cluster.as_deref().filter(|it| !it.is_empty()).map(past::cluster);
    let cluster = cluster.transpose()?;
    let ids = Ids::parse(ask.task.as_deref().unwrap_or_default())?;
    let tasks = state.tasks().range(ids.first..=ids.last).map(|(_, task)| task);
    let found = tasks.filter(|it| cluster.as_ref().is_none_or(|cluster| it.cluster == *cluster));
    let found = found.take(2).cloned().collect();
    Ok(Meant { ids, cluster, found })
}

/// Second step of `ExplainTask`: the story of a task, with the row of the audit trail that made it.
pub fn explain_task(
    state: &State,
    task: &Task,
    origin: Option<&Audit>,
    told: From,
    now: Timestamp,
) -> shape::ExplainTaskResponse {
    let mut lines = story(state, task, origin, now);
    if told == From::History {
        lines.push("DescribeTasks shows it no longer; this is from the history.".into());
    }
    shape::ExplainTaskResponse {
        task_arn: Some(state.home().task(&task.cluster, task.id)),
        lines: Some(lines),
    }
}

fn story(state: &State, task: &Task, asked: Option<&Audit>, now: Timestamp) -> Vec<String> {
    let mut lines = vec![standing(task)];
    lines.push(origin(task, asked));
    lines.push(place(state, task));
    lines.extend(task.placing.iter().flat_map(|it| chosen(it)));
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

fn origin(task: &Task, asked: Option<&Audit>) -> String {
    let token = task.token.as_ref().map_or(String::new(), |it| format!(", client token {it}"));
    let at = task.created_at.rfc3339();
    match asked {
        Some(Audit { operation, caller, source_ip, user_agent, .. }) => {
            let tool = user_agent.split_whitespace().next().unwrap_or("an unnamed tool");
            format!(
                "Asked for by {operation} (audit event {}) at {at}, by {caller} from {source_ip} \
                 with {tool}{token}.",
                task.audit
            )
        }
        None => match &task.service {
            Some(it) => format!(
                "Started at {at} by service {}, deployment ecs-svc/{}.",
                it.service, it.deployment
            ),
            None => format!(
                "Asked for at {at} by audit event {}, which is no longer kept{token}.",
                task.audit
            ),
        },
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

/// Why it was that instance: what spoke for it, then what spoke against others.
fn chosen(it: &Placing) -> Vec<String> {
    let Placing { strategies, instances, candidates, in_zone, on_instance, cpu, memory, refused } =
        it;
    let by = match strategies.as_slice() {
        [] => "spread over zones, then over instances".to_owned(),
        all => all.join(", then "),
    };
    let mut lines = vec![format!(
        "Chosen among the {candidates} of {instances} container instances that could take it, by \
         {by}: its zone held {in_zone} of the group and the instance {on_instance}; {} CPU units \
         and {} MiB were free.",
        cpu.0, memory.0
    )];
    let passed = refused.iter();
    lines.extend(passed.map(|it| format!("Not on {}: {}.", it.instance, it.detail)));
    lines
}

/// What a task that is on its way waits for.
fn waiting(state: &State, task: &Task) -> Option<String> {
    let connected = state.container_instance(task.instance).is_some_and(|it| it.connected);
    let text = match (task.last, task.desired) {
        (Status::Stopped | Status::Running, Desired::Running) | (Status::Stopped, _) => {
            return None;
        }
        (Status::Deactivating, _) => {
            "It leaves its target groups first: it is stopped when nobody has anything under way to \
             it, at the latest when their deregistration delay is over."
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
mod tests;
