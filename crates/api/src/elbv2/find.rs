//! Things by their ARNs and names, and new ARNs.
//!
//! One region answers under every region name (handbook 12.1), so ARNs of other regions are not
//! refused as such; they are not found.

use std::sync::Arc;

use plan::routing;
use state::{Context, Listener, LoadBalancer, LoadBalancerKind, Rule, State, TargetGroup};

use super::Error;

/// A load balancer by ARN.
pub(super) fn load_balancer<'a>(
    state: &'a State,
    arn: Option<&str>,
) -> Result<&'a Arc<LoadBalancer>, Error> {
    let arn = arn.unwrap_or_default();
    let refusal = || Error::LoadBalancerNotFound(format!("Load balancer '{arn}' not found"));
    match state.load_balancers().get(arn) {
        Some(found) => Ok(found),
        None if is_of(arn, "loadbalancer/") => Err(refusal()),
        None => Err(malformed(arn, "load balancer")),
    }
}

/// A load balancer by name. O(load balancers), of which a region has few.
pub(super) fn load_balancer_named<'a>(
    state: &'a State,
    name: &str,
) -> Option<&'a Arc<LoadBalancer>> {
    state.load_balancers().values().find(|it| it.name == name)
}

/// A listener by ARN.
pub(super) fn listener<'a>(
    state: &'a State,
    arn: Option<&str>,
) -> Result<&'a Arc<Listener>, Error> {
    let arn = arn.unwrap_or_default();
    match state.listeners().get(arn) {
        Some(found) => Ok(found),
        None if is_of(arn, "listener/") => {
            Err(Error::ListenerNotFound(format!("Listener '{arn}' not found")))
        }
        None => Err(malformed(arn, "listener")),
    }
}

/// A rule by ARN.
pub(super) fn rule<'a>(state: &'a State, arn: Option<&str>) -> Result<&'a Arc<Rule>, Error> {
    let arn = arn.unwrap_or_default();
    match state.rules().get(arn) {
        Some(found) => Ok(found),
        None if is_of(arn, "listener-rule/") => {
            Err(Error::RuleNotFound(format!("Rule '{arn}' not found")))
        }
        None => Err(malformed(arn, "listener rule")),
    }
}

/// A target group by ARN.
pub(super) fn target_group<'a>(
    state: &'a State,
    arn: Option<&str>,
) -> Result<&'a Arc<TargetGroup>, Error> {
    let arn = arn.unwrap_or_default();
    match state.target_groups().get(arn) {
        Some(found) => Ok(found),
        None if is_of(arn, "targetgroup/") => {
            Err(Error::TargetGroupNotFound(format!("Target groups '{arn}' not found")))
        }
        None => Err(malformed(arn, "target group")),
    }
}

/// The load balancer of a listener; listeners go with their load balancers.
pub(super) fn of_listener<'a>(
    state: &'a State,
    listener: &Listener,
) -> Result<&'a Arc<LoadBalancer>, Error> {
    load_balancer(state, Some(&listener.load_balancer))
}

/// The listeners of a load balancer, in order of their ARNs.
pub(super) fn listeners<'a>(
    state: &'a State,
    load_balancer: &str,
) -> impl Iterator<Item = &'a Arc<Listener>> + use<'a> {
    let start = routing::listeners_start(load_balancer);
    routing::parts(state.listeners(), start)
}

/// The rules of a listener, in order of their ARNs.
pub(super) fn rules<'a>(
    state: &'a State,
    listener: &str,
) -> impl Iterator<Item = &'a Arc<Rule>> + use<'a> {
    routing::parts(state.rules(), routing::rules_start(listener))
}

/// Puts what was asked for by name into the order of ARNs, each once, as pages have it.
pub(super) fn in_order<T>(found: &mut Vec<&Arc<T>>, arn: impl Fn(&T) -> &String) {
    found.sort_by(|a, b| arn(a).cmp(arn(b)));
    found.dedup_by(|a, b| arn(a) == arn(b));
}

/// Whether an ARN is one of ours of that kind.
pub(super) fn is_of(arn: &str, kind: &str) -> bool {
    let mut parts = arn.splitn(6, ':');
    let prefix = [parts.next(), parts.nth(1)];
    prefix == [Some("arn"), Some("elasticloadbalancing")]
        && parts.nth(2).is_some_and(|it| it.starts_with(kind))
}

fn malformed(arn: &str, what: &str) -> Error {
    Error::invalid(format!("'{arn}' is not a valid {what} ARN"))
}

/// The ARN of something new of this service.
pub(super) fn new_arn(state: &State, tail: &str, context: &mut Context<'_>) -> String {
    let home = state.home();
    let digits = context.dice.bits() >> 64;
    let (region, account) = (&home.region, &home.account);
    format!("arn:aws:elasticloadbalancing:{region}:{account}:{tail}/{digits:016x}")
}

/// How ARNs spell the kind of a load balancer.
pub(super) fn kind_in_arn(kind: LoadBalancerKind) -> &'static str {
    match kind {
        LoadBalancerKind::Application => "app",
        LoadBalancerKind::Network => "net",
    }
}
