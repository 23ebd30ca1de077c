//! Target groups: made, changed, described and deleted.

use std::sync::Arc;

use shapes::elbv2 as shape;
use state::{
    Change, Context, Draft, IpAddressType, ProtocolVersion, State, TargetGroup, TargetKey,
    TargetProtocol, TargetType,
};

use super::error::PAGE;
use super::{Error, find, health_checks, tags, view};
use crate::page::Page;

/// Target groups of a region. Source: handbook 7.1.
const GROUPS_MAX: usize = 3_000;
/// Characters of a name. Source: API Reference, `CreateTargetGroup`.
const NAME_MAX: usize = 32;

/// `CreateTargetGroup`: one of that name and the same settings is answered as it is.
///
/// # Errors
///
/// [`Error::DuplicateTargetGroupName`], [`Error::TooManyTargetGroups`], and settings that do not go
/// together.
pub(super) fn create_target_group(
    draft: &mut Draft<'_>,
    ask: shape::CreateTargetGroupInput,
    context: &mut Context<'_>,
) -> Result<shape::CreateTargetGroupOutput, Error> {
    let state = draft.state();
    let name = name(ask.name.as_deref())?;
    let standing = state.target_groups().values().find(|it| it.name == name);
    let arn = match standing {
        Some(standing) => standing.arn.clone(),
        None => find::new_arn(state, &format!("targetgroup/{name}"), context),
    };
    let group = parse(state, arn, name, ask, context)?;
    if let Some(standing) = standing {
        let asked = TargetGroup {
            created_at: standing.created_at,
            attributes: standing.attributes.clone(),
            ..group
        };
        if *standing.as_ref() != asked {
            return Err(Error::DuplicateTargetGroupName(format!(
                "A target group with the same name '{}' exists, but with different settings",
                asked.name
            )));
        }
        let shown = view::target_group(state, standing);
        return Ok(shape::CreateTargetGroupOutput { target_groups: Some(vec![shown]) });
    }
    if state.target_groups().len() >= GROUPS_MAX {
        return Err(Error::TooManyTargetGroups(format!(
            "A region can have at most {GROUPS_MAX} target groups"
        )));
    }
    let shown = view::target_group(state, &group);
    draft.change(Change::from(group));
    Ok(shape::CreateTargetGroupOutput { target_groups: Some(vec![shown]) })
}

/// `DeleteTargetGroup`: with its targets, unless a rule names it. One that is gone is no error.
///
/// # Errors
///
/// [`Error::ResourceInUse`].
pub(super) fn delete_target_group(
    draft: &mut Draft<'_>,
    ask: shape::DeleteTargetGroupInput,
    _: &mut Context<'_>,
) -> Result<shape::DeleteTargetGroupOutput, Error> {
    let state = draft.state();
    let arn = match find::target_group(state, ask.target_group_arn.as_deref()) {
        Ok(group) => group.arn.clone(),
        Err(Error::TargetGroupNotFound(_)) => return Ok(shape::DeleteTargetGroupOutput {}),
        Err(other) => return Err(other),
    };
    if !view::load_balancers_of(state, &arn).is_empty() {
        return Err(Error::ResourceInUse(format!(
            "Target group '{arn}' is currently in use by a listener or a rule"
        )));
    }
    draft.change(Change::TargetGroup(arn.clone(), None));
    // Those for which there is no room here follow.
    let targets = plan::targets::of_group(draft.state(), &arn).map(|it| it.key.clone());
    let targets: Vec<TargetKey> = targets.take(draft.room()).collect();
    for key in targets {
        draft.change(Change::Target(key, None));
    }
    Ok(shape::DeleteTargetGroupOutput {})
}

/// `DescribeTargetGroups`: all, those named, or those of a load balancer.
///
/// # Errors
///
/// [`Error::TargetGroupNotFound`], [`Error::LoadBalancerNotFound`].
pub(super) fn describe_target_groups(
    state: &State,
    ask: shape::DescribeTargetGroupsInput,
    _: &Context<'_>,
) -> Result<shape::DescribeTargetGroupsOutput, Error> {
    let arns = ask.target_group_arns.unwrap_or_default();
    let names = ask.names.unwrap_or_default();
    let missing = || Error::TargetGroupNotFound("One or more target groups not found".into());
    let mut groups: Vec<&Arc<TargetGroup>> = match (&ask.load_balancer_arn, &*arns, &*names) {
        (None, [_, ..], []) => {
            let with_arn = |arn: &String| match find::target_group(state, Some(arn)) {
                Err(Error::TargetGroupNotFound(_)) => Err(missing()),
                other => other,
            };
            arns.iter().map(with_arn).collect::<Result<_, _>>()?
        }
        (None, [], [_, ..]) => {
            let named = |name: &String| {
                state.target_groups().values().find(|it| it.name == *name).ok_or_else(missing)
            };
            names.iter().map(named).collect::<Result<_, _>>()?
        }
        (Some(arn), [], []) => {
            let load_balancer = find::load_balancer(state, Some(arn))?;
            let of_it = |it: &&Arc<TargetGroup>| {
                view::load_balancers_of(state, &it.arn).contains(&load_balancer.arn)
            };
            state.target_groups().values().filter(of_it).collect()
        }
        (None, [], []) => state.target_groups().values().collect(),
        _ => {
            return Err(Error::invalid(
                "Target group ARNs, names and a load balancer ARN cannot be specified together",
            ));
        }
    };
    find::in_order(&mut groups, |it| &it.arn);
    let scope = format!("DescribeTargetGroups {:?}", ask.load_balancer_arn);
    let page = Page::parse(scope, ask.marker.as_deref(), ask.page_size, PAGE)?;
    let rest = groups.into_iter().filter(|it| page.after().is_none_or(|after| *it.arn > *after));
    let (groups, next_marker) = page.cut(rest, |it| it.arn.clone());
    let groups = groups.into_iter().map(|it| view::target_group(state, it)).collect();
    Ok(shape::DescribeTargetGroupsOutput { target_groups: Some(groups), next_marker })
}

/// `ModifyTargetGroup`: how targets are checked.
///
/// # Errors
///
/// Settings that do not go together.
pub(super) fn modify_target_group(
    draft: &mut Draft<'_>,
    ask: shape::ModifyTargetGroupInput,
    _: &mut Context<'_>,
) -> Result<shape::ModifyTargetGroupOutput, Error> {
    let state = draft.state();
    let group = find::target_group(state, ask.target_group_arn.as_deref())?.as_ref().clone();
    let kind = (group.target_type, group.version);
    let health_check = health_checks::over(ask, group.health_check.clone(), kind)?;
    let group = TargetGroup { health_check, ..group };
    let shown = view::target_group(state, &group);
    draft.change(Change::from(group));
    Ok(shape::ModifyTargetGroupOutput { target_groups: Some(vec![shown]) })
}

fn name(name: Option<&str>) -> Result<String, Error> {
    let name = name.unwrap_or_default();
    let refuse = |why: &str| Err(Error::invalid(format!("Target group name '{name}' {why}")));
    if name.is_empty() {
        return refuse("cannot be empty");
    }
    if name.chars().count() > NAME_MAX {
        return refuse("cannot be longer than '32' characters");
    }
    if !name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-') {
        return refuse(
            "can only contain characters that are alphanumeric characters or hyphens(-)",
        );
    }
    if name.starts_with('-') || name.ends_with('-') {
        return refuse("cannot begin or end with '-'");
    }
    Ok(name.to_owned())
}

fn parse(
    state: &State,
    arn: String,
    name: String,
    mut ask: shape::CreateTargetGroupInput,
    context: &Context<'_>,
) -> Result<TargetGroup, Error> {
    let target_type = match ask.target_type.as_ref().map_or("instance", |it| it.as_str()) {
        "instance" => TargetType::Instance,
        "ip" => TargetType::Ip,
        "alb" => TargetType::Alb,
        "lambda" => return Err(Error::unsupported("Target groups of functions")),
        other => return Err(Error::invalid(format!("Target type '{other}' is not valid"))),
    };
    if ask.target_control_port.is_some() {
        return Err(Error::unsupported("Control ports of targets"));
    }
    let Some(protocol) = ask.protocol.as_ref() else {
        return Err(Error::invalid("A protocol must be specified"));
    };
    let protocol = target_protocol(protocol)?;
    // Terraform sends an empty one where none is set.
    let asked = ask.protocol_version.as_deref().filter(|it| !it.is_empty());
    let version = version(protocol, asked)?;
    let Some(port) = ask.port.and_then(|it| u16::try_from(it).ok()) else {
        return Err(Error::invalid("A port must be specified"));
    };
    if target_type == TargetType::Alb && protocol != TargetProtocol::Tcp {
        return Err(Error::configuration(
            "The protocol of a target group of type 'alb' must be TCP",
        ));
    }
    let region = state.region().get(&());
    let known = region.map(|it| it.vpc.as_str()).unwrap_or_default();
    match ask.vpc_id.as_deref() {
        Some(vpc) if vpc == known => {}
        Some(vpc) => return Err(Error::invalid(format!("The VPC ID '{vpc}' is not found"))),
        None => return Err(Error::invalid("A VPC ID must be specified")),
    }
    let ip_address_type = match ask.ip_address_type.as_ref().map_or("ipv4", |it| it.as_str()) {
        "ipv4" => IpAddressType::Ipv4,
        "ipv6" if target_type == TargetType::Ip => IpAddressType::Ipv6,
        other => {
            return Err(Error::invalid(format!("IP address type '{other}' is not valid here")));
        }
    };
    let usual = health_checks::usual(protocol, version, ask.health_check_protocol.as_ref())?;
    let tags = tags::parse(ask.tags.take())?;
    let health_check = health_checks::over(checks(ask), usual, (target_type, version))?;
    Ok(TargetGroup {
        arn,
        name,
        target_type,
        protocol,
        version,
        port,
        vpc: known.to_owned(),
        health_check,
        attributes: std::collections::BTreeMap::new(),
        ip_address_type,
        tags,
        created_at: context.now,
    })
}

/// What a request for a new group says about health checks, as a request for a change says it.
fn checks(ask: shape::CreateTargetGroupInput) -> shape::ModifyTargetGroupInput {
    shape::ModifyTargetGroupInput {
        target_group_arn: None,
        health_check_enabled: ask.health_check_enabled,
        health_check_protocol: ask.health_check_protocol,
        health_check_port: ask.health_check_port,
        health_check_path: ask.health_check_path,
        health_check_interval_seconds: ask.health_check_interval_seconds,
        health_check_timeout_seconds: ask.health_check_timeout_seconds,
        healthy_threshold_count: ask.healthy_threshold_count,
        unhealthy_threshold_count: ask.unhealthy_threshold_count,
        matcher: ask.matcher,
    }
}

/// Reads what targets speak.
///
/// # Errors
///
/// Gateway load balancers and QUIC are not supported.
pub(super) fn target_protocol(protocol: &shape::ProtocolEnum) -> Result<TargetProtocol, Error> {
    Ok(match protocol.as_str() {
        "HTTP" => TargetProtocol::Http,
        "HTTPS" => TargetProtocol::Https,
        "TCP" => TargetProtocol::Tcp,
        "TLS" => TargetProtocol::Tls,
        "UDP" => TargetProtocol::Udp,
        "TCP_UDP" => TargetProtocol::TcpUdp,
        "GENEVE" => return Err(Error::unsupported("Gateway load balancers")),
        "QUIC" | "TCP_QUIC" => return Err(Error::unsupported("QUIC target groups")),
        other => return Err(Error::invalid(format!("Protocol '{other}' is not valid"))),
    })
}

fn version(
    protocol: TargetProtocol,
    asked: Option<&str>,
) -> Result<Option<ProtocolVersion>, Error> {
    let is_http = matches!(protocol, TargetProtocol::Http | TargetProtocol::Https);
    Ok(match (is_http, asked) {
        (true, None | Some("HTTP1")) => Some(ProtocolVersion::Http1),
        (true, Some("HTTP2")) => Some(ProtocolVersion::Http2),
        (true, Some("GRPC")) => Some(ProtocolVersion::Grpc),
        (false, None) => None,
        (false, Some(_)) => {
            return Err(Error::invalid(
                "A protocol version is for target groups of HTTP and HTTPS only",
            ));
        }
        (true, Some(other)) => {
            return Err(Error::invalid(format!("Protocol version '{other}' is not valid")));
        }
    })
}
