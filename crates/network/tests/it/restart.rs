//! An agent that starts again finds everything as it was, and containers notice nothing.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use network::{Error, Host, HostPorts, PortMapping, PortSpan, Region};
use types::Protocol;

use crate::lab::{
    ask, ask_from, at, id, instance, interface, lab, no_answer, open, range, region, run_in, serve,
    serve_udp, tag, tcp,
};

#[test]
fn a_new_agent_finds_what_is_attached() {
    lab(|lab| {
        let region = region("t");
        let (setup, host) = lab.host(&region, 0, 1);
        let wish = [
            tcp(80, HostPorts::Static(8080)),
            PortMapping {
                protocol: Protocol::Udp,
                container: PortSpan::new(50, 59).expect("a span"),
                host: HostPorts::Dynamic,
            },
        ];
        let web = host.attach_bridge(&id("web"), &wish).expect("attaches");
        let task = host.attach_vpc(&id("task"), interface(&region, 0, 1)).expect("attaches");
        let alone = host.attach_isolated(&id("alone")).expect("attaches");
        serve(&open(&web), 80, "web");
        serve_udp(&open(&web), 50, "web");
        serve(&open(&task), 80, "task");
        let before = host.attachments();
        host.settle();
        drop(host);

        let region = Region::ensure(&tag("t"), None).expect("the same region");
        let host = Host::ensure(&setup).expect("the same host");
        assert_eq!(host.attachments(), before);
        assert_eq!(host.attach_bridge(&id("web"), &wish).expect("as before"), web);
        assert_eq!(host.attach_isolated(&id("alone")).expect("as before"), alone);
        ask(at(instance(&region, 0, 1), 8080)).expect("answers");
        ask(at(interface(&region, 0, 1).address, 80)).expect("answers");
        assert!(matches!(
            host.attach_bridge(&id("new"), &[tcp(80, HostPorts::Static(8080))]),
            Err(Error::PortInUse(_))
        ));
        let fresh = host.attach_bridge(&id("new"), &wish[1..]).expect("attaches");
        assert_ne!(fresh.address(), web.address());
        assert!(fresh.bindings[0].host.first() > web.bindings[1].host.last());
        for id in ["web", "task", "alone", "new"] {
            host.detach(&crate::lab::id(id)).expect("detaches");
        }
        no_answer(at(instance(&region, 0, 1), 8080), "closed");
    });
}

#[test]
fn an_open_connection_goes_on_through_restarts() {
    lab(|lab| {
        let region = region("t");
        let (setup, mut host) = lab.host(&region, 0, 1);
        let wish = [tcp(80, HostPorts::Static(8080))];
        let web = open(&host.attach_bridge(&id("web"), &wish).expect("attaches"));
        let listener: TcpListener = web.listen("0.0.0.0:80".parse().expect("valid")).expect("on");
        let mut client = TcpStream::connect(at(instance(&region, 0, 1), 8080)).expect("connects");
        let (mut server, _) = listener.accept().expect("accepts");
        for round in 0..3_u8 {
            server.write_all(&[round]).expect("sends");
            let mut byte = [0];
            client.read_exact(&mut byte).expect("receives");
            assert_eq!(byte, [round]);
            drop(host);
            host = Host::ensure(&setup).expect("the same host");
        }
    });
}

#[test]
fn flushed_rules_come_back() {
    lab(|lab| {
        let region = region("t");
        let (setup, host) = lab.host(&region, 0, 1);
        let wish = [tcp(80, HostPorts::Static(8080))];
        let web = open(&host.attach_bridge(&id("web"), &wish).expect("attaches"));
        serve(&web, 80, "web");
        let task = host.attach_vpc(&id("task"), interface(&region, 0, 1)).expect("attaches");
        serve(&open(&task), 80, "task");
        host.settle();
        let before = run_in(host.namespace(), "nft -s list table ip landfall");
        run_in(host.namespace(), "nft flush ruleset");
        let answers = |host: &Host| {
            assert_eq!(run_in(host.namespace(), "nft -s list table ip landfall"), before);
            ask(at(instance(&region, 0, 1), 8080)).expect("answers");
            ask(at(interface(&region, 0, 1).address, 80)).expect("answers");
        };
        host.repair().expect("repairs");
        answers(&host);
        let late = host.attach_bridge(&id("late"), &[]).expect("attaches one that was ready");
        ask_from(&open(&late), at(interface(&region, 0, 1).address, 80)).expect("answers");
        host.detach(&id("late")).expect("detaches");

        run_in(host.namespace(), "nft flush ruleset");
        drop(host);
        answers(&Host::ensure(&setup).expect("the same host"));
    });
}

#[test]
fn a_host_has_one_process_to_look_after_it() {
    lab(|lab| {
        let region = region("t");
        let (setup, host) = lab.host(&region, 0, 1);
        assert!(matches!(Host::ensure(&setup), Err(Error::Busy)));
        let elsewhere = lab.setup("elsewhere", network::Place::Machine { vpc: None });
        let machine = Host::ensure(&elsewhere).expect("another host");
        let again = lab.setup("again", network::Place::Machine { vpc: None });
        assert!(matches!(Host::ensure(&again), Err(Error::Busy)));
        drop((host, machine));
        Host::ensure(&setup).expect("free again");
    });
}

#[test]
fn what_a_restart_of_the_machine_leaves_is_cleared() {
    lab(|lab| {
        let region = region("t");
        let (setup, host) = lab.host(&region, 0, 1);
        let wish = [tcp(80, HostPorts::Static(8080))];
        host.attach_bridge(&id("web"), &wish).expect("attaches");
        drop(host);
        for mount in lab.mounts() {
            crate::lab::run(&format!("umount {mount}"));
        }
        let host = Host::ensure(&setup).expect("a host");
        assert!(host.attachments().is_empty());
        let web = open(&host.attach_bridge(&id("web-2"), &wish).expect("the port is free"));
        serve(&web, 80, "web");
        ask(at(instance(&region, 0, 1), 8080)).expect("answers");
    });
}

#[test]
fn a_host_is_connected_again_to_a_region_that_was_lost() {
    lab(|lab| {
        let lost = region("t");
        let (setup, host) = lab.host(&lost, 0, 1);
        let wish = [tcp(80, HostPorts::Static(8080))];
        serve(&open(&host.attach_bridge(&id("web"), &wish).expect("attaches")), 80, "web");
        let task = host.attach_vpc(&id("task"), interface(&lost, 0, 1)).expect("attaches");
        serve(&open(&task), 80, "task");
        drop(host);
        Region::destroy(&tag("t")).expect("destroys");
        no_answer(at(instance(&lost, 0, 1), 8080), "cut off");

        let again = Region::ensure(&tag("t"), Some(lost.vpc())).expect("a region");
        let host = Host::ensure(&setup).expect("the same host");
        assert_eq!(host.attachments().len(), 2);
        ask(at(instance(&again, 0, 1), 8080)).expect("answers");
        ask(at(interface(&again, 0, 1).address, 80)).expect("answers");
    });
}

#[test]
fn a_region_keeps_its_range_and_refuses_another() {
    lab(|_| {
        crate::lab::run("ip link add other type bridge");
        crate::lab::run("ip addr add 172.31.7.1/24 dev other");
        crate::lab::run("ip link set other up");
        let first = Region::ensure(&tag("t"), None).expect("a region");
        assert_eq!(first.vpc().range(), range("172.30.0.0/16"));
        let again = Region::ensure(&tag("t"), Some(first.vpc())).expect("the same");
        assert_eq!(again.vpc(), first.vpc());
        let other = network::Vpc::new(range("10.9.0.0/16"));
        assert!(matches!(Region::ensure(&tag("t"), other), Err(Error::RangeTaken { .. })));
        let taken = network::Vpc::new(range("172.31.0.0/16"));
        assert!(matches!(Region::ensure(&tag("u"), taken), Err(Error::RangeTaken { .. })));
        assert!(Region::ensure(&tag("u"), other).is_ok());
    });
}
