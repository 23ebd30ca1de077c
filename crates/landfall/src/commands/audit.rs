//! `landfall audit`: who asked for what, and what became of it.

use anyhow::Context as _;
use clap::Args;
use shapes::landfall::{AuditEvent, ListAudit, ListAuditRequest};
use types::Timestamp;

use super::moment::{Moment, moment};
use super::output::{print, print_json, say, value};
use super::table::Table;
use super::tasks::{explain, tail};
use super::wait_for;
use crate::args::Place;
use crate::client::Client;
use crate::clock::now;

/// How many events one page of the region holds at most.
const PAGE_MAX: u32 = 1_000;

/// How many resources one row names.
const RESOURCES_SHOWN: usize = 3;

/// Show the audit trail, the newest events first: requests that changed something or were refused.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  landfall audit --limit 20
  landfall audit --task 3fa9c201      every request that made or changed this task
  landfall audit --token monday       the request that used a client token, and its repeats
  landfall audit --json | jq '.[] | select(.errorCode)'

An event with outcome `repeats N` gave the answer of event N again and changed nothing.")]
pub(crate) struct AuditFlags {
    #[command(flatten)]
    place: Place,
    /// Only what made or changed this task: its ARN, its id or the start of it.
    #[arg(long, value_name = "TASK")]
    task: Option<String>,
    /// Only requests with this client token.
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// Only this operation, such as RunTask.
    #[arg(long, value_name = "NAME")]
    operation: Option<String>,
    /// Only requests after this time, such as 2026-11-22, 2026-11-22T08:00:00Z, or so long ago:
    /// 90s, 30m, 12h, 7d.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Moment>,
    /// How many events at most.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,
    /// One JSON array instead of a table.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(flags: &AuditFlags) -> anyhow::Result<()> {
    let client = Client::from_env_or(&flags.place)?;
    wait_for(async {
        let events = list(&client, flags).await?;
        if flags.json {
            return print_json(&events.iter().map(|it| value(it)).collect());
        }
        if events.is_empty() {
            say("There is no such event.");
        }
        print(&table(&events).to_string())
    })
}

async fn list(client: &Client, flags: &AuditFlags) -> anyhow::Result<Vec<AuditEvent>> {
    let resource = match &flags.task {
        Some(task) => {
            let story = explain(client, None, task).await?;
            Some(story.task_arn.context("the region found a task and did not say which")?)
        }
        None => None,
    };
    let mut events = Vec::new();
    let mut next_token = None;
    loop {
        let room = flags.limit - u32::try_from(events.len()).unwrap_or(flags.limit);
        if room == 0 {
            return Ok(events);
        }
        let ask = ListAuditRequest {
            resource: resource.clone(),
            client_token: flags.token.clone(),
            operation: flags.operation.clone(),
            max_results: i32::try_from(room.min(PAGE_MAX)).ok(),
            next_token,
            since: flags.since.map(|it| shapes::Timestamp(it.before(now()).0)),
            until: None,
        };
        let answer = client.call::<ListAudit>(&ask).await?;
        events.extend(answer.events.unwrap_or_default());
        next_token = answer.next_token;
        if next_token.is_none() {
            return Ok(events);
        }
    }
}

fn table(events: &[AuditEvent]) -> Table {
    let mut table =
        Table::new(&["EVENT", "TIME", "OPERATION", "WHO", "WITH", "TOKEN", "OUTCOME", "RESOURCES"]);
    for it in events {
        table.row([
            it.event_number.map(|it| it.to_string()).unwrap_or_default(),
            it.event_time.map(|it| Timestamp(it.0).rfc3339()).unwrap_or_default(),
            it.event_name.clone().unwrap_or_default(),
            who(it),
            with(it),
            it.client_token.clone().unwrap_or_default(),
            outcome(it),
            resources(it),
        ]);
    }
    table
}

/// The end of the principal's ARN, and where it called from.
fn who(it: &AuditEvent) -> String {
    let arn = it.principal_arn.as_deref().unwrap_or_default();
    let name = arn.rsplit(':').next().unwrap_or(arn);
    match it.source_ip_address.as_deref().filter(|it| !it.is_empty()) {
        Some(address) => format!("{name}@{address}"),
        None => name.to_owned(),
    }
}

/// The first word of what the client calls itself.
fn with(it: &AuditEvent) -> String {
    let agent = it.user_agent.as_deref().unwrap_or_default();
    agent.split_whitespace().next().unwrap_or_default().to_owned()
}

fn outcome(it: &AuditEvent) -> String {
    match (&it.error_code, it.replay_of) {
        (Some(code), _) => code.clone(),
        (None, Some(of)) => format!("repeats {of}"),
        (None, None) => "done".to_owned(),
    }
}

fn resources(it: &AuditEvent) -> String {
    let all = it.resources.as_deref().unwrap_or_default();
    let mut shown: Vec<String> = all.iter().take(RESOURCES_SHOWN).map(|it| resource(it)).collect();
    if all.len() > RESOURCES_SHOWN {
        shown.push(format!("and {} more", all.len() - RESOURCES_SHOWN));
    }
    shown.join(", ")
}

/// Kind and name of what an ARN means, with the shortened id of a task or instance.
fn resource(arn: &str) -> String {
    let kind = arn.rsplit(':').next().and_then(|it| it.split_once('/')).map(|(kind, _)| kind);
    match kind {
        Some(kind @ ("task" | "container-instance")) => {
            let id: String = tail(Some(arn)).chars().take(8).collect();
            format!("{kind} {id}")
        }
        // The revision stands behind a colon of its own.
        _ => arn.split(':').skip(5).collect::<Vec<_>>().join(":").replacen('/', " ", 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line() {
        let event = AuditEvent {
            event_number: Some(7),
            event_time: Some(shapes::Timestamp(1_800_000_000_000)),
            event_name: Some("RunTask".into()),
            principal_arn: Some("arn:aws:iam::123456789012:root".into()),
            source_ip_address: Some("127.0.0.1".into()),
            user_agent: Some("aws-cli/2.1 md/x".into()),
            client_token: Some("monday".into()),
            resources: Some(vec![
                "arn:aws:ecs:r:a:task/default/0123456789abcdef".into(),
                "arn:aws:ecs:r:a:task-definition/web:3".into(),
            ]),
            ..AuditEvent::default()
        };
        let refused = AuditEvent {
            error_code: Some("ConflictException".into()),
            resources: None,
            ..event.clone()
        };
        let repeat = AuditEvent { replay_of: Some(7), ..event.clone() };
        let text = table(&[event, refused, repeat]).to_string();
        let words: Vec<String> = text
            .lines()
            .skip(1)
            .map(|it| it.split_whitespace().skip(2).collect::<Vec<_>>().join(" "))
            .collect();
        let start = "RunTask root@127.0.0.1 aws-cli/2.1 monday";
        assert_eq!(
            words,
            [
                format!("{start} done task 01234567, task-definition web:3"),
                format!("{start} ConflictException -"),
                format!("{start} repeats 7 task 01234567, task-definition web:3"),
            ]
        );
    }
}
