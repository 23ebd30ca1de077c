//! Services: made, described, changed and deleted.

use std::collections::BTreeMap;

use shapes::servicediscovery as shape;
use state::{Change, Context, DiscoveryService, Draft, Namespace, NamespaceKind, State};

use super::error::Standing;
use super::filter::{self, Condition};
use super::operations::{self, Kind};
use super::{Error, attributes, dns, find, tags, view};
use crate::page::{HUNDRED, Page};

/// Services of a namespace, so that lists end.
const SERVICES_MAX: usize = 10_000;
/// Characters of a name. Source: API Reference, `CreateService`.
const NAME_MAX: usize = 127;

/// `CreateService`.
///
/// # Errors
///
/// [`Error::NamespaceNotFound`], [`Error::ServiceAlreadyExists`], [`Error::InvalidInput`],
/// [`Error::ResourceLimitExceeded`], [`Error::TooManyTags`].
pub(super) fn create_service(
    draft: &mut Draft<'_>,
    ask: shape::CreateServiceRequest,
    context: &mut Context<'_>,
) -> Result<shape::CreateServiceResponse, Error> {
    let state = draft.state();
    let namespace = namespace(state, &ask)?;
    let wanted = wanted(namespace, &ask)?;
    if let Some(standing) = standing(state, namespace, &wanted) {
        if !is_repeat(standing, &wanted) {
            return Err(Error::ServiceAlreadyExists(Standing {
                id: standing.id.clone(),
                arn: find::service_arn(state, &standing.id),
                creator_request_id: standing.creator_request_id.clone(),
            }));
        }
        let service = Some(view::service(state, standing));
        return Ok(shape::CreateServiceResponse { service });
    }
    if state.indexes().discovery().services_of(&namespace.id).count() >= SERVICES_MAX {
        return Err(Error::ResourceLimitExceeded(format!(
            "A namespace can have at most {SERVICES_MAX} services."
        )));
    }
    let id = find::new_id("srv", context);
    let service = DiscoveryService { id, created_at: context.now, ..wanted };
    draft.change(Change::from(service.clone()));
    let service = Some(view::service(draft.state(), &service));
    Ok(shape::CreateServiceResponse { service })
}

/// The namespace that a request names, here or there.
fn namespace<'a>(
    state: &'a State,
    ask: &shape::CreateServiceRequest,
) -> Result<&'a Namespace, Error> {
    let older = ask.dns_config.as_ref().and_then(|it| it.namespace_id.as_deref());
    let (Some(asked), other) = (ask.namespace_id.as_deref().or(older), older) else {
        return Err(Error::input("Service namespace id cannot be null"));
    };
    let found = find::namespace(state, Some(asked))?;
    match other {
        Some(other) if find::namespace(state, Some(other))?.id != found.id => {
            Err(Error::input("The request names two namespaces."))
        }
        _ => Ok(found),
    }
}

/// The service that a request asks for, without an id and a time.
fn wanted(
    namespace: &Namespace,
    ask: &shape::CreateServiceRequest,
) -> Result<DiscoveryService, Error> {
    let name = ask.name.clone().unwrap_or_default();
    if name.len() > NAME_MAX || name == "." {
        return Err(Error::input(format!("'{name}' is not the name of a service.")));
    }
    refuse_checks(ask.health_check_config.as_ref())?;
    let config = ask.dns_config.clone();
    let is_http = namespace.kind == NamespaceKind::Http || ask.r#type.is_some();
    if is_http && config.is_some() {
        return Err(Error::input(
            "When you specify an HTTP service, you can't include a DnsConfig element.",
        ));
    }
    let config = config.unwrap_or_default();
    let dns = dns::parse(config.dns_records, config.routing_policy.as_ref())?;
    if dns.is_some() {
        dns::check_name(namespace, &name)?;
    }
    Ok(DiscoveryService {
        id: String::new(),
        namespace: namespace.id.clone(),
        name,
        description: ask.description.clone(),
        creator_request_id: ask.creator_request_id.clone(),
        dns,
        custom_health: ask.health_check_custom_config.is_some(),
        attributes: BTreeMap::new(),
        tags: tags::parse(ask.tags.clone())?,
        created_at: types::Timestamp(0),
        revision: 0,
    })
}

/// Checks from everywhere in the world are Route 53's, and there are none here.
fn refuse_checks(config: Option<&shape::HealthCheckConfig>) -> Result<(), Error> {
    match config {
        Some(_) => Err(Error::input(
            "Health checks by Route 53 (HealthCheckConfig) are not supported by this region yet. \
             Use HealthCheckCustomConfig.",
        )),
        None => Ok(()),
    }
}

/// The service that has the name already: records have names in whatever case.
fn standing<'a>(
    state: &'a State,
    namespace: &Namespace,
    wanted: &DiscoveryService,
) -> Option<&'a DiscoveryService> {
    let same = state.indexes().discovery().service_named(&namespace.id, &wanted.name);
    if let Some(found) = same.and_then(|it| state.discovery_services().get(it)) {
        return Some(found);
    }
    wanted.dns.as_ref().and_then(|_| dns::standing(state, namespace, &wanted.name))
}

/// Whether a request asks for what an earlier one made, under the same request id.
fn is_repeat(standing: &DiscoveryService, wanted: &DiscoveryService) -> bool {
    wanted.creator_request_id.is_some()
        && standing.creator_request_id == wanted.creator_request_id
        && standing.name == wanted.name
        && standing.description == wanted.description
        && standing.dns == wanted.dns
        && standing.custom_health == wanted.custom_health
        && standing.tags == wanted.tags
}

/// `UpdateService`: what a change leaves out of the records is deleted, also all of them.
///
/// Source: API Reference, `UpdateService`.
///
/// # Errors
///
/// [`Error::ServiceNotFound`]; [`Error::InvalidInput`], also for records that a registered instance
/// has no value for.
pub(super) fn update_service(
    draft: &mut Draft<'_>,
    ask: shape::UpdateServiceRequest,
    context: &mut Context<'_>,
) -> Result<shape::UpdateServiceResponse, Error> {
    let state = draft.state();
    let before = find::service(state, ask.id.as_deref())?.as_ref().clone();
    let change = ask.service.unwrap_or_default();
    refuse_checks(change.health_check_config.as_ref())?;
    let routing = before.dns.as_ref().map(|it| view::routing(it.routing));
    let records = change.dns_config.and_then(|it| it.dns_records);
    let after = DiscoveryService {
        description: change.description.or(before.description.clone()),
        dns: dns::parse(records, routing.as_ref())?,
        ..before.clone()
    };
    if after.dns.is_some() && before.dns.is_none() {
        let namespace = find::namespace_of(state, &after)?;
        if namespace.kind == NamespaceKind::Http {
            return Err(Error::input("A service of an HTTP namespace cannot have DNS records."));
        }
        dns::check_name(namespace, &after.name)?;
        if dns::standing(state, namespace, &after.name).is_some() {
            return Err(Error::input("Another service has this name in DNS."));
        }
    }
    for id in state.indexes().discovery().registered(&after.id) {
        attributes::check(&after, &find::instance(state, &after, Some(id))?.attributes)?;
    }
    let id = after.id.clone();
    draft.change(Change::from(after));
    let operation = operations::new_id(context);
    let targets = [(operations::SERVICE, id.as_str())];
    operations::note(draft, context, &operation, Kind::UpdateService, &targets);
    Ok(shape::UpdateServiceResponse { operation_id: Some(operation) })
}

/// `DeleteService`: one without instances.
///
/// # Errors
///
/// [`Error::ServiceNotFound`], [`Error::ResourceInUse`].
pub(super) fn delete_service(
    draft: &mut Draft<'_>,
    ask: shape::DeleteServiceRequest,
    _: &mut Context<'_>,
) -> Result<shape::DeleteServiceResponse, Error> {
    let state = draft.state();
    let id = find::service(state, ask.id.as_deref())?.id.clone();
    if !state.indexes().discovery().registered(&id).is_empty() {
        return Err(Error::ResourceInUse(
            "Service contains registered instances; delete the instances before deleting the \
             service",
        ));
    }
    draft.change(Change::DiscoveryService(id, None));
    Ok(shape::DeleteServiceResponse {})
}

/// `GetService`.
///
/// # Errors
///
/// [`Error::ServiceNotFound`].
pub(super) fn get_service(
    state: &State,
    ask: shape::GetServiceRequest,
    _: &Context<'_>,
) -> Result<shape::GetServiceResponse, Error> {
    let found = find::service(state, ask.id.as_deref())?;
    Ok(shape::GetServiceResponse { service: Some(view::service(state, found)) })
}

/// `ListServices`: of one namespace by its index, otherwise in order of their ids.
///
/// # Errors
///
/// [`Error::InvalidInput`].
pub(super) fn list_services(
    state: &State,
    ask: shape::ListServicesRequest,
    _: &Context<'_>,
) -> Result<shape::ListServicesResponse, Error> {
    let filters = filters(state, ask.filters)?;
    let scope = format!("ListServices {filters:?}");
    let page = Page::parse(scope, ask.next_token.as_deref(), ask.max_results, HUNDRED)?;
    let after = page.after().unwrap_or_default();
    let mut ids: Vec<&String> = match filters.get("NAMESPACE_ID") {
        Some(Condition::OneOf(namespaces)) => {
            namespaces.iter().flat_map(|it| state.indexes().discovery().services_of(it)).collect()
        }
        _ => state.discovery_services().keys().collect(),
    };
    ids.retain(|it| it.as_str() > after);
    if filters.get("RESOURCE_OWNER").is_some_and(|it| !it.holds("SELF")) {
        ids.clear();
    }
    ids.sort();
    ids.dedup();
    let found = ids.into_iter().filter_map(|it| state.discovery_services().get(it));
    let (items, next_token) = page.cut(found, |it| it.id.clone());
    let services = items.into_iter().map(|it| view::service_summary(state, it)).collect();
    Ok(shape::ListServicesResponse { services: Some(services), next_token })
}

fn filters(
    state: &State,
    asked: Option<Vec<shape::ServiceFilter>>,
) -> Result<BTreeMap<String, Condition>, Error> {
    let mut all = BTreeMap::new();
    for it in asked.into_iter().flatten() {
        let name = it.name.map(|it| it.as_str().to_owned()).unwrap_or_default();
        let allowed = if name == "NAMESPACE_ID" { filter::ONE_OF } else { filter::EQUAL };
        let mut condition = filter::parse(&name, it.condition.as_ref(), it.values, allowed)?;
        if let ("NAMESPACE_ID", Condition::OneOf(namespaces)) = (name.as_str(), &mut condition) {
            // An ARN stands for the id in it.
            for asked in namespaces {
                if let Ok(found) = find::namespace(state, Some(asked)) {
                    asked.clone_from(&found.id);
                }
            }
        }
        all.insert(name, condition);
    }
    Ok(all)
}
