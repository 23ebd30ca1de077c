//! Network load balancers: flows of bytes and datagrams from clients to targets.
//!
//! A flow stays with its target for as long as it lives. Targets are chosen by a hash of the flow
//! ([`choose`]), so that neither threads nor processes need to agree on anything.

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use state::{ListenerProtocol, TargetProtocol};
use tokio::task::AbortHandle;
use types::Protocol;

use crate::counters::{Meter, Meters, Metric, Subject};
use crate::gate::Gate;
use crate::inheritance::Inheritance;
use crate::snapshot::{Entrance, Snapshot};
use crate::targets::Target;
use crate::tls::Connector;

mod choose;
pub(crate) mod clients;
mod datagrams;
mod proxy_protocol;
mod stillness;
mod streams;

/// What all flows share.
pub(crate) struct Shared {
    snapshot: RwLock<Arc<Snapshot>>,
    connector: Connector,
    answers: clients::Answers,
    gate: Arc<Gate>,
    inheritance: Arc<Inheritance>,
    /// No two balancers of a machine choose alike, so that nobody can aim at one target.
    seed: u64,
    all_meters: Arc<Meters>,
    /// By the load balancer's ARN.
    meters: Mutex<BTreeMap<String, Arc<Meter>>>,
    /// How many flows are under way.
    count: AtomicUsize,
}

impl Shared {
    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Where the flows of a load balancer are counted.
    fn meter(&self, entrance: &Entrance) -> Arc<Meter> {
        let load_balancer = &entrance.balanced.told.arn;
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(meter) = meters.get(load_balancer) {
            return Arc::clone(meter);
        }
        let subject = Subject { load_balancer: load_balancer.clone(), group: None };
        let meter = self.all_meters.meter(&subject);
        meters.insert(load_balancer.clone(), Arc::clone(&meter));
        meter
    }

    /// Flows that are under way keep their meters.
    fn forget_meters(&self, snapshot: &Snapshot) {
        let balanced = &snapshot.compiled.load_balancers;
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        meters.retain(|arn, _| balanced.iter().any(|it| it.told.arn == *arn));
    }
}

/// Where flows come in.
type Place = (SocketAddr, Protocol);

/// The listening sockets of flows, each with the task that takes in what comes.
pub(crate) struct Flows {
    shared: Arc<Shared>,
    open: BTreeMap<Place, AbortHandle>,
}

impl Flows {
    /// None yet; they will be counted there. `answers` tells which targets can be spoken to from the
    /// addresses of clients. Clients are taken in once the gate is open, at sockets
    /// that may be inherited.
    pub(crate) fn new(
        meters: Arc<Meters>,
        answers: clients::Answers,
        (gate, inheritance): (Arc<Gate>, Arc<Inheritance>),
    ) -> Self {
        let shared = Shared {
            snapshot: RwLock::default(),
            connector: Connector::new(),
            answers,
            gate,
            inheritance,
            seed: getrandom::u64().unwrap_or_default(),
            all_meters: meters,
            meters: Mutex::default(),
            count: AtomicUsize::new(0),
        };
        Self { shared: Arc::new(shared), open: BTreeMap::new() }
    }

    /// Opens what a snapshot wants and is not open, and closes the rest; flows that have come in
    /// stay. Answers what could not be opened. Runs in a runtime.
    pub(crate) fn settle(&mut self, snapshot: &Arc<Snapshot>) -> BTreeMap<SocketAddr, String> {
        *self.shared.snapshot.write().unwrap_or_else(PoisonError::into_inner) =
            Arc::clone(snapshot);
        self.shared.forget_meters(snapshot);
        let mut before = core::mem::take(&mut self.open);
        let mut refused = BTreeMap::new();
        let doors = snapshot.doors.iter().filter(|it| !it.1.speaks_http());
        for (address, entrance) in doors {
            for transport in transports(entrance) {
                let place = (*address, *transport);
                let task = match before.remove(&place) {
                    Some(task) => Ok(task),
                    None => self.listen(place),
                };
                match task {
                    Ok(task) => drop(self.open.insert(place, task)),
                    Err(error) => drop(refused.insert(*address, error.to_string())),
                }
            }
        }
        for ((address, transport), task) in before {
            task.abort();
            if transport == Protocol::Tcp {
                self.shared.inheritance.give_up(address);
            }
        }
        refused
    }

    fn listen(&self, (address, transport): Place) -> std::io::Result<AbortHandle> {
        let shared = Arc::clone(&self.shared);
        Ok(match transport {
            Protocol::Tcp => {
                let listener = streams::open(address, &shared.inheritance)?;
                tokio::spawn(streams::accept(shared, address, listener)).abort_handle()
            }
            Protocol::Udp => {
                let socket = datagrams::open(address)?;
                tokio::spawn(datagrams::take_in(shared, address, socket)).abort_handle()
            }
        })
    }

    /// Takes nobody in any more.
    pub(crate) fn close(&mut self) {
        for task in core::mem::take(&mut self.open).into_values() {
            task.abort();
        }
    }

    /// How many flows are under way.
    pub(crate) fn count(&self) -> usize {
        self.shared.count.load(Ordering::Relaxed)
    }
}

fn transports(entrance: &Entrance) -> &'static [Protocol] {
    match entrance.port.told.protocol {
        ListenerProtocol::Tcp | ListenerProtocol::Tls => &[Protocol::Tcp],
        ListenerProtocol::Udp => &[Protocol::Udp],
        ListenerProtocol::TcpUdp => &[Protocol::Tcp, Protocol::Udp],
        // Of a network load balancer; the API does not let it happen.
        ListenerProtocol::Http | ListenerProtocol::Https => &[],
    }
}

/// What a flow is counted as.
struct Kind {
    active: Metric,
    new: Metric,
    bytes: Metric,
}

impl Kind {
    fn of(transport: Protocol, entrance: &Entrance) -> Self {
        let (active, new, bytes) = match (transport, entrance.port.told.protocol) {
            (Protocol::Udp, _) => (Metric::ActiveUdpFlows, Metric::NewUdpFlows, Metric::UdpBytes),
            (Protocol::Tcp, ListenerProtocol::Tls) => {
                (Metric::ActiveTlsFlows, Metric::NewTlsFlows, Metric::TlsBytes)
            }
            (Protocol::Tcp, _) => (Metric::ActiveTcpFlows, Metric::NewTcpFlows, Metric::TcpBytes),
        };
        Self { active, new, bytes }
    }
}

/// A flow that is under way: its target is busy, and it is counted, until this is dropped.
struct Flight {
    shared: Arc<Shared>,
    target: Arc<Target>,
    meter: Arc<Meter>,
    kind: Kind,
    /// Whether its target has been other than unhealthy in its time.
    saw_well: AtomicBool,
}

impl Flight {
    fn new(
        shared: &Arc<Shared>,
        (entrance, transport): (&Entrance, Protocol),
        target: Arc<Target>,
    ) -> Self {
        let saw_well = AtomicBool::new(!target.is_unhealthy());
        let flight = Self {
            shared: Arc::clone(shared),
            target,
            meter: shared.meter(entrance),
            kind: Kind::of(transport, entrance),
            saw_well,
        };
        flight.target.entered();
        flight.shared.count.fetch_add(1, Ordering::Relaxed);
        for metric in
            [Metric::NewConnections, flight.kind.new, Metric::ActiveConnections, flight.kind.active]
        {
            flight.meter.add_among(metric, 1);
        }
        flight
    }
}

/// What the life of a flow depends on besides its two ends.
trait Life {
    /// Whether it may go on for all that its target and group say.
    fn may_go_on(&self) -> bool;
    /// So many bytes have gone through.
    fn carried(&self, bytes: usize);
}

impl Life for Flight {
    fn carried(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.meter.add_among(Metric::ProcessedBytes, bytes);
        self.meter.add_among(self.kind.bytes, bytes);
    }

    fn may_go_on(&self) -> bool {
        let snapshot = self.shared.snapshot();
        let group = snapshot.compiled.group_number(&self.target.key.group);
        let group = group.and_then(|it| snapshot.groups.get(it));
        let settings = group.map(|it| (&it.ready.attributes, it.ready.told.protocol));
        if self.target.is_gone() {
            // What the delay does not end lives for as long as its group serves anybody.
            return settings.is_some_and(|it| !it.0.ends_with_delay(it.1));
        }
        if !self.target.is_unhealthy() {
            self.saw_well.store(true, Ordering::Relaxed);
            return true;
        }
        // One that began where no target was healthy has not lost anything.
        let ends_unhealthy = settings.is_some_and(|(attributes, protocol)| {
            let counts = matches!(protocol, TargetProtocol::Tcp | TargetProtocol::Tls);
            counts && attributes.unhealthy_termination
        });
        !(ends_unhealthy && self.saw_well.load(Ordering::Relaxed))
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.target.left();
        self.shared.count.fetch_sub(1, Ordering::Relaxed);
        self.meter.leave_among(Metric::ActiveConnections);
        self.meter.leave_among(self.kind.active);
    }
}

#[cfg(test)]
mod tests;
