//! Attributes of load balancers, target groups and listeners: what there is, and what each may say.
//!
//! Stored as they were set; `plan::routing::attributes` reads them. Source: handbook 7.3, 7.4, 7.7.

use std::collections::{BTreeMap, BTreeSet};

use shapes::elbv2 as shape;
use state::{
    Change, Context, Draft, Listener, ListenerProtocol, LoadBalancer, LoadBalancerKind, State,
    TargetGroup, TargetProtocol, TargetType,
};

use super::{Error, find, view};

/// What an attribute may say.
#[derive(Clone, Copy)]
enum Values {
    Switch,
    /// Whole numbers from the first to the last, and words.
    Number(u32, u32, &'static [&'static str]),
    Words(&'static [&'static str]),
    /// Any text up to that many characters.
    Text(usize),
}

use Values::{Number, Switch, Text, Words};

/// An attribute: its name, its default, and what it may say.
type Known = (&'static str, &'static str, Values);

/// A key and a value as they were sent.
type Asked = (Option<String>, Option<String>);

/// Attributes of both kinds of load balancers.
const OF_BOTH: [Known; 4] = [
    ("access_logs.s3.bucket", "", Text(1_024)),
    ("access_logs.s3.prefix", "", Text(1_024)),
    ("deletion_protection.enabled", "false", Switch),
    ("zonal_shift.config.enabled", "false", Words(&["false"])),
];

/// Attributes of application load balancers.
const OF_APPLICATION: [Known; 18] = [
    ("access_logs.s3.enabled", "false", Switch),
    ("client_keep_alive.seconds", "3600", Number(60, 604_800, &[])),
    ("connection_logs.s3.bucket", "", Text(1_024)),
    ("connection_logs.s3.enabled", "false", Words(&["false"])),
    ("connection_logs.s3.prefix", "", Text(1_024)),
    ("health_check_logs.s3.bucket", "", Text(1_024)),
    ("health_check_logs.s3.enabled", "false", Words(&["false"])),
    ("health_check_logs.s3.prefix", "", Text(1_024)),
    ("idle_timeout.timeout_seconds", "60", Number(1, 4_000, &[])),
    ("load_balancing.cross_zone.enabled", "true", Words(&["true"])),
    (
        "routing.http.desync_mitigation_mode",
        "defensive",
        Words(&["monitor", "defensive", "strictest"]),
    ),
    ("routing.http.drop_invalid_header_fields.enabled", "false", Switch),
    ("routing.http.preserve_host_header.enabled", "false", Switch),
    ("routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "false", Switch),
    ("routing.http.xff_client_port.enabled", "false", Switch),
    ("routing.http.xff_header_processing.mode", "append", Words(&["append", "preserve", "remove"])),
    ("routing.http2.enabled", "true", Switch),
    // Differs: no web application firewall can be set before a load balancer, so that nothing can fail
    // open.
    ("waf.fail_open.enabled", "false", Words(&["false"])),
];

/// Attributes of network load balancers.
const OF_NETWORK: [Known; 3] = [
    // Differs: flows have no access logs, also those of TLS listeners.
    ("access_logs.s3.enabled", "false", Words(&["false"])),
    ("load_balancing.cross_zone.enabled", "false", Switch),
    (
        "dns_record.client_routing_policy",
        "any_availability_zone",
        Words(&["any_availability_zone"]),
    ),
];

/// Attributes of target groups behind application load balancers.
const OF_HTTP_GROUPS: [Known; 15] = [
    ("deregistration_delay.timeout_seconds", "300", Number(0, 3_600, &[])),
    ("landfall.deregistration_delay.exact", "false", Switch),
    ("load_balancing.algorithm.anomaly_mitigation", "off", Words(&["on", "off"])),
    (
        "load_balancing.algorithm.type",
        "round_robin",
        Words(&["round_robin", "least_outstanding_requests", "weighted_random"]),
    ),
    (
        "load_balancing.cross_zone.enabled",
        "use_load_balancer_configuration",
        Words(&["true", "false", "use_load_balancer_configuration"]),
    ),
    ("slow_start.duration_seconds", "0", Number(30, 900, &["0"])),
    ("stickiness.app_cookie.cookie_name", "", Text(256)),
    ("stickiness.app_cookie.duration_seconds", "86400", Number(1, 604_800, &[])),
    ("stickiness.enabled", "false", Switch),
    ("stickiness.lb_cookie.duration_seconds", "86400", Number(1, 604_800, &[])),
    ("stickiness.type", "lb_cookie", Words(&["lb_cookie", "app_cookie"])),
    (
        // Differs: names of load balancers answer with every address, however targets are.
        "target_group_health.dns_failover.minimum_healthy_targets.count",
        "1",
        Words(&["1", "off"]),
    ),
    ("target_group_health.dns_failover.minimum_healthy_targets.percentage", "off", Words(&["off"])),
    (
        "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count",
        "1",
        Number(1, 1_000, &[]),
    ),
    (
        "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage",
        "off",
        Number(1, 100, &["off"]),
    ),
];

/// Attributes of target groups behind network load balancers.
const OF_FLOW_GROUPS: [Known; 6] = [
    ("deregistration_delay.timeout_seconds", "300", Number(0, 3_600, &[])),
    ("landfall.deregistration_delay.exact", "false", Switch),
    (
        "load_balancing.cross_zone.enabled",
        "use_load_balancer_configuration",
        Words(&["true", "false", "use_load_balancer_configuration"]),
    ),
    ("proxy_protocol_v2.enabled", "false", Switch),
    ("stickiness.enabled", "false", Switch),
    // The kinds by more than the client's address are for gateway load balancers.
    ("stickiness.type", "source_ip", Words(&["source_ip"])),
];

/// Whether the end of its delay ends what a target still has, by the group's protocol.
const ENDS_WITH_DELAY: &str = "deregistration_delay.connection_termination.enabled";

/// Whether targets see the addresses of clients: by the group's protocol and kind of targets.
const PRESERVE: &str = "preserve_client_ip.enabled";

/// More of those, for TCP and TLS.
const OF_STREAM_GROUPS: [Known; 3] = [
    (ENDS_WITH_DELAY, "false", Switch),
    ("target_health_state.unhealthy.connection_termination.enabled", "true", Switch),
    // Differs: connections of a target that becomes unhealthy end at once, or never.
    ("target_health_state.unhealthy.draining_interval_seconds", "0", Words(&["0"])),
];

/// More of those, for UDP, and for TCP and UDP together.
const OF_DATAGRAM_GROUPS: [Known; 1] = [(ENDS_WITH_DELAY, "true", Switch)];

/// Headers that listeners put into answers.
const OF_HTTP_LISTENERS: [Known; 8] = [
    ("routing.http.response.server.enabled", "true", Switch),
    ("routing.http.response.access_control_allow_credentials.header_value", "", Text(1_024)),
    ("routing.http.response.access_control_allow_origin.header_value", "", Text(1_024)),
    ("routing.http.response.access_control_max_age.header_value", "", Text(1_024)),
    ("routing.http.response.content_security_policy.header_value", "", Text(1_024)),
    ("routing.http.response.strict_transport_security.header_value", "", Text(1_024)),
    ("routing.http.response.x_content_type_options.header_value", "", Text(1_024)),
    ("routing.http.response.x_frame_options.header_value", "", Text(1_024)),
];

/// More of those, with lists for values.
const OF_HTTP_LISTENERS_LISTS: [Known; 3] = [
    ("routing.http.response.access_control_allow_headers.header_value", "", Text(1_024)),
    ("routing.http.response.access_control_allow_methods.header_value", "", Text(1_024)),
    ("routing.http.response.access_control_expose_headers.header_value", "", Text(1_024)),
];

/// Names that headers about the client's certificate and connection get instead of AWS's.
const OF_HTTPS_LISTENERS: [Known; 2] = [
    (
        "routing.http.request.x_amzn_tls_cipher_suite.header_name",
        "X-Amzn-Tls-Cipher-Suite",
        Text(256),
    ),
    ("routing.http.request.x_amzn_tls_version.header_name", "X-Amzn-Tls-Version", Text(256)),
];

/// Attributes of TCP listeners.
const OF_TCP_LISTENERS: [Known; 1] = [("tcp.idle_timeout.seconds", "350", Number(60, 6_000, &[]))];

/// `DescribeLoadBalancerAttributes`: all, with their defaults.
///
/// # Errors
///
/// [`Error::LoadBalancerNotFound`].
pub(super) fn describe_load_balancer_attributes(
    state: &State,
    ask: shape::DescribeLoadBalancerAttributesInput,
    _: &Context<'_>,
) -> Result<shape::DescribeLoadBalancerAttributesOutput, Error> {
    let found = find::load_balancer(state, ask.load_balancer_arn.as_deref())?;
    Ok(shape::DescribeLoadBalancerAttributesOutput {
        attributes: Some(of_load_balancer(found, &found.attributes)),
    })
}

/// `ModifyLoadBalancerAttributes`: what is named changes.
///
/// # Errors
///
/// [`Error::InvalidConfigurationRequest`] for an attribute or value that does not exist.
pub(super) fn modify_load_balancer_attributes(
    draft: &mut Draft<'_>,
    ask: shape::ModifyLoadBalancerAttributesInput,
    _: &mut Context<'_>,
) -> Result<shape::ModifyLoadBalancerAttributesOutput, Error> {
    let found = find::load_balancer(draft.state(), ask.load_balancer_arn.as_deref())?;
    let mut after = found.as_ref().clone();
    let asked = ask.attributes.unwrap_or_default().into_iter().map(|it| (it.key, it.value));
    put(&mut after.attributes, asked, ("Load balancer", &known_to_load_balancer(found)))?;
    let says = |name: &str| after.attributes.get(name).map_or("", String::as_str);
    if says("access_logs.s3.enabled") == "true" && says("access_logs.s3.bucket").is_empty() {
        return Err(Error::configuration(
            "Access logs need a bucket: set 'access_logs.s3.bucket' too",
        ));
    }
    let shown = of_load_balancer(&after, &after.attributes);
    draft.change(Change::from(after));
    Ok(shape::ModifyLoadBalancerAttributesOutput { attributes: Some(shown) })
}

/// `DescribeTargetGroupAttributes`: all, with their defaults.
///
/// # Errors
///
/// [`Error::TargetGroupNotFound`].
pub(super) fn describe_target_group_attributes(
    state: &State,
    ask: shape::DescribeTargetGroupAttributesInput,
    _: &Context<'_>,
) -> Result<shape::DescribeTargetGroupAttributesOutput, Error> {
    let found = find::target_group(state, ask.target_group_arn.as_deref())?;
    Ok(shape::DescribeTargetGroupAttributesOutput { attributes: Some(of_group(found)) })
}

/// `ModifyTargetGroupAttributes`: what is named changes.
///
/// # Errors
///
/// [`Error::InvalidConfigurationRequest`] for what does not exist or does not go together.
pub(super) fn modify_target_group_attributes(
    draft: &mut Draft<'_>,
    ask: shape::ModifyTargetGroupAttributesInput,
    _: &mut Context<'_>,
) -> Result<shape::ModifyTargetGroupAttributesOutput, Error> {
    let found = find::target_group(draft.state(), ask.target_group_arn.as_deref())?;
    let mut after = found.as_ref().clone();
    let asked = ask.attributes.unwrap_or_default().into_iter().map(|it| (it.key, it.value));
    let asked: Vec<_> = asked.collect();
    check_stickiness(&asked, found.protocol)?;
    put(&mut after.attributes, asked.into_iter(), ("Target group", &known_to_group(found)))?;
    check_group(&after)?;
    let shown = of_group(&after);
    draft.change(Change::from(after));
    Ok(shape::ModifyTargetGroupAttributesOutput { attributes: Some(shown) })
}

/// `DescribeListenerAttributes`: all, with their defaults.
///
/// # Errors
///
/// [`Error::ListenerNotFound`].
pub(super) fn describe_listener_attributes(
    state: &State,
    ask: shape::DescribeListenerAttributesInput,
    _: &Context<'_>,
) -> Result<shape::DescribeListenerAttributesOutput, Error> {
    let found = find::listener(state, ask.listener_arn.as_deref())?;
    Ok(shape::DescribeListenerAttributesOutput { attributes: Some(of_listener(found)) })
}

/// `ModifyListenerAttributes`: what is named changes.
///
/// # Errors
///
/// [`Error::InvalidConfigurationRequest`] for an attribute or value that does not exist.
pub(super) fn modify_listener_attributes(
    draft: &mut Draft<'_>,
    ask: shape::ModifyListenerAttributesInput,
    _: &mut Context<'_>,
) -> Result<shape::ModifyListenerAttributesOutput, Error> {
    let found = find::listener(draft.state(), ask.listener_arn.as_deref())?;
    let mut after = found.as_ref().clone();
    let asked = ask.attributes.unwrap_or_default().into_iter().map(|it| (it.key, it.value));
    put(&mut after.attributes, asked, ("Listener", &known_to_listener(found.protocol)))?;
    let shown = of_listener(&after);
    draft.change(Change::from(after));
    Ok(shape::ModifyListenerAttributesOutput { attributes: Some(shown) })
}

fn known_to_load_balancer(it: &LoadBalancer) -> Vec<Known> {
    let own: &[Known] = match it.kind {
        LoadBalancerKind::Application => &OF_APPLICATION,
        LoadBalancerKind::Network => &OF_NETWORK,
    };
    OF_BOTH.iter().chain(own).copied().collect()
}

fn known_to_group(it: &TargetGroup) -> Vec<Known> {
    let more: &[Known] = match it.protocol {
        TargetProtocol::Http | TargetProtocol::Https => return OF_HTTP_GROUPS.to_vec(),
        TargetProtocol::Tcp | TargetProtocol::Tls => &OF_STREAM_GROUPS,
        TargetProtocol::Udp | TargetProtocol::TcpUdp => &OF_DATAGRAM_GROUPS,
    };
    let preserve: Known = match (it.protocol, it.target_type) {
        // Datagrams always come from their clients, as in AWS.
        (TargetProtocol::Udp | TargetProtocol::TcpUdp, _) => (PRESERVE, "true", Words(&["true"])),
        (_, TargetType::Instance | TargetType::Alb) => (PRESERVE, "true", Switch),
        (_, TargetType::Ip) => (PRESERVE, "false", Switch),
    };
    let known = OF_FLOW_GROUPS.iter().chain(more).copied().chain([preserve]);
    let mut all: Vec<Known> = known.collect();
    all.sort_by_key(|it| it.0);
    all
}

fn known_to_listener(protocol: ListenerProtocol) -> Vec<Known> {
    let http = OF_HTTP_LISTENERS.iter().chain(&OF_HTTP_LISTENERS_LISTS).copied();
    match protocol {
        ListenerProtocol::Http => http.collect(),
        ListenerProtocol::Https => http.chain(OF_HTTPS_LISTENERS).collect(),
        ListenerProtocol::Tcp => OF_TCP_LISTENERS.to_vec(),
        ListenerProtocol::Tls | ListenerProtocol::Udp | ListenerProtocol::TcpUdp => Vec::new(),
    }
}

/// Puts what is asked for into what is set. `of` names the kind of thing, and what it knows.
fn put(
    set: &mut BTreeMap<String, String>,
    asked: impl Iterator<Item = Asked>,
    of: (&str, &[Known]),
) -> Result<(), Error> {
    let (kind, known) = of;
    let mut seen = BTreeSet::new();
    for (key, value) in asked {
        let (key, value) = (key.unwrap_or_default(), value.unwrap_or_default());
        let Some((_, _, values)) = known.iter().find(|it| it.0 == key) else {
            return Err(Error::configuration(format!(
                "{kind} attribute key '{key}' is not recognized"
            )));
        };
        if !allows(*values, &value) {
            return Err(Error::configuration(format!(
                "Value '{value}' is not valid for the attribute '{key}'"
            )));
        }
        if !seen.insert(key.clone()) {
            return Err(Error::configuration(format!("Key '{key}' is given twice")));
        }
        set.insert(key, value);
    }
    Ok(())
}

/// What keeps clients at their targets has words of its own where it does not fit.
fn check_stickiness(asked: &[Asked], protocol: TargetProtocol) -> Result<(), Error> {
    let of_clients = asked.iter().filter(|it| it.0.as_deref() == Some("stickiness.type"));
    for says in of_clients.filter_map(|it| it.1.as_deref()) {
        let of_http = matches!(protocol, TargetProtocol::Http | TargetProtocol::Https);
        let fits = match says {
            "app_cookie" | "lb_cookie" => of_http,
            "source_ip" => !of_http,
            _ => {
                return Err(Error::configuration(
                    "'Stickiness type' must be one of [app_cookie, lb_cookie, source_ip]",
                ));
            }
        };
        if !fits {
            let protocol = view::target_protocol(protocol);
            return Err(Error::configuration(format!(
                "Stickiness type '{says}' is not supported for target groups with the {protocol} \
                 protocol"
            )));
        }
    }
    Ok(())
}

fn allows(values: Values, value: &str) -> bool {
    match values {
        Switch => ["true", "false"].contains(&value),
        Words(words) => words.contains(&value),
        Number(first, last, words) => {
            words.contains(&value) || value.parse().is_ok_and(|it| (first..=last).contains(&it))
        }
        Text(most) => value.chars().count() <= most && !value.contains(['\r', '\n', '\0']),
    }
}

/// What does not go together (handbook 7.3).
fn check_group(group: &TargetGroup) -> Result<(), Error> {
    let says = |name: &str| group.attributes.get(name).map_or("", String::as_str);
    let sticky = says("stickiness.enabled") == "true";
    let algorithm = says("load_balancing.algorithm.type");
    let slow = !["", "0"].contains(&says("slow_start.duration_seconds"));
    if slow && ["least_outstanding_requests", "weighted_random"].contains(&algorithm) {
        return Err(Error::configuration(
            "Slow start cannot be enabled with this load balancing algorithm",
        ));
    }
    if sticky && says("load_balancing.cross_zone.enabled") == "false" && group.version.is_some() {
        return Err(Error::configuration(
            "Stickiness cannot be enabled while cross-zone load balancing is off",
        ));
    }
    if sticky && group.protocol == TargetProtocol::Tls {
        return Err(Error::configuration(
            "You cannot enable stickiness on target groups with the TLS protocol",
        ));
    }
    if says("load_balancing.algorithm.anomaly_mitigation") == "on" && algorithm != "weighted_random"
    {
        return Err(Error::configuration(
            "Anomaly mitigation needs the load balancing algorithm 'weighted_random'",
        ));
    }
    let cookie = says("stickiness.app_cookie.cookie_name");
    if sticky && says("stickiness.type") == "app_cookie" && cookie.is_empty() {
        return Err(Error::configuration(
            "Application cookie stickiness needs 'stickiness.app_cookie.cookie_name'",
        ));
    }
    if ["AWSALB", "AWSALBAPP", "AWSALBTG"].iter().any(|it| cookie.starts_with(it)) {
        return Err(Error::configuration(format!("Cookie name '{cookie}' is reserved")));
    }
    Ok(())
}

/// Every attribute with what it says.
fn shown(known: &[Known], set: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let value = |it: &Known| set.get(it.0).cloned().unwrap_or_else(|| it.1.to_owned());
    known.iter().map(|it| (it.0.to_owned(), value(it))).collect()
}

fn of_load_balancer(
    found: &LoadBalancer,
    set: &BTreeMap<String, String>,
) -> Vec<shape::LoadBalancerAttribute> {
    let one = |(key, value)| shape::LoadBalancerAttribute { key: Some(key), value: Some(value) };
    shown(&known_to_load_balancer(found), set).into_iter().map(one).collect()
}

fn of_group(group: &TargetGroup) -> Vec<shape::TargetGroupAttribute> {
    let mut all = shown(&known_to_group(group), &group.attributes);
    // Ours shows where it was set only: AWS's clients do not know it.
    all.retain(|it| !it.0.starts_with("landfall.") || group.attributes.contains_key(&it.0));
    let one = |(key, value)| shape::TargetGroupAttribute { key: Some(key), value: Some(value) };
    all.into_iter().map(one).collect()
}

fn of_listener(listener: &Listener) -> Vec<shape::ListenerAttribute> {
    let one = |(key, value)| shape::ListenerAttribute { key: Some(key), value: Some(value) };
    let known = known_to_listener(listener.protocol);
    shown(&known, &listener.attributes).into_iter().map(one).collect()
}

#[cfg(test)]
mod tests;
