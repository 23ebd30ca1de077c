//! `landfall logs`: the output of a task.

use core::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use shapes::ecs::{
    ContainerDefinition, DescribeTaskDefinition, DescribeTaskDefinitionRequest, Task,
};
use shapes::logs::{GetLogEvents, GetLogEventsRequest, OutputLogEvent};
use types::Timestamp;

use super::output::{is_read, print, say};
use super::tasks::{cluster_of, describe, explain, tail};
use super::wait_for;
use crate::args::Place;
use crate::client::{CallError, Client};

/// How often the region is asked for new lines.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Lines of one page. Source: CloudWatch Logs API Reference, `GetLogEvents`.
const PAGE: i32 = 10_000;

/// How many further looks a stopped task gets: agents send lines in batches, the last ones after
/// the container's end.
const LAST_LOOKS: u32 = 4;

/// Show the output of a task.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  landfall logs 3fa9c201           everything so far
  landfall logs -f 3fa9c201        and what comes, until the task ends
  landfall logs -t --container app 3fa9c201

Shown are the lines that the log driver awslogs sent to the region; `landfall run` and task
definitions with that driver have them. Lines of the driver json-file stay on the instance.")]
pub(crate) struct LogsFlags {
    #[command(flatten)]
    place: Place,
    /// Task: at least the first four digits of its id, or its ARN.
    task: String,
    /// Go on until the task has ended.
    #[arg(long, short)]
    follow: bool,
    /// Begin each line with its time.
    #[arg(long, short)]
    timestamps: bool,
    /// Only this container of the task.
    #[arg(long, value_name = "NAME")]
    container: Option<String>,
    /// Cluster of the task. Default: any.
    #[arg(long)]
    cluster: Option<String>,
}

/// Where a container's lines are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kept {
    /// In this stream of the region's log store.
    Stream { group: String, stream: String },
    /// On the instance, written by this driver.
    Instance { driver: String },
    /// Nowhere.
    Nowhere,
}

/// A container and how far its lines have been shown.
#[derive(Debug)]
struct Source {
    container: String,
    group: String,
    stream: String,
    next: Option<String>,
    /// Whether the stream has been there: it is made with the first line.
    begun: bool,
}

pub(crate) fn run(flags: &LogsFlags) -> anyhow::Result<()> {
    let client = Client::from_env_or(&flags.place)?;
    wait_for(async {
        let story = explain(&client, flags.cluster.as_deref(), &flags.task).await?;
        let arn = story.task_arn.context("the region found a task and did not say which")?;
        let Some(task) = look(&client, &arn).await? else {
            bail!(
                "task {} stopped more than an hour ago: the region no longer shows where its \
                 lines are; they stay in its log group, see `aws logs describe-log-groups`",
                tail(Some(&arn))
            );
        };
        let mut sources = sources(&client, flags, &task).await?;
        show(&client, flags, &arn, &mut sources).await
    })
}

async fn look(client: &Client, arn: &str) -> Result<Option<Task>, CallError> {
    let cluster = cluster_of(arn).unwrap_or("default");
    Ok(describe(client, cluster, &[arn.to_owned()]).await?.into_iter().next())
}

/// The streams of the task's containers; what is kept elsewhere is said.
async fn sources(client: &Client, flags: &LogsFlags, task: &Task) -> anyhow::Result<Vec<Source>> {
    let ask = DescribeTaskDefinitionRequest {
        task_definition: task.task_definition_arn.clone(),
        include: None,
    };
    let answer = client.call::<DescribeTaskDefinition>(&ask).await?;
    let definition = answer.task_definition.context("the region knows no such task definition")?;
    let mut sources = Vec::new();
    let mut wanted = 0;
    for it in definition.container_definitions.iter().flatten() {
        let container = it.name.clone().unwrap_or_default();
        if flags.container.as_ref().is_some_and(|name| *name != container) {
            continue;
        }
        wanted += 1;
        match kept(it, task) {
            Kept::Stream { group, stream } => {
                sources.push(Source { container, group, stream, next: None, begun: false });
            }
            Kept::Instance { driver } => say(&format!(
                "The lines of container {container} are on instance {}, in the files of the log \
                 driver {driver}; the driver awslogs would bring them here.",
                tail(task.container_instance_arn.as_deref())
            )),
            Kept::Nowhere => say(&format!(
                "The lines of container {container} are kept nowhere: its log driver is none."
            )),
        }
    }
    if wanted == 0 {
        bail!(
            "task {} has no container {}",
            flags.task,
            flags.container.as_deref().unwrap_or_default()
        );
    }
    Ok(sources)
}

/// Where the lines of a container of a task are.
pub(super) fn kept(definition: &ContainerDefinition, task: &Task) -> Kept {
    let log = definition.log_configuration.as_ref();
    let driver = log.and_then(|it| it.log_driver.as_ref()).map_or("json-file", |it| it.as_str());
    match driver {
        "awslogs" => {}
        "none" => return Kept::Nowhere,
        other => return Kept::Instance { driver: other.to_owned() },
    }
    let option = |name: &str| log.and_then(|it| it.options.as_ref()?.get(name).cloned());
    let name = definition.name.as_deref().unwrap_or_default();
    let stream = match option("awslogs-stream-prefix") {
        Some(prefix) => format!("{prefix}/{name}/{}", tail(task.task_arn.as_deref())),
        // Without a prefix the driver names the stream after the container at its runtime.
        None => {
            let containers = task.containers.iter().flatten();
            let mut same = containers.filter(|it| it.name.as_deref() == Some(name));
            same.next().and_then(|it| it.runtime_id.clone()).unwrap_or_default()
        }
    };
    Kept::Stream { group: option("awslogs-group").unwrap_or_default(), stream }
}

async fn show(
    client: &Client,
    flags: &LogsFlags,
    arn: &str,
    sources: &mut [Source],
) -> anyhow::Result<()> {
    let prefixed = sources.len() > 1;
    let mut looks_left = LAST_LOOKS;
    loop {
        let mut shown = 0;
        for source in sources.iter_mut() {
            shown += drain(client, flags, source, prefixed).await?;
        }
        if !flags.follow {
            break;
        }
        let over =
            look(client, arn).await?.is_none_or(|it| it.last_status.as_deref() == Some("STOPPED"));
        if over && shown == 0 {
            looks_left -= 1;
            if looks_left == 0 {
                break;
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
        if !is_read() {
            return Ok(());
        }
    }
    for it in sources.iter().filter(|it| !it.begun) {
        say(&format!("Container {} has written nothing so far.", it.container));
    }
    Ok(())
}

/// Shows all lines that are new; answers how many there were.
async fn drain(
    client: &Client,
    flags: &LogsFlags,
    source: &mut Source,
    prefixed: bool,
) -> anyhow::Result<usize> {
    let mut shown = 0;
    loop {
        let ask = GetLogEventsRequest {
            log_group_name: Some(source.group.clone()),
            log_stream_name: Some(source.stream.clone()),
            start_from_head: Some(true),
            next_token: source.next.clone(),
            limit: Some(PAGE),
            ..GetLogEventsRequest::default()
        };
        let page = match client.call::<GetLogEvents>(&ask).await {
            Err(error) if error.code() == Some("ResourceNotFoundException") => return Ok(shown),
            answer => answer?,
        };
        source.begun = true;
        let events = page.events.unwrap_or_default();
        source.next = page.next_forward_token.or(source.next.take());
        if events.is_empty() {
            return Ok(shown);
        }
        shown += events.len();
        let name = prefixed.then_some(source.container.as_str());
        let text: String = events.iter().map(|it| line(it, name, flags.timestamps)).collect();
        print(&text)?;
    }
}

fn line(event: &OutputLogEvent, container: Option<&str>, timestamps: bool) -> String {
    let time = match event.timestamp.filter(|_| timestamps) {
        Some(at) => Timestamp(at).rfc3339() + " ",
        None => String::new(),
    };
    let container = container.map(|it| format!("{it} | ")).unwrap_or_default();
    let message = event.message.as_deref().unwrap_or_default();
    format!("{time}{container}{}\n", message.strip_suffix('\n').unwrap_or(message))
}

#[cfg(test)]
mod tests {
    use shapes::ecs::LogConfiguration;

    use super::*;

    fn check(driver: Option<&str>, options: &[(&str, &str)], expected: Kept) {
        let pairs = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let definition = ContainerDefinition {
            name: Some("app".into()),
            log_configuration: driver.map(|it| LogConfiguration {
                log_driver: Some(it.into()),
                options: Some(pairs.collect()),
                ..LogConfiguration::default()
            }),
            ..ContainerDefinition::default()
        };
        let task = Task {
            task_arn: Some("arn:aws:ecs:r:a:task/default/0123".into()),
            containers: Some(vec![shapes::ecs::Container {
                name: Some("app".into()),
                runtime_id: Some("run-7".into()),
                ..shapes::ecs::Container::default()
            }]),
            ..Task::default()
        };
        assert_eq!(kept(&definition, &task), expected);
    }

    #[test]
    fn lines_are_found_where_the_driver_puts_them() {
        let stream = |stream: &str| Kept::Stream { group: "g".into(), stream: stream.into() };
        let group = ("awslogs-group", "g");
        check(Some("awslogs"), &[group, ("awslogs-stream-prefix", "p")], stream("p/app/0123"));
        check(Some("awslogs"), &[group], stream("run-7"));
        check(None, &[], Kept::Instance { driver: "json-file".into() });
        check(Some("none"), &[], Kept::Nowhere);
    }

    #[test]
    fn a_line_may_have_its_time_and_container() {
        let event = OutputLogEvent {
            message: Some("hello\n".into()),
            timestamp: Some(1_800_000_000_000),
            ..OutputLogEvent::default()
        };
        assert_eq!(line(&event, None, false), "hello\n");
        assert_eq!(line(&event, Some("app"), true), "2027-01-15T08:00:00Z app | hello\n");
    }
}
