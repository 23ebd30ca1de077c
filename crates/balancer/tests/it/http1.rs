//! HTTP/1.1 as clients and targets speak it.

use super::lab::{Lab, status};

#[test]
fn a_request_is_carried_and_its_answer_comes_back() {
    let lab = Lab::start();
    let answer = lab.get("/echo?a=b");
    assert_eq!(status(&answer), 200);
    assert!(answer.contains("GET /echo?a=b HTTP/1.1\r\nHost: lab\r\n"), "{answer}");
    assert!(answer.contains("X-Forwarded-Proto: http\r\nX-Forwarded-Port: 80\r\n"), "{answer}");
    assert!(answer.contains("X-Amzn-Trace-Id: Root=1-6553f1"), "{answer}");
    assert!(answer.contains("Connection: close\r\n"), "{answer}");
}

#[test]
fn a_connection_serves_one_request_after_the_other() {
    let lab = Lab::start();
    let mut client = lab.client();
    for number in 0..3 {
        client.send(format!("GET /{number} HTTP/1.1\r\nHost: lab\r\n\r\n"));
        assert!(client.answer().contains(&format!("GET /{number} HTTP/1.1")));
    }
    client.send("GET /4 HTTP/1.1\r\nHost: lab\r\n\r\nGET /5 HTTP/1.1\r\nHost: lab\r\n\r\n");
    assert!(client.answer().contains("GET /4 HTTP/1.1"));
    assert!(client.answer().contains("GET /5 HTTP/1.1"));
}

#[test]
fn bodies_go_both_ways_whatever_their_framing() {
    let lab = Lab::start();
    let mut client = lab.client();
    client.send("POST /a HTTP/1.1\r\nHost: lab\r\nContent-Length: 5\r\n\r\nhel");
    client.send("lo");
    assert!(client.answer().ends_with("\r\n\r\nhello"));
    client.send("POST /b HTTP/1.1\r\nHost: lab\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2");
    client.send("\r\nlo\r\n0\r\nx-sum: 5\r\n\r\nGET /chunked HTTP/1.1\r\nHost: lab\r\n\r\n");
    assert!(client.answer().ends_with("\r\n\r\nhellox-sum: 5"));
    let chunked = client.until("0\r\nX-Sum: 1\r\n\r\n");
    assert!(chunked.contains("Transfer-Encoding: chunked\r\n"), "{chunked}");
    assert!(chunked.contains("\r\n\r\n5\r\nhello\r\n6\r\n world\r\n"), "{chunked}");
    client.send("GET /until-close HTTP/1.1\r\nHost: lab\r\n\r\n");
    let chunked = client.until("0\r\n\r\n");
    assert!(chunked.contains("\r\n\r\nb\r\nhello world\r\n"), "{chunked}");
}

#[test]
fn large_bodies_come_whole() {
    let lab = Lab::start();
    let size = 5_000_000;
    let answer = lab.get(&format!("/large?{size}"));
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert_eq!(body.len(), size);

    let mut client = lab.client();
    client.send(format!("POST / HTTP/1.1\r\nHost: lab\r\nContent-Length: {size}\r\n\r\n"));
    let body = "y".repeat(size);
    std::thread::scope(|scope| {
        let mut writer = super::lab::Client(client.0.try_clone().expect("the same socket"));
        scope.spawn(move || writer.send(body));
        let answer = client.answer();
        assert!(answer.ends_with(&"y".repeat(size)));
    });
}

#[test]
fn old_clients_get_answers_that_end_with_the_connection() {
    let lab = Lab::start();
    let answer = lab.talk("GET /chunked HTTP/1.0\r\n\r\n");
    assert!(answer.ends_with("\r\n\r\nhello world"), "{answer}");
    assert!(!answer.contains("chunked") && answer.contains("Connection: close"), "{answer}");
}

#[test]
fn answers_without_a_body_are_known_by_the_request_and_the_status() {
    let lab = Lab::start();
    let mut client = lab.client();
    client.send("HEAD /echo HTTP/1.1\r\nHost: lab\r\n\r\n");
    let head = client.until("\r\n\r\n");
    assert!(head.contains("Content-Length: ") && !head.contains("Content-Length: 0"), "{head}");
    client.send("GET /status?304 HTTP/1.1\r\nHost: lab\r\n\r\n");
    assert_eq!(status(&client.until("\r\n\r\n")), 304);
    client.send("GET /status?204 HTTP/1.1\r\nHost: lab\r\n\r\n");
    assert_eq!(status(&client.until("\r\n\r\n")), 204);
}

#[test]
fn answers_before_the_final_one_are_passed_on() {
    let lab = Lab::start();
    let mut client = lab.client();
    client
        .send("POST / HTTP/1.1\r\nHost: lab\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_eq!(client.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("ok");
    assert!(client.answer().ends_with("\r\n\r\nok"));
    client.send("GET /hints HTTP/1.1\r\nHost: lab\r\n\r\n");
    assert_eq!(client.until("\r\n\r\n"), "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    assert!(client.answer().ends_with("\r\n\r\nok"));
}

#[test]
fn an_early_answer_comes_while_the_body_is_still_sent() {
    let lab = Lab::start();
    let mut client = lab.client();
    client.send("POST /early HTTP/1.1\r\nHost: lab\r\nContent-Length: 1000000\r\n\r\npart");
    let answer = client.answer();
    assert_eq!(status(&answer), 403);
    assert!(answer.contains("Connection: close\r\n") && answer.ends_with("no"), "{answer}");
}

#[test]
fn an_upgraded_connection_carries_bytes_both_ways() {
    let lab = Lab::start();
    let mut client = lab.client();
    let request =
        "GET /upgrade HTTP/1.1\r\nHost: lab\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
    client.send(request);
    let head = client.until("\r\n\r\n");
    assert!(head.contains("Upgrade: echo\r\n") && head.contains("Connection: Upgrade"), "{head}");
    assert_eq!(client.until("hi"), "hi");
    for text in ["one", "another", &"x".repeat(10_000)] {
        client.send(text);
        assert_eq!(client.until(text), text);
    }
    // Who did not ask for it gets none.
    assert_eq!(status(&lab.get("/upgrade")), 502);
}

#[test]
fn targets_that_fail_are_bad_gateways() {
    let lab = Lab::start();
    for path in ["/close", "/bad", "/large-head"] {
        let answer = lab.get(path);
        assert_eq!(status(&answer), 502, "{path}");
        assert!(answer.contains("Server: awselb/2.0\r\n"), "{answer}");
        assert!(answer.contains("<h1>502 Bad Gateway</h1>"), "{answer}");
    }
    // What has begun cannot be taken back.
    let cut = lab.get("/cut");
    assert!(status(&cut) == 200 && cut.ends_with("hello"), "{cut}");
}

#[test]
fn a_kept_connection_that_the_target_has_closed_costs_no_request() {
    let lab = Lab::start();
    let mut client = lab.client();
    for _ in 0..20 {
        // The target closes after this answer without saying so.
        client.send("GET /until-close HTTP/1.1\r\nHost: lab\r\n\r\n");
        client.until("0\r\n\r\n");
        client.send("GET /echo HTTP/1.1\r\nHost: lab\r\n\r\n");
        assert_eq!(status(&client.answer()), 200);
    }
}
