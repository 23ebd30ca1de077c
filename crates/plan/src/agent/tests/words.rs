//! The right side of a transcript: effects in words.

use core::fmt::Write as _;

use shapes::ecs;

use crate::agent::{Action, AgentMessage, Effect, TaskArn};

/// One effect in words.
pub(super) fn describe(effect: &Effect) -> String {
    match effect {
        Effect::Send(message) => describe_message(message),
        Effect::Submit(it) => describe_report(&it.request),
        Effect::Step(step) => format!("{} {}", step.task.id(), describe_action(&step.action)),
        Effect::PublishHealth => "publish health".into(),
        Effect::OpenSession { send_credentials } => format!("open session ({send_credentials})"),
        Effect::CloseSession => "close session".into(),
    }
}

fn describe_message(message: &AgentMessage) -> String {
    let text = |it: &Option<String>| it.clone().unwrap_or_default();
    match message {
        AgentMessage::Ack(it) => format!("ack {}", text(&it.message_id)),
        AgentMessage::Nack(it) => format!("nack {}", text(&it.message_id)),
        AgentMessage::HeartbeatAck(it) => format!("heartbeat-ack {}", text(&it.message_id)),
        AgentMessage::CredentialsAck(it) => {
            format!("credentials-ack {} {}", text(&it.credentials_id), text(&it.expiration))
        }
        AgentMessage::TaskStopVerification(it) => {
            let candidates = it.stop_candidates.iter().flatten();
            let names = candidates.map(|it| it.task_arn.as_deref().and_then(TaskArn::parse));
            let names: Vec<_> = names.flatten().map(|it| it.id().to_owned()).collect();
            format!("candidates {}: {}", text(&it.message_id), names.join(" "))
        }
    }
}

fn describe_action(action: &Action) -> String {
    let nth = |run: &u32| if *run == 0 { String::new() } else { format!(" #{run}") };
    match action {
        Action::Prepare => "prepare".into(),
        Action::PullImage { container } => format!("pull {container}"),
        Action::CancelPull { container } => format!("cancel pull {container}"),
        Action::Create { container, run } => format!("create {container}{}", nth(run)),
        Action::Start { container, run } => format!("start {container}{}", nth(run)),
        Action::Signal { container, signal, .. } => format!("{signal} {container}"),
        Action::Probe { container, command, .. } => {
            format!("probe {container} {}", command.join(" "))
        }
        Action::Release => "release".into(),
        Action::Remove => "remove".into(),
    }
}

fn describe_report(it: &ecs::SubmitTaskStateChangeRequest) -> String {
    let text = |it: &Option<String>| it.clone().unwrap_or_default();
    let id = it.task.as_deref().and_then(TaskArn::parse).expect("a report names its task");
    let mut line = format!("submit {} {}", id.id(), text(&it.status));
    for change in it.containers.iter().flatten() {
        write!(line, ", {} {}", text(&change.container_name), text(&change.status))
            .expect("memory");
        if let Some(code) = change.exit_code {
            write!(line, " {code}").expect("memory");
        }
        if let Some(reason) = &change.reason {
            write!(line, " ({reason})").expect("memory");
        }
    }
    for change in it.attachments.iter().flatten() {
        write!(line, ", {} {}", text(&change.attachment_arn), text(&change.status))
            .expect("memory");
    }
    if let Some(reason) = &it.reason {
        write!(line, " ({reason})").expect("memory");
    }
    line
}
