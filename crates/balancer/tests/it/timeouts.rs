//! What waits for too long is ended, by the name of the one who kept it waiting.

use core::time::Duration;
use std::net::{SocketAddr, TcpListener, TcpStream};

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};

use super::lab::{Lab, status, target};

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

/// A listener that holds as many as it takes: who comes now gets no word. It ends with what is given.
fn full() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None);
    let socket = socket.expect("a socket");
    bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).expect("binds");
    listen(&socket, 0).expect("listens");
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().expect("has one");
    let wait = Duration::from_millis(500);
    let taken = core::iter::from_fn(|| TcpStream::connect_timeout(&address, wait).ok());
    let taken = taken.collect();
    (address, listener, taken)
}

#[test]
fn a_target_that_does_not_take_the_connection_is_a_gateway_timeout() {
    let (address, _listener, _taken) = full();
    let lab = Lab::to(address);
    assert_eq!(status(&lab.get("/echo")), 504);
}

#[test]
fn a_request_goes_to_another_target_if_one_does_not_take_the_connection() {
    let (address, _listener, _taken) = full();
    let mut lab = Lab::start();
    lab.apply(|table| table.groups[0].targets.insert(0, target(address)));
    // It is the turn of each of them once.
    for _ in 0..2 {
        assert_eq!(status(&lab.get("/echo")), 200);
    }
}
