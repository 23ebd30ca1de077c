//! Streams of HTTP/2 clients: what they may say about their hosts, targets that end early, refuse,
//! or go, and what is done only once.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use state::{Action, ProtocolVersion, Redirect, TargetProtocol};

use super::frames::{
    DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, Said,
    WINDOW_UPDATE, field, frame, framed, get, post, request,
};
use super::http2::{ask, ask_for, client, plain, run};
use super::lab::{Lab, PATIENCE, attributes, rule, target};
use super::origin::{ENDLESS, endless, scripted};
use super::targets::closing;
use super::tls::secure;

/// A lab whose only target speaks that version at that address.
fn to(version: ProtocolVersion, address: SocketAddr) -> Lab {
    Lab::with(|table| {
        secure(table);
        table.groups[0].version = Some(version);
        table.groups[0].targets = vec![target(address)];
    })
}

#[test]
fn targets_may_speak_http2_without_grpc_in_the_clear_and_over_tls() {
    let target_lab = Lab::with(secure);
    let secured = Lab::with(|table| {
        secure(table);
        table.groups[0].protocol = TargetProtocol::Https;
        table.groups[0].version = Some(ProtocolVersion::Http2);
        table.groups[0].targets = vec![target(target_lab.address)];
    });
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.set_nonblocking(true).expect("it can be");
    let clear = to(ProtocolVersion::Http2, listener.local_addr().expect("bound"));
    run(async {
        tokio::task::spawn_local(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("within a runtime");
            let (stream, _) = listener.accept().await.expect("accepts");
            let mut connection = h2::server::handshake(stream).await.expect("speaks HTTP/2");
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                assert_eq!(request.uri().authority().expect("one"), "one.lab.test");
                assert_eq!(request.headers()["x-forwarded-proto"], "https");
                let mut body = respond.send_response(Response::new(()), false).expect("is sent");
                body.send_data(Bytes::from("hello"), true).expect("is sent");
            }
        });
        let (sender, _connection) = client(clear.address).await;
        for _ in 0..3 {
            assert_eq!(ask_for(&sender, plain("/a"), &[]).await.1, "hello");
        }
        let (sender, _connection) = client(secured.address).await;
        let post = Request::post("https://one.lab.test/echo").body(()).expect("a request");
        let (status, body, _) = ask_for(&sender, post, &["hel", "lo"]).await;
        assert!(status == 200 && body.ends_with("hello"), "{body}");
    });
}

#[test]
fn grpc_calls_that_no_target_takes_are_answered_by_their_status() {
    // A client of gRPC makes its own code of a status without `grpc-status`, 503 being UNAVAILABLE.
    let nobody = Lab::with(|table| {
        secure(table);
        table.groups[0].version = Some(ProtocolVersion::Grpc);
        table.groups[0].targets.clear();
    });
    let refusing = Lab::with(|table| {
        secure(table);
        table.groups[0].version = Some(ProtocolVersion::Grpc);
        table.groups[0].targets[0].port = 1;
    });
    for (lab, expected) in [(&nobody, 503), (&refusing, 502)] {
        run(async {
            let (sender, _connection) = client(lab.address).await;
            let (status, body, trailers) = ask(&sender, (Method::POST, "/a/b"), &["x"]).await;
            assert_eq!((status, trailers), (expected, None));
            assert!(body.contains("<h1>"), "{body}");
        });
    }
}

#[test]
fn a_target_that_answers_before_it_has_read_all_is_heard() {
    // What 413 is in a head, in words.
    let head = [b"\x08\x03".as_slice(), b"413"].concat();
    let lab = to(
        ProtocolVersion::Http2,
        framed(move |kind, stream| match kind {
            DATA => [
                frame(HEADERS, END_HEADERS, stream, &head),
                frame(DATA, END_STREAM, stream, "too much"),
                frame(RST_STREAM, 0, stream, [0; 4]),
            ]
            .concat(),
            _ => Vec::new(),
        }),
    );
    run(async {
        let (sender, _connection) = client(lab.address).await;
        let mut sender = sender.ready().await.expect("takes a request");
        let post = Request::post("https://one.lab.test/").body(()).expect("a request");
        let (answer, mut body) = sender.send_request(post, false).expect("is sent");
        body.send_data(Bytes::from("part"), false).expect("is sent");
        assert_eq!(answer.await.expect("is answered").status(), 413);
    });
}

#[test]
fn a_request_that_a_target_has_not_begun_is_sent_once_more() {
    let refused = frame(RST_STREAM, 0, 1, [0, 0, 0, 7]);
    // The last stream that it has seen is none.
    let gone = frame(GOAWAY, 0, 0, [0; 8]);
    for first in [refused, gone] {
        let is_first = AtomicBool::new(true);
        let lab = to(
            ProtocolVersion::Grpc,
            framed(move |kind, stream| match kind {
                HEADERS if is_first.swap(false, Ordering::Relaxed) => first.clone(),
                HEADERS => frame(HEADERS, END_STREAM | END_HEADERS, stream, [0x88]),
                _ => Vec::new(),
            }),
        );
        run(async {
            let (sender, _connection) = client(lab.address).await;
            let (status, _, _) = ask(&sender, (Method::POST, "/a/b"), &[]).await;
            assert_eq!(status, 200);
        });
    }
}

#[test]
fn a_stream_that_its_client_resets_is_ended_at_its_target() {
    let (gone, is_gone) = mpsc::channel();
    let from_old = gone.clone();
    let old = scripted(move |_, balancer| {
        balancer.head();
        balancer.send("HTTP/1.1 200 OK\r\n\r\ndata: one\n\n");
        balancer.rest();
        from_old.send(()).expect("the test waits");
    });
    let new = framed(move |kind, stream| match kind {
        HEADERS => {
            [frame(HEADERS, END_HEADERS, stream, [0x88]), frame(DATA, 0, stream, "data: one\n\n")]
                .concat()
        }
        RST_STREAM => {
            gone.send(()).expect("the test waits");
            Vec::new()
        }
        _ => Vec::new(),
    });
    for (version, address) in [(ProtocolVersion::Http1, old), (ProtocolVersion::Http2, new)] {
        let lab = to(version, address);
        let mut client = Frames::begin(&lab, &[]);
        client.send(get(1, "/events"));
        assert_eq!(client.said(), Said::Answer(1));
        assert_eq!(client.said(), Said::Data(1, 11));
        client.send(frame(RST_STREAM, 0, 1, [0, 0, 0, 8]));
        is_gone.recv_timeout(PATIENCE).expect("the target sees it");
    }
}

#[test]
fn what_may_not_be_done_twice_is_sent_once_for_streams_too() {
    for (method, expected) in [("GET", 200), ("POST", 502)] {
        let target_address = closing();
        let lab = Lab::with(|table| {
            secure(table);
            table.groups[0].targets = vec![target(target_address)];
        });
        run(async {
            let (sender, _connection) = client(lab.address).await;
            assert_eq!(ask_for(&sender, plain("/"), &[]).await.0, 200);
            let request = Request::builder().method(method).uri("https://one.lab.test/");
            let request = request.body(()).expect("a request");
            assert_eq!(ask_for(&sender, request, &[]).await.0, expected, "{method}");
        });
    }
}

#[test]
fn answers_before_the_final_one_are_passed_on_to_streams() {
    let lab = Lab::with(secure);
    let mut client = Frames::begin(&lab, &[]);
    let head =
        [request("POST", "/echo"), field("expect", "100-continue"), field("content-length", "2")];
    client.send(frame(HEADERS, END_HEADERS, 1, head.concat()));
    // Nothing of the body is sent before the first answer is there.
    assert_eq!(client.said(), Said::Answer(1));
    client.send(frame(DATA, END_STREAM, 1, "ok"));
    assert_eq!(client.said(), Said::Answer(1));
    let mut client = Frames::begin(&lab, &[]);
    client.send(get(1, "/hints"));
    assert_eq!(client.said(), Said::Answer(1));
    assert_eq!(client.said(), Said::Answer(1));
    assert_eq!(client.said(), Said::Data(1, 2));
}

#[test]
fn trailers_go_both_ways_between_the_versions() {
    let lab = Lab::with(secure);
    run(async {
        let (sender, _connection) = client(lab.address).await;
        let mut sender = sender.ready().await.expect("takes a request");
        let post = Request::post("https://one.lab.test/echo").body(()).expect("a request");
        let (answer, mut body) = sender.send_request(post, false).expect("is sent");
        body.send_data(Bytes::from("hello"), false).expect("is sent");
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "5".parse().expect("a value"));
        trailers.insert("content-length", "9".parse().expect("a value"));
        body.send_trailers(trailers).expect("is sent");
        let mut body = answer.await.expect("is answered").into_body();
        let mut all = Vec::new();
        while let Some(data) = body.data().await {
            all.extend_from_slice(&data.expect("comes whole"));
        }
        let all = String::from_utf8_lossy(&all);
        assert!(all.ends_with("\r\n\r\nhellox-sum: 5"), "{all}");
    });
}

#[test]
fn a_stream_has_one_host() {
    let lab = Lab::with(secure);
    let lines = |more: &[(&str, &str)]| {
        let mut all = request("GET", "/echo");
        all.extend(more.iter().flat_map(|it| field(it.0, it.1)));
        frame(HEADERS, END_STREAM | END_HEADERS, 1, all)
    };
    let nameless = |hosts: &[&str]| {
        let mut all: Vec<u8> = [(":method", "GET"), (":scheme", "https"), (":path", "/echo")]
            .iter()
            .flat_map(|it| field(it.0, it.1))
            .collect();
        all.extend(hosts.iter().flat_map(|it| field("host", it)));
        frame(HEADERS, END_STREAM | END_HEADERS, 1, all)
    };
    for (said, seen) in [
        (lines(&[("host", "lab")]), 1),
        (lines(&[("host", "other")]), 0),
        (lines(&[("host", "lab"), ("host", "other")]), 0),
        (nameless(&["lab"]), 1),
        (nameless(&["lab", "other"]), 0),
        (nameless(&[]), 0),
    ] {
        let before = lab.origin.seen().len();
        let mut client = Frames::begin(&lab, &[]);
        client.send(said);
        assert_eq!(client.said(), Said::Answer(1));
        assert_eq!(lab.origin.seen().len() - before, seen);
    }
}

#[test]
fn streams_that_wait_for_too_long_end_by_the_name_of_who_kept_them_waiting() {
    let old = scripted(|_, balancer| drop(balancer.rest()));
    let new = framed(|_, _| Vec::new());
    for (version, address) in [(ProtocolVersion::Http1, old), (ProtocolVersion::Http2, new)] {
        let mut lab = to(version, address);
        lab.apply(|table| {
            let quick = [("idle_timeout.timeout_seconds", "4")];
            table.load_balancers[0].attributes = attributes(&quick);
        });
        run(async {
            let (sender, _connection) = client(lab.address).await;
            assert_eq!(ask_for(&sender, plain("/"), &[]).await.0, 504);
            let mut sender = sender.ready().await.expect("takes a request");
            let post = Request::post("https://one.lab.test/").body(()).expect("a request");
            let (answer, _body) = sender.send_request(post, false).expect("is sent");
            assert_eq!(answer.await.expect("is answered").status(), 408);
        });
    }
}

#[test]
fn an_answer_that_no_stream_reads_costs_little_and_ends() {
    let (at, written) = endless();
    let lab = Lab::with(|table| {
        secure(table);
        table.groups[0].targets = vec![target(at)];
        table.load_balancers[0].attributes = attributes(&[("idle_timeout.timeout_seconds", "4")]);
    });
    // As much room as can be said, for a client that never looks.
    let mut client = Frames::begin(&lab, &[(4, 0x7fff_ffff)]);
    client.send(frame(WINDOW_UPDATE, 0, 0, 0x7fff_0000_u32.to_be_bytes()));
    client.send(get(1, "/"));
    let taken = written.recv_timeout(PATIENCE).expect("the target is let go");
    assert!(taken < ENDLESS, "{taken} bytes are held for one stream");
}

#[test]
fn floods_that_are_answered_are_taken_no_faster_than_they_are_read() {
    let lab = Lab::with(secure);
    for again in [
        frame(PING, 0, 0, [0; 8]),
        frame(SETTINGS, 0, 0, []),
        frame(DATA, 0, 1, []),
        frame(WINDOW_UPDATE, 0, 1, [0; 4]),
    ] {
        let mut client = Frames::begin(&lab, &[]);
        client.send(post(1, "/slow"));
        client.0.0.sock.set_write_timeout(Some(core::time::Duration::from_secs(1))).expect("one");
        let many = again.repeat(1 + 16_384 / again.len());
        let mut taken = 0;
        // Nothing is read; what is not taken any more, or is cut off, has been contained.
        while taken < (64 << 20) && client.0.0.write_all(&many).is_ok() {
            taken += many.len();
        }
        assert!(taken < (64 << 20));
        assert!(Frames::begin(&lab, &[]).is_served());
    }
}

#[test]
fn a_redirect_of_a_stream_keeps_what_it_does_not_change() {
    let lab = Lab::with(|table| {
        secure(table);
        let redirect = Action::Redirect(Redirect {
            protocol: "#{protocol}".into(),
            host: "new.#{host}".into(),
            port: "#{port}".into(),
            path: "/a/#{path}".into(),
            query: "#{query}".into(),
            status: 302,
        });
        table.load_balancers[0].listeners[0].rules = vec![rule(None, Vec::new(), redirect)];
    });
    run(async {
        let (sender, _connection) = client(lab.address).await;
        let mut sender = sender.ready().await.expect("takes a request");
        let (answer, _) = sender.send_request(plain("/b?c=d"), true).expect("is sent");
        let answer = answer.await.expect("is answered");
        assert_eq!(answer.status(), 302);
        assert_eq!(answer.headers()["location"], "https://new.one.lab.test/a/b?c=d");
    });
}
