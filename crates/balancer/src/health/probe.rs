//! One question to a target.
//!
//! Source: Application Load Balancers User Guide, "Health checks for your target groups".

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Version, header};
use plan::target_health::Check;
use rustls::pki_types::ServerName;
use state::{HealthCheck, ProtocolVersion, TargetProtocol};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::stream::Stream;
use crate::tls::Connector;

const USER_AGENT: &str = "ELB-HealthChecker/2.0";
/// The largest head of an answer that is read, in bytes.
const HEAD_MAX: usize = 16 * 1024;
/// Header fields of an answer.
const FIELDS_MAX: usize = 128;
/// A gRPC message of no bytes: not compressed, length zero.
const EMPTY_MESSAGE: &[u8] = &[0; 5];

/// Why a target was not asked, or gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProbeError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Http2(#[from] h2::Error),
    #[error("the answer is not one of the protocol")]
    NoAnswer,
    #[error("the path of the check is none")]
    Path,
}

/// Asks once. The caller bounds the time that it takes.
pub(super) async fn ask(
    address: SocketAddr,
    version: Option<ProtocolVersion>,
    settings: &HealthCheck,
    connector: &Connector,
) -> Result<Check, ProbeError> {
    let stream = TcpStream::connect(address).await?;
    let is_secret = match settings.protocol {
        TargetProtocol::Http => false,
        TargetProtocol::Https | TargetProtocol::Tls => true,
        TargetProtocol::Tcp | TargetProtocol::Udp | TargetProtocol::TcpUdp => {
            return Ok(Check::Reached);
        }
    };
    let is_http2 = matches!(version, Some(ProtocolVersion::Http2 | ProtocolVersion::Grpc));
    let stream = if is_secret {
        let config = if is_http2 { &connector.http2 } else { &connector.http1 };
        let name = ServerName::IpAddress(address.ip().into());
        let shaken = TlsConnector::from(Arc::clone(config)).connect(name, stream).await?;
        Stream::Client(Box::new(shaken))
    } else {
        Stream::Plain(stream)
    };
    if settings.protocol == TargetProtocol::Tls {
        return Ok(Check::Reached);
    }
    let path = settings.path.as_deref().unwrap_or("/");
    match version {
        Some(ProtocolVersion::Grpc) => grpc(stream, address, path).await,
        Some(ProtocolVersion::Http2) => http2(stream, address, path).await,
        Some(ProtocolVersion::Http1) | None => http1(stream, address, path).await,
    }
}

async fn http1<S>(mut stream: S, address: SocketAddr, path: &str) -> Result<Check, ProbeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let question = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         User-Agent: {USER_AGENT}\r\nAccept-Encoding: gzip, compressed\r\n\r\n"
    );
    stream.write_all(question.as_bytes()).await?;
    stream.flush().await?;
    let mut head = Vec::new();
    loop {
        match status_of(&head)? {
            Some((status, length)) if status < 200 => drop(head.drain(..length)),
            Some((status, _)) => return Ok(Check::Code(status)),
            None if head.len() >= HEAD_MAX => return Err(ProbeError::NoAnswer),
            None => {
                if stream.read_buf(&mut head).await? == 0 {
                    return Err(ProbeError::NoAnswer);
                }
            }
        }
    }
}

/// The status of an answer and the length of its head, once that is whole.
fn status_of(head: &[u8]) -> Result<Option<(u16, usize)>, ProbeError> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut answer = httparse::Response::new(&mut fields);
    match answer.parse(head) {
        Ok(httparse::Status::Complete(length)) => {
            Ok(Some((answer.code.ok_or(ProbeError::NoAnswer)?, length)))
        }
        Ok(httparse::Status::Partial) => Ok(None),
        Err(_) => Err(ProbeError::NoAnswer),
    }
}

fn request(method: Method, address: SocketAddr, path: &str) -> Result<Request<()>, ProbeError> {
    let uri = format!("http://{address}{path}");
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = uri.parse().map_err(|_| ProbeError::Path)?;
    request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    Ok(request)
}

async fn http2(stream: Stream, address: SocketAddr, path: &str) -> Result<Check, ProbeError> {
    let (sender, connection) = h2::client::handshake(stream).await?;
    let exchange = async {
        let mut sender = sender.ready().await?;
        let question = request(Method::GET, address, path)?;
        let (answer, _) = sender.send_request(question, true)?;
        Ok(Check::Code(answer.await?.status().as_u16()))
    };
    beside(connection, exchange).await
}

async fn grpc(stream: Stream, address: SocketAddr, path: &str) -> Result<Check, ProbeError> {
    let (sender, connection) = h2::client::handshake(stream).await?;
    let exchange = async {
        let mut sender = sender.ready().await?;
        let mut question = request(Method::POST, address, path)?;
        let headers = question.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        let (answer, mut body) = sender.send_request(question, false)?;
        body.send_data(Bytes::from_static(EMPTY_MESSAGE), true)?;
        let answer = answer.await?;
        if let Some(status) = grpc_status(answer.headers()) {
            return Ok(Check::Code(status));
        }
        let mut body = answer.into_body();
        while let Some(part) = body.data().await {
            let length = part?.len();
            body.flow_control().release_capacity(length)?;
        }
        let trailers = body.trailers().await?.unwrap_or_default();
        grpc_status(&trailers).map(Check::Code).ok_or(ProbeError::NoAnswer)
    };
    beside(connection, exchange).await
}

fn grpc_status(headers: &HeaderMap) -> Option<u16> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

/// Does an exchange while its connection moves the bytes.
async fn beside(
    connection: impl Future<Output = Result<(), h2::Error>>,
    exchange: impl Future<Output = Result<Check, ProbeError>>,
) -> Result<Check, ProbeError> {
    tokio::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        ended = connection => {
            ended?;
            exchange.await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_when_they_are_whole_and_refused_when_they_are_none() {
        let read = |head: &str| status_of(head.as_bytes()).ok().flatten();
        assert_eq!(read("HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody"), Some((200, 25)));
        assert_eq!(read("HTTP/1.0 404 \r\n\r\n"), Some((404, 17)));
        assert_eq!(read("HTTP/1.1 20"), None);
        assert!(status_of(b"SSH-2.0-OpenSSH\r\n").is_err());
    }
}
