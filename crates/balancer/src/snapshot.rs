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
    /// machine at which every load balancer is served too that does not say otherwise. O(table).
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
            let of_machine = addresses.iter().filter(|_| balanced.attributes.machine_addresses);
            let places: Vec<_> = nodes.chain(of_machine.map(|ip| (None, *ip))).collect();
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

#[cfg(test)]
mod tests {
    use plan::routing::{Listener, LoadBalancer};

    use super::*;

    fn load_balancer(name: &str, node: [u8; 4], attributes: &[(&str, &str)]) -> LoadBalancer {
        let listener = Listener {
            arn: name.into(),
            protocol: ListenerProtocol::Http,
            port: 80,
            certificates: Vec::new(),
            ssl_policy: None,
            alpn_policy: None,
            attributes: BTreeMap::new(),
            rules: Vec::new(),
        };
        let set = attributes.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        LoadBalancer {
            arn: name.into(),
            kind: LoadBalancerKind::Application,
            nodes: vec![(Zone::parse("us-east-1a").expect("valid"), IpAddr::from(node))],
            attributes: set.collect(),
            listeners: vec![listener],
        }
    }

    #[test]
    fn what_is_for_the_vpc_only_takes_no_port_of_the_machine() {
        let inside = [("landfall.machine_addresses.enabled", "false")];
        let table = RoutingTable {
            load_balancers: vec![
                load_balancer("a", [172, 31, 0, 8], &inside),
                load_balancer("b", [172, 31, 0, 9], &[]),
            ],
            ..RoutingTable::default()
        };
        let machine = [IpAddr::from([192, 0, 2, 1])];
        let snapshot = Snapshot::new(table, &Snapshot::default(), &Targets::default(), &machine);
        let served = snapshot.doors.iter();
        let served: Vec<_> = served
            .map(|(address, it)| format!("{} {}", it.balanced.told.arn, address.ip()))
            .collect();
        assert_eq!(served, ["a 172.31.0.8", "b 172.31.0.9", "b 192.0.2.1"]);
    }
}
