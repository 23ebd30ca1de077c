//! Connections: accepting, bounding and closing them.

use core::time::Duration;
use std::net::SocketAddr;
use std::sync::Arc;

use api::Registry;
use http::{HeaderName, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming as Body};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use link::{Balancers, Hub};
use store::Writer;
use telemetry::logs::LogStore;
use telemetry::metrics::MetricStore;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use types::Home;
use wire::sigv4::Verifier;

use crate::answer::{self, SharedDoor};
use crate::history::History;
use crate::keys::{Keys, Trust};
use crate::region::Clock;
use crate::{authority, balancers, ready, socket};

/// The header that names an answer.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
/// The largest request body, in bytes. A task definition has at most 64 KiB, a batch of log events
/// 1 MiB.
pub(crate) const BODY_MAX: usize = 4 * 1024 * 1024;
/// How much of a larger body is read on, so that its sender comes to hear that it is too large.
const PASS_OVER_MAX: usize = 64 * 1024 * 1024;
/// Connections at once; further ones wait.
const CONNECTIONS_MAX: usize = 16_384;
/// How long a client may take to send the head of a request.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// How long a client may take to send a body.
const BODY_WITHIN: Duration = Duration::from_mins(1);
/// How long connections may go on after the door was told to close.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// Everything a connection needs.
pub struct Door {
    /// Whose region.
    pub home: Home,
    /// What can be asked.
    pub registry: Registry,
    /// Who decides.
    pub writer: Writer,
    /// The region's keys.
    pub keys: Arc<Keys>,
    /// Whose signatures are believed.
    pub trust: Trust,
    /// The one region name that is served; any if there is none.
    pub only_region: Option<String>,
    /// Verifies signatures.
    pub verifier: Verifier,
    /// Logs of containers.
    pub logs: Arc<LogStore>,
    /// What is measured.
    pub metrics: Arc<MetricStore>,
    /// What is over; `None` if the region keeps nothing of it.
    pub history: Option<Arc<History>>,
    /// The sessions of agents.
    pub hub: Arc<Hub>,
    /// The sessions of balancers.
    pub balancers: Arc<Balancers>,
    /// The clock.
    pub clock: Clock,
    /// `ADDRESS:PORT` for clients that name no host.
    pub address: String,
}

/// Serves connections until the signal says `true`, then lets them end.
pub async fn serve(door: SharedDoor, listener: TcpListener, mut close: watch::Receiver<bool>) {
    let seats = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(seat) = seats.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            it = listener.accept() => it,
            () = told(&mut close) => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (door, close) = (door.clone(), close.clone());
                tokio::spawn(async move {
                    connection(door, stream, peer, close).await;
                    drop(seat);
                });
            }
            Err(error) => {
                // Out of descriptors, most likely: let some connections end first.
                tracing::error!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    let all = u32::try_from(CONNECTIONS_MAX).unwrap_or(u32::MAX);
    // Agents keep their sessions open for ever; they notice when the process ends.
    drop(tokio::time::timeout(CLOSE_WITHIN, seats.acquire_many(all)).await);
}

async fn connection(
    door: SharedDoor,
    stream: TcpStream,
    peer: SocketAddr,
    mut close: watch::Receiver<bool>,
) {
    // A delay of small packets would add 40 ms to every answer of keep-alive clients.
    drop(stream.set_nodelay(true));
    let peer = peer.ip().to_string();
    let service = service_fn(|request| {
        let (door, peer) = (door.clone(), peer.clone());
        async move { Ok::<_, core::convert::Infallible>(numbered(&door, request, &peer).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = told(&mut close) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, peer, "a connection ended badly");
    }
}

/// Ends when the door is told to close, or nobody could tell it any more.
async fn told(close: &mut watch::Receiver<bool>) {
    drop(close.wait_for(|it| *it).await);
}

/// Every answer has a number that users can name, also where no protocol puts one.
async fn numbered(door: &SharedDoor, request: Request<Body>, peer: &str) -> Response<Full<Bytes>> {
    let mut answer = handle(door, request, peer).await;
    answer.headers_mut().entry(REQUEST_ID).or_insert_with(answer::fresh_id);
    answer
}

async fn handle(door: &SharedDoor, request: Request<Body>, peer: &str) -> Response<Full<Bytes>> {
    if request.method() == Method::GET && request.uri().path() == ready::PATH {
        return ready::answer(door).map(full);
    }
    if request.method() == Method::GET && request.uri().path() == authority::PATH {
        return authority::answer(door).await.map(full);
    }
    if let Some(conversation) = socket::asked_for(&request) {
        return socket::open(door, request, conversation, peer).await.map(full);
    }
    if request.uri().path() == balancers::PATH {
        return balancers::open(door, request, peer).map(full);
    }
    let (parts, mut body) = request.into_parts();
    let whole = Limited::new(&mut body, BODY_MAX).collect();
    let body = match tokio::time::timeout(BODY_WITHIN, whole).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            drop(tokio::time::timeout(BODY_WITHIN, pass_over(body)).await);
            return answer::refuse(&parts, &too_large()).map(full);
        }
        Ok(Err(_)) => return answer::refuse(&parts, &cut_off()).map(full),
        Err(_) => return answer::refuse(&parts, &too_slow()).map(full),
    };
    answer::answer(door, &parts, &body, peer).await.map(full)
}

/// Reads on in a body that is too large already: a client that still sends hears no answer.
async fn pass_over(mut body: Body) {
    let mut left = PASS_OVER_MAX;
    while let Some(Ok(frame)) = body.frame().await {
        let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else { return };
        left = rest;
    }
}

fn full(body: Vec<u8>) -> Full<Bytes> {
    Full::new(Bytes::from(body))
}

fn too_large() -> wire::Fault {
    let text = format!("The request body is larger than {BODY_MAX} bytes.");
    refusal(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLargeException", text)
}

fn cut_off() -> wire::Fault {
    let text = "The request body ended before it was whole.".to_owned();
    refusal(StatusCode::BAD_REQUEST, "SerializationException", text)
}

fn too_slow() -> wire::Fault {
    let text = format!("The request body took longer than {} s.", BODY_WITHIN.as_secs());
    refusal(StatusCode::REQUEST_TIMEOUT, "RequestTimeoutException", text)
}

fn refusal(status: StatusCode, code: &str, text: String) -> wire::Fault {
    wire::Fault::new(code, text).with_status(status.as_u16())
}
