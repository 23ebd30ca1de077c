//! Flows of bytes: TCP, and TLS that ends here.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use types::Protocol;

use super::choose::{Flow, choose};
use super::{Flight, Shared, proxy_protocol};
use crate::connect::connect;
use crate::limits;
use crate::snapshot::Entrance;
use crate::sockets;
use crate::stream::Stream;
use crate::targets::Target;

/// Flows on which nothing moves for so long are closed, where the listener does not say otherwise.
/// Source: Network Load Balancers User Guide, "Connection idle timeout".
const IDLE: Duration = Duration::from_secs(350);
/// The listener's own word for it, in seconds.
const IDLE_ATTRIBUTE: &str = "tcp.idle_timeout.seconds";
/// How often it is looked whether a flow may go on.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Bytes that one direction of a flow has under way.
const BUFFER: usize = 16 * 1024;

pub(super) fn open(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::from_std(sockets::open(address)?)
}

pub(super) async fn accept(shared: Arc<Shared>, at: SocketAddr, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, client)) => {
                // What is small must not wait for more; a socket that cannot do that is as good.
                let _ = stream.set_nodelay(true);
                tokio::spawn(serve(Arc::clone(&shared), Flow { client, at }, stream));
            }
            Err(error) => {
                // Out of file descriptors: those who are in may leave meanwhile.
                tracing::warn!(%error, "a flow could not be taken in");
                sleep(limits::ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(shared: Arc<Shared>, flow: Flow, stream: TcpStream) {
    let snapshot = shared.snapshot();
    let Some(entrance) = snapshot.doors.get(&flow.at).cloned() else { return };
    let client = match entrance.tls.clone() {
        None => Stream::Plain(stream),
        Some(config) => {
            let shaking = TlsAcceptor::from(config).accept(stream);
            match timeout(limits::HANDSHAKE, shaking).await {
                Ok(Ok(shaken)) => Stream::Server(Box::new(shaken)),
                Ok(Err(_)) | Err(_) => return,
            }
        }
    };
    let idle = idle_of(&entrance);
    let Some(choice) = choose(&snapshot, &entrance, flow, shared.seed) else { return };
    drop((snapshot, entrance));
    let flight = Flight::new(Arc::clone(&choice.target));
    let protocol = choice.group.ready.told.protocol;
    let connected = connect(choice.address, protocol, &shared.connector.http1).await;
    let mut target = match connected {
        Ok(target) => target,
        Err(error) => {
            tracing::debug!(target = %choice.address, %error, "a flow has no target");
            return;
        }
    };
    if choice.group.ready.attributes.proxy_protocol {
        let head = proxy_protocol::head(flow.client, flow.at, Protocol::Tcp);
        if target.write_all(&head).await.is_err() {
            return;
        }
    }
    drop(shared);
    // However it ends, both ends are closed.
    drop(carry(client, target, &flight.0, idle).await);
}

fn idle_of(entrance: &Entrance) -> Duration {
    let set = entrance.port.told.attributes.get(IDLE_ATTRIBUTE);
    set.and_then(|it| it.parse().ok()).map_or(IDLE, Duration::from_secs)
}

/// Carries bytes both ways until both ends have said all, nothing moves any more, or the target is
/// gone.
async fn carry(client: Stream, target: Stream, of: &Target, idle: Duration) -> io::Result<()> {
    let began = Instant::now();
    let moved = AtomicU64::new(0);
    let note = || moved.store(millis(began.elapsed()), Ordering::Relaxed);
    let (from_client, to_client) = tokio::io::split(client);
    let (from_target, to_target) = tokio::io::split(target);
    let both = async {
        tokio::try_join!(pump(from_client, to_target, &note), pump(from_target, to_client, &note))
    };
    let over = async {
        loop {
            sleep(LOOK_EVERY.min(idle)).await;
            let still = millis(began.elapsed()).saturating_sub(moved.load(Ordering::Relaxed));
            if of.is_gone() || still >= millis(idle) {
                return;
            }
        }
    };
    tokio::select! {
        done = both => done.map(drop),
        () = over => Ok(()),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// One direction. Its end is passed on, so that the other direction may go on.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    note: &impl Fn(),
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = from.read(&mut buffer).await?;
        note();
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(buffer.get(..length).unwrap_or_default()).await?;
        to.flush().await?;
        note();
    }
}
