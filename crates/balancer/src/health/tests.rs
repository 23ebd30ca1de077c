//! Questions to real servers of loopback.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use state::{Matcher, ProtocolVersion, TargetProtocol};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::*;

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn settings(protocol: TargetProtocol) -> HealthCheck {
    HealthCheck {
        enabled: true,
        protocol,
        port: None,
        path: Some("/health?deep=1".into()),
        interval: Duration::from_secs(5),
        timeout: Duration::from_secs(2),
        healthy_threshold: 3,
        unhealthy_threshold: 2,
        matcher: Some(Matcher::Http("200".into())),
    }
}

/// A server that takes one client, says this when it has heard a whole head, and gives that head.
async fn server(answer: &'static [u8]) -> (SocketAddr, oneshot::Receiver<String>) {
    let listener = TcpListener::bind((LOCAL, 0)).await.expect("binds");
    let address = listener.local_addr().expect("has one");
    let (tell, told) = oneshot::channel();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a client");
        let mut heard = Vec::new();
        while !heard.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut heard).await.expect("reads") == 0 {
                break;
            }
        }
        stream.write_all(answer).await.expect("writes");
        // The client may have gone: it has asked for the head only.
        drop(tell.send(String::from_utf8_lossy(&heard).into_owned()));
        drop(stream.read_buf(&mut heard).await);
    });
    (address, told)
}

async fn ask_once(address: SocketAddr, protocol: TargetProtocol) -> Result<Check, String> {
    let connector = Connector::new();
    let version = Some(ProtocolVersion::Http1);
    let settings = settings(protocol);
    let asked = probe::ask(address, version, &settings, &connector).await;
    asked.map_err(|it| it.to_string())
}

#[tokio::test]
async fn a_question_of_http_is_as_aws_puts_it() {
    let answer = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 503 Busy\r\ncontent-length: 9\r\n\r\n";
    let (address, heard) = server(answer).await;
    assert_eq!(ask_once(address, TargetProtocol::Http).await, Ok(Check::Code(503)));
    let heard = heard.await.expect("it was asked");
    assert!(heard.starts_with("GET /health?deep=1 HTTP/1.1\r\n"), "{heard}");
    assert!(heard.contains(&format!("Host: {address}\r\n")), "{heard}");
    assert!(heard.contains("User-Agent: ELB-HealthChecker/2.0\r\n"), "{heard}");
    assert!(heard.contains("Connection: close\r\n"), "{heard}");
}

#[tokio::test]
async fn who_speaks_something_else_or_nothing_has_failed() {
    let (address, _heard) = server(b"SSH-2.0-OpenSSH_9\r\n").await;
    assert!(ask_once(address, TargetProtocol::Http).await.is_err());
    // Nobody listens there, and nobody is given that port.
    let closed = SocketAddr::new(LOCAL, 1);
    assert!(ask_once(closed, TargetProtocol::Tcp).await.is_err());
}

#[tokio::test]
async fn a_port_that_takes_connections_is_enough_for_tcp() {
    let listener = TcpListener::bind((LOCAL, 0)).await.expect("binds");
    let address = listener.local_addr().expect("has one");
    assert_eq!(ask_once(address, TargetProtocol::Tcp).await, Ok(Check::Reached));
}

/// Answers one question over HTTP/2 with this status and, as trailers, this gRPC status.
async fn http2_server(grpc_status: &'static str) -> SocketAddr {
    let listener = TcpListener::bind((LOCAL, 0)).await.expect("binds");
    let address = listener.local_addr().expect("has one");
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a client");
        let mut connection = h2::server::handshake(stream).await.expect("speaks HTTP/2");
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            let answer = http::Response::new(());
            let mut body = respond.send_response(answer, false).expect("open");
            let mut trailers = http::HeaderMap::new();
            trailers.insert("grpc-status", http::HeaderValue::from_static(grpc_status));
            body.send_trailers(trailers).expect("open");
        }
    });
    address
}

#[tokio::test]
async fn targets_of_grpc_are_asked_for_their_grpc_status() {
    let connector = Connector::new();
    for (version, expected) in [(ProtocolVersion::Grpc, 12), (ProtocolVersion::Http2, 200)] {
        let address = http2_server("12").await;
        let settings = settings(TargetProtocol::Http);
        let found = probe::ask(address, Some(version), &settings, &connector).await;
        assert_eq!(found.expect("an answer"), Check::Code(expected));
    }
}
