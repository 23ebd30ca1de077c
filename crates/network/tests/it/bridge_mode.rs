//! Containers on the instance's own bridge, behind host ports.

use std::net::Ipv4Addr;

use network::{Error, HostPorts, PortMapping, PortSpan};
use types::{Port, Protocol};

use crate::lab::{
    PATIENCE, address, ask, ask_from, ask_udp_from, at, id, instance, is_bridge, lab, mapping,
    open, region, serve, serve_at, serve_udp, tcp,
};

#[test]
fn a_host_port_is_reached_from_everywhere() {
    lab(|lab| {
        let region = region("t");
        let (_, first) = lab.host(&region, 0, 1);
        let (_, second) = lab.host(&region, 1, 1);
        let attached =
            first.attach_bridge(&id("web"), &[tcp(80, HostPorts::Static(8080))]).expect("attaches");
        assert!(is_bridge(&attached));
        let web = open(&attached);
        serve(&web, 80, "web");
        let other = open(&first.attach_bridge(&id("other"), &[]).expect("attaches"));

        let host = instance(&region, 0, 1);
        let front = at(host, 8080);
        let gateway = region.vpc().gateway();
        assert_eq!(ask(front).expect("from the machine"), format!("web {gateway}"));
        let neighbour = instance(&region, 1, 1);
        assert_eq!(
            ask_from(second.namespace(), front).expect("from another instance"),
            format!("web {neighbour}")
        );
        ask_from(first.namespace(), front).expect("from the instance by its address");
        ask_from(first.namespace(), at(Ipv4Addr::LOCALHOST, 8080)).expect("and by 127.0.0.1");
        ask_from(&other, front).expect("from another container");
        ask_from(&web, front).expect("from the container itself");
        ask_from(&other, at(address(&attached), 80)).expect("directly on the bridge");
    });
}

#[test]
fn dynamic_ports_lie_in_the_kernels_range_and_work() {
    lab(|lab| {
        let region = region("t");
        let (_, host) = lab.host(&region, 0, 1);
        for name in ["a", "b", "c"] {
            let attached = host.attach_bridge(&id(name), &[tcp(80, HostPorts::Dynamic)]);
            let attached = attached.expect("attaches");
            serve(&open(&attached), 80, name);
            let port = attached.bindings[0].host.first();
            assert!((32_768..=60_999).contains(&port), "{port}");
            let answer = ask(at(instance(&region, 0, 1), port)).expect("answers");
            assert!(answer.starts_with(name), "{answer}");
        }
    });
}

#[test]
fn udp_and_tcp_are_apart() {
    lab(|lab| {
        let region = region("t");
        let (_, host) = lab.host(&region, 0, 1);
        let (_, client) = lab.host(&region, 0, 2);
        for (name, protocol) in [("u", Protocol::Udp), ("t", Protocol::Tcp)] {
            let wish = [mapping(protocol, 53, HostPorts::Static(53))];
            let container = open(&host.attach_bridge(&id(name), &wish).expect("attaches"));
            serve(&container, 53, name);
            serve_udp(&container, 53, name);
        }
        let front = at(instance(&region, 0, 1), 53);
        let peer = instance(&region, 0, 2);
        assert_eq!(ask_udp_from(client.namespace(), front).expect("udp"), format!("u {peer}"));
        assert_eq!(ask_from(client.namespace(), front).expect("tcp"), format!("t {peer}"));
    });
}

#[test]
fn a_container_that_takes_over_a_udp_port_gets_its_clients() {
    lab(|lab| {
        let region = region("t");
        let (_, host) = lab.host(&region, 0, 1);
        let wish = [mapping(Protocol::Udp, 53, HostPorts::Static(53))];
        let front = at(instance(&region, 0, 1), 53);
        let client = std::net::UdpSocket::bind("0.0.0.0:0").expect("binds");
        client.set_read_timeout(Some(PATIENCE)).expect("sets");
        // A flow that began when nobody had the port.
        client.send_to(b"?", front).expect("sends");
        for name in ["a", "b"] {
            let container = open(&host.attach_bridge(&id(name), &wish).expect("attaches"));
            serve_udp(&container, 53, name);
            client.send_to(b"?", front).expect("sends");
            let mut buffer = [0; 64];
            let length = client.recv(&mut buffer).expect("an answer from the living one");
            assert!(buffer[..length].starts_with(name.as_bytes()));
            host.detach(&id(name)).expect("detaches");
        }
    });
}

#[test]
fn a_container_port_range_gets_host_ports_in_a_row() {
    lab(|lab| {
        let region = region("t");
        let (_, host) = lab.host(&region, 0, 1);
        let wish = PortMapping {
            protocol: Protocol::Tcp,
            container: PortSpan::new(8000, 8600).expect("a span"),
            host: HostPorts::Dynamic,
        };
        let attached = host.attach_bridge(&id("a"), &[wish]).expect("attaches");
        let binding = attached.bindings[0];
        assert_eq!(binding.host.count(), 601);
        let container = open(&attached);
        for offset in [0, 600] {
            serve(&container, 8000 + offset, "a");
            let port = binding.host.first() + offset;
            ask(at(instance(&region, 0, 1), port)).expect("answers");
        }
    });
}

#[test]
fn a_port_in_use_is_refused_and_free_again_after_detach() {
    lab(|lab| {
        let region = region("t");
        let (_, host) = lab.host(&region, 0, 1);
        let wish = [tcp(80, HostPorts::Static(8080))];
        host.attach_bridge(&id("a"), &wish).expect("attaches");
        assert!(matches!(
            host.attach_bridge(&id("b"), &wish),
            Err(Error::PortInUse(port)) if port == Port::tcp(8080)
        ));
        host.detach(&id("a")).expect("detaches");
        host.attach_bridge(&id("b"), &wish).expect("free again");

        serve(host.namespace(), 9090, "a process in host mode");
        assert!(matches!(
            host.attach_bridge(&id("c"), &[tcp(80, HostPorts::Static(9090))]),
            Err(Error::PortInUse(_))
        ));
        // A listener on a link-local address loses nothing to a mapping.
        serve_at(host.namespace(), at(network::TASK_ENDPOINT, 80), "agent");
        host.attach_bridge(&id("d"), &[tcp(80, HostPorts::Static(80))]).expect("attaches");
    });
}

#[test]
fn asking_again_changes_nothing_and_asking_differently_is_refused() {
    lab(|lab| {
        let region = region("t");
        let (_, host) = lab.host(&region, 0, 1);
        let wish = [tcp(80, HostPorts::Dynamic)];
        let first = host.attach_bridge(&id("a"), &wish).expect("attaches");
        assert_eq!(host.attach_bridge(&id("a"), &wish).expect("the same"), first);
        assert!(matches!(host.attach_bridge(&id("a"), &[]), Err(Error::Attached(_))));
        assert!(matches!(host.attach_isolated(&id("a")), Err(Error::Attached(_))));
        host.detach(&id("a")).expect("detaches");
        host.detach(&id("a")).expect("and again");
    });
}
