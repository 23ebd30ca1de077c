//! A client that speaks HTTP/2 frame by frame, so that it can say what no library would.

use std::io::{Read, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::version::TLS13;

use super::lab::Lab;
use super::origin::scripted;
use super::tls::{Secure, config, connect};

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;
pub(crate) const WITH_PRIORITY: u8 = 0x20;

/// A frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let len = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut frame = vec![len[1], len[2], len[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// A field whose name is not in the tables and that stays out of them.
pub(crate) fn field(name: &str, value: &str) -> Vec<u8> {
    let mut field = vec![0];
    for text in [name, value] {
        assert!(text.len() < 127, "one byte says how long it is");
        field.push(u8::try_from(text.len()).expect("short"));
        field.extend_from_slice(text.as_bytes());
    }
    field
}

/// The fields of a request for that path, by that method.
pub(crate) fn request(method: &str, path: &str) -> Vec<u8> {
    let all = [(":method", method), (":scheme", "https"), (":authority", "lab"), (":path", path)];
    all.iter().flat_map(|it| field(it.0, it.1)).collect()
}

/// A whole request without a body.
pub(crate) fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, request("GET", path))
}

/// The head of a request whose body is to come.
pub(crate) fn post(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, request("POST", path))
}

/// What the balancer says that decides something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// The head of an answer begins.
    Answer(u32),
    Reset(u32, &'static str),
    GoAway(&'static str),
    Pong(Vec<u8>),
    Data(u32, usize),
    Closed,
}

const CODES: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];

fn code(bytes: &[u8]) -> &'static str {
    let number = u32::from_be_bytes(*bytes.first_chunk().expect("four bytes"));
    CODES[number as usize]
}

/// A client that speaks frame by frame.
pub(crate) struct Frames(pub(crate) Secure);

impl Frames {
    /// Only TLS stands; nothing of HTTP/2 has been said.
    pub(crate) fn silent(lab: &Lab) -> Self {
        let config = Arc::new(config(&[&TLS13], &["h2"]));
        Self(connect(lab.address, &config, "one.lab.test").expect("shakes hands"))
    }

    /// The beginning has been said, with these settings.
    pub(crate) fn begin(lab: &Lab, settings: &[(u16, u32)]) -> Self {
        let mut frames = Self::silent(lab);
        frames.send(PREFACE);
        frames.send(frame(SETTINGS, 0, 0, pairs(settings)));
        frames
    }

    /// Whether a request is answered.
    pub(crate) fn is_served(&mut self) -> bool {
        self.send(get(1, "/echo"));
        self.said() == Said::Answer(1)
    }

    /// Sends that; a balancer that has had enough may have closed before all has come.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.0.0.write_all(bytes.as_ref()).and_then(|()| self.0.0.flush());
    }

    /// The next that is said and decides something.
    pub(crate) fn said(&mut self) -> Said {
        loop {
            let Some((kind, flags, stream, payload)) = read(&mut self.0.0) else {
                return Said::Closed;
            };
            match kind {
                DATA => return Said::Data(stream, payload.len()),
                HEADERS => return Said::Answer(stream),
                RST_STREAM => return Said::Reset(stream, code(&payload)),
                GOAWAY => return Said::GoAway(code(&payload[4..])),
                PING if flags & ACK != 0 => return Said::Pong(payload),
                _ => {}
            }
        }
    }
}

/// The next frame: kind, flags, stream and payload; `None` if there is none any more.
fn read(from: &mut impl Read) -> Option<(u8, u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    from.read_exact(&mut head).ok()?;
    let [a, b, c, kind, flags, stream @ ..] = head;
    let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
    from.read_exact(&mut payload).ok()?;
    Some((kind, flags, u32::from_be_bytes(stream), payload))
}

/// A target that speaks frame by frame: it says what each frame's kind and stream ask for.
pub(crate) fn framed(answer: impl Fn(u8, u32) -> Vec<u8> + Send + Sync + 'static) -> SocketAddr {
    scripted(move |_, balancer| {
        let mut preface = [0; 24];
        if balancer.0.read_exact(&mut preface).is_err() {
            return;
        }
        balancer.send(frame(SETTINGS, 0, 0, []));
        while let Some((kind, flags, stream, _)) = read(&mut balancer.0) {
            let said = match kind {
                SETTINGS if flags & ACK == 0 => frame(SETTINGS, ACK, 0, []),
                _ => answer(kind, stream),
            };
            if balancer.0.write_all(&said).is_err() {
                break;
            }
        }
    })
}

/// The payload of a `SETTINGS` frame.
pub(crate) fn pairs(settings: &[(u16, u32)]) -> Vec<u8> {
    let pair = |it: &(u16, u32)| [&it.0.to_be_bytes()[..], &it.1.to_be_bytes()].concat();
    settings.iter().flat_map(pair).collect()
}
