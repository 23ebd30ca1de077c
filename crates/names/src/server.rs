//! The sockets of the server.

use core::time::Duration;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::answer;
use crate::desk::{Desk, Errand, Next};
use crate::query::Way;

/// Questions of one socket that wait for a resolver; further ones fail at once.
const ERRANDS_MAX: usize = 256;
/// Connections of one socket at once; further ones wait.
const CONNECTIONS_MAX: usize = 128;
/// How long a client may take to send a question or to take an answer. Source: RFC 7766, section
/// 6.2.3: some seconds.
const IDLE_MAX: Duration = Duration::from_secs(10);
/// Bytes of a question by UDP: longer ones are cut off, and then none.
const DATAGRAM_BYTES: usize = 4096;
/// How long a socket rests after an error that would come again at once.
const REST: Duration = Duration::from_millis(50);

/// An address that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot answer names on {address}")]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// Why not.
    pub source: io::Error,
}

/// A server with its sockets, UDP and TCP for each address.
#[derive(Debug)]
pub struct Server {
    sockets: Vec<(UdpSocket, TcpListener)>,
    own: Vec<SocketAddr>,
}

impl Server {
    /// Opens the sockets. Port 0 is one that is free.
    ///
    /// # Errors
    ///
    /// The first address that cannot be had.
    pub async fn bind(addresses: &[SocketAddr]) -> Result<Self, BindError> {
        let (mut sockets, mut own) = (Vec::new(), Vec::new());
        for &address in addresses {
            let pair = pair(address).await;
            let (udp, tcp, address) = pair.map_err(|source| BindError { address, source })?;
            sockets.push((udp, tcp));
            own.push(address);
        }
        Ok(Self { sockets, own })
    }

    /// Where it is reached.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.own
    }

    /// Answers until the signal says `true`, or nobody could say it any more. Questions under way are
    /// then left: clients ask again.
    pub async fn serve(self, desk: Arc<Desk>, mut close: watch::Receiver<bool>) {
        let own: Arc<[SocketAddr]> = self.own.into();
        let mut loops = JoinSet::new();
        for (udp, tcp) in self.sockets {
            let counter = Counter { desk: desk.clone(), own: own.clone() };
            loops.spawn(datagrams(counter.clone(), Arc::new(udp)));
            loops.spawn(connections(counter, tcp));
        }
        drop(close.wait_for(|it| *it).await);
        loops.shutdown().await;
    }
}

async fn pair(address: SocketAddr) -> io::Result<(UdpSocket, TcpListener, SocketAddr)> {
    loop {
        let tcp = TcpListener::bind(address).await?;
        let own = tcp.local_addr()?;
        match UdpSocket::bind(own).await {
            // A port that is free for one need not be for the other.
            Err(error) if address.port() == 0 && error.kind() == io::ErrorKind::AddrInUse => {}
            udp => return Ok((udp?, tcp, own)),
        }
    }
}

/// What every socket needs.
#[derive(Clone)]
struct Counter {
    desk: Arc<Desk>,
    own: Arc<[SocketAddr]>,
}

impl Counter {
    async fn run(&self, errand: Errand) -> Vec<u8> {
        errand.run(&self.desk.resolvers, &self.own).await
    }
}

async fn datagrams(counter: Counter, socket: Arc<UdpSocket>) {
    let seats = Arc::new(Semaphore::new(ERRANDS_MAX));
    let mut errands = JoinSet::new();
    let mut bytes = vec![0; DATAGRAM_BYTES];
    loop {
        while errands.try_join_next().is_some() {}
        let (length, from) = match socket.recv_from(&mut bytes).await {
            Ok(it) => it,
            Err(error) => {
                tracing::debug!(%error, "cannot take a question in");
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        let question = bytes.get(..length).unwrap_or_default();
        match counter.desk.look(from.ip(), question, Way::Udp) {
            Next::Silence => {}
            Next::Say(answer) => say(&socket, &answer, from).await,
            Next::Ask(errand) => match seats.clone().try_acquire_owned() {
                Ok(seat) => {
                    let (counter, socket) = (counter.clone(), socket.clone());
                    errands.spawn(async move {
                        say(&socket, &counter.run(errand).await, from).await;
                        drop(seat);
                    });
                }
                Err(_) => say(&socket, &answer::failure(errand.query()), from).await,
            },
        }
    }
}

/// Whoever gets no answer asks again.
async fn say(socket: &UdpSocket, answer: &[u8], to: SocketAddr) {
    if let Err(error) = socket.send_to(answer, to).await {
        tracing::debug!(%error, %to, "an answer cannot be sent");
    }
}

async fn connections(counter: Counter, listener: TcpListener) {
    let seats = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut open = JoinSet::new();
    loop {
        while open.try_join_next().is_some() {}
        let Ok(seat) = seats.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, from)) => {
                let counter = counter.clone();
                open.spawn(async move {
                    if let Err(error) = connection(&counter, stream, from).await {
                        tracing::debug!(%error, %from, "a connection for names ended");
                    }
                    drop(seat);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "cannot accept a connection for names");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

/// Answers one question after the other until the client goes or says nothing for too long.
async fn connection(counter: &Counter, mut stream: TcpStream, from: SocketAddr) -> io::Result<()> {
    loop {
        let question = timeout(IDLE_MAX, question(&mut stream)).await??;
        let answer = match counter.desk.look(from.ip(), &question, Way::Tcp) {
            // Whoever sends what is no question by a connection gets no second chance.
            Next::Silence => return Ok(()),
            Next::Say(answer) => answer,
            Next::Ask(errand) => counter.run(errand).await,
        };
        let Ok(length) = u16::try_from(answer.len()) else { return Ok(()) };
        let bytes = [&length.to_be_bytes(), answer.as_slice()].concat();
        timeout(IDLE_MAX, stream.write_all(&bytes)).await??;
    }
}

async fn question(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}
