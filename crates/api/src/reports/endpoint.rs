//! `DiscoverPollEndpoint`.

use shapes::ecs as shape;
use state::{Context, State};

use crate::ecs::{Error, find};

/// `DiscoverPollEndpoint`: where the agent's two conversations take place, under the address it has
/// already reached us at.
///
/// # Errors
///
/// [`Error::InvalidParameter`] if the instance it names is not there.
///
/// Source: Amazon ECS API Reference, `DiscoverPollEndpoint`.
pub(crate) fn discover_poll_endpoint(
    state: &State,
    ask: shape::DiscoverPollEndpointRequest,
    context: &Context<'_>,
) -> Result<shape::DiscoverPollEndpointResponse, Error> {
    let cluster = find::cluster(state, ask.cluster.as_deref())?;
    if let Some(text) = ask.container_instance.as_deref().filter(|it| !it.is_empty()) {
        find::instance(state, &cluster.name, text)?;
    }
    let endpoint = &context.caller.endpoint;
    Ok(shape::DiscoverPollEndpointResponse {
        endpoint: Some(format!("{endpoint}/acs/")),
        telemetry_endpoint: Some(format!("{endpoint}/tcs/")),
        service_connect_endpoint: Some(format!("{endpoint}/sc/")),
    })
}
