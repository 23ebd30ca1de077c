//! `landfall report availability`: what is left if any one instance or zone fails.

use clap::{Args, Subcommand};
use shapes::landfall::{
    AvailabilityLoss, ClusterAvailability, GroupLoss, ReportAvailability, ReportAvailabilityRequest,
};

use super::output::{print, print_json, value};
use super::table::Table;
use super::tasks::tail;
use super::wait_for;
use crate::args::Place;
use crate::client::Client;

/// How many failures of instances are shown in a table, the worst first; `--json` has more.
const INSTANCES_SHOWN: usize = 10;

/// Report on the whole of a region.
#[derive(Debug, Clone, Args)]
pub(crate) struct ReportFlags {
    #[command(subcommand)]
    report: Report,
}

#[derive(Debug, Clone, Subcommand)]
enum Report {
    Availability(AvailabilityFlags),
}

/// What is left if any one instance or any one zone fails, and whether the rest can take it over.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  landfall report availability                    all clusters
  landfall report availability --cluster blue     one of them
  landfall report availability --load 60          head room for 60 container instances of load
  landfall report availability --json | jq '.clusters[].findings'

Every failure is carried out on a copy of what the region knows, and each lost task is really placed
again on what is left; nothing is changed. A group is the tasks of a service, or those of a task
definition's family that stand alone, which nobody starts again.

The head room is worked out for 2 to 6 zones of equally many instances: as many as carry the load when
one of the zones is lost. The load is what the tasks fill of instances of the cluster's mean size.")]
struct AvailabilityFlags {
    #[command(flatten)]
    place: Place,
    /// Cluster to report on. Default: all.
    #[arg(long)]
    cluster: Option<String>,
    /// Work the head room out for so many container instances of load. Default: as measured.
    #[arg(long, value_name = "INSTANCES", allow_negative_numbers = true)]
    load: Option<i32>,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(flags: &ReportFlags) -> anyhow::Result<()> {
    let Report::Availability(flags) = &flags.report;
    let client = Client::from_env_or(&flags.place)?;
    let ask = ReportAvailabilityRequest { cluster: flags.cluster.clone(), load: flags.load };
    wait_for(async {
        let answer = client.call::<ReportAvailability>(&ask).await?;
        if flags.json {
            return print_json(&value(&answer));
        }
        let clusters = answer.clusters.unwrap_or_default();
        print(&clusters.iter().map(text).collect::<Vec<_>>().join("\n"))
    })
}

/// All that is told of one cluster.
fn text(it: &ClusterAvailability) -> String {
    let mut text = format!(
        "Cluster {}: {} container instances take tasks; the tasks fill {} of them.\n",
        tail(it.cluster_arn.as_deref()),
        it.instances.unwrap_or(0),
        it.load.unwrap_or(0)
    );
    let tables = [zones(it), failures(it), groups(it), headroom(it)];
    for table in tables.into_iter().flatten() {
        text = format!("{text}\n{table}");
    }
    let findings: Vec<_> = it.findings.iter().flatten().collect();
    text += if findings.is_empty() { "\nNothing to look at.\n" } else { "\nTo look at:\n" };
    for finding in findings {
        let (code, detail) = (&finding.code, &finding.detail);
        let [code, detail] = [code, detail].map(|it| it.clone().unwrap_or_default());
        text = format!("{text}  {code}: {detail}\n");
    }
    text
}

fn count(it: Option<i32>) -> String {
    it.unwrap_or(0).to_string()
}

fn zones(it: &ClusterAvailability) -> Option<Table> {
    let zones = it.zones.as_ref().filter(|it| !it.is_empty())?;
    let mut table =
        Table::new(&["ZONE", "INSTANCES", "AWAY", "TASKS", "CPU FREE", "MEMORY FREE (MiB)"]);
    for zone in zones {
        table.row([
            zone.availability_zone.clone().unwrap_or_default(),
            count(zone.instances),
            count(zone.unavailable_instances),
            count(zone.tasks),
            format!("{} of {}", count(zone.free_cpu), count(zone.cpu)),
            format!("{} of {}", count(zone.free_memory), count(zone.memory)),
        ]);
    }
    Some(table)
}

/// Every zone, and the instances whose failures are worst.
fn failures(it: &ClusterAvailability) -> Option<Table> {
    let zones = it.zone_losses.iter().flatten();
    let instances = it.instance_losses.iter().flatten().take(INSTANCES_SHOWN);
    let all: Vec<_> = zones.chain(instances).collect();
    if all.is_empty() {
        return None;
    }
    let mut table =
        Table::new(&["IF THIS FAILS", "INSTANCES LOST", "TASKS LOST", "THE REST TAKES"]);
    for loss in all {
        table.row([
            loss.failure.clone().unwrap_or_default(),
            format!("{} of {}", count(loss.instances), count(it.instances)),
            count(loss.lost),
            taken_over(loss),
        ]);
    }
    Some(table)
}

fn taken_over(loss: &AvailabilityLoss) -> String {
    let all = loss.lost.unwrap_or(0) - loss.daemons.unwrap_or(0);
    match (all, loss.placed.unwrap_or(0)) {
        (0, _) => String::new(),
        (lost, placed) if lost == placed => "all".to_owned(),
        (lost, placed) => format!("{placed}, and {} find no place", lost - placed),
    }
}

fn groups(it: &ClusterAvailability) -> Option<Table> {
    let groups = it.groups.as_ref().filter(|it| !it.is_empty())?;
    let head =
        ["GROUP", "TASKS", "BY ZONE", "LEFT OF AN INSTANCE", "LEFT OF A ZONE", "AFTER TAKING OVER"];
    let mut table = Table::new(&head);
    for group in groups {
        let zones = group.zones.iter().flatten().map(|it| count(it.tasks));
        let worst = [&group.worst_instance, &group.worst_zone];
        table.row([
            group.group.clone().unwrap_or_default(),
            count(group.tasks),
            zones.collect::<Vec<_>>().join("/"),
            left(worst[0].as_ref()),
            left(worst[1].as_ref()),
            worst.map(|it| it.as_ref().map_or(0, after)).into_iter().min().unwrap_or(0).to_string(),
        ]);
    }
    Some(table)
}

/// How many run on in the worst case.
fn left(worst: Option<&GroupLoss>) -> String {
    worst.map_or(String::new(), |it| format!("{} ({})", count(it.left), last_word(it)))
}

fn last_word(it: &GroupLoss) -> &str {
    it.failure.as_deref().and_then(|it| it.rsplit(' ').next()).unwrap_or_default()
}

/// How many run again once those that find a place have been started there.
fn after(it: &GroupLoss) -> i32 {
    it.left.unwrap_or(0) + it.placed.unwrap_or(0)
}

fn headroom(it: &ClusterAvailability) -> Option<Table> {
    let rooms = it.headroom.as_ref().filter(|it| !it.is_empty())?;
    let mut table =
        Table::new(&["ZONES", "INSTANCES EACH", "INSTANCES", "UTILIZATION", "OVERHEAD"]);
    for room in rooms {
        table.row([
            count(room.zones),
            count(room.instances_per_zone),
            count(room.instances),
            format!("{:.1} %", room.utilization_percent.unwrap_or(0.0)),
            format!("{:.1} %", room.overhead_percent.unwrap_or(0.0)),
        ]);
    }
    Some(table)
}

#[cfg(test)]
mod tests {
    use shapes::landfall::{AvailabilityFinding, GroupAvailability, Headroom, ZoneTasks};

    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.lines().map(|it| it.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    }

    #[test]
    fn a_cluster_is_told_in_measured_numbers() {
        let worst = |failure: &str, lost, placed| GroupLoss {
            failure: Some(failure.into()),
            tasks: Some(9),
            lost: Some(lost),
            left: Some(9 - lost),
            placed: Some(placed),
            ..GroupLoss::default()
        };
        let zones = [4, 5].map(|it| ZoneTasks { tasks: Some(it), ..ZoneTasks::default() });
        let cluster = ClusterAvailability {
            cluster_arn: Some("arn:aws:ecs:r:a:cluster/blue".into()),
            instances: Some(4),
            load: Some(2),
            zone_losses: Some(vec![AvailabilityLoss {
                failure: Some("zone b".into()),
                instances: Some(2),
                lost: Some(5),
                placed: Some(3),
                ..AvailabilityLoss::default()
            }]),
            groups: Some(vec![GroupAvailability {
                group: Some("service:x".into()),
                scheduling: Some("REPLICA".into()),
                tasks: Some(9),
                zones: Some(zones.into()),
                worst_instance: Some(worst("instance b1", 3, 3)),
                worst_zone: Some(worst("zone b", 5, 3)),
            }]),
            headroom: Some(vec![Headroom {
                zones: Some(2),
                instances_per_zone: Some(2),
                instances: Some(4),
                utilization_percent: Some(50.0),
                overhead_percent: Some(100.0),
            }]),
            findings: Some(vec![AvailabilityFinding {
                code: Some("NOT_COVERED".into()),
                detail: Some("if zone b fails, …".into()),
            }]),
            ..ClusterAvailability::default()
        };
        assert_eq!(
            words(&text(&cluster)),
            [
                "Cluster blue: 4 container instances take tasks; the tasks fill 2 of them.",
                "",
                "IF THIS FAILS INSTANCES LOST TASKS LOST THE REST TAKES",
                "zone b 2 of 4 5 3, and 2 find no place",
                "",
                "GROUP TASKS BY ZONE LEFT OF AN INSTANCE LEFT OF A ZONE AFTER TAKING OVER",
                "service:x 9 4/5 6 (b1) 4 (b) 7",
                "",
                "ZONES INSTANCES EACH INSTANCES UTILIZATION OVERHEAD",
                "2 2 4 50.0 % 100.0 %",
                "",
                "To look at:",
                "NOT_COVERED: if zone b fails, …",
            ]
        );
    }
}
