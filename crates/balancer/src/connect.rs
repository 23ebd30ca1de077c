//! Connecting to targets.

use core::time::Duration;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use state::TargetProtocol;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::stream::Stream;

/// Why there is no connection to a target.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("the target did not take the connection in time")]
    Timeout,
    #[error("the target did not take the connection")]
    Refused(#[source] io::Error),
    #[error("the target does not speak TLS as we do")]
    Tls(#[source] io::Error),
}

/// Connects to a target in the group's protocol. So long may it take to take the connection, and as
/// long to shake hands.
pub(crate) async fn connect(
    address: SocketAddr,
    protocol: TargetProtocol,
    tls: &Arc<ClientConfig>,
    within: Duration,
) -> Result<Stream, ConnectError> {
    connect_by(TcpStream::connect(address), address, protocol, (tls, within)).await
}

/// Likewise, over a connection to it that is being made.
pub(crate) async fn connect_by(
    making: impl Future<Output = io::Result<TcpStream>>,
    address: SocketAddr,
    protocol: TargetProtocol,
    (tls, within): (&Arc<ClientConfig>, Duration),
) -> Result<Stream, ConnectError> {
    let stream = match timeout(within, making).await {
        Err(_) => return Err(ConnectError::Timeout),
        Ok(connected) => connected.map_err(ConnectError::Refused)?,
    };
    // Heads and small bodies must not wait for more; a socket that cannot do that is as good.
    let _ = stream.set_nodelay(true);
    if !matches!(protocol, TargetProtocol::Https | TargetProtocol::Tls) {
        return Ok(Stream::Plain(stream));
    }
    let connector = TlsConnector::from(Arc::clone(tls));
    let name = ServerName::IpAddress(address.ip().into());
    match timeout(within, connector.connect(name, stream)).await {
        Err(_) => Err(ConnectError::Timeout),
        Ok(shaken) => Ok(Stream::Client(Box::new(shaken.map_err(ConnectError::Tls)?))),
    }
}
