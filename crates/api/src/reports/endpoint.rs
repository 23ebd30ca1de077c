//! `DiscoverPollEndpoint`.

use shapes::ecs as shape;
use state::{Context, State};

use crate::ecs::{Error, find};

/// `DiscoverPollEndpoint`: where the agent's two conversations take place, under the address it has
/// already reached us at.
///
/// # Errors
///
/// [`Error::ClusterNotFound`].
///
/// Source: Amazon ECS API Reference, `DiscoverPollEndpoint`.
pub(crate) fn discover_poll_endpoint(
    state: &State,
    ask: shape::DiscoverPollEndpointRequest,
    context: &Context<'_>,
) -> Result<shape::DiscoverPollEndpointResponse, Error> {
    // Whether the instance is (still) one is said where its session would begin: only there does
    // the genuine agent understand that it was deregistered.
    find::cluster(state, ask.cluster.as_deref())?;
    let endpoint = &context.caller.endpoint;
    Ok(shape::DiscoverPollEndpointResponse {
        endpoint: Some(format!("{endpoint}/acs/")),
        telemetry_endpoint: Some(format!("{endpoint}/tcs/")),
        service_connect_endpoint: Some(format!("{endpoint}/sc/")),
    })
}
