//! Who speaks to a target, and from where. Those with sockets need root and are skipped without it.

use std::net::IpAddr;

use plan::routing::RoutingTable;
use state::{ListenerProtocol, TargetType};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use super::*;
use crate::flow::choose::choose;
use crate::snapshot::Snapshot;
use crate::targets::Targets;

const TARGET: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
const PRESERVE: &str = "preserve_client_ip.enabled";

/// Who speaks for this client to a target at [`TARGET`].
fn speaks(
    client: &str,
    kind: (ListenerProtocol, TargetType),
    attributes: &[(&str, &str)],
    answers: &Answers,
) -> Option<String> {
    let mut table: RoutingTable = crate::flow::tests::table(kind.0, 80, &[7], attributes);
    for group in &mut table.groups {
        group.target_type = kind.1;
        for target in &mut group.targets {
            target.address = Some(IpAddr::V4(TARGET));
        }
    }
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
    let snapshot = Snapshot::new(table, &Snapshot::default(), &Targets::default(), &[at.ip()]);
    let flow = Flow { client: client.parse().expect("an address"), at };
    let entrance = snapshot.doors.get(&at).expect("is served");
    let choice = choose(&snapshot, entrance, flow, (0, &[])).expect("there is one");
    speaker(flow, &choice, answers).map(|it| it.to_string())
}

#[test]
fn the_client_speaks_where_that_is_asked_for_and_can_be() {
    let all: Answers = Arc::new(|_| true);
    let tcp = |targets| (ListenerProtocol::Tcp, targets);
    let (on, off) = ([(PRESERVE, "true")], [(PRESERVE, "false")]);
    let client = "10.0.0.7:4000";
    assert_eq!(speaks(client, tcp(TargetType::Ip), &on, &all).as_deref(), Some(client));
    assert_eq!(speaks(client, tcp(TargetType::Ip), &[], &all), None);
    assert_eq!(speaks(client, tcp(TargetType::Instance), &[], &all).as_deref(), Some(client));
    assert_eq!(speaks(client, tcp(TargetType::Instance), &off, &all), None);
    let udp = (ListenerProtocol::Udp, TargetType::Ip);
    assert_eq!(speaks(client, udp, &[], &all).as_deref(), Some(client));

    // Nothing would come back.
    assert_eq!(speaks(client, tcp(TargetType::Ip), &on, &nobody_answers()), None);
    for other in ["127.0.0.1:4000", "10.0.0.9:4000", "[::1]:4000"] {
        assert_eq!(speaks(other, tcp(TargetType::Ip), &on, &all), None, "{other}");
    }
}

/// Whether this process may open transparent sockets.
fn may() -> bool {
    let may = transparent(Type::STREAM).is_ok();
    if !may {
        eprintln!("skipped: needs CAP_NET_ADMIN");
    }
    may
}

/// Addresses of loopback are this machine's and are held by nobody.
fn client(number: u8) -> SocketAddrV4 {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    SocketAddrV4::new(Ipv4Addr::new(127, high | 0x40, low, number), 4_000)
}

#[tokio::test]
async fn a_port_that_its_client_holds_is_another_one() {
    if !may() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let target = listener.local_addr().expect("has one");
    let free = client(1);
    let _made = stream(free, target).await.expect("connects");
    assert_eq!(listener.accept().await.expect("comes").1, SocketAddr::V4(free));

    let held = client(2);
    let _held = std::net::TcpListener::bind(held).expect("binds");
    let mut made = stream(held, target).await.expect("connects");
    let (other_end, seen) = listener.accept().await.expect("comes");
    assert_eq!(seen.ip(), *held.ip());
    assert_ne!(seen.port(), held.port());
    drop(other_end);
    assert_eq!(made.read(&mut [0]).await.expect("ends"), 0);
}

#[tokio::test]
async fn datagrams_of_a_client_that_is_here_are_not_taken_from_it() {
    if !may() {
        return;
    }
    let target = UdpSocket::bind("127.0.0.1:0").await.expect("binds");
    let at = target.local_addr().expect("has one");
    let (free, held) = (client(3), client(4));
    let holder = UdpSocket::bind(held).await.expect("binds");
    let mut buffer = [0; 8];
    for (client, keeps) in [(free, true), (held, false)] {
        let made = datagrams(client, at).await.expect("connects");
        made.send(b"?").await.expect("sends");
        let (_, seen) = target.recv_from(&mut buffer).await.expect("comes");
        assert_eq!(seen.ip(), *client.ip());
        assert_eq!(seen.port() == client.port(), keeps, "{seen}");
        target.send_to(b"!", seen).await.expect("sends");
        assert_eq!(made.recv(&mut buffer).await.expect("comes"), 1);
    }
    assert!(holder.try_recv(&mut buffer).is_err());
}
