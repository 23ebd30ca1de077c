//! The balancer's end of its session with the control plane: a websocket that is opened again and
//! again for as long as the balancer lives.

use core::time::Duration;
use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, HeaderValue, Request, header};
use plan::routing::session::{FromBalancer, ToBalancer};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

/// Where balancers call.
const PATH: &str = "/_landfall/balancer";
/// A call that takes longer has failed.
const OPEN_WITHIN: Duration = Duration::from_secs(5);
/// The control plane says everything every second. One that says nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(10);
/// Between two calls.
const AGAIN_AFTER: Duration = Duration::from_millis(250);
/// The largest table that is read, in bytes: 50,000 targets of some 200 bytes, and certificates.
const FRAME_MAX: usize = 64 * 1024 * 1024;
/// Messages that wait to be sent.
pub(crate) const OUTBOUND_MAX: usize = 256;
/// Messages that wait to be acted on.
pub(crate) const INBOUND_MAX: usize = 4;

/// Signs a `GET`: given authority, path and query, the head's fields with the signature.
pub type Signer = Arc<dyn Fn(&str, &str, &str) -> HeaderMap + Send + Sync>;

/// Where the control plane is, and who calls.
#[derive(Clone)]
pub struct Call {
    /// `HOST:PORT`.
    pub authority: String,
    /// The balancer's name: letters, digits, hyphens, underscores and periods.
    pub name: String,
    /// Proves that it may.
    pub signer: Signer,
}

/// What comes of a session.
pub(crate) enum Heard {
    /// A new one stands: nothing has been said in it yet.
    Opened,
    /// The control plane says something.
    Said(ToBalancer),
    /// There is none, and there may be none for long.
    Unopened,
}

/// Why a session is not open.
#[derive(Debug, thiserror::Error)]
enum Unopened {
    #[error("the control plane cannot be reached")]
    Unreachable(#[source] std::io::Error),
    #[error("the control plane refuses: {0}")]
    Refused(String),
    #[error("the control plane does not answer in time")]
    Late,
}

/// Holds sessions one after the other, for ever. What waits to be sent while there is none is
/// dropped: each begins by saying everything.
pub(crate) async fn talk(
    call: Call,
    tell: mpsc::Sender<Heard>,
    mut to_send: mpsc::Receiver<FromBalancer>,
) {
    let mut complained = false;
    loop {
        match timeout(OPEN_WITHIN, open(&call)).await.unwrap_or(Err(Unopened::Late)) {
            Ok(socket) => {
                complained = false;
                while to_send.try_recv().is_ok() {}
                tracing::info!("the session with the control plane stands");
                if tell.send(Heard::Opened).await.is_err() {
                    return;
                }
                let why = carry(socket, &tell, &mut to_send).await;
                tracing::warn!(why, "the session with the control plane has ended");
            }
            Err(error) if !complained => {
                complained = true;
                {
                    let error = &error as &dyn core::error::Error;
                    tracing::warn!(error, "no session with the control plane; serving without");
                }
                if tell.send(Heard::Unopened).await.is_err() {
                    return;
                }
            }
            Err(_) => {}
        }
        sleep(AGAIN_AFTER).await;
    }
}

type Socket = WebSocketStream<TcpStream>;

async fn open(call: &Call) -> Result<Socket, Unopened> {
    let refused = |it: &dyn core::fmt::Display| Unopened::Refused(it.to_string());
    let query = format!("name={}", call.name);
    let mut request = Request::new(());
    let uri = format!("ws://{}{PATH}?{query}", call.authority);
    *request.uri_mut() = uri.parse().map_err(|it| refused(&it))?;
    let headers = request.headers_mut();
    headers.extend((call.signer)(&call.authority, PATH, &query));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    let key = HeaderValue::from_str(&generate_key()).map_err(|it| refused(&it))?;
    headers.insert(header::SEC_WEBSOCKET_KEY, key);

    let stream = TcpStream::connect(&call.authority).await.map_err(Unopened::Unreachable)?;
    stream.set_nodelay(true).map_err(Unopened::Unreachable)?;
    let limits = WebSocketConfig::default()
        .max_message_size(Some(FRAME_MAX))
        .max_frame_size(Some(FRAME_MAX));
    match tokio_tungstenite::client_async_with_config(request, stream, Some(limits)).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(answer)) => {
            let body = answer.body().as_deref().unwrap_or_default();
            Err(refused(&format!("{} {}", answer.status(), String::from_utf8_lossy(body))))
        }
        Err(error) => Err(refused(&error)),
    }
}

async fn carry(
    mut socket: Socket,
    tell: &mpsc::Sender<Heard>,
    to_send: &mut mpsc::Receiver<FromBalancer>,
) -> &'static str {
    let mut silence = Box::pin(sleep(SILENCE));
    loop {
        tokio::select! {
            frame = socket.next() => match frame {
                Some(Ok(Message::Binary(bytes))) => {
                    silence.as_mut().reset(tokio::time::Instant::now() + SILENCE);
                    match minicbor::decode::<ToBalancer>(&bytes) {
                        Ok(said) => if tell.send(Heard::Said(said)).await.is_err() {
                            return "this balancer ends";
                        },
                        Err(error) => {
                            tracing::error!(%error, "the control plane sent what is no message");
                        }
                    }
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return "closed by the control plane",
                Some(Ok(_)) => {}
            },
            message = to_send.recv() => {
                let Some(message) = message else { return "this balancer ends" };
                let bytes = minicbor::to_vec(&message).unwrap_or_default();
                match timeout(SILENCE, socket.send(Message::binary(bytes))).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return "closed by the control plane",
                    Err(_) => return "the control plane does not read",
                }
            }
            () = silence.as_mut() => return "the control plane is silent",
        }
    }
}
