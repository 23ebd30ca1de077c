//! Load balancers in the simulated world: balancers that serve what they are told, targets that are
//! well or not, clients that send requests, and an operator who changes everything meanwhile.
//!
//! Decisions are the product's: what balancers are told, which generation counts, whom they ask, what
//! becomes of a request and of a target that leaves (`plan::routing`, `plan::target_health`,
//! `plan::balancing`), what of their reports is noted (`api`) and when a target is gone
//! (`reconcilers`). Made up are sockets, threads and the requests themselves. What is wired in
//! `balancer::station` and `link::balancers` is repeated in [`station`] and [`lines`]: change both.

mod checks;
mod lines;
mod members;
mod operator;
mod station;
mod traffic;

use std::collections::BTreeMap;
use std::sync::Arc;

use plan::routing::Generation;
use plan::target_health::{Check, Subject};
use state::TargetKey;

pub(crate) use checks::{Ledger, found};
pub(crate) use lines::{LineEvent, LineRelease, Lines};
pub(crate) use members::{check_registered, is_in_service, is_reachable};
pub(crate) use station::Station;

use crate::event::Event;
use crate::lot::{Chance, Lot};
use crate::violation::Checked;
use crate::world::World;

/// A balancer.
pub(crate) type BalancerId = u32;
/// A websocket of a balancer.
pub(crate) type LineId = u64;

/// So many addresses may be targets.
const HOSTS: u8 = 6;
/// The longest time between two changes of a target's health, in milliseconds.
const FLAP_EVERY: u64 = 40_000;
/// The longest time between two faults of balancers, in milliseconds.
const FAULT_EVERY: u64 = 40_000;

/// Everything of load balancing.
pub(crate) struct Balancing {
    pub(crate) lot: Lot,
    pub(crate) balancers: BTreeMap<BalancerId, Balancer>,
    pub(crate) wires: BTreeMap<LineId, Wire>,
    next_line: LineId,
    next_flight: u64,
    /// How the machine at each address answers.
    pub(crate) hosts: BTreeMap<String, Host>,
    pub(crate) ledger: Ledger,
    pub(crate) trouble: Trouble,
    /// Whether tasks of services are among the targets.
    pub(crate) has_services: bool,
}

/// What goes wrong, and how likely.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Trouble {
    /// A frame on which its websocket breaks.
    pub(crate) cut: Chance,
    /// A frame that arrives twice.
    pub(crate) doubled: Chance,
    /// A frame that comes after what was said later, on another websocket.
    pub(crate) late: Chance,
    /// A report that the region has no time for.
    pub(crate) overload: Chance,
    /// Whether balancers end, and targets become ill, by themselves.
    pub(crate) faults: bool,
}

/// A balancer and its disk.
#[derive(Debug)]
pub(crate) struct Balancer {
    pub(crate) name: Arc<str>,
    /// The table on its disk.
    pub(crate) kept: Option<Arc<[u8]>>,
    /// Tells its processes apart.
    pub(crate) life: u64,
    pub(crate) station: Option<Station>,
    /// The newest table that it ever served.
    pub(crate) newest: Generation,
    /// Until then nothing passes between it and the region.
    pub(crate) cut_off_until: u64,
}

/// A balancer's websocket.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) balancer: BalancerId,
    pub(crate) life: u64,
    /// Nothing passes any more; its ends notice in their time.
    pub(crate) dead: bool,
    /// When the last frame on its way arrives: what follows arrives later.
    pub(crate) down_at: u64,
    pub(crate) up_at: u64,
}

/// How the machine at an address answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    Well,
    /// It answers with 503.
    Ill,
    /// It takes connections and says nothing.
    Mute,
    /// Nobody is there.
    Dead,
}

impl Host {
    pub(crate) fn check(self) -> Check {
        match self {
            Self::Well => Check::Code(200),
            Self::Ill => Check::Code(503),
            Self::Mute => Check::Timeout,
            Self::Dead => Check::Failed,
        }
    }
}

/// Something that happens.
#[derive(Debug)]
pub(crate) enum BalancingEvent {
    /// The operator thinks of something.
    Act,
    /// A client sends a request.
    Request,
    /// A target becomes otherwise.
    Flap,
    /// A balancer has a fault.
    Fault,
    /// To a balancer.
    Balancer(BalancerId, BalancerEvent),
}

/// Something that happens to a balancer.
#[derive(Debug)]
pub(crate) enum BalancerEvent {
    /// Its process starts.
    Start,
    /// It calls the region.
    Dial { life: u64 },
    /// Its websocket stands.
    Opened { life: u64, line: LineId },
    /// A frame has come.
    Told { life: u64, frame: Arc<[u8]> },
    /// Its websocket is found broken or closed.
    Closed { life: u64, line: LineId },
    /// It says what it finds, if that is news.
    Say { life: u64 },
    /// A check has ended.
    Asked { life: u64, key: TargetKey, subject: Box<Subject> },
    /// A request is over.
    Done { life: u64, flight: u64 },
    /// The time of some targets is over.
    Overdue { life: u64 },
}

impl Balancing {
    pub(crate) fn new(seed: u64, count: u32) -> Self {
        let mut lot = Lot::new(seed, 6);
        let balancer = |id: BalancerId| {
            let name = format!("balancer-{id}").into();
            let newest = Generation::default();
            Balancer { name, kept: None, life: 0, station: None, newest, cut_off_until: 0 }
        };
        let mut some = |most: u64| {
            let exists = lot.below(2) == 1;
            let amount = lot.between(1, most);
            if exists { Chance::try_from(amount).unwrap_or(0) } else { 0 }
        };
        let trouble = Trouble {
            cut: some(200),
            doubled: some(1_000),
            late: some(1_000),
            overload: some(2_000),
            faults: some(1) == 1,
        };
        let has_services = Lot::new(seed, 8).below(2) == 1;
        Self {
            lot,
            balancers: (0..count).map(|it| (it, balancer(it))).collect(),
            wires: BTreeMap::new(),
            next_line: 0,
            next_flight: 0,
            hosts: (1..=HOSTS).map(|it| (format!("10.1.0.{it}"), Host::Well)).collect(),
            ledger: Ledger::default(),
            trouble,
            has_services,
        }
    }
}

impl World {
    /// Balancers start, clients and the operator come.
    pub(crate) fn plan_balancing(&mut self) {
        let ids: Vec<BalancerId> = self.balancing.balancers.keys().copied().collect();
        for id in &ids {
            let wait = self.balancing.lot.between(10, 3_000);
            self.plan_balancer(wait, *id, BalancerEvent::Start);
        }
        if ids.is_empty() || self.clients.answers.is_some() {
            return;
        }
        self.plan_work(1_000, BalancingEvent::Act);
        self.plan_work(5_000, BalancingEvent::Request);
        if self.balancing.trouble.faults {
            self.plan_work(FLAP_EVERY, BalancingEvent::Flap);
            self.plan_work(FAULT_EVERY, BalancingEvent::Fault);
        }
    }

    pub(crate) fn plan_balancer(&mut self, wait: u64, id: BalancerId, event: BalancerEvent) {
        self.agenda.after(wait, Event::Balancing(BalancingEvent::Balancer(id, event)));
    }

    fn plan_work(&mut self, most: u64, event: BalancingEvent) {
        let wait = self.balancing.lot.between(1, most);
        self.agenda.after(wait, Event::Balancing(event));
    }

    /// Something happens.
    pub(crate) fn balancing_event(&mut self, event: BalancingEvent) -> Checked {
        match event {
            BalancingEvent::Balancer(id, event) => self.balancer_event(id, event),
            _ if self.healing => Ok(()),
            BalancingEvent::Act => {
                self.operate();
                self.plan_work(4_000, BalancingEvent::Act);
                Ok(())
            }
            BalancingEvent::Request => {
                // Where tasks come and go, requests meet them.
                let every = if self.swarm.has_fronts() { 150 } else { 600 };
                self.plan_work(every, BalancingEvent::Request);
                self.request()
            }
            BalancingEvent::Flap => {
                self.plan_work(FLAP_EVERY, BalancingEvent::Flap);
                self.flap();
                Ok(())
            }
            BalancingEvent::Fault => {
                self.plan_work(FAULT_EVERY, BalancingEvent::Fault);
                self.balancer_fault();
                Ok(())
            }
        }
    }

    /// How the machine at an address answers: one of those that are only targets, or a task that has
    /// the address.
    fn host_at(&self, id: &str) -> Host {
        if let Some(host) = self.balancing.hosts.get(id) {
            return *host;
        }
        let machines = || self.machines.values().filter(|it| it.exists);
        // Of an instance it is some task that answers.
        let is_instance =
            machines().any(|it| it.ec2 == id && it.runtime.running().next().is_some());
        let mut tasks = machines().flat_map(|it| it.runtime.tasks.values());
        let answers =
            is_instance || tasks.any(|it| it.runs() && it.addresses().iter().any(|it| it == id));
        if answers { Host::Well } else { Host::Dead }
    }

    fn flap(&mut self) {
        let balancing = &mut self.balancing;
        let names: Vec<String> = balancing.hosts.keys().cloned().collect();
        let Some(name) = balancing.lot.pick(&names).cloned() else { return };
        let all = [Host::Well, Host::Well, Host::Ill, Host::Mute, Host::Dead];
        let Some(host) = balancing.lot.pick(&all).copied() else { return };
        self.say(format_args!("host {name}: {host:?}"));
        self.balancing.hosts.insert(name, host);
    }

    fn balancer_fault(&mut self) {
        let ids: Vec<BalancerId> = self.balancing.balancers.keys().copied().collect();
        let Some(id) = self.balancing.lot.pick(&ids).copied() else { return };
        match self.balancing.lot.below(3) {
            0 => self.crash_balancer(id),
            1 => {
                let until = self.agenda.now() + self.balancing.lot.between(1_000, 60_000);
                self.cut_balancer_off(id, until);
            }
            _ => self.break_line_of(id),
        }
    }

    /// Nothing passes between a balancer and the region until then.
    pub(crate) fn cut_balancer_off(&mut self, id: BalancerId, until: u64) {
        self.say(format_args!("balancer {id}: is cut off"));
        if let Some(it) = self.balancing.balancers.get_mut(&id) {
            it.cut_off_until = until;
        }
        self.break_line_of(id);
    }

    fn break_line_of(&mut self, id: BalancerId) {
        let station = self.balancing.balancers.get(&id).and_then(|it| it.station.as_ref());
        if let Some(line) = station.and_then(|it| it.line) {
            self.break_line(line);
        }
    }

    /// Nothing goes wrong any more.
    pub(crate) fn heal_balancing(&mut self) {
        self.balancing.trouble = Trouble::default();
        self.balancing.hosts.values_mut().for_each(|it| *it = Host::Well);
        self.balancing.balancers.values_mut().for_each(|it| it.cut_off_until = 0);
    }
}
