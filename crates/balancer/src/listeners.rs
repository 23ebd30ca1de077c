//! The doors of one thread: takes connections in at each address that is served.

use core::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::counters::Metric;
use crate::http1::connection::Connection;
use crate::http2;
use crate::limits;
use crate::record::Caller;
use crate::stream::Stream;
use crate::thread::{Sleeper, Thread};
use crate::tls;
use crate::view::{Serving, View};

/// An address at which something is served.
pub(crate) struct Door {
    serving: RefCell<Option<Rc<Serving>>>,
    last: RefCell<Rc<Serving>>,
}

impl Door {
    /// What is served now; `None` once nothing is.
    pub(crate) fn serving(&self) -> Option<Rc<Serving>> {
        self.serving.borrow().clone()
    }

    /// What is served now, or was last.
    pub(crate) fn last_serving(&self) -> Rc<Serving> {
        Rc::clone(&self.last.borrow())
    }

    fn set(&self, serving: Option<Rc<Serving>>) {
        if let Some(serving) = &serving {
            self.last.replace(Rc::clone(serving));
        }
        self.serving.replace(serving);
    }
}

/// The doors of one thread, by address.
#[derive(Default)]
pub(crate) struct Doors(BTreeMap<SocketAddr, (Rc<Door>, JoinHandle<()>)>);

/// A listening socket of this thread for each address.
pub(crate) type Sockets = BTreeMap<SocketAddr, Arc<TcpListener>>;

impl Doors {
    /// Opens and closes doors as the view has them. Connections that have come in stay. Answers the
    /// doors that are being closed: what ends when their sockets are.
    pub(crate) fn settle(
        &mut self,
        thread: &Rc<Thread>,
        view: &Rc<View>,
        sockets: &Sockets,
    ) -> Vec<JoinHandle<()>> {
        let wanted = |address: &SocketAddr| {
            let serving = view.doors.get(address)?;
            serving.entrance.speaks_http().then(|| Rc::clone(serving))
        };
        let mut closed = Vec::new();
        for (address, (door, task)) in core::mem::take(&mut self.0) {
            let serving = wanted(&address).filter(|_| sockets.contains_key(&address));
            let stays = serving.is_some();
            door.set(serving);
            if stays {
                self.0.insert(address, (door, task));
            } else {
                task.abort();
                closed.push(task);
            }
        }
        for (address, socket) in sockets {
            let Some(serving) = wanted(address) else { continue };
            if self.0.contains_key(address) {
                continue;
            }
            let listener = socket.try_clone().and_then(tokio::net::TcpListener::from_std);
            let listener = match listener {
                Ok(listener) => listener,
                Err(error) => {
                    tracing::error!(%address, %error, "cannot be listened on");
                    continue;
                }
            };
            let door = Rc::new(Door {
                serving: RefCell::new(Some(Rc::clone(&serving))),
                last: RefCell::new(serving),
            });
            let accepting = accept(Rc::clone(thread), Rc::clone(&door), listener);
            let task = tokio::task::spawn_local(accepting);
            self.0.insert(*address, (door, task));
        }
        closed
    }

    /// Takes nobody in any more. Answers the doors that are being closed.
    pub(crate) fn close(&mut self) -> Vec<JoinHandle<()>> {
        let all = core::mem::take(&mut self.0).into_values().map(|it| it.1);
        all.inspect(JoinHandle::abort).collect()
    }
}

async fn accept(thread: Rc<Thread>, door: Rc<Door>, listener: tokio::net::TcpListener) {
    thread.shared.gate.passed().await;
    loop {
        match listener.accept().await {
            Ok((stream, client)) => {
                let meter = Arc::clone(&door.last_serving().meter);
                if thread.connections() >= limits::CLIENTS {
                    meter.add(Metric::RejectedConnections, 1);
                    continue;
                }
                // Heads and small bodies must not wait for more; a socket that cannot do that is
                // as good.
                let _ = stream.set_nodelay(true);
                meter.add(Metric::NewConnections, 1);
                meter.add(Metric::ActiveConnections, 1);
                let (thread, door) = (Rc::clone(&thread), Rc::clone(&door));
                tokio::task::spawn_local(async move {
                    greet(thread, door, stream, client).await;
                    meter.leave(Metric::ActiveConnections);
                });
            }
            Err(error) => {
                // Out of file descriptors: those who are in may leave meanwhile.
                tracing::warn!(%error, "a connection could not be taken in");
                tokio::time::sleep(limits::ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves a connection in what its client speaks.
async fn greet(thread: Rc<Thread>, door: Rc<Door>, stream: TcpStream, client: SocketAddr) {
    let serving = door.last_serving();
    let number = thread.dice();
    // Who shakes hands is in already: a thread that drains waits for it.
    let sleeper = Sleeper::new(&thread);
    let Some(config) = serving.entrance.tls.clone() else {
        drop(serving);
        let caller = Caller { client, tls: None, number };
        Connection::new(sleeper, door, Stream::Plain(stream), caller).serve().await;
        return;
    };
    let limit = limits::HANDSHAKE.min(serving.entrance.balanced.attributes.timeout_idle);
    let shaken = Box::pin(timeout(limit, TlsAcceptor::from(config).accept(stream)));
    let Ok(Ok(stream)) = shaken.await else {
        serving.meter.add(Metric::ClientTlsErrors, 1);
        return;
    };
    let connection = stream.get_ref().1;
    let speaks_http2 = connection.alpn_protocol() == Some(b"h2");
    let entrance = &serving.entrance;
    let facts = tls::facts(connection, &entrance.port, &entrance.names);
    let caller = Caller { client, tls: Some(facts), number };
    drop(serving);
    let stream = Stream::Server(Box::new(stream));
    if speaks_http2 {
        http2::server::serve(sleeper, door, stream, caller).await;
    } else {
        Connection::new(sleeper, door, stream, caller).serve().await;
    }
}
