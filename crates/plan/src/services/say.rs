//! Events of services as rows: the newest hundred are kept.

use state::{Change, Context, Draft, Service, ServiceEvent, ServiceEventKey, ServiceKey};

/// So many events of a service are kept. Source: handbook 5.5.
const EVENTS_KEPT: u64 = 100;

/// Changes that one event makes: itself, the service's count, and the oldest event.
pub const CHANGES_OF_EVENT: usize = 3;

/// Notes that something has happened to a service. Nothing if there is no such service.
pub fn say(draft: &mut Draft<'_>, key: &ServiceKey, sentence: &str, context: &mut Context<'_>) {
    let Some(service) = draft.state().services().get(key).cloned() else { return };
    let number = service.last_event + 1;
    let of = |number| ServiceEventKey { service: key.clone(), number };
    draft.change(Change::from(ServiceEvent {
        key: of(number),
        at: context.now,
        id: context.dice.bits().to_be_bytes().into(),
        message: message(key, sentence),
    }));
    draft.change(Change::from(Service { last_event: number, ..service.as_ref().clone() }));
    if let Some(oldest) = number.checked_sub(EVENTS_KEPT).map(of)
        && draft.state().service_events().contains_key(&oldest)
    {
        draft.change(Change::ServiceEvent(oldest, None));
    }
}

/// A sentence with the service's name before it.
pub(super) fn message(service: &ServiceKey, sentence: &str) -> String {
    format!("(service {}) {sentence}", service.name)
}
