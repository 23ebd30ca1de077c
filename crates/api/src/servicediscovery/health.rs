//! Health that is told: Cloud Map believes whoever says it.

use std::collections::BTreeMap;

use shapes::servicediscovery as shape;
use state::{Change, Context, DiscoveryHealth, DiscoveryInstance, Draft, State};

use super::registration::count_change;
use super::{Error, find, view};
use crate::page::{HUNDRED, Page};

/// `UpdateInstanceCustomHealthStatus`.
///
/// Differs: what is told is in force at once; AWS waits for about thirty seconds.
///
/// # Errors
///
/// [`Error::ServiceNotFound`], [`Error::InstanceNotFound`]; [`Error::CustomHealthNotFound`] for a
/// service without `HealthCheckCustomConfig`.
pub(super) fn update_instance_custom_health_status(
    draft: &mut Draft<'_>,
    ask: shape::UpdateInstanceCustomHealthStatusRequest,
    _: &mut Context<'_>,
) -> Result<shapes::Empty, Error> {
    let state = draft.state();
    let service = find::service(state, ask.service_id.as_deref())?.clone();
    if !service.custom_health {
        return Err(Error::CustomHealthNotFound(service.id.clone()));
    }
    let found = find::instance(state, &service, ask.instance_id.as_deref())?.as_ref().clone();
    let health = match ask.status {
        Some(shape::CustomHealthStatus::Unhealthy) => DiscoveryHealth::Unhealthy,
        _ => DiscoveryHealth::Healthy,
    };
    if found.health != Some(health) {
        draft.change(Change::from(DiscoveryInstance { health: Some(health), ..found }));
        count_change(draft, &service);
    }
    Ok(shapes::Empty {})
}

/// `GetInstancesHealthStatus`: of those that are named, or of all.
///
/// # Errors
///
/// [`Error::ServiceNotFound`], [`Error::InstanceNotFound`], [`Error::InvalidInput`].
pub(super) fn get_instances_health_status(
    state: &State,
    ask: shape::GetInstancesHealthStatusRequest,
    _: &Context<'_>,
) -> Result<shape::GetInstancesHealthStatusResponse, Error> {
    let service = find::service(state, ask.service_id.as_deref())?;
    let mut asked = ask.instances;
    if let Some(ids) = &mut asked {
        ids.sort();
        ids.dedup();
    }
    let scope = format!("GetInstancesHealthStatus {} {asked:?}", service.id);
    let page = Page::parse(scope, ask.next_token.as_deref(), ask.max_results, HUNDRED)?;
    let after = page.after().unwrap_or_default();
    let all = state.indexes().discovery().registered(&service.id);
    let ids: &[String] = asked.as_deref().unwrap_or(all);
    let start = ids.partition_point(|it| it.as_str() <= after);
    let (items, next_token) = page.cut(ids.iter().skip(start), |it| (*it).clone());
    let mut status = BTreeMap::new();
    for id in items {
        let found = find::instance(state, service, Some(id))?;
        status.insert(id.clone(), view::health(found));
    }
    Ok(shape::GetInstancesHealthStatusResponse { status: Some(status), next_token })
}
