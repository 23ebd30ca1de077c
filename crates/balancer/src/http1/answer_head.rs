//! The head of a target's answer.

use super::body::Framing;
use super::field::{Field, Name, Span, length, members};
use crate::limits;

/// An answer's head. Its spans point into the buffer that it was read from.
#[derive(Debug, Default)]
pub(crate) struct AnswerHead {
    /// Bytes of the buffer that are the head.
    pub(crate) len: usize,
    pub(crate) status: u16,
    pub(crate) reason: Span,
    /// In the order in which they came.
    pub(crate) fields: Vec<Field>,
    pub(crate) framing: Framing,
    /// Whether the target goes on with the connection.
    pub(crate) keep_alive: bool,
}

/// What the request was, as far as the answer's body depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// `HEAD`: there is no body, whatever the answer says.
    Head,
    /// Anything else.
    Other,
}

/// An answer that has no one meaning: 502.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the target's answer is malformed")]
pub(crate) struct Malformed;

impl AnswerHead {
    /// Reads a head from the start of what has come; `false` if it has not all come.
    ///
    /// # Errors
    ///
    /// [`Malformed`] also if the head is too large, or if it says in two ways where its body ends.
    pub(crate) fn read(&mut self, buffer: &[u8], asked: Asked) -> Result<bool, Malformed> {
        let mut fields = core::mem::take(&mut self.fields);
        fields.clear();
        *self = Self { fields, ..Self::default() };

        let mut slots = [httparse::EMPTY_HEADER; FIELDS_USUAL];
        let mut many;
        let mut parsed = httparse::Response::new(&mut slots);
        let mut outcome = parsed.parse(buffer);
        if outcome == Err(httparse::Error::TooManyHeaders) {
            many = vec![httparse::EMPTY_HEADER; limits::FIELDS];
            parsed = httparse::Response::new(&mut many);
            outcome = parsed.parse(buffer);
        }
        match outcome {
            Ok(httparse::Status::Complete(len)) if len <= limits::ANSWER_HEAD => self.len = len,
            Ok(httparse::Status::Partial) if buffer.len() < limits::ANSWER_HEAD => {
                return Ok(false);
            }
            _ => return Err(Malformed),
        }
        self.status = parsed.code.filter(|it| (100..=999).contains(it)).ok_or(Malformed)?;
        self.reason = span_in(buffer, parsed.reason.unwrap_or_default().as_bytes());
        for header in parsed.headers.iter() {
            self.fields.push(Field {
                name: span_in(buffer, header.name.as_bytes()),
                value: span_in(buffer, header.value),
                meaning: Name::of(header.name.as_bytes()),
            });
        }
        let is_new = parsed.version == Some(1);
        self.settle(buffer, is_new, asked)?;
        Ok(true)
    }

    /// Where the body ends. Source: RFC 9112, 6.3.
    fn settle(&mut self, buffer: &[u8], is_new: bool, asked: Asked) -> Result<(), Malformed> {
        let mut lengths: Option<u64> = None;
        let mut chunked = false;
        let mut encoded = false;
        let (mut close, mut keep_alive) = (false, is_new);
        for field in &self.fields {
            let value = field.value.of(buffer);
            match field.meaning {
                Name::ContentLength => {
                    let new = length(value).ok_or(Malformed)?;
                    if lengths.is_some_and(|old| old != new) {
                        return Err(Malformed);
                    }
                    lengths = Some(new);
                }
                Name::TransferEncoding => {
                    // Anything but one `chunked` may be understood otherwise by a client.
                    if encoded || !value.eq_ignore_ascii_case(b"chunked") {
                        return Err(Malformed);
                    }
                    (encoded, chunked) = (true, true);
                }
                Name::Connection => {
                    close |= members(value).any(|it| it.eq_ignore_ascii_case(b"close"));
                    keep_alive |= members(value).any(|it| it.eq_ignore_ascii_case(b"keep-alive"));
                }
                _ => {}
            }
        }
        if chunked && lengths.is_some() {
            return Err(Malformed);
        }
        let has_none = asked == Asked::Head || matches!(self.status, 100..=199 | 204 | 304);
        self.framing = match (chunked, lengths) {
            _ if has_none => Framing::Empty,
            (true, _) => Framing::Chunked,
            (false, Some(0)) => Framing::Empty,
            (false, Some(length)) => Framing::Length(length),
            (false, None) => Framing::UntilClose,
        };
        self.keep_alive = keep_alive && !close && self.framing != Framing::UntilClose;
        Ok(())
    }
}

/// Fields for which no memory is taken from the heap.
const FIELDS_USUAL: usize = 48;

/// Where a part of the buffer stands in it.
fn span_in(buffer: &[u8], part: &[u8]) -> Span {
    let start = (part.as_ptr() as usize).saturating_sub(buffer.as_ptr() as usize);
    if part.is_empty() || start > buffer.len() {
        return Span::default();
    }
    Span::new(start, start + part.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(asked: Asked, text: &str, expected: &str) {
        let mut head = AnswerHead::default();
        let found = match head.read(text.as_bytes(), asked) {
            Ok(true) => format!("{} {:?} keep={}", head.status, head.framing, head.keep_alive),
            Ok(false) => "more".to_owned(),
            Err(Malformed) => "malformed".to_owned(),
        };
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn an_answer_says_once_where_its_body_ends() {
        let ok = |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
        let check = |fields, expected| check(Asked::Other, &ok(fields), expected);
        check("Content-Length: 5\r\n", "200 Length(5) keep=true");
        check("Content-Length: 0\r\nConnection: close\r\n", "200 Empty keep=false");
        check("Transfer-Encoding: chunked\r\n", "200 Chunked keep=true");
        check("", "200 UntilClose keep=false");
        check("Content-Length: 5\r\nContent-Length: 5\r\n", "200 Length(5) keep=true");
        check("Content-Length: 5\r\nContent-Length: 6\r\n", "malformed");
        check("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "malformed");
        check("Transfer-Encoding: gzip, chunked\r\n", "malformed");
        check("Content-Length: +5\r\n", "malformed");
        check("Content-Length : 5\r\n", "malformed");
        check("X: a\r\n b\r\n", "malformed");
    }

    #[test]
    fn some_answers_have_no_body() {
        let text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
        check(Asked::Head, text, "200 Empty keep=true");
        check(Asked::Other, "HTTP/1.1 204 No Content\r\n\r\n", "204 Empty keep=true");
        check(Asked::Other, "HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n", "304 Empty keep=true");
        check(Asked::Other, "HTTP/1.1 100 Continue\r\n\r\n", "100 Empty keep=true");
        check(
            Asked::Other,
            "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n",
            "200 Length(5) keep=false",
        );
    }

    #[test]
    fn heads_may_come_in_parts_and_are_limited() {
        check(Asked::Other, "HTTP/1.1 200 OK\r\nContent-", "more");
        check(Asked::Other, "SSH-2.0-x\r\n", "malformed");
        let long = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(limits::ANSWER_HEAD));
        check(Asked::Other, &long, "malformed");
        let many = format!("HTTP/1.1 204 OK\r\n{}\r\n", "x: y\r\n".repeat(limits::FIELDS));
        check(Asked::Other, &many, "204 Empty keep=true");
        let many = format!("HTTP/1.1 204 OK\r\n{}\r\n", "x: y\r\n".repeat(limits::FIELDS + 1));
        check(Asked::Other, &many, "malformed");
    }
}
