//! Bodies that were damaged on the way, thrown at every decoder: an answer or an error, never a
//! panic, a hang or an endless recursion.

use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue};
use shapes::{Kind, Location, Protocol, Schema};
use types::Timestamp;
use wire::sigv4::{Expected, Verifier};
use wire::{Incoming, Route};

use crate::dynamic::{Any, Dynamic};
use crate::model;
use crate::sample::{Extent, structure};

/// How many damaged bodies are tried, over all protocols.
const CASES: usize = 100_000;

/// Pieces that decoders are known to stumble over.
const PIECES: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\u",
    b"\\ud83d",
    b"null",
    b"1e999",
    b"-0",
    b"9223372036854775808",
    b"{\"",
    b"[[[[[[[[",
    b"&",
    b"=",
    b".1",
    b".member.4294967296",
    b"%",
    b"%f0",
    b"+",
    b"<",
    b"</",
    b"<a>",
    b"&#0;",
    b"&lt;",
    b"<![CDATA[",
    b"<!DOCTYPE a [<!ENTITY b \"c\">]>",
    b"\x9f",
    b"\xbf",
    b"\xff",
    b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xbb\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\xf9\x7e\x00",
    b"\xc1",
    b"\xfb",
    b"\x00",
    b"\xed\xa0\x80",
];

/// Small numbers in an order that only the seed decides (xorshift64*).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let roll = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(roll).expect("31 bits") % end.max(1)
    }

    /// Damages a body in up to four places.
    fn damage(&mut self, body: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..=self.below(4) {
            let at = self.below(body.len() + 1);
            match self.below(6) {
                0 => body.truncate(at),
                1 => {
                    let end = (at + self.below(16)).min(body.len());
                    body.drain(at..end);
                }
                2 => {
                    let piece = PIECES[self.below(PIECES.len())];
                    body.splice(at..at, piece.iter().copied());
                }
                3 => {
                    let from = self.below(other.len() + 1);
                    let end = (from + self.below(64)).min(other.len());
                    body.splice(at..at, other[from..end].iter().copied());
                }
                _ => {
                    let byte = u8::try_from(self.below(256)).expect("a byte");
                    if let Some(hit) = body.get_mut(at) {
                        *hit = byte;
                    }
                }
            }
        }
    }
}

/// A body that asks for the operation, before it is damaged.
fn body(route: &Route, input: &Dynamic) -> Vec<u8> {
    match route.protocol {
        Protocol::Query | Protocol::Ec2 => {
            let mut pairs = Vec::new();
            form(&mut pairs, "", input);
            pairs.join("&").into_bytes()
        }
        // The encoders are the same for both directions.
        _ => route.success(input, "id").into_body(),
    }
}

fn form(pairs: &mut Vec<String>, prefix: &str, shape: &Dynamic) {
    for (member, value) in shape.given() {
        let dot = if prefix.is_empty() { "" } else { "." };
        form_value(pairs, &format!("{prefix}{dot}{}", member.wire_name), member.schema, value);
    }
}

fn form_value(pairs: &mut Vec<String>, path: &str, schema: &Schema, value: &Any) {
    match (value, &schema.kind) {
        (Any::Structure(shape), _) => form(pairs, path, shape),
        (Any::List(items), Kind::List(member)) => {
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}.{}.{}", member.wire_name, index + 1);
                form_value(pairs, &path, member.schema, item);
            }
        }
        (Any::Map(entries), Kind::Map(_, member)) => {
            for (index, (key, item)) in entries.iter().enumerate() {
                pairs.push(format!("{path}.entry.{}.key={key}", index + 1));
                let path = format!("{path}.entry.{}.value", index + 1);
                form_value(pairs, &path, member.schema, item);
            }
        }
        (Any::Integer(value), _) => pairs.push(format!("{path}={value}")),
        (Any::Boolean(value), _) => pairs.push(format!("{path}={value}")),
        _ => pairs.push(format!("{path}=x%20y+z")),
    }
}

fn incoming<'a>(body: &'a [u8], query: &'a str, headers: &'a HeaderMap) -> Incoming<'a> {
    Incoming { method: "POST", path: "/2015-03-31/functions/f", query, headers, body }
}

#[test]
fn damaged_bodies_are_answered_or_refused() {
    let services = model::services();
    let mut routes = Vec::new();
    for service in services {
        for protocol in service.protocols {
            for operation in service.operations.iter().filter(|it| it.input.is_some()) {
                routes.push(Route { service, operation, protocol: *protocol });
            }
        }
    }
    let bodies: Vec<(Route, Vec<u8>)> = routes
        .into_iter()
        .filter_map(|route| {
            let mut input = structure(route.operation.input?, Extent::Full);
            // Bodies of a few hundred bytes are hit more often where it matters.
            for value in input.members.iter_mut().skip(12) {
                *value = None;
            }
            Some((route, body(&route, &input.without(Location::Status))))
        })
        .collect();
    let mut dice = Dice(0x5eed);
    let headers = HeaderMap::new();
    let (mut read, mut refused) = (0, 0);
    for _ in 0..CASES {
        let (route, body) = &bodies[dice.below(bodies.len())];
        let (_, other) = &bodies[dice.below(bodies.len())];
        let mut body = body.clone();
        dice.damage(&mut body, other);
        let query = String::from_utf8_lossy(other).into_owned();
        let Some(schema) = route.operation.input else { continue };
        let request = incoming(&body, &query, &headers);
        match route.decode_into(&request, &mut Dynamic::new(schema)) {
            Ok(()) => read += 1,
            Err(_) => refused += 1,
        }
        let _ = wire::route(&request);
    }
    println!("{read} read, {refused} refused");
    assert!(read > CASES / 20 && refused > CASES / 20, "{read} read, {refused} refused");
}

#[test]
fn nesting_and_lengths_that_lie_are_refused_at_once() {
    let services = model::services();
    let deep = |open: &[u8], head: &[u8]| [head, &open.repeat(200_000)].concat();
    let bombs = [
        deep(b"[", b"{\"unknown\":"),
        deep(b"{\"a\":", b"{\"hookDetails\":"),
        deep(b"<a>", b"<r>"),
        deep(b"\x81", b"\xa1\x61a"),
        deep(b"\x9f", b"\xa1\x61a"),
        deep(b"\xbf\x61a", b"\xa1\x61a"),
        deep(b"a.", b""),
        deep(b"\xc1", b"\xa1\x69StartTime"),
        b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
        b"\xa1\x6bMetricNames\x9b\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
    ];
    let headers = HeaderMap::new();
    for service in services {
        for protocol in service.protocols {
            let Some(operation) = service.operations.iter().find(|it| it.input.is_some()) else {
                continue;
            };
            for bomb in &bombs {
                let route = Route { service, operation, protocol: *protocol };
                let start = Instant::now();
                let mut shape = Dynamic::new(operation.input.expect("it has one"));
                let found = route.decode_into(&incoming(bomb, "", &headers), &mut shape);
                // A form has one parameter whatever its name, and only its own are read.
                let is_form = matches!(protocol, Protocol::Query | Protocol::Ec2);
                assert!(found.is_err() || is_form, "{} {protocol:?}", operation.name);
                assert!(start.elapsed() < Duration::from_secs(2), "{}", operation.name);
            }
        }
    }
}

#[test]
fn documents_are_read_to_a_bounded_depth() {
    let schema: &'static Schema = Box::leak(Box::new(Schema::new("Any", Kind::Document)));
    let members = vec![shapes::Member::new("any", schema)].leak();
    let schema: &'static Schema = Box::leak(Box::new(Schema::structure("Holder", members)));
    let nested = |depth: usize| {
        format!("{{\"any\":{}1{}}}", "[".repeat(depth), "]".repeat(depth)).into_bytes()
    };
    let read = |depth| shapes::json::decode(&nested(depth), &mut Dynamic::new(schema));
    assert_eq!(read(shapes::MAX_DEPTH), Ok(()));
    assert_eq!(read(shapes::MAX_DEPTH + 1), Err(shapes::DecodeError::TooDeep));
    let cbor = |depth: usize| [b"\xa1\x63any".as_slice(), &b"\x81".repeat(depth), b"\x01"].concat();
    let read = |depth| shapes::cbor::decode(&cbor(depth), &mut Dynamic::new(schema));
    assert_eq!(read(shapes::MAX_DEPTH), Ok(()));
    assert_eq!(read(shapes::MAX_DEPTH + 1), Err(shapes::DecodeError::TooDeep));
}

#[test]
fn damaged_signatures_are_refused() {
    let header = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                  SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=A%2F20150830%2Fus-east-1%2Fservice%2F\
                 aws4_request&X-Amz-Date=20150830T123600Z&X-Amz-SignedHeaders=host&X-Amz-Expires=3600&X-Amz-Signature=00";
    let verifier = Verifier::default();
    let expected = Expected { service: "service", region: None };
    let mut dice = Dice(7);
    for round in 0..20_000 {
        let mut text = if round % 2 == 0 { header } else { query }.as_bytes().to_vec();
        dice.damage(&mut text, header.as_bytes());
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_bytes(&text);
        if let (0, Ok(value)) = (round % 2, value) {
            headers.insert("authorization", value);
            headers.insert("x-amz-date", HeaderValue::from_static("20150830T123600Z"));
        }
        let query = if round % 2 == 0 { "".into() } else { String::from_utf8_lossy(&text) };
        let request = incoming(b"", &query, &headers);
        let found = verifier.verify(&request, expected, Timestamp(1_440_938_160_000), &|_| None);
        assert!(found.is_err());
        let _ = wire::route(&request);
    }
}
