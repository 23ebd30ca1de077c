//! The task endpoint: for tasks of the instance, each under its own address, and for nobody else.

use std::io::ErrorKind;
use std::net::Ipv4Addr;

use network::{Host, HostPorts, TASK_ENDPOINT};

use crate::lab::{
    address, ask, ask_from, at, id, instance, interface, lab, neighbour, no_answer, no_answer_from,
    open, region, run, run_in, serve, serve_at, tcp,
};

/// The address of the machine's own metadata service, on clouds that have one.
const INSTANCE_METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

fn agent(host: &Host, name: &str) {
    serve_at(host.namespace(), at(TASK_ENDPOINT, 80), name);
}

#[test]
fn the_agent_sees_each_task_under_its_own_address() {
    lab(|lab| {
        let region = region("t");
        let (_, first) = lab.host(&region, 0, 1);
        let (_, second) = lab.host(&region, 0, 2);
        agent(&first, "first");
        agent(&second, "second");
        for (number, host, name) in [(1, &first, "first"), (2, &second, "second")] {
            let bridged = host.attach_bridge(&id("bridged"), &[]).expect("attaches");
            let task = host.attach_vpc(&id("task"), interface(&region, 0, number));
            for attached in [bridged, task.expect("attaches")] {
                let answer = ask_from(&open(&attached), at(TASK_ENDPOINT, 80));
                let expected = format!("{name} {}", address(&attached));
                assert_eq!(answer.expect("an answer"), expected);
            }
            ask_from(host.namespace(), at(TASK_ENDPOINT, 80)).expect("host mode");
        }
    });
}

#[test]
fn a_container_on_host_port_80_does_not_get_the_agents_requests() {
    lab(|lab| {
        let region = region("t");
        let (_, host) = lab.host(&region, 0, 1);
        agent(&host, "agent");
        let wish = [tcp(80, HostPorts::Static(80))];
        let thief = host.attach_bridge(&id("thief"), &wish).expect("attaches");
        serve(&open(&thief), 80, "thief");
        let task = host.attach_vpc(&id("task"), interface(&region, 0, 1)).expect("attaches");
        for from in [&open(&thief), &open(&task), host.namespace()] {
            let answer = ask_from(from, at(TASK_ENDPOINT, 80)).expect("an answer");
            assert!(answer.starts_with("agent"), "{answer}");
        }
        let answer = ask(at(instance(&region, 0, 1), 80)).expect("an answer");
        assert!(answer.starts_with("thief"), "{answer}");
    });
}

#[test]
fn neighbours_do_not_reach_the_endpoint() {
    lab(|lab| {
        let outside = neighbour();
        let region = region("t");
        let (_, first) = lab.host(&region, 0, 1);
        let (_, second) = lab.host(&region, 0, 2);
        agent(&first, "first");
        let via = format!("ip route add {TASK_ENDPOINT}/32 via {}", instance(&region, 0, 1));
        run(&via);
        no_answer(at(TASK_ENDPOINT, 80), "not from the machine");
        run_in(second.namespace(), "ip addr del 169.254.170.2/32 dev lf0");
        run_in(second.namespace(), &via);
        no_answer_from(second.namespace(), at(TASK_ENDPOINT, 80), "not from an instance");
        run_in(&outside, &format!("ip route add default via {}", crate::lab::MACHINE));
        no_answer_from(&outside, at(TASK_ENDPOINT, 80), "not from outside");

        // A task of the other instance that finds no agent there must not find this one.
        let task = second.attach_vpc(&id("task"), interface(&region, 0, 2)).expect("attaches");
        let task = open(&task);
        run_in(&task, &format!("ip route del {TASK_ENDPOINT}/32"));
        run_in(&task, &via);
        no_answer_from(&task, at(TASK_ENDPOINT, 80), "not from a task elsewhere");
    });
}

#[test]
fn instance_metadata_is_refused_to_tasks_at_once_and_cannot_be_forced() {
    lab(|lab| {
        let region = region("t");
        let (_, host) = lab.host(&region, 0, 1);
        run(&format!("ip addr add {INSTANCE_METADATA}/32 dev lo"));
        run_in(host.namespace(), &format!("ip addr add {INSTANCE_METADATA}/32 dev lo"));
        serve_at(host.namespace(), at(INSTANCE_METADATA, 80), "the instance's");
        let machine = network::Namespace::current().expect("a namespace");
        serve_at(&machine, at(INSTANCE_METADATA, 80), "the machine's");

        let bridged = host.attach_bridge(&id("bridged"), &[]).expect("attaches");
        let task = host.attach_vpc(&id("task"), interface(&region, 0, 1)).expect("attaches");
        for attached in [bridged, task] {
            let task = open(&attached);
            // At once and in so many words, not by silence.
            let error = no_answer_from(&task, at(INSTANCE_METADATA, 80), "refused");
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            run_in(&task, "ip route del prohibit 169.254.0.0/16");
            no_answer_from(&task, at(INSTANCE_METADATA, 80), "dropped on the way");
        }
        ask_from(host.namespace(), at(INSTANCE_METADATA, 80)).expect("the instance itself may");
    });
}

#[test]
fn an_instance_of_a_region_does_not_reach_the_machines_metadata() {
    lab(|lab| {
        run(&format!("ip addr add {INSTANCE_METADATA}/32 dev lo"));
        let machine = network::Namespace::current().expect("a namespace");
        serve_at(&machine, at(INSTANCE_METADATA, 80), "the machine's");
        let region = region("t");
        let (_, host) = lab.host(&region, 0, 1);
        ask(at(INSTANCE_METADATA, 80)).expect("the machine may");
        no_answer_from(host.namespace(), at(INSTANCE_METADATA, 80), "its instances may not");
    });
}
