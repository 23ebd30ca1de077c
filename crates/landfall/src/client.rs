//! A client of a region for our own commands: signed AWS JSON over HTTP/1.1.

use core::time::Duration;
use std::io;

use anyhow::{Context as _, bail};
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use shapes::Operation;
use tokio::net::TcpStream;
use wire::sigv4::{Signing, sign};
use wire::{Fault, Incoming};

use crate::args::Place;
use crate::clock::now;
use crate::commands::say;
use crate::home::Folder;

/// How long the region's machine may take to answer a new connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long an answer may take. The region answers in milliseconds, or its disk is in trouble.
const ANSWER_WITHIN: Duration = Duration::from_mins(1);
/// The largest answer that is read, in bytes; a page of log events has 1 MiB.
const ANSWER_MAX: usize = 64 * 1024 * 1024;
/// The port of `http` where an endpoint names none.
const HTTP_PORT: u16 = 80;

/// Talks to one region.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    endpoint: Endpoint,
    region: String,
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
}

/// Where a region answers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Endpoint {
    /// As the user gave it, for messages.
    url: String,
    /// `HOST` or `HOST:PORT`, as the request's header says it.
    authority: String,
    host: String,
    port: u16,
    path: String,
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The region understood and said no.
    #[error("{} refused: {} ({}){}", .operation, .fault.message, .fault.code, advice(.fault))]
    Refused {
        /// What was asked.
        operation: &'static str,
        /// The answer.
        fault: Fault,
    },
    /// Nobody answers at the endpoint: nothing was asked.
    #[error("cannot reach the region at {endpoint} (is it running? start it with `landfall up`)")]
    Unreachable {
        /// The endpoint's URL.
        endpoint: String,
        /// The system's word.
        source: io::Error,
    },
    /// The connection ended before the answer: whether the request was carried out is unknown.
    #[error("{endpoint} gave no whole answer to {operation}: {problem}")]
    Cut {
        /// What was asked.
        operation: &'static str,
        /// The endpoint's URL.
        endpoint: String,
        /// What went wrong.
        problem: String,
    },
    /// The answer is not that of a region.
    #[error(
        "{endpoint} answers {operation} with something that is no answer of a region: {problem}"
    )]
    Unreadable {
        /// What was asked.
        operation: &'static str,
        /// The endpoint's URL.
        endpoint: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl CallError {
    /// The error code, if the region refused.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { fault, .. } => Some(&fault.code),
            _ => None,
        }
    }

    /// Whether the same call may succeed in a moment. Ask again only what does no harm twice.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Refused { fault, .. } => {
                fault.status >= 500 || fault.code == "ThrottlingException"
            }
            Self::Cut { .. } => true,
            Self::Unreachable { .. } | Self::Unreadable { .. } => false,
        }
    }
}

/// What to do about refusals that newcomers meet.
fn advice(fault: &Fault) -> &'static str {
    let clock = ["Signature expired", "Signature not yet current"];
    if clock.iter().any(|it| fault.message.starts_with(it)) {
        return ": the clocks of this machine and of the region's differ by more than five minutes; \
                compare `date -u` on both";
    }
    match fault.code.as_str() {
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException" => {
            ": the access key is not one of this region; eval \"$(landfall env)\" sets the right \
             one"
        }
        "ClusterNotFoundException" => ": `aws ecs list-clusters` shows those that there are",
        _ => "",
    }
}

impl Client {
    /// A client of the region that the environment names (`AWS_ENDPOINT_URL` and so on), else of
    /// the region in the flags' folder.
    pub(crate) fn from_env_or(place: &Place) -> anyhow::Result<Self> {
        let client =
            Self::found(&|name| std::env::var(name).ok().filter(|it| !it.is_empty()), place)?;
        if let Some(other) = place.data.is_some().then(|| Self::of(place).ok()).flatten()
            && other.endpoint != client.endpoint
        {
            say(&format!(
                "AWS_ENDPOINT_URL names {}, which counts; unset it to use the region of --data at \
                 {}",
                client.endpoint.url, other.endpoint.url
            ));
        }
        Ok(client)
    }

    /// A client of the region in the flags' folder, whatever the environment says.
    pub(crate) fn of(place: &Place) -> anyhow::Result<Self> {
        Self::found(&|_| None, place)
    }

    fn found(set: &dyn Fn(&str) -> Option<String>, place: &Place) -> anyhow::Result<Self> {
        let Some(url) = set("AWS_ENDPOINT_URL") else {
            let note = Folder::of(place)?.read_note()?;
            return Ok(Self {
                endpoint: Endpoint::parse(&note.endpoint)?,
                region: note.region,
                access_key_id: note.access_key_id,
                secret_access_key: note.secret_access_key,
                session_token: None,
            });
        };
        let needed = |name: &str| {
            set(name).with_context(|| {
                format!(
                    "AWS_ENDPOINT_URL is set, but {name} is not: eval \"$(landfall env)\" sets \
                     both; or unset AWS_ENDPOINT_URL"
                )
            })
        };
        let region = set("AWS_REGION").or_else(|| set("AWS_DEFAULT_REGION"));
        Ok(Self {
            endpoint: Endpoint::parse(&url)?,
            region: region.unwrap_or_else(|| "us-east-1".into()),
            access_key_id: needed("AWS_ACCESS_KEY_ID")?,
            secret_access_key: needed("AWS_SECRET_ACCESS_KEY")?,
            session_token: set("AWS_SESSION_TOKEN"),
        })
    }

    /// Name of the region that requests are signed for.
    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    /// The URL of the region.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint.url
    }

    /// Asks for one operation and waits for its answer.
    ///
    /// # Errors
    ///
    /// [`CallError`]; after [`CallError::Cut`] the request may have been carried out.
    pub(crate) async fn call<O: Operation>(
        &self,
        input: &O::Input,
    ) -> Result<O::Output, CallError> {
        let request = self.request::<O>(input);
        let cut = |problem: String| CallError::Cut {
            operation: O::NAME,
            endpoint: self.endpoint.url.clone(),
            problem,
        };
        let stream = self.endpoint.connect().await.map_err(|source| CallError::Unreachable {
            endpoint: self.endpoint.url.clone(),
            source,
        })?;
        let (status, body) = tokio::time::timeout(ANSWER_WITHIN, exchange(stream, request))
            .await
            .map_err(|_| cut(format!("none came within {} s", ANSWER_WITHIN.as_secs())))?
            .map_err(|problem| cut(problem.to_string()))?;
        wire::client::answer::<O>(status, &body).map_err(|error| match error {
            wire::client::CallError::Refused(fault) => {
                CallError::Refused { operation: O::NAME, fault }
            }
            wire::client::CallError::Unreadable(problem) => CallError::Unreadable {
                operation: O::NAME,
                endpoint: self.endpoint.url.clone(),
                problem: problem.to_string(),
            },
        })
    }

    fn request<O: Operation>(&self, input: &O::Input) -> Request<Full<Bytes>> {
        let wire::client::Outgoing { headers: asked, body } = wire::client::request::<O>(input);
        let mut headers = HeaderMap::new();
        if let Ok(host) = HeaderValue::from_str(&self.endpoint.authority) {
            headers.insert(HOST, host);
        }
        let agent = concat!("landfall-cli/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        headers.extend(asked);
        debug_assert!(headers.contains_key(CONTENT_TYPE), "AWS JSON names its version");
        let signed = sign(
            &Incoming {
                method: "POST",
                path: &self.endpoint.path,
                query: "",
                headers: &headers,
                body: &body,
            },
            &Signing {
                access_key_id: &self.access_key_id,
                secret: &self.secret_access_key,
                session_token: self.session_token.as_deref(),
                region: &self.region,
                service: O::SERVICE.signing_name,
                now: now(),
            },
        );
        headers.extend(signed);
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = http::Method::POST;
        if let Ok(uri) = self.endpoint.path.parse() {
            *request.uri_mut() = uri;
        }
        *request.headers_mut() = headers;
        request
    }
}

impl Endpoint {
    fn parse(url: &str) -> anyhow::Result<Self> {
        let uri: Uri = url.parse().with_context(|| format!("{url} is not the URL of a region"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => bail!(
                "{url}: landfall's own commands speak plain HTTP only; use the region's http:// \
                 address, or the aws command for TLS"
            ),
            _ => bail!("{url} is not the URL of a region: it should begin with http://"),
        }
        let authority = uri.authority().with_context(|| format!("{url} names no host"))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            authority: authority.as_str().to_owned(),
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(HTTP_PORT),
            path: if uri.path().is_empty() { "/".into() } else { uri.path().to_owned() },
        })
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let connect = TcpStream::connect((self.host.as_str(), self.port));
        let stream = tokio::time::timeout(CONNECT_WITHIN, connect)
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

type Problem = Box<dyn core::error::Error + Send + Sync>;

/// One request and its whole answer over a connection of its own.
async fn exchange(
    stream: TcpStream,
    request: Request<Full<Bytes>>,
) -> Result<(u16, Bytes), Problem> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let answered = async {
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await?.to_bytes();
        Ok::<_, Problem>((status, body))
    };
    tokio::pin!(answered);
    // The connection moves the bytes; it may end right after the answer's last one.
    tokio::select! {
        answer = &mut answered => answer,
        ended = connection => {
            ended?;
            answered.await
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn endpoint(url: &str) -> Result<(String, u16, String), String> {
        let it = Endpoint::parse(url).map_err(|it| it.to_string())?;
        Ok((it.host, it.port, it.path))
    }

    #[test]
    fn endpoints_are_plain_http_urls() {
        let parts = |host: &str, port, path: &str| Ok((host.to_owned(), port, path.to_owned()));
        assert_eq!(endpoint("http://127.0.0.1:4566"), parts("127.0.0.1", 4566, "/"));
        assert_eq!(endpoint("http://[::1]:4566/"), parts("::1", 4566, "/"));
        assert_eq!(endpoint("http://region.test/ecs"), parts("region.test", 80, "/ecs"));
        let refused = endpoint("https://127.0.0.1:4566").expect_err("no TLS");
        assert!(refused.contains("plain HTTP"), "{refused}");
        for bad in ["", "127.0.0.1:4566", "ftp://x", "http://"] {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
    }

    fn found(set: &[(&str, &str)]) -> Result<Client, String> {
        let set: BTreeMap<_, _> = set.iter().copied().collect();
        let folder = tempfile::tempdir().expect("a folder");
        let place = Place { data: Some(folder.path().to_owned()) };
        Client::found(&|name| set.get(name).map(|it| (*it).to_owned()), &place)
            .map_err(|it| format!("{it:#}"))
    }

    #[test]
    fn refusals_of_signatures_name_the_clock_or_the_key() {
        let fault = |message: &str| Fault::new("InvalidSignatureException", message);
        let late = fault("Signature expired: 20260101T000000Z is now earlier than …");
        assert!(advice(&late).contains("clocks") && !advice(&late).contains("key"));
        assert!(advice(&fault("The signature does not match.")).contains("access key"));
    }

    #[test]
    fn the_environment_names_the_region() {
        let url = ("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
        let keys = [("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_SECRET_ACCESS_KEY", "s")];
        let client = found(&[url, keys[0], keys[1], ("AWS_DEFAULT_REGION", "eu-west-1")]);
        assert_eq!(client.expect("whole").region(), "eu-west-1");
        let missing = found(&[url, keys[0]]).expect_err("no secret");
        assert!(missing.contains("AWS_SECRET_ACCESS_KEY is not"), "{missing}");
        let none = found(&keys).expect_err("no region anywhere");
        assert!(none.contains("landfall up"), "{none}");
    }
}
