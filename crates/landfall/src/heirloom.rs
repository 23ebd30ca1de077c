//! Listening sockets on their way between a balancer and `up`, which holds them for the next one:
//! packets of one size over a pair of sockets. The balancer's end is its standard input.

use core::mem::MaybeUninit;
use core::time::Duration;
use std::collections::BTreeMap;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use balancer::Inheritance;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, Shutdown, SocketFlags, SocketType, recvmsg, sendmsg, shutdown,
    socketpair,
};

/// Sockets of one address at most: as many as the kernel takes with one packet.
const SOCKETS_MAX: usize = 253;
/// Bytes of a packet: its text, and zeros.
const PACKET: usize = 64;
/// How long a balancer waits for who holds its sockets.
const TELL_WITHIN: Duration = Duration::from_secs(1);
const AT: &str = "at ";
const ALL: &str = "all";
const LEAVES: &str = "leaves";

/// What is said.
#[derive(Debug)]
pub(crate) enum Packet {
    /// These are the sockets of an address; none is that it has none any more.
    At(SocketAddr, Vec<OwnedFd>),
    /// That was all that the one before has left.
    All,
    /// This balancer takes nobody in any more: the next one may begin.
    Leaves,
}

/// The ends of a line: of who holds the sockets, which does not block, and of the balancer.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    rustix::io::ioctl_fionbio(&ours, true)?;
    set_socket_timeout(&theirs, Timeout::Send, Some(TELL_WITHIN))?;
    Ok((ours, theirs))
}

/// Sends the sockets of an address.
pub(crate) fn send_sockets(
    to: impl AsFd,
    address: SocketAddr,
    sockets: &[BorrowedFd<'_>],
) -> io::Result<()> {
    send(to, &format!("{AT}{address}"), sockets)
}

/// Sends that there are no more.
pub(crate) fn send_all(to: impl AsFd) -> io::Result<()> {
    send(to, ALL, &[])
}

fn send(to: impl AsFd, text: &str, sockets: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !sockets.is_empty() && !control.push(SendAncillaryMessage::ScmRights(sockets)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(PACKET, 0);
    match sendmsg(to, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL)? {
        PACKET => Ok(()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}

/// The next packet; `None` once the other end is gone.
///
/// # Errors
///
/// What the system says, and [`io::ErrorKind::InvalidData`] of what is no packet.
pub(crate) fn receive(from: impl AsFd) -> io::Result<Option<Packet>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [0; PACKET];
    let got =
        recvmsg(from, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut sockets = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(found) = message {
            sockets.extend(found);
        }
    }
    if got.bytes == 0 {
        return Ok(None);
    }
    Ok(Some(match core::str::from_utf8(&bytes).map(|it| it.trim_end_matches('\0')) {
        Ok(ALL) => Packet::All,
        Ok(LEAVES) => Packet::Leaves,
        Ok(text) => {
            let address = text.strip_prefix(AT).and_then(|it| it.parse().ok());
            Packet::At(address.ok_or(io::ErrorKind::InvalidData)?, sockets)
        }
        Err(_) => return Err(io::ErrorKind::InvalidData.into()),
    }))
}

/// A balancer's end of the line.
#[derive(Clone)]
pub(crate) struct Line(Arc<OwnedFd>);

impl Line {
    /// That of this process: its standard input.
    pub(crate) fn own() -> io::Result<Self> {
        Ok(Self(Arc::new(io::stdin().as_fd().try_clone_to_owned()?)))
    }

    /// What the one before has left. Who holds it has sent all of it before this process began.
    pub(crate) fn inheritance(&self) -> Arc<Inheritance> {
        let mut left = BTreeMap::new();
        while let Ok(Some(Packet::At(address, sockets))) = receive(&*self.0) {
            left.insert(address, sockets.into_iter().map(TcpListener::from).collect());
        }
        let line = self.clone();
        Inheritance::new(left, Box::new(move |address, sockets| line.tell(address, sockets)))
    }

    /// Tells that this balancer takes nobody in any more.
    pub(crate) fn leave(&self) {
        self.note(send(&*self.0, LEAVES, &[]));
    }

    fn tell(&self, address: SocketAddr, sockets: &[Arc<TcpListener>]) {
        let sockets: Vec<_> = sockets.iter().map(AsFd::as_fd).collect();
        self.note(send_sockets(&*self.0, address, &sockets));
    }

    /// Who has missed something must not hold anything: clients would wait where nobody comes.
    fn note(&self, sent: io::Result<()>) {
        if let Err(error) = sent {
            tracing::debug!(%error, "nobody holds the listening sockets");
            // If it is gone already nobody holds anything.
            let _ = shutdown(&*self.0, Shutdown::Both);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn a_client_that_comes_while_nobody_serves_is_taken_in_by_the_next_one() {
        let (holder, balancer) = pair().expect("a pair");
        let first = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = first.local_addr().expect("bound");
        Line(Arc::new(balancer)).tell(address, &[Arc::new(first)]);
        let Ok(Some(Packet::At(at, held))) = receive(&holder) else { panic!("is told") };
        assert_eq!((at, held.len()), (address, 1));
        let mut client = TcpStream::connect(address).expect("somebody holds the socket");
        client.write_all(b"hi").expect("is sent");

        let (holder, balancer) = pair().expect("a pair");
        let sockets: Vec<_> = held.iter().map(AsFd::as_fd).collect();
        send_sockets(&holder, address, &sockets).expect("fits");
        send_all(&holder).expect("fits");
        let Ok(Some(Packet::At(_, left))) = receive(&balancer) else { panic!("is given") };
        let second: Vec<_> = left.into_iter().map(TcpListener::from).collect();
        let (stream, from) = second[0].accept().expect("waits there");
        assert_eq!(from, client.local_addr().expect("connected"));
        drop(stream);
        assert!(matches!(receive(&balancer), Ok(Some(Packet::All))));
    }

    #[test]
    fn who_cannot_be_told_holds_nothing() {
        let (holder, balancer) = pair().expect("a pair");
        let line = Line(Arc::new(balancer));
        line.leave();
        assert!(matches!(receive(&holder), Ok(Some(Packet::Leaves))));
        line.note(Err(io::ErrorKind::WouldBlock.into()));
        assert!(matches!(receive(&holder), Ok(None)));
    }
}
