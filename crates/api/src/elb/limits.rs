//! What an account may have.

use shapes::elb as shape;
use state::{Context, State};

use super::Error;
use super::error::PAGE;
use crate::page::Page;

/// Classic Load Balancers of a region. Source: Classic Load Balancers User Guide, "Quotas".
pub(super) const LOAD_BALANCERS_MAX: usize = 20;
/// Listeners of one load balancer. Source: as above.
pub(super) const LISTENERS_MAX: usize = 100;
/// Registered instances of one load balancer. Source: as above.
pub(super) const INSTANCES_MAX: usize = 1_000;

/// By AWS's names, in order of these.
const LIMITS: [(&str, usize); 3] = [
    ("classic-listeners", LISTENERS_MAX),
    ("classic-load-balancers", LOAD_BALANCERS_MAX),
    ("classic-registered-instances", INSTANCES_MAX),
];

/// `DescribeAccountLimits`.
///
/// # Errors
///
/// A page that does not exist.
pub(super) fn describe_account_limits(
    _: &State,
    ask: shape::DescribeAccountLimitsInput,
    _: &Context<'_>,
) -> Result<shape::DescribeAccountLimitsOutput, Error> {
    let page = Page::parse("DescribeAccountLimits", ask.marker.as_deref(), ask.page_size, PAGE)?;
    let rest = LIMITS.into_iter().filter(|it| page.after().is_none_or(|after| it.0 > after));
    let (limits, next_marker) = page.cut(rest, |it| it.0.to_owned());
    let limit = |(name, max): (&str, usize)| shape::Limit {
        name: Some(name.to_owned()),
        max: Some(max.to_string()),
    };
    let limits = Some(limits.into_iter().map(limit).collect());
    Ok(shape::DescribeAccountLimitsOutput { limits, next_marker })
}
