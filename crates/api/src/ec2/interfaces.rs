//! Network interfaces: one for each node of a load balancer and each task that has its own.
//!
//! Source: Amazon EC2 API Reference, `DescribeNetworkInterfaces`.

use core::net::Ipv4Addr;

use shapes::ec2 as shape;
use state::{Context, LoadBalancer, LoadBalancerKind, Node, RegionRow, State, Task};

use super::error::{PAGE, rehearse};
use super::regions::zone_id;
use super::{Error, filter};
use crate::page::Page;

/// Who AWS says made the interfaces of load balancers.
const BALANCING: &str = "amazon-elb";

/// An interface, as far as it can be asked for.
struct Interface {
    id: String,
    subnet: String,
    zone: String,
    address: String,
    mac: Option<String>,
    groups: Vec<String>,
    description: String,
    kind: &'static str,
    attachment: String,
    instance_owner: String,
    requester: String,
}

/// `DescribeNetworkInterfaces`: in order of their ids. O(tasks + load balancers).
///
/// # Errors
///
/// [`Error::InterfaceNotFound`]; [`Error::InvalidParameterValue`] for unknown filters and bad pages.
pub(super) fn describe_network_interfaces(
    state: &State,
    ask: shape::DescribeNetworkInterfacesRequest,
    _: &Context<'_>,
) -> Result<shape::DescribeNetworkInterfacesResult, Error> {
    rehearse(ask.dry_run)?;
    let token = ask.next_token.as_deref();
    let page = Page::parse("DescribeNetworkInterfaces", token, ask.max_results, PAGE)?;
    let Some(region) = state.region().get(&()) else {
        return Ok(shape::DescribeNetworkInterfacesResult::default());
    };
    let mut all = all(state);
    all.sort_by(|a, b| a.id.cmp(&b.id));
    let wanted = filter::named(ask.network_interface_ids.as_deref());
    for id in wanted.unwrap_or_default() {
        if all.iter().all(|it| it.id != *id) {
            return Err(Error::InterfaceNotFound(id.clone()));
        }
    }
    let mut found = Vec::new();
    for it in &all {
        let named = wanted.is_none_or(|ids| ids.contains(&it.id));
        let field = |name: &str| field(state, region, it, name);
        if named && filter::passes(ask.filters.as_deref(), &field)? {
            found.push(it);
        }
    }
    let rest = found.into_iter().filter(|it| page.after().is_none_or(|after| *it.id > *after));
    let (found, next_token) = page.cut(rest, |it| it.id.clone());
    let interfaces = found.into_iter().map(|it| view(state, region, it)).collect();
    Ok(shape::DescribeNetworkInterfacesResult { network_interfaces: Some(interfaces), next_token })
}

fn all(state: &State) -> Vec<Interface> {
    let balancing = state
        .load_balancers()
        .values()
        .flat_map(|it| it.nodes.iter().map(move |node| of_node(it, node)));
    let tasks = state.tasks().values().filter_map(|it| of_task(state, it));
    balancing.chain(tasks).collect()
}

fn of_node(load_balancer: &LoadBalancer, node: &Node) -> Interface {
    let mark = format!("{} {}", load_balancer.arn, node.subnet);
    let mark = mark.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let tail = load_balancer.arn.split_once(":loadbalancer/").map_or("", |it| it.1);
    Interface {
        id: format!("eni-0{mark:016x}"),
        subnet: node.subnet.clone(),
        zone: node.zone.to_string(),
        address: node.address.to_string(),
        mac: None,
        groups: load_balancer.security_groups.clone(),
        description: format!("ELB {tail}"),
        kind: match load_balancer.kind {
            LoadBalancerKind::Application => "interface",
            LoadBalancerKind::Network => "network_load_balancer",
        },
        attachment: format!("ela-attach-0{mark:016x}"),
        instance_owner: BALANCING.to_owned(),
        requester: BALANCING.to_owned(),
    }
}

fn of_task(state: &State, task: &Task) -> Option<Interface> {
    let interface = task.interface.as_ref().filter(|_| !task.released)?;
    let pairs: Vec<String> = interface.mac.iter().map(|it| format!("{it:02x}")).collect();
    let account = state.home().account.to_string();
    Some(Interface {
        id: interface.id.clone(),
        subnet: interface.subnet.clone(),
        zone: task.zone.to_string(),
        address: Ipv4Addr::from_bits(interface.address).to_string(),
        mac: Some(pairs.join(":")),
        groups: interface.security_groups.clone(),
        description: state.home().task(&task.cluster, task.id),
        kind: "interface",
        attachment: interface.id.replacen("eni-", "eni-attach-", 1),
        instance_owner: account.clone(),
        requester: account,
    })
}

fn field(state: &State, region: &RegionRow, it: &Interface, name: &str) -> Option<Vec<String>> {
    Some(match name {
        "group-id" => it.groups.clone(),
        "network-interface-id" => vec![it.id.clone()],
        "subnet-id" => vec![it.subnet.clone()],
        "vpc-id" => vec![region.vpc.clone()],
        "availability-zone" => vec![it.zone.clone()],
        "private-ip-address" | "addresses.private-ip-address" => vec![it.address.clone()],
        "mac-address" => it.mac.iter().cloned().collect(),
        "description" => vec![it.description.clone()],
        "interface-type" => vec![it.kind.to_owned()],
        "owner-id" => vec![state.home().account.to_string()],
        "requester-id" => vec![it.requester.clone()],
        "requester-managed" => vec!["true".to_owned()],
        "status" => vec!["in-use".to_owned()],
        "attachment.attachment-id" => vec![it.attachment.clone()],
        "attachment.instance-owner-id" => vec![it.instance_owner.clone()],
        "attachment.status" => vec!["attached".to_owned()],
        "attachment.instance-id" => Vec::new(),
        _ => return None,
    })
}

fn view(state: &State, region: &RegionRow, it: &Interface) -> shape::NetworkInterface {
    let group = |id: &String| shape::GroupIdentifier {
        group_id: Some(id.clone()),
        group_name: Some("default".to_owned()),
    };
    shape::NetworkInterface {
        network_interface_id: Some(it.id.clone()),
        subnet_id: Some(it.subnet.clone()),
        vpc_id: Some(region.vpc.clone()),
        availability_zone: Some(it.zone.clone()),
        availability_zone_id: Some(zone_id(state.home().region.as_str(), &it.zone)),
        description: Some(it.description.clone()),
        groups: Some(it.groups.iter().map(group).collect()),
        interface_type: Some(it.kind.into()),
        mac_address: it.mac.clone(),
        owner_id: Some(state.home().account.to_string()),
        private_ip_address: Some(it.address.clone()),
        private_ip_addresses: Some(vec![shape::NetworkInterfacePrivateIpAddress {
            primary: Some(true),
            private_ip_address: Some(it.address.clone()),
            ..Default::default()
        }]),
        requester_id: Some(it.requester.clone()),
        requester_managed: Some(true),
        source_dest_check: Some(true),
        status: Some("in-use".into()),
        attachment: Some(shape::NetworkInterfaceAttachment {
            attachment_id: Some(it.attachment.clone()),
            instance_owner_id: Some(it.instance_owner.clone()),
            device_index: Some(1),
            delete_on_termination: Some(false),
            status: Some("attached".into()),
            ..Default::default()
        }),
        ipv6_addresses: Some(vec![]),
        tag_set: Some(vec![]),
        ..Default::default()
    }
}
