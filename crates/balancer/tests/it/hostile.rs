//! Requests that are made to be misunderstood, and requests that are too much.

use super::lab::{Lab, status};

const DESYNC: &str = "routing.http.desync_mitigation_mode";

/// A request that hides another one, and how many the target may read of it.
#[track_caller]
fn check(mode: &str, request: &str, expected: u16, seen: usize) {
    let lab = Lab::attributed(&[(DESYNC, mode)]);
    let answer = lab.talk(request);
    assert_eq!(status(&answer), expected, "{mode}: {request:?}: {answer:?}");
    assert_eq!(lab.origin.seen().len(), seen, "{mode}: {request:?}: {:?}", lab.origin.seen());
    assert!(!lab.origin.seen().iter().any(|it| it.contains("/hidden")), "{request:?}");
}

fn post(fields: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: lab\r\n{fields}\r\n{body}")
}

#[test]
fn no_framing_hides_a_request_from_us_and_shows_it_to_the_target() {
    let hidden = "GET /hidden HTTP/1.1\r\nHost: lab\r\n\r\n";
    let chunked = format!("0\r\n\r\n{hidden}");
    let length = format!("Content-Length: {}\r\n", chunked.len());
    for field in [
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding\t: chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n",
        "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding:\x0bchunked\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        " Transfer-Encoding: chunked\r\n",
        "X: y\nTransfer-Encoding: chunked\r\n",
        "X: y\rTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding\r\n : chunked\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 1\r\n",
        "Content-Length: 0x1\r\n",
        "Content-Length: 1,1\r\n",
        "Host: other\r\n",
        "X: a\0b\r\n",
    ] {
        for mode in ["monitor", "defensive", "strictest"] {
            check(mode, &post(&format!("{length}{field}"), &chunked), 400, 0);
        }
    }
}

#[test]
fn ambiguous_requests_have_one_meaning_and_their_connections_to_themselves() {
    // With both, the chunks count: nothing is hidden, and nothing comes after it.
    let both = post(
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: lab\r\n\r\n",
    );
    check("defensive", &both, 200, 1);
    check("strictest", &both, 400, 0);
    let twice = post(
        "Content-Length: 2\r\nContent-Length: 2\r\n",
        "okGET /hidden HTTP/1.1\r\nHost: lab\r\n\r\n",
    );
    check("defensive", &twice, 200, 1);
    check("strictest", &twice, 400, 0);
    let odd = post("Transfer_Encoding: chunked\r\n", "GET /hidden HTTP/1.1\r\nHost: lab\r\n\r\n");
    check("defensive", &odd, 200, 1);
    check("strictest", &odd, 400, 0);
}

#[test]
fn chunks_that_are_none_end_the_request_and_the_connection() {
    for chunk in [
        "+1\r\nx\r\n0\r\n\r\n",
        "1\nx\n0\n\n",
        "1 \r\nx\r\n0\r\n\r\n",
        "0x1\r\nx\r\n0\r\n\r\n",
        "1\r\nxx\r\n0\r\n\r\n",
    ] {
        let lab = Lab::start();
        let request = post("Transfer-Encoding: chunked\r\n", chunk);
        let answer = lab.talk(format!("{request}GET /hidden HTTP/1.1\r\nHost: lab\r\n\r\n"));
        assert_eq!(status(&answer), 400, "{chunk:?}");
        assert!(!lab.origin.seen().iter().any(|it| it.contains("/hidden")));
    }
}

#[test]
fn requests_that_are_not_http_are_refused_by_their_status() {
    let lab = Lab::start();
    for (request, expected) in [
        ("GET / HTTP/2.0\r\nHost: lab\r\n\r\n", 505),
        ("GET /\r\n\r\n", 400),
        ("\x16\x03\x01\x02\0\x01\0\x01\n\r\n\r\n", 400),
        ("TRACE / HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n", 405),
        ("CONNECT a:1 HTTP/1.1\r\nHost: lab\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: lab\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ] {
        assert_eq!(status(&lab.talk(request)), expected, "{request:?}");
    }
    assert_eq!(lab.origin.seen(), Vec::<String>::new());
}

#[test]
fn heads_that_are_too_large_are_refused() {
    let lab = Lab::start();
    let long = "x".repeat(17_000);
    assert_eq!(status(&lab.talk(format!("GET /{long} HTTP/1.1\r\nHost: lab\r\n\r\n"))), 414);
    assert_eq!(status(&lab.talk(format!("GET / HTTP/1.1\r\nHost: lab\r\nX: {long}\r\n\r\n"))), 400);
    let many = format!("X: {}\r\n", "x".repeat(9_000)).repeat(8);
    assert_eq!(status(&lab.talk(format!("GET / HTTP/1.1\r\nHost: lab\r\n{many}\r\n"))), 400);
    let forwarded = format!("X-Forwarded-For: {}\r\n", ["1.1.1.1"; 31].join(", "));
    let request = format!("GET / HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n{forwarded}\r\n");
    assert_eq!(status(&lab.talk(request)), 463);
    let near = format!("X: {}\r\n", "x".repeat(15_000)).repeat(4);
    let request = format!("GET / HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n{near}\r\n");
    assert_eq!(status(&lab.talk(request)), 200);
}
