//! HTTP/2 over TLS, to targets of either version.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use state::ProtocolVersion;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use super::frames::frame;
use super::lab::{Lab, PATIENCE, attributes};
use super::tls::{CERTIFICATE, secure};

pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let limited = async { tokio::time::timeout(PATIENCE * 5, future).await };
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime.expect("a runtime"), limited).expect("ends in time")
}

async fn shake(address: SocketAddr, protocol: &[u8]) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    let certificate =
        CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).expect("a certificate");
    roots.add(certificate).expect("a good one");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect(address).await.expect("taken in");
    let name = ServerName::try_from("one.lab.test").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("shakes hands")
}

pub(crate) type Sender = h2::client::SendRequest<Bytes>;

pub(crate) async fn client(
    address: SocketAddr,
) -> (Sender, tokio::task::JoinHandle<Result<(), h2::Error>>) {
    let stream = shake(address, b"h2").await;
    let (sender, connection) = h2::client::handshake(stream).await.expect("speaks HTTP/2");
    (sender, tokio::task::spawn_local(connection))
}

/// Status, body and trailers of the answer to a request with that body.
pub(crate) async fn ask(
    sender: &Sender,
    (method, path): (Method, &str),
    body: &[&'static str],
) -> (u16, String, Option<HeaderMap>) {
    let request = Request::builder()
        .method(method)
        .uri(format!("https://one.lab.test{path}"))
        .header("content-type", "application/grpc")
        .body(())
        .expect("a request");
    ask_for(sender, request, body).await
}

pub(crate) async fn ask_for(
    sender: &Sender,
    request: Request<()>,
    body: &[&'static str],
) -> (u16, String, Option<HeaderMap>) {
    let mut sender = sender.clone().ready().await.expect("takes a request");
    let (answer, mut stream) = sender.send_request(request, body.is_empty()).expect("is sent");
    for (number, piece) in body.iter().enumerate() {
        stream.send_data(Bytes::from(*piece), number + 1 == body.len()).expect("is sent");
    }
    let (parts, mut body) = answer.await.expect("is answered").into_parts();
    let mut all = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.expect("comes whole");
        body.flow_control().release_capacity(data.len()).expect("was taken");
        all.extend_from_slice(&data);
    }
    let trailers = body.trailers().await.expect("ends well");
    (parts.status.as_u16(), String::from_utf8_lossy(&all).into_owned(), trailers)
}

pub(crate) fn plain(path: &str) -> Request<()> {
    Request::get(format!("https://one.lab.test{path}")).body(()).expect("a request")
}

#[test]
fn streams_are_carried_to_targets_that_speak_http1() {
    let lab = Lab::with(secure);
    run(async {
        let (sender, _connection) = client(lab.address).await;
        let (status, body, _) = ask_for(&sender, plain("/echo?x"), &[]).await;
        assert_eq!(status, 200);
        assert!(body.starts_with("GET /echo?x HTTP/1.1\r\nHost: one.lab.test\r\n"), "{body}");
        assert!(body.contains("X-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n"), "{body}");

        let post = Request::post("https://one.lab.test/echo").body(()).expect("a request");
        let (_, body, _) = ask_for(&sender, post, &["hel", "lo"]).await;
        assert!(
            body.contains("Transfer-Encoding: chunked") && body.ends_with("\r\n\r\nhello"),
            "{body}"
        );

        let (_, body, trailers) = ask_for(&sender, plain("/chunked"), &[]).await;
        assert_eq!(body, "hello world");
        assert_eq!(trailers.expect("some")["x-sum"], "1");

        let (status, body, _) = ask_for(&sender, plain("/large?300000"), &[]).await;
        assert_eq!((status, body.len()), (200, 300_000));
        for (path, expected) in
            [("/close", 502), ("/bad", 502), ("/status?304", 304), ("/early", 403)]
        {
            assert_eq!(ask_for(&sender, plain(path), &[]).await.0, expected, "{path}");
        }
    });
}

#[test]
fn a_client_has_its_connection_as_long_as_the_attribute_says() {
    let keep = |seconds| attributes(&[("client_keep_alive.seconds", seconds)]);
    let lab = Lab::with(|table| {
        secure(table);
        table.load_balancers[0].attributes = keep("3600");
    });
    run(async {
        let (sender, connection) = client(lab.address).await;
        for _ in 0..2 {
            assert_eq!(ask_for(&sender, plain("/echo"), &[]).await.0, 200);
        }
        let mut table = lab.table.clone();
        table.load_balancers[0].attributes = keep("0");
        table.generation.version += 1;
        lab.balancer.apply(table).await;
        // It is told to go, not blamed, though it has more to ask. Its own goodbye may find nobody.
        let ended = connection.await.expect("runs");
        assert!(ended.as_ref().err().is_none_or(h2::Error::is_io), "{ended:?}");
        assert!(sender.ready().await.is_err());
    });
}

#[test]
fn clients_that_do_not_speak_http2_get_http1() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let lab = Lab::with(|table| {
        secure(table);
        table.load_balancers[0].attributes =
            attributes(&[("routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "true")]);
    });
    run(async {
        let mut stream = shake(lab.address, b"http/1.1").await;
        let request = b"GET /echo HTTP/1.1\r\nHost: one.lab.test\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.expect("is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("ends well");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("X-Amzn-Tls-Version: TLSv1.3\r\n"), "{answer}");
    });
}

/// A target that speaks HTTP/2 and answers with what it was sent, and a trailer.
async fn grpc(listener: TcpListener) {
    loop {
        let (stream, _) = listener.accept().await.expect("accepts");
        tokio::task::spawn_local(async move {
            let mut connection = h2::server::handshake(stream).await.expect("speaks HTTP/2");
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                tokio::task::spawn_local(async move {
                    assert_eq!(request.headers()["te"], "trailers");
                    let mut body = request.into_body();
                    let mut answer =
                        respond.send_response(Response::new(()), false).expect("is sent");
                    while let Some(Ok(data)) = body.data().await {
                        let _ = body.flow_control().release_capacity(data.len());
                        answer.send_data(data, false).expect("is sent");
                    }
                    let mut trailers = HeaderMap::new();
                    trailers.insert("grpc-status", "0".parse().expect("a value"));
                    answer.send_trailers(trailers).expect("is sent");
                });
            }
        });
    }
}

#[test]
fn grpc_goes_through_with_its_trailers() {
    let mut lab = Lab::with(secure);
    run(async {
        let listener = TcpListener::bind((lab.address.ip(), 0)).await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        tokio::task::spawn_local(grpc(listener));
        let mut table = lab.table.clone();
        table.generation.version += 1;
        table.groups[0].version = Some(ProtocolVersion::Grpc);
        table.groups[0].targets[0].port = port;
        lab.balancer.apply(table.clone()).await;
        lab.table = table;
        let (sender, _connection) = client(lab.address).await;
        for _ in 0..3 {
            let (status, body, trailers) =
                ask(&sender, (Method::POST, "/service/call"), &["one", "two"]).await;
            assert_eq!((status, body.as_str()), (200, "onetwo"));
            assert_eq!(trailers.expect("some")["grpc-status"], "0");
        }
        assert_eq!(ask(&sender, (Method::GET, "/service/call"), &[]).await.0, 464);
    });
}

#[test]
fn what_a_target_says_early_is_passed_on() {
    let mut lab = Lab::with(secure);
    run(async {
        let listener = TcpListener::bind((lab.address.ip(), 0)).await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        tokio::task::spawn_local(async move {
            let (stream, _) = listener.accept().await.expect("accepts");
            let mut connection = h2::server::handshake(stream).await.expect("speaks HTTP/2");
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                for link in ["</a>", "</b>"] {
                    let early = Response::builder().status(103).header("link", link).body(());
                    respond.send_informational(early.expect("a head")).expect("is sent");
                }
                respond.send_response(Response::new(()), true).expect("is sent");
            }
        });
        let mut table = lab.table.clone();
        table.generation.version += 1;
        table.groups[0].version = Some(ProtocolVersion::Http2);
        table.groups[0].targets[0].port = port;
        lab.balancer.apply(table.clone()).await;
        lab.table = table;

        let (sender, _connection) = client(lab.address).await;
        let mut sender = sender.ready().await.expect("takes a request");
        let (mut answer, _) = sender.send_request(plain("/hints"), true).expect("is sent");
        for link in ["</a>", "</b>"] {
            let early = core::future::poll_fn(|cx| answer.poll_informational(cx)).await;
            let early = early.expect("comes first").expect("is one");
            assert_eq!(
                (early.status().as_u16(), &early.headers()["link"]),
                (103, &link.parse().expect("a value"))
            );
        }
        assert_eq!(answer.await.expect("is answered").status(), 200);
    });
}

#[test]
fn grpc_is_no_match_for_targets_that_speak_http1() {
    let lab = Lab::with(secure);
    run(async {
        let (sender, _connection) = client(lab.address).await;
        assert_eq!(ask(&sender, (Method::POST, "/a/b"), &["x"]).await.0, 464);
    });
}

#[test]
fn a_client_that_resets_what_it_asks_for_is_cut_off() {
    let lab = Lab::with(secure);
    run(async {
        let (sender, connection) = client(lab.address).await;
        let mut sender = sender;
        loop {
            let Ok(ready) = sender.clone().ready().await else { break };
            sender = ready;
            let Ok((_, mut stream)) = sender.send_request(plain("/slow"), false) else { break };
            stream.send_reset(h2::Reason::CANCEL);
            tokio::task::yield_now().await;
        }
        drop(sender);
        let _ = connection.await;
        // Others are served as before.
        let (sender, _connection) = client(lab.address).await;
        assert_eq!(ask_for(&sender, plain("/echo"), &[]).await.0, 200);
    });
}

/// Sends a beginning, then a frame again and again, without reading an answer; whether the balancer
/// ends that before `limit` bytes were taken.
async fn is_cut_off(address: SocketAddr, first: &[u8], again: &[u8], limit: usize) -> bool {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let stream = shake(address, b"h2").await;
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut start = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    start.extend_from_slice(&frame(4, 0, 0, []));
    start.extend_from_slice(first);
    writer.write_all(&start).await.expect("is taken");
    let flood = async {
        let many = again.repeat(1 + 16_384 / again.len());
        for _ in 0..limit / many.len() {
            if writer.write_all(&many).await.is_err() {
                return true;
            }
        }
        false
    };
    let end = async {
        let mut bytes = vec![0; 65_536];
        while reader.read(&mut bytes).await.is_ok_and(|it| it > 0) {}
        true
    };
    tokio::select! { cut = flood => cut, cut = end => cut }
}

#[test]
fn floods_of_frames_are_cut_off() {
    let lab = Lab::with(secure);
    run(async {
        // Fields that never end: `x` is not indexed and has no value.
        let field = [0x00, 0x01, b'x', 0x00].repeat(1_000);
        let headers = frame(1, 0, 1, &field);
        let continuation = frame(9, 0, 1, &field);
        assert!(is_cut_off(lab.address, &headers, &continuation, 64 << 20).await);
        // Data of a stream that does not exist, and a frame that is too large.
        let data = frame(0, 0, 7, b"x");
        assert!(is_cut_off(lab.address, &[], &data, 64 << 20).await);
        let large = frame(6, 0, 0, vec![0; 20_000]);
        assert!(is_cut_off(lab.address, &[], &large, 64 << 20).await);
        // Nothing of it concerns others.
        let (sender, _connection) = client(lab.address).await;
        assert_eq!(ask_for(&sender, plain("/echo"), &[]).await.0, 200);
    });
}

#[test]
fn a_connection_says_goodbye_after_ten_thousand_requests() {
    let lab = Lab::with(|table| {
        secure(table);
        let fixed = state::Action::Fixed { status: 200, content_type: None, body: String::new() };
        table.load_balancers[0].listeners[0].rules[0].action = fixed;
    });
    run(async {
        let (sender, connection) = client(lab.address).await;
        for _ in 0..10_000 {
            assert_eq!(ask_for(&sender, plain("/"), &[]).await.0, 200);
        }
        // This side would go on.
        let _ = connection.await.expect("runs");
        drop(sender);
    });
}
