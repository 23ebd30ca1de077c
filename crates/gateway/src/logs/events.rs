//! Log events: taken in, read, searched.

use shapes::logs as shape;
use telemetry::logs::{Event, From, Limits, Pattern, Place, Search};
use types::Timestamp;
use wire::Fault;

use super::{Desk, bad_token, fault, group_name, invalid, unhex};

/// Most events of one batch, and of one answer. Source: CloudWatch Logs quotas.
const EVENTS_MAX: usize = 10_000;
/// Most bytes of one batch, and of one answer. Source: as above.
const BYTES_MAX: usize = 1024 * 1024;
/// What each event of a batch counts on top of its message. Source: as above.
const EVENT_OVERHEAD: usize = 26;
const HOUR: i64 = 60 * 60 * 1000;
const DAY: i64 = 24 * HOUR;
/// Events older than this are not taken in. Source: API Reference, `PutLogEvents`.
const OLDEST: i64 = 14 * DAY;
/// Events further ahead than this are not taken in. Source: as above.
const NEWEST: i64 = 2 * HOUR;

pub(super) fn put(
    desk: &Desk<'_>,
    ask: shape::PutLogEventsRequest,
) -> Result<shape::PutLogEventsResponse, Fault> {
    let group = group_name(ask.log_group_name, None)?;
    let stream = ask.log_stream_name.unwrap_or_default();
    let events: Vec<_> =
        ask.log_events.unwrap_or_default().into_iter().map(|it| event(it, desk.now)).collect();
    check(&events)?;
    let (old, new) = (desk.now.0 - OLDEST, desk.now.0 + NEWEST);
    let too_old = events.iter().take_while(|it| it.timestamp < old).count();
    let until = events.iter().take_while(|it| it.timestamp <= new).count();
    let kept = events.get(too_old..until.max(too_old)).unwrap_or_default();
    desk.store.append(&group, &stream, kept).map_err(fault)?;
    let place = |it: usize| i32::try_from(it).ok();
    let rejected = shape::RejectedLogEventsInfo {
        too_old_log_event_end_index: place(too_old).filter(|it| *it > 0),
        too_new_log_event_start_index: place(until).filter(|_| until < events.len()),
        expired_log_event_end_index: None,
    };
    Ok(shape::PutLogEventsResponse {
        // Differs: AWS still makes tokens up and ignores them.
        next_sequence_token: Some("0".into()),
        rejected_log_events_info: (kept.len() < events.len()).then_some(rejected),
        rejected_entity_info: None,
    })
}

fn event(it: shape::InputLogEvent, now: Timestamp) -> Event {
    Event {
        timestamp: it.timestamp.unwrap_or_default(),
        ingested: now.0,
        message: it.message.unwrap_or_default(),
    }
}

fn check(events: &[Event]) -> Result<(), Fault> {
    if events.len() > EVENTS_MAX {
        return Err(invalid(format!("A batch has at most {EVENTS_MAX} log events.")));
    }
    let bytes: usize = events.iter().map(|it| it.message.len() + EVENT_OVERHEAD).sum();
    if bytes > BYTES_MAX {
        return Err(invalid(format!(
            "Upload too large: {bytes} bytes exceeds limit of {BYTES_MAX}"
        )));
    }
    if !events.is_sorted_by_key(|it| it.timestamp) {
        return Err(invalid(
            "Log events in a single PutLogEvents request must be in chronological order.",
        ));
    }
    match events.last().zip(events.first()) {
        Some((last, first)) if last.timestamp - first.timestamp > DAY => Err(invalid(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
        )),
        _ => Ok(()),
    }
}

pub(super) fn get(
    desk: &Desk<'_>,
    ask: shape::GetLogEventsRequest,
) -> Result<shape::GetLogEventsResponse, Fault> {
    let group = group_name(ask.log_group_name, ask.log_group_identifier)?;
    let stream = ask.log_stream_name.unwrap_or_default();
    let from = match ask.next_token.as_deref() {
        Some(token) => place(token)?,
        None if ask.start_from_head.unwrap_or(false) => From::Head,
        None => From::Tail,
    };
    let limits = limits(desk, &group, (ask.start_time, ask.end_time), ask.limit)?;
    let page = desk.store.read(&group, &stream, from, &limits).map_err(fault)?;
    let events = page.events.into_iter().map(|it| shape::OutputLogEvent {
        ingestion_time: Some(it.ingested),
        message: Some(it.message),
        timestamp: Some(it.timestamp),
    });
    Ok(shape::GetLogEventsResponse {
        events: Some(events.collect()),
        next_backward_token: Some(format!("b/{:056}", page.backward)),
        next_forward_token: Some(format!("f/{:056}", page.forward)),
    })
}

fn place(token: &str) -> Result<From, Fault> {
    let (way, number) = token.split_once('/').ok_or_else(bad_token)?;
    let place = number.parse().map_err(|_| bad_token())?;
    match way {
        "f" => Ok(From::Forward(place)),
        "b" => Ok(From::Backward(place)),
        _ => Err(bad_token()),
    }
}

pub(super) fn filter(
    desk: &Desk<'_>,
    ask: shape::FilterLogEventsRequest,
) -> Result<shape::FilterLogEventsResponse, Fault> {
    let group = group_name(ask.log_group_name, ask.log_group_identifier)?;
    let pattern = Pattern::parse(ask.filter_pattern.as_deref().unwrap_or_default())
        .map_err(|error| invalid(error.to_string()))?;
    let streams = ask.log_stream_names.unwrap_or_default();
    let prefix = ask.log_stream_name_prefix.unwrap_or_default();
    if !streams.is_empty() && !prefix.is_empty() {
        return Err(invalid(
            "logStreamNames and logStreamNamePrefix are mutually exclusive parameters.",
        ));
    }
    let after = match ask.next_token.as_deref() {
        None => None,
        Some(token) => Some(after(token).ok_or_else(bad_token)?),
    };
    let limits = limits(desk, &group, (ask.start_time, ask.end_time), ask.limit)?;
    let search = Search { streams, prefix, pattern, limits, after };
    let found = desk.store.search(&group, &search).map_err(fault)?;
    let next_token = found.more_after.map(|it| token(&it));
    let events = found.events.into_iter().map(|(stream, place, it)| shape::FilteredLogEvent {
        event_id: Some(format!("{:020}{place:036}", it.timestamp)),
        ingestion_time: Some(it.ingested),
        log_stream_name: Some(stream),
        message: Some(it.message),
        timestamp: Some(it.timestamp),
    });
    Ok(shape::FilterLogEventsResponse {
        events: Some(events.collect()),
        searched_log_streams: Some(Vec::new()),
        next_token,
    })
}

/// The token of the events after a place. It stays good while streams come, grow and go.
fn token(it: &Place) -> String {
    types::hex(format!("{}/{}/{}", it.at, it.place, it.stream).as_bytes())
}

fn after(token: &str) -> Option<Place> {
    let text = unhex(token)?;
    let (at, rest) = text.split_once('/')?;
    let (place, stream) = rest.split_once('/')?;
    Some(Place { at: at.parse().ok()?, stream: stream.to_owned(), place: place.parse().ok()? })
}

/// What an answer may hold. Events past their group's retention are not shown.
fn limits(
    desk: &Desk<'_>,
    group: &str,
    (start, end): (Option<i64>, Option<i64>),
    limit: Option<i32>,
) -> Result<Limits, Fault> {
    let groups = desk.store.groups(group);
    let days = groups.into_iter().find(|(it, _)| it.name == group);
    let days = days.and_then(|(it, _)| it.retention_days);
    let kept = days.map_or(i64::MIN, |days| desk.now.0 - i64::from(days) * DAY);
    let events = match limit {
        None => EVENTS_MAX,
        Some(it) => usize::try_from(it)
            .ok()
            .filter(|it| (1..=EVENTS_MAX).contains(it))
            .ok_or_else(|| invalid(format!("limit must be between 1 and {EVENTS_MAX}.")))?,
    };
    Ok(Limits {
        start: start.unwrap_or(i64::MIN).max(kept),
        end: end.unwrap_or(i64::MAX),
        events,
        bytes: BYTES_MAX,
    })
}
