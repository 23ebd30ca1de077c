//! What a target does, and what its clients see of it: streams, kept connections, failures.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};

use balancer::Metric;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};
use state::{ProtocolVersion, TargetProtocol, Transform};
use types::{Timestamp, Zone};

use super::lab::{GROUP, Lab, NOW, PATIENCE, attributes, group, status, target};
use super::origin::{answering, scripted};
use super::tls::secure;

/// Waits until it is time.
fn wait(signal: &Mutex<Receiver<()>>) {
    signal.lock().expect("nobody panics with it").recv_timeout(PATIENCE).expect("comes in time");
}

/// A target that answers each request with the number of its connection.
fn numbered() -> SocketAddr {
    scripted(|number, balancer| {
        while balancer.head().is_some() {
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}");
            if balancer.0.write_all(answer.as_bytes()).is_err() {
                break;
            }
        }
    })
}

/// A target that answers each request with a letter.
fn lettered(letter: char) -> SocketAddr {
    scripted(move |_, balancer| {
        while balancer.head().is_some() {
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{letter}");
            if balancer.0.write_all(answer.as_bytes()).is_err() {
                break;
            }
        }
    })
}

/// Letters of the targets that answer so many requests.
fn letters(lab: &Lab, count: usize, more: &str) -> String {
    let request = format!("GET / HTTP/1.1\r\nHost: lab\r\n{more}Connection: close\r\n\r\n");
    (0..count).map(|_| lab.talk(&request).pop().expect("a letter")).collect()
}

#[test]
fn events_are_passed_on_as_they_come() {
    for begin in [
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: one\n\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\ndata: one\n\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\ndata: one\n\n",
    ] {
        let (seen, signal) = mpsc::channel();
        let signal = Mutex::new(signal);
        let lab = Lab::to(scripted(move |_, balancer| {
            balancer.head();
            balancer.send(begin);
            // Nothing more until the client has this.
            wait(&signal);
            match begin.contains("chunked") {
                true => balancer.send("b\r\ndata: two\n\n\r\n0\r\n\r\n"),
                false => balancer.send("data: two\n\n"),
            }
        }));
        let mut client = lab.client();
        client.send("GET /events HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n");
        client.until("data: one\n\n");
        seen.send(()).expect("the target waits");
        assert!(client.rest().contains("data: two\n\n"));
    }
}

#[test]
fn a_client_that_leaves_before_its_answer_is_logged_as_460() {
    let (asked, has_asked) = mpsc::channel();
    let (gone, is_gone) = mpsc::channel();
    let silent = scripted(move |_, balancer| {
        balancer.head();
        asked.send(()).expect("the test waits");
        assert_eq!(balancer.rest(), "");
        gone.send(()).expect("the test waits");
    });
    let lab = Lab::with(|table| {
        table.groups[0].targets = vec![target(silent)];
        table.load_balancers[0].attributes = attributes(&[("access_logs.s3.enabled", "true")]);
    });
    let mut lines = lab.balancer.access_log().expect("nobody has asked before");
    let mut client = lab.client();
    client.send("GET / HTTP/1.1\r\nHost: lab\r\n\r\n");
    has_asked.recv_timeout(PATIENCE).expect("reaches the target");
    drop(client);
    let line = lines.blocking_recv().expect("a line").text;
    assert!(line.contains(" -1 -1 -1 460 - "), "{line}");
    // Nobody waits for the target any more.
    is_gone.recv_timeout(PATIENCE).expect("the target is let go");
}

#[test]
fn a_connection_to_a_target_is_kept_for_all_clients_until_the_target_says_close() {
    let lab = Lab::to(numbered());
    assert_eq!(letters(&lab, 4, ""), "0000");
    let closing = scripted(|number, balancer| {
        balancer.head();
        let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n";
        balancer.send(format!("{head}{number}"));
    });
    assert_eq!(letters(&Lab::to(closing), 3, ""), "012");
}

#[test]
fn a_client_has_its_connection_as_long_as_the_attribute_says() {
    let lab = Lab::attributed(&[("client_keep_alive.seconds", "0")]);
    let mut client = lab.client();
    client.send("GET /echo HTTP/1.1\r\nHost: lab\r\n\r\n");
    let answer = client.rest();
    assert!(status(&answer) == 200 && answer.contains("Connection: close\r\n"), "{answer}");
    let lab = Lab::attributed(&[("client_keep_alive.seconds", "3600")]);
    let mut client = lab.client();
    client.send("GET /echo HTTP/1.1\r\nHost: lab\r\n\r\n");
    assert!(client.answer().contains("Connection: keep-alive\r\n"));
}

/// A target that answers one request of its first connection, closes it after it has read the head
/// of the next one, and answers everything afterwards.
pub(crate) fn closing() -> SocketAddr {
    scripted(|number, balancer| {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        balancer.head();
        balancer.send(answer);
        while balancer.head().is_some() && number > 0 {
            balancer.send(answer);
        }
    })
}

#[test]
fn only_what_may_be_done_twice_is_sent_twice() {
    for (method, expected) in [("GET", 200), ("PUT", 200), ("POST", 502), ("PATCH", 502)] {
        let lab = Lab::to(closing());
        assert_eq!(status(&lab.get("/")), 200);
        let request = format!(
            "{method} / HTTP/1.1\r\nHost: lab\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(status(&lab.talk(request)), expected, "{method}");
    }
}

#[test]
fn an_answer_that_is_none_is_a_bad_gateway() {
    for answer in [
        "",
        "\r\n",
        "what",
        "HTTP/1.1 OK\r\n\r\n",
        "HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n",
        "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\nx",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
        "\0\0\0\x04\0\0\0\0\0",
    ] {
        let lab = Lab::to(scripted(move |_, balancer| {
            balancer.head();
            let _ = balancer.0.write_all(answer.as_bytes());
        }));
        let said = lab.get("/");
        assert_eq!(status(&said), 502, "{answer:?}: {said}");
    }
}

#[test]
fn a_target_that_does_not_speak_tls_where_it_should_is_a_bad_gateway() {
    let plain = scripted(|_, balancer| balancer.send("HTTP/1.1 400 Bad Request\r\n\r\n"));
    let lab = Lab::with(|table| {
        table.groups[0].protocol = TargetProtocol::Https;
        table.groups[0].targets = vec![target(plain)];
    });
    assert_eq!(status(&lab.get("/echo")), 502);
    let counters = lab.balancer.counters();
    let of_group = counters.iter().filter(|it| it.0.group.as_deref() == Some(GROUP));
    assert_eq!(of_group.map(|it| it.1.of(Metric::TargetTlsErrors)).sum::<u64>(), 1);
}

#[test]
fn a_target_is_spoken_to_over_tls_whatever_its_certificate_says() {
    // The target is another balancer; nobody has vouched for its certificate, and its name is
    // another one.
    let target_lab = Lab::with(secure);
    let lab = Lab::with(|table| {
        table.groups[0].protocol = TargetProtocol::Https;
        table.groups[0].targets = vec![target(target_lab.address)];
    });
    let answer = lab.get("/echo");
    assert_eq!(status(&answer), 200);
    assert!(answer.contains("X-Forwarded-Proto: https\r\n"), "{answer}");
    assert_eq!(target_lab.origin.seen().len(), 1);
}

#[test]
fn both_ends_of_a_tunnel_see_the_other_leave() {
    let (gone, is_gone) = mpsc::channel();
    let lab = Lab::to(scripted(move |number, balancer| {
        balancer.head();
        balancer.send(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nhi",
        );
        if number == 1 {
            balancer.rest();
            gone.send(()).expect("the test waits");
        }
    }));
    let upgrade = "GET / HTTP/1.1\r\nHost: lab\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";
    let mut client = lab.client();
    client.send(upgrade);
    assert!(client.rest().ends_with("\r\n\r\nhi"));
    let mut client = lab.client();
    client.send(upgrade);
    client.until("\r\n\r\nhi");
    drop(client);
    is_gone.recv_timeout(PATIENCE).expect("the target sees it");
}

/// A group of two targets in zones of their own; the first is in the lab's.
fn in_two_zones(set: &[(&str, &str)]) -> Lab {
    let targets = ["eu-west-1a", "eu-west-1b"].into_iter().zip(['a', 'b']).map(|(zone, letter)| {
        let mut target = target(lettered(letter));
        target.zone = Some(Zone::parse(zone).expect("a zone"));
        target
    });
    let mut targets: Vec<_> = targets.collect();
    targets.sort_by(|a, b| (&a.id, a.port).cmp(&(&b.id, b.port)));
    Lab::with(|table| {
        table.groups[0].targets = targets;
        table.groups[0].attributes = attributes(set);
    })
}

#[test]
fn where_zones_keep_to_themselves_only_targets_of_the_clients_zone_are_asked() {
    let apart = in_two_zones(&[("load_balancing.cross_zone.enabled", "false")]);
    assert_eq!(letters(&apart, 6, ""), "aaaaaa");
    let across = letters(&in_two_zones(&[]), 6, "");
    assert_eq!(across.matches('a').count(), 3, "{across}");
}

#[test]
fn the_target_with_the_least_under_way_is_asked() {
    let (asked, has_asked) = mpsc::channel();
    let holding = move |letter: char| {
        let asked = asked.clone();
        scripted(move |_, balancer| {
            while let Some(head) = balancer.head() {
                if head.starts_with("GET /hold") {
                    asked.send(letter).expect("the test waits");
                    balancer.rest();
                    return;
                }
                balancer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{letter}"));
            }
        })
    };
    let mut targets = vec![target(holding('a')), target(holding('b'))];
    targets.sort_by(|a, b| (&a.id, a.port).cmp(&(&b.id, b.port)));
    let lab = Lab::with(|table| {
        table.groups[0].targets = targets;
        let least = [("load_balancing.algorithm.type", "least_outstanding_requests")];
        table.groups[0].attributes = attributes(&least);
    });
    let mut waiting = lab.client();
    waiting.send("GET /hold HTTP/1.1\r\nHost: lab\r\n\r\n");
    let holder = has_asked.recv_timeout(PATIENCE).expect("reaches a target");
    let other = if holder == 'a' { "bbbb" } else { "aaaa" };
    // One connection, so that each request is over before the next begins.
    let mut client = lab.client();
    let all: String = (0..4)
        .map(|_| {
            client.send("GET / HTTP/1.1\r\nHost: lab\r\n\r\n");
            client.answer().pop().expect("a letter")
        })
        .collect();
    assert_eq!(all, other);
}

#[test]
fn a_cookie_binds_for_its_time_and_at_every_balancer_of_the_region() {
    let (a, b) = (lettered('a'), lettered('b'));
    let at = |now: Timestamp| {
        Lab::at(now, |table| {
            let mut targets = vec![target(a), target(b)];
            targets.sort_by(|a, b| (&a.id, a.port).cmp(&(&b.id, b.port)));
            table.groups = vec![group(GROUP, targets)];
            table.groups[0].attributes = attributes(&[
                ("stickiness.enabled", "true"),
                ("stickiness.lb_cookie.duration_seconds", "100"),
            ]);
        })
    };
    let first = at(NOW).get("/");
    let cookie = first.lines().find_map(|it| it.strip_prefix("Set-Cookie: AWSALB="));
    let cookie = cookie.and_then(|it| it.split(';').next()).expect("a cookie");
    let cookie = format!("Cookie: AWSALB={cookie}\r\n");
    let letter = first.chars().last().expect("a letter");
    let inside = letters(&at(Timestamp(NOW.0 + 1_000)), 4, &cookie);
    assert_eq!(inside, letter.to_string().repeat(4));
    let outside = letters(&at(Timestamp(NOW.0 + 3_600_000)), 4, &cookie);
    assert_eq!(outside.matches('a').count(), 2, "{outside}");
}

#[test]
fn a_client_is_bound_to_the_target_that_has_answered_it() {
    // Nobody listens there yet, and nobody else can.
    let place = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)
        .expect("a socket");
    bind(&place, &SocketAddr::from(([127, 0, 0, 1], 0))).expect("binds");
    let place = TcpListener::from(place);
    let late = place.local_addr().expect("bound");
    let lab = Lab::with(|table| {
        let mut targets = vec![target(lettered('a')), target(late)];
        targets.sort_by(|a, b| (&a.id, a.port).cmp(&(&b.id, b.port)));
        table.groups[0].targets = targets;
        table.groups[0].attributes = attributes(&[("stickiness.enabled", "true")]);
    });
    let cookies: Vec<String> = (0..4)
        .map(|_| {
            let answer = lab.get("/");
            assert!(answer.ends_with('a'), "{answer}");
            let cookie = answer.lines().find_map(|it| it.strip_prefix("Set-Cookie: AWSALB="));
            cookie.and_then(|it| it.split(';').next()).expect("a cookie").to_owned()
        })
        .collect();
    listen(&place, 16).expect("listens");
    answering(place, |_, balancer| {
        while balancer.head().is_some() {
            let _ = balancer.0.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nz");
        }
    });
    for cookie in cookies {
        assert_eq!(letters(&lab, 1, &format!("Cookie: AWSALB={cookie}\r\n")), "a");
    }
}

#[test]
fn a_target_is_told_who_asks_as_the_attribute_says() {
    let asked = "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: ftp\r\nX-Forwarded-Port: 9\r\n";
    for (mode, fields, expected) in [
        ("append", "", Some("127.0.0.1")),
        ("append", asked, Some("1.2.3.4, 127.0.0.1")),
        ("preserve", "", None),
        ("preserve", asked, Some("1.2.3.4")),
        ("remove", "", None),
        ("remove", asked, None),
    ] {
        let lab = Lab::attributed(&[("routing.http.xff_header_processing.mode", mode)]);
        let request =
            format!("GET /echo HTTP/1.1\r\nHost: lab\r\n{fields}Connection: close\r\n\r\n");
        let echo = lab.talk(request);
        let told: Vec<_> =
            echo.lines().filter_map(|it| it.strip_prefix("X-Forwarded-For: ")).collect();
        assert_eq!(told, expected.into_iter().collect::<Vec<_>>(), "{mode} {fields}");
        assert!(echo.contains("X-Forwarded-Proto: http\r\nX-Forwarded-Port: 80\r\n"), "{echo}");
    }
}

#[test]
fn a_trace_goes_on_with_what_the_client_has_said_of_it() {
    let lab = Lab::start();
    // The clock runs on a little from where it was set.
    let fresh = "=1-6553f1";
    for (sent, before, after) in [
        ("", format!("Root{fresh}"), ""),
        (
            "X-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678\r\n",
            format!("Self{fresh}"),
            ";Root=1-67891233-abcdef012345678912345678",
        ),
        (
            "X-Amzn-Trace-Id: Self=1-1-1;Root=1-2-2;a=b\r\n",
            format!("Self{fresh}"),
            ";Root=1-2-2;a=b",
        ),
        ("X-Amzn-Trace-Id: a=b\r\n", format!("Root{fresh}"), ";a=b"),
    ] {
        let echo =
            lab.talk(format!("GET /echo HTTP/1.1\r\nHost: lab\r\n{sent}Connection: close\r\n\r\n"));
        let traces: Vec<_> =
            echo.lines().filter_map(|it| it.strip_prefix("X-Amzn-Trace-Id: ")).collect();
        let [trace] = traces.as_slice() else { panic!("{sent:?}: {echo}") };
        assert!(trace.starts_with(&before) && trace.ends_with(after), "{sent:?}: {trace}");
    }
}

#[test]
fn transforms_put_host_and_address_in_other_words_and_the_log_tells_of_it() {
    let lab = Lab::with(|table| {
        table.load_balancers[0].attributes = attributes(&[("access_logs.s3.enabled", "true")]);
        table.load_balancers[0].listeners[0].rules[0].transforms = vec![
            Transform::Host { regex: "^(.+)\\.old$".into(), replacement: "$1.new".into() },
            Transform::Url { regex: "^/v1/(.*)$".into(), replacement: "/v2/$1".into() },
        ];
    });
    let mut lines = lab.balancer.access_log().expect("nobody has asked before");
    let mut client = lab.client();
    client.send("GET /v1/a?b=c HTTP/1.1\r\nHost: web.old\r\n\r\n");
    let echo = client.answer();
    assert!(echo.contains("\r\n\r\nGET /v2/a?b=c HTTP/1.1\r\nHost: web.new\r\n"), "{echo}");
    client.send("GET /v3 HTTP/1.1\r\nHost: web\r\n\r\n");
    let echo = client.answer();
    assert!(echo.contains("\r\n\r\nGET /v3 HTTP/1.1\r\nHost: web\r\n"), "{echo}");
    let first = lines.blocking_recv().expect("a line").text;
    assert!(first.contains("\"GET http://web.old:80/v1/a?b=c HTTP/1.1\""), "{first}");
    assert!(first.ends_with(" \"web.new\" \"/v2/a?b=c\" \"TransformSuccess\""), "{first}");
    let second = lines.blocking_recv().expect("a line").text;
    assert!(second.ends_with(" \"-\" \"-\" \"-\""), "{second}");
    // Both came on one connection, and another has another name.
    let name = |line: &str| {
        let name = line.split(' ').find(|it| it.starts_with("TID_")).expect("a name").to_owned();
        assert!(name.len() == 20 && name[4..].bytes().all(|it| it.is_ascii_hexdigit()), "{name}");
        name
    };
    assert_eq!(name(&first), name(&second));
    lab.get("/");
    let third = lines.blocking_recv().expect("a line").text;
    assert_ne!(name(&first), name(&third));
}

#[test]
fn what_only_speaks_http2_is_no_match_for_clients_that_do_not() {
    for version in [ProtocolVersion::Http2, ProtocolVersion::Grpc] {
        let lab = Lab::with(|table| table.groups[0].version = Some(version));
        assert_eq!(status(&lab.get("/")), 464);
        assert_eq!(lab.origin.seen(), Vec::<String>::new());
    }
}
