//! Policies of load balancers: how clients are known again, and how TLS is spoken.

use core::time::Duration;
use std::collections::BTreeMap;

use shapes::elb as shape;
use state::{Change, ClassicListener, ClassicLoadBalancer, ClassicPolicy, Context, Draft};

use super::policy_types::{self, Type};
use super::{Error, find, listeners};

/// Policies of one load balancer: a bound of ours, as AWS names none.
const POLICIES_MAX: usize = 100;
/// Characters of the name of a policy or a cookie: a bound of ours.
const NAME_MAX: usize = 256;

/// `CreateLBCookieStickinessPolicy`.
///
/// # Errors
///
/// [`Error::DuplicatePolicyName`], [`Error::TooManyPolicies`],
/// [`Error::InvalidConfigurationRequest`].
pub(super) fn create_lb_cookie_stickiness_policy(
    draft: &mut Draft<'_>,
    ask: shape::CreateLBCookieStickinessPolicyInput,
    _: &mut Context<'_>,
) -> Result<shape::CreateLBCookieStickinessPolicyOutput, Error> {
    let policy = load_balancer_cookie(ask.cookie_expiration_period)?;
    add(draft, ask.load_balancer_name.as_deref(), ask.policy_name, policy)?;
    Ok(shape::CreateLBCookieStickinessPolicyOutput {})
}

/// `CreateAppCookieStickinessPolicy`.
///
/// # Errors
///
/// As [`create_lb_cookie_stickiness_policy`].
pub(super) fn create_app_cookie_stickiness_policy(
    draft: &mut Draft<'_>,
    ask: shape::CreateAppCookieStickinessPolicyInput,
    _: &mut Context<'_>,
) -> Result<shape::CreateAppCookieStickinessPolicyOutput, Error> {
    let policy = application_cookie(ask.cookie_name)?;
    add(draft, ask.load_balancer_name.as_deref(), ask.policy_name, policy)?;
    Ok(shape::CreateAppCookieStickinessPolicyOutput {})
}

/// `CreateLoadBalancerPolicy`: of the types that this region has.
///
/// # Errors
///
/// As [`create_lb_cookie_stickiness_policy`], and [`Error::PolicyTypeNotFound`].
pub(super) fn create_load_balancer_policy(
    draft: &mut Draft<'_>,
    ask: shape::CreateLoadBalancerPolicyInput,
    _: &mut Context<'_>,
) -> Result<shape::CreateLoadBalancerPolicyOutput, Error> {
    find::load_balancer(draft.state(), ask.load_balancer_name.as_deref())?;
    let kind = policy_types::named(ask.policy_type_name.as_deref().unwrap_or_default())?;
    let policy = of_attributes(kind, ask.policy_attributes.unwrap_or_default())?;
    add(draft, ask.load_balancer_name.as_deref(), ask.policy_name, policy)?;
    Ok(shape::CreateLoadBalancerPolicyOutput {})
}

/// `DeleteLoadBalancerPolicy`: one that is gone is no error.
///
/// # Errors
///
/// [`Error::InvalidConfigurationRequest`] while a listener has it.
pub(super) fn delete_load_balancer_policy(
    draft: &mut Draft<'_>,
    ask: shape::DeleteLoadBalancerPolicyInput,
    _: &mut Context<'_>,
) -> Result<shape::DeleteLoadBalancerPolicyOutput, Error> {
    let mut found = find::copy(draft.state(), ask.load_balancer_name.as_deref())?;
    let name = ask.policy_name.unwrap_or_default();
    if let Some(listener) = found.listeners.iter().find(|it| it.policies.contains(&name)) {
        return Err(Error::configuration(format!(
            "The policy {name} cannot be deleted: it is enabled for the listener on port {}",
            listener.port
        )));
    }
    if found.policies.remove(&name).is_some() {
        draft.change(Change::from(found));
    }
    Ok(shape::DeleteLoadBalancerPolicyOutput {})
}

/// `SetLoadBalancerPoliciesOfListener`: in place of those that it has.
///
/// # Errors
///
/// [`Error::ListenerNotFound`], [`Error::PolicyNotFound`], [`Error::InvalidConfigurationRequest`] for
/// policies that do not fit the listener or each other.
pub(super) fn set_load_balancer_policies_of_listener(
    draft: &mut Draft<'_>,
    ask: shape::SetLoadBalancerPoliciesOfListenerInput,
    _: &mut Context<'_>,
) -> Result<shape::SetLoadBalancerPoliciesOfListenerOutput, Error> {
    let mut found = find::copy(draft.state(), ask.load_balancer_name.as_deref())?;
    let mut names = ask.policy_names.unwrap_or_default();
    names.sort();
    names.dedup();
    let policies = known(&found, &names)?;
    let listener = find::listener(&mut found, ask.load_balancer_port)?;
    fits(listener, &policies)?;
    listener.policies = names;
    draft.change(Change::from(found));
    Ok(shape::SetLoadBalancerPoliciesOfListenerOutput {})
}

/// `SetLoadBalancerPoliciesForBackendServer`: to none, as no policy of this region is of that kind.
///
/// # Errors
///
/// [`Error::PolicyNotFound`], [`Error::InvalidConfigurationRequest`] for a port that no listener leads
/// to, and for any policy.
pub(super) fn set_load_balancer_policies_for_backend_server(
    draft: &mut Draft<'_>,
    ask: shape::SetLoadBalancerPoliciesForBackendServerInput,
    _: &mut Context<'_>,
) -> Result<shape::SetLoadBalancerPoliciesForBackendServerOutput, Error> {
    let found = find::load_balancer(draft.state(), ask.load_balancer_name.as_deref())?;
    let names = ask.policy_names.unwrap_or_default();
    known(found, &names)?;
    let port = ask.instance_port.unwrap_or_default();
    if found.listeners.iter().all(|it| i32::from(it.instance_port) != port) {
        return Err(Error::configuration(format!("No listener leads to the instance port {port}")));
    }
    match names.first() {
        None => Ok(shape::SetLoadBalancerPoliciesForBackendServerOutput {}),
        Some(name) => Err(Error::configuration(format!(
            "The policy {name} cannot be applied to an instance port"
        ))),
    }
}

/// Policies of listeners that are made with a certificate and say nothing else.
pub(super) fn usual() -> Vec<String> {
    vec![policy_types::TLS_USUAL.to_owned()]
}

/// Gives a load balancer the usual policy, if a listener of its has that.
pub(super) fn note_usual(
    policies: &mut BTreeMap<String, ClassicPolicy>,
    listener: &ClassicListener,
) {
    for name in &listener.policies {
        let usual = || ClassicPolicy::Tls { reference: policy_types::TLS_USUAL.to_owned() };
        policies.entry(name.clone()).or_insert_with(usual);
    }
}

fn add(
    draft: &mut Draft<'_>,
    load_balancer: Option<&str>,
    name: Option<String>,
    policy: ClassicPolicy,
) -> Result<(), Error> {
    let mut found = find::copy(draft.state(), load_balancer)?;
    let name = name.unwrap_or_default();
    let is_good = |it: u8| it.is_ascii_alphanumeric() || it == b'-';
    if name.is_empty() || name.len() > NAME_MAX || !name.bytes().all(is_good) {
        return Err(Error::invalid(format!(
            "A policy name must be 1 to {NAME_MAX} alphanumeric characters or hyphens"
        )));
    }
    if found.policies.contains_key(&name) {
        return Err(Error::DuplicatePolicyName(format!(
            "A policy with the name {name} already exists for load balancer {}",
            found.name
        )));
    }
    if found.policies.len() >= POLICIES_MAX {
        return Err(Error::TooManyPolicies(format!(
            "A load balancer can have at most {POLICIES_MAX} policies"
        )));
    }
    found.policies.insert(name, policy);
    draft.change(Change::from(found));
    Ok(())
}

fn load_balancer_cookie(seconds: Option<i64>) -> Result<ClassicPolicy, Error> {
    let read = |it: i64| u64::try_from(it).ok().filter(|it| *it > 0).map(Duration::from_secs);
    match seconds.map(read) {
        None => Ok(ClassicPolicy::LoadBalancerCookie { expiration: None }),
        Some(Some(period)) => Ok(ClassicPolicy::LoadBalancerCookie { expiration: Some(period) }),
        Some(None) => Err(Error::configuration(
            "The CookieExpirationPeriod must be a positive number of seconds",
        )),
    }
}

fn application_cookie(cookie: Option<String>) -> Result<ClassicPolicy, Error> {
    let cookie = cookie.unwrap_or_default();
    // Source: RFC 9110, section 5.6.2 (token), which cookies' names are (RFC 6265).
    let is_good = |it: u8| it.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&it);
    if cookie.is_empty() || cookie.len() > NAME_MAX || !cookie.bytes().all(is_good) {
        return Err(Error::configuration(format!("'{cookie}' is not a valid name of a cookie")));
    }
    Ok(ClassicPolicy::ApplicationCookie { cookie })
}

fn of_attributes(kind: Type, asked: Vec<shape::PolicyAttribute>) -> Result<ClassicPolicy, Error> {
    let mut value = None;
    for attribute in asked {
        let name = attribute.attribute_name.unwrap_or_default();
        match name == kind.attribute() {
            true if value.is_none() => value = attribute.attribute_value,
            true => return Err(Error::configuration(format!("{name} is given twice"))),
            false if kind == Type::Tls => {
                return Err(Error::unsupported(
                    "TLS policies with ciphers and protocols of one's own",
                ));
            }
            false => {
                return Err(Error::configuration(format!(
                    "Policies of type {} have no attribute '{name}'",
                    kind.name()
                )));
            }
        }
    }
    match kind {
        Type::ApplicationCookie => application_cookie(value),
        Type::LoadBalancerCookie => match value.map(|it| it.parse::<i64>()).transpose() {
            Ok(seconds) => load_balancer_cookie(seconds),
            Err(_) => load_balancer_cookie(Some(0)),
        },
        Type::Tls => {
            let reference = value.unwrap_or_else(|| policy_types::TLS_USUAL.to_owned());
            match policy_types::TLS.contains(&&*reference) {
                true => Ok(ClassicPolicy::Tls { reference }),
                false => Err(Error::configuration(format!(
                    "There is no security policy with name {reference}"
                ))),
            }
        }
    }
}

/// The policies of these names.
fn known(of: &ClassicLoadBalancer, names: &[String]) -> Result<Vec<ClassicPolicy>, Error> {
    let find = |name: &String| of.policies.get(name).cloned().ok_or_else(|| missing(of, name));
    names.iter().map(find).collect()
}

/// The refusal of a policy that is not there.
pub(super) fn missing(of: &ClassicLoadBalancer, name: &str) -> Error {
    Error::PolicyNotFound(format!(
        "There is no policy with name {name} for load balancer {}",
        of.name
    ))
}

fn fits(listener: &ClassicListener, policies: &[ClassicPolicy]) -> Result<(), Error> {
    let is_tls = |it: &&ClassicPolicy| matches!(it, ClassicPolicy::Tls { .. });
    let tls = policies.iter().filter(is_tls).count();
    let cookies = policies.len() - tls;
    if cookies > 0 && !listeners::is_http(listener.protocol) {
        return Err(Error::configuration(
            "Session stickiness policies can only be enabled for HTTP and HTTPS listeners",
        ));
    }
    if tls > 0 && !listeners::is_secure(listener.protocol) {
        return Err(Error::configuration(
            "SSL negotiation policies can only be enabled for HTTPS and SSL listeners",
        ));
    }
    if cookies > 1 || tls > 1 {
        return Err(Error::configuration(
            "A listener can have at most one policy for cookies and one for SSL negotiation",
        ));
    }
    Ok(())
}
