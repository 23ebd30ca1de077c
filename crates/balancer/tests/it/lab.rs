//! A balancer with one load balancer, at an address that nobody else has.

use core::time::Duration;
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use balancer::{Applied, Balancer, Config, Gate, Inheritance};
use plan::routing::{
    Certificate, Generation, Group, Listener, LoadBalancer, PortRule, RoutingTable, Target,
};
use state::{
    Action, HealthCheck, IpAddressType, ListenerProtocol, LoadBalancerKind, ProtocolVersion,
    TargetProtocol, TargetType, WeightedGroup,
};
use types::Timestamp;

use super::origin::Origin;

/// What a client waits for at most; nothing here takes so long.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The time of the day in a lab.
pub(crate) const NOW: Timestamp = Timestamp(1_700_000_000_000);

pub(crate) const LOAD_BALANCER: &str =
    "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/lab/0123456789abcdef";
pub(crate) const GROUP: &str =
    "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/lab/0123456789abcdef";

pub(crate) struct Lab {
    pub(crate) balancer: Balancer,
    pub(crate) origin: Origin,
    pub(crate) address: SocketAddr,
    pub(crate) table: RoutingTable,
    runtime: tokio::runtime::Runtime,
}

/// An address of this machine for every lab, whatever other processes do.
fn own_ip() -> IpAddr {
    static LABS: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let number = LABS.fetch_add(1, Ordering::Relaxed);
    assert_ne!(number, 0, "a process has 255 labs at most");
    Ipv4Addr::new(127, high | 0x80, low, number).into()
}

pub(crate) fn attributes(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub(crate) fn forward(groups: &[(&str, u32)], stickiness: Option<Duration>) -> Action {
    let share = |it: &(&str, u32)| WeightedGroup { group: it.0.to_owned(), weight: it.1 };
    Action::Forward { groups: groups.iter().map(share).collect(), stickiness }
}

pub(crate) fn rule(
    priority: Option<u32>,
    conditions: Vec<state::Condition>,
    action: Action,
) -> PortRule {
    let arn = format!("rule/{}", priority.unwrap_or(0));
    PortRule { arn, priority, conditions, action, transforms: Vec::new() }
}

pub(crate) fn target(address: SocketAddr) -> Target {
    Target {
        id: address.ip().to_string(),
        port: address.port(),
        address: Some(address.ip()),
        zone: None,
        registered_at: Timestamp(0),
        draining: None,
    }
}

pub(crate) fn group(arn: &str, targets: Vec<Target>) -> Group {
    Group {
        arn: arn.to_owned(),
        target_type: TargetType::Ip,
        protocol: TargetProtocol::Http,
        version: Some(ProtocolVersion::Http1),
        ip_address_type: IpAddressType::Ipv4,
        health_check: HealthCheck {
            enabled: true,
            protocol: TargetProtocol::Http,
            port: None,
            path: Some("/".into()),
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
            healthy_threshold: 5,
            unhealthy_threshold: 2,
            matcher: None,
        },
        attributes: BTreeMap::new(),
        targets,
        checked_in: None,
    }
}

impl Lab {
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    /// A lab whose load balancer has these attributes.
    pub(crate) fn attributed(pairs: &[(&str, &str)]) -> Self {
        Self::with(|table| table.load_balancers[0].attributes = attributes(pairs))
    }

    /// A lab whose only target is at that address.
    pub(crate) fn to(address: SocketAddr) -> Self {
        Self::with(|table| table.groups[0].targets = vec![target(address)])
    }

    /// A lab with a table of its own making: a listener for HTTP on port 80 that forwards to the
    /// origin, changed.
    pub(crate) fn with(change: impl FnOnce(&mut RoutingTable)) -> Self {
        Self::at(NOW, change)
    }

    /// The same at another time of the day.
    pub(crate) fn at(now: Timestamp, change: impl FnOnce(&mut RoutingTable)) -> Self {
        Self::behind((Gate::open(), Inheritance::none()), now, change)
    }

    /// The same behind that gate, with what it inherits.
    pub(crate) fn behind(
        (gate, inheritance): (Arc<Gate>, Arc<Inheritance>),
        now: Timestamp,
        change: impl FnOnce(&mut RoutingTable),
    ) -> Self {
        let ip = own_ip();
        let origin = Origin::start(ip);
        let listener = Listener {
            arn: format!("{LOAD_BALANCER}/listener"),
            protocol: ListenerProtocol::Http,
            port: 80,
            certificates: Vec::new(),
            ssl_policy: None,
            alpn_policy: None,
            attributes: BTreeMap::new(),
            rules: vec![rule(None, Vec::new(), forward(&[(GROUP, 1)], None))],
        };
        let load_balancer = LoadBalancer {
            arn: LOAD_BALANCER.to_owned(),
            kind: LoadBalancerKind::Application,
            nodes: vec![(types::Zone::parse("eu-west-1a").expect("a zone"), ip)],
            attributes: BTreeMap::new(),
            listeners: vec![listener],
        };
        let mut table = RoutingTable {
            generation: Generation { epoch: 1, version: 1 },
            load_balancers: vec![load_balancer],
            groups: vec![group(GROUP, vec![target(origin.address)])],
            certificates: Vec::<Certificate>::new(),
            seal: vec![7; 32],
        };
        change(&mut table);
        let clock = Arc::new(move || now);
        let config = Config { threads: 1, addresses: Vec::new(), clock, gate, inheritance };
        let balancer = Balancer::start(config).expect("starts");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let port = table.load_balancers[0].listeners[0].port;
        let mut lab = Self { balancer, origin, address: SocketAddr::new(ip, port), table, runtime };
        lab.apply(|_| {});
        lab
    }

    /// Serves a changed table.
    pub(crate) fn apply(&mut self, change: impl FnOnce(&mut RoutingTable)) {
        change(&mut self.table);
        self.table.generation.version += 1;
        let applied = self.runtime.block_on(self.balancer.apply(self.table.clone()));
        assert_eq!(applied, Applied::Served(BTreeMap::new()));
    }

    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// Sends that on a connection of its own, and reads until the balancer closes it. Who is answered
    /// early need not be rid of everything.
    pub(crate) fn talk(&self, request: impl AsRef<[u8]>) -> String {
        let mut client = self.client();
        let _ = client.0.write_all(request.as_ref());
        client.rest()
    }

    /// The answer to a request for that path.
    pub(crate) fn get(&self, path: &str) -> String {
        self.talk(format!("GET {path} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n"))
    }
}

/// One end of a connection.
pub(crate) struct Client<S = TcpStream>(pub(crate) S);

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::of(TcpStream::connect(address).expect("taken in"))
    }

    /// A connection that waits for a while, and for nothing when it writes.
    pub(crate) fn of(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Self(stream)
    }
}

impl<S: Read + Write> Client<S> {
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).expect("takes it");
        self.0.flush().expect("takes it");
    }

    /// All that comes until the connection is closed.
    pub(crate) fn rest(&mut self) -> String {
        let mut all = Vec::new();
        let mut bytes = vec![0; 65_536];
        loop {
            match self.0.read(&mut bytes) {
                Ok(0) => break,
                Ok(count) => all.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
                Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&all)),
            }
        }
        String::from_utf8_lossy(&all).into_owned()
    }

    /// What comes until it ends so.
    pub(crate) fn until(&mut self, end: &str) -> String {
        let mut all = Vec::new();
        let mut byte = [0];
        while !all.ends_with(end.as_bytes()) {
            let count = self.0.read(&mut byte).expect("comes in time");
            assert_eq!(count, 1, "closed after {:?}", String::from_utf8_lossy(&all));
            all.push(byte[0]);
        }
        String::from_utf8_lossy(&all).into_owned()
    }

    /// The head of a message; `None` if the other end has closed.
    pub(crate) fn head(&mut self) -> Option<String> {
        let mut all = Vec::new();
        let mut byte = [0];
        while !all.ends_with(b"\r\n\r\n") {
            match self.0.read(&mut byte) {
                Ok(1) => all.push(byte[0]),
                _ => return None,
            }
        }
        Some(String::from_utf8_lossy(&all).into_owned())
    }

    /// An answer with a `Content-Length`.
    pub(crate) fn answer(&mut self) -> String {
        let mut answer = self.until("\r\n\r\n");
        let length = answer.lines().filter_map(|it| it.split_once(": "));
        let length = length.filter(|it| it.0.eq_ignore_ascii_case("content-length"));
        let length = length.map(|it| it.1.parse().expect("a number")).next().unwrap_or(0);
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).expect("comes in time");
        answer.push_str(&String::from_utf8_lossy(&body));
        answer
    }
}

/// The status of an answer.
#[track_caller]
pub(crate) fn status(answer: &str) -> u16 {
    let status = answer.split(' ').nth(1).and_then(|it| it.parse().ok());
    status.unwrap_or_else(|| panic!("no answer: {answer:?}"))
}
