//! Heads as they go on: what is taken away, added and put in other words.
//!
//! Source: Application Load Balancers User Guide, "HTTP headers and Application Load Balancers";
//! RFC 9110, 7.6.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};

use plan::routing::attributes::{BalancerAttributes, ForwardedFor};

use crate::answer::Fault;
use crate::http1::answer_head::AnswerHead;
use crate::http1::body::Framing;
use crate::http1::field::{Field, Name, members};
use crate::http1::request_head::RequestHead;
use crate::limits;
use crate::listener_attributes::ListenerAttributes;

/// Where the fields of a message go.
pub(crate) trait Fields {
    /// Adds a field.
    fn put(&mut self, name: &[u8], value: &[u8]);
}

/// Fields as HTTP/1 writes them.
pub(crate) struct Lines<'a>(pub(crate) &'a mut Vec<u8>);

impl Fields for Lines<'_> {
    fn put(&mut self, name: &[u8], value: &[u8]) {
        self.0.extend_from_slice(name);
        self.0.extend_from_slice(b": ");
        self.0.extend_from_slice(value);
        self.0.extend_from_slice(b"\r\n");
    }
}

/// TLS of the client's connection, in the words of OpenSSL as AWS has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsFacts {
    /// `TLSv1.3`
    pub(crate) version: &'static str,
    /// `TLS_AES_128_GCM_SHA256`
    pub(crate) cipher_suite: &'static str,
    /// Name that the client asked for.
    pub(crate) server_name: Option<String>,
    /// ARN of the certificate it was shown.
    pub(crate) certificate: String,
    /// Whether an earlier session was taken up again.
    pub(crate) is_resumed: bool,
}

/// Where a request came in, and what its load balancer wants.
pub(crate) struct Passage<'a> {
    pub(crate) client: SocketAddr,
    /// The listener's port.
    pub(crate) port: u16,
    pub(crate) tls: Option<&'a TlsFacts>,
    pub(crate) attributes: &'a BalancerAttributes,
    pub(crate) listener: &'a ListenerAttributes,
    /// Value of `X-Amzn-Trace-Id`.
    pub(crate) trace: &'a str,
    /// What a rule's transforms have made of host, and of path and query.
    pub(crate) host: Option<&'a str>,
    pub(crate) target: Option<&'a str>,
}

/// The host that the target is told.
pub(crate) fn host(head: &RequestHead, buffer: &[u8], passage: &Passage<'_>) -> Vec<u8> {
    if let Some(host) = passage.host {
        return host.as_bytes().to_vec();
    }
    let host = head.authority.of(buffer);
    if passage.attributes.preserve_host_header || host.is_empty() {
        return host.to_vec();
    }
    let mut name = host_name(host).to_vec();
    if !matches!(passage.port, 80 | 443) {
        name.extend_from_slice(format!(":{}", passage.port).as_bytes());
    }
    name
}

/// A host without its port.
pub(crate) fn host_name(host: &[u8]) -> &[u8] {
    let after_address = host.iter().rposition(|it| *it == b']').map_or(0, |it| it + 1);
    let rest = host.get(after_address..).unwrap_or_default();
    match rest.iter().position(|it| *it == b':') {
        Some(colon) => host.get(..after_address + colon).unwrap_or_default(),
        None => host,
    }
}

/// Path and query as they go on: never empty, and nothing in them that could end them early.
pub(crate) fn push_target(out: &mut Vec<u8>, target: &[u8]) {
    if !matches!(target.first(), Some(b'/' | b'*')) {
        out.push(b'/');
    }
    push_encoded(out, target);
}

/// An address in which nothing can end the line that it stands in.
pub(crate) fn encoded(address: &str) -> String {
    let mut out = Vec::with_capacity(address.len());
    push_encoded(&mut out, address.as_bytes());
    String::from_utf8(out).expect("it is ASCII")
}

fn push_encoded(out: &mut Vec<u8>, text: &[u8]) {
    if text.iter().all(u8::is_ascii_graphic) {
        out.extend_from_slice(text);
        return;
    }
    for byte in text {
        match byte {
            0..=0x20 | 0x7f..=0xff => {
                out.extend_from_slice(format!("%{byte:02X}").as_bytes());
            }
            _ => out.push(*byte),
        }
    }
}

/// The first line and the fields of a request over HTTP/1, with the empty line.
///
/// # Errors
///
/// [`Fault::TooManyForwardedAddresses`].
pub(crate) fn request(
    out: &mut Vec<u8>,
    head: &RequestHead,
    buffer: &[u8],
    passage: &Passage<'_>,
) -> Result<(), Fault> {
    out.extend_from_slice(head.method.of(buffer));
    out.push(b' ');
    push_target(out, passage.target.map_or(head.target.of(buffer), str::as_bytes));
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let host = host(head, buffer, passage);
    let mut lines = Lines(out);
    lines.put(b"Host", &host);
    request_fields(&mut lines, head, buffer, passage)?;
    match head.framing {
        Framing::Chunked => lines.put(b"Transfer-Encoding", b"chunked"),
        Framing::Length(_) | Framing::Empty | Framing::UntilClose => {}
    }
    if let Some(protocol) = head.upgrade {
        lines.put(b"Connection", b"Upgrade");
        lines.put(b"Upgrade", protocol.of(buffer));
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// The fields of a request, but for `Host` and what concerns one connection only.
///
/// # Errors
///
/// [`Fault::TooManyForwardedAddresses`].
pub(crate) fn request_fields(
    out: &mut impl Fields,
    head: &RequestHead,
    buffer: &[u8],
    passage: &Passage<'_>,
) -> Result<(), Fault> {
    let attributes = passage.attributes;
    let mut forwarded = Vec::new();
    let mut has_length = false;
    for field in &head.fields {
        let (name, value) = (field.name.of(buffer), field.value.of(buffer));
        match field.meaning {
            Name::Host | Name::TraceId | Name::ForwardedPort | Name::ForwardedProto => {}
            Name::ForwardedFor => {
                if !forwarded.is_empty() {
                    forwarded.extend_from_slice(b", ");
                }
                forwarded.extend_from_slice(value);
            }
            Name::ContentLength => {
                if head.framing != Framing::Chunked && !has_length {
                    has_length = true;
                    out.put(name, value);
                }
            }
            Name::TlsVersion | Name::TlsCipherSuite if attributes.tls_headers => {}
            Name::Odd if attributes.drop_invalid_header_fields => {}
            meaning if meaning.is_of_the_hop() || is_named(head, buffer, name, field) => {}
            _ => out.put(name, value),
        }
    }
    put_forwarded(out, forwarded, passage)?;
    out.put(b"X-Amzn-Trace-Id", passage.trace.as_bytes());
    if let Some(tls) = passage.tls.filter(|_| attributes.tls_headers) {
        out.put(passage.listener.tls_version_name(), tls.version.as_bytes());
        out.put(passage.listener.tls_cipher_suite_name(), tls.cipher_suite.as_bytes());
    }
    Ok(())
}

/// Whether the client's `Connection` names the field as one that is for us only. What says who the
/// client is or where the body ends cannot be named away.
fn is_named(head: &RequestHead, buffer: &[u8], name: &[u8], field: &Field) -> bool {
    head.names_fields
        && matches!(field.meaning, Name::Other | Name::Odd)
        && head
            .fields
            .iter()
            .filter(|it| it.meaning == Name::Connection)
            .any(|it| members(it.value.of(buffer)).any(|named| named.eq_ignore_ascii_case(name)))
}

fn put_forwarded(
    out: &mut impl Fields,
    mut forwarded: Vec<u8>,
    passage: &Passage<'_>,
) -> Result<(), Fault> {
    match passage.attributes.forwarded_for {
        ForwardedFor::Remove => {}
        ForwardedFor::Preserve if forwarded.is_empty() => {}
        ForwardedFor::Preserve => out.put(b"X-Forwarded-For", &forwarded),
        ForwardedFor::Append => {
            if members(&forwarded).count() > limits::FORWARDED_ADDRESSES {
                return Err(Fault::TooManyForwardedAddresses);
            }
            if !forwarded.is_empty() {
                forwarded.extend_from_slice(b", ");
            }
            push_address(&mut forwarded, passage);
            out.put(b"X-Forwarded-For", &forwarded);
        }
    }
    out.put(b"X-Forwarded-Proto", if passage.tls.is_some() { b"https" } else { b"http" });
    let mut port = itoa(passage.port.into());
    out.put(b"X-Forwarded-Port", port.text());
    Ok(())
}

fn push_address(out: &mut Vec<u8>, passage: &Passage<'_>) {
    let ip = passage.client.ip().to_canonical();
    // Writing into memory does not fail.
    let _ = match (ip, passage.attributes.forwarded_for_port) {
        (IpAddr::V4(ip), true) => write!(out, "{ip}:{}", passage.client.port()),
        (IpAddr::V6(ip), true) => write!(out, "[{ip}]:{}", passage.client.port()),
        (ip, false) => write!(out, "{ip}"),
    };
}

/// A number as text, without memory from the heap.
pub(crate) struct Digits {
    digits: [u8; 20],
    start: usize,
}

pub(crate) fn itoa(mut number: u64) -> Digits {
    let mut found = Digits { digits: [b'0'; 20], start: 20 };
    for (place, digit) in found.digits.iter_mut().enumerate().rev() {
        #[allow(clippy::cast_possible_truncation, reason = "below ten")]
        {
            *digit = b'0' + (number % 10) as u8;
        }
        found.start = place;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    found
}

impl Digits {
    pub(crate) fn text(&mut self) -> &[u8] {
        self.digits.get(self.start..).unwrap_or_default()
    }
}

/// What of an answer is ours.
pub(crate) struct Return<'a> {
    /// Values of `Set-Cookie`.
    pub(crate) cookies: &'a [String],
    pub(crate) listener: &'a ListenerAttributes,
    pub(crate) date: &'a str,
}

/// The fields of an answer, but for what concerns one connection only.
pub(crate) fn answer_fields(
    out: &mut impl Fields,
    head: &AnswerHead,
    buffer: &[u8],
    ours: &Return<'_>,
) {
    let mut has_date = false;
    for field in &head.fields {
        let (name, value) = (field.name.of(buffer), field.value.of(buffer));
        match field.meaning {
            Name::Server if !ours.listener.shows_server => {}
            meaning if meaning.is_of_the_hop() => {}
            Name::Other if ours.listener.sets(name) => {}
            meaning => {
                has_date |= meaning == Name::Date;
                out.put(name, value);
            }
        }
    }
    for (name, value) in &ours.listener.added {
        out.put(name.as_bytes(), value.as_bytes());
    }
    for cookie in ours.cookies {
        out.put(b"Set-Cookie", cookie.as_bytes());
    }
    if !has_date {
        out.put(b"Date", ours.date.as_bytes());
    }
}

#[cfg(test)]
mod tests;
