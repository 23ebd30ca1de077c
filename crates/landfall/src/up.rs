//! `landfall up`: a whole region on this machine: control plane, network, container instances.

mod balancers;
mod faults;
mod fleet;
mod plan;
mod ward;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::SocketAddr;

use anyhow::{Context as _, bail};
use network::{Ipv4Range, Region, Vpc};

use crate::args::UpFlags;
use crate::clock::now;
use crate::home::{Folder, Note};
use crate::names::HostsKeeper;
use crate::server::{self, Extra, Server, Told};

pub(crate) use faults::{Fault, Faults, Kind};
pub(crate) use plan::{Runs, Runtime};

use fleet::Fleet;

pub(crate) fn run(flags: &UpFlags) -> anyhow::Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!(
            "a region runs containers in namespaces of their own, which needs root: try \
             `sudo landfall up`; `landfall doctor` tells what else is missing"
        );
    }
    // Refused before anything is made.
    plan::share(flags)?;
    let folder = Folder::of(&flags.server.place)?;
    folder.make()?;
    let runtime = Runtime::of(&folder)?;
    // Until the end: by this `landfall down` knows that the region runs, and in which process.
    let _taken = runtime.take()?;
    let threads = server::runtime()?;
    let told = threads.block_on(async { Told::listen() })?;
    say("preparing the region's network");
    let region = Region::ensure(&runtime.tag, known_vpc(&folder)?)
        .context("cannot make the region's network: `landfall doctor` tells what is missing")?;
    threads.block_on(serve(flags, &folder, &runtime, &region, told))
}

async fn serve(
    flags: &UpFlags,
    folder: &Folder,
    runtime: &Runtime,
    region: &Region,
    told: Told,
) -> anyhow::Result<()> {
    let extra = Extra { gateway: Some(region.vpc().gateway()), vpc: Some(region.vpc().range()) };
    let server = Server::start(&flags.server, &extra).await?;
    let instances = plan::instances(flags, folder, runtime, region.vpc(), &server)?;
    say(&format!("starting {} container instances", instances.len()));
    let balancers = plan::balancers(flags, folder, &server);
    let balancers = Fleet::balance(balancers, &server.balancer_key)?;
    let faults = Faults::of(folder.path());
    let down = instances.iter().filter(|it| faults.all(now()).contains_key(&it.name)).count();
    let fleet = Fleet::start(instances, &server.agent_key, &faults)?;
    let hosts = HostsKeeper::start(&flags.hosts_file, runtime, server.names.clone())?;
    let serve = async {
        if down > 0 {
            say(&format!("{down} of them are held down: see `landfall fault list`"));
        }
        let down = u32::try_from(down).unwrap_or(flags.instances);
        server.wait_for_instances(flags.instances.saturating_sub(down)).await;
        welcome(&server.endpoint, flags);
        core::future::pending::<()>().await;
    };
    tokio::select! {
        () = told.wait() => {}
        () = serve => {}
    }
    say("stopping; containers of running tasks go on");
    let busy = server.holds_tasks().await;
    hosts.stop().await;
    tokio::join!(fleet.stop(), balancers.stop());
    region.settle_addresses(&BTreeSet::new()).context("cannot take back addresses")?;
    server.stop().await;
    if !busy {
        runtime.clear()?;
        Region::destroy(&runtime.tag).context("cannot remove the region's network")?;
    }
    Ok(())
}

/// The range that this region has used before, so that its tasks keep their addresses.
fn known_vpc(folder: &Folder) -> anyhow::Result<Option<Vpc>> {
    let Ok(Note { vpc: Some(text), .. }) = folder.read_note() else { return Ok(None) };
    let range: Ipv4Range = text.parse().with_context(|| format!("{text} is no range"))?;
    Ok(Vpc::new(range))
}

/// Progress, for people.
pub(crate) fn say(text: &str) {
    // A closed terminal must not stop a region.
    drop(writeln!(std::io::stderr(), "landfall: {text}"));
}

fn welcome(endpoint: &str, flags: &UpFlags) {
    let place = match &flags.server.place.data {
        Some(path) => format!(" --data {}", path.display()),
        None => String::new(),
    };
    say(&format!(
        "the region serves at {endpoint}\n\n  Try, in another shell:\n\n    \
         eval \"$(landfall env{place})\"\n    \
         landfall run landfall/demo -p 8080 -- web\n"
    ));
}

/// Where agents reach the control plane.
fn agent_endpoint(region: Vpc, listen: SocketAddr) -> String {
    format!("http://{}:{}", region.gateway(), listen.port())
}
