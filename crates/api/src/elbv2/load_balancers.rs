//! Load balancers: made, changed, described and deleted.

use std::net::IpAddr;
use std::sync::Arc;

use plan::subnets;
use shapes::elbv2 as shape;
use state::{
    Change, Context, Draft, IpAddressType, LoadBalancer, LoadBalancerKind, Node, Scheme, State,
    Subnet,
};

use super::error::PAGE;
use super::{Error, find, tags, view};
use crate::page::Page;

/// Load balancers of one kind in a region. Source: handbook 7.1 (ELB quotas).
const LOAD_BALANCERS_MAX: usize = 50;
/// Characters of a name. Source: handbook 7.1.
const NAME_MAX: usize = 32;
/// Zones that an application load balancer must be in. Source: handbook 7.1.
const ZONES_MIN: usize = 2;

/// `CreateLoadBalancer`: one of that name and the same settings is answered as it is.
///
/// # Errors
///
/// [`Error::DuplicateLoadBalancerName`], [`Error::SubnetNotFound`], [`Error::InvalidSubnet`],
/// [`Error::InvalidConfigurationRequest`] where settings do not go together.
pub(super) fn create_load_balancer(
    draft: &mut Draft<'_>,
    ask: shape::CreateLoadBalancerInput,
    context: &mut Context<'_>,
) -> Result<shape::CreateLoadBalancerOutput, Error> {
    let state = draft.state();
    let name = name(ask.name.as_deref())?;
    let standing = find::load_balancer_named(state, &name).cloned();
    let asked = parse(state, name, ask, standing.as_deref(), context)?;
    if let Some(standing) = standing {
        if *standing != asked {
            return Err(Error::DuplicateLoadBalancerName(format!(
                "A load balancer with the same name '{}' exists, but with different settings",
                asked.name
            )));
        }
        let shown = view::load_balancer(state, &standing);
        return Ok(shape::CreateLoadBalancerOutput { load_balancers: Some(vec![shown]) });
    }
    let of_kind = state.load_balancers().values().filter(|it| it.kind == asked.kind);
    if of_kind.count() >= LOAD_BALANCERS_MAX {
        return Err(Error::TooManyLoadBalancers(format!(
            "A region can have at most {LOAD_BALANCERS_MAX} load balancers of type '{}'",
            view::kind(asked.kind)
        )));
    }
    let mut shown = view::load_balancer(state, &asked);
    // What AWS says at once; it is active by the time that anybody can ask.
    shown.state =
        Some(shape::LoadBalancerState { code: Some("provisioning".into()), reason: None });
    draft.change(Change::from(asked));
    Ok(shape::CreateLoadBalancerOutput { load_balancers: Some(vec![shown]) })
}

/// `DeleteLoadBalancer`: with its listeners and rules; target groups stay. One that is gone is no
/// error.
///
/// # Errors
///
/// [`Error::OperationNotPermitted`] if it is protected.
pub(super) fn delete_load_balancer(
    draft: &mut Draft<'_>,
    ask: shape::DeleteLoadBalancerInput,
    _: &mut Context<'_>,
) -> Result<shape::DeleteLoadBalancerOutput, Error> {
    let state = draft.state();
    let found = match find::load_balancer(state, ask.load_balancer_arn.as_deref()) {
        Ok(found) => found.clone(),
        Err(Error::LoadBalancerNotFound(_)) => return Ok(shape::DeleteLoadBalancerOutput {}),
        Err(other) => return Err(other),
    };
    if found.attributes.get("deletion_protection.enabled").is_some_and(|it| it == "true") {
        return Err(Error::OperationNotPermitted(format!(
            "Load balancer '{}' cannot be deleted because deletion protection is enabled",
            found.arn
        )));
    }
    // Nobody is told of listeners without it; those for which there is no room here follow.
    draft.change(Change::LoadBalancer(found.arn.clone(), None));
    let listeners: Vec<String> =
        find::listeners(draft.state(), &found.arn).map(|it| it.arn.clone()).collect();
    for listener in listeners {
        super::listeners::remove(draft, &listener);
    }
    Ok(shape::DeleteLoadBalancerOutput {})
}

/// `DescribeLoadBalancers`: all, or those named.
///
/// # Errors
///
/// [`Error::LoadBalancerNotFound`].
pub(super) fn describe_load_balancers(
    state: &State,
    ask: shape::DescribeLoadBalancersInput,
    _: &Context<'_>,
) -> Result<shape::DescribeLoadBalancersOutput, Error> {
    let arns = ask.load_balancer_arns.unwrap_or_default();
    let names = ask.names.unwrap_or_default();
    let missing =
        |it: &str| Error::LoadBalancerNotFound(format!("Load balancers '[{it}]' not found"));
    let mut found: Vec<&Arc<LoadBalancer>> = match (&*arns, &*names) {
        ([], []) => state.load_balancers().values().collect(),
        (_, []) => {
            let with_arn = |arn: &String| match find::load_balancer(state, Some(arn)) {
                Err(Error::LoadBalancerNotFound(_)) => Err(missing(arn)),
                other => other,
            };
            arns.iter().map(with_arn).collect::<Result<_, _>>()?
        }
        ([], _) => {
            let named =
                |name: &String| find::load_balancer_named(state, name).ok_or_else(|| missing(name));
            names.iter().map(named).collect::<Result<_, _>>()?
        }
        _ => {
            return Err(Error::invalid(
                "Load balancer names and load balancer ARNs cannot be specified at the same time",
            ));
        }
    };
    find::in_order(&mut found, |it| &it.arn);
    let page = Page::parse("DescribeLoadBalancers", ask.marker.as_deref(), ask.page_size, PAGE)?;
    let rest = found.into_iter().filter(|it| page.after().is_none_or(|after| *it.arn > *after));
    let (found, next_marker) = page.cut(rest, |it| it.arn.clone());
    let load_balancers = found.into_iter().map(|it| view::load_balancer(state, it)).collect();
    Ok(shape::DescribeLoadBalancersOutput { load_balancers: Some(load_balancers), next_marker })
}

/// `SetIpAddressType`: this region has IPv4 only.
///
/// # Errors
///
/// [`Error::InvalidSubnet`] for IPv6, which the subnets do not have.
pub(super) fn set_ip_address_type(
    draft: &mut Draft<'_>,
    ask: shape::SetIpAddressTypeInput,
    _: &mut Context<'_>,
) -> Result<shape::SetIpAddressTypeOutput, Error> {
    find::load_balancer(draft.state(), ask.load_balancer_arn.as_deref())?;
    let family = family(ask.ip_address_type.as_ref())?;
    Ok(shape::SetIpAddressTypeOutput {
        ip_address_type: Some(view::ip_address_type(family).into()),
    })
}

/// `SetSecurityGroups`.
///
/// # Errors
///
/// [`Error::InvalidSecurityGroup`].
pub(super) fn set_security_groups(
    draft: &mut Draft<'_>,
    ask: shape::SetSecurityGroupsInput,
    _: &mut Context<'_>,
) -> Result<shape::SetSecurityGroupsOutput, Error> {
    let state = draft.state();
    let found = find::load_balancer(state, ask.load_balancer_arn.as_deref())?.as_ref().clone();
    if found.kind == LoadBalancerKind::Network && found.security_groups.is_empty() {
        return Err(Error::configuration(
            "A network load balancer that was made without security groups cannot get any",
        ));
    }
    let security_groups = security_groups(state, ask.security_groups)?;
    let found = LoadBalancer { security_groups: security_groups.clone(), ..found };
    draft.change(Change::from(found));
    Ok(shape::SetSecurityGroupsOutput {
        security_group_ids: Some(security_groups),
        ..Default::default()
    })
}

/// `SetSubnets`: what stays keeps its address.
///
/// # Errors
///
/// [`Error::SubnetNotFound`], [`Error::InvalidSubnet`].
pub(super) fn set_subnets(
    draft: &mut Draft<'_>,
    ask: shape::SetSubnetsInput,
    _: &mut Context<'_>,
) -> Result<shape::SetSubnetsOutput, Error> {
    let state = draft.state();
    let found = find::load_balancer(state, ask.load_balancer_arn.as_deref())?.as_ref().clone();
    family(ask.ip_address_type.as_ref())?;
    let wanted = wanted_subnets(ask.subnets, ask.subnet_mappings)?;
    let nodes = nodes(state, (found.kind, &found.arn), &wanted, &found.nodes)?;
    if found.kind == LoadBalancerKind::Network
        && found.nodes.iter().any(|old| nodes.iter().all(|it| it.zone != old.zone))
    {
        return Err(Error::configuration(
            "The zones of a network load balancer can be added to, not removed",
        ));
    }
    let found = LoadBalancer { nodes, ..found };
    let shown = view::load_balancer(state, &found);
    draft.change(Change::from(found));
    Ok(shape::SetSubnetsOutput {
        availability_zones: shown.availability_zones,
        ip_address_type: shown.ip_address_type,
        ..Default::default()
    })
}

fn name(name: Option<&str>) -> Result<String, Error> {
    let name = name.unwrap_or_default();
    let refuse = |why: &str| Err(Error::invalid(format!("The load balancer name '{name}' {why}")));
    if name.is_empty() {
        return refuse("cannot be empty");
    }
    if name.chars().count() > NAME_MAX {
        return refuse("cannot be longer than '32' characters");
    }
    if !name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-') {
        return refuse(
            "can only contain characters that are alphanumeric characters and hyphens(-)",
        );
    }
    if name.starts_with('-') || name.ends_with('-') {
        return refuse("cannot begin or end with a hyphen(-)");
    }
    if name.starts_with("internal-") {
        return refuse("cannot begin with 'internal-'");
    }
    Ok(name.to_owned())
}

/// What a request asks for. What clients do not choose is as the standing one of that name has it.
fn parse(
    state: &State,
    name: String,
    ask: shape::CreateLoadBalancerInput,
    standing: Option<&LoadBalancer>,
    context: &mut Context<'_>,
) -> Result<LoadBalancer, Error> {
    let kind = match ask.r#type.as_ref().map_or("application", |it| it.as_str()) {
        "application" => LoadBalancerKind::Application,
        "network" => LoadBalancerKind::Network,
        "gateway" => return Err(Error::unsupported("Gateway load balancers")),
        other => return Err(Error::invalid(format!("Load balancer type '{other}' is not valid"))),
    };
    let scheme = match ask.scheme.as_ref().map_or("internet-facing", |it| it.as_str()) {
        "internet-facing" => Scheme::InternetFacing,
        "internal" => Scheme::Internal,
        other => return Err(Error::InvalidScheme(format!("Scheme '{other}' is not valid"))),
    };
    if ask.customer_owned_ipv4_pool.is_some_and(|it| !it.is_empty()) || ask.ipam_pools.is_some() {
        return Err(Error::unsupported("Address pools of load balancers"));
    }
    if ask.enable_prefix_for_ipv6_source_nat.is_some_and(|it| it.as_str() == "on") {
        return Err(Error::unsupported("IPv6 addresses of load balancers"));
    }
    let family = family(ask.ip_address_type.as_ref())?;
    let wanted = wanted_subnets(ask.subnets, ask.subnet_mappings)?;
    let arn = match standing {
        Some(standing) => standing.arn.clone(),
        None => {
            let tail = format!("loadbalancer/{}/{name}", find::kind_in_arn(kind));
            find::new_arn(state, &tail, context)
        }
    };
    let has = standing.map_or(&[][..], |it| &it.nodes);
    let nodes = nodes(state, (kind, &arn), &wanted, has)?;
    let security_groups = match (kind, ask.security_groups) {
        (LoadBalancerKind::Network, None) => Vec::new(),
        (_, asked) => security_groups(state, asked)?,
    };
    let tags = tags::parse(ask.tags)?;
    if let Some(standing) = standing {
        return Ok(LoadBalancer {
            kind,
            scheme,
            nodes,
            security_groups,
            ip_address_type: family,
            tags,
            ..standing.clone()
        });
    }
    let dns_name = dns_name(state, kind, scheme, &name, &arn, context);
    Ok(LoadBalancer {
        arn,
        name,
        kind,
        scheme,
        dns_name,
        nodes,
        security_groups,
        ip_address_type: family,
        attributes: std::collections::BTreeMap::new(),
        tags,
        created_at: context.now,
    })
}

/// Application load balancers are named by a number, network load balancers by the end of their ARN.
fn dns_name(
    state: &State,
    kind: LoadBalancerKind,
    scheme: Scheme,
    name: &str,
    arn: &str,
    context: &mut Context<'_>,
) -> String {
    let region = &state.home().region;
    match kind {
        LoadBalancerKind::Application => {
            let prefix = match scheme {
                Scheme::InternetFacing => "",
                Scheme::Internal => "internal-",
            };
            let number = 100_000_000 + context.dice.below(1_900_000_000);
            format!("{prefix}{name}-{number}.{region}.elb.amazonaws.com")
        }
        LoadBalancerKind::Network => {
            let id = arn.rsplit_once('/').map_or("", |it| it.1);
            format!("{name}-{id}.elb.{region}.amazonaws.com")
        }
    }
}

fn family(asked: Option<&shape::IpAddressType>) -> Result<IpAddressType, Error> {
    match asked.map_or("ipv4", |it| it.as_str()) {
        "ipv4" => Ok(IpAddressType::Ipv4),
        other => Err(Error::InvalidSubnet(format!(
            "The subnets of this region have no IPv6 addresses: IP address type '{other}' is not \
             possible"
        ))),
    }
}

fn security_groups(state: &State, asked: Option<Vec<String>>) -> Result<Vec<String>, Error> {
    let known = state.region().get(&()).map(|it| it.security_group.clone());
    match asked.filter(|it| !it.is_empty()) {
        None => Ok(known.into_iter().collect()),
        Some(asked) => match asked.iter().find(|it| Some(*it) != known.as_ref()) {
            None => Ok(asked),
            Some(bad) => Err(Error::InvalidSecurityGroup(format!(
                "One or more security groups are invalid: '{bad}' does not exist"
            ))),
        },
    }
}

fn wanted_subnets(
    subnets: Option<Vec<String>>,
    mappings: Option<Vec<shape::SubnetMapping>>,
) -> Result<Vec<String>, Error> {
    let subnets = subnets.unwrap_or_default();
    let mappings = mappings.unwrap_or_default();
    if !subnets.is_empty() && !mappings.is_empty() {
        return Err(Error::invalid("Subnets and subnet mappings cannot both be specified"));
    }
    if mappings.iter().any(|it| it.allocation_id.is_some() || it.ipv6_address.is_some()) {
        return Err(Error::unsupported("Elastic IP and IPv6 addresses of load balancers"));
    }
    if mappings.iter().any(|it| it.private_ipv4_address.is_some()) {
        return Err(Error::unsupported("Chosen addresses of load balancers"));
    }
    let named = mappings.into_iter().filter_map(|it| it.subnet_id);
    let wanted: Vec<String> = subnets.into_iter().chain(named).collect();
    if wanted.is_empty() {
        return Err(Error::invalid("At least one subnet must be specified"));
    }
    Ok(wanted)
}

/// A node in each subnet, each with an address of its own. Nodes that the load balancer `has` keep
/// theirs.
fn nodes(
    state: &State,
    (kind, arn): (LoadBalancerKind, &str),
    wanted: &[String],
    has: &[Node],
) -> Result<Vec<Node>, Error> {
    let region = state.region().get(&());
    let subnets = region.map(|it| it.subnets.as_slice()).unwrap_or_default();
    let mut nodes: Vec<Node> = Vec::new();
    for id in wanted {
        let Some(subnet) = subnets.iter().find(|it| it.id == *id) else {
            return Err(Error::SubnetNotFound(format!("The subnet ID '{id}' does not exist")));
        };
        if nodes.iter().any(|it| it.zone == subnet.zone) {
            return Err(Error::configuration(
                "A load balancer cannot be attached to multiple subnets in the same Availability \
                 Zone",
            ));
        }
        let old = has.iter().find(|it| it.subnet == *id);
        let address = match old {
            Some(node) => node.address,
            None => free_address(state, subnet, arn)?,
        };
        nodes.push(Node { zone: subnet.zone.clone(), subnet: id.clone(), address });
    }
    if kind == LoadBalancerKind::Application
        && nodes.len() < ZONES_MIN
        && subnets.len() >= ZONES_MIN
    {
        return Err(Error::invalid(
            "At least two subnets in two different Availability Zones must be specified",
        ));
    }
    nodes.sort_by(|a, b| a.zone.cmp(&b.zone));
    Ok(nodes)
}

/// An address for a load balancer, which begins to look for it at a place that its ARN names.
fn free_address(state: &State, subnet: &Subnet, arn: &str) -> Result<IpAddr, Error> {
    let place = arn.rsplit_once('/').and_then(|it| u64::from_str_radix(it.1, 16).ok());
    let free = subnets::free_for_balancers(state, subnet, place.unwrap_or(0), |_| false);
    free.ok_or_else(|| {
        let id = &subnet.id;
        Error::InvalidSubnet(format!("Not enough IP space available in subnet '{id}'"))
    })
}
