//! Actions: from requests and back.

use core::time::Duration;
use std::collections::BTreeSet;

use shapes::elbv2 as shape;
use state::{Action, LoadBalancerKind, Redirect, State, WeightedGroup};

use super::{Error, find};

/// Target groups of one forward action. Source: handbook 7.1.
const GROUPS_MAX: usize = 5;
/// Weights. Source: handbook 7.2.
const WEIGHT_MAX: i32 = 999;
/// Seconds that a client may stay with its group. Source: handbook 7.2.
const STICKY_SECONDS: core::ops::RangeInclusive<i32> = 1..=604_800;
/// Order numbers of actions. Source: handbook 7.2.
const ORDERS: core::ops::RangeInclusive<i32> = 1..=50_000;
/// Types that the body of a fixed response may have. Source: handbook 7.2.
const CONTENT_TYPES: [&str; 5] =
    ["text/plain", "text/css", "text/html", "application/javascript", "application/json"];

/// Reads the actions of a listener or rule: exactly one that routes.
///
/// # Errors
///
/// What AWS refuses; authentication is not supported yet.
pub(super) fn parse(
    state: &State,
    actions: &[shape::Action],
    kind: LoadBalancerKind,
) -> Result<Action, Error> {
    let [action] = actions else {
        return Err(several(actions));
    };
    if action.order.is_some_and(|it| !ORDERS.contains(&it)) {
        return Err(Error::InvalidLoadBalancerAction(
            "The order of an action must be between 1 and 50000".into(),
        ));
    }
    let action_type = action.r#type.as_ref().map_or("", |it| it.as_str());
    match (action_type, kind) {
        ("forward", _) => forward(state, action, kind),
        ("redirect", LoadBalancerKind::Application) => {
            redirect(action.redirect_config.as_ref()).map(Action::Redirect)
        }
        ("fixed-response", LoadBalancerKind::Application) => {
            fixed(action.fixed_response_config.as_ref())
        }
        ("authenticate-oidc" | "authenticate-cognito" | "jwt-validation", _) => {
            Err(Error::unsupported("Actions that authenticate"))
        }
        (_, LoadBalancerKind::Network) => Err(Error::InvalidLoadBalancerAction(
            "Network load balancers support forward actions only".into(),
        )),
        (other, LoadBalancerKind::Application) => {
            Err(Error::invalid(format!("'{other}' is not a valid action type")))
        }
    }
}

fn several(actions: &[shape::Action]) -> Error {
    let kinds = actions.iter().filter_map(|it| it.r#type.as_ref());
    if kinds.clone().any(|it| it.as_str().contains("authenticate") || it.as_str().contains("jwt")) {
        return Error::unsupported("Actions that authenticate");
    }
    if actions.is_empty() {
        return Error::InvalidLoadBalancerAction("An action must be specified".into());
    }
    Error::TooManyActions("You can specify one action that routes per rule".into())
}

fn forward(state: &State, action: &shape::Action, kind: LoadBalancerKind) -> Result<Action, Error> {
    let config = action.forward_config.clone().unwrap_or_default();
    let mut tuples = config.target_groups.unwrap_or_default();
    match (&action.target_group_arn, tuples.as_slice()) {
        (Some(arn), []) => tuples
            .push(shape::TargetGroupTuple { target_group_arn: Some(arn.clone()), weight: None }),
        (Some(arn), [only]) if only.target_group_arn.as_ref() == Some(arn) => {}
        (Some(_), _) => {
            return Err(Error::InvalidLoadBalancerAction(
                "You cannot specify both a target group and a forward configuration of others"
                    .into(),
            ));
        }
        (None, []) => {
            return Err(Error::InvalidLoadBalancerAction(
                "A target group must be specified for a forward action".into(),
            ));
        }
        (None, _) => {}
    }
    if tuples.len() > GROUPS_MAX {
        return Err(Error::TooManyUniqueTargetGroups(format!(
            "A forward action can name at most {GROUPS_MAX} target groups"
        )));
    }
    let groups: Vec<WeightedGroup> =
        tuples.into_iter().map(|it| weighted(state, it, kind)).collect::<Result<_, _>>()?;
    let mut seen = BTreeSet::new();
    if groups.iter().any(|it| !seen.insert(&it.group)) {
        return Err(Error::InvalidLoadBalancerAction(
            "A target group can be named once in a forward action".into(),
        ));
    }
    let stickiness = stickiness(config.target_group_stickiness_config)?;
    Ok(Action::Forward { groups, stickiness })
}

fn weighted(
    state: &State,
    tuple: shape::TargetGroupTuple,
    kind: LoadBalancerKind,
) -> Result<WeightedGroup, Error> {
    let group = find::target_group(state, tuple.target_group_arn.as_deref())?;
    let speaks_http = group.version.is_some();
    if speaks_http != (kind == LoadBalancerKind::Application) {
        return Err(Error::IncompatibleProtocols(format!(
            "The protocol of target group '{}' is not supported by this load balancer",
            group.arn
        )));
    }
    let weight = tuple.weight.unwrap_or(1);
    if !(0..=WEIGHT_MAX).contains(&weight) {
        return Err(Error::invalid(format!("A weight must be between 0 and {WEIGHT_MAX}")));
    }
    Ok(WeightedGroup { group: group.arn.clone(), weight: weight.unsigned_abs() })
}

fn stickiness(
    config: Option<shape::TargetGroupStickinessConfig>,
) -> Result<Option<Duration>, Error> {
    let Some(config) = config.filter(|it| it.enabled == Some(true)) else { return Ok(None) };
    match config.duration_seconds {
        Some(seconds) if STICKY_SECONDS.contains(&seconds) => {
            Ok(Some(Duration::from_secs(u64::from(seconds.unsigned_abs()))))
        }
        _ => Err(Error::invalid(
            "The duration of target group stickiness must be between 1 and 604800 seconds",
        )),
    }
}

fn redirect(config: Option<&shape::RedirectActionConfig>) -> Result<Redirect, Error> {
    let refuse = |text: &str| Err(Error::InvalidLoadBalancerAction(text.to_owned()));
    let Some(config) = config else {
        return refuse("A redirect action needs a redirect configuration");
    };
    let part =
        |given: &Option<String>, default: &str| given.clone().unwrap_or_else(|| default.to_owned());
    let redirect = Redirect {
        protocol: part(&config.protocol, "#{protocol}").to_ascii_uppercase(),
        host: part(&config.host, "#{host}"),
        port: part(&config.port, "#{port}"),
        path: part(&config.path, "/#{path}"),
        query: part(&config.query, "#{query}"),
        status: match config.status_code.as_ref().map_or("", |it| it.as_str()) {
            "HTTP_301" => 301,
            "HTTP_302" => 302,
            _ => return refuse("The status code of a redirect must be HTTP_301 or HTTP_302"),
        },
    };
    // Upper case would have changed the placeholder too.
    let protocol = redirect.protocol.replace("#{PROTOCOL}", "#{protocol}");
    let redirect = Redirect { protocol, ..redirect };
    if !["HTTP", "HTTPS", "#{protocol}"].contains(&redirect.protocol.as_str()) {
        return refuse("The protocol of a redirect must be HTTP, HTTPS or #{protocol}");
    }
    let is_port = redirect.port.parse::<u16>().is_ok_and(|it| it > 0);
    if !is_port && redirect.port != "#{port}" {
        return refuse("The port of a redirect must be between 1 and 65535 or #{port}");
    }
    if !redirect.path.starts_with('/') {
        return refuse("The path of a redirect must start with '/'");
    }
    if redirect.query.starts_with('?') {
        return refuse("The query of a redirect must not include the leading '?'");
    }
    let stays = redirect.protocol == "#{protocol}"
        && redirect.host == "#{host}"
        && redirect.port == "#{port}"
        && redirect.path == "/#{path}";
    if stays {
        return refuse(
            "The redirect configuration is not valid because it creates a loop: modify the \
             protocol, host, port or path",
        );
    }
    Ok(redirect)
}

fn fixed(config: Option<&shape::FixedResponseActionConfig>) -> Result<Action, Error> {
    let refuse = |text: &str| Err(Error::InvalidLoadBalancerAction(text.to_owned()));
    let Some(config) = config else {
        return refuse("A fixed-response action needs a configuration");
    };
    let content_type = config.content_type.clone().filter(|it| !it.is_empty());
    if content_type.as_deref().is_some_and(|it| !CONTENT_TYPES.contains(&it)) {
        return refuse("The content type of a fixed response is not supported");
    }
    // The model's pattern lets 2XX, 4XX and 5XX through only.
    let Some(status) = config.status_code.as_deref().and_then(|it| it.parse().ok()) else {
        return refuse("A fixed response needs a status code");
    };
    Ok(Action::Fixed {
        status,
        content_type,
        body: config.message_body.clone().unwrap_or_default(),
    })
}

/// An action as the API shows it. Its order, and how long nobody would stay with a group, are told
/// where they were sent, as AWS has it.
pub(super) fn view(action: &Action, sent: Option<Vec<shape::Action>>) -> Vec<shape::Action> {
    let sent = sent.and_then(|it| it.into_iter().next()).unwrap_or_default();
    let mut shown = shape::Action { order: sent.order, ..Default::default() };
    match action {
        Action::Forward { groups, stickiness } => {
            shown.r#type = Some("forward".into());
            // One group stands in the short form too.
            if let [only] = groups.as_slice() {
                shown.target_group_arn = Some(only.group.clone());
            }
            let said = sent.forward_config.and_then(|it| it.target_group_stickiness_config);
            let seconds = stickiness.and_then(|it| i32::try_from(it.as_secs()).ok());
            let stickiness = shape::TargetGroupStickinessConfig {
                enabled: Some(stickiness.is_some()),
                duration_seconds: seconds.or_else(|| said?.duration_seconds),
            };
            shown.forward_config = Some(forward_view(groups, stickiness));
        }
        Action::Redirect(to) => {
            shown.r#type = Some("redirect".into());
            shown.redirect_config = Some(shape::RedirectActionConfig {
                protocol: Some(to.protocol.clone()),
                host: Some(to.host.clone()),
                port: Some(to.port.clone()),
                path: Some(to.path.clone()),
                query: Some(to.query.clone()),
                status_code: Some(if to.status == 301 { "HTTP_301" } else { "HTTP_302" }.into()),
            });
        }
        Action::Fixed { status, content_type, body } => {
            shown.r#type = Some("fixed-response".into());
            shown.fixed_response_config = Some(shape::FixedResponseActionConfig {
                content_type: content_type.clone(),
                message_body: (!body.is_empty()).then(|| body.clone()),
                status_code: Some(status.to_string()),
            });
        }
    }
    vec![shown]
}

fn forward_view(
    groups: &[WeightedGroup],
    stickiness: shape::TargetGroupStickinessConfig,
) -> shape::ForwardActionConfig {
    let tuple = |it: &WeightedGroup| shape::TargetGroupTuple {
        target_group_arn: Some(it.group.clone()),
        weight: i32::try_from(it.weight).ok(),
    };
    shape::ForwardActionConfig {
        target_groups: Some(groups.iter().map(tuple).collect()),
        target_group_stickiness_config: Some(stickiness),
    }
}
