//! Changes of namespaces: their descriptions, and how long their SOA records may be kept.

use shapes::servicediscovery as shape;
use state::{Change, Context, Draft, NamedOperation, Namespace, NamespaceKind};

use super::namespaces::seconds;
use super::operations::{self, Kind};
use super::{Error, find, zone};

/// What a client wants changed.
struct Wanted {
    id: Option<String>,
    request_id: Option<String>,
    description: Option<String>,
    soa_ttl: Option<u32>,
}

/// `UpdateHttpNamespace`.
///
/// # Errors
///
/// [`Error::NamespaceNotFound`], [`Error::InvalidInput`] for a namespace of another type.
pub(super) fn update_http_namespace(
    draft: &mut Draft<'_>,
    ask: shape::UpdateHttpNamespaceRequest,
    context: &mut Context<'_>,
) -> Result<shape::UpdateHttpNamespaceResponse, Error> {
    let wanted = Wanted {
        id: ask.id,
        request_id: ask.updater_request_id,
        description: ask.namespace.and_then(|it| it.description),
        soa_ttl: None,
    };
    let is_http = |it: &NamespaceKind| matches!(it, NamespaceKind::Http);
    let operation_id = Some(update(draft, wanted, is_http, context)?);
    Ok(shape::UpdateHttpNamespaceResponse { operation_id })
}

/// `UpdatePrivateDnsNamespace`.
///
/// # Errors
///
/// As `UpdateHttpNamespace`.
pub(super) fn update_private_dns_namespace(
    draft: &mut Draft<'_>,
    ask: shape::UpdatePrivateDnsNamespaceRequest,
    context: &mut Context<'_>,
) -> Result<shape::UpdatePrivateDnsNamespaceResponse, Error> {
    let change = ask.namespace.unwrap_or_default();
    let soa = change.properties.and_then(|it| it.dns_properties).and_then(|it| it.soa);
    let wanted = Wanted {
        id: ask.id,
        request_id: ask.updater_request_id,
        description: change.description,
        soa_ttl: soa.and_then(|it| it.ttl).map(seconds),
    };
    let is_private = |it: &NamespaceKind| matches!(it, NamespaceKind::PrivateDns { .. });
    let operation_id = Some(update(draft, wanted, is_private, context)?);
    Ok(shape::UpdatePrivateDnsNamespaceResponse { operation_id })
}

/// `UpdatePublicDnsNamespace`.
///
/// # Errors
///
/// As `UpdateHttpNamespace`.
pub(super) fn update_public_dns_namespace(
    draft: &mut Draft<'_>,
    ask: shape::UpdatePublicDnsNamespaceRequest,
    context: &mut Context<'_>,
) -> Result<shape::UpdatePublicDnsNamespaceResponse, Error> {
    let change = ask.namespace.unwrap_or_default();
    let soa = change.properties.and_then(|it| it.dns_properties).and_then(|it| it.soa);
    let wanted = Wanted {
        id: ask.id,
        request_id: ask.updater_request_id,
        description: change.description,
        soa_ttl: soa.and_then(|it| it.ttl).map(seconds),
    };
    let is_public = |it: &NamespaceKind| matches!(it, NamespaceKind::PublicDns { .. });
    let operation_id = Some(update(draft, wanted, is_public, context)?);
    Ok(shape::UpdatePublicDnsNamespaceResponse { operation_id })
}

/// Makes a change, or answers with its operation when the same request comes again.
fn update(
    draft: &mut Draft<'_>,
    wanted: Wanted,
    fits: fn(&NamespaceKind) -> bool,
    context: &mut Context<'_>,
) -> Result<String, Error> {
    let before = find::namespace(draft.state(), wanted.id.as_deref())?.as_ref().clone();
    if !fits(&before.kind) {
        return Err(Error::input(format!("Namespace {} is of another type.", before.id)));
    }
    let last = before.last_update.as_ref();
    if let Some(last) = last.filter(|it| Some(&it.request_id) == wanted.request_id.as_ref()) {
        return Ok(last.operation.clone());
    }
    if let (Some(zone), Some(ttl)) = (before.kind.zone(), wanted.soa_ttl) {
        zone::set_soa_ttl(draft, zone, ttl);
    }
    let operation = operations::new_id(context);
    let named = |request_id| NamedOperation { request_id, operation: operation.clone() };
    let id = before.id.clone();
    draft.change(Change::from(Namespace {
        description: wanted.description.or(before.description),
        last_update: wanted.request_id.map(named),
        ..before
    }));
    let targets = [(operations::NAMESPACE, id.as_str())];
    operations::note(draft, context, &operation, Kind::UpdateNamespace, &targets);
    Ok(operation)
}
