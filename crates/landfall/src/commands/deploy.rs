//! `landfall deploy`: a new version of a service, followed to its end.

mod change;
mod failure;
mod follow;

use core::time::Duration;
use std::process::exit;

use clap::Args;
use serde_json::json;

use self::change::Wish;
use self::failure::Failing;
use self::follow::{End, Rollout};
use super::moment::distance;
use super::output::{print, print_json, say};
use super::tasks::tail;
use super::wait_for;
use crate::args::Place;
use crate::client::Client;

/// What a deployment that failed or was rolled back ends with.
const FAILED: i32 = 1;
/// What a command ends with that has begun no deployment, or can follow it no longer.
const NOT_FOLLOWED: i32 = 2;

/// Bring a service up to date and follow the deployment to its end.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  landfall deploy web --image web:2             the same task definition with another image
  landfall deploy web-task.json --service web   registers a task definition, updates the service
  landfall deploy web-service.json              creates the service, or updates it if it is there

FILE is JSON as `aws ecs register-task-definition`, `create-service` or `update-service` take it with
--cli-input-json. Everything is done by those operations, so that it shows there as well.

Progress is one line that changes, or plain lines where standard error is no terminal. The status is
0 when the deployment is done, 1 when it failed, was rolled back or is not done by --timeout, and 2 when
none was begun or the region cannot be reached. Ctrl-C leaves the deployment going.")]
pub(crate) struct DeployFlags {
    #[command(flatten)]
    place: Place,
    /// A service by its name or ARN, with --image; else a file.
    #[arg(value_name = "FILE|SERVICE")]
    what: String,
    /// Image that the service's container has from now on.
    #[arg(long, value_name = "REF", conflicts_with = "service")]
    image: Option<String>,
    /// Container that gets the image, where the task definition has several.
    #[arg(long, value_name = "NAME", requires = "image")]
    container: Option<String>,
    /// Service that gets the task definition of FILE.
    #[arg(long, value_name = "SERVICE")]
    service: Option<String>,
    /// Cluster of the service. Default: what FILE says, else `default`.
    #[arg(long)]
    cluster: Option<String>,
    /// Stop following after so long: 90s, 10m. Default: never.
    #[arg(long, value_name = "DURATION", value_parser = distance)]
    timeout: Option<Duration>,
    /// One JSON object about the end instead of text.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(flags: &DeployFlags) -> anyhow::Result<()> {
    let mut end = 0;
    let done = wait_for(async {
        end = deploy(flags).await?;
        Ok(())
    });
    if let Err(error) = done {
        say(&format!("landfall: {error:#}"));
        end = NOT_FOLLOWED;
    }
    match end {
        0 => Ok(()),
        status => exit(status),
    }
}

/// Begins a deployment and follows it; the answer is the command's status.
async fn deploy(flags: &DeployFlags) -> anyhow::Result<i32> {
    let client = Client::from_env_or(&flags.place)?;
    let wish = Wish::of(flags)?;
    let service = change::carry_out(&client, &wish).await?;
    let followed = follow::to_end(&client, &service, flags.timeout).await?;
    let Rollout { end, .. } = &followed;
    let failing = match end {
        End::Done => None,
        End::Failed(_) | End::StillGoing => failure::newest(&client, &followed).await?,
    };
    if flags.json {
        print_json(&document(&followed, failing.as_ref()))?;
    } else {
        print(&told(&followed, failing.as_ref()))?;
    }
    Ok(if matches!(end, End::Done) { 0 } else { FAILED })
}

/// How it ended, why, and the last words of the task that failed.
fn told(it: &Rollout, failing: Option<&Failing>) -> String {
    let name = it.service.service_name.as_deref().unwrap_or_default();
    let definition = tail(it.wanted.as_deref());
    let mut text = match &it.end {
        End::Done => return format!("{name} runs {definition}.\n"),
        End::Failed(reason) => format!("{name} does not run {definition}: {reason}\n"),
        End::StillGoing => {
            let waits = follow::waits_for(it, &it.service).map(|it| format!("{it}\n"));
            format!("{name} does not run {definition} so far; the deployment goes on.\n")
                + waits.as_deref().unwrap_or_default()
        }
    };
    if let Some(it) = failing {
        text = format!(
            "{text}Task {} {}\n",
            tail(it.task.task_arn.as_deref()),
            failure::why(&it.task)
        );
        for line in &it.lines {
            text = format!("{text}  {line}\n");
        }
    }
    text
}

fn document(it: &Rollout, failing: Option<&Failing>) -> serde_json::Value {
    let (outcome, reason) = match &it.end {
        End::Done => ("DONE", None),
        End::Failed(reason) => ("FAILED", Some(reason.as_str())),
        End::StillGoing => ("STILL_GOING", follow::waits_for(it, &it.service)),
    };
    json!({
        "serviceArn": it.service.service_arn,
        "serviceDeploymentArn": it.service_deployment,
        "taskDefinition": it.wanted,
        "outcome": outcome,
        "status": it.status,
        "reason": reason,
        "desiredCount": it.service.desired_count,
        "runningCount": it.service.running_count,
        "failingTask": failing.map(|it| json!({
            "taskArn": it.task.task_arn,
            "reason": failure::why(&it.task),
            "lines": it.lines,
        })),
    })
}
