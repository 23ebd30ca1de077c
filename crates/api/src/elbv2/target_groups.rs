//! Target groups: made, changed, described and deleted.

use core::time::Duration;
use std::sync::Arc;

use shapes::elbv2 as shape;
use state::{
    Change, Context, Draft, HealthCheck, IpAddressType, Matcher, ProtocolVersion, State,
    TargetGroup, TargetKey, TargetProtocol, TargetType,
};

use super::error::PAGE;
use super::{Error, find, tags, view};
use crate::page::Page;

/// Target groups of a region. Source: handbook 7.1.
const GROUPS_MAX: usize = 3_000;
/// Characters of a name. Source: API Reference, `CreateTargetGroup`.
const NAME_MAX: usize = 32;
/// What a gRPC target is asked by default, and what it answers by default (`UNIMPLEMENTED`).
const GRPC_PATH: &str = "/AWS.ALB/healthcheck";
const GRPC_CODE: &str = "12";

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
    if state.indexes().rules_of_group(&arn).next().is_some() {
        return Err(Error::ResourceInUse(format!(
            "Target group '{arn}' is currently in use by a listener or a rule"
        )));
    }
    let targets: Vec<TargetKey> = targets_of(state, &arn).map(|it| it.key.clone()).collect();
    for key in targets {
        draft.change(Change::Target(key, None));
    }
    draft.change(Change::TargetGroup(arn, None));
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
    let groups: Vec<&Arc<TargetGroup>> = match (&ask.load_balancer_arn, &*arns, &*names) {
        (None, [_, ..], []) => {
            arns.iter().map(|it| find::target_group(state, Some(it))).collect::<Result<_, _>>()?
        }
        (None, [], [_, ..]) => {
            let named = |name: &String| {
                state.target_groups().values().find(|it| it.name == *name).ok_or_else(|| {
                    Error::TargetGroupNotFound("One or more target groups not found".into())
                })
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
    let asked = CheckAsked {
        enabled: ask.health_check_enabled,
        protocol: ask.health_check_protocol,
        port: ask.health_check_port,
        path: ask.health_check_path,
        interval: ask.health_check_interval_seconds,
        timeout: ask.health_check_timeout_seconds,
        healthy: ask.healthy_threshold_count,
        unhealthy: ask.unhealthy_threshold_count,
        matcher: ask.matcher,
    };
    let kind = (group.target_type, group.version);
    let health_check = asked.over(group.health_check.clone(), kind)?;
    let group = TargetGroup { health_check, ..group };
    let shown = view::target_group(state, &group);
    draft.change(Change::from(group));
    Ok(shape::ModifyTargetGroupOutput { target_groups: Some(vec![shown]) })
}

/// The targets of a group, in order of id and port.
pub(super) fn targets_of<'a>(
    state: &'a State,
    group: &str,
) -> impl Iterator<Item = &'a Arc<state::Target>> + use<'a> {
    let group = group.to_owned();
    let first = TargetKey { group: group.clone(), id: String::new(), port: 0 };
    state.targets().range(first..).take_while(move |it| it.0.group == group).map(|it| it.1)
}

fn name(name: Option<&str>) -> Result<String, Error> {
    let name = name.unwrap_or_default();
    let refuse = |why: &str| Err(Error::invalid(format!("Target group name '{name}' {why}")));
    if name.is_empty() || name.len() > NAME_MAX {
        return refuse("cannot be empty or longer than '32' characters");
    }
    if !name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-') {
        return refuse(
            "can only contain characters that are alphanumeric characters or hyphens(-)",
        );
    }
    if name.starts_with('-') || name.ends_with('-') {
        return refuse("cannot begin or end with a hyphen(-)");
    }
    Ok(name.to_owned())
}

fn parse(
    state: &State,
    arn: String,
    name: String,
    ask: shape::CreateTargetGroupInput,
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
    let asked = CheckAsked {
        enabled: ask.health_check_enabled,
        protocol: ask.health_check_protocol,
        port: ask.health_check_port,
        path: ask.health_check_path,
        interval: ask.health_check_interval_seconds,
        timeout: ask.health_check_timeout_seconds,
        healthy: ask.healthy_threshold_count,
        unhealthy: ask.unhealthy_threshold_count,
        matcher: ask.matcher,
    };
    let usual = usual_check(protocol, version, asked.protocol.as_ref())?;
    let health_check = asked.over(usual, (target_type, version))?;
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
        tags: tags::parse(ask.tags)?,
        created_at: context.now,
    })
}

fn target_protocol(protocol: &shape::ProtocolEnum) -> Result<TargetProtocol, Error> {
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

/// How targets are checked where nothing is said. Source: handbook 7.3, 7.7.
fn usual_check(
    protocol: TargetProtocol,
    version: Option<ProtocolVersion>,
    asked: Option<&shape::ProtocolEnum>,
) -> Result<HealthCheck, Error> {
    let usual = match protocol {
        TargetProtocol::Http | TargetProtocol::Https => TargetProtocol::Http,
        TargetProtocol::Tcp
        | TargetProtocol::Tls
        | TargetProtocol::Udp
        | TargetProtocol::TcpUdp => TargetProtocol::Tcp,
    };
    let check = asked.map_or(Ok(usual), target_protocol)?;
    let speaks_http = matches!(check, TargetProtocol::Http | TargetProtocol::Https);
    let is_flow = version.is_none();
    let matcher = match (version, speaks_http) {
        (Some(ProtocolVersion::Grpc), _) => Some(Matcher::Grpc(GRPC_CODE.to_owned())),
        (Some(_), true) => Some(Matcher::Http("200".to_owned())),
        (None, true) => Some(Matcher::Http("200-399".to_owned())),
        (_, false) => None,
    };
    let path = match (version, speaks_http) {
        (Some(ProtocolVersion::Grpc), _) => Some(GRPC_PATH),
        (_, true) => Some("/"),
        (_, false) => None,
    };
    Ok(HealthCheck {
        enabled: true,
        protocol: check,
        port: None,
        path: path.map(str::to_owned),
        interval: Duration::from_secs(30),
        timeout: Duration::from_secs(match (is_flow, speaks_http) {
            (false, _) => 5,
            (true, true) => 6,
            (true, false) => 10,
        }),
        healthy_threshold: 5,
        unhealthy_threshold: 2,
        matcher,
    })
}

/// What a request says about health checks.
struct CheckAsked {
    enabled: Option<bool>,
    protocol: Option<shape::ProtocolEnum>,
    port: Option<String>,
    path: Option<String>,
    interval: Option<i32>,
    timeout: Option<i32>,
    healthy: Option<i32>,
    unhealthy: Option<i32>,
    matcher: Option<shape::Matcher>,
}

impl CheckAsked {
    /// What is asked for, over what was.
    fn over(
        self,
        mut check: HealthCheck,
        (target_type, version): (TargetType, Option<ProtocolVersion>),
    ) -> Result<HealthCheck, Error> {
        if let Some(protocol) = &self.protocol {
            let wanted = target_protocol(protocol)?;
            let fits = match wanted {
                TargetProtocol::Http | TargetProtocol::Https => true,
                TargetProtocol::Tcp => version.is_none(),
                TargetProtocol::Tls | TargetProtocol::Udp | TargetProtocol::TcpUdp => false,
            };
            if !fits {
                return Err(Error::configuration(format!(
                    "Health check protocol '{protocol}' is not supported for this target group"
                )));
            }
            check.protocol = wanted;
        }
        let speaks_http = matches!(check.protocol, TargetProtocol::Http | TargetProtocol::Https);
        match self.port.as_deref() {
            None => {}
            Some("traffic-port") => check.port = None,
            Some(text) => match text.parse::<u16>() {
                Ok(port) if port > 0 => check.port = Some(port),
                _ => {
                    return Err(Error::invalid(format!("Health check port '{text}' is not valid")));
                }
            },
        }
        if let Some(path) = self.path {
            if !speaks_http {
                return Err(Error::configuration(
                    "A health check path is for HTTP and HTTPS health checks only",
                ));
            }
            if !path.starts_with('/') {
                return Err(Error::invalid(format!(
                    "Health check path '{path}' must begin with a '/' character"
                )));
            }
            check.path = Some(path);
        }
        if let Some(matcher) = self.matcher {
            check.matcher = Some(read_matcher(matcher, version, speaks_http)?);
        }
        read_seconds(self.interval, &mut check.interval);
        read_seconds(self.timeout, &mut check.timeout);
        read_count(self.healthy, &mut check.healthy_threshold);
        read_count(self.unhealthy, &mut check.unhealthy_threshold);
        if let Some(enabled) = self.enabled {
            if !enabled && matches!(target_type, TargetType::Instance | TargetType::Ip) {
                return Err(Error::configuration(
                    "Health check enabled must be true for target groups with target type \
                     'instance' or 'ip'",
                ));
            }
            check.enabled = enabled;
        }
        if check.timeout >= check.interval && version.is_some() {
            return Err(Error::invalid(format!(
                "Health check timeout '{}' must be smaller than the interval '{}'",
                check.timeout.as_secs(),
                check.interval.as_secs()
            )));
        }
        Ok(check)
    }
}

/// The model bounds the numbers.
fn read_seconds(asked: Option<i32>, into: &mut Duration) {
    if let Some(seconds) = asked {
        *into = Duration::from_secs(u64::from(seconds.unsigned_abs()));
    }
}

fn read_count(asked: Option<i32>, into: &mut u32) {
    if let Some(count) = asked {
        *into = count.unsigned_abs();
    }
}

/// Reads which codes are good: numbers and ranges, in the bounds of the protocol.
fn read_matcher(
    matcher: shape::Matcher,
    version: Option<ProtocolVersion>,
    speaks_http: bool,
) -> Result<Matcher, Error> {
    let is_grpc = version == Some(ProtocolVersion::Grpc);
    let (text, bounds) = match (matcher.http_code, matcher.grpc_code) {
        (Some(text), None) if !is_grpc && speaks_http => {
            (text, if version.is_some() { 200..=499 } else { 200..=599 })
        }
        (None, Some(text)) if is_grpc => (text, 0..=99),
        _ => return Err(Error::configuration("The matcher does not fit the target group")),
    };
    let good = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        match (first.trim().parse::<u16>(), last.trim().parse::<u16>()) {
            (Ok(first), Ok(last)) => {
                first <= last && bounds.contains(&first) && bounds.contains(&last)
            }
            _ => false,
        }
    };
    if !text.split(',').all(good) {
        return Err(Error::invalid(format!("Health check matcher '{text}' is not valid")));
    }
    Ok(if is_grpc { Matcher::Grpc(text) } else { Matcher::Http(text) })
}
