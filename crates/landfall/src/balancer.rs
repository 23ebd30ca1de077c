//! `landfall balancer`: the process that carries the traffic of load balancers.

use core::time::Duration;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use balancer::{Answers, Call, Inheritance, Nodes, OthersFinish, Signer, StationConfig};
use clap::{Args, Subcommand};
use http::{HeaderMap, HeaderValue, header};
use network::{Region, Tag};
use plan::routing::Generation;
use rustix::process::{Resource, getrlimit, setrlimit};
use shim::{Process, Signal};
use wire::sigv4::{Signing, sign};

use self::addresses::Desk;
use crate::clock::now;
use crate::commands::balancers::{self, StatusFlags};
use crate::heirloom::Line;
use crate::server::Told;

mod addresses;

/// How this balancer is called if nobody says.
const NAME: &str = "balancer";
/// Where it keeps its table if nobody says.
const FOLDER: &str = "/var/lib/landfall/balancer";
/// Longer than a balancer waits for those whom it serves.
const HANDOVER_WITHIN: Duration = Duration::from_mins(1);
/// What a call is signed for.
const SERVICE: &str = "landfall";

/// Carry the traffic of the region's load balancers, or show how those who do are.
#[derive(Debug, Clone, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  landfall balancer status
  landfall balancer --endpoint http://10.0.0.1:4566 --address 10.0.0.2

Credentials come in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. `landfall up` runs balancers of its
own; another machine adds one with --address, on which every load balancer is served too."
)]
pub(crate) struct BalancerFlags {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    serve: ServeFlags,
}

#[derive(Debug, Clone, Subcommand)]
enum What {
    Status(StatusFlags),
}

#[derive(Debug, Clone, Args)]
struct ServeFlags {
    /// URL of the region's API.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:4566")]
    endpoint: String,
    /// Name of the region that requests are signed for.
    #[arg(long, default_value = "us-east-1")]
    region: String,
    /// Name of this balancer. A second one of the same name and folder takes the place of the
    /// first, which finishes what it has and ends.
    #[arg(long, default_value = NAME)]
    name: String,
    /// Folder for the last table, which is served until the region says something newer.
    #[arg(long, value_name = "DIR", default_value = FOLDER)]
    data: PathBuf,
    /// Folder in which access logs are written, in a folder for each bucket. Default: `buckets` in
    /// the folder of the table.
    #[arg(long, value_name = "DIR")]
    buckets: Option<PathBuf>,
    /// Address of this machine at which every load balancer is served.
    #[arg(long = "address", value_name = "ADDRESS")]
    addresses: Vec<IpAddr>,
    /// Threads that carry traffic. Default: one for each processor.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// Serve load balancers at their own addresses, on this machine's region network.
    #[arg(long, hide = true)]
    region_tag: Option<String>,
    /// Standard input is a line to who holds the listening sockets from one balancer to the next.
    #[arg(long, hide = true)]
    heir: bool,
}

pub(crate) fn run(flags: &BalancerFlags) -> anyhow::Result<()> {
    match &flags.what {
        Some(What::Status(flags)) => balancers::run(flags),
        None => serve(&flags.serve),
    }
}

fn serve(flags: &ServeFlags) -> anyhow::Result<()> {
    raise_descriptors();
    if let Err(error) = network::Handover::recover() {
        tracing::warn!(%error, "cannot put back what a killed handover left");
    }
    let line = match flags.heir {
        true => Some(Line::own().context("cannot use standard input")?),
        false => None,
    };
    let config = config(flags, line.as_ref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.threads.max(1))
        .enable_all()
        .build()
        .context("cannot start the balancer's threads")?;
    runtime.block_on(async {
        let asked = Told::listen()?;
        let (tell, told) = tokio::sync::watch::channel(false);
        let serves = || {
            tracing::info!(name = flags.name, "the balancer serves");
            take_over(flags)
        };
        let station = balancer::run(config, serves, told);
        tokio::pin!(station);
        tokio::select! {
            ended = &mut station => ended?,
            () = asked.wait() => {
                // Whoever waits to be taken in is taken in by others at the same addresses.
                let _handover = network::Handover::begin();
                if let Some(line) = &line {
                    line.leave();
                }
                tell.send_replace(true);
                station.await?;
            }
        }
        Ok(())
    })
}

fn config(flags: &ServeFlags, line: Option<&Line>) -> anyhow::Result<StationConfig> {
    let authority = flags.endpoint.strip_prefix("http://").map(|it| it.trim_end_matches('/'));
    let authority = authority
        .filter(|it| !it.is_empty() && !it.contains('/'))
        .with_context(|| format!("--endpoint {}: http://HOST:PORT", flags.endpoint))?;
    let threads = match flags.threads {
        Some(threads) => usize::from(threads),
        None => std::thread::available_parallelism().map_or(1, usize::from),
    };
    let call = Call {
        authority: authority.to_owned(),
        name: flags.name.clone(),
        signer: signer(&flags.region),
    };
    Ok(StationConfig {
        call,
        folder: flags.data.clone(),
        buckets: flags.buckets.clone().unwrap_or_else(|| flags.data.join("buckets")),
        threads,
        addresses: flags.addresses.clone(),
        nodes: nodes(flags)?,
        clock: Arc::new(now),
        inheritance: line.map_or_else(Inheritance::none, Line::inheritance),
    })
}

fn nodes(flags: &ServeFlags) -> anyhow::Result<Nodes> {
    let Some(text) = &flags.region_tag else { return Ok(Nodes::Elsewhere) };
    let tag = Tag::parse(text).context("--region-tag")?;
    let region =
        Region::ensure(&tag, None).context("cannot set up the region's network on this machine")?;
    let answers = answers(&region);
    let desk = Desk::of(&Path::new("/run/landfall").join(text));
    let settle = move |generation: Generation, wanted: &BTreeSet<Ipv4Addr>| {
        let settled = desk.settle(generation, now(), || region.settle_addresses(wanted));
        settled.map_err(|error| format!("{:#}", anyhow::Error::new(error)))
    };
    Ok(Nodes::Here { settle: Box::new(settle), answers })
}

/// What has an address of the VPC answers clients by way of this machine.
fn answers(region: &Region) -> Answers {
    if let Err(error) = region.let_clients_through() {
        tracing::warn!(%error, "targets will see this balancer's address, not their clients'");
        return Arc::new(|_| false);
    }
    let vpc = region.vpc().range();
    Arc::new(move |target| vpc.contains(target))
}

/// Signs with the key in the environment: arguments can be read by everybody on the machine.
fn signer(region: &str) -> Signer {
    let get = |name: &str| std::env::var(name).ok().filter(|it| !it.is_empty());
    let key = get("AWS_ACCESS_KEY_ID").zip(get("AWS_SECRET_ACCESS_KEY"));
    let session = get("AWS_SESSION_TOKEN");
    let region = region.to_owned();
    Arc::new(move |authority: &str, path: &str, query: &str| {
        let mut headers = HeaderMap::new();
        if let Ok(host) = HeaderValue::from_str(authority) {
            headers.insert(header::HOST, host);
        }
        let Some((id, secret)) = &key else { return headers };
        let signed = sign(
            &wire::Incoming { method: "GET", path, query, headers: &headers, body: &[] },
            &Signing {
                access_key_id: id,
                secret,
                session_token: session.as_deref(),
                region: &region,
                service: SERVICE,
                now: now(),
            },
        );
        headers.extend(signed);
        headers
    })
}

/// Each client and each target is a descriptor: takes as many as this process may have.
fn raise_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "cannot raise the number of descriptors");
    }
}

/// Lets the balancers that this one takes the place of finish what they have and end: it takes in
/// whoever comes from now on. Tells whether some of them are still at it.
fn take_over(flags: &ServeFlags) -> OthersFinish {
    let older = shim::find_processes(|words| {
        let (is_balancer, name, data) = said(words);
        let is_same =
            name.unwrap_or(NAME) == flags.name && Path::new(data.unwrap_or(FOLDER)) == flags.data;
        (is_balancer && is_same).then_some(())
    });
    if older.is_empty() {
        return Box::new(|| false);
    }
    tracing::info!(count = older.len(), "takes the place of a balancer");
    let handover = network::Handover::begin();
    for ((), process) in &older {
        process.signal(Signal::TERM);
    }
    let finish = Arc::new(AtomicBool::new(true));
    let finishing = Arc::clone(&finish);
    std::thread::spawn(move || {
        for ((), process) in older {
            process.ends_within(HANDOVER_WITHIN);
        }
        finish.store(false, Ordering::Relaxed);
        drop(handover);
    });
    Box::new(move || finishing.load(Ordering::Relaxed))
}

/// The balancers of a region on this machine.
pub(crate) fn of_region(tag: &str) -> Vec<Process> {
    let found = shim::find_processes(|words| {
        let is_ours = said(words).0 && value(words, "--region-tag") == Some(tag);
        is_ours.then_some(())
    });
    found.into_iter().map(|it| it.1).collect()
}

/// Whether these are the words of a balancer, its name and its folder.
fn said(words: &[String]) -> (bool, Option<&str>, Option<&str>) {
    let is_balancer = words.first().is_some_and(|it| it == "balancer")
        && words.get(1).is_none_or(|it| it != "status");
    (is_balancer, value(words, "--name"), value(words, "--data"))
}

fn value<'a>(words: &'a [String], flag: &str) -> Option<&'a str> {
    let place = words.iter().position(|it| it == flag)?;
    words.get(place + 1).map(String::as_str)
}
