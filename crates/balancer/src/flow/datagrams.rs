//! Flows of datagrams: UDP.

use core::time::Duration;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::net::sockopt::set_socket_reuseport;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};
use tokio::net::UdpSocket;
use tokio::time::timeout;
use types::Protocol;

use super::choose::{Flow, choose};
use super::stillness::Stillness;
use super::{Flight, Life as _, Shared, clients, proxy_protocol};
use crate::counters::Metric;

/// A flow on which nothing moves for so long is forgotten. Source: Network Load Balancers User
/// Guide, "Connection idle timeout".
const IDLE: Duration = Duration::from_mins(2);
/// How often it is looked whether a flow may go on.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Flows of one listener. Datagrams of further clients are dropped until some are forgotten.
const FLOWS_MAX: usize = 16_384;
/// The largest datagram.
const DATAGRAM_MAX: usize = 65_535;

/// A listening socket that others of ours may share the address with.
pub(super) fn open(address: SocketAddr) -> io::Result<UdpSocket> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::DGRAM, flags, None)?;
    set_socket_reuseport(&socket, true)?;
    bind(&socket, &address)?;
    UdpSocket::from_std(std::net::UdpSocket::from(socket))
}

/// A flow that is under way.
struct Line {
    target: UdpSocket,
    /// What stands before each datagram.
    head: Vec<u8>,
    flight: Flight,
    still: Stillness,
}

impl Line {
    fn note(&self, bytes: usize) {
        self.still.end();
        self.flight.carried(bytes);
    }

    fn is_over(&self) -> bool {
        !self.flight.may_go_on() || self.still.lasts(IDLE)
    }
}

type Lines = Arc<Mutex<HashMap<SocketAddr, Arc<Line>>>>;

fn lock(lines: &Lines) -> MutexGuard<'_, HashMap<SocketAddr, Arc<Line>>> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes datagrams in until it is aborted; flows that are under way go on until they are idle.
pub(super) async fn take_in(shared: Arc<Shared>, at: SocketAddr, socket: UdpSocket) {
    shared.gate.passed().await;
    let socket = Arc::new(socket);
    let lines = Lines::default();
    let mut buffer = vec![0; DATAGRAM_MAX];
    loop {
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else {
            // What a client's machine says of an answer that it did not take.
            continue;
        };
        let standing = lock(&lines).get(&client).cloned();
        let line = match standing {
            Some(line) => Some(line),
            None => begin(&shared, Flow { client, at }, &lines, &socket).await,
        };
        let Some(line) = line else { continue };
        line.note(length);
        let datagram = buffer.get(..length).unwrap_or_default();
        // A datagram that is not taken is lost, as datagrams are.
        if line.head.is_empty() {
            drop(line.target.send(datagram).await);
        } else {
            drop(line.target.send(&[line.head.as_slice(), datagram].concat()).await);
        }
    }
}

async fn begin(
    shared: &Arc<Shared>,
    flow: Flow,
    lines: &Lines,
    socket: &Arc<UdpSocket>,
) -> Option<Arc<Line>> {
    let snapshot = shared.snapshot();
    let entrance = snapshot.doors.get(&flow.at)?;
    if lock(lines).len() >= FLOWS_MAX {
        shared.meter(entrance).add_among(Metric::RejectedConnections, 1);
        return None;
    }
    let choice = choose(&snapshot, entrance, flow, (shared.seed, &[]))?;
    let target = match clients::speaker(flow, &choice, &shared.answers) {
        Some(client) => clients::datagrams(client, choice.address).await,
        None => connect(choice.address).await,
    };
    let target = target.ok()?;
    let head = match choice.group.ready.attributes.proxy_protocol {
        true => proxy_protocol::head(flow.client, flow.at, Protocol::Udp),
        false => Vec::new(),
    };
    let line = Arc::new(Line {
        target,
        head,
        flight: Flight::new(shared, (entrance, Protocol::Udp), choice.target),
        still: Stillness::new(),
    });
    lock(lines).insert(flow.client, Arc::clone(&line));
    let answering = answer(Arc::clone(&line), flow.client, Arc::clone(socket), Arc::clone(lines));
    tokio::spawn(answering);
    Some(line)
}

async fn connect(target: SocketAddr) -> io::Result<UdpSocket> {
    let from: IpAddr = match target {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((from, 0)).await?;
    socket.connect(target).await?;
    Ok(socket)
}

/// Carries datagrams back to a client until the flow is over.
async fn answer(line: Arc<Line>, client: SocketAddr, socket: Arc<UdpSocket>, lines: Lines) {
    let mut buffer = vec![0; DATAGRAM_MAX];
    while !line.is_over() {
        match timeout(LOOK_EVERY, line.target.recv(&mut buffer)).await {
            Ok(Ok(length)) => {
                line.note(length);
                let datagram = buffer.get(..length).unwrap_or_default();
                drop(socket.send_to(datagram, client).await);
            }
            // Nobody listens at the target: the client's next datagram begins anew.
            Ok(Err(_)) => break,
            Err(_) => {}
        }
    }
    let mut lines = lock(&lines);
    if lines.get(&client).is_some_and(|it| Arc::ptr_eq(it, &line)) {
        lines.remove(&client);
    }
}
