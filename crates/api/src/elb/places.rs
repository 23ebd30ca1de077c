//! Where load balancers are: subnets, zones and security groups.

use std::net::IpAddr;

use plan::subnets;
use shapes::elb as shape;
use state::{Change, ClassicLoadBalancer, Context, Draft, Node, State, Subnet};

use super::{Error, find};

/// `AttachLoadBalancerToSubnets`: those that it is in already do not matter.
///
/// # Errors
///
/// [`Error::SubnetNotFound`], [`Error::InvalidSubnet`], [`Error::InvalidConfigurationRequest`] for two
/// subnets of one zone.
pub(super) fn attach_load_balancer_to_subnets(
    draft: &mut Draft<'_>,
    ask: shape::AttachLoadBalancerToSubnetsInput,
    _: &mut Context<'_>,
) -> Result<shape::AttachLoadBalancerToSubnetsOutput, Error> {
    let found = find::copy(draft.state(), ask.load_balancer_name.as_deref())?;
    let fresh = by_id(draft.state(), ask.subnets.unwrap_or_default())?;
    let found = widen(draft, found, fresh)?;
    Ok(shape::AttachLoadBalancerToSubnetsOutput { subnets: Some(subnet_ids(&found)) })
}

/// `DetachLoadBalancerFromSubnets`.
///
/// # Errors
///
/// [`Error::InvalidConfigurationRequest`] for the last one, and for one that it is not in.
pub(super) fn detach_load_balancer_from_subnets(
    draft: &mut Draft<'_>,
    ask: shape::DetachLoadBalancerFromSubnetsInput,
    _: &mut Context<'_>,
) -> Result<shape::DetachLoadBalancerFromSubnetsOutput, Error> {
    let mut found = find::copy(draft.state(), ask.load_balancer_name.as_deref())?;
    let leaving = ask.subnets.unwrap_or_default();
    if let Some(foreign) = leaving.iter().find(|id| found.nodes.iter().all(|it| it.subnet != **id))
    {
        return Err(Error::configuration(format!(
            "The load balancer {} is not attached to the subnet '{foreign}'",
            found.name
        )));
    }
    found.nodes.retain(|it| !leaving.contains(&it.subnet));
    if found.nodes.is_empty() {
        return Err(Error::configuration(
            "A load balancer must be attached to at least one subnet",
        ));
    }
    let subnets = Some(subnet_ids(&found));
    draft.change(Change::from(found));
    Ok(shape::DetachLoadBalancerFromSubnetsOutput { subnets })
}

/// `EnableAvailabilityZonesForLoadBalancer`: those that it is in already do not matter.
///
/// # Errors
///
/// A zone that the region does not have.
pub(super) fn enable_availability_zones_for_load_balancer(
    draft: &mut Draft<'_>,
    ask: shape::AddAvailabilityZonesInput,
    _: &mut Context<'_>,
) -> Result<shape::AddAvailabilityZonesOutput, Error> {
    let found = find::copy(draft.state(), ask.load_balancer_name.as_deref())?;
    let mut fresh = by_zone(draft.state(), ask.availability_zones.unwrap_or_default())?;
    fresh.retain(|it| found.nodes.iter().all(|node| node.zone != it.zone));
    let found = widen(draft, found, fresh)?;
    Ok(shape::AddAvailabilityZonesOutput { availability_zones: Some(zones(&found)) })
}

/// `DisableAvailabilityZonesForLoadBalancer`: zones that it is not in do not matter.
///
/// # Errors
///
/// [`Error::InvalidConfigurationRequest`] for the last one.
pub(super) fn disable_availability_zones_for_load_balancer(
    draft: &mut Draft<'_>,
    ask: shape::RemoveAvailabilityZonesInput,
    _: &mut Context<'_>,
) -> Result<shape::RemoveAvailabilityZonesOutput, Error> {
    let mut found = find::copy(draft.state(), ask.load_balancer_name.as_deref())?;
    let leaving = ask.availability_zones.unwrap_or_default();
    found.nodes.retain(|node| !leaving.iter().any(|it| *it == *node.zone.as_str()));
    if found.nodes.is_empty() {
        return Err(Error::configuration(
            "There must be at least one Availability Zone registered with a load balancer at all \
             times",
        ));
    }
    let availability_zones = Some(zones(&found));
    draft.change(Change::from(found));
    Ok(shape::RemoveAvailabilityZonesOutput { availability_zones })
}

/// `ApplySecurityGroupsToLoadBalancer`: in place of those that it has.
///
/// # Errors
///
/// [`Error::InvalidSecurityGroup`].
pub(super) fn apply_security_groups_to_load_balancer(
    draft: &mut Draft<'_>,
    ask: shape::ApplySecurityGroupsToLoadBalancerInput,
    _: &mut Context<'_>,
) -> Result<shape::ApplySecurityGroupsToLoadBalancerOutput, Error> {
    let found = find::copy(draft.state(), ask.load_balancer_name.as_deref())?;
    let security_groups = security_groups(draft.state(), ask.security_groups)?;
    let shown = Some(security_groups.clone());
    draft.change(Change::from(ClassicLoadBalancer { security_groups, ..found }));
    Ok(shape::ApplySecurityGroupsToLoadBalancerOutput { security_groups: shown })
}

/// Groups that exist; where none is asked for, the default one.
///
/// # Errors
///
/// [`Error::InvalidSecurityGroup`].
pub(super) fn security_groups(
    state: &State,
    asked: Option<Vec<String>>,
) -> Result<Vec<String>, Error> {
    let known = state.region().get(&()).map(|it| it.security_group.clone());
    match asked.filter(|it| !it.is_empty()) {
        None => Ok(known.into_iter().collect()),
        Some(asked) => match asked.iter().find(|it| Some(*it) != known.as_ref()) {
            None => Ok(asked),
            Some(bad) => Err(Error::InvalidSecurityGroup(format!(
                "One or more of the specified security groups do not exist: '{bad}'"
            ))),
        },
    }
}

/// The subnets that a request names, or those of the zones that it names.
///
/// # Errors
///
/// Both, none, or one that is not there.
pub(super) fn wanted(
    state: &State,
    subnets: Option<Vec<String>>,
    zones: Option<Vec<String>>,
) -> Result<Vec<Subnet>, Error> {
    match (subnets.unwrap_or_default().as_slice(), zones.unwrap_or_default().as_slice()) {
        ([], []) => Err(Error::invalid("Either AvailabilityZones or SubnetIds must be specified")),
        (ids, []) => by_id(state, ids.to_vec()),
        ([], zones) => by_zone(state, zones.to_vec()),
        _ => Err(Error::invalid("Only one of SubnetIds or AvailabilityZones may be specified")),
    }
}

/// A node in each subnet, each with an address of its own, in order of zones. Nodes that the load
/// balancer `has` keep theirs.
///
/// # Errors
///
/// [`Error::InvalidConfigurationRequest`] for two subnets of one zone, [`Error::InvalidSubnet`] for one
/// without addresses.
pub(super) fn nodes(
    state: &State,
    number: u64,
    wanted: &[Subnet],
    has: &[Node],
) -> Result<Vec<Node>, Error> {
    let mut nodes: Vec<Node> = Vec::new();
    for subnet in wanted {
        if nodes.iter().any(|it| it.zone == subnet.zone && it.subnet != subnet.id) {
            return Err(Error::configuration(
                "ELB cannot be attached to multiple subnets in the same AZ.",
            ));
        }
        if nodes.iter().any(|it| it.subnet == subnet.id) {
            continue;
        }
        let address = match has.iter().find(|it| it.subnet == subnet.id) {
            Some(node) => node.address,
            None => free_address(state, subnet, number)?,
        };
        nodes.push(Node { zone: subnet.zone.clone(), subnet: subnet.id.clone(), address });
    }
    nodes.sort_by(|one, other| one.zone.cmp(&other.zone));
    Ok(nodes)
}

/// The number in a load balancer's name in the DNS: where it begins to look for addresses.
pub(super) fn number(dns_name: &str) -> u64 {
    let first = dns_name.split('.').next().unwrap_or_default();
    first.rsplit('-').next().and_then(|it| it.parse().ok()).unwrap_or(0)
}

/// The zones that a load balancer is in.
pub(super) fn zones(of: &ClassicLoadBalancer) -> Vec<String> {
    of.nodes.iter().map(|it| it.zone.to_string()).collect()
}

/// The subnets that a load balancer is in.
pub(super) fn subnet_ids(of: &ClassicLoadBalancer) -> Vec<String> {
    of.nodes.iter().map(|it| it.subnet.clone()).collect()
}

/// Puts a load balancer into more subnets.
fn widen(
    draft: &mut Draft<'_>,
    found: ClassicLoadBalancer,
    fresh: Vec<Subnet>,
) -> Result<ClassicLoadBalancer, Error> {
    let state = draft.state();
    let stays = found.nodes.iter().map(|it| it.subnet.clone()).collect();
    let mut wanted = by_id(state, stays)?;
    wanted.extend(fresh);
    let nodes = nodes(state, number(&found.dns_name), &wanted, &found.nodes)?;
    let found = ClassicLoadBalancer { nodes, ..found };
    draft.change(Change::from(found.clone()));
    Ok(found)
}

fn by_id(state: &State, ids: Vec<String>) -> Result<Vec<Subnet>, Error> {
    let find = |id: String| {
        let found = all(state).iter().find(|it| it.id == id).cloned();
        found.ok_or_else(|| Error::SubnetNotFound(format!("The subnet '{id}' does not exist")))
    };
    ids.into_iter().map(find).collect()
}

fn by_zone(state: &State, zones: Vec<String>) -> Result<Vec<Subnet>, Error> {
    let find = |zone: String| {
        let found = all(state).iter().find(|it| *it.zone.as_str() == *zone).cloned();
        found.ok_or_else(|| Error::invalid(format!("Invalid Availability Zone '{zone}'")))
    };
    zones.into_iter().map(find).collect()
}

fn all(state: &State) -> &[Subnet] {
    state.region().get(&()).map_or(&[], |it| &it.subnets)
}

fn free_address(state: &State, subnet: &Subnet, number: u64) -> Result<IpAddr, Error> {
    let free = subnets::free_for_balancers(state, subnet, number, |_| false);
    free.ok_or_else(|| {
        let id = &subnet.id;
        Error::InvalidSubnet(format!("Not enough IP space available in {id}"))
    })
}
