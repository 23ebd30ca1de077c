//! Instances come and go.

use plan::names;
use shapes::servicediscovery as shape;
use state::{
    Change, Context, DiscoveryInstance, DiscoveryInstanceKey, DiscoveryService, DnsRecordKind,
    Draft, NamedOperation, State,
};

use super::operations::{self, Kind};
use super::{Error, attributes, dns, find};

/// Instances of one service. Source: AWS Cloud Map Developer Guide, "Quotas".
const INSTANCES_MAX: usize = 1_000;

/// `RegisterInstance`: one that is there gets the new attributes.
///
/// # Errors
///
/// [`Error::ServiceNotFound`], [`Error::InvalidInput`], [`Error::ResourceLimitExceeded`];
/// [`Error::DuplicateRequest`] for a request id that came with other attributes before.
pub(super) fn register_instance(
    draft: &mut Draft<'_>,
    ask: shape::RegisterInstanceRequest,
    context: &mut Context<'_>,
) -> Result<shape::RegisterInstanceResponse, Error> {
    let state = draft.state();
    let service = find::service(state, ask.service_id.as_deref())?.clone();
    let id = ask.instance_id.unwrap_or_default();
    let asked = ask.attributes.unwrap_or_default();
    attributes::check(&service, &asked)?;
    check_name(state, &service, &id)?;
    let attributes = attributes::complete(state, asked)?;
    let key = DiscoveryInstanceKey { service: service.id.clone(), id: id.clone() };
    let before = state.discovery_instances().get(&key).cloned();
    let last = before.as_ref().and_then(|it| it.registration.as_ref());
    if let Some(last) = last.filter(|it| Some(&it.request_id) == ask.creator_request_id.as_ref()) {
        let is_same = before.as_ref().is_some_and(|it| it.attributes == attributes);
        return match is_same {
            true => {
                Ok(shape::RegisterInstanceResponse { operation_id: Some(last.operation.clone()) })
            }
            false => Err(Error::DuplicateRequest(last.operation.clone())),
        };
    }
    let registered = state.indexes().discovery().registered(&service.id).len();
    if before.is_none() && registered >= INSTANCES_MAX {
        return Err(Error::ResourceLimitExceeded(format!(
            "A service can have at most {INSTANCES_MAX} instances."
        )));
    }
    let operation = operations::new_id(context);
    let named = |request_id| NamedOperation { request_id, operation: operation.clone() };
    let health = before.as_ref().and_then(|it| it.health);
    draft.change(Change::from(DiscoveryInstance {
        key,
        health: attributes::health(&service, &attributes, health),
        attributes,
        registration: ask.creator_request_id.map(named),
        created_at: before.map_or(context.now, |it| it.created_at),
    }));
    count_change(draft, &service);
    let targets = [(operations::INSTANCE, id.as_str()), (operations::SERVICE, &service.id)];
    operations::note(draft, context, &operation, Kind::RegisterInstance, &targets);
    Ok(shape::RegisterInstanceResponse { operation_id: Some(operation) })
}

/// An instance that SRV records lead to needs a name of its own.
fn check_name(state: &State, service: &DiscoveryService, id: &str) -> Result<(), Error> {
    if !dns::has(service, DnsRecordKind::Srv) {
        return Ok(());
    }
    let namespace = find::namespace_of(state, service)?;
    match names::canonical(&format!("{id}.{}.{}", service.name, namespace.name)) {
        Ok(_) => Ok(()),
        Err(problem) => Err(Error::input(format!(
            "The service has records of type SRV, and '{id}' cannot be part of a name: {problem}."
        ))),
    }
}

/// Notes that the instances of a service are not what they were.
pub(super) fn count_change(draft: &mut Draft<'_>, service: &DiscoveryService) {
    let revision = service.revision + 1;
    draft.change(Change::from(DiscoveryService { revision, ..service.clone() }));
}

/// `DeregisterInstance`.
///
/// # Errors
///
/// [`Error::ServiceNotFound`], [`Error::InstanceNotFound`].
pub(super) fn deregister_instance(
    draft: &mut Draft<'_>,
    ask: shape::DeregisterInstanceRequest,
    context: &mut Context<'_>,
) -> Result<shape::DeregisterInstanceResponse, Error> {
    let state = draft.state();
    let service = find::service(state, ask.service_id.as_deref())?.clone();
    let key = find::instance(state, &service, ask.instance_id.as_deref())?.key.clone();
    let id = key.id.clone();
    draft.change(Change::DiscoveryInstance(key, None));
    count_change(draft, &service);
    let operation = operations::new_id(context);
    let targets = [(operations::INSTANCE, id.as_str()), (operations::SERVICE, &service.id)];
    operations::note(draft, context, &operation, Kind::DeregisterInstance, &targets);
    Ok(shape::DeregisterInstanceResponse { operation_id: Some(operation) })
}
