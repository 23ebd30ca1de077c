//! The head of a request: where its parts are, and how far it is from what the RFC says.
//!
//! Written for one meaning: what could be understood in two ways is found here, classed
//! ([`super::desync`]), and either refused or never passed on as it came. Source: RFC 9112.

use memchr::{memchr, memrchr};

use super::body::Framing;
use super::desync::{Class, Reason};
use super::field::{Field, Name, Span, is_token, length, members, reads_like_framing, trim};
use crate::limits;

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Version {
    Http10,
    #[default]
    Http11,
}

/// A request's head. Its spans point into the buffer that it was read from.
#[derive(Debug, Default)]
pub(crate) struct RequestHead {
    /// Bytes of the buffer that are the head.
    pub(crate) len: usize,
    pub(crate) version: Version,
    /// The whole first line, for the access log.
    pub(crate) line: Span,
    pub(crate) method: Span,
    /// Path and query as they came, without scheme and host.
    pub(crate) target: Span,
    /// Host and port: of the target if it was absolute, else of the `Host` field.
    pub(crate) authority: Span,
    /// In the order in which they came, without those that must not be passed on.
    pub(crate) fields: Vec<Field>,
    pub(crate) framing: Framing,
    /// Whether the client wants to go on with the connection.
    pub(crate) keep_alive: bool,
    /// The protocol that the client wants to go on with.
    pub(crate) upgrade: Option<Span>,
    /// Whether `Connection` names anything beside the usual.
    pub(crate) names_fields: bool,
    /// The worst that was found.
    pub(crate) found: Option<Reason>,
    seen: Seen,
}

/// What of the framing has been seen so far.
#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a thing that was seen or not")]
struct Seen {
    content_length: Option<u64>,
    chunked: bool,
    transfer_encoding: bool,
    unsupported_encoding: bool,
    hosts: u32,
    close: bool,
    keep_alive: bool,
    upgrade_named: bool,
}

/// A request that goes no further, by the status of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// 400
    Malformed,
    /// 414
    LineTooLong,
    /// 400, as AWS has it.
    HeadTooLarge,
    /// 501
    UnsupportedEncoding,
    /// 505
    UnsupportedVersion,
}

/// Where a head ends, empty line included; `None` while it has not all come.
///
/// `from` is where an earlier look at the same buffer ended, so that a head that comes byte by byte
/// is not searched again from its start each time.
pub(crate) fn end(buffer: &[u8], from: &mut usize) -> Option<usize> {
    while let Some(at) = memchr(b'\n', buffer.get(*from..)?) {
        let next = *from + at + 1;
        match buffer.get(next..)? {
            [b'\n', ..] => return Some(next + 1),
            [b'\r', b'\n', ..] => return Some(next + 2),
            // May be the empty line, or not.
            [] | [b'\r'] => return None,
            _ => *from = next,
        }
    }
    *from = buffer.len();
    None
}

/// What is too large in a head of which only that has come so far.
pub(crate) fn too_large(partial: &[u8]) -> Option<Refusal> {
    let first = memchr(b'\n', partial).unwrap_or(partial.len());
    if first > limits::LINE {
        return Some(Refusal::LineTooLong);
    }
    let last = memrchr(b'\n', partial).map_or(0, |it| it + 1);
    let is_too_large = partial.len() >= limits::REQUEST_HEAD || partial.len() - last > limits::LINE;
    is_too_large.then_some(Refusal::HeadTooLarge)
}

impl RequestHead {
    /// Reads a whole head: `buffer` ends with its empty line. Empty lines before it are passed over.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] if no mode would let it pass. What only some modes let pass is in
    /// [`Self::found`].
    pub(crate) fn read(&mut self, buffer: &[u8]) -> Result<(), Refusal> {
        self.clear();
        self.len = buffer.len();
        if buffer.len() > limits::REQUEST_HEAD {
            return Err(Refusal::HeadTooLarge);
        }
        let mut at = self.read_line(buffer)?;
        while at < buffer.len() {
            let rest = buffer.get(at..).unwrap_or_default();
            let line_end = at + memchr(b'\n', rest).unwrap_or(rest.len());
            let content_end = self.content_end(buffer, at, line_end);
            if content_end > at {
                self.read_field(buffer, at, content_end)?;
            }
            at = line_end + 1;
        }
        self.settle(buffer)
    }

    /// Whether doing it twice is as doing it once. Source: RFC 9110, 9.2.2.
    pub(crate) fn is_idempotent(&self, buffer: &[u8]) -> bool {
        matches!(self.method.of(buffer), b"GET" | b"HEAD" | b"OPTIONS" | b"PUT" | b"DELETE")
    }

    fn clear(&mut self) {
        let mut fields = core::mem::take(&mut self.fields);
        fields.clear();
        *self = Self { fields, ..Self::default() };
    }

    /// Where a line ends without its line end. A line feed alone is understood by some as the end
    /// of a line and by others as part of it.
    fn content_end(&mut self, buffer: &[u8], start: usize, line_end: usize) -> usize {
        match buffer.get(start..line_end) {
            Some([.., b'\r']) => line_end - 1,
            _ => {
                self.find(Reason::BadHeader);
                line_end
            }
        }
    }

    fn find(&mut self, reason: Reason) {
        if self.found.is_none_or(|it| it.class() < reason.class()) {
            self.found = Some(reason);
        }
    }

    fn read_line(&mut self, buffer: &[u8]) -> Result<usize, Refusal> {
        let mut start = 0;
        while let Some([b'\r', b'\n', ..]) = buffer.get(start..) {
            start += 2;
        }
        let rest = buffer.get(start..).unwrap_or_default();
        let line_end = start + memchr(b'\n', rest).ok_or(Refusal::Malformed)?;
        let end = self.content_end(buffer, start, line_end);
        let line = buffer.get(start..end).unwrap_or_default();
        if line.len() > limits::LINE {
            return Err(Refusal::LineTooLong);
        }
        self.line = Span::new(start, end);
        let first = memchr(b' ', line).ok_or(Refusal::Malformed)?;
        let last = memrchr(b' ', line).ok_or(Refusal::Malformed)?;
        if first == last {
            self.find(Reason::BadVersion);
            return Err(Refusal::Malformed);
        }
        self.method = Span::new(start, start + first);
        if !is_token(self.method.of(buffer)) {
            self.find(Reason::BadMethod);
            return Err(Refusal::Malformed);
        }
        self.read_version(line.get(last + 1..).unwrap_or_default())?;
        self.read_target(buffer, Span::new(start + first + 1, start + last))?;
        Ok(line_end + 1)
    }

    fn read_version(&mut self, version: &[u8]) -> Result<(), Refusal> {
        match version {
            b"HTTP/1.1" => self.version = Version::Http11,
            b"HTTP/1.0" => self.version = Version::Http10,
            [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor] if minor.is_ascii_digit() => {
                self.find(Reason::NonCompliantVersion);
            }
            [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
                if major.is_ascii_digit() && minor.is_ascii_digit() =>
            {
                return Err(Refusal::UnsupportedVersion);
            }
            _ => {
                self.find(Reason::BadVersion);
                return Err(Refusal::Malformed);
            }
        }
        Ok(())
    }

    fn read_target(&mut self, buffer: &[u8], span: Span) -> Result<(), Refusal> {
        let target = span.of(buffer);
        for byte in target {
            match byte {
                0 | b'\r' => self.find(Reason::BadUri),
                b' ' => self.find(Reason::SpaceInUri),
                1..0x20 | 0x7f => self.find(Reason::AmbiguousUri),
                _ => {}
            }
        }
        let scheme = [&b"http://"[..], b"https://"]
            .into_iter()
            .find(|it| target.get(..it.len()).is_some_and(|start| start.eq_ignore_ascii_case(it)));
        let is_whole_server = target == b"*" && self.method.of(buffer) == b"OPTIONS";
        if target.first() == Some(&b'/') || is_whole_server {
            self.target = span;
        } else if let Some(scheme) = scheme {
            let start = span.start() + scheme.len();
            let rest = buffer.get(start..span.end()).unwrap_or_default();
            let host_len = rest.iter().position(|it| matches!(it, b'/' | b'?' | b'#'));
            let host_end = start + host_len.unwrap_or(rest.len());
            self.authority = Span::new(start, host_end);
            self.target = Span::new(host_end, span.end());
        } else {
            self.find(Reason::BadUri);
            return Err(Refusal::Malformed);
        }
        Ok(())
    }

    fn read_field(&mut self, buffer: &[u8], start: usize, end: usize) -> Result<(), Refusal> {
        let line = buffer.get(start..end).unwrap_or_default();
        if line.len() > limits::LINE || self.fields.len() >= limits::FIELDS {
            return Err(Refusal::HeadTooLarge);
        }
        if matches!(line.first(), Some(b' ' | b'\t')) {
            // The rest of the line before, as it was written long ago.
            let reason =
                if trim(line).is_empty() { Reason::EmptyHeader } else { Reason::BadHeader };
            self.find(reason);
            return Ok(());
        }
        let Some(colon) = memchr(b':', line) else {
            self.find(Reason::BadHeader);
            return Ok(());
        };
        let name = line.get(..colon).unwrap_or_default();
        let after = line.get(colon + 1..).unwrap_or_default();
        let value = trim(after);
        let lead = after.iter().take_while(|it| matches!(it, b' ' | b'\t')).count();
        self.look_at_value(value);
        if !is_token(name) {
            self.look_at_odd_name(name);
            return Ok(());
        }
        let meaning = Name::of(name);
        if meaning == Name::Odd && reads_like_framing(name) {
            self.find(Reason::SuspiciousHeader);
            return Ok(());
        }
        let value_start = start + colon + 1 + if value.is_empty() { after.len() } else { lead };
        let value_span = Span::new(value_start, value_start + value.len());
        let field = Field { name: Span::new(start, start + colon), value: value_span, meaning };
        self.understand(value, field);
        self.fields.push(field);
        Ok(())
    }

    fn look_at_value(&mut self, value: &[u8]) {
        if value.iter().all(|it| matches!(it, b' '..=b'~' | b'\t')) {
            return;
        }
        let is_bad = value.iter().any(|it| matches!(it, 0 | b'\r'));
        self.find(if is_bad { Reason::BadHeader } else { Reason::NonCompliantHeader });
    }

    /// A name that is no token is never passed on; what it may be taken for says how bad it is.
    fn look_at_odd_name(&mut self, name: &[u8]) {
        let ends_in_space = matches!(name.last(), Some(b' ' | b'\t'));
        let reason = if name.is_empty() {
            Reason::EmptyHeader
        } else if ends_in_space || name.iter().any(|it| matches!(it, 0 | b'\r')) {
            Reason::BadHeader
        } else if reads_like_framing(name) {
            Reason::SuspiciousHeader
        } else {
            Reason::NonCompliantHeader
        };
        self.find(reason);
    }

    fn understand(&mut self, value: &[u8], field: Field) {
        match field.meaning {
            Name::Host => {
                self.seen.hosts += 1;
                if self.authority == Span::default() {
                    self.authority = field.value;
                }
            }
            Name::ContentLength => match (length(value), self.seen.content_length) {
                (None, _) => self.find(Reason::BadContentLength),
                (Some(new), Some(old)) if new != old => self.find(Reason::MultipleContentLength),
                (Some(_), Some(_)) => self.find(Reason::DuplicateContentLength),
                (Some(new), None) => self.seen.content_length = Some(new),
            },
            Name::TransferEncoding => self.understand_encoding(value),
            Name::Connection => {
                for option in members(value) {
                    self.seen.close |= option.eq_ignore_ascii_case(b"close");
                    self.seen.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                    self.seen.upgrade_named |= option.eq_ignore_ascii_case(b"upgrade");
                    self.names_fields |= Name::of(option) == Name::Other;
                }
            }
            Name::Upgrade if !value.is_empty() => self.upgrade = Some(field.value),
            _ => {}
        }
    }

    fn understand_encoding(&mut self, value: &[u8]) {
        let is = |text: &str| value.eq_ignore_ascii_case(text.as_bytes());
        if self.seen.transfer_encoding {
            let both = self.seen.chunked && is("chunked");
            self.find(match both {
                true => Reason::MultipleTransferEncodingChunked,
                false => Reason::BadTransferEncoding,
            });
        } else if is("chunked") {
            self.seen.chunked = true;
        } else if !is("identity") {
            self.seen.unsupported_encoding = is_known_coding(value);
            if !self.seen.unsupported_encoding {
                self.find(Reason::BadTransferEncoding);
            }
        }
        self.seen.transfer_encoding = true;
    }

    /// What follows from all fields together.
    fn settle(&mut self, buffer: &[u8]) -> Result<(), Refusal> {
        if self.seen.unsupported_encoding {
            return Err(Refusal::UnsupportedEncoding);
        }
        let is_old = self.version == Version::Http10;
        if self.seen.hosts > 1 || (self.seen.hosts == 0 && !is_old) || !self.has_good_host(buffer) {
            self.find(Reason::BadHeader);
            return Err(Refusal::Malformed);
        }
        if is_old && self.seen.transfer_encoding {
            self.find(Reason::BadTransferEncoding);
        }
        if self.seen.transfer_encoding && self.seen.content_length.is_some() {
            self.find(Reason::BothTeClPresent);
        }
        if matches!(self.method.of(buffer), b"GET" | b"HEAD") {
            match self.seen.content_length {
                _ if self.seen.transfer_encoding => {
                    self.find(Reason::UndefinedTransferEncodingSemantics);
                }
                Some(0) => self.find(Reason::GetHeadZeroContentLength),
                Some(_) => self.find(Reason::UndefinedContentLengthSemantics),
                None => {}
            }
        }
        self.framing = match (self.seen.chunked, self.seen.content_length) {
            (true, _) => Framing::Chunked,
            (false, Some(length)) if length > 0 => Framing::Length(length),
            (false, _) => Framing::Empty,
        };
        self.keep_alive = !self.seen.close && (!is_old || self.seen.keep_alive);
        if !self.seen.upgrade_named || is_old {
            self.upgrade = None;
        }
        if self.found.is_some_and(|it| it.class() == Class::Severe) {
            return Err(Refusal::Malformed);
        }
        Ok(())
    }

    fn has_good_host(&self, buffer: &[u8]) -> bool {
        let host = self.authority.of(buffer);
        let is_good = |it: &u8| {
            it.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(it) || *it >= 0x80
        };
        host.iter().all(is_good)
    }
}

fn is_known_coding(value: &[u8]) -> bool {
    const KNOWN: [&str; 6] = ["chunked", "gzip", "x-gzip", "deflate", "compress", "x-compress"];
    let mut codings = members(value).peekable();
    codings.peek().is_some()
        && codings.all(|it| KNOWN.iter().any(|known| it.eq_ignore_ascii_case(known.as_bytes())))
        && !value.is_empty()
        && value.iter().all(|it| matches!(it, b' '..=b'~'))
}

#[cfg(test)]
mod tests;
