//! How the addresses of a subnet are shared out: first the gateway and the instances, then tasks,
//! at the end load balancers.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use state::{State, Subnet};

/// The first addresses of a subnet are for the gateway and the instances.
pub const INSTANCE_ADDRESSES: u32 = 1024;
/// How many addresses at the end of a subnet are for load balancers, at most half of it.
const LOAD_BALANCER_ADDRESSES: u32 = 256;
/// The smallest subnet that load balancers may be in. Source: Application Load Balancers User Guide,
/// "Subnets for your load balancer".
const PREFIX_MAX: u8 = 27;

/// The first and the last address that tasks may have; `None` if the subnet has none for them.
pub fn of_tasks(subnet: &Subnet) -> Option<(u32, u32)> {
    let size = 1_u32.checked_shl(32_u32.checked_sub(u32::from(subnet.prefix))?)?;
    let first = subnet.base.checked_add(INSTANCE_ADDRESSES.min(size / 4).max(4))?;
    let last = first_of_load_balancers(subnet)?.checked_sub(1)?;
    (first <= last).then_some((first, last))
}

/// The first of the addresses of a subnet that are for load balancers. A subnet that AWS would have
/// none in has none.
pub fn first_of_load_balancers(subnet: &Subnet) -> Option<u32> {
    let last = broadcast(subnet)?;
    if subnet.prefix > PREFIX_MAX {
        return Some(last);
    }
    let size = last.checked_sub(subnet.base)?.checked_add(1)?;
    last.checked_sub(LOAD_BALANCER_ADDRESSES.min(size / 2))
}

/// A free address of those of a subnet that are for load balancers and for endpoints of Service
/// Connect, the first one from a `place` on, round all of them. O(load balancers, endpoints).
///
/// Whoever has a place of its own begins to look there: who still has the addresses of something that
/// is gone, as names are kept for a while, must not reach the next one there.
pub fn free_for_balancers(
    state: &State,
    subnet: &Subnet,
    place: u64,
    also_taken: impl Fn(IpAddr) -> bool,
) -> Option<IpAddr> {
    let (first, last) = (first_of_load_balancers(subnet)?, broadcast(subnet)?);
    let size = last.checked_sub(first)?;
    let begin = u32::try_from(place.checked_rem(u64::from(size))?).ok()?;
    let nodes = state.load_balancers().values().flat_map(|it| &it.nodes);
    let nodes = nodes.chain(state.classic_load_balancers().values().flat_map(|it| &it.nodes));
    let nodes = nodes.chain(state.connect_endpoints().values().map(|it| &it.node));
    let taken: BTreeSet<IpAddr> = nodes.map(|it| it.address).collect();
    let places = (begin..size).chain(0..begin).filter_map(|it| first.checked_add(it));
    let mut addresses = places.map(|it| IpAddr::V4(Ipv4Addr::from_bits(it)));
    addresses.find(|it| !taken.contains(it) && !also_taken(*it))
}

/// The broadcast address of a subnet: its last one.
fn broadcast(subnet: &Subnet) -> Option<u32> {
    let size = 1_u32.checked_shl(32_u32.checked_sub(u32::from(subnet.prefix))?)?;
    subnet.base.checked_add(size.checked_sub(1)?)
}
