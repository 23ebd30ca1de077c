//! `landfall ps`: the tasks of a cluster.

use std::collections::BTreeSet;

use clap::Args;
use serde_json::json;
use shapes::ecs::{Container, DesiredStatus, ListTasks, ListTasksRequest, NetworkBinding, Task};
use shapes::landfall::{ListTaskHistory, ListTaskHistoryRequest};
use types::Timestamp;

use super::moment::{Moment, moment};
use super::output::{print, print_json, say};
use super::table::{NOTHING, Table, age};
use super::tasks::{self, Seat, Seats, short, tail};
use super::wait_for;
use crate::args::Place;
use crate::client::{CallError, Client};
use crate::clock::now;

/// List tasks: what runs, where, and under which address.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  landfall ps                  the tasks of cluster default
  landfall ps --all            also those that have stopped, the last hundred of the history
  landfall ps --all --since 2026-11-01 --limit 1000
  landfall ps --json | jq '.[].address'

A published port is reached at ADDRESS:PORT from this machine. What a task waits for, and why it
stopped, is told by `landfall why TASK`.")]
pub(crate) struct PsFlags {
    #[command(flatten)]
    place: Place,
    /// Also tasks that have stopped, those of the region's history included.
    #[arg(long, short)]
    all: bool,
    /// With --all: only tasks that stopped after this time, such as 2026-11-22,
    /// 2026-11-22T08:00:00Z, or so long ago: 90s, 30m, 12h, 7d.
    #[arg(long, value_name = "TIME", requires = "all", value_parser = moment)]
    since: Option<Moment>,
    /// With --all: only tasks of this family.
    #[arg(long, requires = "all")]
    family: Option<String>,
    /// With --all: how many tasks of the history at most.
    #[arg(long, value_name = "N", default_value_t = 100, requires = "all")]
    limit: usize,
    /// Cluster to list.
    #[arg(long, default_value = "default")]
    cluster: String,
    /// One JSON array instead of a table.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(flags: &PsFlags) -> anyhow::Result<()> {
    let client = Client::from_env_or(&flags.place)?;
    wait_for(async {
        let mut arns = list(&client, &flags.cluster, DesiredStatus::Running).await?;
        if flags.all {
            arns.extend(list(&client, &flags.cluster, DesiredStatus::Stopped).await?);
        }
        let mut tasks = tasks::describe(&client, &flags.cluster, &arns).await?;
        if flags.all {
            let known = tasks.iter().filter_map(|it| it.task_arn.clone()).collect();
            tasks.extend(past(&client, flags, &known).await?);
            tasks.retain(|it| is_asked_for(it, flags));
        }
        tasks.sort_by_key(|it| (core::cmp::Reverse(it.created_at), it.task_arn.clone()));
        let seats = tasks::seats(&client, &flags.cluster, &tasks).await?;
        if flags.json {
            return print_json(&tasks.iter().map(|it| document(it, &seats)).collect());
        }
        if tasks.is_empty() && !flags.all {
            say("No tasks run. `landfall run IMAGE` starts one; --all shows those that stopped.");
        }
        print(&table(&tasks, &seats, now(), flags.all.into()).to_string())
    })
}

/// Tasks of the history that the region no longer describes, the latest first.
async fn past(
    client: &Client,
    flags: &PsFlags,
    known: &BTreeSet<String>,
) -> Result<Vec<Task>, CallError> {
    let mut tasks = Vec::new();
    let mut next_token = None;
    loop {
        let ask = ListTaskHistoryRequest {
            cluster: Some(flags.cluster.clone()),
            family: flags.family.clone(),
            since: flags.since.map(|it| shapes::Timestamp(it.before(now()).0)),
            next_token,
            ..ListTaskHistoryRequest::default()
        };
        let answer = match client.call::<ListTaskHistory>(&ask).await {
            // A region without a history has told everything already.
            Err(error) if error.code() == Some("InvalidParameterException") => return Ok(tasks),
            answer => answer?,
        };
        for it in answer.tasks.unwrap_or_default() {
            let fresh = it.task_arn.as_ref().is_some_and(|it| !known.contains(it));
            if let Some(task) = it.document.filter(|_| fresh).and_then(|it| read(&it)) {
                tasks.push(task);
            }
            if tasks.len() >= flags.limit {
                return Ok(tasks);
            }
        }
        next_token = answer.next_token;
        if next_token.is_none() {
            return Ok(tasks);
        }
    }
}

/// A task as DescribeTasks wrote it.
fn read(document: &str) -> Option<Task> {
    let mut task = Task::default();
    shapes::json::decode(document.as_bytes(), &mut task).ok()?;
    Some(task)
}

fn is_asked_for(task: &Task, flags: &PsFlags) -> bool {
    let family = tail(task.task_definition_arn.as_deref()).split(':').next();
    let since = flags.since.map(|it| it.before(now()));
    flags.family.as_deref().is_none_or(|it| family == Some(it))
        && since.is_none_or(|since| task.stopped_at.is_none_or(|it| it.0 >= since.0))
}

/// Whether a list tells why tasks stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reasons {
    Shown,
    Hidden,
}

impl From<bool> for Reasons {
    fn from(shown: bool) -> Self {
        if shown { Self::Shown } else { Self::Hidden }
    }
}

async fn list(
    client: &Client,
    cluster: &str,
    desired: DesiredStatus,
) -> Result<Vec<String>, CallError> {
    let mut arns = Vec::new();
    let mut next_token = None;
    loop {
        let ask = ListTasksRequest {
            cluster: Some(cluster.to_owned()),
            desired_status: Some(desired.clone()),
            next_token,
            ..ListTasksRequest::default()
        };
        let answer = client.call::<ListTasks>(&ask).await?;
        arns.extend(answer.task_arns.unwrap_or_default());
        next_token = answer.next_token;
        if next_token.is_none() {
            return Ok(arns);
        }
    }
}

/// The table of tasks.
pub(super) fn table(tasks: &[Task], seats: &Seats, now: Timestamp, reasons: Reasons) -> Table {
    let mut head = vec!["TASK", "DEFINITION", "STATUS", "ZONE", "ADDRESS", "PORTS", "AGE"];
    if reasons == Reasons::Shown {
        head.push("REASON");
    }
    let mut table = Table::new(&head);
    for task in tasks {
        let seat = seat(task, seats);
        let mut row = vec![
            short(task.task_arn.as_deref()),
            tail(task.task_definition_arn.as_deref()).to_owned(),
            status(task),
            task.availability_zone.clone().unwrap_or(seat.zone),
            address(task).unwrap_or(seat.address.clone()),
            ports(task, &seat.address).join(" "),
            age(task.created_at, now),
        ];
        if reasons == Reasons::Shown {
            row.push(task.stopped_reason.clone().unwrap_or_default());
        }
        table.row(row);
    }
    table
}

fn seat(task: &Task, seats: &Seats) -> Seat {
    let arn = task.container_instance_arn.as_deref().unwrap_or_default();
    seats.get(arn).cloned().unwrap_or_default()
}

/// The status; of a stopped task with its exit codes, and where it is going to if that is another.
fn status(task: &Task) -> String {
    let last = task.last_status.as_deref().unwrap_or(NOTHING);
    let codes: Vec<String> =
        containers(task).filter_map(|it| it.exit_code).map(|it| it.to_string()).collect();
    match task.desired_status.as_deref() {
        Some("STOPPED") if last == "STOPPED" && !codes.is_empty() => {
            format!("{last}({})", codes.join(","))
        }
        Some("STOPPED") if last != "STOPPED" => format!("{last}->STOPPED"),
        _ => last.to_owned(),
    }
}

fn containers(task: &Task) -> impl Iterator<Item = &Container> {
    task.containers.iter().flatten()
}

/// The task's own address, if it has one (`awsvpc`).
fn address(task: &Task) -> Option<String> {
    let mut interfaces = containers(task).flat_map(|it| it.network_interfaces.iter().flatten());
    interfaces.find_map(|it| it.private_ipv4_address.clone())
}

/// Published ports as `ADDRESS:PORT->CONTAINER/PROTOCOL`; with `tcp` understood.
fn ports(task: &Task, instance: &str) -> Vec<String> {
    let bindings = containers(task).flat_map(|it| it.network_bindings.iter().flatten());
    bindings.filter_map(|it| port(it, instance)).collect()
}

fn port(it: &NetworkBinding, instance: &str) -> Option<String> {
    let host = it.host_port.map(|it| it.to_string()).or(it.host_port_range.clone())?;
    let inside = it.container_port.map(|it| it.to_string()).or(it.container_port_range.clone())?;
    let bound = it.bind_ip.as_deref().filter(|it| !matches!(*it, "" | "0.0.0.0" | "::"));
    let address = bound.unwrap_or(instance);
    let protocol = match it.protocol.as_ref().map(ToString::to_string).as_deref() {
        None | Some("tcp") => String::new(),
        Some(other) => format!("/{other}"),
    };
    Some(format!("{address}:{host}->{inside}{protocol}"))
}

fn document(task: &Task, seats: &Seats) -> serde_json::Value {
    let seat = seat(task, seats);
    let exit_codes: serde_json::Map<_, _> =
        containers(task).filter_map(|it| Some((it.name.clone()?, it.exit_code.into()))).collect();
    json!({
        "taskArn": task.task_arn,
        "taskDefinition": tail(task.task_definition_arn.as_deref()),
        "lastStatus": task.last_status,
        "desiredStatus": task.desired_status,
        "availabilityZone": task.availability_zone,
        "containerInstanceArn": task.container_instance_arn,
        "address": address(task).unwrap_or(seat.address.clone()),
        "ports": ports(task, &seat.address),
        "exitCodes": exit_codes,
        "createdAt": task.created_at.map(|it| Timestamp(it.0).rfc3339()),
        "stopCode": task.stop_code.as_ref().map(ToString::to_string),
        "stoppedReason": task.stopped_reason,
    })
}

#[cfg(test)]
mod tests {
    use shapes::ecs::NetworkInterface;

    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn task(status: &str, desired: &str) -> Task {
        Task {
            task_arn: Some("arn:aws:ecs:r:a:task/default/0123456789abcdef".into()),
            task_definition_arn: Some("arn:aws:ecs:r:a:task-definition/web:3".into()),
            container_instance_arn: Some("i".into()),
            availability_zone: Some("us-east-1a".into()),
            last_status: Some(status.into()),
            desired_status: Some(desired.into()),
            created_at: Some(shapes::Timestamp(NOW.0 - 5_000)),
            containers: Some(vec![Container::default()]),
            ..Task::default()
        }
    }

    fn with(mut task: Task, change: impl FnOnce(&mut Container)) -> Task {
        let mut containers = task.containers.take().unwrap_or_default();
        if let Some(first) = containers.first_mut() {
            change(first);
        }
        task.containers = Some(containers);
        task
    }

    fn check(task: Task, reasons: Reasons, expected: &str) {
        let seat = Seat { address: "10.0.0.10".into(), ..Seat::default() };
        let seats = Seats::from([("i".to_owned(), seat)]);
        let text = table(&[task], &seats, NOW, reasons).to_string();
        let words = |it: &str| it.split_whitespace().collect::<Vec<_>>().join(" ");
        let row = text.lines().nth(1).map(words);
        assert_eq!(row.as_deref(), Some(expected));
    }

    #[test]
    fn a_published_port_is_shown_as_it_is_reached() {
        let bound = |bind_ip: &str, protocol: &str| NetworkBinding {
            bind_ip: Some(bind_ip.into()),
            container_port: Some(80),
            host_port: Some(32_768),
            protocol: Some(protocol.into()),
            ..NetworkBinding::default()
        };
        let one = |it| with(task("RUNNING", "RUNNING"), |c| c.network_bindings = Some(vec![it]));
        let start = "01234567 web:3 RUNNING us-east-1a 10.0.0.10";
        for (binding, ports) in [
            (bound("0.0.0.0", "tcp"), "10.0.0.10:32768->80"),
            (bound("0.0.0.0", "udp"), "10.0.0.10:32768->80/udp"),
            (bound("127.0.0.1", "tcp"), "127.0.0.1:32768->80"),
        ] {
            check(one(binding), Reasons::Hidden, &format!("{start} {ports} 5s"));
        }
    }

    #[test]
    fn a_task_with_an_address_of_its_own_shows_that() {
        let interface = NetworkInterface {
            private_ipv4_address: Some("172.31.0.7".into()),
            ..NetworkInterface::default()
        };
        let task =
            with(task("RUNNING", "RUNNING"), |it| it.network_interfaces = Some(vec![interface]));
        check(task, Reasons::Hidden, "01234567 web:3 RUNNING us-east-1a 172.31.0.7 - 5s");
    }

    #[test]
    fn a_stopped_task_shows_its_exit_codes_and_reason() {
        let mut stopped = with(task("STOPPED", "STOPPED"), |it| it.exit_code = Some(137));
        stopped.stopped_reason = Some("Essential container in task exited".into());
        check(
            stopped,
            Reasons::Shown,
            "01234567 web:3 STOPPED(137) us-east-1a 10.0.0.10 - 5s Essential container in task \
             exited",
        );
        let stopping = task("RUNNING", "STOPPED");
        check(
            stopping,
            Reasons::Hidden,
            "01234567 web:3 RUNNING->STOPPED us-east-1a 10.0.0.10 - 5s",
        );
    }
}
