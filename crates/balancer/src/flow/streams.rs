//! Flows of bytes: TCP, and TLS that ends here.

use core::time::Duration;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use types::Protocol;

use super::choose::{Choice, Flow, choose};
use super::stillness::Stillness;
use super::{Flight, Life, Shared, clients, proxy_protocol};
use crate::connect::{ConnectError, connect, connect_by};
use crate::counters::{Meter, Metric};
use crate::inheritance::Inheritance;
use crate::limits;
use crate::snapshot::{Entrance, Snapshot};
use crate::sockets;
use crate::stream::Stream;

/// Flows on which nothing moves for so long are closed, where the listener does not say otherwise.
/// Source: Network Load Balancers User Guide, "Connection idle timeout".
const IDLE: Duration = Duration::from_secs(350);
/// The listener's own word for it, in seconds.
const IDLE_ATTRIBUTE: &str = "tcp.idle_timeout.seconds";
/// How often it is looked whether a flow may go on.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Bytes that one direction of a flow has under way.
const BUFFER: usize = 16 * 1024;

pub(super) fn open(address: SocketAddr, inheritance: &Inheritance) -> io::Result<TcpListener> {
    let sockets = sockets::open_all(address, 1, inheritance)?;
    let [socket] = sockets.as_slice() else { return Err(io::ErrorKind::NotFound.into()) };
    TcpListener::from_std(socket.try_clone()?)
}

pub(super) async fn accept(shared: Arc<Shared>, at: SocketAddr, listener: TcpListener) {
    shared.gate.passed().await;
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
    let meter = shared.meter(&entrance);
    let Some(mut client) = greet(&entrance, stream, &meter).await else { return };
    let reached = reach(&shared, &snapshot, &entrance, flow).await;
    drop((shared, snapshot));
    let (choice, flight, mut target) = match reached {
        Ok(reached) => reached,
        Err(blamed) => {
            meter.add_among(blamed, 1);
            return client.reset();
        }
    };
    if choice.group.ready.attributes.proxy_protocol {
        let head = proxy_protocol::head(flow.client, flow.at, Protocol::Tcp);
        if target.write_all(&head).await.is_err() {
            meter.add_among(Metric::TargetResets, 1);
            return client.reset();
        }
    }
    match carry(&mut client, &mut target, &flight, idle_of(&entrance)).await {
        End::Said => {}
        End::Broken(Side::Client) => {
            meter.add_among(Metric::ClientResets, 1);
            target.reset();
        }
        End::Broken(Side::Target) => {
            meter.add_among(Metric::TargetResets, 1);
            client.reset();
        }
        End::Over => {
            // Each end gets one.
            meter.add_among(Metric::ElbResets, 2);
            client.reset();
            target.reset();
        }
    }
}

/// A connection to the target of a flow: to the one that its hash likes best of those that take it.
/// Fails with what that is counted as.
async fn reach(
    shared: &Arc<Shared>,
    snapshot: &Snapshot,
    entrance: &Entrance,
    flow: Flow,
) -> Result<(Choice, Flight, Stream), Metric> {
    let mut tried = Vec::new();
    let mut attempt = 0;
    let next = |tried: &[_]| choose(snapshot, entrance, flow, (shared.seed, tried));
    let mut choice = next(&tried).ok_or(Metric::ElbResets)?;
    loop {
        attempt += 1;
        let flight = Flight::new(shared, (entrance, Protocol::Tcp), Arc::clone(&choice.target));
        let error = match connected(shared, flow, &choice, limits::connect_within(attempt)).await {
            Ok(target) => return Ok((choice, flight, target)),
            Err(error) => error,
        };
        tracing::debug!(target = %choice.address, %error, "a target does not take a flow");
        tried.push(Arc::clone(&choice.target));
        let is_last = attempt >= limits::ATTEMPTS;
        match next(&tried) {
            Some(other) if !is_last => choice = other,
            // There is nobody else: it has the rest of the time.
            None if !is_last && matches!(error, ConnectError::Timeout) => {
                attempt = limits::ATTEMPTS - 1;
            }
            Some(_) | None => return Err(blamed(&error)),
        }
    }
}

async fn connected(
    shared: &Shared,
    flow: Flow,
    choice: &Choice,
    within: Duration,
) -> Result<Stream, ConnectError> {
    let protocol = choice.group.ready.told.protocol;
    let tls = &shared.connector.http1;
    match clients::speaker(flow, choice, &shared.answers) {
        Some(client) => {
            let making = clients::stream(client, choice.address);
            connect_by(making, choice.address, protocol, (tls, within)).await
        }
        None => connect(choice.address, protocol, tls, within).await,
    }
}

/// The client's bytes, if it speaks what the listener does.
async fn greet(entrance: &Entrance, stream: TcpStream, meter: &Meter) -> Option<Stream> {
    let Some(config) = entrance.tls.clone() else { return Some(Stream::Plain(stream)) };
    match timeout(limits::HANDSHAKE, TlsAcceptor::from(config).accept(stream)).await {
        Ok(Ok(shaken)) => Some(Stream::Server(Box::new(shaken))),
        Ok(Err(_)) | Err(_) => {
            meter.add_among(Metric::ClientTlsErrors, 1);
            None
        }
    }
}

/// What a connection that did not come about is counted as.
fn blamed(error: &ConnectError) -> Metric {
    match error {
        ConnectError::Refused(_) => Metric::TargetResets,
        ConnectError::Tls(_) => Metric::TargetTlsErrors,
        ConnectError::Timeout => Metric::ElbResets,
    }
}

fn idle_of(entrance: &Entrance) -> Duration {
    let set = entrance.port.told.attributes.get(IDLE_ATTRIBUTE);
    set.and_then(|it| it.parse().ok()).map_or(IDLE, Duration::from_secs)
}

/// An end of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Target,
}

/// How a flow ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Both ends have said all.
    Said,
    /// That end broke it.
    Broken(Side),
    /// It was idle for too long, or may not go on.
    Over,
}

/// Carries bytes both ways until both ends have said all, one breaks, nothing moves any more, or the
/// flow may not go on.
async fn carry<C, T>(client: &mut C, target: &mut T, life: &impl Life, idle: Duration) -> End
where
    C: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let still = Stillness::new();
    let note = |bytes| {
        still.end();
        life.carried(bytes);
    };
    let (from_client, to_client) = tokio::io::split(client);
    let (from_target, to_target) = tokio::io::split(target);
    let both = async {
        tokio::try_join!(
            pump((from_client, Side::Client), (to_target, Side::Target), &note),
            pump((from_target, Side::Target), (to_client, Side::Client), &note),
        )
    };
    let over = async {
        while life.may_go_on() && !still.lasts(idle) {
            sleep(LOOK_EVERY.min(idle)).await;
        }
    };
    tokio::select! {
        done = both => done.map_or_else(End::Broken, |_| End::Said),
        () = over => End::Over,
    }
}

/// One direction. Its end is passed on, so that the other direction may go on. Fails with the side
/// that broke it.
async fn pump(
    (mut from, giver): (impl AsyncRead + Unpin, Side),
    (mut to, taker): (impl AsyncWrite + Unpin, Side),
    note: &impl Fn(usize),
) -> Result<(), Side> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = match from.read(&mut buffer).await {
            // TLS that ends without a word has ended all the same.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            read => read.map_err(|_| giver)?,
        };
        if length == 0 {
            return to.shutdown().await.map_err(|_| taker);
        }
        note(length);
        let sent = async {
            to.write_all(buffer.get(..length).unwrap_or_default()).await?;
            to.flush().await
        };
        sent.await.map_err(|_| taker)?;
        note(0);
    }
}

#[cfg(test)]
mod tests;
