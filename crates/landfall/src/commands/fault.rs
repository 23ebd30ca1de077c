//! `landfall fault`: makes instances of a region of `landfall up` fail, really, and heals them.

mod instances;

use core::time::Duration;

use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use shapes::ecs::{
    ContainerInstanceStatus, UpdateContainerInstancesState, UpdateContainerInstancesStateRequest,
};
use tokio::time::{Instant, sleep};
use types::Timestamp;

use self::instances::Member;
use super::moment::distance;
use super::output::{print, print_json};
use super::table::Table;
use super::wait_for;
use crate::args::Place;
use crate::client::Client;
use crate::clock::now;
use crate::home::Folder;
use crate::up::{Fault, Faults, Kind, Runs, Runtime};

/// How long the region may take to carry a fault out, or to undo it.
const DONE_WITHIN: Duration = Duration::from_mins(2);
/// How often is looked whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Instances of one UpdateContainerInstancesState. Source: ECS API Reference.
const UPDATED_MAX: usize = 10;

/// Make instances of a region of `landfall up` fail, to see what becomes of its tasks.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  landfall fault kill-instance a1         it is dead until it is healed
  landfall fault kill-zone b --for 2m     so are all instances of a zone, for two minutes
  landfall fault pause c1 --for 30s       nothing of it gets any time of the processor
  landfall fault drain a                  its instances take no new tasks (this is no failure)
  landfall fault list
  landfall fault heal                     everything is as before

An instance is named as `landfall fault list` does (a1), or by its ARN or id; a zone by its name or
last letter. Faults outlast Ctrl-C and the next `landfall up`; `landfall down` ends them.

A killed instance is as a machine that has lost its power: its agent, all containers and their network
are gone at once, and after healing it comes back with none of its tasks. The region gives those up
after --give-up-after of `landfall up`.")]
pub(crate) struct FaultFlags {
    #[command(subcommand)]
    fault: What,
}

#[derive(Debug, Clone, Subcommand)]
enum What {
    /// Kill the agent of an instance and everything of its tasks; nothing starts again.
    KillInstance(Target),
    /// Kill all instances of a zone.
    KillZone(Target),
    /// Let nothing of an instance have any time of the processor.
    Pause(Target),
    /// Let a paused instance go on.
    Resume(One),
    /// Have an instance, or all of a zone, take no new tasks.
    Drain(One),
    /// Undo what was done to an instance or zone. Default: to all.
    Heal(Perhaps),
    /// Show every instance of the region and what is done to it.
    List(Listed),
}

#[derive(Debug, Clone, Args)]
struct Target {
    #[command(flatten)]
    place: Place,
    /// Instance or zone.
    #[arg(value_name = "INSTANCE|ZONE")]
    name: String,
    /// Heal by itself after so long: 90s, 5m, 1h. Default: only when told to.
    #[arg(long = "for", value_name = "DURATION", value_parser = distance)]
    lasts: Option<Duration>,
}

#[derive(Debug, Clone, Args)]
struct One {
    #[command(flatten)]
    place: Place,
    /// Instance or zone.
    #[arg(value_name = "INSTANCE|ZONE")]
    name: String,
}

#[derive(Debug, Clone, Args)]
struct Perhaps {
    #[command(flatten)]
    place: Place,
    /// Instance or zone.
    #[arg(value_name = "INSTANCE|ZONE")]
    name: Option<String>,
}

#[derive(Debug, Clone, Args)]
struct Listed {
    #[command(flatten)]
    place: Place,
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(flags: &FaultFlags) -> anyhow::Result<()> {
    wait_for(async {
        match &flags.fault {
            What::KillInstance(it) => strike(it, Kind::Killed, &instances::meant_one).await,
            What::KillZone(it) => strike(it, Kind::Killed, &instances::of_zone).await,
            What::Pause(it) => strike(it, Kind::Paused, &instances::meant).await,
            What::Resume(it) => resume(it).await,
            What::Drain(it) => drain(it).await,
            What::Heal(it) => heal(it).await,
            What::List(it) => list(it).await,
        }
    })
}

/// A region that `landfall up` runs on this machine.
struct Region {
    client: Client,
    faults: Faults,
    members: Vec<Member>,
    /// `--data …`, to be typed again.
    again: String,
}

impl Region {
    async fn find(place: &Place) -> anyhow::Result<Self> {
        if !rustix::process::geteuid().is_root() {
            bail!("faults are made by the region's own user: try `sudo landfall fault`");
        }
        let folder = Folder::of(place)?;
        folder.read_note()?;
        if matches!(Runtime::of(&folder)?.process(), Runs::Nobody) {
            bail!(
                "NotARegionOfUp: no `landfall up` runs the region in {}, and faults can be made in \
                 such a region only",
                folder.path().display()
            );
        }
        let client = Client::of(place)?;
        let members = instances::members(&client).await?;
        let again = match &place.data {
            Some(path) => format!(" --data {}", path.display()),
            None => String::new(),
        };
        Ok(Self { client, faults: Faults::of(folder.path()), members, again })
    }

    /// The instances that a name means.
    fn meant(&self, find: Find<'_>, typed: &str) -> anyhow::Result<Vec<Member>> {
        let found = find(&self.members, typed);
        if found.is_empty() {
            if !instances::of_zone(&self.members, typed).is_empty() {
                bail!("UnknownInstance: {typed} is a zone: `landfall fault kill-zone {typed}`");
            }
            if !instances::meant_one(&self.members, typed).is_empty() {
                bail!(
                    "UnknownZone: {typed} is an instance: `landfall fault kill-instance {typed}`"
                );
            }
            let names: Vec<_> = self.members.iter().map(|it| it.name.as_str()).collect();
            bail!(
                "UnknownInstance: {typed} is none of the instances that `landfall up` runs ({}) and \
                 no zone of theirs",
                names.join(", ")
            );
        }
        Ok(found)
    }

    /// Waits until something is so of every instance.
    async fn wait(
        &self,
        of: &[Member],
        what: &str,
        so: impl Fn(&Member) -> bool,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + DONE_WITHIN;
        while !of.iter().all(&so) {
            if Instant::now() > deadline {
                bail!(
                    "the region has not {what} within {} s: see what `landfall up` says",
                    DONE_WITHIN.as_secs()
                );
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }
}

type Find<'a> = &'a dyn Fn(&[Member], &str) -> Vec<Member>;

async fn strike(target: &Target, kind: Kind, find: Find<'_>) -> anyhow::Result<()> {
    let region = Region::find(&target.place).await?;
    let struck = region.meant(find, &target.name)?;
    let lasts = target.lasts.map(|it| i64::try_from(it.as_millis()).unwrap_or(i64::MAX));
    let until = lasts.map(|it| now().0.saturating_add(it));
    for it in &struck {
        region.faults.ask(&it.name, &Fault { kind, until })?;
    }
    let faults = &region.faults;
    let done = |it: &Member| faults.done(&it.name).is_some_and(|it| it.kind == kind);
    // One that is over before it was seen to be done has been done all the same.
    let over = |it: &Member| !faults.all(now()).contains_key(&it.name);
    region.wait(&struck, "done it", |it| done(it) || over(it)).await?;
    for it in &struck {
        if let Some(problem) = faults.done(&it.name).and_then(|it| it.problem) {
            faults.heal(&it.name)?;
            bail!("FaultFailed: {} is not {}: {problem}; it is healed again", it.name, word(kind));
        }
    }
    print(&told(&struck, kind, target, &region.again))
}

/// What happened, and how to undo it.
fn told(struck: &[Member], kind: Kind, target: &Target, again: &str) -> String {
    let mut text = String::new();
    for it in struck {
        text = format!(
            "{text}{} in {} is {}, with {} tasks.\n",
            it.name,
            it.zone,
            word(kind),
            it.tasks
        );
    }
    let by_itself = match target.lasts {
        Some(lasts) => format!("It heals by itself after {} s.\n", lasts.as_secs()),
        None => String::new(),
    };
    format!("{text}{by_itself}Undo it: landfall fault heal {}{again}\n", target.name)
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Killed => "dead",
        Kind::Paused => "paused",
    }
}

async fn resume(one: &One) -> anyhow::Result<()> {
    let region = Region::find(&one.place).await?;
    let all = region.faults.all(now());
    let paused = |it: &Member| all.get(&it.name).is_some_and(|it| it.kind == Kind::Paused);
    let meant = region.meant(&instances::meant, &one.name)?;
    let them: Vec<_> = meant.into_iter().filter(paused).collect();
    if them.is_empty() {
        bail!("NotPaused: {} is not paused; `landfall fault list` shows what is", one.name);
    }
    lift(&region, &them).await?;
    print(&names(&them, "goes on"))
}

/// Ends the faults of instances and waits until they are as before.
async fn lift(region: &Region, them: &[Member]) -> anyhow::Result<()> {
    for it in them {
        region.faults.heal(&it.name)?;
    }
    region.wait(them, "undone it", |it| region.faults.done(&it.name).is_none()).await
}

async fn drain(one: &One) -> anyhow::Result<()> {
    let region = Region::find(&one.place).await?;
    let them = region.meant(&instances::meant, &one.name)?;
    set_status(&region, &them, ContainerInstanceStatus::Draining).await?;
    let text = names(&them, "takes no new tasks");
    print(&format!("{text}Undo it: landfall fault heal {}{}\n", one.name, region.again))
}

async fn set_status(
    region: &Region,
    them: &[Member],
    status: ContainerInstanceStatus,
) -> anyhow::Result<()> {
    for some in them.chunks(UPDATED_MAX) {
        let ask = UpdateContainerInstancesStateRequest {
            container_instances: Some(some.iter().map(|it| it.arn.clone()).collect()),
            status: Some(status.clone()),
            ..UpdateContainerInstancesStateRequest::default()
        };
        let answer = region.client.call::<UpdateContainerInstancesState>(&ask).await?;
        if let Some(failure) = answer.failures.iter().flatten().next() {
            let reason = failure.reason.as_deref().unwrap_or("for no reason given");
            bail!("{} stays as it is: {reason}", failure.arn.as_deref().unwrap_or_default());
        }
    }
    Ok(())
}

async fn heal(some: &Perhaps) -> anyhow::Result<()> {
    let region = Region::find(&some.place).await?;
    let meant = match &some.name {
        Some(name) => region.meant(&instances::meant, name)?,
        None => region.members.clone(),
    };
    let all = region.faults.all(now());
    let held = |it: &&Member| all.contains_key(&it.name) || region.faults.done(&it.name).is_some();
    let held: Vec<_> = meant.iter().filter(held).cloned().collect();
    let draining: Vec<_> = meant.iter().filter(|it| instances::is_draining(it)).cloned().collect();
    lift(&region, &held).await?;
    set_status(&region, &draining, ContainerInstanceStatus::Active).await?;
    let paused = |it: &Member| all.get(&it.name).is_some_and(|it| it.kind == Kind::Paused);
    let (paused, dead): (Vec<_>, Vec<_>) = held.into_iter().partition(paused);
    let text = names(&dead, "starts again")
        + &names(&paused, "goes on")
        + &names(&draining, "takes tasks again");
    print(if text.is_empty() { "Nothing was to be healed.\n" } else { &text })
}

fn names(them: &[Member], what: &str) -> String {
    let lines = them.iter().map(|it| format!("{} in {} {what}.\n", it.name, it.zone));
    lines.collect::<Vec<_>>().concat()
}

async fn list(flags: &Listed) -> anyhow::Result<()> {
    let region = Region::find(&flags.place).await?;
    let all = region.faults.all(now());
    if flags.json {
        let rows = region.members.iter().map(|it| document(it, all.get(&it.name)));
        return print_json(&rows.collect());
    }
    let mut table =
        Table::new(&["INSTANCE", "ZONE", "FAULT", "HEALS IN", "STATUS", "AGENT", "TASKS"]);
    for it in &region.members {
        let fault = all.get(&it.name);
        let left = fault.and_then(|it| it.until).map(|until| until.saturating_sub(now().0));
        table.row([
            it.name.clone(),
            it.zone.clone(),
            fault.map_or(String::new(), |it| word(it.kind).to_owned()),
            left.map_or(String::new(), |it| format!("{} s", (it + 999) / 1000)),
            it.status.clone(),
            if it.connected { "connected" } else { "away" }.to_owned(),
            it.tasks.to_string(),
        ]);
    }
    print(&table.to_string())
}

fn document(it: &Member, fault: Option<&Fault>) -> Value {
    let heals_at = fault.and_then(|it| it.until).map(|it| Timestamp(it).rfc3339());
    json!({
        "instance": it.name,
        "containerInstanceArn": it.arn,
        "availabilityZone": it.zone,
        "fault": fault.map(|it| word(it.kind).to_uppercase()),
        "healsAt": heals_at,
        "status": it.status,
        "agentConnected": it.connected,
        "tasks": it.tasks,
    })
}
