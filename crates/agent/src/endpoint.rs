//! The task endpoint at 169.254.170.2: metadata and credentials, to each task its own.
//!
//! A request is answered only if its id and its source belong to the same task. Tasks in `host`
//! mode share the instance's own addresses; among them the id alone decides, as with the genuine
//! agent. Source: Amazon ECS Developer Guide, "Task metadata endpoint version 4" and "Task IAM role".

mod limit;
mod protection;
mod view;

use core::convert::Infallible;
use core::time::Duration;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use plan::agent::spec::NetworkMode;
use plan::agent::{Core, Task, TaskArn};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use types::ContainerName;

use crate::error::AgentError;
use crate::machine::{Machine, blocking};
use crate::prepare::is_attachment_of;
use crate::stats;

use limit::Limiter;

/// Connections at once; further ones wait.
const CONNECTIONS_MAX: usize = 64;
/// How long a task may take to send the head of a request.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// Listens in the instance's network.
pub(crate) async fn listen(machine: &Machine) -> Result<TcpListener, AgentError> {
    let host = machine.host.clone();
    let address = SocketAddr::from((network::TASK_ENDPOINT, 80));
    let listener = blocking(move || {
        let listener = host.namespace().listen(address)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    let listener = listener.await.map_err(AgentError::Listen)?;
    TcpListener::from_std(listener).map_err(AgentError::Listen)
}

/// Answers tasks, for ever.
pub(crate) async fn serve(machine: Arc<Machine>, listener: TcpListener) {
    let limiter = Arc::new(Mutex::new(Limiter::default()));
    let seats = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(seat) = seats.clone().acquire_owned().await else { return };
        let Ok((stream, peer)) = listener.accept().await else {
            // Out of descriptors, most likely: let some connections end first.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (machine, limiter) = (machine.clone(), limiter.clone());
        tokio::spawn(async move {
            let service = service_fn(|request: Request<Incoming>| {
                let (machine, limiter) = (machine.clone(), limiter.clone());
                async move { Ok::<_, Infallible>(admit(&machine, &limiter, peer.ip(), request).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_WITHIN)
                .max_buf_size(16 * 1024)
                .serve_connection(TokioIo::new(stream), service);
            drop(connection.await);
            drop(seat);
        });
    }
}

async fn admit(
    machine: &Arc<Machine>,
    limiter: &Mutex<Limiter>,
    peer: IpAddr,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let protection = protection::container(&path);
    match *request.method() {
        Method::GET => {}
        Method::PUT if protection.is_some() => {}
        _ => return refusal(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered here"),
    }
    let now = Instant::now();
    if !limiter.lock().unwrap_or_else(PoisonError::into_inner).admits(peer, now) {
        return refusal(StatusCode::TOO_MANY_REQUESTS, "too many requests");
    }
    let IpAddr::V4(peer) = peer else {
        return refusal(StatusCode::FORBIDDEN, "not a task of this instance");
    };
    let Some(asker) = asker(machine, peer) else {
        return refusal(StatusCode::FORBIDDEN, "not a task of this instance");
    };
    let answered = match protection {
        Some(id) => protection::answer(machine, asker, id, request).await,
        None => answer(machine, asker, &path).await.map(|it| (StatusCode::OK, it)),
    };
    match answered {
        Ok((status, value)) => response(status, &value),
        Err((status, text)) => refusal(status, text),
    }
}

/// Who asks, as its address tells.
#[derive(Debug, Clone)]
enum Asker {
    /// What is attached under this id: a task, or a container of one.
    Attached(network::Id),
    /// Somebody in the instance's own network.
    Instance,
}

impl Asker {
    fn may_be(&self, task: &Task) -> bool {
        let Some(spec) = task.spec() else { return false };
        match self {
            Self::Attached(id) => is_attachment_of(id, spec.arn.id()),
            Self::Instance => spec.network_mode == NetworkMode::Host,
        }
    }
}

fn asker(machine: &Machine, peer: Ipv4Addr) -> Option<Asker> {
    let attached = machine.host.attachments().into_iter().find(|it| it.address() == Some(peer));
    if let Some(attached) = attached {
        return Some(Asker::Attached(attached.id));
    }
    let own = peer.is_loopback()
        || peer == network::TASK_ENDPOINT
        || Some(peer) == machine.config.address;
    own.then_some(Asker::Instance)
}

type Answer = Result<Value, (StatusCode, &'static str)>;

const UNKNOWN_PATH: (StatusCode, &str) = (StatusCode::NOT_FOUND, "there is no such path");
const UNKNOWN_ID: (StatusCode, &str) =
    (StatusCode::NOT_FOUND, "unable to get container metadata: no such id for this task");
const UNKNOWN_CREDENTIALS: (StatusCode, &str) =
    (StatusCode::BAD_REQUEST, "InvalidIdInRequest: CredentialsV2Request: Credentials not found");
const STOPPING: (StatusCode, &str) = (StatusCode::SERVICE_UNAVAILABLE, "the agent is stopping");

async fn answer(machine: &Arc<Machine>, asker: Asker, path: &str) -> Answer {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match parts.as_slice() {
        ["v2", "credentials", id] => credentials(machine, asker, (*id).to_owned()).await,
        ["v2" | "v3" | "v4", "credentials"] => Err(UNKNOWN_CREDENTIALS),
        [version @ ("v3" | "v4"), id, rest @ ..] => {
            let found = find(machine, asker, (*id).to_owned()).await?;
            let (task, container) = found.ok_or(UNKNOWN_ID)?;
            of_container(machine, version, task, container, rest).await
        }
        ["v2", what @ ("metadata" | "stats"), rest @ ..] => {
            let (task, container) = first(machine, asker).await?.ok_or(UNKNOWN_ID)?;
            let rest = match (*what, rest) {
                ("metadata", []) => &["task"][..],
                ("stats", []) => &["task", "stats"][..],
                _ => return Err(UNKNOWN_PATH),
            };
            of_container(machine, "v2", task, container, rest).await
        }
        _ => Err(UNKNOWN_PATH),
    }
}

async fn of_container(
    machine: &Arc<Machine>,
    version: &str,
    task: TaskArn,
    container: ContainerName,
    rest: &[&str],
) -> Answer {
    match rest {
        [] => view(machine, task, Some(container), version).await,
        ["task" | "taskWithTags"] => view(machine, task, None, version).await,
        ["stats"] => stats::container(machine, &task, container.as_str()).await.ok_or(UNKNOWN_ID),
        ["task", "stats"] => Ok(stats::task(machine, &task).await),
        _ => Err(UNKNOWN_PATH),
    }
}

/// The container of the asker's task that goes by this id.
async fn find(
    machine: &Arc<Machine>,
    asker: Asker,
    id: String,
) -> Result<Option<(TaskArn, ContainerName)>, (StatusCode, &'static str)> {
    let names = machine.clone();
    let question = move |core: &Core| {
        let own = core.tasks().filter(|it| asker.may_be(it)).filter_map(Task::spec);
        let mut containers = own.flat_map(|it| it.containers.iter().map(move |one| (it, one)));
        let found = containers.find(|(spec, it)| names.metadata_id(&spec.arn, &it.name) == id);
        found.map(|(spec, it)| (spec.arn.clone(), it.name.clone()))
    };
    machine.inbox.ask(question).await.ok_or(STOPPING)
}

/// Some container of the asker's task; a task in the instance's own network cannot be told by it.
async fn first(
    machine: &Arc<Machine>,
    asker: Asker,
) -> Result<Option<(TaskArn, ContainerName)>, (StatusCode, &'static str)> {
    let question = move |core: &Core| {
        let Asker::Attached(_) = asker else { return None };
        let spec = core.tasks().find(|it| asker.may_be(it)).and_then(Task::spec)?;
        Some((spec.arn.clone(), spec.containers.first()?.name.clone()))
    };
    machine.inbox.ask(question).await.ok_or(STOPPING)
}

async fn view(
    machine: &Arc<Machine>,
    task: TaskArn,
    container: Option<ContainerName>,
    version: &str,
) -> Answer {
    let (names, version) = (machine.clone(), version.to_owned());
    let attached = machine.host.attachments();
    let question = move |core: &Core| {
        let task = core.task(&task)?;
        let seen = view::Seen { machine: &names, task, attached: &attached, version: &version };
        match container {
            Some(container) => seen.container(&container),
            None => seen.task(),
        }
    };
    machine.inbox.ask(question).await.ok_or(STOPPING)?.ok_or(UNKNOWN_ID)
}

async fn credentials(machine: &Machine, asker: Asker, id: String) -> Answer {
    let question = move |core: &Core| {
        let own = core.tasks().filter(|it| asker.may_be(it)).filter_map(Task::spec);
        own.map(|it| &it.arn).find_map(|it| core.credentials(it, &id)).map(|it| {
            json!({
                "RoleArn": it.role_arn,
                "AccessKeyId": it.access_key_id,
                "SecretAccessKey": it.secret_access_key,
                "Token": it.session_token,
                "Expiration": it.expiration,
            })
        })
    };
    machine.inbox.ask(question).await.ok_or(STOPPING)?.ok_or(UNKNOWN_CREDENTIALS)
}

fn refusal(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let (code, message) = text.split_once(": ").unwrap_or(("", text));
    let body = json!({ "code": code, "message": message, "HTTPErrorCode": status.as_u16() });
    response(status, &body)
}

fn response(status: StatusCode, value: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(value.to_string())));
    *response.status_mut() = status;
    let kind = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
