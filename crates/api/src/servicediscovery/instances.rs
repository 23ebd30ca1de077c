//! Instances, described.

use shapes::servicediscovery as shape;
use state::{Context, State};

use super::{Error, find, view};
use crate::page::{HUNDRED, Page};

/// `GetInstance`.
///
/// # Errors
///
/// [`Error::ServiceNotFound`], [`Error::InstanceNotFound`].
pub(super) fn get_instance(
    state: &State,
    ask: shape::GetInstanceRequest,
    _: &Context<'_>,
) -> Result<shape::GetInstanceResponse, Error> {
    let service = find::service(state, ask.service_id.as_deref())?;
    let found = find::instance(state, service, ask.instance_id.as_deref())?;
    let registration = found.registration.as_ref();
    let instance = shape::Instance {
        id: Some(found.key.id.clone()),
        attributes: Some(found.attributes.clone()),
        creator_request_id: registration.map(|it| it.request_id.clone()),
        created_by_account: Some(state.home().account.to_string()),
    };
    Ok(shape::GetInstanceResponse {
        instance: Some(instance),
        resource_owner: Some(state.home().account.to_string()),
    })
}

/// `ListInstances`: in order of their ids.
///
/// # Errors
///
/// [`Error::ServiceNotFound`], [`Error::InvalidInput`].
pub(super) fn list_instances(
    state: &State,
    ask: shape::ListInstancesRequest,
    _: &Context<'_>,
) -> Result<shape::ListInstancesResponse, Error> {
    let service = find::service(state, ask.service_id.as_deref())?;
    let scope = format!("ListInstances {}", service.id);
    let page = Page::parse(scope, ask.next_token.as_deref(), ask.max_results, HUNDRED)?;
    let after = page.after().unwrap_or_default();
    let ids = state.indexes().discovery().registered(&service.id);
    let start = ids.partition_point(|it| it.as_str() <= after);
    let (items, next_token) = page.cut(ids.iter().skip(start), |it| (*it).clone());
    let found = items.into_iter().filter_map(|it| find::instance(state, service, Some(it)).ok());
    Ok(shape::ListInstancesResponse {
        instances: Some(found.map(|it| view::instance_summary(state, it)).collect()),
        next_token,
        resource_owner: Some(state.home().account.to_string()),
    })
}
