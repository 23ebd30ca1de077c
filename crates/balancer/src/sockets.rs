//! Listening sockets: one for each thread at each address, so that the kernel spreads connections.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use rustix::net::sockopt::{set_socket_reuseaddr, set_socket_reuseport};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};

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
    ) -> BTreeMap<SocketAddr, io::Error> {
        let mut open = BTreeMap::new();
        let mut refused = BTreeMap::new();
        for address in wanted {
            let standing = self.open.remove(address);
            match standing.map_or_else(|| open_all(*address, threads), Ok) {
                Ok(sockets) => drop(open.insert(*address, sockets)),
                Err(error) => drop(refused.insert(*address, error)),
            }
        }
        self.open = open;
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

fn open_all(address: SocketAddr, threads: usize) -> io::Result<Vec<Arc<TcpListener>>> {
    (0..threads).map(|_| open(address).map(Arc::new)).collect()
}

/// A listening socket that others of ours may share the address with.
pub(crate) fn open(address: SocketAddr) -> io::Result<TcpListener> {
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
