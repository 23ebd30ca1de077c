//! The ACS session: what the instance should hold, as frames of a websocket.

use core::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderValue, Request, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use plan::agent::{Closed, Input, SessionEvent};
use shapes::ecs;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::machine::Machine;
use crate::register;

/// A handshake that takes longer has failed (agent source).
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(30);
/// How long the other end may take to say good-bye.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);
/// How many messages may wait to be sent.
pub(crate) const OUTBOUND_MAX: usize = 256;

/// A websocket to the region.
pub(crate) type Socket = WebSocketStream<TcpStream>;

/// Why a websocket was not opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unopened {
    /// The instance is not registered any more.
    #[error("the instance is not registered any more")]
    Inactive,
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// Opens a session, carries it until it ends and tells the core each. What comes out of `outbound`
/// is sent; its end closes the session.
pub(crate) async fn converse(
    machine: &Machine,
    send_credentials: bool,
    mut outbound: mpsc::Receiver<String>,
) {
    machine.registered().await;
    let opened = tokio::time::timeout(HANDSHAKE_WITHIN, open_acs(machine, send_credentials)).await;
    let closed = match opened {
        Ok(Ok(socket)) => {
            tracing::info!("the session with the control plane stands");
            tell(machine, SessionEvent::Opened).await;
            let closed = carry(machine, socket, &mut outbound).await;
            tracing::info!(?closed, "the session with the control plane has ended");
            closed
        }
        Ok(Err(Unopened::Inactive)) => {
            tracing::error!("the region says that this instance is not registered any more");
            Closed::InactiveInstance
        }
        Ok(Err(Unopened::Failed(why))) => {
            tracing::warn!(why, "no session with the control plane");
            Closed::Failed
        }
        Err(_) => Closed::Failed,
    };
    tell(machine, SessionEvent::Closed(closed)).await;
}

async fn tell(machine: &Machine, event: SessionEvent) {
    machine.inbox.tell(Input::Session(event)).await;
}

async fn open_acs(machine: &Machine, send_credentials: bool) -> Result<Socket, Unopened> {
    let query = [
        ("agentHash", register::AGENT_HASH),
        ("agentVersion", register::AGENT_VERSION),
        ("clusterArn", &machine.config.cluster),
        ("containerInstanceArn", &machine.instance),
        ("dockerVersion", register::RUNTIME_VERSION),
        ("protocolVersion", "2"),
        ("sendCredentials", if send_credentials { "true" } else { "false" }),
        ("seqNum", "1"),
    ];
    let found = poll_endpoint(machine).await?;
    let address = Address::below(found.endpoint.as_deref().unwrap_or_default(), &query)?;
    open(machine, &address).await
}

/// Where the region wants its agents to call.
pub(crate) async fn poll_endpoint(
    machine: &Machine,
) -> Result<ecs::DiscoverPollEndpointResponse, Unopened> {
    let ask = ecs::DiscoverPollEndpointRequest {
        cluster: Some(machine.config.cluster.clone()),
        container_instance: Some(machine.instance.clone()),
    };
    let found = machine.api.call::<ecs::DiscoverPollEndpoint>(&ask).await;
    found.map_err(|it| Unopened::Failed(it.to_string()))
}

/// Where a websocket is opened.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    /// `HOST:PORT`.
    pub(crate) authority: String,
    /// Its path.
    pub(crate) path: String,
    /// Its query string.
    pub(crate) query: String,
}

impl Address {
    /// The websocket below an endpoint such as `http://HOST:PORT/acs/`.
    pub(crate) fn below(endpoint: &str, query: &[(&str, &str)]) -> Result<Self, Unopened> {
        let rest = endpoint.strip_prefix("http://").or_else(|| endpoint.strip_prefix("ws://"));
        let Some((authority, path)) = rest.and_then(|it| it.split_once('/')) else {
            return Err(Unopened::Failed(format!("{endpoint} is no endpoint this agent can call")));
        };
        let pair = |(name, value): &(&str, &str)| {
            format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC))
        };
        let query = query.iter().map(pair).collect::<Vec<_>>().join("&");
        Ok(Self { authority: authority.to_owned(), path: format!("/{path}ws"), query })
    }
}

/// Opens a websocket.
pub(crate) async fn open(machine: &Machine, address: &Address) -> Result<Socket, Unopened> {
    let failed = |it: &dyn core::fmt::Display| Unopened::Failed(it.to_string());
    let Address { authority, path, query } = address;
    let mut request = Request::new(());
    *request.uri_mut() =
        format!("ws://{authority}{path}?{query}").parse().map_err(|it| failed(&it))?;
    let headers = request.headers_mut();
    headers.extend(machine.api.signed_get(authority, path, query, b""));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    let key = HeaderValue::from_str(&generate_key()).map_err(|it| failed(&it))?;
    headers.insert(header::SEC_WEBSOCKET_KEY, key);

    let stream = TcpStream::connect(authority).await.map_err(|it| failed(&it))?;
    stream.set_nodelay(true).map_err(|it| failed(&it))?;
    let limits = WebSocketConfig::default()
        .read_buffer_size(16 * 1024)
        .max_message_size(Some(link::frames::FRAME_MAX))
        .max_frame_size(Some(link::frames::FRAME_MAX));
    match tokio_tungstenite::client_async_with_config(request, stream, Some(limits)).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(refused)) => {
            let body = refused.body().as_deref().unwrap_or_default();
            let body = String::from_utf8_lossy(body);
            if body.contains("InactiveInstanceException") {
                return Err(Unopened::Inactive);
            }
            Err(Unopened::Failed(format!("the region refuses: {} {body}", refused.status())))
        }
        Err(error) => Err(failed(&error)),
    }
}

async fn carry(
    machine: &Machine,
    mut socket: Socket,
    outbound: &mut mpsc::Receiver<String>,
) -> Closed {
    loop {
        tokio::select! {
            frame = socket.next() => match frame {
                Some(Ok(Message::Text(text))) => hear(machine, &text).await,
                Some(Ok(Message::Close(frame))) => {
                    return Closed::Code(frame.map_or(1005, |it| it.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Closed::Code(1006),
            },
            text = outbound.recv() => match text {
                Some(text) => if socket.send(Message::text(text)).await.is_err() {
                    return Closed::Code(1006);
                },
                None => {
                    part(&mut socket).await;
                    return Closed::Code(1000);
                }
            },
        }
    }
}

async fn hear(machine: &Machine, text: &str) {
    match link::frames::from_server(text) {
        Ok(message) => machine.inbox.tell(Input::Server(message)).await,
        Err(error) => {
            let error = crate::api::chain(&error);
            tracing::warn!(error, "the control plane sent what is no message");
        }
    }
}

/// Says good-bye.
async fn part(socket: &mut Socket) {
    let reason = "ConnectionExpired: Reconnect to continue".into();
    let frame = CloseFrame { code: CloseCode::Normal, reason };
    let closing = async {
        drop(socket.close(Some(frame)).await);
        while let Some(Ok(_)) = socket.next().await {}
    };
    drop(tokio::time::timeout(CLOSE_WITHIN, closing).await);
}
