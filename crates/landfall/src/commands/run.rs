//! `landfall run`: an image becomes a task in one line.

mod ask;
mod follow;

use clap::{Args, ValueEnum};
use shapes::ecs::{
    Failure, RegisterTaskDefinition, RunTask, RunTaskRequest, RunTaskResponse, Task,
};
use shapes::logs::{CreateLogGroup, CreateLogGroupRequest};

use anyhow::{Context as _, bail};

use self::ask::{Port, Variable};
use super::output::{print, say};
use super::ps::{self, Reasons};
use super::tasks::{self, short, tail};
use super::wait_for;
use crate::args::Place;
use crate::client::{CallError, Client};
use crate::clock::now;

/// How often a RunTask without an answer is asked again. Its client token makes that safe.
const ATTEMPTS: u32 = 4;

/// How long to wait before the first repetition; twice as long before each further one.
const REPEAT_AFTER: core::time::Duration = core::time::Duration::from_millis(200);

/// Run an image as a task: registers a task definition, and starts it.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  landfall run landfall/demo -p 8080 -- web     a web server; its port is published on a free one
  landfall run nginx -p 80:80 --count 3 --wait  three of them, each on port 80 of its instance
  landfall run alpine --wait -- echo hello      to the end; `landfall logs TASK` shows its output
  landfall run redis --network-mode awsvpc      with an address of its own

This is RegisterTaskDefinition and RunTask, as the aws command has them: the task shows there as
well, and the family keeps its revisions. Output goes to the log group /landfall/FAMILY.")]
pub(crate) struct RunFlags {
    #[command(flatten)]
    place: Place,
    /// Image to run, as `landfall image ls` lists it or a registry names it.
    image: String,
    /// Command and its arguments, instead of the image's own.
    #[arg(last = true, value_name = "CMD")]
    command: Vec<String>,
    /// Publish a container port: on a free port of the instance, or on HOST. Repeatable.
    #[arg(long = "publish", short, value_name = "[HOST:]CONTAINER[/udp]")]
    publish: Vec<Port>,
    /// Set an environment variable. Repeatable.
    #[arg(long = "env", short, value_name = "NAME=VALUE")]
    env: Vec<Variable>,
    /// Family of the task definition. Default: the last word of the image's name.
    #[arg(long, value_name = "FAMILY")]
    name: Option<String>,
    /// CPU units to reserve; 1,024 are one processor.
    #[arg(long, value_name = "UNITS", default_value_t = 128)]
    cpu: u32,
    /// Memory limit in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    memory: u32,
    /// How many tasks, 1 to 10.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=10))]
    count: u8,
    /// Cluster to run in.
    #[arg(long, default_value = "default")]
    cluster: String,
    /// How the task reaches the network.
    #[arg(long, value_enum, default_value_t = Mode::Bridge)]
    network_mode: Mode,
    /// Where output goes.
    #[arg(long, value_enum, default_value_t = Driver::Awslogs)]
    log_driver: Driver,
    /// Wait until the tasks run, or have ended.
    #[arg(long, short)]
    wait: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Behind published ports of its instance.
    Bridge,
    /// With an address of its own in the VPC.
    Awsvpc,
    /// In the network of its instance.
    Host,
    /// Loopback only.
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Driver {
    /// Into the region's log store; `landfall logs` shows it.
    Awslogs,
    /// Into files on the instance.
    JsonFile,
    /// Nowhere.
    None,
}

pub(crate) fn run(flags: &RunFlags) -> anyhow::Result<()> {
    let client = Client::from_env_or(&flags.place)?;
    wait_for(async {
        let definition = register(&client, flags).await?;
        let ask = RunTaskRequest {
            cluster: Some(flags.cluster.clone()),
            task_definition: Some(definition.clone()),
            count: Some(flags.count.into()),
            client_token: Some(fresh_token()?),
            started_by: Some("landfall-run".into()),
            network_configuration: network(&client, flags).await?,
            ..RunTaskRequest::default()
        };
        let RunTaskResponse { tasks, failures } =
            start(&client, &ask).await.map_err(|error| advised(error, &flags.cluster))?;
        let tasks = tasks.unwrap_or_default();
        let ended = if flags.wait && !tasks.is_empty() {
            follow::to_running(&client, &flags.cluster, &tasks).await?
        } else {
            tasks
        };
        show(&client, flags, &ended).await?;
        let failed: Vec<String> = ended
            .iter()
            .filter(|it| follow::has_failed(it))
            .map(|it| short(it.task_arn.as_deref()))
            .collect();
        conclude(flags, &definition, &failures.unwrap_or_default(), &failed)
    })
}

/// Makes a revision of the family, and the log group that its output goes to.
async fn register(client: &Client, flags: &RunFlags) -> anyhow::Result<String> {
    let family = ask::family(flags)?;
    if flags.log_driver == Driver::Awslogs {
        let group = CreateLogGroupRequest {
            log_group_name: Some(ask::log_group(&family)),
            ..CreateLogGroupRequest::default()
        };
        match client.call::<CreateLogGroup>(&group).await {
            Err(error) if error.code() != Some("ResourceAlreadyExistsException") => {
                return Err(error.into());
            }
            _ => {}
        }
    }
    let definition = ask::definition(flags, &family, client.region());
    let answer = client.call::<RegisterTaskDefinition>(&definition).await?;
    let arn = answer.task_definition.and_then(|it| it.task_definition_arn);
    arn.context("the region registered a task definition and did not say which")
}

async fn network(
    client: &Client,
    flags: &RunFlags,
) -> anyhow::Result<Option<shapes::ecs::NetworkConfiguration>> {
    if flags.network_mode != Mode::Awsvpc {
        return Ok(None);
    }
    let seats = tasks::some_seats(client, &flags.cluster).await?;
    ask::network(&seats).map(Some)
}

/// 128 random bits: no other request has this token.
fn fresh_token() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    Ok(types::uuid(&bytes))
}

/// Asks until there is an answer: thanks to the client token no task starts twice.
async fn start(client: &Client, ask: &RunTaskRequest) -> Result<RunTaskResponse, CallError> {
    let mut wait = REPEAT_AFTER;
    for _ in 1..ATTEMPTS {
        match client.call::<RunTask>(ask).await {
            Err(error) if error.is_passing() => {
                say(&format!("{error}; asking again with the same client token"));
            }
            answer => return answer,
        }
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
    client.call::<RunTask>(ask).await
}

/// The one refusal that everybody meets who starts the control plane alone.
fn advised(error: CallError, cluster: &str) -> anyhow::Error {
    let lonely = matches!(&error, CallError::Refused { fault, .. }
        if fault.message.contains("No Container Instances"));
    let error = anyhow::Error::from(error);
    if !lonely {
        return error;
    }
    error.context(format!(
        "cluster {cluster} has no container instances (`landfall up` runs three; `landfall agent` \
         adds a machine)"
    ))
}

async fn show(client: &Client, flags: &RunFlags, tasks: &[Task]) -> anyhow::Result<()> {
    let Some(first) = tasks.first() else { return Ok(()) };
    let seats = tasks::seats(client, &flags.cluster, tasks).await?;
    print(&ps::table(tasks, &seats, now(), Reasons::Hidden).to_string())?;
    let id = short(first.task_arn.as_deref());
    match flags.wait {
        false => say(&format!("Follow with `landfall ps`; output: `landfall logs -f {id}`.")),
        true if flags.log_driver == Driver::Awslogs => {
            say(&format!("Output: `landfall logs {id}`."));
        }
        true => {}
    }
    Ok(())
}

fn conclude(
    flags: &RunFlags,
    definition: &str,
    failures: &[Failure],
    failed: &[String],
) -> anyhow::Result<()> {
    for it in failures {
        let instance = short(it.arn.as_deref());
        let reason = it.reason.as_deref().unwrap_or("no reason");
        let detail = it.detail.as_deref().unwrap_or_default();
        say(&format!("  {instance}  {reason}: {detail}"));
    }
    if !failures.is_empty() {
        bail!(
            "not all {} tasks found a place in cluster {}; `landfall why --task-definition {}` \
             says more",
            flags.count,
            flags.cluster,
            tail(Some(definition))
        );
    }
    if let Some(first) = failed.first() {
        let (some, all) = (failed.len(), flags.count);
        bail!("{some} of {all} tasks failed; `landfall why {first}` says more");
    }
    Ok(())
}
