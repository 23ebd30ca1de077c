//! Flows over real sockets of loopback, to servers that say back what they hear.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use plan::routing::{Generation, RoutingTable};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::*;
use crate::targets::Targets;

mod bench;
pub(super) use bench::table;
use bench::{Bench, LOCAL, own_address};

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
async fn a_flow_goes_to_another_target_if_one_does_not_take_it() {
    let port = stream_server().await;
    // Nobody listens there, and nobody else gets it meanwhile.
    let mute = tokio::net::TcpSocket::new_v4().expect("a socket");
    mute.bind((LOCAL, 0).into()).expect("binds");
    let mut ports = [mute.local_addr().expect("bound").port(), port];
    ports.sort_unstable();
    let bench = Bench::new(ListenerProtocol::Tcp, &ports, &[]);
    for _ in 0..20 {
        assert_eq!(ask(bench.at, b"x").await, (port, b"x".to_vec()));
    }
    assert_eq!(bench.counted(Metric::TargetResets), 0);
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

const TERMINATION: &str = "deregistration_delay.connection_termination.enabled";

#[tokio::test]
async fn the_end_of_the_delay_resets_what_a_target_has_where_that_is_asked_for() {
    let port = stream_server().await;
    let asked = [(TERMINATION, "true")];
    let mut bench = Bench::new(ListenerProtocol::Tcp, &[port], &asked);
    let mut stream = TcpStream::connect(bench.at).await.expect("connects");
    stream.read_u16().await.expect("its port");
    assert_eq!(bench.flows.count(), 1);
    // The target is registered no more: its delay is over.
    bench.serve(ListenerProtocol::Tcp, &[], &asked);
    let error = stream.read_u8().await.expect_err("is reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    bench.quiet().await;
    assert_eq!(bench.counted(Metric::ElbResets), 2);
}

#[tokio::test]
async fn a_tcp_flow_outlives_the_delay_where_nothing_is_said_and_goes_with_its_group() {
    let port = stream_server().await;
    let other = stream_server().await;
    let mut bench = Bench::new(ListenerProtocol::Tcp, &[port], &[]);
    let mut stays = TcpStream::connect(bench.at).await.expect("connects");
    stays.read_u16().await.expect("its port");
    let mut goes = TcpStream::connect(bench.at).await.expect("connects");
    goes.read_u16().await.expect("its port");
    let target = Arc::clone(&bench.snapshot.groups[0].targets[0]);
    bench.serve(ListenerProtocol::Tcp, &[other], &[]);
    assert!(target.is_gone());
    // Whoever comes now meets the other one; who was there is still served.
    assert_eq!(ask(bench.at, b"x").await.0, other);
    stays.write_all(b"still").await.expect("open");
    stays.shutdown().await.expect("open");
    let mut heard = Vec::new();
    stays.read_to_end(&mut heard).await.expect("open");
    assert_eq!(heard, b"still");
    bench.serve_table(RoutingTable {
        generation: Generation { epoch: 1, version: 2 },
        ..RoutingTable::default()
    });
    goes.read_u8().await.expect_err("nobody serves its group any more");
}

#[tokio::test]
async fn a_target_that_becomes_unhealthy_loses_its_flows_unless_they_may_stay() {
    let port = stream_server().await;
    let bench = Bench::new(ListenerProtocol::Tcp, &[port], &[]);
    let group = &bench.snapshot.groups[0];
    group.set_health(0, true);
    let mut stream = TcpStream::connect(bench.at).await.expect("connects");
    stream.read_u16().await.expect("its port");
    group.set_health(0, false);
    stream.read_u8().await.expect_err("is reset");
    // All are unhealthy, so that all are asked: such a flow has lost nothing.
    assert_eq!(ask(bench.at, b"x").await, (port, b"x".to_vec()));

    let stay = [("target_health_state.unhealthy.connection_termination.enabled", "false")];
    let bench = Bench::new(ListenerProtocol::Tcp, &[port], &stay);
    let mut stream = TcpStream::connect(bench.at).await.expect("connects");
    stream.read_u16().await.expect("its port");
    bench.snapshot.groups[0].set_health(0, false);
    let target = Arc::clone(&bench.snapshot.groups[0].targets[0]);
    let entrance = bench.snapshot.doors.get(&bench.at).expect("is served");
    let flight = Flight::new(&bench.flows.shared, (entrance, Protocol::Tcp), target);
    flight.saw_well.store(true, Ordering::Relaxed);
    assert!(flight.may_go_on());
}

#[tokio::test]
async fn an_end_that_breaks_a_flow_breaks_it_for_the_other_one_too_and_is_counted() {
    let target = TcpListener::bind((LOCAL, 0)).await.expect("binds");
    let port = target.local_addr().expect("has one").port();
    let bench = Bench::new(ListenerProtocol::Tcp, &[port], &[]);

    let mut client = TcpStream::connect(bench.at).await.expect("connects");
    let (taken, _) = target.accept().await.expect("comes");
    taken.set_zero_linger().expect("can");
    drop(taken);
    client.read_u8().await.expect_err("is reset");
    assert_eq!(bench.counted(Metric::TargetResets), 1);

    let client = TcpStream::connect(bench.at).await.expect("connects");
    let (mut taken, _) = target.accept().await.expect("comes");
    client.set_zero_linger().expect("can");
    drop(client);
    taken.read_u8().await.expect_err("is reset");
    assert_eq!(bench.counted(Metric::ClientResets), 1);

    // Nobody listens there any more.
    drop(target);
    let mut client = TcpStream::connect(bench.at).await.expect("connects");
    client.read_u8().await.expect_err("is reset");
    assert_eq!(bench.counted(Metric::TargetResets), 2);
}

#[tokio::test]
async fn a_client_for_whom_there_is_no_target_is_reset() {
    let bench = Bench::new(ListenerProtocol::Tcp, &[], &[]);
    let mut client = TcpStream::connect(bench.at).await.expect("connects");
    client.read_u8().await.expect_err("is reset");
    assert_eq!(bench.counted(Metric::ElbResets), 1);

    // A Classic Load Balancer asks nobody who is not in service.
    let port = stream_server().await;
    let closed = [("landfall.fail_open.enabled", "false")];
    let bench = Bench::new(ListenerProtocol::Tcp, &[port], &closed);
    let mut client = TcpStream::connect(bench.at).await.expect("connects");
    client.read_u8().await.expect_err("is reset");
    bench.snapshot.groups[0].set_health(0, true);
    let mut client = TcpStream::connect(bench.at).await.expect("connects");
    assert_eq!(client.read_u16().await.expect("its port"), port);
}

#[tokio::test]
async fn flows_are_counted_while_they_are_there_and_by_what_they_carry() {
    let port = stream_server().await;
    let bench = Bench::new(ListenerProtocol::Tcp, &[port], &[]);
    let mut open = TcpStream::connect(bench.at).await.expect("connects");
    open.read_u16().await.expect("its port");
    let active =
        || (bench.counted(Metric::ActiveConnections), bench.counted(Metric::ActiveTcpFlows));
    assert_eq!(active(), (1, 1));
    drop(open);
    ask(bench.at, b"twelve bytes").await;
    bench.quiet().await;
    assert_eq!(active(), (0, 0));
    assert_eq!((bench.counted(Metric::NewConnections), bench.counted(Metric::NewTcpFlows)), (2, 2));
    // Two ports, and twelve bytes each way.
    let bytes = (bench.counted(Metric::ProcessedBytes), bench.counted(Metric::TcpBytes));
    assert_eq!(bytes, (28, 28));

    let port = datagram_server().await;
    let bench = Bench::new(ListenerProtocol::Udp, &[port], &[]);
    let client = UdpSocket::bind((LOCAL, 0)).await.expect("binds");
    client.connect(bench.at).await.expect("connects");
    client.send(b"ping").await.expect("sends");
    client.recv(&mut [0; 64]).await.expect("an answer");
    assert_eq!((bench.counted(Metric::NewUdpFlows), bench.counted(Metric::UdpBytes)), (1, 10));
}

/// Two nodes in two zones, each with a target in its zone.
fn two_zones(port: u16, ips: [IpAddr; 2], targets: [u16; 2]) -> RoutingTable {
    let zones = ["eu-west-1a", "eu-west-1b"].map(|it| types::Zone::parse(it).expect("a zone"));
    let mut table = table(ListenerProtocol::Tcp, port, &targets, &[]);
    for (target, zone) in table.groups[0].targets.iter_mut().zip(&zones) {
        target.zone = Some(zone.clone());
    }
    table.load_balancers[0].nodes = zones.into_iter().zip(ips).collect();
    table
}

#[tokio::test]
async fn a_node_keeps_to_its_zone_unless_it_may_cross() {
    let mut targets = [stream_server().await, stream_server().await];
    // As tables have them: in order.
    targets.sort_unstable();
    let mut bench = Bench::empty();
    let port = bench.at.port();
    let ips = [own_address(), own_address()].map(|it| it.ip());
    let mut table = two_zones(port, ips, targets);
    bench.serve_table(table.clone());
    for (ip, target) in ips.into_iter().zip(targets) {
        for _ in 0..20 {
            assert_eq!(ask((ip, port).into(), b"x").await.0, target);
        }
    }
    table.generation.version += 1;
    let across = ("load_balancing.cross_zone.enabled".to_owned(), "true".to_owned());
    table.groups[0].attributes.extend([across]);
    bench.serve_table(table);
    let mut met = BTreeSet::new();
    while met.len() < 2 {
        met.insert(ask((ips[0], port).into(), b"x").await.0);
    }
}

/// A load balancer that ends TLS, with this policy for what is spoken in it.
fn tls_bench(target: u16, alpn_policy: Option<&str>) -> Bench {
    let mut bench = Bench::empty();
    let mut table = table(ListenerProtocol::Tls, bench.at.port(), &[target], &[]);
    table.certificates.push(plan::routing::Certificate {
        arn: "certificate".into(),
        names: vec!["localhost".into()],
        chain: include_str!("../../tests/it/certificate.pem").into(),
        key: include_str!("../../tests/it/key.pem").into(),
    });
    let listener = &mut table.load_balancers[0].listeners[0];
    listener.certificates.push("certificate".into());
    listener.alpn_policy = alpn_policy.map(str::to_owned);
    bench.serve_table(table);
    bench
}

/// Opens TLS, offering these protocols; gives what was agreed on, and the stream.
async fn shake(
    bench: &Bench,
    offered: &[&[u8]],
) -> (Option<Vec<u8>>, tokio_rustls::client::TlsStream<TcpStream>) {
    let mut config = Connector::new().http1.as_ref().clone();
    config.alpn_protocols = offered.iter().map(|it| it.to_vec()).collect();
    let name = rustls::pki_types::ServerName::try_from("localhost").expect("a name");
    let stream = TcpStream::connect(bench.at).await.expect("connects");
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name, stream).await.expect("speaks TLS");
    (stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec), stream)
}

#[tokio::test]
async fn tls_ends_at_the_load_balancer_and_agrees_on_what_its_policy_prefers() {
    let port = stream_server().await;
    let both: [&[u8]; 2] = [b"http/1.1", b"h2"];
    for (policy, agreed) in [
        (Some("HTTP2Preferred"), Some(b"h2".to_vec())),
        (Some("HTTP2Optional"), Some(b"http/1.1".to_vec())),
        (Some("HTTP2Only"), Some(b"h2".to_vec())),
        (Some("HTTP1Only"), Some(b"http/1.1".to_vec())),
        (Some("None"), None),
        (None, None),
    ] {
        let bench = tls_bench(port, policy);
        let (got, mut stream) = shake(&bench, &both).await;
        assert_eq!(got, agreed, "{policy:?}");
        assert_eq!(stream.read_u16().await.expect("its port"), port);
        stream.write_all(b"secret").await.expect("open");
        stream.shutdown().await.expect("open");
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.expect("open");
        assert_eq!(heard, b"secret");
        assert_eq!(bench.counted(Metric::NewTlsFlows), 1);
    }
}

#[tokio::test]
async fn who_does_not_speak_tls_is_counted_and_reaches_nobody() {
    let port = stream_server().await;
    let bench = tls_bench(port, None);
    let mut client = TcpStream::connect(bench.at).await.expect("connects");
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("open");
    let mut heard = Vec::new();
    drop(client.read_to_end(&mut heard).await);
    let counted = (Metric::ClientTlsErrors, Metric::NewConnections);
    assert_eq!((bench.counted(counted.0), bench.counted(counted.1)), (1, 0));
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
    let refused =
        Flows::new(Arc::default(), clients::nobody_answers(), (Gate::open(), Inheritance::none()))
            .settle(&Arc::new(snapshot));
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
