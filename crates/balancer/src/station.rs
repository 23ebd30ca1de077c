//! A balancer at work: takes tables in, checks their targets, keeps the newest on its disk, and says
//! what it finds. It serves whether anybody talks to it or not.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use plan::anomaly;
use plan::routing::session::{FromBalancer, Report, TargetReport, ToBalancer};
use plan::routing::{Generation, Reception, RoutingTable};
use state::{TargetHealth, TargetKey};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};
use types::Protocol;

use crate::access_files::{self, Destinations};
use crate::balancer::{Applied, Balancer, Config};
use crate::flow::Flows;
use crate::flow::clients::{Answers, nobody_answers};
use crate::gate::Gate;
use crate::health::Checker;
use crate::hosts::hosts;
use crate::inheritance::Inheritance;
use crate::keep;
use crate::metrics::Told;
use crate::remembered::{self, Remembered};
use crate::reserve::{Reserved, places};
use crate::session::{self, Call, Heard};
use crate::thread::Clock;

/// How long changes are gathered before they are said.
const GATHER: Duration = Duration::from_millis(20);
/// How often it is looked whether targets that drain are idle.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often everything is said again, changed or not.
const REPORT_EVERY: Duration = Duration::from_secs(5);
/// How often it is said what was counted.
const COUNT_EVERY: Duration = Duration::from_secs(10);
/// How long clients wait at most for the first word of the control plane.
const ENTER_WITHIN: Duration = Duration::from_secs(2);
/// How long the last lines of access logs may take to be written.
const WRITE_WITHIN: Duration = Duration::from_secs(5);
/// How long those who are being served may take to leave a balancer that ends.
const LEAVE_WITHIN: Duration = Duration::from_secs(30);

/// Gives the machine these addresses of load balancers, which are those of that table, and no others.
pub type SettleAddresses =
    Box<dyn Fn(Generation, &BTreeSet<Ipv4Addr>) -> Result<(), String> + Send + Sync>;

/// Where load balancers are served.
pub enum Nodes {
    /// At their own addresses, in a network that this machine carries.
    Here {
        /// Gives them to the machine.
        settle: SettleAddresses,
        /// Tells which targets can be spoken to from the addresses of clients.
        answers: Answers,
    },
    /// At addresses of the machine only.
    Elsewhere,
}

/// Tells whether balancers whose place this one has taken still serve somebody.
pub type OthersFinish = Box<dyn Fn() -> bool + Send + Sync>;

/// How a balancer is run.
pub struct StationConfig {
    /// Where the control plane is, and who calls.
    pub call: Call,
    /// Where the newest table is kept.
    pub folder: PathBuf,
    /// The folder in which access logs are written: it stands for S3.
    pub buckets: PathBuf,
    /// Threads that carry traffic.
    pub threads: usize,
    /// Addresses of this machine at which every load balancer is served.
    pub addresses: Vec<IpAddr>,
    /// Whether load balancers are served at their own addresses.
    pub nodes: Nodes,
    /// The time of the day.
    pub clock: Clock,
    /// Listening sockets of the balancer before this one, and who holds those of this one.
    pub inheritance: Arc<Inheritance>,
}

/// Runs a balancer until it is told to stop; then nobody is taken in any more, and those who are
/// being served may end. `serves` is called once, as soon as sockets listen by the kept table, and
/// before anything is said to the control plane.
///
/// Clients wait at those sockets until the control plane has said its first word: while this balancer
/// was not known to it, targets of the kept table may have been taken away. If it says nothing they are
/// taken in by the kept table.
///
/// # Errors
///
/// If the folder cannot be made or the threads cannot be started.
pub async fn run(
    config: StationConfig,
    serves: impl FnOnce() -> OthersFinish,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    keep::make(&config.folder)?;
    let (buckets, clock) = (config.buckets.clone(), config.clock.clone());
    let (call, mut station) = Station::start(config)?;
    let logs = station.balancer.access_log().map(|lines| {
        let destinations = station.destinations.subscribe();
        tokio::spawn(access_files::keep(buckets, lines, destinations, clock))
    });
    if let Some(table) = keep::load(&station.folder) {
        station.take(table).await;
    }
    station.others_finish = serves();
    let (out, to_send) = mpsc::channel(session::OUTBOUND_MAX);
    let (tell, mut heard) = mpsc::channel(session::INBOUND_MAX);
    let talking = tokio::spawn(session::talk(call, tell, to_send));
    let mut say_at = Instant::now();
    let enter_at = Instant::now() + ENTER_WITHIN;
    let mut count = interval(COUNT_EVERY);
    count.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut window = interval(anomaly::WINDOW);
    window.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let changed = station.checker.changed();
        tokio::select! {
            biased;
            _ = stop.wait_for(|it| *it) => break,
            Some(heard) = heard.recv() => {
                station.hear(heard, &out).await;
                say_at = say_at.min(Instant::now() + GATHER);
            }
            () = sleep_until(enter_at), if !station.gate.is_open() => station.enter_as_kept().await,
            () = changed => {
                station.note_health();
                say_at = say_at.min(Instant::now() + GATHER);
            }
            _ = count.tick() => station.count(&out),
            _ = window.tick() => {
                if station.end_window() {
                    say_at = say_at.min(Instant::now() + GATHER);
                }
            }
            () = sleep_until(say_at) => {
                station.say(&out);
                let finishing = station.balancer.end_overdue().await;
                let wait = if finishing || (station.others_finish)() { LOOK_EVERY } else { REPORT_EVERY };
                say_at = Instant::now() + wait;
            }
        }
    }
    // The name belongs to whoever comes after.
    talking.abort();
    drop(timeout(LEAVE_WITHIN, station.leave()).await);
    drop(station);
    if let Some(logs) = logs {
        drop(timeout(WRITE_WITHIN, logs).await);
    }
    Ok(())
}

struct Station {
    balancer: Balancer,
    flows: Flows,
    gate: Arc<Gate>,
    inheritance: Arc<Inheritance>,
    checker: Checker,
    /// What the one before has found.
    remembered: Remembered,
    reserved: Reserved,
    folder: PathBuf,
    addresses: Vec<IpAddr>,
    nodes: Nodes,
    /// Where nothing could be opened, and why.
    refused: BTreeMap<SocketAddr, String>,
    clock: Clock,
    /// These say nothing any more of what they have under way.
    others_finish: OthersFinish,
    /// Where access logs go.
    destinations: watch::Sender<Destinations>,
    /// What of the counters has been said.
    told: Told,
    /// What the next balancer finds of how targets are.
    kept: Option<Report>,
    /// What was said last in the session that stands, and when.
    said: Option<(Report, Instant)>,
}

impl Station {
    fn start(config: StationConfig) -> io::Result<(Call, Self)> {
        let StationConfig { call, folder, threads, addresses, nodes, clock, inheritance, .. } =
            config;
        let gate = Gate::closed();
        let own = Config {
            threads,
            addresses: addresses.clone(),
            clock: clock.clone(),
            gate: Arc::clone(&gate),
            inheritance: Arc::clone(&inheritance),
        };
        let balancer = Balancer::start(own)?;
        let answers = match &nodes {
            Nodes::Here { answers, .. } => Answers::clone(answers),
            Nodes::Elsewhere => nobody_answers(),
        };
        let flows =
            Flows::new(balancer.meters(), answers, (Arc::clone(&gate), Arc::clone(&inheritance)));
        let station = Self {
            balancer,
            flows,
            gate,
            inheritance,
            checker: Checker::new(),
            remembered: Remembered::load(&folder),
            reserved: Reserved::default(),
            folder,
            addresses,
            nodes,
            refused: BTreeMap::new(),
            clock,
            others_finish: Box::new(|| false),
            destinations: watch::Sender::default(),
            told: Told::default(),
            kept: None,
            said: None,
        };
        Ok((call, station))
    }

    /// Takes nobody in any more and waits until everybody has left.
    async fn leave(&mut self) {
        self.flows.close();
        self.balancer.drain().await;
        while self.flows.count() > 0 {
            sleep(LOOK_EVERY).await;
        }
    }

    async fn hear(&mut self, heard: Heard, out: &mpsc::Sender<FromBalancer>) {
        match heard {
            Heard::Opened => self.said = None,
            Heard::Unopened => self.enter_as_kept().await,
            Heard::Said(ToBalancer::Told(table)) => {
                self.take_and_keep(table).await;
                self.enter();
            }
            Heard::Said(ToBalancer::Reserve { question, addresses, port, transports }) => {
                let refused = self.reserve(addresses, port, &transports).err();
                // A session that is full of answers is about to end, and asks nothing more.
                drop(out.try_send(FromBalancer::Reserved { question, refused }));
            }
        }
    }

    /// Takes clients in without a word of the control plane, by what is kept: by now, what those whose
    /// place this balancer takes were told last.
    async fn enter_as_kept(&mut self) {
        if self.gate.is_open() {
            return;
        }
        if let Some(table) = keep::load(&self.folder) {
            self.take(table).await;
        }
        self.enter();
    }

    /// Takes clients in. What was inherited and is not served now is not waited for any more.
    fn enter(&self) {
        self.inheritance.give_up_rest();
        self.gate.unlock();
    }

    async fn take_and_keep(&mut self, table: RoutingTable) {
        match table.generation.beside(self.balancer.generation()) {
            Reception::Older => return,
            Reception::Same => {}
            Reception::Newer => {
                if let Err(error) = keep::write(&self.folder, &table) {
                    tracing::error!(%error, folder = %self.folder.display(), "cannot keep the table");
                }
            }
        }
        self.take(table).await;
    }

    /// Serves a table. One that is served already only has its addresses looked at again, and what
    /// could not be opened tried again.
    async fn take(&mut self, mut table: RoutingTable) {
        self.reserved.forget(Instant::now());
        match &self.nodes {
            Nodes::Here { settle, .. } => {
                if let Err(error) = settle(table.generation, &own_addresses(&table)) {
                    tracing::error!(error, "cannot give the machine a load balancer's address");
                }
            }
            Nodes::Elsewhere => table.load_balancers.iter_mut().for_each(|it| it.nodes.clear()),
        }
        let is_served = table.generation == self.balancer.generation();
        if is_served && table.generation.version > 0 && self.refused.is_empty() {
            return;
        }
        if let Applied::Served(mut refused) = self.balancer.apply(table).await {
            refused.extend(self.flows.settle(&self.balancer.snapshot()));
            for (place, why) in refused.iter().filter(|it| self.refused.get(it.0) != Some(it.1)) {
                tracing::error!(%place, why, "a listener cannot be opened");
            }
            self.refused = refused;
        }
        let snapshot = self.balancer.snapshot();
        self.reserved.give_back(|place| snapshot.doors.contains_key(place));
        self.checker.settle(&snapshot.compiled);
        self.remembered.settle(&snapshot.compiled, |it| self.checker.health(it));
        self.destinations.send_replace(access_files::destinations(&snapshot));
        self.note_health();
    }

    /// Lets the threads know what the checks have come to. Nothing else changes it, and no table is
    /// applied meanwhile, so that no change is overlooked.
    fn note_health(&self) {
        for group in &self.balancer.snapshot().groups {
            for (number, target) in (0..).zip(&group.targets) {
                match self.health(&target.key) {
                    TargetHealth::Initial => group.forget_health(number),
                    found => group.set_health(number, found == TargetHealth::Healthy),
                }
            }
        }
    }

    /// How a target is: as its checks have come to, or as it was when the balancer before this one
    /// looked last.
    fn health(&self, key: &TargetKey) -> TargetHealth {
        self.remembered.or(key, self.checker.health(key))
    }

    /// Compares what the targets of each group have answered. Answers whether anything is to be told.
    fn end_window(&self) -> bool {
        let snapshot = self.balancer.snapshot();
        let mut is_news = false;
        for group in &snapshot.groups {
            is_news |= group.end_window();
        }
        is_news
    }

    fn reserve(
        &mut self,
        addresses: Vec<IpAddr>,
        port: u16,
        transports: &[Protocol],
    ) -> Result<(), String> {
        let own = match self.nodes {
            Nodes::Here { .. } => addresses,
            Nodes::Elsewhere => Vec::new(),
        };
        let mut wanted = places(own.into_iter().chain(self.addresses.iter().copied()), port);
        let snapshot = self.balancer.snapshot();
        wanted.retain(|it| !snapshot.doors.contains_key(it) || self.refused.contains_key(it));
        self.reserved.open(&wanted, transports, Instant::now())
    }

    /// Says what is found, if it is something new or has not been said for a while.
    fn say(&mut self, out: &mpsc::Sender<FromBalancer>) {
        let mut report = self.report();
        if (self.others_finish)() {
            report.suppose_busy();
        }
        if self.kept.as_ref() != Some(&report) {
            if let Err(error) = remembered::keep(&self.folder, &report) {
                tracing::warn!(%error, folder = %self.folder.display(), "cannot keep what checks found");
            }
            self.kept = Some(report.clone());
        }
        let now = Instant::now();
        let is_due = self
            .said
            .as_ref()
            .is_none_or(|(said, at)| *said != report || now.duration_since(*at) >= REPORT_EVERY);
        // Without a session nobody takes it, and a new one begins with it anyway.
        if is_due && out.try_send(FromBalancer::Report(report.clone())).is_ok() {
            self.said = Some((report, now));
        }
    }

    /// Says what was counted since it was said last. What nobody takes is said with the next one.
    fn count(&mut self, out: &mpsc::Sender<FromBalancer>) {
        let (counts, at) = (self.balancer.counters(), (self.clock)());
        let health = |it: &TargetKey| self.health(it);
        let hosts = hosts(&self.balancer.snapshot(), counts.keys(), &health);
        let news = self.told.news(&counts, &hosts, at);
        if news.is_empty() || out.try_send(FromBalancer::Counted(news)).is_ok() {
            self.told.note(counts, at);
        }
    }

    fn report(&self) -> Report {
        let snapshot = self.balancer.snapshot();
        let (mut targets, mut elsewhere) = (Vec::new(), BTreeMap::<(&str, &str), usize>::new());
        for group in &snapshot.groups {
            let Some(checked_in) = group.ready.told.checked_in.as_deref() else { continue };
            for it in &group.targets {
                *elsewhere.entry((checked_in, &it.key.id)).or_default() += it.in_flight();
            }
        }
        for group in snapshot.groups.iter().filter(|it| it.ready.told.checked_in.is_none()) {
            for (told, shared) in group.ready.told.targets.iter().zip(&group.targets) {
                let health = self.health(&shared.key);
                let key = (shared.key.group.as_str(), shared.key.id.as_str());
                let in_flight = shared.in_flight() + elsewhere.get(&key).unwrap_or(&0);
                let report = TargetReport::new(&shared.key.group, told, health, in_flight);
                targets.push(TargetReport { anomaly: shared.anomaly(), ..report });
            }
        }
        let refused = self.refused.iter().filter_map(|(place, why)| {
            let entrance = snapshot.doors.get(place)?;
            Some((entrance.port.told.arn.clone(), format!("{place}: {why}")))
        });
        Report {
            applied: snapshot.compiled.generation,
            targets,
            refused: refused.collect(),
            addresses: self.addresses.clone(),
        }
    }
}

/// The addresses that load balancers have of their own.
fn own_addresses(table: &RoutingTable) -> BTreeSet<Ipv4Addr> {
    let nodes = table.load_balancers.iter().flat_map(|it| &it.nodes);
    nodes
        .filter_map(|(_, address)| match address {
            IpAddr::V4(address) => Some(*address),
            IpAddr::V6(_) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests;
