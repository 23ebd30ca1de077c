//! Header fields as HTTP/2 has them.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::http1::body::may_trail;
use crate::http1::field::Name;
use crate::rewrite::Fields;

/// Fields of a message, with names in lower case.
pub(super) struct HeaderFields<'a>(pub(super) &'a mut HeaderMap);

impl Fields for HeaderFields<'_> {
    fn put(&mut self, name: &[u8], value: &[u8]) {
        // What was read as a head has tokens for names and no line ends in values; a field that is
        // none here all the same is not passed on.
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            self.0.append(name, value);
        }
    }
}

/// Trailers without those that would change the message that they come after.
pub(super) fn trailing(trailers: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::with_capacity(trailers.len());
    for (name, value) in trailers {
        if may_trail(Name::of(name.as_str().as_bytes())) {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}

/// The trailers in lines, as HTTP/1 has them.
pub(super) fn lines(trailers: &HeaderMap) -> Vec<u8> {
    let mut lines = Vec::new();
    for (name, value) in trailers {
        crate::rewrite::Lines(&mut lines).put(name.as_str().as_bytes(), value.as_bytes());
    }
    lines
}

/// Trailers from lines of HTTP/1; `None` if there are none.
pub(super) fn from_lines(lines: &[u8]) -> Option<HeaderMap> {
    let mut trailers = HeaderMap::new();
    for line in lines.split(|it| *it == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(colon) = line.iter().position(|it| *it == b':') {
            let (name, value) = line.split_at_checked(colon)?;
            let value = crate::http1::field::trim(value.get(1..)?);
            HeaderFields(&mut trailers).put(name, value);
        }
    }
    (!trailers.is_empty()).then_some(trailers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_are_the_same_in_both_versions() {
        let text = b"grpc-status: 0\r\ngrpc-message: a: b\r\n";
        let trailers = from_lines(text).expect("there are some");
        assert_eq!(trailers["grpc-message"], "a: b");
        assert_eq!(lines(&trailers), text);
        assert_eq!(from_lines(b""), None);
        let more = from_lines(b"grpc-status: 0\r\nhost: x\r\ncontent-length: 1\r\n");
        assert_eq!(lines(&trailing(&more.expect("there are some"))), b"grpc-status: 0\r\n");
    }
}
