//! What flows are tested with: a load balancer of one listener, without a process around it.

use core::sync::atomic::{AtomicU8, Ordering};
use core::time::Duration;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use plan::routing::{Generation, Group, Listener, LoadBalancer, PortRule, RoutingTable};
use state::{
    Action, HealthCheck, IpAddressType, LoadBalancerKind, TargetProtocol, TargetType, WeightedGroup,
};
use types::Timestamp;

use super::super::*;
use crate::targets::Targets;

pub(super) const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What is served in one test.
pub(super) struct Bench {
    pub(super) flows: Flows,
    pub(super) meters: Arc<Meters>,
    pub(super) targets: Targets,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) at: SocketAddr,
}

impl Bench {
    /// A load balancer that speaks this at an address of its own, in front of these targets.
    pub(super) fn new(
        protocol: ListenerProtocol,
        targets: &[u16],
        attributes: &[(&str, &str)],
    ) -> Self {
        let mut bench = Self::empty();
        bench.serve(protocol, targets, attributes);
        bench
    }

    /// Nothing is served yet.
    pub(super) fn empty() -> Self {
        let meters = Arc::<Meters>::default();
        Self {
            flows: Flows::new(
                Arc::clone(&meters),
                clients::nobody_answers(),
                (Gate::open(), Inheritance::none()),
            ),
            meters,
            targets: Targets::default(),
            snapshot: Arc::default(),
            at: own_address(),
        }
    }

    pub(super) fn serve(
        &mut self,
        protocol: ListenerProtocol,
        targets: &[u16],
        attributes: &[(&str, &str)],
    ) {
        self.serve_table(table(protocol, self.at.port(), targets, attributes));
    }

    pub(super) fn serve_table(&mut self, table: RoutingTable) {
        let snapshot = Snapshot::new(table, &self.snapshot, &self.targets, &[self.at.ip()]);
        self.snapshot = Arc::new(snapshot);
        assert_eq!(self.flows.settle(&self.snapshot), BTreeMap::new());
    }

    /// How often something was counted about the load balancer.
    pub(super) fn counted(&self, metric: Metric) -> u64 {
        let subject = Subject { load_balancer: "load-balancer".into(), group: None };
        self.meters.read().get(&subject).map_or(0, |it| it.of(metric))
    }

    /// Waits until no flow is under way.
    pub(super) async fn quiet(&self) {
        while self.flows.count() > 0 {
            tokio::task::yield_now().await;
        }
    }
}

/// An address of this machine that no other test has, nor another process, at a port that the kernel
/// gives to nobody.
pub(super) fn own_address() -> SocketAddr {
    static TESTS: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let number = TESTS.fetch_add(1, Ordering::Relaxed);
    SocketAddr::from(([127, high | 0x80, low, number], 80))
}

pub(in crate::flow) fn table(
    protocol: ListenerProtocol,
    port: u16,
    targets: &[u16],
    attributes: &[(&str, &str)],
) -> RoutingTable {
    let target = |port: &u16| plan::routing::Target {
        id: LOCAL.to_string(),
        port: *port,
        address: Some(LOCAL),
        zone: None,
        registered_at: Timestamp(0),
        draining: None,
    };
    let kind = match protocol {
        ListenerProtocol::Udp => TargetProtocol::Udp,
        _ => TargetProtocol::Tcp,
    };
    let group = Group {
        arn: "group".into(),
        target_type: TargetType::Ip,
        protocol: kind,
        version: None,
        ip_address_type: IpAddressType::Ipv4,
        health_check: HealthCheck {
            enabled: true,
            protocol: TargetProtocol::Tcp,
            port: None,
            path: None,
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
            healthy_threshold: 3,
            unhealthy_threshold: 3,
            matcher: None,
        },
        attributes: attributes.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect(),
        targets: targets.iter().map(target).collect(),
        checked_in: None,
    };
    let shares = vec![WeightedGroup { group: "group".into(), weight: 1 }];
    let rule = PortRule {
        arn: "rule".into(),
        priority: None,
        conditions: Vec::new(),
        action: Action::Forward { groups: shares, stickiness: None },
        transforms: Vec::new(),
    };
    let listener = Listener {
        arn: "listener".into(),
        protocol,
        port,
        certificates: Vec::new(),
        ssl_policy: None,
        alpn_policy: None,
        attributes: BTreeMap::new(),
        rules: vec![rule],
    };
    let load_balancer = LoadBalancer {
        arn: "load-balancer".into(),
        kind: LoadBalancerKind::Network,
        nodes: Vec::new(),
        attributes: BTreeMap::new(),
        listeners: vec![listener],
    };
    RoutingTable {
        generation: Generation { epoch: 1, version: 1 },
        load_balancers: vec![load_balancer],
        groups: vec![group],
        ..RoutingTable::default()
    }
}
