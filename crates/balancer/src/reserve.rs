//! Ports that a listener is about to have: opened before it is made, so that a port in use is an
//! error of the request and not of the day after.

use core::time::Duration;
use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::net::sockopt::{set_ip_freebind, set_socket_reuseaddr, set_socket_reuseport};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};
use tokio::time::Instant;
use types::Protocol;

/// How long a port is kept for a listener that does not come.
const KEPT: Duration = Duration::from_secs(30);
/// Ports that are kept at once.
const PORTS_MAX: usize = 1_024;

/// Ports that are kept for listeners.
#[derive(Debug, Default)]
pub(crate) struct Reserved(Vec<(Instant, Vec<(SocketAddr, OwnedFd)>)>);

impl Reserved {
    /// Opens a port at all of these addresses, but those that are `served` already.
    ///
    /// # Errors
    ///
    /// Why not, for people.
    pub(crate) fn open(
        &mut self,
        places: &BTreeSet<SocketAddr>,
        transports: &[Protocol],
        now: Instant,
    ) -> Result<(), String> {
        self.forget(now);
        if self.0.len() >= PORTS_MAX {
            return Err(format!("{PORTS_MAX} ports are being opened at once"));
        }
        let mut kept = Vec::new();
        for place in places {
            for transport in transports {
                let socket = open(*place, *transport).map_err(|error| {
                    format!("{} {place}: {}", transport.as_str(), cause(&error))
                })?;
                kept.push((*place, socket));
            }
        }
        self.0.push((now + KEPT, kept));
        Ok(())
    }

    /// Gives back what is served by now: beside the socket that serves it, one of these would get its
    /// share of datagrams, and nobody would read them.
    pub(crate) fn give_back(&mut self, is_served: impl Fn(&SocketAddr) -> bool) {
        for (_, kept) in &mut self.0 {
            kept.retain(|(place, _)| !is_served(place));
        }
        self.0.retain(|(_, kept)| !kept.is_empty());
    }

    /// Gives back what no listener has come for.
    pub(crate) fn forget(&mut self, now: Instant) {
        self.0.retain(|(until, _)| *until > now);
    }
}

/// The system's word, without its number.
fn cause(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "address already in use".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

/// The port at every address.
pub(crate) fn places(
    addresses: impl IntoIterator<Item = IpAddr>,
    port: u16,
) -> BTreeSet<SocketAddr> {
    addresses.into_iter().map(|it| SocketAddr::new(it, port)).collect()
}

/// A socket that is bound and takes nothing in. Its address may be one that the machine is about to
/// get.
fn open(place: SocketAddr, transport: Protocol) -> io::Result<OwnedFd> {
    let family = match place {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let kind = match transport {
        Protocol::Tcp => SocketType::STREAM,
        Protocol::Udp => SocketType::DGRAM,
    };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    // Balancers share their addresses with each other, and with nobody else.
    set_socket_reuseport(&socket, true)?;
    if transport == Protocol::Tcp {
        set_socket_reuseaddr(&socket, true)?;
    }
    if place.is_ipv4() {
        set_ip_freebind(&socket, true)?;
    }
    bind(&socket, &place)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicU8, Ordering};
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    /// An address that no other test has, nor another process, at a port that the kernel gives to
    /// nobody.
    fn own_address() -> SocketAddr {
        static TESTS: AtomicU8 = AtomicU8::new(1);
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let number = TESTS.fetch_add(1, Ordering::Relaxed);
        SocketAddr::from(([127, high | 0x80, low, number], 81))
    }

    fn alone(at: SocketAddr) -> BTreeSet<SocketAddr> {
        places([at.ip()], at.port())
    }

    #[test]
    fn a_port_that_somebody_else_has_is_refused_by_name() {
        let at = own_address();
        let taken = TcpListener::bind(at).expect("binds");
        let mut reserved = Reserved::default();
        let now = Instant::now();
        let refused = reserved.open(&alone(at), &[Protocol::Tcp], now).expect_err("is taken");
        assert_eq!(refused, format!("tcp {at}: address already in use"));
        drop(taken);
        reserved.open(&alone(at), &[Protocol::Tcp], now).expect("is free now");
        reserved.open(&alone(at), &[Protocol::Tcp], now).expect("is ours");
    }

    #[test]
    fn a_transport_says_nothing_about_another_one() {
        let at = own_address();
        let _taken = UdpSocket::bind(at).expect("binds");
        let mut reserved = Reserved::default();
        reserved.open(&alone(at), &[Protocol::Tcp], Instant::now()).expect("TCP is free");
        reserved.open(&alone(at), &[Protocol::Udp], Instant::now()).expect_err("UDP is not");
    }

    #[test]
    fn what_is_served_keeps_no_datagram_from_its_server() {
        let (at, other) = (own_address(), own_address());
        let mut reserved = Reserved::default();
        reserved.open(&alone(at), &[Protocol::Udp], Instant::now()).expect("is free");
        reserved.open(&alone(other), &[Protocol::Udp], Instant::now()).expect("is free");
        let server = UdpSocket::from(open(at, Protocol::Udp).expect("is shared with ours"));
        server.set_nonblocking(false).expect("waits");
        reserved.give_back(|place| *place == at);
        // Each client is another flow; a socket of ours would get about half of them.
        for number in 0..50_u8 {
            let client = UdpSocket::bind((at.ip(), 0)).expect("binds");
            client.send_to(&[number], at).expect("sends");
            let mut datagram = [0];
            server.recv(&mut datagram).expect("comes");
            assert_eq!(datagram, [number]);
        }
        UdpSocket::bind(other).expect_err("is kept");
    }

    #[test]
    fn what_no_listener_comes_for_is_given_back() {
        let at = own_address();
        let mut reserved = Reserved::default();
        let now = Instant::now();
        reserved.open(&alone(at), &[Protocol::Tcp], now).expect("is free");
        let bind_alone = || {
            let socket =
                socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
            bind(&socket, &at)
        };
        bind_alone().expect_err("is kept");
        reserved.forget(now + KEPT);
        bind_alone().expect("is free again");
    }
}
