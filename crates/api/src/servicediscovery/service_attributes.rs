//! Attributes of services: what their owners write on them.

use shapes::servicediscovery as shape;
use state::{Change, Context, DiscoveryService, Draft, State};

use super::{Error, find};

/// Attributes of one service. Source: API Reference, `UpdateServiceAttributes`.
const ATTRIBUTES_MAX: usize = 30;

/// `UpdateServiceAttributes`: a key that is there gets the new value.
///
/// # Errors
///
/// [`Error::ServiceNotFound`], [`Error::ServiceAttributesLimitExceeded`].
pub(super) fn update_service_attributes(
    draft: &mut Draft<'_>,
    ask: shape::UpdateServiceAttributesRequest,
    _: &mut Context<'_>,
) -> Result<shape::UpdateServiceAttributesResponse, Error> {
    let found = find::service(draft.state(), ask.service_id.as_deref())?.as_ref().clone();
    let mut attributes = found.attributes.clone();
    attributes.extend(ask.attributes.unwrap_or_default());
    if attributes.len() > ATTRIBUTES_MAX {
        return Err(Error::ServiceAttributesLimitExceeded(ATTRIBUTES_MAX));
    }
    draft.change(Change::from(DiscoveryService { attributes, ..found }));
    Ok(shape::UpdateServiceAttributesResponse {})
}

/// `DeleteServiceAttributes`: a key that is not there is no error.
///
/// # Errors
///
/// [`Error::ServiceNotFound`].
pub(super) fn delete_service_attributes(
    draft: &mut Draft<'_>,
    ask: shape::DeleteServiceAttributesRequest,
    _: &mut Context<'_>,
) -> Result<shape::DeleteServiceAttributesResponse, Error> {
    let mut found = find::service(draft.state(), ask.service_id.as_deref())?.as_ref().clone();
    for key in ask.attributes.unwrap_or_default() {
        found.attributes.remove(&key);
    }
    draft.change(Change::from(found));
    Ok(shape::DeleteServiceAttributesResponse {})
}

/// `GetServiceAttributes`.
///
/// # Errors
///
/// [`Error::ServiceNotFound`].
pub(super) fn get_service_attributes(
    state: &State,
    ask: shape::GetServiceAttributesRequest,
    _: &Context<'_>,
) -> Result<shape::GetServiceAttributesResponse, Error> {
    let found = find::service(state, ask.service_id.as_deref())?;
    let service_attributes = Some(shape::ServiceAttributes {
        service_arn: Some(find::service_arn(state, &found.id)),
        resource_owner: Some(state.home().account.to_string()),
        attributes: Some(found.attributes.clone()),
    });
    Ok(shape::GetServiceAttributesResponse { service_attributes })
}
