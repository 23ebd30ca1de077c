//! How long attaching and detaching take, on a machine of its own (a network namespace).
//!
//! Run as root: `cargo run --release -p network --example latency [ROUNDS]`.

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use network::{
    Host, HostPorts, Id, Interface, Mac, Namespace, Place, PortMapping, PortSpan, Region, Setup,
    Tag,
};
use types::Protocol;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let rounds = std::env::args().nth(1).map_or(Ok(100), |it| it.parse())?;
    let folder = std::env::temp_dir().join(format!("landfall-latency-{}", std::process::id()));
    Namespace::new()?.enter(|| measure(&folder, rounds))?
}

fn measure(folder: &Path, rounds: u32) -> Outcome<()> {
    let region = Region::ensure(&Tag::parse("latency")?, None)?;
    for ready in [4, 0] {
        let outcome = measure_host(&region, folder, rounds, ready);
        Host::destroy(folder)?;
        outcome?;
    }
    Ok(())
}

fn measure_host(region: &Region, folder: &Path, rounds: u32, ready: usize) -> Outcome<()> {
    let subnet = region.vpc().subnet(0).ok_or("a VPC has a first zone")?;
    let address = subnet.host(10).ok_or("a subnet has ten addresses")?;
    let place = Place::Region(region.uplink(address)?);
    let folder = folder.to_owned();
    let begin = Instant::now();
    let host =
        Host::ensure(&Setup { folder, place, containers: None, dynamic_ports: None, ready })?;
    report(&format!("host, {ready} ready"), vec![begin.elapsed()])?;

    let port = PortMapping {
        protocol: Protocol::Tcp,
        container: PortSpan::one(80)?,
        host: HostPorts::Dynamic,
    };
    let bridge = |id: &Id| host.attach_bridge(id, &[port]).map(drop);
    time(&host, rounds, "bridge", bridge)?;
    let task = subnet.host(100).ok_or("a subnet has a hundred addresses")?;
    let interface = Interface {
        mac: Mac::of(task),
        address: task,
        prefix: region.vpc().range().prefix(),
        gateway: region.vpc().gateway(),
    };
    time(&host, rounds, "awsvpc", |id| host.attach_vpc(id, interface).map(drop))?;
    time(&host, rounds, "none", |id| host.attach_isolated(id).map(drop))?;
    if ready == 0 {
        return Ok(());
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| come_and_go(&host, port, &done));
        let outcome = time(&host, rounds, "bridge, in a crowd:", bridge);
        done.store(true, Ordering::Relaxed);
        outcome
    })
}

/// Another caller, who attaches and detaches without a pause.
fn come_and_go(host: &Host, port: PortMapping, done: &AtomicBool) -> Result<(), network::Error> {
    let id = Id::parse("another")?;
    while !done.load(Ordering::Relaxed) {
        host.attach_bridge(&id, &[port])?;
        host.detach(&id)?;
    }
    Ok(())
}

fn time(
    host: &Host,
    rounds: u32,
    mode: &str,
    attach: impl Fn(&Id) -> Result<(), network::Error>,
) -> Outcome<()> {
    let (mut there, mut back) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        host.settle();
        let id = Id::parse(&format!("round-{round}"))?;
        let begin = Instant::now();
        attach(&id)?;
        there.push(begin.elapsed());
        let begin = Instant::now();
        host.detach(&id)?;
        back.push(begin.elapsed());
    }
    report(&format!("  {mode} attach"), there)?;
    report(&format!("  {mode} detach"), back)
}

fn report(what: &str, mut times: Vec<Duration>) -> Outcome<()> {
    times.sort();
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
    let mut out = std::io::stdout();
    writeln!(out, "{what:<28} p50 {:>9.2?}  p90 {:>9.2?}", at(50), at(90))?;
    Ok(())
}
