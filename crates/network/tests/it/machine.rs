//! A machine that is itself the container instance.

use std::env;
use std::net::Ipv4Addr;
use std::process::Command;

use network::{
    Check, Error, Host, HostPorts, Interface, Mac, Place, Region, TASK_ENDPOINT, Verdict,
    VpcBridge, doctor,
};

use crate::lab::{
    MACHINE, NEIGHBOUR, address, ask, ask_from, at, id, lab, link_names, neighbour, no_answer_from,
    open, run, run_in, serve, serve_at, tag, tcp,
};

#[test]
fn host_ports_work_without_a_region() {
    lab(|lab| {
        let outside = neighbour();
        serve(&outside, 443, "world");
        let before = link_names();
        let setup = lab.setup("host", Place::Machine { vpc: None });
        let host = Host::ensure(&setup).expect("a host");
        assert_eq!(host.netns(), None);
        let wish = [tcp(80, HostPorts::Static(8080))];
        let attached = host.attach_bridge(&id("web"), &wish).expect("attaches");
        let web = open(&attached);
        serve(&web, 80, "web");
        let seen = ask_from(&outside, at(MACHINE, 8080)).expect("from outside");
        assert_eq!(seen, format!("web {NEIGHBOUR}"));
        ask(at(MACHINE, 8080)).expect("from the machine by its address");
        ask(at(Ipv4Addr::LOCALHOST, 8080)).expect("by 127.0.0.1");
        ask_from(&web, at(MACHINE, 8080)).expect("from the container itself");
        ask_from(&web, at(NEIGHBOUR, 443)).expect("the world");

        serve_at(host.namespace(), at(TASK_ENDPOINT, 80), "agent");
        let answer = ask_from(&web, at(TASK_ENDPOINT, 80)).expect("the endpoint");
        assert_eq!(answer, format!("agent {}", address(&attached)));
        run_in(&outside, &format!("ip route add default via {MACHINE}"));
        no_answer_from(&outside, at(TASK_ENDPOINT, 80), "not from outside");
        no_answer_from(&outside, at(address(&attached), 80), "nor around host ports");

        let interface = Interface {
            mac: Mac::of(NEIGHBOUR),
            address: Ipv4Addr::new(192, 0, 2, 9),
            prefix: 24,
            gateway: NEIGHBOUR,
        };
        assert!(matches!(host.attach_vpc(&id("task"), interface), Err(Error::NoVpc)));
        drop(host);
        Host::destroy(&setup.folder).expect("destroys");
        assert_eq!(link_names(), before);
        assert_eq!(run("nft list ruleset"), "");
    });
}

#[test]
fn the_doctor_finds_this_machine_fit_and_leaves_it_alone() {
    lab(|_| {
        let look = || run("ip -o link") + &run("nft list ruleset");
        let before = look();
        let findings = doctor();
        assert_eq!(findings.len(), 6, "{findings:#?}");
        assert!(findings.iter().all(|it| it.verdict == Verdict::Good), "{findings:#?}");
        assert_eq!(look(), before);

        run("nft add table ip filter");
        run(
            "nft add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }",
        );
        let other = doctor().into_iter().find(|it| it.check == Check::OtherFirewalls);
        let other = other.expect("looked at");
        assert!(matches!(other.verdict, Verdict::Careful(_)), "{other:?}");
        assert!(other.detail.contains("ip filter FORWARD"), "{other:?}");
    });
}

#[test]
fn without_nft_the_error_says_what_to_install() {
    lab(|_| {
        let outcome = Command::new(env::current_exe().expect("this program"))
            .args(["machine::region_without_nft", "--exact", "--ignored", "--nocapture"])
            .env("PATH", "/nonexistent")
            .output()
            .expect("runs");
        assert_eq!(link_names(), ["lo:"], "nothing was begun");
        let text = String::from_utf8_lossy(&outcome.stdout);
        assert!(text.contains("apt-get install nftables"), "{text}");
        let doctor = text.lines().find(|it| it.starts_with("Rules")).expect("looked at");
        assert!(doctor.contains("Missing"), "{doctor}");
    });
}

/// Not a test of its own: what the test above runs where there is no `nft`.
#[test]
#[ignore = "is started by a test, as a process of its own"]
fn region_without_nft() {
    if env::var("PATH").is_ok_and(|it| it == "/nonexistent") {
        println!("{}", Region::ensure(&tag("t"), None).expect_err("no nft"));
        Region::destroy(&tag("t")).expect("there is nothing");
        for finding in doctor() {
            println!("{:?} {:?}", finding.check, finding.verdict);
        }
    }
}

#[test]
fn tasks_get_interfaces_on_a_bridge_of_the_operator() {
    lab(|lab| {
        let outside = neighbour();
        serve(&outside, 443, "world");
        run("ip link add br0 type bridge");
        run("ip link set br0 up");
        run("ip addr del 192.0.2.1/24 dev wan");
        run("ip link set wan master br0");
        run("ip addr add 192.0.2.1/24 dev br0");
        run("ip route replace default via 192.0.2.2");
        let vpc = Some(VpcBridge { name: "br0".into(), address: MACHINE });
        let setup = lab.setup("host", Place::Machine { vpc });
        let host = Host::ensure(&setup).expect("a host");
        let address = Ipv4Addr::new(192, 0, 2, 9);
        let interface =
            Interface { mac: Mac::of(address), address, prefix: 24, gateway: NEIGHBOUR };
        let task = open(&host.attach_vpc(&id("task"), interface).expect("attaches"));
        serve(&task, 80, "task");
        let answer = ask_from(&outside, at(address, 80)).expect("from outside");
        assert_eq!(answer, format!("task {NEIGHBOUR}"));
        assert_eq!(
            ask_from(&task, at(NEIGHBOUR, 443)).expect("the world"),
            format!("world {address}")
        );
        serve_at(host.namespace(), at(TASK_ENDPOINT, 80), "agent");
        let answer = ask_from(&task, at(TASK_ENDPOINT, 80)).expect("the endpoint");
        assert_eq!(answer, format!("agent {address}"));
        run_in(&outside, &format!("ip route add {TASK_ENDPOINT}/32 via {MACHINE}"));
        no_answer_from(&outside, at(TASK_ENDPOINT, 80), "not from outside");
        drop(host);
        Host::destroy(&setup.folder).expect("destroys");
    });
}
