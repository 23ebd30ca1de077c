//! TLS of clients and of targets.

mod policy;
mod target;

use std::collections::BTreeMap;
use std::sync::Arc;

use plan::routing::{Balanced, Certificate, Port};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ProtocolVersion, ServerConfig, ServerConnection};
use state::ListenerProtocol;

use crate::rewrite::TlsFacts;

pub use policy::{is_served, served};
pub(crate) use target::Connector;

/// The certificates of a table, read.
#[derive(Debug, Default)]
pub(crate) struct Certificates(BTreeMap<String, Arc<Shown>>);

/// A certificate as it is shown.
#[derive(Debug)]
struct Shown {
    arn: String,
    names: Vec<String>,
    key: Arc<CertifiedKey>,
}

impl Certificates {
    /// Reads them. One that cannot be read is not shown; the API has checked them.
    pub(crate) fn new(told: &[Certificate]) -> Self {
        let mut read = BTreeMap::new();
        for certificate in told {
            match key(certificate) {
                Ok(key) => {
                    let (arn, names) = (certificate.arn.clone(), certificate.names.clone());
                    let shown = Shown { arn: arn.clone(), names, key: Arc::new(key) };
                    read.insert(arn, Arc::new(shown));
                }
                Err(error) => {
                    tracing::error!(certificate = certificate.arn, error, "cannot be shown");
                }
            }
        }
        Self(read)
    }

    /// Whether a listener's TLS shows these certificates already.
    pub(crate) fn are_shown_by(&self, config: &ServerConfig, port: &Port) -> bool {
        // The configuration keeps its choice behind a trait; what it shows is told by its text.
        let choice = Choice::new(self, port);
        format!("{:?}", config.cert_resolver) == format!("{choice:?}")
    }

    /// The TLS of a listener; `None` if it has no certificate to show.
    pub(crate) fn session(&self, balanced: &Balanced, port: &Port) -> Option<ServerConfig> {
        let choice = Choice::new(self, port);
        choice.default.as_ref()?;
        let policy = policy::of(port.told.ssl_policy.as_deref().unwrap_or_default());
        let provider = policy::provider(policy);
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(policy::versions(policy))
            .ok()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(choice));
        if let Ok(tickets) = ring::Ticketer::new() {
            config.ticketer = tickets;
        }
        config.send_tls13_tickets = 1;
        config.alpn_protocols = alpn(balanced, port);
        Some(config)
    }
}

/// What is offered by ALPN, the dearest first.
fn alpn(balanced: &Balanced, port: &Port) -> Vec<Vec<u8>> {
    let (h2, h1) = (b"h2".to_vec(), b"http/1.1".to_vec());
    match (port.told.protocol, port.told.alpn_policy.as_deref()) {
        (ListenerProtocol::Https, _) if balanced.attributes.http2 => vec![h2, h1],
        (ListenerProtocol::Https, _) | (_, Some("HTTP1Only")) => vec![h1],
        (_, Some("HTTP2Only")) => vec![h2],
        (_, Some("HTTP2Optional")) => vec![h1, h2],
        (_, Some("HTTP2Preferred")) => vec![h2, h1],
        _ => Vec::new(),
    }
}

fn key(certificate: &Certificate) -> Result<CertifiedKey, String> {
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(certificate.chain.as_bytes()).collect();
    let chain = chain.map_err(|error| error.to_string())?;
    let key = PrivateKeyDer::from_pem_slice(certificate.key.as_bytes())
        .map_err(|error| error.to_string())?;
    let key = ring::sign::any_supported_type(&key).map_err(|error| error.to_string())?;
    if chain.is_empty() {
        return Err("the chain is empty".into());
    }
    Ok(CertifiedKey::new(chain, key))
}

/// Which of a listener's certificates a client is shown.
///
/// The one for the very name that the client asks for, else the one whose wildcard covers it, else
/// the default one. Source: Application Load Balancers User Guide, "SSL certificates".
struct Choice {
    exact: BTreeMap<String, Arc<Shown>>,
    /// By the name without its first label.
    wildcard: BTreeMap<String, Arc<Shown>>,
    default: Option<Arc<Shown>>,
}

impl core::fmt::Debug for Choice {
    /// ARNs and certificates, without keys: two that read alike show the same.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let all = self.default.iter().chain(self.exact.values()).chain(self.wildcard.values());
        f.debug_list().entries(all.map(|it| (&it.arn, &it.key.cert))).finish()
    }
}

impl Choice {
    fn new(certificates: &Certificates, port: &Port) -> Self {
        let mut choice = Self { exact: BTreeMap::new(), wildcard: BTreeMap::new(), default: None };
        for arn in &port.told.certificates {
            let Some(shown) = certificates.0.get(arn) else { continue };
            choice.default.get_or_insert_with(|| Arc::clone(shown));
            for name in &shown.names {
                let name = name.to_ascii_lowercase();
                let (names, name) = match name.strip_prefix("*.") {
                    Some(rest) => (&mut choice.wildcard, rest.to_owned()),
                    None => (&mut choice.exact, name),
                };
                names.entry(name).or_insert_with(|| Arc::clone(shown));
            }
        }
        choice
    }

    fn find(&self, name: &str) -> Option<&Arc<Shown>> {
        let name = name.to_ascii_lowercase();
        let covering = || self.wildcard.get(name.split_once('.')?.1);
        self.exact.get(&name).or_else(covering)
    }
}

impl ResolvesServerCert for Choice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().and_then(|it| self.find(it));
        named.or(self.default.as_ref()).map(|it| Arc::clone(&it.key))
    }
}

/// What there is to say about a client's session.
pub(crate) fn facts(connection: &ServerConnection, port: &Port, certificates: &Names) -> TlsFacts {
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
        _ => "TLSv1.2",
    };
    let suite = connection.negotiated_cipher_suite().map(|it| it.suite());
    let name = connection.server_name();
    let default = port.told.certificates.first().map(String::as_str).unwrap_or_default();
    let (certificate, is_named) = match name.and_then(|it| certificates.find(it)) {
        Some(arn) => (arn, true),
        None => (default, false),
    };
    let is_resumed = connection.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
    TlsFacts {
        version,
        cipher_suite: suite.map_or("-", policy::openssl_name),
        server_name: name.filter(|_| is_named).map(str::to_owned),
        certificate: certificate.to_owned(),
        is_resumed,
    }
}

/// ARNs of a listener's certificates by the names they are for.
#[derive(Debug, Default)]
pub(crate) struct Names {
    exact: BTreeMap<String, String>,
    wildcard: BTreeMap<String, String>,
}

impl Names {
    pub(crate) fn of(certificates: &Certificates, port: &Port) -> Self {
        let choice = Choice::new(certificates, port);
        let arns = |names: BTreeMap<String, Arc<Shown>>| {
            names.into_iter().map(|(name, shown)| (name, shown.arn.clone())).collect()
        };
        Self { exact: arns(choice.exact), wildcard: arns(choice.wildcard) }
    }

    fn find(&self, name: &str) -> Option<&str> {
        let name = name.to_ascii_lowercase();
        let covering = || self.wildcard.get(name.split_once('.')?.1);
        self.exact.get(&name).or_else(covering).map(String::as_str)
    }
}
