use std::collections::BTreeMap;

use plan::routing::attributes::BalancerAttributes;

use super::*;

fn attributes(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A request as the target gets it, with these attributes set, by a listener on port 8080.
fn rewritten(set: &[(&str, &str)], text: &str) -> Result<String, Fault> {
    let mut head = RequestHead::default();
    head.read(text.as_bytes()).expect("well-formed");
    let passage = Passage {
        client: ([192, 0, 2, 7], 4711).into(),
        port: 8080,
        tls: None,
        attributes: &BalancerAttributes::of(&attributes(set), true),
        listener: &ListenerAttributes::of(&BTreeMap::new()),
        trace: "Root=1-a-b",
        host: None,
        target: None,
    };
    let mut out = Vec::new();
    request(&mut out, &head, text.as_bytes(), &passage)?;
    Ok(String::from_utf8(out).expect("text"))
}

/// The fields of that name that a target gets of a request with these fields.
#[track_caller]
fn check(set: &[(&str, &str)], fields: &str, name: &str, expected: &[&str]) {
    let text = format!("GET / HTTP/1.1\r\nHost: a.org\r\n{fields}\r\n");
    let rewritten = rewritten(set, &text).expect("goes on");
    let values = rewritten.lines().filter_map(|it| it.split_once(": "));
    let found: Vec<_> =
        values.filter(|it| it.0.eq_ignore_ascii_case(name)).map(|it| it.1).collect();
    assert_eq!(found, expected, "{rewritten}");
}

#[test]
fn a_target_is_told_who_asks() {
    let found = rewritten(&[], "GET HTTP://a.org?x HTTP/1.0\r\nAccept: b\r\n\r\n");
    let expected = "GET /?x HTTP/1.1\r\nHost: a.org:8080\r\nAccept: b\r\n\
        X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: 8080\r\n\
        X-Amzn-Trace-Id: Root=1-a-b\r\n\r\n";
    assert_eq!(found.as_deref(), Ok(expected));
}

#[test]
fn the_clients_address_is_added_as_the_attribute_says() {
    let came = "X-Forwarded-For: 10.0.0.1\r\nx-forwarded-for: 10.0.0.2\r\n";
    let mode = "routing.http.xff_header_processing.mode";
    check(&[], came, "x-forwarded-for", &["10.0.0.1, 10.0.0.2, 192.0.2.7"]);
    check(&[(mode, "preserve")], came, "x-forwarded-for", &["10.0.0.1, 10.0.0.2"]);
    check(&[(mode, "remove")], came, "x-forwarded-for", &[]);
    let port = ("routing.http.xff_client_port.enabled", "true");
    check(&[port], "", "x-forwarded-for", &["192.0.2.7:4711"]);

    let many = |count| format!("X-Forwarded-For: {}\r\n", vec!["1.1.1.1"; count].join(","));
    let text = |count| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", many(count));
    assert!(rewritten(&[], &text(30)).is_ok());
    assert_eq!(rewritten(&[], &text(31)), Err(Fault::TooManyForwardedAddresses));
}

#[test]
fn what_concerns_one_connection_only_does_not_go_on() {
    for name in ["Connection", "Keep-Alive", "Proxy-Connection", "TE", "Upgrade"] {
        check(&[], &format!("{name}: x\r\n"), name, &[]);
    }
    let fields = "Connection: close, X-Mine, X-Forwarded-For\r\nX-Mine: 1\r\nX-Yours: 2\r\n";
    check(&[], fields, "x-mine", &[]);
    check(&[], fields, "x-yours", &["2"]);
    check(&[], fields, "x-forwarded-for", &["192.0.2.7"]);
    check(&[], "Connection: Upgrade\r\nUpgrade: websocket\r\n", "upgrade", &["websocket"]);
    check(&[], "Connection: Upgrade\r\nUpgrade: websocket\r\n", "connection", &["Upgrade"]);
}

#[test]
fn a_host_is_kept_or_given_the_listeners_port() {
    let preserve = ("routing.http.preserve_host_header.enabled", "true");
    for (host, expected) in
        [("a", "a:8080"), ("a:1", "a:8080"), ("[::1]", "[::1]:8080"), ("[::1]:1", "[::1]:8080")]
    {
        let text = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let line = |text: String| text.lines().nth(1).map(str::to_owned);
        assert_eq!(
            line(rewritten(&[], &text).expect("goes on")),
            Some(format!("Host: {expected}"))
        );
        assert_eq!(
            line(rewritten(&[preserve], &text).expect("goes on")),
            Some(format!("Host: {host}"))
        );
    }
}

#[test]
fn names_that_are_no_plain_words_are_dropped_if_asked() {
    let drop = ("routing.http.drop_invalid_header_fields.enabled", "true");
    check(&[], "x_y: 1\r\n", "x_y", &["1"]);
    check(&[drop], "x_y: 1\r\n", "x_y", &[]);
}

#[test]
fn nothing_in_a_target_can_end_it_early() {
    let text = "GET /a b\x01\u{e9}?c d HTTP/1.1\r\nHost: a\r\n\r\n";
    let found = rewritten(&[], text).expect("goes on");
    assert!(found.starts_with("GET /a%20b%01%C3%A9?c%20d HTTP/1.1\r\n"), "{found}");
}

#[test]
fn one_framing_goes_on() {
    let both =
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n";
    let found = rewritten(&[], both).expect("goes on");
    assert!(!found.contains("Content-Length") && found.contains("Transfer-Encoding: chunked\r\n"));
    let two = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n";
    assert_eq!(rewritten(&[], two).expect("goes on").matches("Content-Length").count(), 1);
}

#[test]
fn numbers_are_written_in_full() {
    for number in [0, 9, 10, 1234, u64::MAX] {
        assert_eq!(itoa(number).text(), number.to_string().as_bytes());
    }
}
