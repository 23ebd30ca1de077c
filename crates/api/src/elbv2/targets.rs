//! Targets: registered and deregistered.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use plan::targets::{self, TARGETS_MAX};
use shapes::elbv2 as shape;
use state::{
    Change, Context, Draft, IpAddressType, State, Target, TargetGroup, TargetKey, TargetType,
};
use types::Zone;

use super::{Error, find};

/// `RegisterTargets`: one that is registered stays as it is; one that drains takes requests again.
///
/// # Errors
///
/// [`Error::InvalidTarget`], [`Error::TooManyTargets`].
pub(super) fn register_targets(
    draft: &mut Draft<'_>,
    ask: shape::RegisterTargetsInput,
    context: &mut Context<'_>,
) -> Result<shape::RegisterTargetsOutput, Error> {
    let state = draft.state();
    let group = find::target_group(state, ask.target_group_arn.as_deref())?.clone();
    let mut fresh = BTreeMap::new();
    for asked in ask.targets.unwrap_or_default() {
        let target = parse(state, &group, &asked, context)?;
        let standing = state.targets().get(&target.key);
        if standing.is_none_or(|it| it.draining.is_some()) {
            fresh.insert(target.key.clone(), target);
        }
    }
    let registered =
        targets::of_group(state, &group.arn).filter(|it| it.draining.is_none()).count();
    if registered + fresh.len() > TARGETS_MAX {
        return Err(Error::TooManyTargets(format!(
            "A target group can have at most {TARGETS_MAX} targets"
        )));
    }
    for target in fresh.into_values() {
        draft.change(Change::from(target));
    }
    Ok(shape::RegisterTargetsOutput {})
}

/// `DeregisterTargets`: what they have under way may end until the group's delay is over.
///
/// Without a port every target of that id goes. Differs: AWS takes the group's port then; clients
/// that know of one registration mean the same. A target that is not registered is no error.
/// Source: API Reference, `DeregisterTargets`.
///
/// # Errors
///
/// [`Error::TargetGroupNotFound`].
pub(super) fn deregister_targets(
    draft: &mut Draft<'_>,
    ask: shape::DeregisterTargetsInput,
    context: &mut Context<'_>,
) -> Result<shape::DeregisterTargetsOutput, Error> {
    let state = draft.state();
    let group = find::target_group(state, ask.target_group_arn.as_deref())?.clone();
    let mut leaving: BTreeSet<TargetKey> = BTreeSet::new();
    for asked in ask.targets.unwrap_or_default() {
        let id = asked.id.unwrap_or_default();
        let port = asked.port.and_then(|it| u16::try_from(it).ok());
        let meant = |it: &Target| it.key.id == id && port.is_none_or(|port| it.key.port == port);
        let found = targets::of_group(state, &group.arn).filter(|it| meant(it));
        leaving.extend(found.map(|it| it.key.clone()));
    }
    for key in leaving {
        targets::deregister(draft, &key, context.now);
    }
    Ok(shape::DeregisterTargetsOutput {})
}

fn parse(
    state: &State,
    group: &TargetGroup,
    asked: &shape::TargetDescription,
    context: &Context<'_>,
) -> Result<Target, Error> {
    let id = asked.id.clone().unwrap_or_default();
    let port = match asked.port {
        None => group.port,
        Some(port) => u16::try_from(port).unwrap_or(group.port),
    };
    let (address, zone) = match group.target_type {
        TargetType::Instance => instance(state, &id)?,
        TargetType::Ip => address(state, group, &id, asked.availability_zone.as_deref())?,
        TargetType::Alb => load_balancer(state, &id, port)?,
    };
    Ok(Target {
        key: TargetKey { group: group.arn.clone(), id, port },
        address,
        zone,
        registered_at: context.now,
        draining: None,
        seen: BTreeMap::new(),
        service: None,
    })
}

/// Where a container instance is reached.
fn instance(state: &State, id: &str) -> Result<(Option<IpAddr>, Option<Zone>), Error> {
    let found = state.indexes().ec2_instance(id).and_then(|it| state.container_instance(it));
    let Some(instance) = found else {
        return Err(Error::InvalidTarget(format!(
            "The following targets are not in a running state and cannot be registered: '{id}'"
        )));
    };
    Ok(targets::instance_place(instance))
}

/// An address of the VPC has its subnet's zone; another one is in every zone.
fn address(
    state: &State,
    group: &TargetGroup,
    id: &str,
    asked: Option<&str>,
) -> Result<(Option<IpAddr>, Option<Zone>), Error> {
    let refuse = || Error::InvalidTarget(format!("The IP address '{id}' is not valid"));
    let address: IpAddr = id.parse().map_err(|_| refuse())?;
    let family = if address.is_ipv4() { IpAddressType::Ipv4 } else { IpAddressType::Ipv6 };
    if family != group.ip_address_type || address.is_unspecified() || address.is_multicast() {
        return Err(refuse());
    }
    let zone = match (targets::zone_of(state, address), asked) {
        (Some(zone), _) => Some(zone),
        (None, None | Some("all")) => None,
        (None, Some(zone)) => Some(
            Zone::parse(zone)
                .map_err(|_| Error::invalid(format!("Availability Zone '{zone}' is not valid")))?,
        ),
    };
    Ok((Some(address), zone))
}

/// An application load balancer behind a network load balancer: its first node.
fn load_balancer(
    state: &State,
    arn: &str,
    port: u16,
) -> Result<(Option<IpAddr>, Option<Zone>), Error> {
    let found = find::load_balancer(state, Some(arn)).map_err(|_| {
        Error::InvalidTarget(format!("The following targets are not valid: '{arn}'"))
    })?;
    if find::listeners(state, &found.arn).all(|it| it.port != port) {
        return Err(Error::InvalidTarget(format!(
            "Load balancer '{arn}' has no listener on port {port}"
        )));
    }
    Ok((found.nodes.first().map(|it| it.address), None))
}
