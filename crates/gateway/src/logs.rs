//! CloudWatch Logs: requests in, the log store asked, answers out.
//!
//! The log store is data, not control state, so these calls do not pass the writer.

mod events;
mod groups;
mod streams;
mod tags;

use shapes::{Operation, Shape, logs as op};
use telemetry::logs::{LogError, LogStore};
use types::{Home, Timestamp, short_name};
use wire::{Fault, Incoming, Route};

/// What a call needs.
pub(crate) struct Desk<'a> {
    pub(crate) home: &'a Home,
    pub(crate) store: &'a LogStore,
    pub(crate) now: Timestamp,
}

/// What a call comes to.
pub(crate) type Outcome = Result<Box<dyn Shape + Send>, Fault>;

/// Lists the operations once: each with the function that answers it.
macro_rules! calls {
    ($($operation:ident => $answer:path;)*) => {
        /// The operations that are answered here.
        pub fn registry() -> api::Registry {
            api::Registry::default()$(.call::<op::$operation>())*
        }

        /// Answers a call; `None` if it is not one of these.
        pub(crate) fn answer(
            desk: &Desk<'_>,
            route: &Route,
            incoming: &Incoming<'_>,
        ) -> Option<Outcome> {
            match route.operation.name {
                $(op::$operation::NAME => Some(
                    decode::<op::$operation>(route, incoming)
                        .and_then(|input| $answer(desk, input))
                        .map(|output| Box::new(output) as Box<dyn Shape + Send>),
                ),)*
                _ => None,
            }
        }
    };
}

calls! {
    CreateLogGroup => groups::create;
    DeleteLogGroup => groups::delete;
    DescribeLogGroups => groups::describe;
    PutRetentionPolicy => groups::put_retention;
    DeleteRetentionPolicy => groups::delete_retention;
    CreateLogStream => streams::create;
    DeleteLogStream => streams::delete;
    DescribeLogStreams => streams::describe;
    PutLogEvents => events::put;
    GetLogEvents => events::get;
    FilterLogEvents => events::filter;
    TagResource => tags::tag;
    UntagResource => tags::untag;
    ListTagsForResource => tags::list;
}

fn decode<O: Operation>(route: &Route, incoming: &Incoming<'_>) -> Result<O::Input, Fault> {
    let mut input = O::Input::default();
    route
        .decode_into(incoming, &mut input)
        .map_err(|error| Fault::unreadable(route.protocol, &error))?;
    let violations = shapes::validate(&input);
    if violations.is_empty() {
        Ok(input)
    } else {
        Err(invalid(shapes::validation_message(&violations)))
    }
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::new("InvalidParameterException", message)
}

fn fault(error: LogError) -> Fault {
    let code = match &error {
        LogError::NoGroup | LogError::NoStream => "ResourceNotFoundException",
        LogError::GroupExists | LogError::StreamExists => "ResourceAlreadyExistsException",
        LogError::Disk { source, .. } => {
            tracing::error!(%error, %source, "the log store cannot reach its disk");
            return Fault::new("ServiceUnavailableException", "The log store is not available.")
                .with_status(500);
        }
    };
    Fault::new(code, error.to_string())
}

fn group_arn(home: &Home, name: &str) -> String {
    format!("arn:aws:logs:{}:{}:log-group:{name}", home.region, home.account)
}

/// The group that a request names, or whose ARN it gives.
fn group_name(name: Option<String>, identifier: Option<String>) -> Result<String, Fault> {
    let text = name.or(identifier).filter(|it| !it.is_empty());
    let text = text.ok_or_else(|| invalid("A log group name or identifier is required."))?;
    Ok(from_arn(&text).unwrap_or(&text).to_owned())
}

/// The name in the ARN of a group, which may end in `:*`.
fn from_arn(text: &str) -> Option<&str> {
    short_name(text, "").is_none().then_some(())?;
    let (_, name) = text.split_once(":log-group:")?;
    Some(name.strip_suffix(":*").unwrap_or(name))
}

/// Where an item stands in a list: a time, if the list is in order of time, and a name.
type Place<'a> = (i64, &'a str);

/// How the places of a list follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Ascending,
    Descending,
}

/// One page of a list in the order of its places: items after a token, and the token of the next
/// page. Tokens are places, told in hexadecimal so that nobody reads meaning into them; they stay
/// good while items come and go.
fn page<T>(
    items: Vec<T>,
    order: Order,
    place: impl Fn(&T) -> Place<'_>,
    token: Option<&str>,
    limit: usize,
) -> Result<(Vec<T>, Option<String>), Fault> {
    let after = match token {
        None => None,
        Some(token) => Some(unhex(token).ok_or_else(bad_token)?),
    };
    let after = match &after {
        None => None,
        Some(text) => {
            let (at, name) = text.split_once('/').ok_or_else(bad_token)?;
            Some((at.parse().map_err(|_| bad_token())?, name))
        }
    };
    let is_before = |it: &T| {
        after.is_some_and(|after| match order {
            Order::Ascending => place(it) <= after,
            Order::Descending => place(it) >= after,
        })
    };
    let start = items.iter().position(|it| !is_before(it)).unwrap_or(items.len());
    let more = items.len() > start + limit;
    let items: Vec<T> = items.into_iter().skip(start).take(limit).collect();
    let next = items.last().filter(|_| more).map(|it| {
        let (at, name) = place(it);
        types::hex(format!("{at}/{name}").as_bytes())
    });
    Ok((items, next))
}

fn bad_token() -> Fault {
    invalid("The specified nextToken is invalid.")
}

pub(crate) fn unhex(text: &str) -> Option<String> {
    let pairs = text.as_bytes().chunks(2).map(|pair| {
        u8::from_str_radix(core::str::from_utf8(pair).ok().filter(|it| it.len() == 2)?, 16).ok()
    });
    String::from_utf8(pairs.collect::<Option<_>>()?).ok()
}

#[cfg(test)]
mod tests;
