//! Instances as clients find them without DNS.

use std::collections::BTreeMap;
use std::sync::Arc;

use shapes::servicediscovery as shape;
use state::{Context, DiscoveryInstance, DiscoveryService, Namespace, State};

use super::{Error, find, view};

/// Instances in an answer where nothing is said. Source: API Reference, `DiscoverInstances`.
const INSTANCES_DEFAULT: usize = 100;

type Wanted = Option<BTreeMap<String, String>>;

/// `DiscoverInstances`: those that have all query parameters; of them, if there are any, those that
/// have all optional parameters too.
///
/// They begin at one of them by chance, so that clients that take the first do not all take the
/// same. O(instances of the service).
///
/// # Errors
///
/// [`Error::NamespaceNotFound`], [`Error::ServiceNotFound`].
pub(super) fn discover_instances(
    state: &State,
    ask: shape::DiscoverInstancesRequest,
    context: &Context<'_>,
) -> Result<shape::DiscoverInstancesResponse, Error> {
    let owner = ask.owner_account.as_deref();
    let (namespace, service) =
        service(state, ask.namespace_name.as_deref(), ask.service_name.as_deref(), owner)?;
    let ids = state.indexes().discovery().registered(&service.id);
    let count = u128::try_from(ids.len().max(1)).unwrap_or(1);
    let first = usize::try_from(context.request_id % count).unwrap_or_default();
    let turned = ids.iter().cycle().skip(first).take(ids.len());
    let all = turned.filter_map(|id| find::instance(state, service, Some(id)).ok());
    let mut found: Vec<&Arc<DiscoveryInstance>> =
        all.filter(|it| has(it, &ask.query_parameters)).collect();
    found = healthy(service, found, ask.health_status.as_ref());
    let preferred: Vec<_> =
        found.iter().copied().filter(|it| has(it, &ask.optional_parameters)).collect();
    if !preferred.is_empty() {
        found = preferred;
    }
    let most = ask.max_results.and_then(|it| usize::try_from(it).ok());
    found.truncate(most.unwrap_or(INSTANCES_DEFAULT));
    let summary = |it: &Arc<DiscoveryInstance>| shape::HttpInstanceSummary {
        instance_id: Some(it.key.id.clone()),
        namespace_name: Some(namespace.http_name.clone()),
        service_name: Some(service.name.clone()),
        health_status: Some(view::health(it)),
        attributes: Some(it.attributes.clone()),
    };
    Ok(shape::DiscoverInstancesResponse {
        instances: Some(found.into_iter().map(summary).collect()),
        instances_revision: i64::try_from(service.revision).ok(),
    })
}

/// `DiscoverInstancesRevision`: whether it is worth while to ask again.
///
/// # Errors
///
/// [`Error::NamespaceNotFound`], [`Error::ServiceNotFound`].
pub(super) fn discover_instances_revision(
    state: &State,
    ask: shape::DiscoverInstancesRevisionRequest,
    _: &Context<'_>,
) -> Result<shape::DiscoverInstancesRevisionResponse, Error> {
    let owner = ask.owner_account.as_deref();
    let (_, service) =
        service(state, ask.namespace_name.as_deref(), ask.service_name.as_deref(), owner)?;
    let instances_revision = i64::try_from(service.revision).ok();
    Ok(shape::DiscoverInstancesRevisionResponse { instances_revision })
}

fn service<'a>(
    state: &'a State,
    namespace: Option<&str>,
    service: Option<&str>,
    owner: Option<&str>,
) -> Result<(&'a Namespace, &'a DiscoveryService), Error> {
    let (namespace, service) = (namespace.unwrap_or_default(), service.unwrap_or_default());
    let index = state.indexes().discovery();
    let unknown = || Error::NamespaceNotFound(namespace.to_owned());
    find::check_owner(state, owner, unknown())?;
    let id = index.namespace_named(namespace).ok_or_else(unknown)?;
    let namespace = find::namespace(state, Some(id))?;
    let id = index.service_named(id, service);
    let id = id.ok_or_else(|| Error::ServiceNotFound(service.to_owned()))?;
    Ok((namespace, find::service(state, Some(id))?))
}

fn has(instance: &DiscoveryInstance, wanted: &Wanted) -> bool {
    let is = |(key, value): (&String, &String)| instance.attributes.get(key) == Some(value);
    wanted.iter().flatten().all(is)
}

/// Those with the health that is asked for; all of them where the service has no health check.
fn healthy<'a>(
    service: &DiscoveryService,
    found: Vec<&'a Arc<DiscoveryInstance>>,
    asked: Option<&shape::HealthStatusFilter>,
) -> Vec<&'a Arc<DiscoveryInstance>> {
    use shape::HealthStatusFilter as Filter;
    let with = |is_healthy: bool| {
        let fits = |it: &&Arc<DiscoveryInstance>| it.is_healthy() == is_healthy;
        found.iter().copied().filter(fits).collect::<Vec<_>>()
    };
    match asked {
        _ if !service.custom_health => found,
        Some(Filter::Healthy) => with(true),
        Some(Filter::Unhealthy) => with(false),
        Some(Filter::HealthyOrElseAll) => match with(true) {
            none if none.is_empty() => found,
            healthy => healthy,
        },
        _ => found,
    }
}
