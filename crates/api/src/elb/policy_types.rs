//! Types of policies, and policies as they are shown.
//!
//! Differs: of SSL negotiation policies there are those of AWS's predefined ones that name a version of
//! TLS that is spoken here, without ciphers of one's own; there are no policies for back-end servers
//! (`ProxyProtocolPolicyType`, `BackendServerAuthenticationPolicyType`, `PublicKeyPolicyType`).
//! Source: API Reference, `DescribeLoadBalancerPolicyTypes`; Classic Load Balancers User Guide,
//! "Predefined SSL security policies".

use shapes::elb as shape;
use state::{ClassicPolicy, Context, State};

use super::{Error, find, policies};

/// The predefined security policies that are spoken here.
pub(super) const TLS: [&str; 3] =
    [TLS_USUAL, "ELBSecurityPolicy-TLS-1-1-2017-01", "ELBSecurityPolicy-TLS-1-2-2017-01"];
/// Of listeners that name none.
pub(super) const TLS_USUAL: &str = "ELBSecurityPolicy-2016-08";
/// What every one of them comes to here.
const SPOKEN: [&str; 5] = [
    "Protocol-TLSv1.2",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
];
/// Types that AWS has and this region has not.
const ELSEWHERE: [&str; 3] =
    ["BackendServerAuthenticationPolicyType", "ProxyProtocolPolicyType", "PublicKeyPolicyType"];

/// A type of policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    ApplicationCookie,
    LoadBalancerCookie,
    Tls,
}

impl Type {
    const ALL: [Self; 3] = [Self::ApplicationCookie, Self::LoadBalancerCookie, Self::Tls];

    fn of(policy: &ClassicPolicy) -> Self {
        match policy {
            ClassicPolicy::ApplicationCookie { .. } => Self::ApplicationCookie,
            ClassicPolicy::LoadBalancerCookie { .. } => Self::LoadBalancerCookie,
            ClassicPolicy::Tls { .. } => Self::Tls,
        }
    }

    /// As AWS names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ApplicationCookie => "AppCookieStickinessPolicyType",
            Self::LoadBalancerCookie => "LBCookieStickinessPolicyType",
            Self::Tls => "SSLNegotiationPolicyType",
        }
    }

    /// The attribute that a policy of this type is made with.
    pub(super) fn attribute(self) -> &'static str {
        match self {
            Self::ApplicationCookie => "CookieName",
            Self::LoadBalancerCookie => "CookieExpirationPeriod",
            Self::Tls => "Reference-Security-Policy",
        }
    }

    /// Type and cardinality of that attribute, and what the policy is for.
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::ApplicationCookie => (
                "String",
                "ONE",
                "Stickiness policy with session lifetimes controlled by the lifetime of the \
                 application-generated cookie. This policy can be associated only with HTTP/HTTPS \
                 listeners.",
            ),
            Self::LoadBalancerCookie => (
                "Long",
                "ZERO_OR_ONE",
                "Stickiness policy with session lifetimes controlled by the browser (user-agent) or \
                 a specified expiration period. This policy can be associated only with HTTP/HTTPS \
                 listeners.",
            ),
            Self::Tls => (
                "String",
                "ZERO_OR_ONE",
                "Listener policy that defines the ciphers and protocols that will be accepted by \
                 the load balancer. This policy can be associated only with HTTPS/SSL listeners.",
            ),
        }
    }
}

/// The type of that name.
///
/// # Errors
///
/// [`Error::PolicyTypeNotFound`]; types that this region does not have.
pub(super) fn named(name: &str) -> Result<Type, Error> {
    match Type::ALL.into_iter().find(|it| it.name() == name) {
        Some(found) => Ok(found),
        None if ELSEWHERE.contains(&name) => {
            Err(Error::unsupported(&format!("Policies of type {name}")))
        }
        None => Err(Error::PolicyTypeNotFound(format!("There is no policy type with name {name}"))),
    }
}

/// `DescribeLoadBalancerPolicyTypes`: all that there are here, or those named.
///
/// # Errors
///
/// [`Error::PolicyTypeNotFound`]; types that this region does not have.
pub(super) fn describe_load_balancer_policy_types(
    _: &State,
    ask: shape::DescribeLoadBalancerPolicyTypesInput,
    _: &Context<'_>,
) -> Result<shape::DescribeLoadBalancerPolicyTypesOutput, Error> {
    let types = match ask.policy_type_names.unwrap_or_default() {
        none if none.is_empty() => Type::ALL.to_vec(),
        names => names.iter().map(|it| named(it)).collect::<Result<_, _>>()?,
    };
    let describe = |it: Type| {
        let (attribute_type, cardinality, description) = it.words();
        shape::PolicyTypeDescription {
            policy_type_name: Some(it.name().to_owned()),
            description: Some(description.to_owned()),
            policy_attribute_type_descriptions: Some(vec![shape::PolicyAttributeTypeDescription {
                attribute_name: Some(it.attribute().to_owned()),
                attribute_type: Some(attribute_type.to_owned()),
                cardinality: Some(cardinality.to_owned()),
                ..Default::default()
            }]),
        }
    };
    let descriptions = types.into_iter().map(describe).collect();
    Ok(shape::DescribeLoadBalancerPolicyTypesOutput {
        policy_type_descriptions: Some(descriptions),
    })
}

/// `DescribeLoadBalancerPolicies`: those of a load balancer; without one, the predefined ones.
///
/// # Errors
///
/// [`Error::LoadBalancerNotFound`], [`Error::PolicyNotFound`].
pub(super) fn describe_load_balancer_policies(
    state: &State,
    ask: shape::DescribeLoadBalancerPoliciesInput,
    _: &Context<'_>,
) -> Result<shape::DescribeLoadBalancerPoliciesOutput, Error> {
    let named = ask.policy_names.unwrap_or_default();
    let shown = match ask.load_balancer_name.as_deref().filter(|it| !it.is_empty()) {
        Some(load_balancer) => {
            let found = find::load_balancer(state, Some(load_balancer))?;
            if let Some(name) = named.iter().find(|it| !found.policies.contains_key(*it)) {
                return Err(policies::missing(found, name));
            }
            let wanted = found.policies.iter();
            let wanted = wanted.filter(|it| named.is_empty() || named.contains(it.0));
            wanted.map(|(name, policy)| view(name, policy)).collect()
        }
        None => {
            if let Some(name) = named.iter().find(|it| !TLS.contains(&it.as_str())) {
                return Err(Error::PolicyNotFound(format!("There is no policy with name {name}")));
            }
            let wanted =
                TLS.iter().filter(|it| named.is_empty() || named.iter().any(|n| n == **it));
            let policy = |it: &&str| ClassicPolicy::Tls { reference: (*it).to_owned() };
            wanted.map(|it| view(it, &policy(it))).collect()
        }
    };
    Ok(shape::DescribeLoadBalancerPoliciesOutput { policy_descriptions: Some(shown) })
}

fn view(name: &str, policy: &ClassicPolicy) -> shape::PolicyDescription {
    let kind = Type::of(policy);
    let value = match policy {
        ClassicPolicy::ApplicationCookie { cookie } => cookie.clone(),
        ClassicPolicy::LoadBalancerCookie { expiration: Some(it) } => it.as_secs().to_string(),
        ClassicPolicy::LoadBalancerCookie { expiration: None } => String::new(),
        ClassicPolicy::Tls { reference } => reference.clone(),
    };
    let attribute = |(name, value): (&str, &str)| shape::PolicyAttributeDescription {
        attribute_name: Some(name.to_owned()),
        attribute_value: Some(value.to_owned()),
    };
    let own = Some((kind.attribute(), value.as_str())).filter(|it| !it.1.is_empty());
    let spoken = (kind == Type::Tls).then_some(SPOKEN).into_iter().flatten();
    let all = own.into_iter().chain(spoken.map(|it| (it, "true")));
    shape::PolicyDescription {
        policy_name: Some(name.to_owned()),
        policy_type_name: Some(kind.name().to_owned()),
        policy_attribute_descriptions: Some(all.map(attribute).collect()),
    }
}
