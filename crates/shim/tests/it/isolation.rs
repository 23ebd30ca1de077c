//! Who a container is and what it may do, seen from inside; with both runtimes.

use shim::{Access, Network, Privilege, Seccomp, Ulimit};

use crate::fixture::{Task, runtimes};

/// Runs a script with each runtime in a container that `change` has adjusted.
#[track_caller]
fn check(script: &str, change: impl Fn(&mut shim::ContainerSpec), expected: &str) {
    for runtime in runtimes() {
        let mut task = Task::with(|it| it.runtime = runtime.clone());
        let mut spec = task.script("a", script);
        change(&mut spec);
        let (code, output) = task.run(spec);
        assert_eq!(output, expected, "{runtime:?} code {code}");
        task.finish();
    }
}

#[test]
fn environment_directory_and_host_name_are_as_asked() {
    let script = "echo $A $B; echo $HOME; echo $PATH | cut -c1-15; pwd; hostname; echo $HOSTNAME";
    let change = |it: &mut shim::ContainerSpec| {
        it.env = vec!["A=1".to_owned(), "B=2".to_owned(), "A=3".to_owned()];
        it.working_dir = "/made/here".to_owned();
        it.hostname = Some("box".to_owned());
    };
    check(script, change, "3 2\n/root\n/usr/local/sbin\n/made/here\nbox\nbox\n");
}

#[test]
fn users_and_groups_are_those_of_the_image() {
    let script = "id -u; id -g; id -G; echo $HOME; echo hi > /dev/stdout";
    let user = |user: &'static str| move |it: &mut shim::ContainerSpec| it.user = user.to_owned();
    check(script, user("web"), "1000\n1000\n1000 2000\n/home/web\nhi\n");
    check(script, user("1000:7"), "1000\n7\n7\n/home/web\nhi\n");
    check(script, user("4242"), "4242\n0\n0\n/\nhi\n");
}

const STATUS: &str = "grep -E '^(Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp):' /proc/self/status";

#[test]
fn capabilities_and_the_call_filter_are_dockers() {
    let shown = |caps: &str, bounding: &str, new: u8, filter: u8| {
        format!(
            "CapInh:\t0000000000000000\nCapPrm:\t{caps}\nCapEff:\t{caps}\nCapBnd:\t{bounding}\n\
             CapAmb:\t0000000000000000\nNoNewPrivs:\t{new}\nSeccomp:\t{filter}\n"
        )
    };
    let defaults = "00000000a80425fb";
    check(STATUS, |_| {}, &shown(defaults, defaults, 0, 2));
    let as_web = |it: &mut shim::ContainerSpec| it.user = "web".to_owned();
    check(STATUS, as_web, &shown("0000000000000000", defaults, 0, 2));
    let change = |it: &mut shim::ContainerSpec| {
        it.capabilities.add = vec!["SYS_PTRACE".to_owned()];
        it.capabilities.drop = vec!["ALL".to_owned()];
        it.no_new_privileges = true;
        it.seccomp = Seccomp::Default;
    };
    check(STATUS, change, &shown("0000000000080000", "0000000000080000", 1, 2));
    let free = |it: &mut shim::ContainerSpec| it.seccomp = Seccomp::Unconfined;
    check(STATUS, free, &shown(defaults, defaults, 0, 0));
}

#[test]
fn a_privileged_container_has_what_the_shim_has() {
    let own = std::fs::read_to_string("/proc/self/status").expect("status");
    let own = own.lines().find(|it| it.starts_with("CapPrm")).expect("line").to_owned();
    let script = "grep -E '^(CapPrm|Seccomp):' /proc/self/status; test -e /dev/kmsg && echo kmsg; \
                  mount -t tmpfs x /tmp && echo mounted; echo 1 > /proc/sys/vm/drop_caches && echo wrote";
    let change = |it: &mut shim::ContainerSpec| it.privilege = Privilege::Privileged;
    check(script, change, &format!("{own}\nSeccomp:\t0\nkmsg\nmounted\nwrote\n"));
}

#[test]
fn the_call_filter_refuses_what_it_should() {
    // Capabilities would allow these; the filter does not.
    let change = |it: &mut shim::ContainerSpec| {
        it.capabilities.add = vec!["NET_ADMIN".to_owned()];
    };
    let script = "unshare -U true 2>/dev/null || echo no-userns; mount -t proc p /tmp 2>/dev/null || echo no-mount";
    check(script, change, "no-userns\nno-mount\n");
}

#[test]
fn the_kernels_files_are_masked_and_protected() {
    let script = "cat /proc/kcore 2>/dev/null | wc -c; cat /proc/keys 2>/dev/null | wc -c; cat /proc/timer_list 2>/dev/null | wc -c; \
                  ls /sys/firmware | wc -l; \
                  echo 1 2>/dev/null > /proc/sys/kernel/core_pattern || echo ro; \
                  echo 1 2>/dev/null > /proc/sysrq-trigger || echo ro; \
                  touch /sys/x 2>/dev/null || echo ro";
    check(script, |_| {}, "0\n0\n0\n0\nro\nro\nro\n");
}

#[test]
fn a_read_only_root_cannot_be_written_but_what_is_mounted_can() {
    let script =
        "touch /x 2>/dev/null || echo ro; touch /tmp/y && echo tmpfs; touch /dev/shm/z && echo shm";
    let change = |it: &mut shim::ContainerSpec| {
        it.root = Access::ReadOnly;
        it.mounts = vec![shim::Mount::Tmpfs { target: "/tmp".to_owned(), options: vec![] }];
    };
    check(script, change, "ro\ntmpfs\nshm\n");
}

#[test]
fn devices_are_the_harmless_ones_and_made_nodes_cannot_be_used() {
    let script = "ls /dev | grep -v core | tr '\\n' ' '; echo; mknod /disk b 254 0 && echo made; \
                  head -c 1 /disk 2>/dev/null || echo refused; echo x > /dev/null && head -c 3 /dev/zero | wc -c";
    let expected = "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom \
                    zero \nmade\nrefused\n3\n";
    check(script, |_| {}, expected);
}

#[test]
fn a_named_device_is_there_and_can_be_used() {
    let script = "stat -c '%F %t:%T' /dev/log9; head -c 0 /dev/log9 && echo read";
    let change = |it: &mut shim::ContainerSpec| {
        it.devices = vec![shim::Device {
            host: "/dev/urandom".into(),
            container: "/dev/log9".to_owned(),
            permissions: "r".to_owned(),
        }];
    };
    check(script, change, "character special file 1:9\nread\n");
}

#[test]
fn limits_of_processes_are_set() {
    let change = |it: &mut shim::ContainerSpec| {
        let limit = |name: &str, soft, hard| Ulimit { name: name.to_owned(), soft, hard };
        it.ulimits = vec![limit("nofile", 111, 222), limit("core", 0, 0)];
    };
    check("ulimit -n; ulimit -Hn; ulimit -c", change, "111\n222\n0\n");
}

#[test]
fn a_network_of_its_own_has_loopback_only() {
    check(
        // Kernels with tunnels built in put one of each into every namespace, down.
        "ip -o link | grep -c ',UP'; ip link show lo | grep -c ',UP'",
        |_| {},
        "1\n1\n",
    );
    let host = |it: &mut shim::ContainerSpec| it.network = Network::Host;
    let own = std::fs::read_link("/proc/self/ns/net").expect("namespace");
    check("readlink /proc/self/ns/net", host, &format!("{}\n", own.display()));
}

#[test]
fn parameters_of_the_containers_own_namespaces_are_set() {
    let change = |it: &mut shim::ContainerSpec| {
        it.sysctls.insert("net.core.somaxconn".to_owned(), "77".to_owned());
        it.sysctls.insert("kernel.msgmax".to_owned(), "4242".to_owned());
    };
    check("cat /proc/sys/net/core/somaxconn /proc/sys/kernel/msgmax", change, "77\n4242\n");
}

#[test]
fn a_process_sees_only_its_container() {
    // The shell reads the folder itself: no process is about to start or end meanwhile.
    check("echo /proc/[0-9]*; echo $$; readlink /proc/1/exe", |_| {}, "/proc/1\n1\n/bin/busybox\n");
}
