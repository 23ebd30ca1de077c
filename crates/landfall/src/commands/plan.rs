//! `landfall plan`: what a change would start and stop, where, and what it needs; nothing is changed.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use shapes::landfall::{PlanServices, PlanServicesRequest, PlannedMove, ServicePlan};

use super::output::{print, print_json, value};
use super::table::Table;
use super::tasks::{short, tail};
use super::wait_for;
use crate::args::Place;
use crate::client::Client;

/// Show what a change of a service, or draining, would start and stop; nothing is changed.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  landfall plan update web --task-definition web:7   another task definition
  landfall plan update web --force                   the same one anew
  landfall plan scale web 20                         another number of tasks
  landfall plan drain a1                             the services' tasks on an instance, elsewhere
  landfall plan drain us-east-1a                     or on all of a zone

The change is made on a copy of what the region knows, and the scheduler of services is let loose on
it, until the service is steady or can get no further. Machines do at once as they are told there, and
every task is well: how long it really takes, and whether the new version works, is not foreseen.
Tasks that stand alone stay where they are when their instance is drained.")]
pub(crate) struct PlanFlags {
    #[command(subcommand)]
    change: Change,
}

#[derive(Debug, Clone, Subcommand)]
enum Change {
    /// A service with another task definition, or the same one anew.
    Update(Update),
    /// A service with another number of tasks.
    Scale(Scale),
    /// Instances that take no new tasks.
    Drain(Drain),
}

#[derive(Debug, Clone, Args)]
struct Common {
    #[command(flatten)]
    place: Place,
    /// Cluster to look in.
    #[arg(long, default_value = "default")]
    cluster: String,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Args)]
struct Update {
    #[command(flatten)]
    common: Common,
    /// Service, by its name or ARN.
    service: String,
    /// Task definition that it gets: FAMILY, FAMILY:REVISION or ARN.
    #[arg(long, value_name = "DEFINITION", required_unless_present = "force")]
    task_definition: Option<String>,
    /// A new deployment, also where nothing is different.
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Clone, Args)]
struct Scale {
    #[command(flatten)]
    common: Common,
    /// Service, by its name or ARN.
    service: String,
    /// How many tasks it gets.
    #[arg(allow_negative_numbers = true)]
    count: i32,
}

#[derive(Debug, Clone, Args)]
struct Drain {
    #[command(flatten)]
    common: Common,
    /// Instances, by name (a1), id or ARN, and zones, by name or last letter.
    #[arg(required = true, value_name = "INSTANCE|ZONE")]
    names: Vec<String>,
}

impl Change {
    fn ask(&self) -> (&Common, PlanServicesRequest) {
        match self {
            Self::Update(Update { common, service, task_definition, force }) => {
                let ask = PlanServicesRequest {
                    service: Some(service.clone()),
                    task_definition: task_definition.clone(),
                    force_new_deployment: force.then_some(true),
                    ..PlanServicesRequest::default()
                };
                (common, ask)
            }
            Self::Scale(Scale { common, service, count }) => {
                let ask = PlanServicesRequest {
                    service: Some(service.clone()),
                    desired_count: Some(*count),
                    ..PlanServicesRequest::default()
                };
                (common, ask)
            }
            Self::Drain(Drain { common, names }) => {
                let ask = PlanServicesRequest {
                    drain: Some(names.clone()),
                    ..PlanServicesRequest::default()
                };
                (common, ask)
            }
        }
    }
}

pub(crate) fn run(flags: &PlanFlags) -> anyhow::Result<()> {
    let (common, ask) = flags.change.ask();
    let ask = PlanServicesRequest { cluster: Some(common.cluster.clone()), ..ask };
    let client = Client::from_env_or(&common.place)?;
    wait_for(async {
        let answer = client.call::<PlanServices>(&ask).await;
        let what = ask.service.as_deref().map_or_else(
            || "draining is not planned".to_owned(),
            |it| format!("no change of {it} in cluster {} is planned", common.cluster),
        );
        let answer = answer.context(what)?;
        if common.json {
            return print_json(&value(&answer));
        }
        let plans = answer.plans.unwrap_or_default();
        if plans.is_empty() {
            return print("No service is concerned.\n");
        }
        print(&plans.iter().map(text).collect::<Vec<_>>().join("\n"))
    })
}

fn text(plan: &ServicePlan) -> String {
    let name = tail(plan.service_arn.as_deref());
    let moves: Vec<&PlannedMove> = plan.moves.iter().flatten().collect();
    let many = |what: &str| moves.iter().filter(|it| it.action.as_deref() == Some(what)).count();
    let number = |it: Option<i32>| it.unwrap_or(0);
    let mut text = format!(
        "Service {name}: starts {} tasks and stops {}; {} there now, {} desired.\n",
        many("START"),
        many("STOP"),
        number(plan.tasks),
        number(plan.desired_count)
    );
    text = format!(
        "{text}At its peak it has {} tasks, which take {} CPU units and {} MiB; at least {} run.\n",
        number(plan.peak_tasks),
        number(plan.peak_cpu),
        number(plan.peak_memory),
        number(plan.fewest_tasks)
    );
    text = match plan.reason.as_deref() {
        None => format!("{text}It fits.\n"),
        Some(reason) => format!("{text}It does not come to its end: {reason}\n"),
    };
    if !moves.is_empty() {
        text = format!("{text}\n{}", table(&moves));
    }
    text
}

fn table(moves: &[&PlannedMove]) -> Table {
    let mut table =
        Table::new(&["STEP", "ACTION", "DEFINITION", "TASK", "INSTANCE", "ZONE", "REASON"]);
    for (step, it) in (1..).zip(moves) {
        table.row([
            step.to_string(),
            it.action.clone().unwrap_or_default(),
            it.task_definition.clone().unwrap_or_default(),
            short(it.task_arn.as_deref()),
            it.instance.clone().unwrap_or_default(),
            it.availability_zone.clone().unwrap_or_default(),
            it.reason.clone().unwrap_or_default(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_told_with_its_peak_and_every_move() {
        let planned = |action: &str, task: Option<&str>| PlannedMove {
            action: Some(action.into()),
            task_arn: task.map(str::to_owned),
            task_definition: Some("web:2".into()),
            instance: Some("a1".into()),
            availability_zone: Some("us-east-1a".into()),
            ..PlannedMove::default()
        };
        let plan = ServicePlan {
            service_arn: Some("arn:aws:ecs:r:a:service/default/web".into()),
            fits: Some(true),
            reason: None,
            moves: Some(vec![
                planned("START", None),
                planned("STOP", Some("arn:aws:ecs:r:a:task/default/0123456789")),
            ]),
            tasks: Some(1),
            desired_count: Some(1),
            peak_tasks: Some(2),
            peak_cpu: Some(256),
            peak_memory: Some(64),
            fewest_tasks: Some(1),
        };
        let words = |it: &str| it.split_whitespace().collect::<Vec<_>>().join(" ");
        let told: Vec<String> = text(&plan).lines().map(words).collect();
        assert_eq!(
            told,
            [
                "Service web: starts 1 tasks and stops 1; 1 there now, 1 desired.",
                "At its peak it has 2 tasks, which take 256 CPU units and 64 MiB; at least 1 run.",
                "It fits.",
                "",
                "STEP ACTION DEFINITION TASK INSTANCE ZONE REASON",
                "1 START web:2 - a1 us-east-1a -",
                "2 STOP web:2 01234567 a1 us-east-1a -",
            ]
        );
    }
}
