//! Network load balancers: flows of bytes and datagrams from clients to targets.
//!
//! A flow stays with its target for as long as it lives. Targets are chosen by a hash of the flow
//! ([`choose`]), so that neither threads nor processes need to agree on anything.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use state::ListenerProtocol;
use tokio::task::AbortHandle;
use types::Protocol;

use crate::snapshot::{Entrance, Snapshot};
use crate::targets::Target;
use crate::tls::Connector;

mod choose;
mod datagrams;
mod proxy_protocol;
mod streams;

/// What all flows share.
pub(crate) struct Shared {
    snapshot: RwLock<Arc<Snapshot>>,
    connector: Connector,
    /// No two balancers of a machine choose alike, so that nobody can aim at one target.
    seed: u64,
}

impl Shared {
    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
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
    pub(crate) fn new() -> Self {
        let shared = Shared {
            snapshot: RwLock::default(),
            connector: Connector::new(),
            seed: getrandom::u64().unwrap_or_default(),
        };
        Self { shared: Arc::new(shared), open: BTreeMap::new() }
    }

    /// Opens what a snapshot wants and is not open, and closes the rest; flows that have come in
    /// stay. Answers what could not be opened. Runs in a runtime.
    pub(crate) fn settle(&mut self, snapshot: &Arc<Snapshot>) -> BTreeMap<SocketAddr, String> {
        *self.shared.snapshot.write().unwrap_or_else(PoisonError::into_inner) =
            Arc::clone(snapshot);
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
        for task in before.into_values() {
            task.abort();
        }
        refused
    }

    fn listen(&self, (address, transport): Place) -> std::io::Result<AbortHandle> {
        let shared = Arc::clone(&self.shared);
        Ok(match transport {
            Protocol::Tcp => {
                let listener = streams::open(address)?;
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
        let snapshot = self.shared.snapshot();
        let doors = snapshot.doors.values().filter(|it| !it.speaks_http());
        let mut groups: Vec<usize> = doors.flat_map(|it| groups_of(it, &snapshot)).collect();
        groups.sort_unstable();
        groups.dedup();
        let targets = groups.iter().filter_map(|it| snapshot.groups.get(*it));
        targets.flat_map(|it| &it.targets).map(|it| it.in_flight()).sum()
    }
}

/// Numbers of the groups that flows of an entrance go to.
fn groups_of(entrance: &Entrance, snapshot: &Snapshot) -> Vec<usize> {
    let rules = &entrance.port.told.rules;
    let named = rules.iter().flat_map(|it| match &it.action {
        state::Action::Forward { groups, .. } => groups.as_slice(),
        state::Action::Redirect(_) | state::Action::Fixed { .. } => &[],
    });
    named.filter_map(|it| snapshot.compiled.group_number(&it.group)).collect()
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

/// A flow that is under way; its target is busy until this is dropped.
struct Flight(Arc<Target>);

impl Flight {
    fn new(target: Arc<Target>) -> Self {
        target.entered();
        Self(target)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.left();
    }
}

#[cfg(test)]
mod tests;
