//! The audit trail, read.

use shapes::landfall as shape;
use state::{Audit, Context, Outcome, Purpose, State};

use super::Error;
use crate::page::{Page, Sizes};

/// How many events a page holds.
const PAGE: Sizes = Sizes { default: 100, min: 1, max: 1000 };

/// Refuses keys of agents and tasks.
///
/// # Errors
///
/// [`Error::AccessDenied`].
pub(super) fn people_only(state: &State, context: &Context<'_>) -> Result<(), Error> {
    let key = state.access_keys().get(context.caller.access_key.as_ref());
    match key.map(|it| &it.purpose) {
        Some(Purpose::Agent(_) | Purpose::Task { .. }) => Err(Error::AccessDenied),
        // A key that the region does not know got here because it asks for none.
        Some(Purpose::Root) | None => Ok(()),
    }
}

/// `ListAudit`: the newest first; all filters must hold. A resource is named by its ARN or by the
/// id at its end.
///
/// # Errors
///
/// [`Error::AccessDenied`] to agents and tasks; [`Error::InvalidParameter`] for a bad page.
pub(super) fn list_audit(
    state: &State,
    ask: shape::ListAuditRequest,
    context: &Context<'_>,
) -> Result<shape::ListAuditResponse, Error> {
    people_only(state, context)?;
    let page = Page::parse("ListAudit", ask.next_token.as_deref(), ask.max_results, PAGE)?;
    let before = page.after().and_then(|it| it.parse().ok()).unwrap_or(u64::MAX);
    let rows = state.audits().range(..before).rev().map(|(_, row)| row.as_ref());
    let rows = rows.filter(|row| matches(&ask, row));
    let (rows, next_token) = page.cut(rows, |row| row.number.to_string());
    Ok(shape::ListAuditResponse { events: Some(rows.into_iter().map(view).collect()), next_token })
}

fn matches(ask: &shape::ListAuditRequest, row: &Audit) -> bool {
    let names = |wanted: &String| {
        let ends = |it: &String| {
            it.strip_suffix(wanted.as_str()).is_some_and(|it| it.is_empty() || it.ends_with('/'))
        };
        row.resources.iter().any(ends)
    };
    ask.operation.as_ref().is_none_or(|it| *it == row.operation)
        && (ask.client_token.is_none() || ask.client_token == row.token)
        && ask.resource.as_ref().is_none_or(names)
}

fn view(row: &Audit) -> shape::AuditEvent {
    let Audit {
        number,
        at,
        request_id,
        source,
        operation,
        caller,
        access_key,
        source_ip,
        user_agent,
        token,
        outcome,
        resources,
    } = row;
    let (error_code, error_message, replay_of) = match outcome {
        Outcome::Done => (None, None, None),
        Outcome::Replayed(of) => (None, None, i64::try_from(*of).ok()),
        Outcome::Refused { code, message } => (Some(code.clone()), Some(message.clone()), None),
    };
    shape::AuditEvent {
        event_number: i64::try_from(*number).ok(),
        event_time: Some(shapes::Timestamp(at.0)),
        event_source: Some(source.clone()),
        event_name: Some(operation.clone()),
        request_id: Some(types::uuid(request_id)),
        principal_arn: Some(caller.clone()),
        access_key_id: Some(access_key.clone()),
        source_ip_address: Some(source_ip.clone()),
        user_agent: Some(user_agent.clone()),
        client_token: token.clone(),
        resources: Some(resources.clone()),
        error_code,
        error_message,
        replay_of,
    }
}

#[cfg(test)]
mod tests {
    use types::Timestamp;

    use super::*;
    use crate::fixture::{self, Fixture};

    /// A region with rows of these operations, each about a task of the same number.
    fn with_rows(operations: &[&str]) -> Fixture {
        let mut region = fixture::region();
        for (number, operation) in (1..).zip(operations) {
            let row = Audit {
                number,
                at: Timestamp(fixture::NOON),
                request_id: vec![7; 16],
                source: "ecs.amazonaws.com".into(),
                operation: (*operation).to_owned(),
                caller: String::new(),
                access_key: String::new(),
                source_ip: String::new(),
                user_agent: String::new(),
                token: Some(format!("token-{number}")),
                outcome: Outcome::Done,
                resources: vec![format!("arn:aws:ecs:r:a:task/default/{number:032x}")],
            };
            region.state.apply(row.into());
        }
        region
    }

    fn list(region: &Fixture, ask: shape::ListAuditRequest) -> (String, Option<String>) {
        let answer = region.read(list_audit, ask).expect("lists");
        let name = |it: shape::AuditEvent| {
            format!("{} {}", it.event_number.expect("a number"), it.event_name.expect("a name"))
        };
        let names = answer.events.expect("events").into_iter().map(name);
        (names.collect::<Vec<_>>().join(", "), answer.next_token)
    }

    #[test]
    fn the_newest_come_first_and_in_pages() {
        let region = with_rows(&["A", "B", "C"]);
        let ask = shape::ListAuditRequest { max_results: Some(2), ..Default::default() };
        let (names, next_token) = list(&region, ask);
        assert_eq!(names, "3 C, 2 B");
        let ask = shape::ListAuditRequest { next_token, ..Default::default() };
        assert_eq!(list(&region, ask), ("1 A".into(), None));
    }

    #[test]
    fn a_task_leads_to_the_request_that_made_it() {
        let region = with_rows(&["A", "B", "A"]);
        let id = format!("{:032x}", 2);
        let by = |change: fn(&mut shape::ListAuditRequest, String), value: &str| {
            let mut ask = shape::ListAuditRequest::default();
            change(&mut ask, value.to_owned());
            list(&region, ask).0
        };
        assert_eq!(by(|ask, it| ask.resource = Some(it), &id), "2 B");
        assert_eq!(by(|ask, it| ask.resource = Some(it), &id[1..]), "");
        assert_eq!(by(|ask, it| ask.operation = Some(it), "A"), "3 A, 1 A");
        assert_eq!(by(|ask, it| ask.client_token = Some(it), "token-1"), "1 A");
    }
}
