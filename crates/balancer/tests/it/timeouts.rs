//! What waits for too long is ended, by the name of the one who kept it waiting.

use super::lab::{Lab, status};

/// Longer than a busy machine takes for what must come before it.
const QUICK: &[(&str, &str)] = &[("idle_timeout.timeout_seconds", "4")];

#[test]
fn a_client_that_says_nothing_is_let_go() {
    let lab = Lab::attributed(QUICK);
    assert_eq!(lab.talk(""), "");
    let mut client = lab.client();
    client.send("GET /echo HTTP/1.1\r\nHost: lab\r\n\r\n");
    assert_eq!(status(&client.answer()), 200);
    assert_eq!(client.rest(), "");
}

#[test]
fn a_head_that_does_not_end_is_a_request_timeout() {
    let lab = Lab::attributed(QUICK);
    assert_eq!(status(&lab.talk("GET / HTTP/1.1\r\nHost: l")), 408);
}

#[test]
fn a_body_that_does_not_end_is_a_request_timeout() {
    let lab = Lab::attributed(QUICK);
    let request = "POST /echo HTTP/1.1\r\nHost: lab\r\nContent-Length: 9\r\n\r\npart";
    assert_eq!(status(&lab.talk(request)), 408);
}

#[test]
fn a_target_that_does_not_answer_is_a_gateway_timeout() {
    let lab = Lab::attributed(QUICK);
    assert_eq!(status(&lab.get("/slow")), 504);
}

#[test]
fn a_tunnel_in_which_nothing_moves_is_ended() {
    let lab = Lab::attributed(QUICK);
    let mut client = lab.client();
    client
        .send("GET /upgrade HTTP/1.1\r\nHost: lab\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    assert!(client.rest().ends_with("\r\n\r\nhi"));
}
