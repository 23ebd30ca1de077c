//! Connections: resolved, checked, dialled, one request each.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, HeaderMap, USER_AGENT};
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::address::is_forbidden;
use super::{Host, Options, RegistryError, Roots, Target};

/// Waiting for a registry that may be plain to start TLS. Most that are not hang up at once, but
/// some wait for the rest of what they take for a request.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Who we say we are.
const AGENT: &str = concat!("landfall/", env!("CARGO_PKG_VERSION"));

trait Stream: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Stream for T {}

/// Opens connections as the options say.
pub(crate) struct Dialer {
    options: Options,
    tls: OnceLock<Arc<ClientConfig>>,
}

/// An answer's body. The connection closes with it.
pub(crate) struct Body {
    incoming: Incoming,
    host: String,
    timeout: Duration,
    _driver: Driver,
}

/// The task that moves a connection's bytes; ends with its owner.
struct Driver(tokio::task::JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Dialer {
    pub(crate) fn new(options: Options) -> Self {
        Self { options, tls: OnceLock::new() }
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// Whether a host may be asked without TLS.
    pub(crate) fn may_be_plain(&self, host: &Host) -> bool {
        host.is_this_machine() || self.options.insecure.iter().any(|it| *it == host.to_string())
    }

    /// Whether a registry speaks TLS. Only where plain HTTP is allowed is it tried at all.
    pub(crate) async fn probe(&self, host: Host) -> Result<Target, RegistryError> {
        let secure = Target { secure: true, host, path: "/".to_owned() };
        if !self.may_be_plain(&secure.host) {
            return Ok(secure);
        }
        match within(PROBE_TIMEOUT, self.dial(&secure)).await {
            Ok(Ok(_)) => Ok(secure),
            // A certificate that is not trusted stays an error: it is no reason to do without.
            Ok(Err(it @ RegistryError::Certificate { .. })) => Err(it),
            Ok(Err(_)) | Err(_) => Ok(Target { secure: false, ..secure }),
        }
    }

    /// Sends one request on a connection of its own and waits for the head of the answer.
    pub(crate) async fn get(
        &self,
        target: &Target,
        headers: HeaderMap,
    ) -> Result<Response<Body>, RegistryError> {
        let host = target.host.to_string();
        let stream = self.dial(target).await?;
        let failed = |source| network("ask", &host, source);
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
        let driver = Driver(tokio::spawn(async move {
            // Its error reaches whoever waits for the answer or reads the body.
            let _ = connection.await;
        }));
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() =
            target.path.parse().map_err(|_| RegistryError::Address(target.to_string()))?;
        *request.headers_mut() = headers;
        let name =
            HeaderValue::from_str(&host).map_err(|_| RegistryError::Address(host.clone()))?;
        request.headers_mut().insert(HOST, name);
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT));
        let answer = within(self.options.timeout_idle, sender.send_request(request))
            .await
            .map_err(|it| network("wait for", &host, it))?
            .map_err(failed)?;
        let timeout = self.options.timeout_idle;
        Ok(answer.map(|incoming| Body { incoming, host, timeout, _driver: driver }))
    }

    async fn dial(&self, target: &Target) -> Result<Pin<Box<dyn Stream>>, RegistryError> {
        within(self.options.timeout_connect, self.connect(target))
            .await
            .map_err(|it| network("connect to", &target.host.to_string(), it))?
    }

    async fn connect(&self, target: &Target) -> Result<Pin<Box<dyn Stream>>, RegistryError> {
        let host = target.host.to_string();
        let addresses = tokio::net::lookup_host((target.host.name.as_str(), target.port()))
            .await
            .map_err(|it| network("find the address of", &host, it))?;
        // What is checked is what is dialled: a name may mean another address the next time.
        let addresses: Vec<SocketAddr> = addresses.filter(|it| !is_forbidden(it.ip())).collect();
        if addresses.is_empty() {
            return Err(RegistryError::Forbidden(host));
        }
        let stream = TcpStream::connect(addresses.as_slice())
            .await
            .map_err(|it| network("connect to", &host, it))?;
        // Small requests, each waited for.
        let _ = stream.set_nodelay(true);
        if !target.secure {
            return Ok(Box::pin(stream));
        }
        let name = ServerName::try_from(target.host.name.clone())
            .map_err(|_| RegistryError::Address(host.clone()))?;
        let connector = TlsConnector::from(self.tls()?);
        let stream = connector.connect(name, stream).await.map_err(|source| {
            let tls = source.get_ref().and_then(|it| it.downcast_ref::<rustls::Error>());
            match tls {
                Some(rustls::Error::InvalidCertificate(_)) => {
                    RegistryError::Certificate { host, source }
                }
                _ => network("start TLS with", &host, source),
            }
        })?;
        Ok(Box::pin(stream))
    }

    fn tls(&self) -> Result<Arc<ClientConfig>, RegistryError> {
        if let Some(ready) = self.tls.get() {
            return Ok(ready.clone());
        }
        let roots = roots(&self.options.roots)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has ciphers for the default versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(self.tls.get_or_init(|| Arc::new(config)).clone())
    }
}

fn roots(roots: &Roots) -> Result<RootCertStore, RegistryError> {
    let mut store = RootCertStore::empty();
    let mut problem = String::new();
    match roots {
        Roots::These(certificates) => {
            let owned = certificates.iter().map(|it| CertificateDer::from(it.clone()));
            store.add_parsable_certificates(owned);
        }
        Roots::System => {
            let found = rustls_native_certs::load_native_certs();
            problem = found.errors.first().map(ToString::to_string).unwrap_or_default();
            store.add_parsable_certificates(found.certs);
        }
    }
    if store.is_empty() { Err(RegistryError::NoRoots(problem)) } else { Ok(store) }
}

impl Body {
    /// The next piece; none at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, RegistryError> {
        loop {
            let frame =
                within(self.timeout, self.incoming.frame()).await.map_err(|it| self.broken(it))?;
            match frame {
                None => return Ok(None),
                Some(Err(it)) => return Err(self.broken(it)),
                // Anything but data (trailers) tells us nothing.
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// The whole body, if it is small.
    pub(crate) async fn read_all(mut self, most: u64) -> Result<Vec<u8>, RegistryError> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.next().await? {
            if (bytes.len() + piece.len()) as u64 > most {
                return Err(RegistryError::TooLong(most));
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    fn broken(&self, source: impl std::error::Error + Send + Sync + 'static) -> RegistryError {
        RegistryError::Broken { host: self.host.clone(), source: Box::new(source) }
    }
}

fn network(
    attempted: &'static str,
    host: &str,
    source: impl std::error::Error + Send + Sync + 'static,
) -> RegistryError {
    RegistryError::Network { attempted, host: host.to_owned(), source: Box::new(source) }
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = T>,
) -> Result<T, tokio::time::error::Elapsed> {
    tokio::time::timeout(limit, work).await
}
