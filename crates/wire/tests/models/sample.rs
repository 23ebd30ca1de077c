//! Sample values of any schema.

use std::collections::BTreeMap;

use shapes::{Document, Kind, Location, Member, Schema};

use crate::dynamic::{Any, Dynamic};

/// How much of a shape is filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Every member; two items in lists near the top.
    Full,
    /// What is required, and what paths are made of.
    Required,
}

/// Text that each protocol has to escape in its own way.
const AWKWARD: &str = "é<&>\"' +%=;/\\\u{1F600}{}~";

/// Below this depth lists have one item, or the larger shapes would grow beyond reason.
const WIDE_TO: usize = 3;

/// A structure.
pub(crate) fn structure(schema: &'static Schema, extent: Extent) -> Dynamic {
    at_depth(schema, extent, 0)
}

fn at_depth(schema: &'static Schema, extent: Extent, depth: usize) -> Dynamic {
    let mut shape = Dynamic::new(schema);
    let Kind::Structure(kind) = &schema.kind else { panic!("{} is no structure", schema.name) };
    let chosen = schema.members().len().saturating_sub(1);
    for (index, member) in schema.members().iter().enumerate() {
        let wanted = extent == Extent::Full || member.required || is_always_there(member);
        if if kind.union { index == chosen } else { wanted } {
            shape.members[index] = Some(member_value(member, extent, depth));
        }
    }
    shape
}

/// Paths need their labels, and every answer has a status and a body.
fn is_always_there(member: &Member) -> bool {
    match member.location {
        Location::Path | Location::Status => true,
        Location::Payload => matches!(member.schema.kind, Kind::Blob),
        _ => false,
    }
}

fn member_value(member: &Member, extent: Extent, depth: usize) -> Any {
    let in_head = matches!(member.location, Location::Header | Location::HeaderPrefix);
    match (&member.schema.kind, member.location) {
        (_, Location::Status) => Any::Integer(201),
        (Kind::String, _) if in_head => Any::String(format!("plain {}", member.name)),
        // botocore gives a raw body back as text.
        (Kind::Blob, Location::Payload) => Any::Blob(b"raw < body >".to_vec()),
        _ => value(member.schema, extent, depth, 0),
    }
}

fn value(schema: &'static Schema, extent: Extent, depth: usize, number: usize) -> Any {
    let count = if depth < WIDE_TO { 2 } else { 1 };
    match &schema.kind {
        Kind::Boolean => Any::Boolean(number.is_multiple_of(2)),
        Kind::Integer => Any::Integer(-7 + i64::try_from(number).expect("small")),
        Kind::Long => Any::Integer(9_007_199_254_740_993),
        Kind::Double => Any::Double(1.5),
        Kind::String => Any::String(format!("{AWKWARD}{number}")),
        Kind::Enum(values) => Any::String(values[number % values.len()].to_owned()),
        Kind::Blob => Any::Blob(vec![0, 255, 10, 60]),
        Kind::Timestamp => Any::Timestamp(1_769_903_999_000),
        Kind::Document => Any::Document(Document::Map(BTreeMap::from([
            ("a".to_owned(), Document::List(vec![Document::Integer(1), Document::Boolean(true)])),
            ("b".to_owned(), Document::String(AWKWARD.to_owned())),
        ]))),
        Kind::List(member) => Any::List(
            (0..count).map(|number| value(member.schema, extent, depth + 1, number)).collect(),
        ),
        Kind::Map(key, member) => {
            let key = |number: usize| match &key.schema.kind {
                Kind::Enum(values) => values[number % values.len()].to_owned(),
                _ => format!("key é.{number}"),
            };
            let entry = |number| (key(number), value(member.schema, extent, depth + 1, number));
            Any::Map((0..count).map(entry).collect())
        }
        Kind::Structure(_) => Any::Structure(at_depth(schema, extent, depth + 1)),
    }
}
