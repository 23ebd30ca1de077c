//! Records of load balancing as the API shows them.

use std::collections::BTreeSet;

use plan::names;
use shapes::elbv2 as shape;
use shapes::{Timestamp, stored};
use state::{
    Action, HealthCheck, IpAddressType, Listener, ListenerProtocol, LoadBalancer, LoadBalancerKind,
    Matcher, ProtocolVersion, Rule, Scheme, State, TargetGroup, TargetProtocol, TargetType,
};

use super::{Error, actions, find};

/// Target groups of one load balancer. Source: handbook 7.1.
const GROUPS_OF_LOAD_BALANCER_MAX: usize = 100;

/// Refuses groups that serve another load balancer, and too many of them.
///
/// # Errors
///
/// [`Error::TargetGroupAssociationLimit`], [`Error::TooManyUniqueTargetGroups`].
pub(super) fn check_groups(
    state: &State,
    load_balancer: &str,
    action: &Action,
) -> Result<(), Error> {
    let Action::Forward { groups, .. } = action else { return Ok(()) };
    for group in groups {
        if load_balancers_of(state, &group.group).iter().any(|it| it != load_balancer) {
            return Err(Error::TargetGroupAssociationLimit(format!(
                "Target group '{}' cannot be associated with more than one load balancer",
                group.group
            )));
        }
    }
    let mut unique: BTreeSet<&str> = groups.iter().map(|it| it.group.as_str()).collect();
    for listener in find::listeners(state, load_balancer) {
        for rule in find::rules(state, &listener.arn) {
            if let Action::Forward { groups, .. } = &rule.action {
                unique.extend(groups.iter().map(|it| it.group.as_str()));
            }
        }
    }
    if unique.len() > GROUPS_OF_LOAD_BALANCER_MAX {
        return Err(Error::TooManyUniqueTargetGroups(format!(
            "A load balancer can name at most {GROUPS_OF_LOAD_BALANCER_MAX} target groups"
        )));
    }
    Ok(())
}

/// ARNs of the load balancers whose rules name a group: one at most, as far as the API lets it.
/// Rules that are about to follow a load balancer that is gone do not count.
pub(super) fn load_balancers_of(state: &State, group: &str) -> BTreeSet<String> {
    let rules = state.indexes().rules_of_group(group).filter_map(|it| state.rules().get(it));
    let listeners = rules.filter_map(|it| state.listeners().get(&it.listener));
    let load_balancers = listeners.map(|it| &it.load_balancer);
    load_balancers.filter(|it| state.load_balancers().contains_key(*it)).cloned().collect()
}

/// A load balancer.
pub(super) fn load_balancer(state: &State, it: &LoadBalancer) -> shape::LoadBalancer {
    let zone = |node: &state::Node| shape::AvailabilityZone {
        zone_name: Some(node.zone.to_string()),
        subnet_id: Some(node.subnet.clone()),
        load_balancer_addresses: Some(vec![]),
        ..Default::default()
    };
    shape::LoadBalancer {
        load_balancer_arn: Some(it.arn.clone()),
        load_balancer_name: Some(it.name.clone()),
        dns_name: Some(it.dns_name.clone()),
        canonical_hosted_zone_id: Some(
            names::zone_of_load_balancers(state.home().region.as_str(), it.kind).to_owned(),
        ),
        created_time: Some(Timestamp(it.created_at.0)),
        scheme: Some(scheme(it.scheme).into()),
        vpc_id: state.region().get(&()).map(|it| it.vpc.clone()),
        state: Some(shape::LoadBalancerState { code: Some("active".into()), reason: None }),
        r#type: Some(kind(it.kind).into()),
        availability_zones: Some(it.nodes.iter().map(zone).collect()),
        security_groups: match it.kind {
            LoadBalancerKind::Application => Some(it.security_groups.clone()),
            LoadBalancerKind::Network => {
                (!it.security_groups.is_empty()).then(|| it.security_groups.clone())
            }
        },
        ip_address_type: Some(ip_address_type(it.ip_address_type).into()),
        ..Default::default()
    }
}

/// How the API spells the kind of a load balancer.
pub(super) fn kind(kind: LoadBalancerKind) -> &'static str {
    match kind {
        LoadBalancerKind::Application => "application",
        LoadBalancerKind::Network => "network",
    }
}

fn scheme(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::InternetFacing => "internet-facing",
        Scheme::Internal => "internal",
    }
}

/// How the API spells a family of addresses.
pub(super) fn ip_address_type(family: IpAddressType) -> &'static str {
    match family {
        IpAddressType::Ipv4 => "ipv4",
        IpAddressType::Ipv6 => "ipv6",
        IpAddressType::Dualstack => "dualstack",
    }
}

/// A listener, with the action of its default rule.
pub(super) fn listener(state: &State, it: &Listener) -> shape::Listener {
    let default = find::rules(state, &it.arn).find(|it| it.priority.is_none());
    let certificate = it
        .certificates
        .first()
        .map(|arn| shape::Certificate { certificate_arn: Some(arn.clone()), is_default: None });
    shape::Listener {
        listener_arn: Some(it.arn.clone()),
        load_balancer_arn: Some(it.load_balancer.clone()),
        port: Some(i32::from(it.port)),
        protocol: Some(listener_protocol(it.protocol).into()),
        default_actions: default.map(|it| actions::view(&it.action, spec(it).actions)),
        certificates: certificate.map(|it| vec![it]),
        ssl_policy: it.ssl_policy.clone(),
        alpn_policy: it.alpn_policy.clone().map(|it| vec![it]),
        mutual_authentication: (it.protocol == ListenerProtocol::Https).then(|| {
            shape::MutualAuthenticationAttributes {
                mode: Some("off".to_owned()),
                ..Default::default()
            }
        }),
    }
}

/// How the API spells what a listener's clients speak.
pub(super) fn listener_protocol(protocol: ListenerProtocol) -> &'static str {
    match protocol {
        ListenerProtocol::Http => "HTTP",
        ListenerProtocol::Https => "HTTPS",
        ListenerProtocol::Tcp => "TCP",
        ListenerProtocol::Tls => "TLS",
        ListenerProtocol::Udp => "UDP",
        ListenerProtocol::TcpUdp => "TCP_UDP",
    }
}

/// A rule, with conditions and transforms as they were sent.
pub(super) fn rule(it: &Rule) -> shape::Rule {
    let spec = spec(it);
    shape::Rule {
        rule_arn: Some(it.arn.clone()),
        priority: Some(it.priority.map_or_else(|| "default".to_owned(), |it| it.to_string())),
        conditions: Some(spec.conditions.unwrap_or_default().into_iter().map(short).collect()),
        actions: Some(actions::view(&it.action, spec.actions)),
        is_default: Some(it.priority.is_none()),
        transforms: Some(spec.transforms.unwrap_or_default()),
    }
}

/// What a rule's client sent.
pub(super) fn spec(it: &Rule) -> shape::CreateRuleInput {
    stored::from_slice(&it.spec).unwrap_or_default()
}

/// AWS shows the values of host and path conditions in both forms, however they were sent.
fn short(mut condition: shape::RuleCondition) -> shape::RuleCondition {
    let long = match condition.field.as_deref() {
        Some("host-header") => {
            let config = condition.host_header_config.get_or_insert_default();
            Some((&mut config.values, &mut config.regex_values))
        }
        Some("path-pattern") => {
            let config = condition.path_pattern_config.get_or_insert_default();
            Some((&mut config.values, &mut config.regex_values))
        }
        _ => None,
    };
    if let Some((values, regex_values)) = long {
        if values.is_none() {
            values.clone_from(&condition.values);
        }
        if regex_values.is_none() {
            regex_values.clone_from(&condition.regex_values);
        }
        condition.values.clone_from(values);
        condition.regex_values.clone_from(regex_values);
    }
    condition
}

/// A target group.
pub(super) fn target_group(state: &State, it: &TargetGroup) -> shape::TargetGroup {
    let HealthCheck {
        enabled,
        protocol,
        port,
        path,
        interval,
        timeout,
        healthy_threshold,
        unhealthy_threshold,
        matcher,
    } = &it.health_check;
    let seconds = |it: &core::time::Duration| i32::try_from(it.as_secs()).ok();
    shape::TargetGroup {
        target_group_arn: Some(it.arn.clone()),
        target_group_name: Some(it.name.clone()),
        protocol: Some(target_protocol(it.protocol).into()),
        port: Some(i32::from(it.port)),
        vpc_id: Some(it.vpc.clone()),
        health_check_protocol: Some(target_protocol(*protocol).into()),
        health_check_port: Some(
            port.map_or_else(|| "traffic-port".to_owned(), |it| it.to_string()),
        ),
        health_check_enabled: Some(*enabled),
        health_check_interval_seconds: seconds(interval),
        health_check_timeout_seconds: seconds(timeout),
        healthy_threshold_count: i32::try_from(*healthy_threshold).ok(),
        unhealthy_threshold_count: i32::try_from(*unhealthy_threshold).ok(),
        health_check_path: path.clone(),
        matcher: matcher.as_ref().map(|it| match it {
            Matcher::Http(codes) => {
                shape::Matcher { http_code: Some(codes.clone()), grpc_code: None }
            }
            Matcher::Grpc(codes) => {
                shape::Matcher { grpc_code: Some(codes.clone()), http_code: None }
            }
        }),
        load_balancer_arns: Some(load_balancers_of(state, &it.arn).into_iter().collect()),
        target_type: Some(target_type(it.target_type).into()),
        protocol_version: it.version.map(|it| protocol_version(it).to_owned()),
        ip_address_type: Some(ip_address_type(it.ip_address_type).into()),
        target_control_port: None,
    }
}

fn target_type(target_type: TargetType) -> &'static str {
    match target_type {
        TargetType::Instance => "instance",
        TargetType::Ip => "ip",
        TargetType::Alb => "alb",
    }
}

pub(super) fn protocol_version(it: ProtocolVersion) -> &'static str {
    match it {
        ProtocolVersion::Http1 => "HTTP1",
        ProtocolVersion::Http2 => "HTTP2",
        ProtocolVersion::Grpc => "GRPC",
    }
}

/// How the API spells what targets speak.
pub(super) fn target_protocol(protocol: TargetProtocol) -> &'static str {
    match protocol {
        TargetProtocol::Http => "HTTP",
        TargetProtocol::Https => "HTTPS",
        TargetProtocol::Tcp => "TCP",
        TargetProtocol::Tls => "TLS",
        TargetProtocol::Udp => "UDP",
        TargetProtocol::TcpUdp => "TCP_UDP",
    }
}
