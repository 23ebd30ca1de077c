//! Afterwards the machine is as it was.

use std::fs;

use network::{Host, HostPorts, Region};

use crate::lab::{Lab, id, interface, lab, link_names, region, run, run_in, tag, tcp};

/// Everything of a machine that a region might change.
fn snapshot(lab: &Lab) -> String {
    let links = run("ip -o -d link");
    let links = links.lines().map(|it| it.split(" qlen").next().unwrap_or_default());
    [
        links.collect::<Vec<_>>().join("\n"),
        run("ip -o -4 addr"),
        run("ip route show table all type unicast"),
        run("nft list ruleset"),
        lab.mounts().join("\n"),
        fs::read_to_string("/proc/sys/net/ipv4/ip_forward").expect("a setting"),
        fs::read_dir(lab.path()).expect("a folder").count().to_string(),
    ]
    .join("\n--\n")
}

fn attach_everything(region: &Region, host: &Host) {
    host.attach_bridge(&id("bridged"), &[tcp(80, HostPorts::Static(80))]).expect("attaches");
    host.attach_vpc(&id("task"), interface(region, 0, 1)).expect("attaches");
    host.attach_isolated(&id("alone")).expect("attaches");
    host.settle();
}

#[test]
fn a_destroyed_region_leaves_nothing() {
    lab(|lab| {
        let before = snapshot(lab);
        let region = region("t");
        let (setup, host) = lab.host(&region, 0, 1);
        attach_everything(&region, &host);
        assert_ne!(snapshot(lab), before);
        let busy = Host::destroy(&setup.folder);
        assert!(matches!(busy, Err(network::Error::Busy)), "{busy:?}");
        drop(host);
        Host::destroy(&setup.folder).expect("destroys");
        Region::destroy(&tag("t")).expect("destroys");
        assert_eq!(snapshot(lab), before);
        Host::destroy(&setup.folder).expect("twice is fine");
        Region::destroy(&tag("t")).expect("twice is fine");
        assert_eq!(snapshot(lab), before);
    });
}

#[test]
fn the_last_region_puts_forwarding_back() {
    lab(|lab| {
        let before = snapshot(lab);
        region("red");
        region("blue");
        Region::destroy(&tag("red")).expect("destroys");
        let forwarding = || fs::read_to_string("/proc/sys/net/ipv4/ip_forward").expect("reads");
        assert_eq!(forwarding(), "1\n");
        Region::destroy(&tag("blue")).expect("destroys");
        assert_eq!(snapshot(lab), before);

        region("red");
        run("ip link add docker0 type bridge");
        Region::destroy(&tag("red")).expect("destroys");
        assert_eq!(forwarding(), "1\n", "another's network came meanwhile and may rely on it");

        run("ip link del docker0");
        region("red");
        Region::destroy(&tag("red")).expect("destroys");
        assert_eq!(forwarding(), "1\n", "it was on before");
    });
}

#[test]
fn a_detached_container_leaves_nothing_on_its_instance() {
    lab(|lab| {
        let region = region("t");
        let (setup, host) = lab.host(&region, 0, 1);
        drop(host);
        let host = Host::ensure(&network::Setup { ready: 0, ..setup }).expect("a host");
        let look = || {
            let mounts = lab.mounts().join("\n");
            run_in(host.namespace(), "nft list ruleset")
                + &host.namespace().enter(link_names).expect("enters").join(" ")
                + &mounts
        };
        let before = look();
        attach_everything(&region, &host);
        assert_ne!(look(), before);
        for name in ["bridged", "task", "alone"] {
            host.detach(&id(name)).expect("detaches");
        }
        assert_eq!(look(), before);
    });
}
