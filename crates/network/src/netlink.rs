//! Speaks netlink: one message out, its acknowledgement or its dump back.
//!
//! Blocking and without a library: this crate needs a dozen kinds of message, and a request to the
//! kernel is answered within the call (docs/decisions/0007-network.md). A socket belongs to the
//! network namespace in which it was opened, whoever uses it later.
//!
//! Source: RFC 3549, netlink(7), rtnetlink(7).

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

/// The kernel answers while we wait; if it has not by then, something is broken.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// One read holds at least one whole part of any dump (the kernel fills at most 32 KiB).
const READ_BYTES: usize = 64 * 1024;
/// Room for a batch of a thousand set elements.
const SEND_BYTES: usize = 1024 * 1024;

const HEADER_BYTES: usize = 16;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

const NLM_F_REQUEST: u16 = 0x1;
/// Asks for an acknowledgement.
pub(crate) const ACK: u16 = 0x4;
/// Asks for all objects of the kind.
pub(crate) const DUMP: u16 = 0x300;
/// Fails if the object exists.
pub(crate) const EXCLUSIVE: u16 = 0x200;
/// Makes the object if it does not exist.
pub(crate) const CREATE: u16 = 0x400;

const NLA_F_NESTED: u16 = 0x8000;
const NLA_TYPE_MASK: u16 = 0x3fff;

/// Which part of the kernel a socket talks to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subsystem {
    /// Links, addresses, routes.
    Route,
    /// nftables and connection tracking.
    Netfilter,
}

/// An open socket.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    sequence: u32,
}

impl Socket {
    /// Opens a socket in the network namespace of the calling thread.
    pub(crate) fn open(subsystem: Subsystem) -> io::Result<Self> {
        let protocol = match subsystem {
            // NETLINK_ROUTE is protocol 0.
            Subsystem::Route => None,
            Subsystem::Netfilter => Some(net::netlink::NETFILTER),
        };
        let fd = net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            protocol,
        )?;
        sockopt::set_socket_timeout(&fd, sockopt::Timeout::Recv, Some(ANSWER_LIMIT))?;
        sockopt::set_socket_send_buffer_size_force(&fd, SEND_BYTES)?;
        sockopt::set_socket_recv_buffer_size_force(&fd, SEND_BYTES)?;
        net::bind(&fd, &net::netlink::SocketAddrNetlink::new(0, 0))?;
        Ok(Self { fd, sequence: 0 })
    }

    /// Sends one request and waits until the kernel has done or refused it.
    pub(crate) fn request(&mut self, message: Message) -> io::Result<()> {
        self.batch(vec![message])
    }

    /// Sends messages as one datagram and waits for the answer to each that asks for one.
    ///
    /// # Errors
    ///
    /// The first refusal. Whether the other messages took effect is the subsystem's affair:
    /// nftables takes a batch whole or not at all.
    pub(crate) fn batch(&mut self, messages: Vec<Message>) -> io::Result<()> {
        let first = self.sequence.wrapping_add(1);
        let mut awaited = 0_usize;
        let mut datagram = Vec::new();
        for message in messages {
            self.sequence = self.sequence.wrapping_add(1);
            awaited += usize::from(message.flags & ACK != 0);
            datagram.extend_from_slice(&message.finish(self.sequence));
        }
        net::send(&self.fd, &datagram, SendFlags::empty())?;
        let mut refusal = None;
        while awaited > 0 {
            for (header, body) in Parts::of(&self.receive()?) {
                // A late answer to an earlier request that timed out.
                let ours = header.sequence.wrapping_sub(first) <= self.sequence.wrapping_sub(first);
                if header.kind != NLMSG_ERROR || !ours {
                    continue;
                }
                awaited = awaited.saturating_sub(1);
                if let Err(error) = status(body) {
                    refusal.get_or_insert(error);
                    if header.sequence == first {
                        awaited = 0;
                    }
                }
            }
        }
        refusal.map_or(Ok(()), Err)
    }

    /// Sends one request and hands every object of the answer to `each`.
    pub(crate) fn dump(&mut self, message: Message, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        net::send(&self.fd, &message.finish(self.sequence), SendFlags::empty())?;
        loop {
            for (header, body) in Parts::of(&self.receive()?) {
                if header.sequence != self.sequence {
                    continue;
                }
                match header.kind {
                    NLMSG_DONE => return Ok(()),
                    NLMSG_ERROR => return status(body),
                    _ => each(body),
                }
            }
        }
    }

    fn receive(&self) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; READ_BYTES];
        let (_, length) = net::recv(&self.fd, &mut buffer, RecvFlags::empty())?;
        buffer.truncate(length);
        Ok(buffer)
    }
}

/// What an error message says; 0 is an acknowledgement.
fn status(body: &[u8]) -> io::Result<()> {
    match read_i32(body, 0) {
        Some(0) => Ok(()),
        Some(errno) => Err(io::Error::from_raw_os_error(errno.saturating_neg())),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// A message under construction.
#[derive(Debug)]
pub(crate) struct Message {
    kind: u16,
    flags: u16,
    bytes: Vec<u8>,
}

impl Message {
    /// A request; its fixed part comes next.
    pub(crate) fn new(kind: u16, flags: u16, fixed: &[u8]) -> Self {
        let mut bytes = vec![0; HEADER_BYTES];
        bytes.extend_from_slice(fixed);
        Self { kind, flags: flags | NLM_F_REQUEST, bytes }
    }

    /// Adds an attribute.
    pub(crate) fn put(mut self, kind: u16, value: &[u8]) -> Self {
        self.push(kind, value);
        self
    }

    /// Adds an attribute holding a text, ended by a zero byte as the kernel wants it.
    pub(crate) fn text(self, kind: u16, value: &str) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.put(kind, &bytes)
    }

    /// Adds an attribute that holds what `fill` adds.
    pub(crate) fn nest(mut self, kind: u16, fill: impl FnOnce(Self) -> Self) -> Self {
        let start = self.bytes.len();
        self.push(kind | NLA_F_NESTED, &[]);
        let mut whole = fill(self);
        let length = u16::try_from(whole.bytes.len() - start).unwrap_or(u16::MAX);
        if let Some(place) = whole.bytes.get_mut(start..start + 2) {
            place.copy_from_slice(&length.to_ne_bytes());
        }
        whole
    }

    /// Adds bytes that are no attribute: the fixed part of a nested message.
    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    fn push(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(aligned(self.bytes.len()), 0);
    }

    fn finish(mut self, sequence: u32) -> Vec<u8> {
        let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.extend_from_slice(&length.to_ne_bytes());
        header.extend_from_slice(&self.kind.to_ne_bytes());
        header.extend_from_slice(&self.flags.to_ne_bytes());
        header.extend_from_slice(&sequence.to_ne_bytes());
        header.extend_from_slice(&0_u32.to_ne_bytes());
        if let Some(place) = self.bytes.get_mut(..HEADER_BYTES) {
            place.copy_from_slice(&header);
        }
        self.bytes
    }
}

struct Header {
    kind: u16,
    sequence: u32,
}

/// The messages in one datagram.
struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    fn of(datagram: &'a [u8]) -> Self {
        Self(datagram)
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = (Header, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::try_from(read_u32(self.0, 0)?).ok()?;
        let header = Header { kind: read_u16(self.0, 4)?, sequence: read_u32(self.0, 8)? };
        let body = self.0.get(HEADER_BYTES..length)?;
        self.0 = self.0.get(aligned(length)..).unwrap_or_default();
        Some((header, body))
    }
}

/// The attributes in a stretch of bytes: kind and value.
pub(crate) struct Attributes<'a>(pub(crate) &'a [u8]);

impl<'a> Attributes<'a> {
    /// The value of the first attribute of that kind.
    pub(crate) fn find(self, kind: u16) -> Option<&'a [u8]> {
        self.into_iter().find_map(|(it, value)| (it == kind).then_some(value))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(read_u16(self.0, 0)?);
        let kind = read_u16(self.0, 2)? & NLA_TYPE_MASK;
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(aligned(length)..).unwrap_or_default();
        Some((kind, value))
    }
}

/// A text attribute without its closing zero.
pub(crate) fn read_text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(value.get(..end).unwrap_or_default()).into_owned()
}

/// Two bytes at an offset, in the machine's order.
pub(crate) fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Four bytes at an offset, in the machine's order.
pub(crate) fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn read_i32(bytes: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_apart_as_it_was_put_together() {
        let message = Message::new(16, ACK, &[7; 4])
            .text(3, "lf0")
            .nest(18, |inner| inner.put(1, b"veth").put(2, &[1, 2, 3]));
        let bytes = message.finish(9);
        let (header, body) = Parts::of(&bytes).next().expect("one message");
        assert_eq!((header.kind, header.sequence), (16, 9));
        assert_eq!(&body[..4], &[7; 4]);
        let attributes = || Attributes(&body[4..]);
        assert_eq!(read_text(attributes().find(3).expect("name")), "lf0");
        let nested = attributes().find(18).expect("nested");
        assert_eq!(Attributes(nested).find(1), Some(&b"veth"[..]));
        assert_eq!(Attributes(nested).find(2), Some(&[1, 2, 3][..]));
        assert_eq!(attributes().count(), 2);
    }

    #[test]
    fn broken_bytes_end_the_walk_instead_of_the_process() {
        for bytes in [&[][..], &[1], &[255, 255, 255, 255, 0, 0, 0, 0], &[0; 8], &[4, 0, 0, 0]] {
            assert!(Parts::of(bytes).count() <= 1);
            assert!(Attributes(bytes).take(3).count() <= 2);
        }
    }
}
