//! The audit trail, read.

use core::ops::RangeInclusive;

use shapes::landfall as shape;
use state::{Audit, Context, Outcome, Purpose, State};

use super::{Error, Field, past};
use crate::page::{self, Page, Sizes};

/// How many events a page holds.
const PAGE: Sizes = Sizes { default: 100, min: 1, max: 1000 };

/// The list that pages are of.
const SCOPE: &str = "ListAudit";

/// What the key of a page begins with that lies in the history.
const IN_HISTORY: char = '@';

/// Refuses keys of agents and tasks.
///
/// # Errors
///
/// [`Error::AccessDenied`].
pub fn people_only(state: &State, context: &Context<'_>) -> Result<(), Error> {
    let key = state.access_keys().get(context.caller.access_key.as_ref());
    match key.map(|it| &it.purpose) {
        Some(Purpose::Agent(_) | Purpose::Task { .. } | Purpose::Balancer) => {
            Err(Error::AccessDenied)
        }
        // A key that the region does not know got here because it asks for none.
        Some(Purpose::Root) | None => Ok(()),
    }
}

/// What is asked of the audit trail; all of it must hold.
#[derive(Debug, Clone)]
pub struct AuditFilter {
    /// Something that was made or changed, by its ARN or the id at its end.
    pub resource: Option<String>,
    /// The client token.
    pub token: Option<String>,
    /// The operation.
    pub operation: Option<String>,
    /// The first and the last time, in milliseconds since 1970.
    pub times: RangeInclusive<i64>,
}

/// What the state has to say.
#[derive(Debug)]
pub struct Listed {
    /// The newest first.
    pub events: Vec<shape::AuditEvent>,
    /// Leads to the next page.
    pub next_token: Option<String>,
    /// What the history is to be asked for; `None` if this page is full.
    pub older: Option<Older>,
}

/// The part of a page that is older than the state's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Older {
    /// So many events.
    pub room: usize,
    /// Rows before this number.
    pub below: u64,
    /// Where an earlier page of the history ended.
    pub from: Option<String>,
}

impl AuditFilter {
    /// What a request asks for.
    pub fn of(ask: &shape::ListAuditRequest) -> Self {
        Self {
            resource: ask.resource.clone(),
            token: ask.client_token.clone(),
            operation: ask.operation.clone(),
            times: ask.since.map_or(i64::MIN, |it| it.0)..=ask.until.map_or(i64::MAX, |it| it.0),
        }
    }

    /// Whether a row is asked for.
    pub fn accepts(&self, row: &Audit) -> bool {
        let names = |wanted: &String| {
            let ends = |it: &String| {
                it.strip_suffix(wanted.as_str())
                    .is_some_and(|it| it.is_empty() || it.ends_with('/'))
            };
            row.resources.iter().any(ends)
        };
        self.operation.as_ref().is_none_or(|it| *it == row.operation)
            && (self.token.is_none() || self.token == row.token)
            && self.resource.as_ref().is_none_or(names)
            && self.times.contains(&row.at.0)
    }

    /// The field that narrows most.
    pub fn key(&self) -> Option<(Field, String)> {
        let own = |field, it: &Option<String>| it.clone().map(|it| (field, it));
        self.resource
            .as_ref()
            .map(|it| (Field::Resource, past::last_part(it).to_owned()))
            .or_else(|| own(Field::Token, &self.token))
            .or_else(|| own(Field::Operation, &self.operation))
    }
}

/// `ListAudit`, as far as the state knows: the newest first. A resource is named by its ARN or by
/// the id at its end.
///
/// # Errors
///
/// [`Error::AccessDenied`] to agents and tasks; [`Error::InvalidParameter`] for a bad page.
pub fn list_audit(
    state: &State,
    ask: &shape::ListAuditRequest,
    context: &Context<'_>,
) -> Result<Listed, Error> {
    people_only(state, context)?;
    let page = Page::parse(SCOPE, ask.next_token.as_deref(), ask.max_results, PAGE)?;
    let below = state.audits().first_key_value().map(|(number, _)| *number);
    let below = below.unwrap_or_else(|| crate::next_audit(state));
    let filter = AuditFilter::of(ask);
    let from = page.after().and_then(|it| it.strip_prefix(IN_HISTORY)).map(str::to_owned);
    let before = match (&from, page.after()) {
        (Some(_), _) => 0,
        (None, Some(number)) => number.parse().unwrap_or(0),
        (None, None) => u64::MAX,
    };
    let rows = state.audits().range(..before).rev().map(|(_, row)| row.as_ref());
    let rows = rows.filter(|row| filter.accepts(row));
    let (rows, next_token) = page.cut(rows, |row| row.number.to_string());
    let older = Older { room: page.size() - rows.len(), below, from };
    Ok(Listed {
        events: rows.into_iter().map(audit_view).collect(),
        older: next_token.is_none().then_some(older),
        next_token,
    })
}

/// The token of the page that begins at a place of the history.
pub fn audit_page(place: &str) -> String {
    page::seal(SCOPE, &format!("{IN_HISTORY}{place}"))
}

/// A row as `ListAudit` shows it.
pub fn audit_view(row: &Audit) -> shape::AuditEvent {
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
        let answer = region.look(|state, it| list_audit(state, &ask, it)).expect("lists");
        let name = |it: shape::AuditEvent| {
            format!("{} {}", it.event_number.expect("a number"), it.event_name.expect("a name"))
        };
        let names = answer.events.into_iter().map(name);
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
