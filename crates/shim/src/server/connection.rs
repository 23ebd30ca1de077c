//! One client: frames in, frames out, never waiting for it.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustix::event::PollFlags;

use crate::protocol::{self, Message, Request};

/// A client that leaves this much unread is cut off; it gets the whole status when it comes
/// back, so nothing is lost.
const UNREAD_LIMIT: usize = 16 * 1024 * 1024;

/// A connected client.
#[derive(Debug)]
pub(super) struct Connection {
    stream: UnixStream,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    open: bool,
}

/// What a client said.
#[derive(Debug)]
pub(super) enum Taken {
    /// A request.
    Request(Request),
    /// A request that this build does not know.
    Unknown {
        /// Its id.
        id: u64,
    },
}

impl Connection {
    /// Takes a client on.
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, incoming: vec![], outgoing: vec![], open: true })
    }

    /// For the poll set.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// What to wait for.
    pub(super) fn interest(&self) -> PollFlags {
        if self.outgoing.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT }
    }

    /// Whether it is of further use.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Sends a message, now or when the client reads.
    pub(super) fn send(&mut self, message: &Message) {
        match protocol::encode(message) {
            Ok(frame) if self.outgoing.len() + frame.len() <= UNREAD_LIMIT => {
                self.outgoing.extend(frame);
                self.flush();
            }
            _ => self.open = false,
        }
    }

    /// Sends what is waiting, as far as the client reads.
    pub(super) fn flush(&mut self) {
        while !self.outgoing.is_empty() && self.open {
            match self.stream.write(&self.outgoing) {
                Ok(0) => self.open = false,
                Ok(count) => drop(self.outgoing.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.open = false,
            }
        }
        self.outgoing.shrink_to(4096);
    }

    /// Sends what is waiting before the shim ends; gives a client a second to read it.
    pub(super) fn finish(&mut self) {
        let limit = Some(std::time::Duration::from_secs(1));
        if self.stream.set_nonblocking(false).is_ok()
            && self.stream.set_write_timeout(limit).is_ok()
        {
            let _ = self.stream.write_all(&self.outgoing);
        }
    }

    /// Reads what has come and takes the whole requests.
    pub(super) fn take(&mut self) -> Vec<Taken> {
        let mut chunk = [0; 8192];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => {
                    self.open = false;
                    break;
                }
                Ok(count) => self.incoming.extend(chunk.iter().take(count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.open = false;
                    break;
                }
            }
        }
        let mut taken = Vec::new();
        loop {
            match protocol::take_body(&mut self.incoming) {
                Ok(None) => break,
                Ok(Some(body)) => match read(&body) {
                    Some(it) => taken.push(it),
                    None => self.open = false,
                },
                Err(_) => {
                    self.open = false;
                    break;
                }
            }
        }
        self.incoming.shrink_to(4096);
        taken
    }
}

/// A request, or at least its id.
fn read(body: &[u8]) -> Option<Taken> {
    if let Ok(request) = serde_json::from_slice(body) {
        return Some(Taken::Request(request));
    }
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(Taken::Unknown { id: value.get("id")?.as_u64()? })
}
