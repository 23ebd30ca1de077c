//! The three files that tell a container its name and those of others.

use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};

use plan::agent::spec::{ContainerSpec, NetworkMode};
use plan::agent::{Docker, TaskSpec};

use crate::machine::Machine;
use crate::prepare::network_of;

/// How a container is called.
pub(crate) struct Names<'a> {
    /// Its host name, unless it is the instance's.
    pub(crate) hostname: Option<&'a str>,
    /// Its address, if it has one.
    pub(crate) address: Option<Ipv4Addr>,
}

/// `/etc/hosts`: loopback, the container itself, what it is linked to, what the task definition adds.
pub(crate) fn hosts(
    machine: &Machine,
    spec: &TaskSpec,
    container: &ContainerSpec,
    names: &Names<'_>,
) -> String {
    let mut text = match spec.network_mode {
        NetworkMode::Host => fs::read_to_string("/etc/hosts").unwrap_or_default(),
        NetworkMode::None | NetworkMode::Bridge | NetworkMode::Awsvpc => {
            "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n".to_owned()
        }
    };
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let mut line = |address: &str, names: &str| {
        let _ = writeln!(text, "{address}\t{names}");
    };
    for link in &container.links {
        let (name, alias) = link.split_once(':').unwrap_or((link, link));
        let other = spec.container(name);
        let network = other.and_then(|it| network_of(&machine.host, spec, it).ok());
        if let Some((_, Some(address))) = network {
            let both = if alias == name { name.to_owned() } else { format!("{alias} {name}") };
            line(&address.to_string(), &both);
        }
    }
    for extra in &container.docker.extra_hosts {
        if let Some((name, address)) = extra.split_once(':') {
            line(address, name);
        }
    }
    if let (Some(address), Some(name)) = (names.address, names.hostname) {
        line(&address.to_string(), name);
    }
    text
}

/// How many name servers resolvers look at. Source: resolv.conf(5), `MAXNS`.
const NAME_SERVERS_MAX: usize = 3;

/// `/etc/resolv.conf`: what the task definition says, else the region's name server and behind it
/// those of the instance without such that only the machine itself reaches. They know the world when
/// the control plane, which answers for the region, is away.
pub(crate) fn resolv(machine: &Machine, spec: &TaskSpec, docker: &Docker) -> String {
    let interface = spec.interfaces.first();
    let given = |own: &[String], of_interface: Option<&Vec<String>>| {
        if own.is_empty() { of_interface.cloned().unwrap_or_default() } else { own.to_vec() }
    };
    let mut servers = given(&docker.dns, interface.map(|it| &it.name_servers));
    let mut search = given(&docker.dns_search, interface.map(|it| &it.search_domains));
    let mut options = docker.dns_options.clone();
    let of_region = name_server(machine, spec);
    let machine = fs::read_to_string("/run/systemd/resolve/resolv.conf")
        .or_else(|_| fs::read_to_string("/etc/resolv.conf"))
        .unwrap_or_default();
    let of_machine = |word: &str| -> Vec<String> {
        let lines = machine.lines().filter_map(|it| it.trim().strip_prefix(word));
        lines.flat_map(str::split_whitespace).map(str::to_owned).collect()
    };
    if servers.is_empty() {
        let reachable = |it: &String| {
            spec.network_mode == NetworkMode::Host || !(it.starts_with("127.") || it == "::1")
        };
        let of_region = of_region.map(|it| it.to_string()).into_iter();
        let of_machine_reachable = of_machine("nameserver ").into_iter().filter(reachable);
        servers = of_region.chain(of_machine_reachable).take(NAME_SERVERS_MAX).collect();
        if search.is_empty() {
            search = of_machine("search ");
        }
        if options.is_empty() {
            options = of_machine("options ");
        }
    }
    let mut text = String::new();
    for server in servers {
        let _ = writeln!(text, "nameserver {server}");
    }
    for (word, all) in [("search", search), ("options", options)] {
        if !all.is_empty() {
            let _ = writeln!(text, "{word} {}", all.join(" "));
        }
    }
    text
}

/// The region's name server, for whom it is meant: a task that shares the network of a whole machine
/// asks whom the machine asks.
fn name_server(machine: &Machine, spec: &TaskSpec) -> Option<IpAddr> {
    let shared = spec.network_mode == NetworkMode::Host;
    let is_machine = matches!(machine.config.network.place, network::Place::Machine { .. });
    machine.config.dns.filter(|_| !(shared && is_machine))
}
