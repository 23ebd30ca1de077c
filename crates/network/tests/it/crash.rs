//! An agent that is killed at any moment, and many callers at once.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use network::{Attached, Host, HostPorts, Region, Setup};

use crate::lab::{
    Lab, ask_from, at, id, instance, interface, is_bridge, lab, link_names, open, region, run_in,
    serve, tag, tcp,
};

const FOLDER: &str = "LANDFALL_NETWORK_TEST_FOLDER";
const ROUNDS: usize = 12;

#[test]
fn an_agent_killed_at_any_moment_leaves_nothing_half_done() {
    lab(|lab| {
        let before = link_names();
        region("t");
        for round in 0..ROUNDS {
            let setup = kill_an_agent(lab, 4 + 3 * round);
            let host = Host::ensure(&setup).expect("adopts");
            check(lab, &host);
        }
        Host::destroy(&lab.path().join("host")).expect("destroys");
        Region::destroy(&tag("t")).expect("destroys");
        assert_eq!(link_names(), before);
        assert_eq!(lab.mounts(), [""; 0]);
    });
}

/// Not a test of its own: the agent that the test above starts and kills.
#[test]
#[ignore = "is started by a test, as a process of its own"]
fn agent_at_work() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let region = Region::ensure(&tag("t"), None).expect("the region");
    let host = Host::ensure(&setup_in(Path::new(&folder), &region)).expect("a host");
    for step in 0_u32.. {
        let number = step % 5;
        let (bridged, task) = (id(&format!("bridged-{number}")), id(&format!("task-{number}")));
        let alone = id(&format!("alone-{number}"));
        host.attach_bridge(&bridged, &[tcp(80, HostPorts::Dynamic)]).expect("attaches");
        tell();
        host.attach_vpc(&task, interface(&region, 0, number)).expect("attaches");
        host.attach_isolated(&alone).expect("attaches");
        tell();
        if step % 3 != 0 {
            host.detach(&bridged).expect("detaches");
            tell();
            host.detach(&task).expect("detaches");
            host.detach(&alone).expect("detaches");
        }
    }
}

fn tell() {
    let mut out = std::io::stdout();
    writeln!(out, "step").and_then(|()| out.flush()).expect("the test listens");
}

fn setup_in(folder: &Path, region: &Region) -> Setup {
    Setup {
        folder: folder.join("host"),
        place: network::Place::Region(region.uplink(instance(region, 0, 1)).expect("an uplink")),
        containers: None,
        dynamic_ports: None,
        ready: 2,
    }
}

/// Starts an agent on the lab's machine and kills it after so many lines of its output.
fn kill_an_agent(lab: &Lab, lines: usize) -> Setup {
    let mut agent = Command::new(env::current_exe().expect("this program"))
        .args(["crash::agent_at_work", "--exact", "--ignored", "--nocapture"])
        .env(FOLDER, lab.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let output = BufReader::new(agent.stdout.take().expect("its output"));
    assert_eq!(output.lines().take(lines).count(), lines, "the agent failed");
    agent.kill().expect("kills");
    agent.wait().expect("ends");
    setup_in(lab.path(), &Region::ensure(&tag("t"), None).expect("the region"))
}

/// Whether kernel, folder and host tell the same.
fn check(lab: &Lab, host: &Host) {
    host.settle();
    let attached = host.attachments();
    let connected: Vec<_> = attached.iter().filter_map(Attached::address).collect();
    let speakers = run_in(host.namespace(), "nft list set bridge landfall speakers");
    for address in &connected {
        assert_eq!(speakers.matches(&format!(". {address}")).count(), 1, "{speakers}");
    }
    let ready = speakers.matches("\"lft").count() - connected.len();
    assert!(ready <= 2, "only of those that are ready: {speakers}");
    let ports = run_in(host.namespace(), "nft list map ip landfall host_ports");
    assert_eq!(ports.matches("tcp .").count(), attached.iter().filter(|it| is_bridge(it)).count());
    assert_eq!(lab.mounts().len(), attached.len() + 1);
    for one in &attached {
        open(one);
    }
}

#[test]
fn many_callers_at_once_do_not_get_in_each_others_way() {
    lab(|lab| {
        let region = region("t");
        let (_, host) = lab.host(&region, 0, 1);
        let work = |caller: u32| {
            for round in 0..6_u32 {
                let name = id(&format!("caller-{caller}-{round}"));
                let attached = if round % 2 == 0 {
                    host.attach_bridge(&name, &[tcp(80, HostPorts::Dynamic)])
                } else {
                    host.attach_vpc(&name, interface(&region, 0, caller))
                };
                let attached = attached.expect("attaches");
                serve(&open(&attached), 80, name.as_str());
                let port = attached.bindings.first().map_or(80, |it| it.host.first());
                let address = if is_bridge(&attached) {
                    instance(&region, 0, 1)
                } else {
                    interface(&region, 0, caller).address
                };
                let answer = ask_from(host.namespace(), at(address, port)).expect("an answer");
                assert!(answer.starts_with(name.as_str()), "{answer} is not from {name}");
                host.detach(&name).expect("detaches");
            }
        };
        thread::scope(|scope| {
            for caller in 0..8 {
                let work = &work;
                scope.spawn(move || work(caller));
            }
        });
        assert!(host.attachments().is_empty());
        assert_eq!(lab.mounts().len(), 1);
    });
}
