//! A registry as a client sees it: one repository, asked for manifests and blobs.
//!
//! Source: OCI distribution specification 1.1; Docker's "Token Authentication Specification".

mod address;
mod auth;
mod connection;
mod error;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, LOCATION, RANGE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use self::address::is_forbidden;
pub(crate) use self::address::{Host, Target};
use self::auth::Challenge;
pub use self::auth::Credentials;
pub(crate) use self::connection::{Body, Dialer};
pub use self::error::RegistryError;

/// Redirects followed for one request; real registries send one.
const REDIRECTS_MAX: usize = 5;
/// Largest answer of a token server.
const TOKEN_BYTES_MAX: u64 = 1 << 20;
/// Most of an error's text that is passed on.
const COMPLAINT_BYTES_MAX: u64 = 4 << 10;

/// How registries are reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Registries (`host` or `host:port`) that may be reached without TLS. This machine's own
    /// addresses always may.
    pub insecure: Vec<String>,
    /// Which certificates are trusted.
    pub roots: Roots,
    /// Waiting for a connection to stand.
    pub timeout_connect: Duration,
    /// Waiting for the next byte of an answer.
    pub timeout_idle: Duration,
    /// Before the first further attempt after a failure of the network; doubles each time.
    pub pause: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            insecure: Vec::new(),
            roots: Roots::System,
            timeout_connect: Duration::from_secs(10),
            timeout_idle: Duration::from_mins(1),
            pause: Duration::from_millis(500),
        }
    }
}

/// Certificates that sign those of registries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roots {
    /// The machine's own, so that an operator's private authority counts, and updates come with
    /// the system's.
    System,
    /// These, in DER form.
    These(Vec<Vec<u8>>),
}

/// One repository of one registry, with what has been learned about how to ask it.
pub(crate) struct Repository {
    dialer: Arc<Dialer>,
    base: Target,
    name: String,
    credentials: Option<Credentials>,
    /// The `Authorization` header that the registry took last.
    authorization: Mutex<Option<HeaderValue>>,
}

/// A question to the repository.
pub(crate) struct Ask<'a> {
    /// After `/v2/<name>/`.
    pub(crate) path: String,
    pub(crate) accept: Option<&'a str>,
    /// First byte wanted.
    pub(crate) offset: u64,
}

impl Repository {
    /// Finds out how a registry is reached: TLS, or plain where that is allowed.
    pub(crate) async fn find(
        dialer: Arc<Dialer>,
        host: &str,
        name: &str,
        credentials: Option<Credentials>,
    ) -> Result<Self, RegistryError> {
        let host = Host::parse(host).ok_or_else(|| RegistryError::Address(host.to_owned()))?;
        let base = dialer.probe(host).await?;
        Ok(Self {
            dialer,
            base,
            name: name.to_owned(),
            credentials,
            authorization: Mutex::new(None),
        })
    }

    /// Asks, and authenticates and follows redirects as the registry wants.
    ///
    /// The answer's status is 200 or 206. Cancelling closes the connection.
    pub(crate) async fn get(&self, ask: &Ask<'_>) -> Result<Response<Body>, RegistryError> {
        let path = format!("/v2/{}/{}", self.name, ask.path);
        let mut target = self.base.at(&path);
        let mut authenticated = false;
        let mut redirects = 0;
        loop {
            let answer = self.dialer.get(&target, self.headers(ask, &target)).await?;
            let status = answer.status();
            if status == StatusCode::OK || status == StatusCode::PARTIAL_CONTENT {
                return Ok(answer);
            }
            let own = target.same_origin(&self.base);
            if status == StatusCode::UNAUTHORIZED && own && !authenticated {
                self.authenticate(answer.headers()).await?;
                authenticated = true;
            } else if is_redirect(status) {
                redirects += 1;
                if redirects > REDIRECTS_MAX {
                    return Err(RegistryError::Redirects(REDIRECTS_MAX));
                }
                target = self.follow(&target, answer.headers())?;
            } else {
                return Err(refusal(answer).await);
            }
        }
    }

    /// The token or password goes to the registry alone, never to where it sends us.
    fn headers(&self, ask: &Ask<'_>, target: &Target) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(accept) = ask.accept.and_then(|it| HeaderValue::from_str(it).ok()) {
            headers.insert(ACCEPT, accept);
        }
        if ask.offset > 0 {
            let range = HeaderValue::from_str(&format!("bytes={}-", ask.offset));
            headers.insert(RANGE, range.expect("digits"));
        }
        if target.same_origin(&self.base) {
            let authorization = self.authorization.lock().unwrap_or_else(PoisonError::into_inner);
            headers.extend(authorization.clone().map(|it| (AUTHORIZATION, it)));
        }
        headers
    }

    fn follow(&self, from: &Target, headers: &HeaderMap) -> Result<Target, RegistryError> {
        let location = headers.get(LOCATION).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let to = from
            .join(location)
            .ok_or_else(|| RegistryError::Address(location.chars().take(200).collect()))?;
        if to.host.address().is_some_and(is_forbidden) {
            return Err(RegistryError::Forbidden(to.host.to_string()));
        }
        if from.secure && !to.secure {
            return Err(RegistryError::Downgrade(to.to_string()));
        }
        if !to.secure && !self.dialer.may_be_plain(&to.host) {
            return Err(RegistryError::Plain(to.host.to_string()));
        }
        // A stranger's registry has no business with this machine's own services.
        if to.host.is_this_machine() && !self.base.host.is_this_machine() {
            return Err(RegistryError::Forbidden(to.host.to_string()));
        }
        Ok(to)
    }

    async fn authenticate(&self, headers: &HeaderMap) -> Result<(), RegistryError> {
        let offered = headers.get_all(WWW_AUTHENTICATE);
        let offered: Vec<_> = offered.iter().filter_map(|it| it.to_str().ok()).collect();
        let challenge = Challenge::choose(&offered);
        let authorization = match (challenge, &self.credentials) {
            (Some(Challenge::Bearer { realm, service, scope }), _) => {
                self.token(&realm, service.as_deref(), scope.as_deref()).await?
            }
            (Some(Challenge::Basic), Some(credentials)) => credentials.basic(),
            (Some(Challenge::Basic) | None, _) => {
                return Err(RegistryError::Unauthorized(String::new()));
            }
        };
        *self.authorization.lock().unwrap_or_else(PoisonError::into_inner) = Some(authorization);
        Ok(())
    }

    /// Gets a token from the server that the registry names, for reading this repository only.
    async fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        scope: Option<&str>,
    ) -> Result<HeaderValue, RegistryError> {
        let realm = Target::parse(realm).ok_or_else(|| RegistryError::Address(realm.to_owned()))?;
        if !realm.secure && (self.base.secure || !self.dialer.may_be_plain(&realm.host)) {
            return Err(RegistryError::Plain(realm.host.to_string()));
        }
        if realm.host.is_this_machine() && !self.base.host.is_this_machine() {
            return Err(RegistryError::Forbidden(realm.host.to_string()));
        }
        let own = format!("repository:{}:pull", self.name);
        let target = auth::token_target(&realm, service, scope.unwrap_or(&own));
        let mut headers = HeaderMap::new();
        headers.extend(self.credentials.as_ref().map(|it| (AUTHORIZATION, it.basic())));
        let answer = self.dialer.get(&target, headers).await?;
        if answer.status() != StatusCode::OK {
            return Err(refusal(answer).await);
        }
        let bytes = answer.into_body().read_all(TOKEN_BYTES_MAX).await?;
        auth::token_header(&bytes).ok_or_else(|| RegistryError::Token(realm.host.to_string()))
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Turns an answer that is not what was asked for into an error.
async fn refusal(answer: Response<Body>) -> RegistryError {
    let status = answer.status();
    // A text that does not come through is no worse than none.
    let text = answer.into_body().read_all(COMPLAINT_BYTES_MAX).await.unwrap_or_default();
    let text = error::complaint(&text);
    match status.as_u16() {
        401 | 403 => RegistryError::Unauthorized(text),
        404 => RegistryError::NotFound(text),
        429 => RegistryError::TooManyRequests(text),
        status => RegistryError::Status { status, text },
    }
}
