//! Tables that change under traffic, access logs, draining.

use std::io::Write as _;
use std::time::{Duration, Instant};

use balancer::{Applied, Gate, Inheritance};
use state::Draining;
use types::Timestamp;

use super::lab::{Client, LOAD_BALANCER, Lab, NOW, status, target};

#[test]
fn an_older_table_is_not_served() {
    let mut lab = Lab::start();
    lab.apply(|_| {});
    let mut old = lab.table.clone();
    old.generation.version = 1;
    old.load_balancers.clear();
    assert_eq!(lab.block_on(lab.balancer.apply(old)), Applied::Stale);
    assert_eq!(status(&lab.get("/echo")), 200);
}

#[test]
fn a_table_changes_under_load_without_a_failed_request() {
    let mut lab = Lab::start();
    let address = lab.address;
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(move || {
                    let mut client = Client::connect(address);
                    for _ in 0..200 {
                        client.send("GET /echo HTTP/1.1\r\nHost: lab\r\n\r\n");
                        assert_eq!(status(&client.answer()), 200);
                    }
                })
            })
            .collect();
        for number in 0..50 {
            lab.apply(|table| {
                let attributes = &mut table.groups[0].attributes;
                attributes.insert("slow_start.duration_seconds".into(), (30 + number).to_string());
            });
        }
        for client in clients {
            client.join().expect("no request failed");
        }
    });
    // A client has its whole answer a moment before the balancer is done with the request.
    let target = lab.balancer.snapshot().groups[0].targets[0].clone();
    let deadline = Instant::now() + Duration::from_mins(2);
    while target.in_flight() > 0 && Instant::now() < deadline {
        std::thread::yield_now();
    }
    assert_eq!(target.in_flight(), 0);
}

#[test]
fn what_a_target_has_under_way_ends_when_it_is_gone() {
    let mut lab = Lab::start();
    let mut client = lab.client();
    client
        .send("GET /upgrade HTTP/1.1\r\nHost: lab\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    client.until("\r\n\r\nhi");
    let target = lab.balancer.snapshot().groups[0].targets[0].clone();
    assert_eq!(target.in_flight(), 1);
    lab.apply(|table| table.groups[0].targets.clear());
    assert!(target.is_gone());
    assert_eq!(client.rest(), "");
}

#[test]
fn what_is_under_way_goes_on_where_its_group_is_named_no_more() {
    let mut lab = Lab::start();
    let mut client = lab.client();
    client
        .send("GET /upgrade HTTP/1.1\r\nHost: lab\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    client.until("\r\n\r\nhi");
    let target = lab.balancer.snapshot().groups[0].targets[0].clone();
    let fixed = state::Action::Fixed { status: 204, content_type: None, body: String::new() };
    let groups = core::mem::take(&mut lab.table.groups);
    lab.apply(|table| table.load_balancers[0].listeners[0].rules[0].action = fixed);
    assert_eq!(status(&lab.get("/echo")), 204);
    client.send("still there");
    client.until("still there");
    lab.apply(|table| table.groups = groups);
    assert_eq!(lab.balancer.snapshot().groups[0].targets[0].in_flight(), 1, "it is known again");
    lab.apply(|table| table.groups[0].targets.clear());
    assert!(target.is_gone());
    assert_eq!(client.rest(), "");
}

#[test]
fn the_time_of_a_target_that_drains_is_over_though_nobody_tells_of_it() {
    let mut lab = Lab::start();
    let mut client = lab.client();
    client
        .send("GET /upgrade HTTP/1.1\r\nHost: lab\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    client.until("\r\n\r\nhi");
    let target = lab.balancer.snapshot().groups[0].targets[0].clone();
    let draining = Draining { since: Timestamp(1_000), until: Timestamp(1_001) };
    lab.apply(|table| table.groups[0].targets[0].draining = Some(draining));
    while lab.block_on(lab.balancer.end_overdue()) {
        std::thread::yield_now();
    }
    assert!(target.is_gone());
    assert_eq!(client.rest(), "");
    lab.apply(|table| table.groups[0].targets[0].draining = None);
    assert_eq!(status(&lab.get("/echo")), 200, "it is registered again");
}

#[test]
fn a_listener_that_is_gone_takes_nobody_in() {
    let mut lab = Lab::start();
    assert_eq!(status(&lab.get("/echo")), 200);
    lab.apply(|table| table.load_balancers.clear());
    assert!(std::net::TcpStream::connect(lab.address).is_err());
}

#[test]
fn an_address_in_use_is_said_to_be_so() {
    let mut lab = Lab::start();
    let taken = std::net::TcpListener::bind((lab.address.ip(), 0)).expect("a port");
    let mut table = lab.table.clone();
    table.generation.version += 1;
    let mut listener = table.load_balancers[0].listeners[0].clone();
    listener.arn.push('2');
    listener.port = taken.local_addr().expect("bound").port();
    table.load_balancers[0].listeners.push(listener);
    let Applied::Served(refused) = lab.block_on(lab.balancer.apply(table)) else {
        panic!("the table is new")
    };
    let causes: Vec<_> = refused.values().collect();
    assert!(matches!(causes.as_slice(), [cause] if cause.contains("in use")), "{causes:?}");
    lab.table.generation.version += 1;
    assert_eq!(status(&lab.get("/echo")), 200);
}

#[test]
fn draining_lets_requests_end_and_idle_clients_go() {
    let lab = Lab::start();
    let mut idle = lab.client();
    idle.send("GET /echo HTTP/1.1\r\nHost: lab\r\n\r\n");
    assert_eq!(status(&idle.answer()), 200);
    let mut busy = lab.client();
    let head =
        "POST /echo HTTP/1.1\r\nHost: lab\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    busy.send(head);
    busy.until("\r\n\r\n");
    std::thread::scope(|scope| {
        let draining = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            runtime.block_on(lab.balancer.drain());
        });
        assert_eq!(idle.rest(), "");
        assert!(std::net::TcpStream::connect(lab.address).is_err());
        busy.send("done");
        assert!(busy.rest().ends_with("done"));
        draining.join().expect("everybody has left");
    });
}

/// What a client gets that asks again and again while the balancer drains, until an answer says that it
/// is the last, or none comes; and whether it was quick enough to be owed one.
fn asks_to_the_last() -> (Option<String>, bool) {
    let lab = Lab::start();
    let mut client = lab.client();
    client.send("GET /echo HTTP/1.1\r\nHost: lab\r\n\r\n");
    assert_eq!(status(&client.answer()), 200);
    std::thread::scope(|scope| {
        let began = Instant::now();
        scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            runtime.block_on(lab.balancer.drain());
        });
        while std::net::TcpStream::connect(lab.address).is_ok() {}
        let mut ask = || {
            client.0.write_all(b"GET /echo HTTP/1.1\r\nHost: lab\r\n\r\n").ok()?;
            client.head()
        };
        let mut answer = ask();
        while answer.as_ref().is_some_and(|it| !it.contains("Connection: close")) {
            answer = ask();
        }
        (answer, began.elapsed() < Duration::from_secs(1))
    })
}

#[test]
fn a_request_that_comes_as_the_balancer_drains_is_answered_and_is_the_last() {
    let answer = loop {
        if let (answer, true) = asks_to_the_last() {
            break answer.expect("is answered");
        }
    };
    assert_eq!(status(&answer), 200);
}

#[test]
fn who_comes_before_the_gate_is_open_is_served_by_the_table_that_is_in_force_then() {
    let gate = Gate::closed();
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let gone = taken.local_addr().expect("bound");
    let mut lab = Lab::behind((gate.clone(), Inheritance::none()), NOW, |table| {
        table.groups[0].targets = vec![target(gone)];
    });
    let mut client = lab.client();
    client.send("GET /echo HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n");
    let origin = lab.origin.address;
    lab.apply(|table| table.groups[0].targets = vec![target(origin)]);
    gate.unlock();
    assert_eq!(status(&client.rest()), 200);
    taken.set_nonblocking(true).expect("does not wait");
    taken.accept().expect_err("nobody came to the target that was gone");
}

#[test]
fn every_request_is_logged_if_that_is_asked_for() {
    let lab = Lab::attributed(&[("access_logs.s3.enabled", "true")]);
    let mut lines = lab.balancer.access_log().expect("nobody has asked before");
    lab.talk("GET /echo?x HTTP/1.1\r\nHost: lab\r\nUser-Agent: me\r\nConnection: close\r\n\r\n");
    let line = lines.blocking_recv().expect("a line");
    assert_eq!(line.load_balancer, LOAD_BALANCER);
    let words: Vec<_> = line.text.split(' ').collect();
    assert_eq!([words[0], words[2]], ["http", "app/lab/0123456789abcdef"]);
    // The time of the end: when the lab's clock stands, plus what the request took.
    assert!(words[1].starts_with("2023-11-14T22:1"), "{}", line.text);
    assert_eq!(words[4], lab.origin.address.to_string());
    assert!(line.text.contains(" 200 200 "), "{}", line.text);
    assert!(
        line.text.contains(" \"GET http://lab:80/echo?x HTTP/1.1\" \"me\" - - "),
        "{}",
        line.text
    );
    assert!(line.text.contains(" 0 ") && line.text.contains(" \"forward\" "), "{}", line.text);

    lab.talk("GET / HTTP/1.1\r\nHost: lab\r\nContent-Length: x\r\n\r\n");
    let line = lines.blocking_recv().expect("a line").text;
    assert!(line.contains(" - -1 -1 -1 400 - "), "{line}");
    assert!(line.contains(" \"Severe\" \"BadContentLength\" "), "{line}");
}
