//! Namespaces, services and instances by what requests call them, and new ids.

use std::sync::Arc;

use state::{Context, DiscoveryInstance, DiscoveryInstanceKey, DiscoveryService, Namespace, State};

use super::Error;

/// Letters and digits of an id behind its prefix.
const ID_LETTERS: usize = 16;

/// A namespace by its id or ARN.
///
/// # Errors
///
/// [`Error::NamespaceNotFound`].
pub(super) fn namespace<'a>(
    state: &'a State,
    asked: Option<&str>,
) -> Result<&'a Arc<Namespace>, Error> {
    let asked = asked.unwrap_or_default();
    let found = id(state, asked, "namespace").and_then(|id| state.namespaces().get(id));
    found.ok_or_else(|| Error::NamespaceNotFound(asked.to_owned()))
}

/// A service by its id or ARN.
///
/// # Errors
///
/// [`Error::ServiceNotFound`].
pub(super) fn service<'a>(
    state: &'a State,
    asked: Option<&str>,
) -> Result<&'a Arc<DiscoveryService>, Error> {
    let asked = asked.unwrap_or_default();
    let found = id(state, asked, "service").and_then(|id| state.discovery_services().get(id));
    found.ok_or_else(|| Error::ServiceNotFound(asked.to_owned()))
}

/// An instance of a service.
///
/// # Errors
///
/// [`Error::InstanceNotFound`].
pub(super) fn instance<'a>(
    state: &'a State,
    service: &DiscoveryService,
    asked: Option<&str>,
) -> Result<&'a Arc<DiscoveryInstance>, Error> {
    let key = DiscoveryInstanceKey {
        service: service.id.clone(),
        id: asked.unwrap_or_default().to_owned(),
    };
    state.discovery_instances().get(&key).ok_or(Error::InstanceNotFound(key.id))
}

/// The namespace that a service is in.
pub(super) fn namespace_of<'a>(
    state: &'a State,
    service: &DiscoveryService,
) -> Result<&'a Arc<Namespace>, Error> {
    namespace(state, Some(&service.namespace))
}

/// The id in an ARN of this region, or the id itself.
fn id<'a>(state: &State, asked: &'a str, kind: &str) -> Option<&'a str> {
    if !asked.starts_with("arn:") {
        return Some(asked);
    }
    asked.strip_prefix(&arn(state, kind, ""))
}

/// The ARN of a resource.
fn arn(state: &State, kind: &str, id: &str) -> String {
    let home = state.home();
    format!("arn:aws:servicediscovery:{}:{}:{kind}/{id}", home.region, home.account)
}

/// The ARN of a namespace.
pub(crate) fn namespace_arn(state: &State, id: &str) -> String {
    arn(state, "namespace", id)
}

/// The ARN of a service.
pub(crate) fn service_arn(state: &State, id: &str) -> String {
    arn(state, "service", id)
}

/// Refuses what is said to belong to another account: nothing of it is here.
pub(super) fn check_owner(state: &State, owner: Option<&str>, refusal: Error) -> Result<(), Error> {
    match owner {
        Some(owner) if owner != state.home().account.as_str() => Err(refusal),
        _ => Ok(()),
    }
}

/// A new id, such as `ns-0a1b2c3d4e5f6g7h`.
pub(super) fn new_id(prefix: &str, context: &mut Context<'_>) -> String {
    const LETTERS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let letter = |_| {
        let place = usize::try_from(context.dice.below(36)).unwrap_or_default();
        char::from(*LETTERS.get(place).unwrap_or(&b'0'))
    };
    format!("{prefix}-{}", (0..ID_LETTERS).map(letter).collect::<String>())
}
