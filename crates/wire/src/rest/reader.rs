//! REST requests as shapes.

use http::HeaderMap;
use shapes::{DecodeError, Kind, Location, Member, Shape};

use super::path::{self, Labels};
use super::raw::Raw;
use super::scalar::Texts;
use crate::form::Form;
use crate::xml;
use shapes::json;

/// The language of bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyForm {
    /// REST-JSON.
    Json,
    /// REST-XML.
    Xml,
}

/// The parts of a request that members are bound to.
pub(crate) struct Bound<'a> {
    /// The labels of the path.
    pub labels: Labels<'a>,
    /// The query string.
    pub query: &'a str,
    /// All headers.
    pub headers: &'a HeaderMap,
    /// The body.
    pub body: &'a [u8],
}

/// Reads a request into a shape.
pub(crate) fn decode(
    request: &Bound<'_>,
    form: BodyForm,
    into: &mut dyn Shape,
) -> Result<(), DecodeError> {
    let query = Form::parse(request.query)?;
    let members = into.schema().members();
    for (index, member) in members.iter().enumerate() {
        let texts = match member.location {
            Location::Body | Location::Status | Location::Payload => continue,
            Location::HeaderPrefix => prefixed(request.headers, member.wire_name),
            Location::Query if matches!(member.schema.kind, Kind::Map(..)) => {
                unbound(&query, members)
            }
            Location::Query => Texts::unnamed(query.values(member.wire_name).map(str::to_owned)),
            Location::Header => header(request.headers, member)?,
            Location::Path => {
                let label = request.labels.iter().find(|(name, _)| *name == member.wire_name);
                Texts::unnamed(label.and_then(|(_, label)| path::decoded(label)))
            }
        };
        if let (false, mut texts) = (texts.0.is_empty(), texts) {
            into.read_member(index, &mut texts)?;
        }
    }
    match members.iter().position(|member| member.location == Location::Payload) {
        Some(index) => payload(request.body, form, index, into),
        None if form == BodyForm::Json => json::decode(request.body, into),
        None => xml::decode(request.body, into),
    }
}

/// Reads the member that is the whole body.
fn payload(
    body: &[u8],
    form: BodyForm,
    index: usize,
    into: &mut dyn Shape,
) -> Result<(), DecodeError> {
    let Some(member) = into.schema().members().get(index) else { return Ok(()) };
    match (&member.schema.kind, form) {
        _ if body.is_empty() => Ok(()),
        (Kind::Blob | Kind::String | Kind::Enum(_), _) => {
            into.read_member(index, &mut Raw(body.to_vec()))
        }
        (_, BodyForm::Json) => json::decode_member(body, index, into),
        (_, BodyForm::Xml) => xml::decode_payload(body, index, into),
    }
}

/// The values of a header; a list may stand in one header, parted by commas.
fn header(headers: &HeaderMap, member: &Member) -> Result<Texts, DecodeError> {
    let not_text = |_| DecodeError::Syntax { offset: 0, problem: "a header is not text" };
    let mut texts = Vec::new();
    for value in headers.get_all(member.wire_name) {
        let value = std::str::from_utf8(value.as_bytes()).map_err(not_text)?;
        if matches!(member.schema.kind, Kind::List(_)) {
            texts.extend(value.split(',').map(|item| item.trim().to_owned()));
        } else {
            texts.push(value.to_owned());
        }
    }
    Ok(Texts::unnamed(texts))
}

/// All headers whose names begin with a prefix, by the rest of their names.
fn prefixed(headers: &HeaderMap, prefix: &str) -> Texts {
    let prefix = prefix.to_ascii_lowercase();
    let found = headers.iter().filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix(&prefix)?;
        Some((name.to_owned(), value.to_str().ok()?.to_owned()))
    });
    Texts(found.collect())
}

/// All parameters of the query string that no other member is bound to.
fn unbound(query: &Form<'_>, members: &[Member]) -> Texts {
    let bound = |name: &str| {
        members.iter().any(|it| it.location == Location::Query && it.wire_name == name)
    };
    let free = query.entries().filter(|(name, _)| !bound(name));
    Texts(free.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}
