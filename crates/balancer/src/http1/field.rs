//! Header fields: names that mean something to a load balancer, and what fields may be made of.

/// A part of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// From and to, in bytes. Heads are limited far below what a `u32` holds.
    #[allow(clippy::cast_possible_truncation, reason = "heads have at most 64 KiB")]
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    /// The bytes themselves.
    pub(crate) fn of(self, buffer: &[u8]) -> &[u8] {
        buffer.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    pub(crate) fn start(self) -> usize {
        self.start as usize
    }

    pub(crate) fn end(self) -> usize {
        self.end as usize
    }
}

/// A header field where it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) name: Span,
    pub(crate) value: Span,
    pub(crate) meaning: Name,
}

/// A name that means something to a load balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    Connection,
    ContentLength,
    Cookie,
    Date,
    Expect,
    ForwardedFor,
    ForwardedPort,
    ForwardedProto,
    Host,
    KeepAlive,
    ProxyConnection,
    Server,
    Te,
    TlsCipherSuite,
    TlsVersion,
    TraceId,
    Trailer,
    TransferEncoding,
    Upgrade,
    UserAgent,
    /// Means nothing to us, and has only letters, digits and hyphens.
    Other,
    /// Means nothing to us, and has other characters of a token: what
    /// `drop_invalid_header_fields` drops.
    Odd,
}

impl Name {
    /// What a name means; it must be a token.
    pub(crate) fn of(name: &[u8]) -> Self {
        let is = |text: &str| name.eq_ignore_ascii_case(text.as_bytes());
        let found = match name.len() {
            2 if is("te") => Self::Te,
            4 if is("host") => Self::Host,
            4 if is("date") => Self::Date,
            6 if is("cookie") => Self::Cookie,
            6 if is("expect") => Self::Expect,
            6 if is("server") => Self::Server,
            7 if is("upgrade") => Self::Upgrade,
            7 if is("trailer") => Self::Trailer,
            10 if is("connection") => Self::Connection,
            10 if is("user-agent") => Self::UserAgent,
            10 if is("keep-alive") => Self::KeepAlive,
            14 if is("content-length") => Self::ContentLength,
            15 if is("x-amzn-trace-id") => Self::TraceId,
            15 if is("x-forwarded-for") => Self::ForwardedFor,
            16 if is("x-forwarded-port") => Self::ForwardedPort,
            16 if is("proxy-connection") => Self::ProxyConnection,
            17 if is("transfer-encoding") => Self::TransferEncoding,
            17 if is("x-forwarded-proto") => Self::ForwardedProto,
            18 if is("x-amzn-tls-version") => Self::TlsVersion,
            23 if is("x-amzn-tls-cipher-suite") => Self::TlsCipherSuite,
            _ => Self::Other,
        };
        let plain = |it: &u8| it.is_ascii_alphanumeric() || *it == b'-';
        if found == Self::Other && !name.iter().all(plain) { Self::Odd } else { found }
    }

    /// Whether it concerns one connection only and so is never passed on. Source: RFC 9110, 7.6.1.
    pub(crate) fn is_of_the_hop(self) -> bool {
        matches!(
            self,
            Self::Connection
                | Self::KeepAlive
                | Self::ProxyConnection
                | Self::Te
                | Self::TransferEncoding
                | Self::Upgrade
        )
    }
}

/// Which bytes a token is made of. Source: RFC 9110, 5.6.2.
static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let others = b"!#$%&'*+-.^_`|~";
    let mut byte = 0;
    while byte < 256 {
        #[allow(clippy::cast_possible_truncation, reason = "below 256")]
        let it = byte as u8;
        let mut found = it.is_ascii_alphanumeric();
        let mut index = 0;
        while index < others.len() {
            #[allow(clippy::indexing_slicing, reason = "below the length, at compile time")]
            if others[index] == it {
                found = true;
            }
            index += 1;
        }
        #[allow(clippy::indexing_slicing, reason = "below 256, at compile time")]
        {
            table[byte] = found;
        }
        byte += 1;
    }
    table
};

/// Whether that is a token.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|it| TOKEN.get(usize::from(*it)).copied().unwrap_or(false))
}

/// Without the white space that may stand around a value.
pub(crate) fn trim(value: &[u8]) -> &[u8] {
    let is_space = |it: &u8| matches!(it, b' ' | b'\t');
    let start = value.iter().position(|it| !is_space(it)).unwrap_or(value.len());
    let end = value.iter().rposition(|it| !is_space(it)).map_or(start, |it| it + 1);
    value.get(start..end).unwrap_or_default()
}

/// The members of a list, without the space around them; empty ones are left out.
pub(crate) fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|it| *it == b',').map(trim).filter(|it| !it.is_empty())
}

/// The number that a `Content-Length` says: digits, and nothing else. Source: RFC 9110, 8.6.
pub(crate) fn length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    value
        .iter()
        .try_fold(0_u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

/// Whether an unusual name reads like one that says where a body ends.
pub(crate) fn reads_like_framing(name: &[u8]) -> bool {
    let letters = || name.iter().filter(|it| it.is_ascii_alphanumeric());
    let is = |text: &str| letters().map(u8::to_ascii_lowercase).eq(text.bytes());
    is("contentlength") || is("transferencoding")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_has_digits_only() {
        for (text, expected) in [
            ("0", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("", None),
            ("+1", None),
            ("-1", None),
            ("0x1", None),
            ("1 ", None),
            ("1,1", None),
        ] {
            assert_eq!(length(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn names_are_known_in_any_case() {
        assert_eq!(Name::of(b"hOST"), Name::Host);
        assert_eq!(Name::of(b"X-AMZN-Trace-Id"), Name::TraceId);
        assert_eq!(Name::of(b"X-Anything"), Name::Other);
        assert_eq!(Name::of(b"x_anything"), Name::Odd);
        assert!(
            reads_like_framing(b"Content_Length") && reads_like_framing(b" transfer-encoding\x0b")
        );
    }
}
