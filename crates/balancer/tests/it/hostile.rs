//! Requests that are made to be misunderstood, and requests that are too much.

use core::time::Duration;
use std::io::Write as _;

use state::{Action, Condition, Redirect, Transform};

use super::lab::{Lab, PATIENCE, attributes, rule, status, target};
use super::origin::{ENDLESS, endless};

const DESYNC: &str = "routing.http.desync_mitigation_mode";

fn labs(modes: &[&'static str]) -> Vec<(&'static str, Lab)> {
    modes.iter().map(|mode| (*mode, Lab::attributed(&[(DESYNC, mode)]))).collect()
}

/// A request that hides another one, and how many the target may read of it.
#[track_caller]
fn check((mode, lab): &(&str, Lab), request: &str, expected: u16, seen: usize) {
    let before = lab.origin.seen().len();
    let answer = lab.talk(request);
    assert_eq!(status(&answer), expected, "{mode}: {request:?}: {answer:?}");
    let all = lab.origin.seen();
    assert_eq!(all.len() - before, seen, "{mode}: {request:?}: {all:?}");
    assert!(!all.iter().any(|it| it.contains("/hidden")), "{request:?}");
}

fn post(fields: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: lab\r\n{fields}\r\n{body}")
}

#[test]
fn no_framing_hides_a_request_from_us_and_shows_it_to_the_target() {
    let hidden = "GET /hidden HTTP/1.1\r\nHost: lab\r\n\r\n";
    let chunked = format!("0\r\n\r\n{hidden}");
    let length = format!("Content-Length: {}\r\n", chunked.len());
    let labs = labs(&["monitor", "defensive", "strictest"]);
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
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity, chunked\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "Content-Length : 1\r\n",
        "Content-Length: \r\n 1\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Host: other\r\n",
        "Host: lab\r\n",
        "Host: la b\r\n",
        "X: a\0b\r\n",
    ] {
        for lab in &labs {
            check(lab, &post(&format!("{length}{field}"), &chunked), 400, 0);
        }
    }
}

#[test]
fn ambiguous_requests_have_one_meaning_and_their_connections_to_themselves() {
    let labs = labs(&["defensive", "strictest"]);
    let (defensive, strictest) = (&labs[0], &labs[1]);
    // With both, the chunks count: nothing is hidden, and nothing comes after it.
    let both = post(
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: lab\r\n\r\n",
    );
    check(defensive, &both, 200, 1);
    check(strictest, &both, 400, 0);
    let twice = post(
        "Content-Length: 2\r\nContent-Length: 2\r\n",
        "okGET /hidden HTTP/1.1\r\nHost: lab\r\n\r\n",
    );
    check(defensive, &twice, 200, 1);
    check(strictest, &twice, 400, 0);
    let odd = post("Transfer_Encoding: chunked\r\n", "GET /hidden HTTP/1.1\r\nHost: lab\r\n\r\n");
    check(defensive, &odd, 200, 1);
    check(strictest, &odd, 400, 0);
}

#[test]
fn chunks_that_are_none_end_the_request_and_the_connection() {
    let lab = Lab::start();
    for chunk in [
        "+1\r\nx\r\n0\r\n\r\n",
        "1\nx\n0\n\n",
        "1 \r\nx\r\n0\r\n\r\n",
        "0x1\r\nx\r\n0\r\n\r\n",
        "1\r\nxx\r\n0\r\n\r\n",
        "1\rx\r\n0\r\n\r\n",
        "1;a=\"\n\"\r\nx\r\n0\r\n\r\n",
        "1;a\rb\r\nx\r\n0\r\n\r\n",
        "1;\0\r\nx\r\n0\r\n\r\n",
        "10000000000000000\r\nx\r\n0\r\n\r\n",
        "1\r\nx\r\n0\r\nnot a field\r\n\r\n",
        "1\r\nx\r\n0\r\n folded: x\r\n\r\n",
    ] {
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
        ("POST / HTTP/1.1\r\nHost: lab\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", 501),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        ("GET lab:80 HTTP/1.1\r\nHost: lab\r\n\r\n", 400),
        ("GET http://user@lab/ HTTP/1.1\r\nHost: lab\r\n\r\n", 400),
        ("GET http://la b/ HTTP/1.1\r\nHost: lab\r\n\r\n", 400),
        ("GET * HTTP/1.1\r\nHost: lab\r\n\r\n", 400),
        ("GE(T / HTTP/1.1\r\nHost: lab\r\n\r\n", 400),
        ("GET / HTTP/1.1\nHost: lab\n\n", 400),
        ("GET / HTTP/1.1\r\nHost: lab/other\r\n\r\n", 400),
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

#[test]
fn heads_of_very_many_fields_are_refused() {
    let lab = Lab::start();
    let many = "a:b\r\n".repeat(10_000);
    assert_eq!(status(&lab.talk(format!("GET / HTTP/1.1\r\nHost: lab\r\n{many}\r\n"))), 400);
    assert_eq!(lab.origin.seen(), Vec::<String>::new());
}

#[test]
fn an_absolute_target_says_where_a_request_goes_whatever_its_host_says() {
    let lab = Lab::start();
    let answer =
        lab.talk("GET http://lab/echo?x HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n");
    assert!(answer.contains("\r\n\r\nGET /echo?x HTTP/1.1\r\nHost: lab\r\n"), "{answer}");
    assert!(!answer.contains("other"), "{answer}");
    let whole = lab.talk("OPTIONS * HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n");
    assert!(whole.contains("\r\n\r\nOPTIONS * HTTP/1.1\r\n"), "{whole}");
}

#[test]
fn trailers_that_would_change_the_request_go_no_further() {
    let lab = Lab::start();
    let mut client = lab.client();
    client.send(post("Transfer-Encoding: chunked\r\n", "1\r\nx\r\n0\r\n"));
    client.send("Host: other\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n");
    client.send("X-Forwarded-For: 6.6.6.6\r\nConnection: close\r\nCookie: a=b\r\n");
    client.send("x-sum: 5\r\n\r\n");
    assert!(client.answer().ends_with("\r\n\r\nxx-sum: 5"));
}

#[test]
fn nothing_that_a_client_sends_becomes_a_line_of_a_redirect_or_of_a_request() {
    let lab = Lab::with(|table| {
        let redirect = Action::Redirect(Redirect {
            protocol: "#{protocol}".into(),
            host: "#{host}".into(),
            port: "#{port}".into(),
            path: "/new/#{path}".into(),
            query: "#{query}".into(),
            status: 302,
        });
        let path = vec![Condition::Path(vec!["/old*".into()])];
        let rules = &mut table.load_balancers[0].listeners[0].rules;
        rules.insert(0, rule(Some(1), path, redirect));
        rules[1].transforms = vec![
            Transform::Host { regex: "^(.*)$".into(), replacement: "$1.new".into() },
            Transform::Url { regex: "^/(.*)$".into(), replacement: "/new/$1".into() },
        ];
    });
    for sent in ["%0d%0aSet-Cookie:%20a=b", "\x0bx", "\tx", "\x7fx", " x", "\u{e9}"] {
        let request = |path: &str| {
            format!("GET {path}{sent} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n")
        };
        let answer = lab.talk(request("/old?"));
        let location = answer.lines().find_map(|it| it.strip_prefix("Location: "));
        let location = location.unwrap_or_else(|| panic!("{sent:?}: {answer}"));
        assert!(location.bytes().all(|it| it.is_ascii_graphic()), "{sent:?}: {location:?}");
        assert!(!answer.contains("Set-Cookie: a"), "{answer}");
        let echo = lab.talk(request("/"));
        let line = echo.split("\r\n\r\n").nth(1).and_then(|it| it.lines().next());
        let line = line.unwrap_or_else(|| panic!("{sent:?}: {echo}"));
        let target = line.strip_prefix("GET ").and_then(|it| it.strip_suffix(" HTTP/1.1"));
        let is_one = target.is_some_and(|it| it.bytes().all(|it| it.is_ascii_graphic()));
        assert!(is_one && !echo.contains("\r\nSet-Cookie"), "{sent:?}: {echo}");
    }
}

#[test]
fn an_answer_that_nobody_reads_costs_little_and_ends() {
    let (at, written) = endless();
    let lab = Lab::with(|table| {
        table.groups[0].targets = vec![target(at)];
        table.load_balancers[0].attributes = attributes(&[("idle_timeout.timeout_seconds", "4")]);
    });
    let mut client = lab.client();
    client.send("GET / HTTP/1.1\r\nHost: lab\r\n\r\n");
    // The client stays, and reads nothing.
    let taken = written.recv_timeout(PATIENCE).expect("the target is let go");
    assert!(taken < ENDLESS, "{taken} bytes are held for one client");
}

#[test]
fn a_head_that_comes_drop_by_drop_is_not_waited_for() {
    let lab = Lab::attributed(&[("idle_timeout.timeout_seconds", "4")]);
    let mut client = lab.client();
    client.0.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
    client.send("GET / HTTP/1.1\r\nHost: lab\r\nX: ");
    let mut first = [0; 12];
    // A drop whenever there is no answer yet.
    while client.0.peek(&mut first).is_err() {
        let _ = client.0.write_all(b"x");
    }
    client.0.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    assert_eq!(status(&client.rest()), 408);
}
