//! Events of services as rows: the newest hundred are kept.

use state::{
    Change, Context, Draft, Remark, RemarkKind, Service, ServiceEvent, ServiceEventKey, ServiceKey,
};

use super::events;

/// So many events of a service are kept. Source: handbook 5.5.
const EVENTS_KEPT: u64 = 100;

/// Changes that one event makes: itself, the service's count, and the oldest event.
pub const CHANGES_OF_EVENT: usize = 3;

/// Notes that something has happened to a service. Nothing if there is no such service.
pub fn say(draft: &mut Draft<'_>, key: &ServiceKey, sentence: &str, context: &mut Context<'_>) {
    let Some(service) = draft.state().services().get(key) else { return };
    let mut service = Service::clone(service);
    add_event(draft, &mut service, sentence, context);
    draft.change(Change::from(service));
}

/// Notes that something is so of a service; said once, and again when it has not been so meanwhile.
pub fn remark(
    draft: &mut Draft<'_>,
    key: &ServiceKey,
    kind: RemarkKind,
    sentence: String,
    context: &mut Context<'_>,
) {
    let Some(service) = draft.state().services().get(key) else { return };
    let mut service = Service::clone(service);
    if service.remarks.add(Remark { kind, sentence: sentence.clone() }) {
        add_event(draft, &mut service, &sentence, context);
        draft.change(Change::from(service));
    }
}

/// Adds an event to a service whose row the caller writes; the oldest one goes.
pub fn add_event(
    draft: &mut Draft<'_>,
    service: &mut Service,
    sentence: &str,
    context: &mut Context<'_>,
) {
    service.last_event += 1;
    let of = |number| ServiceEventKey { service: service.key.clone(), number };
    draft.change(Change::from(ServiceEvent {
        key: of(service.last_event),
        at: context.now,
        id: context.dice.bits().to_be_bytes().into(),
        message: events::of(&service.key, sentence),
    }));
    if let Some(oldest) = service.last_event.checked_sub(EVENTS_KEPT).map(of)
        && draft.state().service_events().contains_key(&oldest)
    {
        draft.change(Change::ServiceEvent(oldest, None));
    }
}
