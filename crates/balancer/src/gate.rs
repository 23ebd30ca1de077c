//! Whether clients are taken in: before that they wait at listening sockets.

use std::sync::Arc;

use tokio::sync::watch;

/// What everybody who takes clients in passes first. Once it is open it stays so.
#[derive(Debug)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    /// One that is open.
    pub fn open() -> Arc<Self> {
        Arc::new(Self(watch::Sender::new(true)))
    }

    /// One that is closed until somebody opens it.
    pub fn closed() -> Arc<Self> {
        Arc::new(Self(watch::Sender::new(false)))
    }

    /// Lets everybody through, now and later.
    pub fn unlock(&self) {
        self.0.send_replace(true);
    }

    /// Whether it is open.
    pub(crate) fn is_open(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is open.
    pub(crate) async fn passed(&self) {
        // It does not end while somebody waits at it.
        drop(self.0.subscribe().wait_for(|it| *it).await);
    }
}
