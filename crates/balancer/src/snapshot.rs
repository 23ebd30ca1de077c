//! What every thread serves from: a table, made ready once and swapped whole.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use plan::routing::{Balanced, Compiled, Port, RoutingTable};
use rustls::ServerConfig;
use state::{ListenerProtocol, LoadBalancerKind};
use tokio::time::Instant;
use types::Zone;

use crate::listener_attributes::ListenerAttributes;
use crate::targets::{Group, Targets};
use crate::tls;
use crate::transform::Transforms;

/// A table, ready for all threads.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Rules and groups.
    pub compiled: Compiled,
    /// In the order of [`Compiled::groups`].
    pub groups: Vec<Arc<Group>>,
    /// Every address at which something is served.
    pub doors: BTreeMap<SocketAddr, Arc<Entrance>>,
    pub(crate) seal: Vec<u8>,
}

/// What is served at one address.
#[derive(Debug)]
pub struct Entrance {
    /// The load balancer.
    pub balanced: Arc<Balanced>,
    /// Its listener.
    pub port: Arc<Port>,
    /// The zone whose clients come in here; `None` at addresses of the machine.
    pub zone: Option<Zone>,
    /// Which session and certificate a client gets; of HTTPS and TLS.
    pub tls: Option<Arc<ServerConfig>>,
    pub(crate) names: Arc<tls::Names>,
    pub(crate) attributes: ListenerAttributes,
    pub(crate) transforms: Transforms,
}

impl Entrance {
    /// Whether requests come in here, and not flows.
    pub fn speaks_http(&self) -> bool {
        self.balanced.told.kind == LoadBalancerKind::Application
            && matches!(self.port.told.protocol, ListenerProtocol::Http | ListenerProtocol::Https)
    }
}

impl Snapshot {
    /// Makes a table ready, with what it shares with the one before. `addresses` are those of this
    /// machine at which every load balancer is served too. O(table).
    pub(crate) fn new(
        table: RoutingTable,
        before: &Self,
        targets: &Targets,
        addresses: &[IpAddr],
    ) -> Self {
        let mut table = table;
        let seal = core::mem::take(&mut table.seal);
        let certificates = tls::Certificates::new(&table.certificates);
        let compiled = Compiled::new(table, Some(&before.compiled));
        let standing = (&before.compiled, before.groups.as_slice());
        let groups = targets.settle(&compiled, standing, Instant::now());
        let mut doors = BTreeMap::new();
        for balanced in &compiled.load_balancers {
            let nodes = balanced.told.nodes.iter().map(|(zone, ip)| (Some(zone.clone()), *ip));
            let places: Vec<_> = nodes.chain(addresses.iter().map(|ip| (None, *ip))).collect();
            for port in &balanced.ports {
                let tls = before.session_of(balanced, port, &certificates);
                let names = Arc::new(tls::Names::of(&certificates, port));
                for (zone, ip) in &places {
                    let entrance = Entrance {
                        balanced: Arc::clone(balanced),
                        port: Arc::clone(port),
                        zone: zone.clone(),
                        tls: tls.clone(),
                        names: Arc::clone(&names),
                        attributes: ListenerAttributes::of(&port.told.attributes),
                        transforms: Transforms::of(&port.told.rules),
                    };
                    let address = SocketAddr::new(*ip, port.told.port);
                    doors.entry(address).or_insert_with(|| Arc::new(entrance));
                }
            }
        }
        Self { compiled, groups, doors, seal }
    }

    /// The TLS of a listener: the one that stood before, if nothing about it has changed, so that
    /// clients can take up their sessions again.
    fn session_of(
        &self,
        balanced: &Balanced,
        port: &Port,
        certificates: &tls::Certificates,
    ) -> Option<Arc<ServerConfig>> {
        let is_secret =
            matches!(port.told.protocol, ListenerProtocol::Https | ListenerProtocol::Tls);
        if !is_secret {
            return None;
        }
        let standing = self.doors.values().find(|it| it.port.told.arn == port.told.arn);
        let unchanged = standing.filter(|it| {
            it.port.told.certificates == port.told.certificates
                && it.port.told.ssl_policy == port.told.ssl_policy
                && it.port.told.alpn_policy == port.told.alpn_policy
                && it.balanced.attributes.http2 == balanced.attributes.http2
                && it.tls.as_deref().is_some_and(|tls| certificates.are_shown_by(tls, port))
        });
        match unchanged {
            Some(entrance) => entrance.tls.clone(),
            None => certificates.session(balanced, port).map(Arc::new),
        }
    }
}
