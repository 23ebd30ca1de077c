//! Listening sockets that outlive a balancer.
//!
//! Whoever looks after it holds copies of its sockets and gives them to the one that comes after it.
//! As long as somebody holds them the kernel takes connections: who comes while nobody serves waits
//! and is not turned away.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

/// Is told the sockets that an address has from now on; none is that nothing is served there.
pub type TellSockets = Box<dyn Fn(SocketAddr, &[Arc<TcpListener>]) + Send + Sync>;

/// The sockets of the balancer before this one, and who holds those of this one.
pub struct Inheritance {
    left: Mutex<BTreeMap<SocketAddr, Vec<TcpListener>>>,
    tell: TellSockets,
}

impl Inheritance {
    /// Nobody was before, and nobody holds anything.
    pub fn none() -> Arc<Self> {
        Self::new(BTreeMap::new(), Box::new(|_, _| {}))
    }

    /// These sockets were left, which do not block; who holds them is told of each change.
    pub fn new(left: BTreeMap<SocketAddr, Vec<TcpListener>>, tell: TellSockets) -> Arc<Self> {
        Arc::new(Self { left: Mutex::new(left), tell })
    }

    /// The sockets that were left at an address, if they are as many as are wanted.
    pub(crate) fn take(&self, address: SocketAddr, count: usize) -> Option<Vec<Arc<TcpListener>>> {
        let found = self.lock().remove(&address).filter(|it| it.len() == count)?;
        Some(found.into_iter().map(Arc::new).collect())
    }

    /// Has these sockets held for the next one.
    pub(crate) fn keep(&self, address: SocketAddr, sockets: &[Arc<TcpListener>]) {
        (self.tell)(address, sockets);
    }

    /// Nothing is served at that address any more.
    pub(crate) fn give_up(&self, address: SocketAddr) {
        (self.tell)(address, &[]);
    }

    /// Gives up what was left and has not been taken.
    pub(crate) fn give_up_rest(&self) {
        for address in core::mem::take(&mut *self.lock()).into_keys() {
            self.give_up(address);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<SocketAddr, Vec<TcpListener>>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
