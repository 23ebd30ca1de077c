use super::*;

fn read(text: &str) -> (RequestHead, Result<(), Refusal>) {
    let mut head = RequestHead::default();
    let result = head.read(text.as_bytes());
    (head, result)
}

/// What becomes of a request whose fields, after a good `Host`, are these.
#[track_caller]
fn check_fields(method: &str, fields: &str, expected: &str) {
    check(&format!("{method} / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"), expected);
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let (head, result) = read(text);
    let found = head.found.map_or_else(String::new, |it| format!(" {}", it.word()));
    let outcome = match result {
        Ok(()) => format!("{:?}{found}", head.framing),
        Err(refusal) => format!("{refusal:?}{found}"),
    };
    assert_eq!(outcome, expected, "{text:?}");
}

#[test]
fn a_good_request_is_understood() {
    let text =
        "PUT /a/b?c=d HTTP/1.1\r\nHost: www.a.org:81\r\nContent-Length: 5\r\nX-Y:  z \r\n\r\n";
    let (head, result) = read(text);
    assert_eq!(result, Ok(()));
    let show = |span: Span| String::from_utf8_lossy(span.of(text.as_bytes())).into_owned();
    assert_eq!(show(head.method), "PUT");
    assert_eq!(show(head.target), "/a/b?c=d");
    assert_eq!(show(head.authority), "www.a.org:81");
    assert_eq!(show(head.line), "PUT /a/b?c=d HTTP/1.1");
    let fields: Vec<_> = head.fields.iter().map(|it| (show(it.name), show(it.value))).collect();
    assert_eq!(fields[2], ("X-Y".into(), "z".into()));
    assert_eq!((head.framing, head.keep_alive), (Framing::Length(5), true));
}

#[test]
fn a_connection_goes_on_as_version_and_fields_say() {
    for (version, field, expected) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: x, Close\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: keep-alive\r\n", true),
    ] {
        let (head, result) = read(&format!("GET / HTTP/{version}\r\nHost: a\r\n{field}\r\n"));
        assert_eq!((result, head.keep_alive), (Ok(()), expected), "{version} {field}");
    }
}

#[test]
fn what_says_in_two_ways_where_the_body_ends_is_found() {
    let chunked = "Transfer-Encoding: chunked\r\n";
    check_fields("POST", &format!("Content-Length: 4\r\n{chunked}"), "Chunked BothTeClPresent");
    check_fields("POST", &format!("{chunked}Content-Length: 4\r\n"), "Chunked BothTeClPresent");
    check_fields(
        "POST",
        &format!("{chunked}{chunked}"),
        "Malformed MultipleTransferEncodingChunked",
    );
    let two = "Content-Length: 4\r\nContent-Length: 4\r\n";
    check_fields("POST", two, "Length(4) DuplicateContentLength");
    let two = "Content-Length: 4\r\nContent-Length: 5\r\n";
    check_fields("POST", two, "Malformed MultipleContentLength");
    check_fields("GET", "Content-Length: 0\r\n", "Empty GetHeadZeroContentLength");
    check_fields("GET", "Content-Length: 4\r\n", "Length(4) UndefinedContentLengthSemantics");
    check_fields("HEAD", chunked, "Chunked UndefinedTransferEncodingSemantics");
    check("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "Malformed BadTransferEncoding");
}

#[test]
fn a_length_that_is_no_plain_number_is_refused() {
    for value in ["", "+4", "-4", "0x4", "4 4", "4,4", "4;", "4.0", "four", "99999999999999999999"]
    {
        let field = format!("Content-Length: {value}\r\n");
        check_fields("POST", &field, "Malformed BadContentLength");
    }
}

#[test]
fn an_encoding_is_chunked_or_refused() {
    check_fields("POST", "Transfer-Encoding: Chunked\r\n", "Chunked");
    check_fields("POST", "transfer-encoding:\tchunked \r\n", "Chunked");
    check_fields("POST", "Transfer-Encoding: identity\r\n", "Empty");
    for value in ["gzip", "gzip, chunked", "deflate"] {
        let field = format!("Transfer-Encoding: {value}\r\n");
        check_fields("POST", &field, "UnsupportedEncoding");
    }
    for value in
        ["xchunked", "chunked;q=1", "\"chunked\"", "chunked, identity", "", "chunked chunked"]
    {
        let field = format!("Transfer-Encoding: {value}\r\n");
        check_fields("POST", &field, "Malformed BadTransferEncoding");
    }
    for value in ["\x0bchunked", "chunked\x0c", "chun\u{212a}ed"] {
        let field = format!("Transfer-Encoding: {value}\r\n");
        check_fields("POST", &field, "Malformed BadTransferEncoding");
    }
    let two = "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n";
    check_fields("POST", two, "Malformed BadTransferEncoding");
}

#[test]
fn names_that_only_look_like_framing_do_not_frame_and_are_not_passed_on() {
    for name in ["Transfer_Encoding", "Content_Length", "Content.Length", "TransferEncoding"] {
        let text = format!("POST / HTTP/1.1\r\nHost: a\r\n{name}: chunked\r\n\r\n");
        let (head, result) = read(&text);
        if head.found.is_none() {
            // Only letters: nobody normalises that.
            assert_eq!(name, "TransferEncoding");
            continue;
        }
        assert_eq!((result, head.found), (Ok(()), Some(Reason::SuspiciousHeader)), "{name}");
        assert_eq!((head.framing, head.fields.len()), (Framing::Empty, 1), "{name}");
    }
    check_fields("POST", "Transfer-Encoding : chunked\r\n", "Malformed BadHeader");
    check_fields("POST", "Content-Length\t: 4\r\n", "Malformed BadHeader");
    check_fields("POST", "Content-Length\x0b: 4\r\n", "Empty SuspiciousHeader");
    check_fields("POST", "X\u{e9}: 4\r\n", "Empty NonCompliantHeader");
}

#[test]
fn lines_that_others_may_split_otherwise_are_refused() {
    check_fields("GET", "X: a\r\n b\r\n", "Malformed BadHeader");
    check_fields("GET", "X: a\r\n\tTransfer-Encoding: chunked\r\n", "Malformed BadHeader");
    check_fields("GET", "X: a\nY: b\r\n", "Malformed BadHeader");
    check_fields("GET", "X: a\rY: b\r\n", "Malformed BadHeader");
    check_fields("GET", "X: a\0b\r\n", "Malformed BadHeader");
    check_fields("GET", "X\0: a\r\n", "Malformed BadHeader");
    check_fields("GET", "no colon\r\n", "Malformed BadHeader");
    check_fields("GET", "  \r\n", "Empty EmptyHeader");
    check_fields("GET", ": a\r\n", "Empty EmptyHeader");
    check_fields("GET", "X: caf\u{e9}\r\n", "Empty NonCompliantHeader");
    check("GET / HTTP/1.1\nHost: a\n\n", "Malformed BadHeader");
    check("GET / HTTP/1.1\r\n Host: a\r\n\r\n", "Malformed BadHeader");
}

#[test]
fn first_lines_are_three_words() {
    check("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "Empty SpaceInUri");
    check("GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", "Empty AmbiguousUri");
    check("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", "Malformed BadUri");
    check("GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", "Malformed BadUri");
    check("GET a HTTP/1.1\r\nHost: a\r\n\r\n", "Malformed BadUri");
    check("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", "Malformed BadUri");
    check("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "Empty");
    check("GET * HTTP/1.1\r\nHost: a\r\n\r\n", "Malformed BadUri");
    check("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", "Malformed BadMethod");
    check(" GET / HTTP/1.1\r\nHost: a\r\n\r\n", "Malformed BadMethod");
    check("GET /\r\nHost: a\r\n\r\n", "Malformed BadVersion");
    check("GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", "Malformed");
    check("GET / http/1.1\r\nHost: a\r\n\r\n", "Malformed BadVersion");
    check("GET / HTTP/1.10\r\nHost: a\r\n\r\n", "Malformed BadVersion");
    check("GET / HTTP/1.2\r\nHost: a\r\n\r\n", "Empty NonCompliantVersion");
    check("GET / HTTP/2.0\r\nHost: a\r\n\r\n", "UnsupportedVersion");
    check("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "Empty");
}

#[test]
fn there_is_one_host() {
    check("GET / HTTP/1.1\r\n\r\n", "Malformed BadHeader");
    check("GET / HTTP/1.0\r\n\r\n", "Empty");
    check("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "Malformed BadHeader");
    check("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", "Malformed BadHeader");
    for host in ["a b", "a/b", "a@b", "a\\b", "a?b", "a#b", "<a>"] {
        check(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), "Malformed BadHeader");
    }
    let text = "GET HTTP://b.org:8?x HTTP/1.1\r\nHost: a\r\n\r\n";
    let (head, result) = read(text);
    assert_eq!(result, Ok(()));
    assert_eq!(head.authority.of(text.as_bytes()), b"b.org:8");
    assert_eq!(head.target.of(text.as_bytes()), b"?x");
}

#[test]
fn sizes_are_limited() {
    let long = "x".repeat(limits::LINE);
    check(&format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), "LineTooLong");
    check_fields("GET", &format!("X: {long}\r\n"), "HeadTooLarge");
    let half = format!("X: {}\r\n", "x".repeat(limits::LINE / 2));
    check_fields("GET", &half.repeat(7), "Empty");
    check_fields("GET", &half.repeat(8), "HeadTooLarge");
    check_fields("GET", &"x:\r\n".repeat(limits::FIELDS), "HeadTooLarge");

    assert_eq!(too_large(b"GET /"), None);
    assert_eq!(too_large(long.repeat(2).as_bytes()), Some(Refusal::LineTooLong));
    let partial = format!("GET / HTTP/1.1\r\nX: {long}");
    assert_eq!(too_large(partial.as_bytes()), Some(Refusal::HeadTooLarge));
}

#[test]
fn the_end_of_a_head_is_found_however_it_comes() {
    for (text, expected) in [("GET / HTTP/1.1\r\nHost: a\r\n\r\nbody", 27), ("GET / x\n\nbody", 9)]
    {
        let bytes = text.as_bytes();
        let mut from = 0;
        let found: Vec<usize> =
            (0..=bytes.len()).filter_map(|len| end(&bytes[..len], &mut from)).collect();
        assert_eq!(found.first(), Some(&expected), "{text:?}");
        assert_eq!(end(bytes, &mut 0), Some(expected));
    }
}
