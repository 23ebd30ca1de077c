//! The canonical form of a request: the text that both sides hash.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};

use crate::request::Incoming;

/// What is encoded in names and values of the query string.
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// What is encoded in a path. The percent sign is: paths arrive encoded and are encoded again.
const IN_PATH: &AsciiSet = &IN_QUERY.remove(b'/');

/// The parameter that carries the signature itself.
pub(super) const SIGNATURE_PARAMETER: &str = "X-Amz-Signature";

/// The hash of the canonical request, over these headers and this hash of the body.
///
/// `signed_headers` are in small letters and sorted; headers that are not there count as empty.
pub(super) fn request_hash(
    request: &Incoming<'_>,
    signed_headers: &[&str],
    body_hash: &str,
) -> String {
    let mut text = String::with_capacity(512);
    for part in [request.method, &path(request.path), &query(request.query)] {
        text.push_str(part);
        text.push('\n');
    }
    for name in signed_headers {
        text.push_str(name);
        text.push(':');
        for (index, value) in request.headers.get_all(*name).iter().enumerate() {
            text.push_str(if index == 0 { "" } else { "," });
            collapse(&mut text, &String::from_utf8_lossy(value.as_bytes()));
        }
        text.push('\n');
    }
    text.push('\n');
    text.push_str(&signed_headers.join(";"));
    text.push('\n');
    text.push_str(body_hash);
    hash(text.as_bytes())
}

/// SHA-256 in hexadecimal digits.
pub(super) fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Adds a header's value with its white space made single.
fn collapse(text: &mut String, value: &str) {
    for (index, word) in value.split_ascii_whitespace().enumerate() {
        text.push_str(if index == 0 { "" } else { " " });
        text.push_str(word);
    }
}

/// The path without empty, `.` and `..` segments, encoded once more.
fn path(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    let ends_open = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
    let end = if ends_open && !kept.is_empty() { "/" } else { "" };
    let normal = format!("/{}{end}", kept.join("/"));
    utf8_percent_encode(&normal, IN_PATH).to_string()
}

/// The parameters, decoded and encoded alike, sorted, without the signature.
fn query(query: &str) -> String {
    if query.is_empty() {
        return String::new();
    }
    let normal = |text: &str| {
        let bytes: Cow<'_, [u8]> = percent_decode_str(text).into();
        percent_encoding::percent_encode(&bytes, IN_QUERY).to_string()
    };
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .filter(|(name, _)| *name != SIGNATURE_PARAMETER)
        .map(|(name, value)| (normal(name), normal(value)))
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}
