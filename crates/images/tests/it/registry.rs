//! A small registry on loopback that can be made to misbehave.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use images::{Digest, Options, Progress, PullError, PullRequest, Pulled, Puller, Store, Watch};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::fixture::{Content, NOW};

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// With its query.
    pub(crate) path: String,
    /// By names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    fn offset(&self) -> usize {
        let range = self.header("range").and_then(|it| it.strip_prefix("bytes="));
        range.map_or(0, |it| it.trim_end_matches('-').parse().expect("a number"))
    }
}

/// What to answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Hangs up after so many bytes of the body.
    pub(crate) cut: Option<usize>,
    /// Never answers.
    pub(crate) silent: bool,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub(crate) fn text(status: u16, body: &str) -> Self {
        Self { body: body.as_bytes().to_vec(), ..Self::status(status) }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn head(&self) -> String {
        let length = self.body.len();
        let mut head = format!("HTTP/1.1 {} X\r\ncontent-length: {length}\r\n", self.status);
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").expect("memory");
        }
        head + "connection: close\r\n\r\n"
    }
}

/// Asked first; what it leaves alone is answered properly.
type Twist = dyn Fn(&Seen) -> Option<Reply> + Send + Sync;

/// What a registry holds and has seen.
pub(crate) struct Registry {
    pub(crate) host: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// What a registry answers with.
#[derive(Default)]
pub(crate) struct Shelf {
    /// By what follows `/v2/`.
    files: BTreeMap<String, Vec<u8>>,
}

impl Shelf {
    /// Holds an image under a tag and its digest.
    pub(crate) fn image(mut self, repository: &str, tag: &str, content: &Content) -> Self {
        for blob in content.blobs() {
            self = self.file(&format!("{repository}/blobs/{}", Digest::of(blob)), blob);
        }
        let by_digest = format!("{repository}/manifests/{}", content.digest());
        self.file(&by_digest, &content.manifest)
            .file(&format!("{repository}/manifests/{tag}"), &content.manifest)
    }

    pub(crate) fn file(mut self, path: &str, bytes: &[u8]) -> Self {
        self.files.insert(format!("/v2/{path}"), bytes.to_vec());
        self
    }

    fn answer(&self, seen: &Seen) -> Reply {
        let Some(bytes) = self.files.get(seen.path.as_str()) else {
            let unknown =
                r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
            return Reply::text(404, unknown);
        };
        let offset = seen.offset();
        if offset == 0 {
            return Reply { body: bytes.clone(), ..Reply::status(200) };
        }
        let range = format!("bytes {offset}-{}/{}", bytes.len() - 1, bytes.len());
        Reply { body: bytes[offset..].to_vec(), ..Reply::status(206) }
            .header("content-range", &range)
    }
}

impl Registry {
    /// A registry that behaves.
    pub(crate) async fn start(shelf: Shelf) -> Self {
        Self::twisted(shelf, |_| None).await
    }

    /// A registry whose answers may be others than they should.
    pub(crate) async fn twisted(
        shelf: Shelf,
        twist: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        Self::listen(shelf, Arc::new(twist), None).await
    }

    /// A registry that speaks TLS, as `localhost`.
    pub(crate) async fn secure(
        shelf: Shelf,
        twist: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let key = include_bytes!("tls/localhost.key").to_vec();
        let key = PrivateKeyDer::try_from(key).expect("a key");
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(
            rustls::crypto::ring::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(certificate())], key)
        .expect("a certificate");
        Self::listen(shelf, Arc::new(twist), Some(Arc::new(config))).await
    }

    async fn listen(
        shelf: Shelf,
        twist: Arc<Twist>,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let host = format!("{}:{port}", if tls.is_some() { "localhost" } else { "127.0.0.1" });
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (shelf, log) = (Arc::new(shelf), seen.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (shelf, twist, log, tls) =
                    (shelf.clone(), twist.clone(), log.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, &shelf, &*twist, &log).await,
                        Some(tls) => {
                            // A client that does not trust us ends here.
                            let Ok(stream) =
                                tokio_rustls::TlsAcceptor::from(tls).accept(stream).await
                            else {
                                return;
                            };
                            serve(stream, &shelf, &*twist, &log).await;
                        }
                    }
                });
            }
        });
        Self { host, seen }
    }

    /// Requests so far whose path has this in it.
    pub(crate) fn seen(&self, part: &str) -> Vec<Seen> {
        let seen = self.seen.lock().expect("no panic");
        seen.iter().filter(|it| it.path.contains(part)).cloned().collect()
    }

    /// Pulls `app:1` from here.
    pub(crate) async fn pull(&self, store: &Store) -> Result<Pulled, PullError> {
        pull(store, &format!("{}/app:1", self.host)).await
    }
}

/// The certificate of `localhost`, signed by itself.
pub(crate) fn certificate() -> Vec<u8> {
    include_bytes!("tls/localhost.crt").to_vec()
}

/// Options that do not wait.
pub(crate) fn options() -> Options {
    Options { pause: std::time::Duration::from_millis(1), ..Options::default() }
}

pub(crate) fn request(name: &str) -> PullRequest {
    PullRequest { name: name.to_owned(), credentials: None, now: NOW }
}

pub(crate) async fn pull(store: &Store, name: &str) -> Result<Pulled, PullError> {
    Puller::new(store.clone(), options()).pull(&request(name), Arc::new(|_| {})).await
}

/// A watch that keeps what it was told last.
pub(crate) fn watch() -> (Watch, Arc<Mutex<Progress>>) {
    let last = Arc::new(Mutex::new(Progress::default()));
    let kept = last.clone();
    (Arc::new(move |it| *kept.lock().expect("no panic") = it), last)
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    shelf: &Shelf,
    twist: &Twist,
    log: &Mutex<Vec<Seen>>,
) {
    let Some(seen) = read(&mut stream).await else { return };
    log.lock().expect("no panic").push(seen.clone());
    let reply = twist(&seen).unwrap_or_else(|| shelf.answer(&seen));
    if reply.silent {
        std::future::pending::<()>().await;
    }
    let body = &reply.body[..reply.cut.unwrap_or(reply.body.len())];
    // A client that hangs up early is one of the cases.
    let _ = stream.write_all(&[reply.head().as_bytes(), body].concat()).await;
    let _ = stream.shutdown().await;
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Seen> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.ok()?);
        // The start of TLS is no request: hang up, as servers do.
        if bytes == [0x16] {
            return None;
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    let mut lines = text.lines();
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_lowercase(), value.trim().to_owned()))
    };
    Some(Seen { path, headers: lines.filter_map(header).collect() })
}
