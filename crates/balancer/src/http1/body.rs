//! Bodies: where they end, and what of what was read belongs to them.

use core::ops::Range;

use super::field::{Name, is_token, trim};
use crate::limits;

/// How the end of a body is found. Source: RFC 9112, 6.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Framing {
    /// There is none.
    #[default]
    Empty,
    /// After so many bytes, at least one.
    Length(u64),
    /// It comes in chunks that say how long they are.
    Chunked,
    /// It ends with the connection; answers only.
    UntilClose,
}

/// A body that says something that it must not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body's chunks are malformed")]
pub(crate) struct Malformed;

/// Takes the data out of what was read.
#[derive(Debug)]
pub(crate) struct Decoder {
    state: State,
    /// Trailer fields, each with its line end.
    trailers: Vec<u8>,
    line_start: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Counted(u64),
    Endless,
    Size { value: u64, digits: u8 },
    Extension { size: u64, len: usize },
    SizeEnd { size: u64 },
    Data(u64),
    DataEnd,
    DataEndFeed,
    Trailer,
    TrailerEnd,
    Done,
}

/// The most digits of a chunk's size that a `u64` has room for.
const SIZE_DIGITS: u8 = 16;

impl Decoder {
    pub(crate) fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::Empty | Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Counted(length),
            Framing::Chunked => State::Size { value: 0, digits: 0 },
            Framing::UntilClose => State::Endless,
        };
        Self { state, trailers: Vec::new(), line_start: 0 }
    }

    /// Whether all of the body has been seen.
    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Whether the end of the connection is a good end of the body.
    pub(crate) fn may_end(&self) -> bool {
        matches!(self.state, State::Done | State::Endless)
    }

    /// How many more bytes may be read without reading past the body.
    pub(crate) fn read_limit(&self) -> usize {
        match self.state {
            State::Counted(left) => usize::try_from(left).unwrap_or(usize::MAX),
            _ => usize::MAX,
        }
    }

    /// Trailer fields that came, each with its line end; without those that must not be there.
    pub(crate) fn trailers(&self) -> &[u8] {
        &self.trailers
    }

    /// Takes the next piece of data from `input`: answers how many bytes have been used up, and which
    /// of them are data. If no byte was used up, more must be read, or the body is done.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if chunks are not exactly what RFC 9112, 7.1 says, or say too much.
    pub(crate) fn next(&mut self, input: &[u8]) -> Result<(usize, Range<usize>), Malformed> {
        let mut at = 0;
        while at < input.len() {
            let available = (input.len() - at) as u64;
            match self.state {
                State::Done => break,
                State::Endless => return Ok((input.len(), at..input.len())),
                State::Counted(left) | State::Data(left) => {
                    let taken = left.min(available);
                    self.state = match self.state {
                        State::Counted(_) if taken == left => State::Done,
                        State::Counted(_) => State::Counted(left - taken),
                        _ if taken == left => State::DataEnd,
                        _ => State::Data(left - taken),
                    };
                    let end = at + usize::try_from(taken).unwrap_or(usize::MAX);
                    return Ok((end, at..end));
                }
                _ => {
                    let byte = input.get(at).copied().unwrap_or_default();
                    self.state = self.step(byte)?;
                    at += 1;
                }
            }
        }
        Ok((at, 0..0))
    }

    /// What one byte between the data means.
    fn step(&mut self, byte: u8) -> Result<State, Malformed> {
        Ok(match (self.state, byte) {
            (State::Size { value, digits }, _) if byte.is_ascii_hexdigit() => {
                if digits == SIZE_DIGITS {
                    return Err(Malformed);
                }
                let digit = char::from(byte).to_digit(16).map_or(0, u64::from);
                State::Size { value: value << 4 | digit, digits: digits + 1 }
            }
            (State::Size { digits: 0, .. }, _) | (State::Trailer, b'\n' | 0) => {
                return Err(Malformed);
            }
            (State::Size { value: size, .. } | State::Extension { size, .. }, b'\r') => {
                State::SizeEnd { size }
            }
            (State::Size { value: size, .. }, b';') => State::Extension { size, len: 0 },
            (State::Extension { size, len }, b' '..=b'~' | b'\t')
                if len < limits::CHUNK_EXTENSION =>
            {
                State::Extension { size, len: len + 1 }
            }
            (State::SizeEnd { size: 0 }, b'\n') => State::Trailer,
            (State::SizeEnd { size }, b'\n') => State::Data(size),
            (State::DataEnd, b'\r') => State::DataEndFeed,
            (State::DataEndFeed, b'\n') => State::Size { value: 0, digits: 0 },
            (State::Trailer, b'\r') => State::TrailerEnd,
            (State::Trailer, _) => {
                if self.trailers.len() >= limits::TRAILERS {
                    return Err(Malformed);
                }
                self.trailers.push(byte);
                State::Trailer
            }
            (State::TrailerEnd, b'\n') => self.end_trailer()?,
            _ => return Err(Malformed),
        })
    }

    /// A line of the trailers has ended: the last one is empty.
    fn end_trailer(&mut self) -> Result<State, Malformed> {
        let line = self.trailers.get(self.line_start..).unwrap_or_default();
        if line.is_empty() {
            return Ok(State::Done);
        }
        let colon = line.iter().position(|it| *it == b':').ok_or(Malformed)?;
        let name = line.get(..colon).unwrap_or_default();
        if !is_token(name) {
            return Err(Malformed);
        }
        if may_trail(Name::of(name)) && !trim(line.get(colon + 1..).unwrap_or_default()).is_empty()
        {
            self.trailers.extend_from_slice(b"\r\n");
        } else {
            self.trailers.truncate(self.line_start);
        }
        self.line_start = self.trailers.len();
        Ok(State::Trailer)
    }
}

/// Whether a field may come after the body: not if it says where the body ends, where the request
/// goes or who the client is. Source: RFC 9110, 6.5.1.
pub(crate) fn may_trail(name: Name) -> bool {
    matches!(name, Name::Other | Name::Odd | Name::Server | Name::Date)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data and trailers of a body that comes in pieces of that size, and what is left over.
    fn decode(
        framing: Framing,
        input: &str,
        step: usize,
    ) -> Result<(String, String, String), Malformed> {
        let mut decoder = Decoder::new(framing);
        let mut data = Vec::new();
        let mut rest = Vec::new();
        for piece in input.as_bytes().chunks(step) {
            let mut piece = piece;
            while !piece.is_empty() {
                let (used, range) = decoder.next(piece)?;
                if used == 0 {
                    break;
                }
                data.extend_from_slice(&piece[range]);
                piece = &piece[used..];
            }
            rest.extend_from_slice(piece);
        }
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        let trailers = text(decoder.trailers().to_vec());
        if !decoder.may_end() {
            data.extend_from_slice(b" (more)");
        }
        Ok((text(data), trailers, text(rest)))
    }

    #[track_caller]
    fn check(framing: Framing, input: &str, expected: (&str, &str, &str)) {
        for step in [1, 2, 3, 7, 1000] {
            let found = decode(framing, input, step).expect("well-formed");
            let expected = (expected.0.into(), expected.1.into(), expected.2.into());
            assert_eq!(found, expected, "in steps of {step}");
        }
    }

    #[test]
    fn a_body_ends_where_it_says() {
        check(Framing::Length(5), "helloGET", ("hello", "", "GET"));
        check(Framing::Length(5), "hell", ("hell (more)", "", ""));
        check(Framing::UntilClose, "hello", ("hello", "", ""));
        check(Framing::Chunked, "5\r\nhello\r\n0\r\n\r\nGET", ("hello", "", "GET"));
        check(Framing::Chunked, "3\r\nhel\r\n002;a=b\r\nlo\r\n0\r\n\r\n", ("hello", "", ""));
        check(Framing::Chunked, "A\r\n0123456789\r\n", ("0123456789 (more)", "", ""));
    }

    #[test]
    fn trailers_are_kept_unless_they_would_change_the_message() {
        let body = "1\r\nx\r\n0\r\ngrpc-status: 0\r\nContent-Length: 9\r\nHost: b\r\nx: y\r\n\r\n";
        check(Framing::Chunked, body, ("x", "grpc-status: 0\r\nx: y\r\n", ""));
    }

    #[test]
    fn chunks_that_others_may_read_otherwise_are_refused() {
        for body in [
            "\r\n",
            "+5\r\nhello\r\n",
            "-5\r\nhello\r\n",
            "0x5\r\nhello\r\n",
            " 5\r\nhello\r\n",
            "5 \r\nhello\r\n",
            "5\nhello\n",
            "5\rhello",
            "5;a\nb\r\nhello\r\n",
            "5;\0\r\nhello\r\n",
            "5\r\nhelloX",
            "5\r\nhello\n0\r\n\r\n",
            "5\r\nhello\r0\r\n\r\n",
            "11112222333344445\r\n",
            "g\r\n",
            "0\r\nno colon\r\n\r\n",
            "0\r\n: empty\r\n\r\n",
            "0\r\n folded: x\r\n\r\n",
            "0\r\na: b\n\r\n",
        ] {
            for step in [1, 1000] {
                assert_eq!(decode(Framing::Chunked, body, step), Err(Malformed), "{body:?}");
            }
        }
        let long = format!("5;{}\r\n", "x".repeat(limits::CHUNK_EXTENSION + 1));
        assert_eq!(decode(Framing::Chunked, &long, 1000), Err(Malformed));
    }
}
