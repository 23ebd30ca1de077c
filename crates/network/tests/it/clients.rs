//! A program of the machine that speaks to targets from the addresses of clients.

use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr};

use network::{HostPorts, Namespace, Region, Tag};
use socket2::{Domain, Socket, Type};
use types::Protocol;

use crate::lab::{
    NEIGHBOUR, PATIENCE, address, ask_from, at, id, instance, interface, lab, mapping, neighbour,
    open, region, run, serve, serve_udp, tcp,
};

/// What a target says to the machine when it speaks from a client's address.
fn as_client(client: Ipv4Addr, kind: Type, target: SocketAddr) -> io::Result<String> {
    let socket = Socket::new(Domain::IPV4, kind, None)?;
    socket.set_ip_transparent_v4(true)?;
    socket.bind(&at(client, 0).into())?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect_timeout(&target.into(), PATIENCE)?;
    if kind == Type::STREAM {
        let mut answer = String::new();
        (&socket).read_to_string(&mut answer)?;
        return Ok(answer);
    }
    socket.send(b"?")?;
    let mut answer = vec![0; 64];
    let length = (&socket).read(&mut answer)?;
    answer.truncate(length);
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn web(namespace: &Namespace) {
    serve(namespace, 80, "web");
    serve_udp(namespace, 80, "web");
}

#[track_caller]
fn seen(client: Ipv4Addr, target: SocketAddr) {
    for kind in [Type::STREAM, Type::DGRAM] {
        // Who spoke once is remembered; that must not be in the way of the next time.
        for _ in 0..2 {
            let answer = as_client(client, kind, target).expect("an answer");
            assert_eq!(answer, format!("web {client}"));
        }
    }
}

#[test]
fn a_task_with_an_address_of_its_own_answers_whoever_the_machine_speaks_for() {
    lab(|lab| {
        let _world = neighbour();
        let region = region("t");
        let (_, first) = lab.host(&region, 0, 1);
        let (_, second) = lab.host(&region, 1, 1);
        let front = interface(&region, 0, 1);
        web(&open(&first.attach_vpc(&id("web"), front).expect("attaches")));
        let target = at(front.address, 80);
        let beside = interface(&region, 0, 2);
        let beside_task = open(&first.attach_vpc(&id("beside"), beside).expect("attaches"));
        let abroad = interface(&region, 1, 1);
        let abroad_task = open(&second.attach_vpc(&id("abroad"), abroad).expect("attaches"));
        region.let_clients_through().expect("lets them");
        // Again changes nothing.
        region.let_clients_through().expect("lets them");

        let clients = [beside.address, abroad.address, NEIGHBOUR];
        let hosts = [instance(&region, 0, 1), instance(&region, 1, 1)];
        for client in clients.into_iter().chain(hosts) {
            seen(client, target);
        }
        // Who speaks for himself is answered too, before and after.
        let direct = ask_from(&beside_task, target).expect("an answer");
        assert_eq!(direct, format!("web {}", beside.address));
        let direct = ask_from(&abroad_task, target).expect("an answer");
        assert_eq!(direct, format!("web {}", abroad.address));
        seen(beside.address, target);
    });
}

#[test]
fn containers_behind_host_ports_and_hosts_answer_whoever_the_machine_speaks_for() {
    lab(|lab| {
        let _world = neighbour();
        let region = region("t");
        let (_, first) = lab.host(&region, 0, 1);
        let (_, second) = lab.host(&region, 1, 1);
        let ports =
            [tcp(80, HostPorts::Static(8080)), mapping(Protocol::Udp, 80, HostPorts::Static(8080))];
        let behind = first.attach_bridge(&id("web"), &ports).expect("attaches");
        assert_ne!(address(&behind), instance(&region, 0, 1));
        web(&open(&behind));
        web(second.namespace());
        let beside = interface(&region, 0, 2);
        first.attach_vpc(&id("beside"), beside).expect("attaches");
        let abroad = interface(&region, 1, 2);
        second.attach_vpc(&id("abroad"), abroad).expect("attaches");
        region.let_clients_through().expect("lets them");

        for client in [beside.address, abroad.address, NEIGHBOUR] {
            seen(client, at(instance(&region, 0, 1), 8080));
            seen(client, at(instance(&region, 1, 1), 80));
        }
        seen(instance(&region, 1, 1), at(instance(&region, 0, 1), 8080));
    });
}

#[test]
fn the_machine_itself_answers_whoever_it_speaks_for() {
    lab(|lab| {
        let _world = neighbour();
        let region = region("t");
        let (_, host) = lab.host(&region, 0, 1);
        let client = interface(&region, 0, 1);
        let task = open(&host.attach_vpc(&id("client"), client).expect("attaches"));
        web(&Namespace::current().expect("is in one"));
        let target = at(region.vpc().gateway(), 80);
        region.let_clients_through().expect("lets them");
        for client in [client.address, instance(&region, 0, 1)] {
            seen(client, target);
        }
        // A server of datagrams that is bound to no address answers the world from another one.
        let answer = as_client(NEIGHBOUR, Type::STREAM, target).expect("an answer");
        assert_eq!(answer, format!("web {NEIGHBOUR}"));
        let direct = ask_from(&task, target).expect("an answer");
        assert_eq!(direct, format!("web {}", client.address));
    });
}

#[test]
fn nothing_of_it_is_left() {
    lab(|lab| {
        let before = (run("ip rule"), run("ip route show table all"));
        let region = region("t");
        region.let_clients_through().expect("lets them");
        assert_ne!(run("ip rule"), before.0);
        let tag = Tag::parse("t").expect("a tag");
        drop(lab.host(&region, 0, 1));
        Region::destroy(&tag).expect("destroys");
        // A second time finds nothing.
        Region::destroy(&tag).expect("destroys");
        assert_eq!((run("ip rule"), run("ip route show table all")), before);
        assert_eq!(run("nft list tables"), "");
    });
}
