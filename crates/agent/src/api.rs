//! Calls to the region: signed requests, and the heads of its websockets.

use core::time::Duration;

use http::{HeaderMap, HeaderValue, Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use shapes::Operation;
use wire::sigv4::{Signing, sign};

use crate::clock;
use crate::config::{Config, Keys};
use crate::error::AgentError;

/// A call that takes longer has failed.
const CALL_WITHIN: Duration = Duration::from_secs(30);
/// Largest answer that is read, in bytes.
const ANSWER_MAX: usize = 4 * 1024 * 1024;
/// How long an idle connection is kept; the region's own limit for the next head is 30 s.
const IDLE: Duration = Duration::from_secs(20);

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The region was not reached or broke off.
    #[error("the region does not answer: {0}")]
    Unreachable(String),
    /// It answered, but not with what was asked for.
    #[error(transparent)]
    Answer(#[from] wire::client::CallError),
}

impl CallError {
    /// The code of a refusal.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            Self::Answer(wire::client::CallError::Refused(fault)) => Some(&fault.code),
            _ => None,
        }
    }

    /// Whether the same call will never be taken in.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Answer(wire::client::CallError::Refused(fault)) => {
                (400..500).contains(&fault.status)
                    && !matches!(
                        fault.code.as_str(),
                        "ThrottlingException" | "RequestTimeout" | "LimitExceededException"
                    )
            }
            _ => false,
        }
    }
}

/// The region's API.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    client: Client<HttpConnector, Full<Bytes>>,
    authority: String,
    region: String,
    /// `None` calls only what needs no signature.
    keys: Option<Keys>,
}

impl Api {
    /// The API that the configuration names.
    pub(crate) fn new(config: &Config, keys: Option<Keys>) -> Result<Self, AgentError> {
        let authority = authority(&config.endpoint)
            .ok_or_else(|| AgentError::Endpoint(config.endpoint.clone()))?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_secs(5)));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(4)
            .build(connector);
        Ok(Self { client, authority: authority.to_owned(), region: config.region.clone(), keys })
    }

    /// The same, with signatures for a region of another name.
    pub(crate) fn signed_for(&self, region: &str) -> Self {
        Self { region: region.to_owned(), ..self.clone() }
    }

    /// The same, signed with other keys.
    pub(crate) fn with_keys(&self, keys: Keys) -> Self {
        Self { keys: Some(keys), ..self.clone() }
    }

    /// Calls an operation once.
    pub(crate) async fn call<O: Operation>(
        &self,
        input: &O::Input,
    ) -> Result<O::Output, CallError> {
        let outgoing = wire::client::request::<O>(input);
        let mut headers = outgoing.headers;
        if let Ok(host) = HeaderValue::from_str(&self.authority) {
            headers.insert(header::HOST, host);
        }
        let incoming = wire::Incoming {
            method: "POST",
            path: "/",
            query: "",
            headers: &headers,
            body: &outgoing.body,
        };
        let signature = self.sign(&incoming, O::SERVICE.signing_name);
        headers.extend(signature);
        let mut request = Request::new(Full::new(Bytes::from(outgoing.body)));
        *request.method_mut() = http::Method::POST;
        *request.headers_mut() = headers;
        let unreachable = |error: &dyn core::error::Error| CallError::Unreachable(chain(error));
        *request.uri_mut() =
            format!("http://{}/", self.authority).parse().map_err(|it| unreachable(&it))?;

        let exchange = async {
            let answer = self.client.request(request).await.map_err(|it| unreachable(&it))?;
            let status = answer.status().as_u16();
            let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
            let body = body.map_err(|it| unreachable(it.as_ref()))?.to_bytes();
            Ok(wire::client::answer::<O>(status, &body)?)
        };
        match tokio::time::timeout(CALL_WITHIN, exchange).await {
            Ok(done) => done,
            Err(_) => Err(CallError::Unreachable(format!("no answer within {CALL_WITHIN:?}"))),
        }
    }

    /// The signed headers of a `GET` without a body, `host` and `x-amz-date` among them.
    pub(crate) fn signed_get(
        &self,
        authority: &str,
        path: &str,
        query: &str,
        body: &[u8],
    ) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Ok(host) = HeaderValue::from_str(authority) {
            headers.insert(header::HOST, host);
        }
        let incoming = wire::Incoming { method: "GET", path, query, headers: &headers, body };
        let signature = self.sign(&incoming, "ecs");
        headers.extend(signature);
        headers
    }

    fn sign(&self, request: &wire::Incoming<'_>, service: &str) -> HeaderMap {
        let Some(keys) = &self.keys else { return HeaderMap::new() };
        let signing = Signing {
            access_key_id: &keys.access_key_id,
            secret: &keys.secret_access_key,
            session_token: keys.session_token.as_deref(),
            region: &self.region,
            service,
            now: clock::now(),
        };
        sign(request, &signing)
    }
}

/// `HOST:PORT` of an endpoint.
fn authority(endpoint: &str) -> Option<&str> {
    let authority = endpoint.strip_prefix("http://")?.trim_end_matches('/');
    (!authority.is_empty() && !authority.contains('/')).then_some(authority)
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn core::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(it) = cause {
        text = format!("{text}: {it}");
        cause = it.source();
    }
    text
}
