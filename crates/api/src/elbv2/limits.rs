//! What an account may have.

use shapes::elbv2 as shape;
use state::{Context, State};

use super::Error;
use super::error::PAGE;
use super::find;
use crate::page::Page;

/// The quotas of this region, by AWS's names. Source: handbook 7.1.
const LIMITS: [(&str, u32); 14] = [
    ("application-load-balancers", 50),
    ("target-groups", 3_000),
    ("targets-per-application-load-balancer", 1_000),
    ("listeners-per-application-load-balancer", 50),
    ("rules-per-application-load-balancer", 100),
    ("network-load-balancers", 50),
    ("targets-per-network-load-balancer", 3_000),
    ("targets-per-availability-zone-per-network-load-balancer", 500),
    ("listeners-per-network-load-balancer", 50),
    ("condition-values-per-alb-rule", 5),
    ("condition-wildcards-per-alb-rule", 5),
    ("target-groups-per-application-load-balancer", 100),
    ("target-groups-per-action-on-application-load-balancer", 5),
    ("certificates-per-application-load-balancer", 25),
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
    let mut limits = LIMITS;
    limits.sort_unstable();
    let rest = limits.into_iter().filter(|it| page.after().is_none_or(|after| it.0 > after));
    let (limits, next_marker) = page.cut(rest, |it| it.0.to_owned());
    let limit = |(name, max): (&str, u32)| shape::Limit {
        name: Some(name.to_owned()),
        max: Some(max.to_string()),
    };
    let limits = limits.into_iter().map(limit).collect();
    Ok(shape::DescribeAccountLimitsOutput { limits: Some(limits), next_marker })
}

/// `DescribeCapacityReservation`: nothing is reserved, because nothing needs to be.
///
/// # Errors
///
/// [`Error::LoadBalancerNotFound`].
pub(super) fn describe_capacity_reservation(
    state: &State,
    ask: shape::DescribeCapacityReservationInput,
    _: &Context<'_>,
) -> Result<shape::DescribeCapacityReservationOutput, Error> {
    find::load_balancer(state, ask.load_balancer_arn.as_deref())?;
    Ok(shape::DescribeCapacityReservationOutput {
        capacity_reservation_state: Some(vec![]),
        ..Default::default()
    })
}
