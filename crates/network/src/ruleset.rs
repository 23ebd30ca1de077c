//! The rules that a region and a host lay over their bridges, as `nft` text.
//!
//! Each text can be applied again at any time: it makes what is missing, replaces the rules in one
//! step and keeps the elements of sets, so running containers notice nothing.

use crate::address::{Ipv4Range, Mac, Vpc};
use crate::element::{Family, Set};

/// Where the agent answers metadata and credentials requests of tasks.
///
/// Source: Amazon ECS Developer Guide, "Task metadata endpoint version 4".
pub const TASK_ENDPOINT: std::net::Ipv4Addr = std::net::Ipv4Addr::new(169, 254, 170, 2);

/// Addresses that are valid on one link only; nothing carries them further. Source: RFC 3927.
pub(crate) const LINK_LOCAL: Ipv4Range =
    Ipv4Range::around(std::net::Ipv4Addr::new(169, 254, 0, 0), 16);

/// The bridge whose containers share the instance's address.
pub(crate) const CONTAINER_BRIDGE: &str = "lf0";
/// How the links of task interfaces begin on the instance's side. The rules know them by it.
pub(crate) const PORT_PREFIX: &str = "lft";

/// The table of a host, in both families.
pub(crate) const HOST_TABLE: &str = "landfall";
/// Host ports of containers: protocol and host port lead to address and port.
pub(crate) const HOST_PORTS: Set =
    Set { family: Family::Ip, table: HOST_TABLE, name: "host_ports" };
/// Who may speak through which port of a bridge: link, Ethernet address, IPv4 address.
pub(crate) const SPEAKERS: Set =
    Set { family: Family::Bridge, table: HOST_TABLE, name: "speakers" };

/// Rules of a region, in the machine's namespace: the VPC reaches the world by the machine's own
/// address, nobody outside reaches into the VPC, and link-local addresses stay where they are.
pub(crate) fn region(table: &str, bridge: &str, vpc: Vpc) -> String {
    let range = vpc.range();
    format!(
        r#"
add table ip {table}
add chain ip {table} raw {{ type filter hook prerouting priority -300; }}
add chain ip {table} forward {{ type filter hook forward priority 0; }}
add chain ip {table} out {{ type nat hook postrouting priority 100; }}
flush chain ip {table} raw
flush chain ip {table} forward
flush chain ip {table} out
add rule ip {table} raw iifname "{bridge}" ip saddr != {range} drop
add rule ip {table} raw iifname "{bridge}" ip daddr {LINK_LOCAL} drop
add rule ip {table} forward oifname "{bridge}" iifname != "{bridge}" ct state new drop
add rule ip {table} out ip saddr {range} ip daddr != {range} masquerade
"#
    )
}

/// The mark of packets that go where they came from, and not the shortest way.
pub(crate) const BACK: u32 = 0x66;

/// More rules of a region, for a balancer on the machine that speaks to targets from the addresses
/// of clients: what comes back for one of its sockets is for the machine, whosever address it names.
/// Without a transparent socket nothing changes.
///
/// Targets that are on the machine itself answer from here; their connections are known by a mark.
pub(crate) fn clients(table: &str, bridge: &str, vpc: Ipv4Range) -> String {
    format!(
        r#"
add table ip {table}
add chain ip {table} clients {{ type filter hook prerouting priority -150; }}
add chain ip {table} clients_here {{ type route hook output priority -150; }}
flush chain ip {table} clients
flush chain ip {table} clients_here
add rule ip {table} clients iifname "{bridge}" socket transparent 1 socket wildcard 0 meta mark set {BACK}
add rule ip {table} clients_here oifname "lo" ip daddr {vpc} ct direction original socket transparent 1 ct mark set {BACK}
add rule ip {table} clients_here ip saddr {vpc} ct direction reply ct mark {BACK} meta mark set {BACK}
"#
    )
}

/// What the rules of a host must know.
#[derive(Debug)]
pub(crate) struct HostRules<'a> {
    /// Addresses of containers in bridge mode.
    pub(crate) containers: Ipv4Range,
    /// The bridge into the VPC, if this host has one.
    pub(crate) vpc_bridge: Option<&'a str>,
    /// The way to the machine, if the host is one of a region.
    pub(crate) way_back: Option<WayBack>,
}

/// Who came to a host by way of the machine is answered by that way.
///
/// The machine carries what it did not send itself: a balancer there speaks from the addresses of
/// clients. Those are neighbours of the target often, and would be answered directly.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WayBack {
    /// The host's port that leads to the machine.
    pub(crate) uplink: &'static str,
    /// The VPC, whose gateway is the machine.
    pub(crate) vpc: Vpc,
}

/// Rules of a host: host ports, the way out for containers in bridge mode, and that nobody speaks
/// for another.
///
/// Facts behind the single rules:
/// - `route_localnet` on the container bridge lets 127.0.0.1:HOSTPORT work and would open 127/8
///   to neighbours, hence the drop in `raw`.
/// - a host answers for any of its addresses on any interface, hence the drops of the task
///   endpoint for everyone but tasks.
/// - a container may hold host port 80; the task endpoint stays the agent's all the same.
/// - a container that calls its own host port must see the answer come from there, hence the
///   masquerade inside the container bridge.
pub(crate) fn host(rules: &HostRules<'_>) -> String {
    let containers = rules.containers;
    let lf0 = CONTAINER_BRIDGE;
    let t = HOST_TABLE;
    let task_side = match rules.vpc_bridge {
        Some(bridge) => format!(r#"{{ "lo", "{lf0}", "{bridge}" }}"#),
        None => format!(r#"{{ "lo", "{lf0}" }}"#),
    };
    let ip = format!(
        r#"
add table ip {t}
add map ip {t} host_ports {{ type inet_proto . inet_service : ipv4_addr . inet_service; }}
add chain ip {t} raw {{ type filter hook prerouting priority -300; }}
add chain ip {t} forward {{ type filter hook forward priority 0; }}
add chain ip {t} in {{ type nat hook prerouting priority -100; }}
add chain ip {t} local {{ type nat hook output priority -100; }}
add chain ip {t} out {{ type nat hook postrouting priority 100; }}
flush chain ip {t} raw
flush chain ip {t} forward
flush chain ip {t} in
flush chain ip {t} local
flush chain ip {t} out
add rule ip {t} raw iifname != "lo" ip daddr 127.0.0.0/8 drop
add rule ip {t} raw iifname != {task_side} ip daddr {TASK_ENDPOINT} drop
add rule ip {t} forward oifname "{lf0}" iifname != "{lf0}" ct state new ct status & dnat == 0 drop
add rule ip {t} in ip daddr != {TASK_ENDPOINT} fib daddr type local dnat ip to meta l4proto . th dport map @host_ports
add rule ip {t} local ip daddr != {TASK_ENDPOINT} fib daddr type local dnat ip to meta l4proto . th dport map @host_ports
add rule ip {t} out ip saddr {containers} ip daddr {containers} ct status dnat masquerade
add rule ip {t} out ip saddr 127.0.0.0/8 oifname "{lf0}" ct status dnat masquerade
add rule ip {t} out ip saddr {containers} oifname != "{lf0}" masquerade
"#
    );
    let back = match (rules.way_back, rules.vpc_bridge) {
        (Some(way), Some(bridge)) => back(&way, bridge),
        _ => String::new(),
    };
    ip + &bridge() + &back
}

/// Facts behind the single rules:
/// - the host's own answers, and those of containers behind its ports, are routed; their
///   connections are known, so that a mark on them will do.
/// - answers of tasks with addresses of their own only cross its bridge, which knows no connections:
///   it remembers who spoke to whom, and sends their frames to the machine. Ports do not matter to
///   it: later fragments have none.
fn back(way: &WayBack, bridge: &str) -> String {
    let WayBack { uplink, vpc } = way;
    let (gateway, range) = (vpc.gateway(), vpc.range());
    let (t, lf0, machine) = (HOST_TABLE, CONTAINER_BRIDGE, Mac::of(gateway));
    let port = format!("{PORT_PREFIX}*");
    format!(
        r#"
add chain ip {t} back {{ type filter hook prerouting priority -150; }}
add chain ip {t} back_local {{ type route hook output priority -150; }}
flush chain ip {t} back
flush chain ip {t} back_local
add rule ip {t} back iifname "{bridge}" ether saddr {machine} ct direction original ct mark set {BACK}
add rule ip {t} back iifname "{lf0}" ct direction reply ct mark {BACK} meta mark set {BACK}
add rule ip {t} back_local ct direction reply ct mark {BACK} meta mark set {BACK}
add set bridge {t} by_machine {{ type ipv4_addr . ipv4_addr . inet_proto; flags dynamic, timeout; timeout 2h; size 65535; }}
add chain bridge {t} back {{ type filter hook prerouting priority -150; }}
flush chain bridge {t} back
add rule bridge {t} back iifname "{uplink}" ether saddr {machine} ip saddr {range} ip saddr != {gateway} ip protocol {{ tcp, udp }} update @by_machine {{ ip daddr . ip saddr . ip protocol }}
add rule bridge {t} back iifname "{port}" ip saddr . ip daddr . ip protocol @by_machine ether daddr set {machine}
"#
    )
}

/// Frames that leave a task carry its own addresses or go nowhere, and the task endpoint is for
/// tasks alone: not for neighbours on the VPC.
fn bridge() -> String {
    let t = HOST_TABLE;
    let port = format!("{PORT_PREFIX}*");
    format!(
        r#"
add table bridge {t}
add set bridge {t} speakers {{ type ifname . ether_addr . ipv4_addr; }}
add chain bridge {t} from_task
add chain bridge {t} pre {{ type filter hook prerouting priority -200; }}
flush chain bridge {t} pre
flush chain bridge {t} from_task
add rule bridge {t} from_task ip daddr {LINK_LOCAL} ip daddr != {TASK_ENDPOINT} drop
add rule bridge {t} from_task ether type ip iifname . ether saddr . ip saddr @speakers accept
add rule bridge {t} from_task ether type arp iifname . ether saddr . arp saddr ip @speakers iifname . arp saddr ether . arp saddr ip @speakers accept
add rule bridge {t} from_task drop
add rule bridge {t} pre iifname "{port}" jump from_task
add rule bridge {t} pre iifname != "{port}" ip daddr {TASK_ENDPOINT} drop
"#
    )
}
