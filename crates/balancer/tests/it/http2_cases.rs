//! What clients of HTTP/2 must not say, and what becomes of it. The cases are those of h2spec, by
//! the sections of RFC 9113 and RFC 7541.

use super::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, PADDED, PING,
    PREFACE, PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS, Said, WINDOW_UPDATE, WITH_PRIORITY,
    field, frame, get, pairs, post, request,
};
use super::lab::Lab;
use super::tls::secure;

/// The connection ends with that code.
fn ends(code: &'static str) -> Said {
    Said::GoAway(code)
}

/// The connection ends, though not with the code that the RFC has, and where it has the end of a
/// stream that is the end of all: the library says `PROTOCOL_ERROR` of whatever it cannot read. A
/// stream's error may be the connection's, and either way nothing of it is carried (RFC 9113, 5.4).
fn ends_instead_of(_named: &str) -> Said {
    Said::GoAway("PROTOCOL_ERROR")
}

/// The first stream ends with that code, and the connection goes on.
fn resets(code: &'static str) -> Said {
    Said::Reset(1, code)
}

/// Nothing comes of it: what is asked for afterwards is answered.
const NOTHING: Said = Said::Answer(LAST);

/// The stream that asks last.
const LAST: u32 = 0x7ff;

/// A case, after a good beginning: its name, what is said, and what comes of it.
type Case = (&'static str, Vec<Vec<u8>>, Said);

#[track_caller]
fn check(cases: Vec<Case>) {
    let lab = Lab::with(secure);
    let mut wrong = Vec::new();
    for (name, said, expected) in cases {
        let mut client = Frames::begin(&lab, &[]);
        client.send(said.concat());
        if expected == NOTHING {
            client.send(get(LAST, "/echo"));
        }
        let found = client.said();
        if found != expected {
            wrong.push(format!("{name}: {found:?} instead of {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(Frames::begin(&lab, &[]).is_served());
}

/// `HEADERS` of the first stream with these fields.
fn fields(flags: u8, fields: &[Vec<u8>]) -> Vec<u8> {
    frame(HEADERS, flags, 1, fields.concat())
}

/// A request of the first stream with fields added.
fn with(more: &[(&str, &str)]) -> Vec<u8> {
    let mut all = vec![request("GET", "/echo")];
    all.extend(more.iter().map(|it| field(it.0, it.1)));
    fields(END_STREAM | END_HEADERS, &all)
}

/// A request of the first stream that has these fields only.
fn only(all: &[(&str, &str)]) -> Vec<u8> {
    let all: Vec<_> = all.iter().map(|it| field(it.0, it.1)).collect();
    fields(END_STREAM | END_HEADERS, &all)
}

#[test]
fn a_beginning_that_is_none_ends_the_connection() {
    let lab = Lab::with(secure);
    for said in [
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n".to_vec(),
    ] {
        let mut client = Frames::silent(&lab);
        client.send(&said);
        assert!(matches!(client.said(), Said::Closed | Said::GoAway("PROTOCOL_ERROR")), "{said:?}");
    }
    // RFC 9113, 3.4 has settings come first.
    let mut client = Frames::silent(&lab);
    client.send([PREFACE.to_vec(), get(1, "/echo")].concat());
    let said = client.said();
    assert!(matches!(said, Said::Answer(1) | Said::GoAway("PROTOCOL_ERROR")), "{said:?}");
}

#[test]
fn frames_and_their_sizes_are_as_section_4_has_them() {
    let many = vec![0; 16_385];
    check(vec![
        ("4.1 unknown kind", vec![frame(0x16, 0, 0, "what")], NOTHING),
        ("4.1 unknown kind on a stream", vec![frame(0x16, 0xff, 5, "what")], NOTHING),
        ("4.1 unknown flags", vec![frame(PING, 0x16, 0, [7; 8])], Said::Pong(vec![7; 8])),
        ("4.1 reserved bit", vec![frame(PING, 0, 1 << 31, [7; 8])], Said::Pong(vec![7; 8])),
        (
            "4.2 large DATA",
            vec![post(1, "/slow"), frame(DATA, 0, 1, &many)],
            ends("FRAME_SIZE_ERROR"),
        ),
        ("4.2 large HEADERS", vec![frame(HEADERS, 5, 1, &many)], ends("FRAME_SIZE_ERROR")),
        ("4.2 large PING", vec![frame(PING, 0, 0, &many)], ends("FRAME_SIZE_ERROR")),
        (
            "4.3 no header block",
            vec![frame(HEADERS, 5, 1, [0x00, 0x85, 0xf2, 0xb2])],
            ends_instead_of("COMPRESSION_ERROR"),
        ),
        (
            "4.3 PRIORITY within a block",
            vec![
                frame(HEADERS, END_STREAM, 1, request("GET", "/")),
                frame(PRIORITY, 0, 1, [0, 0, 0, 0, 1]),
            ],
            ends("PROTOCOL_ERROR"),
        ),
        (
            "4.3 another stream within a block",
            vec![frame(HEADERS, END_STREAM, 1, request("GET", "/")), get(3, "/")],
            ends("PROTOCOL_ERROR"),
        ),
        (
            "5.5 unknown kind within a block",
            vec![frame(HEADERS, END_STREAM, 1, request("GET", "/")), frame(0x16, 0, 0, "what")],
            ends("PROTOCOL_ERROR"),
        ),
    ]);
}

#[test]
fn streams_are_in_the_states_of_section_5() {
    let asked = || get(1, "/slow");
    let reset = || frame(RST_STREAM, 0, 1, [0, 0, 0, 8]);
    let data = || frame(DATA, 0, 1, "x");
    let window = || frame(WINDOW_UPDATE, 0, 1, [0, 0, 0, 1]);
    let continuation = || frame(CONTINUATION, END_HEADERS, 1, "");
    check(vec![
        ("5.1 DATA while idle", vec![data()], ends("PROTOCOL_ERROR")),
        ("5.1 RST_STREAM while idle", vec![reset()], ends("PROTOCOL_ERROR")),
        ("5.1 WINDOW_UPDATE while idle", vec![window()], ends("PROTOCOL_ERROR")),
        ("5.1 CONTINUATION while idle", vec![continuation()], ends("PROTOCOL_ERROR")),
        ("5.1 PRIORITY while idle", vec![frame(PRIORITY, 0, 1, [0, 0, 0, 0, 1])], NOTHING),
        (
            "5.1 DATA half closed",
            vec![asked(), data()],
            ends_instead_of("RST_STREAM STREAM_CLOSED"),
        ),
        (
            "5.1 HEADERS half closed",
            vec![asked(), asked()],
            ends_instead_of("RST_STREAM STREAM_CLOSED"),
        ),
        ("5.1 CONTINUATION half closed", vec![asked(), continuation()], ends("PROTOCOL_ERROR")),
        ("5.1 WINDOW_UPDATE half closed", vec![asked(), window()], NOTHING),
        ("5.1 DATA after a reset", vec![asked(), reset(), data()], resets("STREAM_CLOSED")),
        (
            "5.1 HEADERS after a reset",
            vec![asked(), reset(), asked()],
            ends_instead_of("RST_STREAM STREAM_CLOSED"),
        ),
        (
            "5.1 CONTINUATION after a reset",
            vec![asked(), reset(), continuation()],
            ends("PROTOCOL_ERROR"),
        ),
        ("5.1 WINDOW_UPDATE after a reset", vec![asked(), reset(), window()], NOTHING),
        ("5.1 RST_STREAM after a reset", vec![asked(), reset(), reset()], NOTHING),
        ("5.1.1 even number", vec![get(2, "/slow")], ends("PROTOCOL_ERROR")),
        ("5.1.1 smaller number", vec![get(5, "/slow"), get(3, "/slow")], ends("PROTOCOL_ERROR")),
        (
            "5.3.1 HEADERS that depend on themselves",
            vec![frame(
                HEADERS,
                5 | WITH_PRIORITY,
                1,
                [vec![0, 0, 0, 1, 1], request("GET", "/echo")].concat(),
            )],
            resets("PROTOCOL_ERROR"),
        ),
        (
            "5.3.1 PRIORITY of itself",
            vec![frame(PRIORITY, 0, 1, [0, 0, 0, 1, 1])],
            resets("PROTOCOL_ERROR"),
        ),
    ]);
}

#[test]
fn a_client_has_so_many_streams_at_a_time_and_no_more() {
    let lab = Lab::with(secure);
    let mut client = Frames::begin(&lab, &[]);
    let streams: Vec<u32> = (0..129).map(|it| 1 + 2 * it).collect();
    client.send(streams.iter().flat_map(|it| post(*it, "/slow")).collect::<Vec<_>>());
    assert_eq!(client.said(), Said::Reset(streams[128], "REFUSED_STREAM"));
}

#[test]
fn frames_of_streams_are_as_section_6_has_them() {
    let part = |flags| frame(HEADERS, flags, 1, request("GET", "/echo"));
    check(vec![
        ("6.1 DATA on stream 0", vec![frame(DATA, 0, 0, "x")], ends("PROTOCOL_ERROR")),
        (
            "6.1 DATA all padding",
            vec![post(1, "/slow"), frame(DATA, PADDED, 1, [9, 0])],
            ends("PROTOCOL_ERROR"),
        ),
        ("6.2 HEADERS on stream 0", vec![get(0, "/")], ends("PROTOCOL_ERROR")),
        (
            "6.2 HEADERS all padding",
            vec![frame(HEADERS, 5 | PADDED, 1, [9, 0])],
            ends("PROTOCOL_ERROR"),
        ),
        (
            "6.3 PRIORITY on stream 0",
            vec![frame(PRIORITY, 0, 0, [0, 0, 0, 0, 1])],
            ends("PROTOCOL_ERROR"),
        ),
        (
            "6.3 short PRIORITY",
            vec![frame(PRIORITY, 0, 1, [0, 0, 0, 1])],
            ends_instead_of("FRAME_SIZE_ERROR"),
        ),
        (
            "6.4 RST_STREAM on stream 0",
            vec![frame(RST_STREAM, 0, 0, [0, 0, 0, 8])],
            ends("PROTOCOL_ERROR"),
        ),
        (
            "6.4 short RST_STREAM",
            vec![get(1, "/slow"), frame(RST_STREAM, 0, 1, [0, 0, 8])],
            ends_instead_of("FRAME_SIZE_ERROR"),
        ),
        (
            "6.10 CONTINUATION twice",
            vec![
                part(END_STREAM),
                frame(CONTINUATION, 0, 1, field("a", "b")),
                frame(CONTINUATION, 4, 1, field("c", "d")),
            ],
            Said::Answer(1),
        ),
        (
            "6.10 CONTINUATION on stream 0",
            vec![part(END_STREAM), frame(CONTINUATION, 4, 0, "")],
            ends("PROTOCOL_ERROR"),
        ),
        (
            "6.10 CONTINUATION of another stream",
            vec![part(END_STREAM), frame(CONTINUATION, 4, 3, "")],
            ends("PROTOCOL_ERROR"),
        ),
        (
            "6.10 CONTINUATION after the end",
            vec![part(5), frame(CONTINUATION, 4, 1, "")],
            ends("PROTOCOL_ERROR"),
        ),
        (
            "6.10 something else",
            vec![part(END_STREAM), frame(DATA, 0, 1, "x")],
            ends("PROTOCOL_ERROR"),
        ),
    ]);
}

#[test]
fn frames_of_connections_are_as_section_6_has_them() {
    let large_window = || frame(WINDOW_UPDATE, 0, 0, 0x7fff_ffff_u32.to_be_bytes());
    let setting = |name, value| vec![frame(SETTINGS, 0, 0, pairs(&[(name, value)]))];
    check(vec![
        (
            "6.5 SETTINGS on stream 1",
            vec![frame(SETTINGS, 0, 1, pairs(&[(3, 9)]))],
            ends("PROTOCOL_ERROR"),
        ),
        (
            "6.5 odd SETTINGS",
            vec![frame(SETTINGS, 0, 0, [0, 3, 0])],
            ends_instead_of("FRAME_SIZE_ERROR"),
        ),
        (
            "6.5 ACK with more",
            vec![frame(SETTINGS, ACK, 0, [0])],
            ends_instead_of("FRAME_SIZE_ERROR"),
        ),
        ("6.5.2 ENABLE_PUSH 2", setting(2, 2), ends("PROTOCOL_ERROR")),
        ("6.5.2 large window", setting(4, 1 << 31), ends_instead_of("FLOW_CONTROL_ERROR")),
        ("6.5.2 small frames", setting(5, 16_383), ends("PROTOCOL_ERROR")),
        ("6.5.2 large frames", setting(5, 1 << 24), ends("PROTOCOL_ERROR")),
        ("6.5.2 unknown setting", setting(0xff, 1), NOTHING),
        (
            "6.6 PUSH_PROMISE",
            vec![get(1, "/slow"), frame(PUSH_PROMISE, 4, 1, [0, 0, 0, 2])],
            ends("PROTOCOL_ERROR"),
        ),
        ("6.7 PING", vec![frame(PING, 0, 0, b"12345678")], Said::Pong(b"12345678".to_vec())),
        ("6.7 PING that nobody asked for", vec![frame(PING, ACK, 0, [9; 8])], NOTHING),
        ("6.7 PING on stream 1", vec![frame(PING, 0, 1, [9; 8])], ends("PROTOCOL_ERROR")),
        ("6.7 short PING", vec![frame(PING, 0, 0, [9; 6])], ends_instead_of("FRAME_SIZE_ERROR")),
        ("6.8 GOAWAY on stream 1", vec![frame(GOAWAY, 0, 1, [0; 8])], ends("PROTOCOL_ERROR")),
        ("6.9 no increment", vec![frame(WINDOW_UPDATE, 0, 0, [0; 4])], ends("PROTOCOL_ERROR")),
        (
            "6.9 no increment of a stream",
            vec![post(1, "/slow"), frame(WINDOW_UPDATE, 0, 1, [0; 4])],
            ends_instead_of("RST_STREAM PROTOCOL_ERROR"),
        ),
        (
            "6.9 short WINDOW_UPDATE",
            vec![frame(WINDOW_UPDATE, 0, 0, [0, 0, 1])],
            ends_instead_of("FRAME_SIZE_ERROR"),
        ),
        (
            "6.9.1 too large a window",
            vec![large_window(), large_window()],
            ends("FLOW_CONTROL_ERROR"),
        ),
        (
            "6.9.1 too large a window of a stream",
            vec![post(1, "/slow"), frame(WINDOW_UPDATE, 0, 1, 0x7fff_ffff_u32.to_be_bytes())],
            resets("FLOW_CONTROL_ERROR"),
        ),
        (
            "6.9.2 a window that settings make too large",
            [
                vec![post(1, "/slow"), frame(WINDOW_UPDATE, 0, 1, 0x7fff_0000_u32.to_be_bytes())],
                setting(4, 0x7fff_ffff),
            ]
            .concat(),
            ends("FLOW_CONTROL_ERROR"),
        ),
    ]);
}

#[test]
fn messages_are_as_section_8_has_them() {
    let head = [(":method", "GET"), (":scheme", "https"), (":authority", "lab"), (":path", "/")];
    let without = |name: &str| -> Vec<_> { head.into_iter().filter(|it| it.0 != name).collect() };
    let twice = |again| only(&[&head[..], &[again]].concat());
    let posted = |length: &str, data: &[Vec<u8>]| {
        let length = field("content-length", length);
        [
            vec![frame(HEADERS, END_HEADERS, 1, [request("POST", "/echo"), length].concat())],
            data.to_vec(),
        ]
        .concat()
    };
    let data = |flags, text: &str| frame(DATA, flags, 1, text);
    let malformed = || resets("PROTOCOL_ERROR");
    check(vec![
        (
            "8.1 HEADERS again without an end",
            vec![post(1, "/echo"), frame(HEADERS, END_HEADERS, 1, field("a", "b"))],
            malformed(),
        ),
        (
            "8.1 trailers",
            vec![post(1, "/echo"), data(0, "x"), frame(HEADERS, 5, 1, field("x-sum", "1"))],
            Said::Answer(1),
        ),
        // Differs: the library leaves the pseudo-field out instead of ending the stream.
        (
            "8.1 pseudo-field in trailers",
            vec![post(1, "/echo"), data(0, "x"), frame(HEADERS, 5, 1, field(":path", "/"))],
            Said::Answer(1),
        ),
        (
            "8.2 upper case",
            vec![with(&[("X-Upper", "a")])],
            ends_instead_of("RST_STREAM PROTOCOL_ERROR"),
        ),
        (
            "8.2.1 a space in a name",
            vec![with(&[("a b", "c")])],
            ends_instead_of("RST_STREAM PROTOCOL_ERROR"),
        ),
        (
            "8.2.1 a line end in a value",
            vec![with(&[("a", "b\r\nc: d")])],
            ends_instead_of("RST_STREAM PROTOCOL_ERROR"),
        ),
        (
            "8.2.1 a NUL in a value",
            vec![with(&[("a", "b\0")])],
            ends_instead_of("RST_STREAM PROTOCOL_ERROR"),
        ),
        ("8.2.2 connection", vec![with(&[("connection", "keep-alive")])], malformed()),
        ("8.2.2 keep-alive", vec![with(&[("keep-alive", "timeout=5")])], malformed()),
        ("8.2.2 proxy-connection", vec![with(&[("proxy-connection", "close")])], malformed()),
        ("8.2.2 transfer-encoding", vec![with(&[("transfer-encoding", "chunked")])], malformed()),
        ("8.2.2 upgrade", vec![with(&[("upgrade", "websocket")])], malformed()),
        ("8.2.2 te", vec![with(&[("te", "trailers, deflate")])], malformed()),
        ("8.2.2 te of trailers", vec![with(&[("te", "trailers")])], Said::Answer(1)),
        (
            "8.3 unknown pseudo-field",
            vec![with(&[(":what", "x")])],
            ends_instead_of("RST_STREAM PROTOCOL_ERROR"),
        ),
        ("8.3 pseudo-field of answers", vec![with(&[(":status", "200")])], malformed()),
        (
            "8.3 pseudo-field after others",
            vec![only(&[&[("a", "b")], &head[..]].concat())],
            malformed(),
        ),
        ("8.3.1 no :method", vec![only(&without(":method"))], malformed()),
        ("8.3.1 no :scheme", vec![only(&without(":scheme"))], malformed()),
        ("8.3.1 no :path", vec![only(&without(":path"))], malformed()),
        (
            "8.3.1 empty :path",
            vec![only(&[&without(":path")[..], &[(":path", "")]].concat())],
            malformed(),
        ),
        (":method twice", vec![twice((":method", "GET"))], malformed()),
        (":scheme twice", vec![twice((":scheme", "https"))], malformed()),
        (":path twice", vec![twice((":path", "/"))], malformed()),
        (":authority twice", vec![twice((":authority", "lab"))], malformed()),
        ("8.1.1 less than content-length", posted("5", &[data(END_STREAM, "x")]), malformed()),
        ("8.1.1 more than content-length", posted("1", &[data(0, "xy")]), malformed()),
        (
            "8.1.1 as content-length says",
            posted("2", &[data(0, "x"), data(END_STREAM, "y")]),
            Said::Answer(1),
        ),
    ]);
}

#[test]
fn header_compression_is_as_rfc_7541_has_it() {
    let after = |bytes: &[u8]| fields(5, &[request("GET", "/echo"), bytes.to_vec()]);
    let broken = || ends_instead_of("COMPRESSION_ERROR");
    check(vec![
        ("2.3.3 index that is not there", vec![after(&[0xff, 0x70])], broken()),
        ("6.1 index 0", vec![after(&[0x80])], broken()),
        ("4.2 size update at the end", vec![after(&[0x20])], broken()),
        (
            "6.3 size above the limit",
            vec![fields(5, &[vec![0x3f, 0xe2, 0x1f], request("GET", "/echo")])],
            broken(),
        ),
        (
            "6.3 size at the limit",
            vec![fields(5, &[vec![0x3f, 0xe1, 0x1f], request("GET", "/echo")])],
            Said::Answer(1),
        ),
        (
            "5.1 number without an end",
            vec![after(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])],
            broken(),
        ),
        ("5.2 text that is cut off", vec![after(&[0x00, 0x05, b'a'])], broken()),
        (
            "5.2 padding of more than seven bits",
            vec![after(&[0x00, 0x01, b'a', 0x84, 0x49, 0x50, 0x9f, 0xff])],
            broken(),
        ),
        (
            "5.2 padding of zeros",
            vec![after(&[0x00, 0x01, b'a', 0x83, 0x49, 0x50, 0x90])],
            broken(),
        ),
        (
            "5.2 the end of text",
            vec![after(&[0x00, 0x01, b'a', 0x87, 0x49, 0x51, 0xff, 0xff, 0xff, 0xfa, 0x7f])],
            broken(),
        ),
    ]);
}

#[test]
fn data_is_sent_within_the_windows_of_its_client() {
    let lab = Lab::with(secure);
    let mut client = Frames::begin(&lab, &[(4, 1)]);
    client.send(get(1, "/large?3"));
    assert_eq!(client.said(), Said::Answer(1));
    assert_eq!(client.said(), Said::Data(1, 1));
    // The window goes below zero, and data flows once it is above.
    client.send(frame(SETTINGS, 0, 0, pairs(&[(4, 0)])));
    client.send(frame(WINDOW_UPDATE, 0, 1, [0, 0, 0, 1]));
    client.send(frame(PING, 0, 0, [1; 8]));
    assert_eq!(client.said(), Said::Pong(vec![1; 8]));
    client.send(frame(WINDOW_UPDATE, 0, 1, [0, 0, 0, 1]));
    assert_eq!(client.said(), Said::Data(1, 1));
    client.send(frame(WINDOW_UPDATE, 0, 1, [0, 0, 0, 9]));
    assert_eq!(client.said(), Said::Data(1, 1));
}
