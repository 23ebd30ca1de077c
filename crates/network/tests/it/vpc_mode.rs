//! Tasks with an interface of their own in the VPC.

use network::{Error, Interface, Mac};

use crate::lab::{
    NEIGHBOUR, ask, ask_from, at, id, instance, interface, lab, neighbour, open, region, serve,
};

#[test]
fn a_task_is_reached_at_its_own_address_from_everywhere() {
    lab(|lab| {
        let region = region("t");
        let (_, first) = lab.host(&region, 0, 1);
        let (_, second) = lab.host(&region, 1, 1);
        let web = interface(&region, 0, 1);
        let task = open(&first.attach_vpc(&id("web"), web).expect("attaches"));
        serve(&task, 80, "web");
        let front = at(web.address, 80);

        let beside = interface(&region, 0, 2);
        let abroad = interface(&region, 1, 1);
        let beside_task = open(&first.attach_vpc(&id("beside"), beside).expect("attaches"));
        let abroad_task = open(&second.attach_vpc(&id("abroad"), abroad).expect("attaches"));
        let bridged = open(&first.attach_bridge(&id("bridged"), &[]).expect("attaches"));

        let web_sees = |answer: std::io::Result<String>| answer.expect("an answer");
        assert_eq!(web_sees(ask(front)), format!("web {}", region.vpc().gateway()));
        assert_eq!(web_sees(ask_from(&beside_task, front)), format!("web {}", beside.address));
        assert_eq!(web_sees(ask_from(&abroad_task, front)), format!("web {}", abroad.address));
        assert_eq!(web_sees(ask_from(&task, front)), format!("web {}", web.address));
        let own = instance(&region, 0, 1);
        assert_eq!(web_sees(ask_from(first.namespace(), front)), format!("web {own}"));
        assert_eq!(web_sees(ask_from(&bridged, front)), format!("web {own}"));
        let other = instance(&region, 1, 1);
        assert_eq!(web_sees(ask_from(second.namespace(), front)), format!("web {other}"));
    });
}

#[test]
fn tasks_of_every_mode_reach_the_world_behind_the_machines_address() {
    lab(|lab| {
        let world = neighbour();
        serve(&world, 443, "world");
        let region = region("t");
        let (_, host) = lab.host(&region, 0, 1);
        let task = host.attach_vpc(&id("task"), interface(&region, 0, 1)).expect("attaches");
        let bridged = host.attach_bridge(&id("bridged"), &[]).expect("attaches");
        let expected = format!("world {}", crate::lab::MACHINE);
        for from in [&open(&task), &open(&bridged), host.namespace()] {
            assert_eq!(ask_from(from, at(NEIGHBOUR, 443)).expect("an answer"), expected);
        }
    });
}

#[test]
fn an_address_that_moves_to_another_instance_is_found_there_at_once() {
    lab(|lab| {
        let region = region("t");
        let (_, first) = lab.host(&region, 0, 1);
        let (_, second) = lab.host(&region, 0, 2);
        let interface = interface(&region, 0, 1);
        let other = Interface { mac: Mac([0x06, 1, 2, 3, 4, 5]), ..interface };
        for (host, interface, name) in
            [(&first, interface, "a"), (&second, other, "b"), (&first, interface, "c")]
        {
            let task = open(&host.attach_vpc(&id(name), interface).expect("attaches"));
            serve(&task, 80, name);
            let answer = ask(at(interface.address, 80)).expect("an answer");
            assert!(answer.starts_with(name), "{answer}");
            host.detach(&id(name)).expect("detaches");
        }
    });
}

#[test]
fn tasks_that_know_only_their_subnet_meet_through_the_gateway() {
    lab(|lab| {
        let region = region("t");
        let (_, first) = lab.host(&region, 0, 1);
        let (_, second) = lab.host(&region, 1, 1);
        let narrow = |zone| Interface { prefix: 20, ..interface(&region, zone, 1) };
        let web = open(&first.attach_vpc(&id("web"), narrow(0)).expect("attaches"));
        let client = open(&second.attach_vpc(&id("client"), narrow(1)).expect("attaches"));
        serve(&web, 80, "web");
        let answer = ask_from(&client, at(narrow(0).address, 80)).expect("an answer");
        assert_eq!(answer, format!("web {}", narrow(1).address));
    });
}

#[test]
fn the_interface_is_what_was_asked_for() {
    lab(|lab| {
        let region = region("t");
        let (_, host) = lab.host(&region, 0, 1);
        let asked = interface(&region, 0, 1);
        let task = open(&host.attach_vpc(&id("a"), asked).expect("attaches"));
        let names = task.enter(crate::lab::link_names).expect("enters");
        assert_eq!(names.len(), 2, "{names:?}");
        let links = crate::lab::run_in(&task, "ip -o link");
        assert!(links.contains("eth0@"), "{links}");
        assert!(links.contains(&asked.mac.to_string()), "{links}");
        let addresses = crate::lab::run_in(&task, "ip -o addr show dev eth0");
        assert!(addresses.contains(&format!("{}/{}", asked.address, asked.prefix)), "{addresses}");
        assert_eq!(addresses.lines().count(), 1, "{addresses}");
    });
}

#[test]
fn an_address_is_given_once() {
    lab(|lab| {
        let region = region("t");
        let (_, host) = lab.host(&region, 0, 1);
        let asked = interface(&region, 0, 1);
        let first = host.attach_vpc(&id("a"), asked).expect("attaches");
        assert_eq!(host.attach_vpc(&id("a"), asked).expect("the same"), first);
        assert!(matches!(host.attach_vpc(&id("b"), asked), Err(Error::AddressInUse(_))));
        let own = Interface { address: instance(&region, 0, 1), ..asked };
        assert!(matches!(host.attach_vpc(&id("b"), own), Err(Error::AddressInUse(_))));
        let moved = interface(&region, 0, 2);
        assert!(matches!(host.attach_vpc(&id("a"), moved), Err(Error::Attached(_))));
    });
}
