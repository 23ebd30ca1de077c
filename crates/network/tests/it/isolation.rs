//! Who cannot be reached, and who cannot pretend to be somebody else.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use network::{Namespace, Region, TASK_ENDPOINT};
use rustix::net::{AddressFamily, SocketType};

use crate::lab::{
    PATIENCE, SILENCE, address, ask, ask_from, at, id, instance, interface, lab, link_names,
    neighbour, no_answer, no_answer_from, open, region, run, run_in, serve, serve_at, tag,
};

/// Connects from a chosen local address; whether the handshake was completed.
fn connects_as(task: &Namespace, source: Ipv4Addr, target: SocketAddrV4) -> bool {
    connects_within(PATIENCE, task, source, target)
}

/// Whether nobody answers a handshake from a chosen local address.
fn is_unheard_as(task: &Namespace, source: Ipv4Addr, target: SocketAddrV4) -> bool {
    !connects_within(SILENCE, task, source, target)
}

fn connects_within(
    wait: Duration,
    task: &Namespace,
    source: Ipv4Addr,
    target: SocketAddrV4,
) -> bool {
    let connect = || {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
        // Linux bounds connect(2) by the timeout for sending.
        rustix::net::sockopt::set_socket_timeout(
            &socket,
            rustix::net::sockopt::Timeout::Send,
            Some(wait),
        )?;
        rustix::net::bind(&socket, &SocketAddrV4::new(source, 0))?;
        rustix::net::connect(&socket, &target)
    };
    task.enter(connect).expect("enters").is_ok()
}

#[test]
fn a_task_cannot_speak_for_an_address_that_is_not_its_own() {
    lab(|lab| {
        let region = region("t");
        let (_, host) = lab.host(&region, 0, 1);
        serve_at(host.namespace(), at(TASK_ENDPOINT, 80), "agent");
        let victim = host.attach_vpc(&id("victim"), interface(&region, 0, 1)).expect("attaches");
        let thief = host.attach_vpc(&id("thief"), interface(&region, 0, 2)).expect("attaches");
        let victim_b = host.attach_bridge(&id("victim-b"), &[]).expect("attaches");
        let thief_b = host.attach_bridge(&id("thief-b"), &[]).expect("attaches");
        let endpoint = SocketAddrV4::new(TASK_ENDPOINT, 80);
        for (victim, thief) in [(&victim, &thief), (&victim_b, &thief_b), (&victim, &thief_b)] {
            let task = open(thief);
            assert!(connects_as(&task, address(thief), endpoint), "as itself");
            run_in(&task, &format!("ip addr add {}/32 dev eth0", address(victim)));
            assert!(is_unheard_as(&task, address(victim), endpoint), "as {victim:?}");
            assert!(connects_as(&task, address(thief), endpoint), "still as itself");
            run_in(&task, &format!("ip addr del {}/32 dev eth0", address(victim)));
        }
    });
}

#[test]
fn a_task_cannot_take_over_an_address_by_arp() {
    lab(|lab| {
        let region = region("t");
        let (_, first) = lab.host(&region, 0, 1);
        let victim = interface(&region, 1, 1);
        let thief = interface(&region, 0, 2);
        let task = open(&first.attach_vpc(&id("thief"), thief).expect("attaches"));
        serve(&task, 80, "thief");
        run_in(&task, &format!("ip addr add {}/16 dev eth0", victim.address));
        // The claim: questions that carry the victim's address as the sender's.
        let gateway = SocketAddrV4::new(region.vpc().gateway(), 80);
        assert!(is_unheard_as(&task, victim.address, gateway));
        // And the answer to a question for it.
        no_answer(at(victim.address, 80), "nobody has the victim's address");
        let known = run(&format!("ip neigh show {}", victim.address));
        assert!(!known.contains(&thief.mac.to_string()), "{known}");
    });
}

#[test]
fn a_task_with_another_mac_is_not_heard() {
    lab(|lab| {
        let region = region("t");
        let (_, host) = lab.host(&region, 0, 1);
        serve_at(host.namespace(), at(TASK_ENDPOINT, 80), "agent");
        let own = interface(&region, 0, 1);
        let task = open(&host.attach_vpc(&id("a"), own).expect("attaches"));
        ask_from(&task, at(TASK_ENDPOINT, 80)).expect("an answer");
        run_in(&task, "ip link set eth0 address 06:00:00:00:00:01");
        no_answer_from(&task, at(TASK_ENDPOINT, 80), "not heard");
        run_in(&task, &format!("ip link set eth0 address {}", own.mac));
        ask_from(&task, at(TASK_ENDPOINT, 80)).expect("an answer again");
    });
}

#[test]
fn containers_are_reached_by_their_host_ports_only() {
    lab(|lab| {
        let region = region("t");
        let (_, host) = lab.host(&region, 0, 1);
        let container = host.attach_bridge(&id("a"), &[]).expect("attaches");
        serve(&open(&container), 80, "a");
        run(&format!("ip route add {}/32 via {}", address(&container), instance(&region, 0, 1)));
        no_answer(at(address(&container), 80), "no way around");
        ask_from(host.namespace(), at(address(&container), 80)).expect("the instance may");
    });
}

#[test]
fn a_container_does_not_reach_what_listens_on_the_instances_loopback() {
    lab(|lab| {
        let region = region("t");
        let (_, host) = lab.host(&region, 0, 1);
        let own = at(Ipv4Addr::LOCALHOST, 51_679);
        serve_at(host.namespace(), own, "private");
        let container = open(&host.attach_bridge(&id("a"), &[]).expect("attaches"));
        no_answer_from(&container, own, "its own loopback has no such server");
        let routes = run_in(&container, "ip route show default");
        let gateway = routes.split(' ').nth(2).expect("a gateway");
        run_in(&container, "ip addr del 127.0.0.1/8 dev lo");
        run_in(&container, &format!("ip route add 127.0.0.1/32 via {gateway}"));
        // Its own kernel would refuse the answer, which comes from a loopback address.
        let permit = || fs::write("/proc/sys/net/ipv4/conf/all/route_localnet", "1");
        container.enter(permit).expect("enters").expect("writes");
        no_answer_from(&container, own, "the instance's is closed to it");
    });
}

#[test]
fn nobody_outside_the_machine_reaches_into_a_vpc() {
    lab(|lab| {
        let outside = neighbour();
        let region = region("t");
        let (_, host) = lab.host(&region, 0, 1);
        serve(host.namespace(), 80, "host");
        let front = at(instance(&region, 0, 1), 80);
        run_in(&outside, &format!("ip route add default via {}", crate::lab::MACHINE));
        no_answer_from(&outside, front, "not from outside");
        ask(front).expect("the machine may");
    });
}

#[test]
fn an_instance_cannot_send_from_foreign_addresses_into_the_world() {
    lab(|lab| {
        let outside = neighbour();
        serve(&outside, 443, "world");
        let region = region("t");
        let (_, host) = lab.host(&region, 0, 1);
        let foreign = Ipv4Addr::new(203, 0, 113, 5);
        run_in(host.namespace(), &format!("ip addr add {foreign}/32 dev lo"));
        run(&format!("ip route add {foreign}/32 via {}", instance(&region, 0, 1)));
        run_in(&outside, &format!("ip route add {foreign}/32 via {}", crate::lab::MACHINE));
        let world = SocketAddrV4::new(crate::lab::NEIGHBOUR, 443);
        assert!(connects_as(host.namespace(), instance(&region, 0, 1), world));
        assert!(is_unheard_as(host.namespace(), foreign, world));
    });
}

#[test]
fn two_regions_on_one_machine_do_not_meet() {
    lab(|lab| {
        let red = Region::ensure(&tag("red"), None).expect("a region");
        let blue = Region::ensure(&tag("blue"), None).expect("a region");
        assert!(!red.vpc().range().overlaps(blue.vpc().range()));
        let (_, first) = lab.host(&red, 0, 1);
        let (_, second) = lab.host(&blue, 1, 1);
        for (host, name) in [(&first, "first"), (&second, "second")] {
            serve(host.namespace(), 80, name);
        }
        let (one, two) = (at(instance(&red, 0, 1), 80), at(instance(&blue, 1, 1), 80));
        assert!(ask(one).expect("an answer").starts_with("first"));
        assert!(ask(two).expect("an answer").starts_with("second"));
        no_answer_from(first.namespace(), two, "apart");
        no_answer_from(second.namespace(), one, "apart");
    });
}

#[test]
fn an_isolated_task_has_itself_and_nobody_else() {
    lab(|lab| {
        let region = region("t");
        let (_, host) = lab.host(&region, 0, 1);
        let attached = host.attach_isolated(&id("a")).expect("attaches");
        assert_eq!(attached.address(), None);
        let task = open(&attached);
        serve(&task, 80, "a");
        ask_from(&task, at(Ipv4Addr::LOCALHOST, 80)).expect("itself");
        no_answer_from(&task, at(region.vpc().gateway(), 80), "nobody else");
        assert_eq!(task.enter(link_names).expect("enters"), ["lo:"]);
    });
}
