//! `landfall why`: the story of a task or a service, or why one more task would find no place.

mod service;

use anyhow::bail;
use clap::Args;
use shapes::landfall::{
    ConsideredInstance, ExplainPlacement, ExplainPlacementRequest, ExplainPlacementResponse,
};

use super::output::{print, print_json, value};
use super::table::Table;
use super::tasks::{explain, short};
use super::wait_for;
use crate::args::Place;
use crate::client::Client;

/// Explain a task or a service: where it stands, what it waits for or why it ended, what to do.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  landfall why 3fa9c201                    a task by the start of its id, its id or its ARN
  landfall why web                         a service by its name or ARN
  landfall why --task-definition web       where one more task of family web would fit, instance
                                           by instance, without starting one

The last form is for a request that found no place: it tells for every container instance what
speaks against it, with numbers.")]
pub(crate) struct WhyFlags {
    #[command(flatten)]
    place: Place,
    /// Task to explain, by at least the first four digits of its id, or service by its name.
    #[arg(required_unless_present = "task_definition", conflicts_with = "task_definition")]
    task: Option<String>,
    /// Task definition to find a place for: FAMILY, FAMILY:REVISION or ARN.
    #[arg(long, value_name = "DEFINITION")]
    task_definition: Option<String>,
    /// Cluster to look in. Default: any for a task; `default` for a task definition.
    #[arg(long)]
    cluster: Option<String>,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(flags: &WhyFlags) -> anyhow::Result<()> {
    let client = Client::from_env_or(&flags.place)?;
    wait_for(async {
        if let Some(task) = &flags.task {
            return tell(&client, flags, task).await;
        }
        let ask = ExplainPlacementRequest {
            cluster: flags.cluster.clone(),
            task_definition: flags.task_definition.clone(),
        };
        let answer = client.call::<ExplainPlacement>(&ask).await?;
        match flags.json {
            true => print_json(&value(&answer)),
            false => print(&places(&answer)),
        }
    })
}

/// A task, or a service where no task is meant.
async fn tell(client: &Client, flags: &WhyFlags, what: &str) -> anyhow::Result<()> {
    let cluster = flags.cluster.as_deref();
    if is_task(what) {
        match explain(client, cluster, what).await {
            Ok(story) if flags.json => return print_json(&value(&story)),
            Ok(story) => return print(&lines(&story.lines.unwrap_or_default())),
            // A service may be called like the start of an id.
            Err(error) => match service::story(client, cluster, what).await {
                Ok(Some(story)) => return show(flags, &story),
                _ => return Err(error.into()),
            },
        }
    }
    match service::story(client, cluster, what).await? {
        Some(story) => show(flags, &story),
        None => bail!(
            "there is no service {what} in cluster {} (--cluster names another), and no task has an \
             id like that",
            cluster.unwrap_or("default")
        ),
    }
}

/// Whether this may be a task's ARN or the start of its id.
fn is_task(what: &str) -> bool {
    what.contains(":task/") || what.bytes().all(|it| it.is_ascii_hexdigit())
}

fn show(flags: &WhyFlags, story: &service::Story) -> anyhow::Result<()> {
    if flags.json {
        return print_json(&value(&story.service));
    }
    let place = story.place.as_ref().map(|it| format!("\n{}", places(it))).unwrap_or_default();
    print(&format!("{}{place}", service::text(&story.service, &story.unused)))
}

fn lines(lines: &[String]) -> String {
    lines.iter().map(|it| it.clone() + "\n").collect::<Vec<_>>().concat()
}

fn places(answer: &ExplainPlacementResponse) -> String {
    let mut text = lines(answer.lines.as_deref().unwrap_or_default());
    let instances = answer.instances.as_deref().unwrap_or_default();
    if !instances.is_empty() {
        let mut table = Table::new(&["INSTANCE", "FITS", "REASON", "DETAIL"]);
        for it in instances {
            table.row(row(it));
        }
        text = format!("{text}\n{table}");
    }
    text
}

fn row(it: &ConsideredInstance) -> [String; 4] {
    let fits = it.fits.unwrap_or(false);
    let detail = it.detail.clone().filter(|_| !fits);
    [
        short(it.arn.as_deref()),
        if fits { "yes" } else { "no" }.to_owned(),
        it.reason.clone().unwrap_or_default(),
        detail.unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instance_has_a_row() {
        let instance = |fits, reason: Option<&str>, detail: &str| ConsideredInstance {
            arn: Some("arn:aws:ecs:r:a:container-instance/default/0123456789".into()),
            fits: Some(fits),
            reason: reason.map(str::to_owned),
            detail: Some(detail.into()),
        };
        let answer = ExplainPlacementResponse {
            lines: Some(vec!["A task needs much.".into()]),
            instances: Some(vec![
                instance(true, None, "fits"),
                instance(false, Some("RESOURCE:MEMORY"), "needs 3 MiB, 2 free"),
            ]),
        };
        let text = places(&answer);
        let words: Vec<String> =
            text.lines().map(|it| it.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(
            words,
            [
                "A task needs much.",
                "",
                "INSTANCE FITS REASON DETAIL",
                "01234567 yes - -",
                "01234567 no RESOURCE:MEMORY needs 3 MiB, 2 free",
            ]
        );
    }
}
