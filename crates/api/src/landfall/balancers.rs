//! Balancers: who carries traffic, and what they find.

use shapes::landfall as shape;
use state::{Balancer, Context, State, TargetHealth};

use super::{Error, trail};

/// `ListBalancers`: all that have ever called. O(balancers × targets).
///
/// # Errors
///
/// [`Error::AccessDenied`] to agents and tasks.
pub(super) fn list_balancers(
    state: &State,
    _: shape::ListBalancersRequest,
    context: &Context<'_>,
) -> Result<shape::ListBalancersResponse, Error> {
    trail::people_only(state, context)?;
    let balancers = state.balancers().values().map(|it| view(state, it)).collect();
    Ok(shape::ListBalancersResponse { balancers: Some(balancers) })
}

fn view(state: &State, it: &Balancer) -> shape::Balancer {
    let seen = || state.targets().values().filter_map(|target| target.seen.get(&it.name));
    let count = |number: usize| Some(i32::try_from(number).unwrap_or(i32::MAX));
    let refused = it.refused.iter().map(|(listener, reason)| shape::RefusedListener {
        listener_arn: Some(listener.clone()),
        reason: Some(reason.clone()),
    });
    shape::Balancer {
        name: Some(it.name.clone()),
        connected: Some(it.connected),
        connected_at: Some(shapes::Timestamp(it.connected_at.0)),
        created_at: Some(shapes::Timestamp(it.created_at.0)),
        addresses: Some(it.addresses.iter().map(ToString::to_string).collect()),
        refused_listeners: Some(refused.collect()),
        targets: count(seen().count()),
        healthy_targets: count(seen().filter(|it| it.health == TargetHealth::Healthy).count()),
    }
}
