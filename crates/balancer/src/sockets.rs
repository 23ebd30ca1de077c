//! Listening sockets: one for each thread at each address, so that the kernel spreads connections.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use rustix::net::sockopt::{set_socket_reuseaddr, set_socket_reuseport};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};

use crate::inheritance::Inheritance;
use crate::limits;
use crate::listeners;

/// The sockets of every thread.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    open: BTreeMap<SocketAddr, Vec<Arc<TcpListener>>>,
}

impl Sockets {
    /// Opens what is wanted and is not open, and closes the rest. Answers what could not be opened.
    pub(crate) fn settle<'a>(
        &mut self,
        wanted: impl Iterator<Item = &'a SocketAddr>,
        threads: usize,
        inheritance: &Inheritance,
    ) -> BTreeMap<SocketAddr, io::Error> {
        let mut open = BTreeMap::new();
        let mut refused = BTreeMap::new();
        for address in wanted {
            let standing = self.open.remove(address);
            match standing.map_or_else(|| open_all(*address, threads, inheritance), Ok) {
                Ok(sockets) => drop(open.insert(*address, sockets)),
                Err(error) => drop(refused.insert(*address, error)),
            }
        }
        for address in core::mem::replace(&mut self.open, open).into_keys() {
            inheritance.give_up(address);
        }
        refused
    }

    /// The sockets of one thread.
    pub(crate) fn of(&self, thread: usize) -> listeners::Sockets {
        let of_thread = |(address, sockets): (&SocketAddr, &Vec<Arc<TcpListener>>)| {
            Some((*address, Arc::clone(sockets.get(thread)?)))
        };
        self.open.iter().filter_map(of_thread).collect()
    }
}

/// So many listening sockets at an address: those that were left there, or fresh ones.
pub(crate) fn open_all(
    address: SocketAddr,
    count: usize,
    inheritance: &Inheritance,
) -> io::Result<Vec<Arc<TcpListener>>> {
    if let Some(left) = inheritance.take(address, count) {
        return Ok(left);
    }
    let fresh = (0..count).map(|_| open(address).map(Arc::new)).collect::<io::Result<Vec<_>>>()?;
    inheritance.keep(address, &fresh);
    Ok(fresh)
}

/// A listening socket that others of ours may share the address with.
fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    set_socket_reuseaddr(&socket, true)?;
    set_socket_reuseport(&socket, true)?;
    bind(&socket, &address)?;
    listen(&socket, i32::try_from(limits::BACKLOG).unwrap_or(i32::MAX))?;
    Ok(TcpListener::from(socket))
}
