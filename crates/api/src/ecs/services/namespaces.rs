//! `ListServicesByNamespace`: services that use a Cloud Map namespace for Service Connect.

use core::ops::Bound;
use std::sync::Arc;

use shapes::ecs as shape;
use state::{Context, Namespace, Service, ServiceKey, ServiceStatus, State};
use types::{Arn, ClusterName, ServiceName};

use super::rollout;
use crate::ecs::Error;
use crate::ecs::page::{Page, TEN};

/// `ListServicesByNamespace`: of all clusters, by cluster and name. A namespace that services are
/// only discovered in, through `serviceRegistries`, is not meant.
///
/// # Errors
///
/// [`Error::NamespaceNotFound`]; [`Error::InvalidParameter`] for a bad page.
///
/// Source: Amazon ECS API Reference, `ListServicesByNamespace`.
pub(crate) fn list_services_by_namespace(
    state: &State,
    ask: shape::ListServicesByNamespaceRequest,
    _: &Context<'_>,
) -> Result<shape::ListServicesByNamespaceResponse, Error> {
    let asked = ask.namespace.unwrap_or_default();
    let namespace = namespace(state, &asked).ok_or_else(|| {
        Error::NamespaceNotFound(format!("The namespace '{asked}' was not found."))
    })?;
    let scope = format!("ListServicesByNamespace {}", namespace.id);
    let page = Page::parse(scope, ask.next_token.as_deref(), ask.max_results, TEN)?;
    let after = page.after().and_then(key);
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    let rows = state.services().range((from, Bound::Unbounded)).map(|(_, it)| it);
    let matching =
        rows.filter(|it| it.status == ServiceStatus::Active && is_connected(state, it, namespace));
    let text = |it: &&Arc<Service>| format!("{}/{}", it.key.cluster, it.key.name);
    let (services, next_token) = page.cut(matching, text);
    let arn = |it: &Arc<Service>| state.home().service(&it.key.cluster, &it.key.name);
    let arns = services.into_iter().map(arn).collect();
    Ok(shape::ListServicesByNamespaceResponse { service_arns: Some(arns), next_token })
}

fn key(text: &str) -> Option<ServiceKey> {
    let (cluster, name) = text.split_once('/')?;
    let (cluster, name) = (ClusterName::parse(cluster).ok()?, ServiceName::parse(name).ok()?);
    Some(ServiceKey { cluster, name })
}

/// A namespace by name, id or ARN.
fn namespace<'a>(state: &'a State, text: &str) -> Option<&'a Namespace> {
    let id = match Arn::parse(text) {
        Some(arn) => arn.resource.strip_prefix("namespace/")?,
        None => text,
    };
    let by_name = || state.namespaces().values().find(|it| it.name == text);
    state.namespaces().get(id).or_else(by_name).map(|it| &**it)
}

fn is_connected(state: &State, service: &Service, to: &Namespace) -> bool {
    let connect = rollout::in_force(state, service).service_connect_configuration;
    let on = connect.filter(|it| it.enabled.unwrap_or(false));
    let named = on.and_then(|it| it.namespace);
    named.is_some_and(|it| namespace(state, &it).is_some_and(|it| it.id == to.id))
}
