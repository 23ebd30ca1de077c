//! Flows over real sockets of loopback, to servers that say back what they hear.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use plan::routing::{Generation, Group, Listener, LoadBalancer, PortRule, RoutingTable};
use state::{
    Action, HealthCheck, IpAddressType, LoadBalancerKind, TargetProtocol, TargetType, WeightedGroup,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use types::Timestamp;

use super::*;
use crate::targets::Targets;

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What is served in one test.
struct Bench {
    flows: Flows,
    targets: Targets,
    snapshot: Arc<Snapshot>,
    at: SocketAddr,
}

impl Bench {
    /// A load balancer that speaks this at a port that is free, in front of these targets.
    fn new(protocol: ListenerProtocol, targets: &[u16], attributes: &[(&str, &str)]) -> Self {
        let at = SocketAddr::new(LOCAL, free_port());
        let mut bench =
            Self { flows: Flows::new(), targets: Targets::default(), snapshot: Arc::default(), at };
        bench.serve(protocol, targets, attributes);
        bench
    }

    fn serve(&mut self, protocol: ListenerProtocol, targets: &[u16], attributes: &[(&str, &str)]) {
        let table = table(protocol, self.at.port(), targets, attributes);
        let snapshot = Snapshot::new(table, &self.snapshot, &self.targets, &[LOCAL]);
        self.snapshot = Arc::new(snapshot);
        assert_eq!(self.flows.settle(&self.snapshot), BTreeMap::new());
    }
}

fn free_port() -> u16 {
    let taken = std::net::TcpListener::bind((LOCAL, 0)).expect("binds");
    taken.local_addr().expect("has one").port()
}

fn table(
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

/// A server that says its own port and then what it hears; it ends when its client has ended.
async fn stream_server() -> u16 {
    let listener = TcpListener::bind((LOCAL, 0)).await.expect("binds");
    let port = listener.local_addr().expect("has one").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                stream.write_all(&port.to_be_bytes()).await.expect("open");
                let mut heard = Vec::new();
                stream.read_to_end(&mut heard).await.expect("open");
                stream.write_all(&heard).await.expect("open");
            });
        }
    });
    port
}

/// Says this and nothing more; gives the port of who answered, and the answer.
async fn ask(at: SocketAddr, text: &[u8]) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(at).await.expect("connects");
    stream.write_all(text).await.expect("open");
    stream.shutdown().await.expect("open");
    let port = stream.read_u16().await.expect("its port");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("open");
    (port, answer)
}

#[tokio::test]
async fn bytes_go_both_ways_and_an_end_that_has_said_all_may_still_listen() {
    let port = stream_server().await;
    let bench = Bench::new(ListenerProtocol::Tcp, &[port], &[]);
    let long = vec![7; 1_000_000];
    assert_eq!(ask(bench.at, &long).await, (port, long));
}

#[tokio::test]
async fn a_client_stays_with_its_target_where_that_is_asked_for() {
    let ports = [stream_server().await, stream_server().await, stream_server().await];
    let spread = Bench::new(ListenerProtocol::Tcp, &ports, &[]);
    let mut met = BTreeSet::new();
    for _ in 0..200 {
        met.insert(ask(spread.at, b"x").await.0);
    }
    assert_eq!(met, BTreeSet::from(ports));

    let stays = [("stickiness.enabled", "true"), ("stickiness.type", "source_ip")];
    let sticky = Bench::new(ListenerProtocol::Tcp, &ports, &stays);
    let mut met = BTreeSet::new();
    for _ in 0..20 {
        met.insert(ask(sticky.at, b"x").await.0);
    }
    assert_eq!(met.len(), 1);
}

#[tokio::test]
async fn a_target_is_told_its_client_where_that_is_asked_for() {
    let port = stream_server().await;
    let on = [("proxy_protocol_v2.enabled", "true")];
    let bench = Bench::new(ListenerProtocol::Tcp, &[port], &on);
    let (_, heard) = ask(bench.at, b"hello").await;
    assert_eq!(heard.get(..13), Some(b"\r\n\r\n\0\r\nQUIT\n\x21".as_slice()));
    assert_eq!((heard.len(), heard.get(28..)), (33, Some(b"hello".as_slice())));
}

#[tokio::test]
async fn a_flow_keeps_its_target_busy_and_ends_with_it() {
    let port = stream_server().await;
    let mut bench = Bench::new(ListenerProtocol::Tcp, &[port], &[]);
    let mut stream = TcpStream::connect(bench.at).await.expect("connects");
    stream.read_u16().await.expect("its port");
    assert_eq!(bench.flows.count(), 1);
    // The target is registered no more: its delay is over.
    bench.serve(ListenerProtocol::Tcp, &[], &[]);
    let mut rest = Vec::new();
    drop(stream.read_to_end(&mut rest).await);
    assert!(rest.is_empty());
}

#[tokio::test]
async fn a_listener_that_is_gone_takes_nobody_in() {
    let port = stream_server().await;
    let mut bench = Bench::new(ListenerProtocol::Tcp, &[port], &[]);
    ask(bench.at, b"x").await;
    assert_eq!(bench.flows.settle(&Arc::default()), BTreeMap::new());
    while TcpStream::connect(bench.at).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_port_that_somebody_else_has_is_told() {
    let taken = std::net::TcpListener::bind((LOCAL, 0)).expect("binds");
    let at = taken.local_addr().expect("has one");
    let table = table(ListenerProtocol::Tcp, at.port(), &[1], &[]);
    let snapshot = Snapshot::new(table, &Snapshot::default(), &Targets::default(), &[LOCAL]);
    let refused = Flows::new().settle(&Arc::new(snapshot));
    assert!(refused.get(&at).is_some_and(|it| it.contains("in use")), "{refused:?}");
}

/// A server that sends each datagram back with its own port before it.
async fn datagram_server() -> u16 {
    let socket = UdpSocket::bind((LOCAL, 0)).await.expect("binds");
    let port = socket.local_addr().expect("has one").port();
    tokio::spawn(async move {
        let mut buffer = [0; 2_048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let mut answer = port.to_be_bytes().to_vec();
            answer.extend_from_slice(buffer.get(..length).unwrap_or_default());
            socket.send_to(&answer, from).await.expect("sends");
        }
    });
    port
}

#[tokio::test]
async fn datagrams_of_one_client_go_to_one_target_and_answers_come_back() {
    let ports = [datagram_server().await, datagram_server().await, datagram_server().await];
    let bench = Bench::new(ListenerProtocol::Udp, &ports, &[]);
    let mut met = BTreeSet::new();
    for _ in 0..60 {
        let client = UdpSocket::bind((LOCAL, 0)).await.expect("binds");
        client.connect(bench.at).await.expect("connects");
        let mut answers = BTreeSet::new();
        for _ in 0..3 {
            client.send(b"ping").await.expect("sends");
            let mut buffer = [0; 64];
            let length = client.recv(&mut buffer).await.expect("an answer");
            assert_eq!(buffer.get(2..length), Some(b"ping".as_slice()));
            answers.insert(u16::from_be_bytes([buffer[0], buffer[1]]));
        }
        assert_eq!(answers.len(), 1, "a client has one target");
        met.extend(answers);
    }
    assert_eq!(met, BTreeSet::from(ports));
}
