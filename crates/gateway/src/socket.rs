//! The websockets of agents: who may open one, and for which instance.

use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming as Body;
use hyper_util::rt::TokioIo;
use plan::assignments::Assignments;
use shapes::Protocol;
use state::{InstanceStatus, Purpose};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use types::{InstanceId, short_name};
use wire::Incoming;

use crate::answer::{SharedDoor, verified};
use crate::door::Door;
use crate::keys::Trust;

/// What a session holds for reading while nothing is said, in bytes. The library's own 128 KiB would
/// be most of the memory of a region with thousands of agents; larger frames grow it for a while.
const READ_BUFFER: usize = 4 * 1024;

/// Which of an agent's two conversations is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conversation {
    /// ACS: what the instance should hold.
    Assignments,
    /// TCS: metrics and health.
    Telemetry,
}

/// The conversation that a request asks for, if it asks for one.
pub(crate) fn asked_for(request: &Request<Body>) -> Option<Conversation> {
    match request.uri().path() {
        "/acs/ws" => Some(Conversation::Assignments),
        "/tcs/ws" => Some(Conversation::Telemetry),
        _ => None,
    }
}

/// Opens a conversation, or says in the protocol's way why not.
pub(crate) async fn open(
    door: &SharedDoor,
    mut request: Request<Body>,
    conversation: Conversation,
    peer: &str,
) -> Response<Vec<u8>> {
    let instance = match admitted(door, &request, conversation).await {
        Ok(instance) => instance,
        Err(refusal) => {
            tracing::info!(peer, kind = refusal.kind, "an agent's session is refused");
            return refusal.response();
        }
    };
    let Some(key) = request.headers().get(header::SEC_WEBSOCKET_KEY) else {
        return Refusal::new("InvalidParameterException", "This is a websocket.").response();
    };
    let accept = derive_accept_key(key.as_bytes());
    let upgrade = hyper::upgrade::on(&mut request);
    let hub = door.hub.clone();
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let limits = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .max_message_size(Some(link::frames::FRAME_MAX))
            .max_frame_size(Some(link::frames::FRAME_MAX));
        let socket = TokioIo::new(upgraded);
        let socket = WebSocketStream::from_raw_socket(socket, Role::Server, Some(limits)).await;
        match conversation {
            Conversation::Assignments => hub.serve(socket, instance).await,
            Conversation::Telemetry => hub.serve_telemetry(socket, instance).await,
        }
    });
    switching(&accept)
}

pub(crate) fn switching(accept: &str) -> Response<Vec<u8>> {
    let mut answer = Response::new(Vec::new());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(accept) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    answer
}

/// Why a session is refused: agents read the kind as the one member of an object.
pub(crate) struct Refusal {
    pub(crate) kind: &'static str,
    message: String,
}

impl Refusal {
    pub(crate) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(crate) fn response(&self) -> Response<Vec<u8>> {
        let message = self.message.replace(['"', '\\'], "'");
        let mut answer = Response::new(format!("{{\"{}\":\"{message}\"}}", self.kind).into_bytes());
        *answer.status_mut() = StatusCode::BAD_REQUEST;
        answer
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        answer
    }
}

async fn admitted(
    door: &Door,
    request: &Request<Body>,
    conversation: Conversation,
) -> Result<InstanceId, Refusal> {
    let access_key = match door.trust {
        Trust::Everybody => None,
        Trust::Signed => Some(signer(door, request, "ecs")?),
    };
    let (name, cluster) = match conversation {
        Conversation::Assignments => ("containerInstanceArn", "clusterArn"),
        Conversation::Telemetry => ("containerInstance", "cluster"),
    };
    let unknown = || Refusal::new("InactiveInstanceException", "No such container instance.");
    let arn = parameter(request, name).ok_or_else(unknown)?;
    let id = short_name(&arn, "container-instance")
        .and_then(|it| InstanceId::parse(it).ok())
        .ok_or_else(unknown)?;
    let told = door.hub.told(id).await.ok_or_else(unknown)?;
    let Assignments { instance, .. } = told.assignments;
    if arn.starts_with("arn:") && arn != door.home.instance(&instance.cluster, id) {
        return Err(unknown());
    }
    // Agents say their cluster as they were told it: by name or by ARN.
    let cluster = parameter(request, cluster);
    let is_other = |it: &String| short_name(it, "cluster") != Some(instance.cluster.as_str());
    if cluster.is_some_and(|it| is_other(&it)) {
        return Err(Refusal::new(
            "InvalidClusterException",
            "This container instance is not of that cluster.",
        ));
    }
    if instance.status == InstanceStatus::Inactive {
        return Err(Refusal::new(
            "InactiveInstanceException",
            "This container instance was deregistered.",
        ));
    }
    let key = access_key.and_then(|it| door.keys.get(&it));
    match key.map(|it| (it.purpose.clone(), it.id.clone())) {
        Some((Purpose::Task { .. } | Purpose::Balancer, _)) => Err(denied()),
        Some((Purpose::Agent(_), id)) if id != instance.owner => Err(denied()),
        _ => Ok(id),
    }
}

fn denied() -> Refusal {
    Refusal::new("AccessDeniedException", "The caller does not speak for this container instance.")
}

/// The access key that has signed a call of a websocket.
pub(crate) fn signer(
    door: &Door,
    request: &Request<Body>,
    service: &str,
) -> Result<String, Refusal> {
    let incoming = Incoming {
        method: request.method().as_str(),
        path: request.uri().path(),
        query: request.uri().query().unwrap_or_default(),
        headers: request.headers(),
        body: &[],
    };
    verified(door, &incoming, service, Protocol::Json)
        .map_err(|fault| Refusal::new("AccessDeniedException", fault.message))
}

/// A parameter of the query string, decoded.
pub(crate) fn parameter(request: &Request<Body>, name: &str) -> Option<String> {
    let pairs = request.uri().query()?.split('&').filter_map(|it| it.split_once('='));
    let value = pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)?;
    Some(percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned())
}
