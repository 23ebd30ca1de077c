//! Speaks to targets from the addresses of their clients, by transparent sockets.
//!
//! Source: Network Load Balancers User Guide, "Client IP preservation"; ip(7), `IP_TRANSPARENT`.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;

use socket2::{Domain, Socket, Type};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

use super::choose::{Choice, Flow};

/// Whether the answers of a target at that address find back to this machine, whosever address they
/// go to.
pub type Answers = Arc<dyn Fn(Ipv4Addr) -> bool + Send + Sync>;

/// Nobody's do.
pub(crate) fn nobody_answers() -> Answers {
    Arc::new(|_| false)
}

/// Who speaks to the target of a flow: its client, or `None` for the balancer.
pub(super) fn speaker(flow: Flow, choice: &Choice, answers: &Answers) -> Option<SocketAddrV4> {
    let group = &choice.group.ready;
    let told = &group.told;
    let (SocketAddr::V4(client), SocketAddr::V4(target)) = (flow.client, choice.address) else {
        return None;
    };
    let is_asked = group.attributes.preserves_client_ip(told.target_type, told.protocol);
    // A loopback address means another machine there. A target that hears its own address takes it
    // for a forgery: in AWS such a flow does not come about.
    let can_be = !client.ip().is_loopback() && client.ip() != target.ip();
    (is_asked && can_be && answers(*target.ip())).then_some(client)
}

/// A connection to a target from a client's address, and its port if nobody has it here. Those of
/// clients on this machine are held by the clients themselves.
pub(super) async fn stream(client: SocketAddrV4, target: SocketAddr) -> io::Result<TcpStream> {
    match stream_from(client, target).await {
        Err(error) if is_held(&error) => stream_from(any_port(client), target).await,
        made => made,
    }
}

/// Likewise for datagrams.
pub(super) async fn datagrams(client: SocketAddrV4, target: SocketAddr) -> io::Result<UdpSocket> {
    let socket = match datagrams_from(client) {
        Err(error) if is_held(&error) => datagrams_from(any_port(client)),
        made => made,
    }?;
    socket.connect(target).await?;
    Ok(socket)
}

async fn stream_from(client: SocketAddrV4, target: SocketAddr) -> io::Result<TcpStream> {
    let socket = transparent(Type::STREAM)?;
    // Connections of before that are closing do not matter.
    socket.set_reuse_address(true)?;
    socket.bind(&client.into())?;
    TcpSocket::from_std_stream(socket.into()).connect(target).await
}

/// The address is shared with nobody: a client on this machine would lose its answers.
fn datagrams_from(client: SocketAddrV4) -> io::Result<UdpSocket> {
    let socket = transparent(Type::DGRAM)?;
    socket.bind(&client.into())?;
    UdpSocket::from_std(socket.into())
}

fn transparent(kind: Type) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, kind.nonblocking().cloexec(), None)?;
    socket.set_ip_transparent_v4(true)?;
    Ok(socket)
}

fn any_port(client: SocketAddrV4) -> SocketAddrV4 {
    SocketAddrV4::new(*client.ip(), 0)
}

fn is_held(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable)
}

#[cfg(test)]
mod tests;
