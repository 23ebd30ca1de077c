//! Security policies: which versions and ciphers of TLS a listener speaks.
//!
//! Differs: TLS 1.0, TLS 1.1 and ciphers without forward secrecy or authenticated encryption are
//! not spoken by this region's balancers. Policies that have them beside better ones are there, with
//! the better ones only; a policy without any better one does not exist here.
//! Source: Application Load Balancers User Guide, "Security policies".

use shapes::elbv2 as shape;
use state::{Context, LoadBalancerKind, State};

use super::Error;
use super::error::PAGE;
use crate::page::Page;

/// Of listeners that name none. Source: API Reference, `CreateListener`.
pub(super) const DEFAULT: &str = "ELBSecurityPolicy-2016-08";

/// Ciphers of TLS 1.3, which every policy with that version has.
const MODERN: [&str; 3] =
    ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];
/// Ciphers of TLS 1.2 that balancers speak.
const USUAL: [&str; 4] = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
];

/// Versions of TLS that a policy has, of those that are spoken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Versions {
    Tls12,
    Tls13,
    Both,
}

const POLICIES: [(&str, Versions); 17] = [
    ("ELBSecurityPolicy-2016-08", Versions::Tls12),
    ("ELBSecurityPolicy-FS-1-2-2019-08", Versions::Tls12),
    ("ELBSecurityPolicy-FS-1-2-Res-2019-08", Versions::Tls12),
    ("ELBSecurityPolicy-FS-1-2-Res-2020-10", Versions::Tls12),
    ("ELBSecurityPolicy-FS-1-1-2019-08", Versions::Tls12),
    ("ELBSecurityPolicy-FS-2018-06", Versions::Tls12),
    ("ELBSecurityPolicy-TLS-1-1-2017-01", Versions::Tls12),
    ("ELBSecurityPolicy-TLS-1-2-2017-01", Versions::Tls12),
    ("ELBSecurityPolicy-TLS-1-2-Ext-2018-06", Versions::Tls12),
    ("ELBSecurityPolicy-TLS13-1-0-2021-06", Versions::Both),
    ("ELBSecurityPolicy-TLS13-1-1-2021-06", Versions::Both),
    ("ELBSecurityPolicy-TLS13-1-2-2021-06", Versions::Both),
    ("ELBSecurityPolicy-TLS13-1-2-Ext0-2021-06", Versions::Both),
    ("ELBSecurityPolicy-TLS13-1-2-Ext1-2021-06", Versions::Both),
    ("ELBSecurityPolicy-TLS13-1-2-Ext2-2021-06", Versions::Both),
    ("ELBSecurityPolicy-TLS13-1-2-Res-2021-06", Versions::Both),
    ("ELBSecurityPolicy-TLS13-1-3-2021-06", Versions::Tls13),
];

/// The name of a policy that exists.
///
/// # Errors
///
/// [`Error::SslPolicyNotFound`].
pub(super) fn known(name: &str, _: LoadBalancerKind) -> Result<String, Error> {
    match POLICIES.iter().find(|it| it.0 == name) {
        Some(_) => Ok(name.to_owned()),
        None => Err(Error::SslPolicyNotFound(format!("SSL policy '{name}' not found"))),
    }
}

/// `DescribeSSLPolicies`: all, or those named.
///
/// # Errors
///
/// [`Error::SslPolicyNotFound`].
pub(super) fn describe_ssl_policies(
    _: &State,
    ask: shape::DescribeSSLPoliciesInput,
    _: &Context<'_>,
) -> Result<shape::DescribeSSLPoliciesOutput, Error> {
    let named = ask.names.unwrap_or_default();
    for name in &named {
        known(name, LoadBalancerKind::Application)?;
    }
    let page = Page::parse("DescribeSSLPolicies", ask.marker.as_deref(), ask.page_size, PAGE)?;
    let rest = POLICIES
        .into_iter()
        .filter(|it| named.is_empty() || named.iter().any(|name| name == it.0))
        .filter(|it| page.after().is_none_or(|after| it.0 > after));
    let (policies, next_marker) = page.cut(rest, |it| it.0.to_owned());
    let policies = policies.into_iter().map(view).collect();
    Ok(shape::DescribeSSLPoliciesOutput { ssl_policies: Some(policies), next_marker })
}

fn view((name, versions): (&str, Versions)) -> shape::SslPolicy {
    let modern = (versions != Versions::Tls12).then_some(MODERN).into_iter().flatten();
    let usual = (versions != Versions::Tls13).then_some(USUAL).into_iter().flatten();
    let cipher = |(priority, name): (i32, &str)| shape::Cipher {
        name: Some(name.to_owned()),
        priority: Some(priority),
    };
    let protocols: &[&str] = match versions {
        Versions::Tls12 => &["TLSv1.2"],
        Versions::Tls13 => &["TLSv1.3"],
        Versions::Both => &["TLSv1.3", "TLSv1.2"],
    };
    let owned = |it: &[&str]| it.iter().map(|it| (*it).to_owned()).collect();
    shape::SslPolicy {
        name: Some(name.to_owned()),
        ssl_protocols: Some(owned(protocols)),
        ciphers: Some((1..).zip(modern.chain(usual)).map(cipher).collect()),
        supported_load_balancer_types: Some(owned(&["application", "network"])),
    }
}
