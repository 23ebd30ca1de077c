//! Static schemas.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write as _;

use serde_json::Value;

use super::ALLOW;
use super::model::{Model, flag, kind, members, target, text};

/// The text of a service's `schemas.rs`.
pub(super) fn schemas(model: &Model, shapes: &BTreeSet<String>) -> Result<String, Box<dyn Error>> {
    let mut written = format!(
        "//! Schemas of the model.\n\n{ALLOW}#[allow(unused_imports, reason = \"not every service needs all\")]\n\
         use crate::{{Kind, Location, Member, Schema, TimestampFormat}};\n"
    );
    for name in shapes {
        let shape = model.shape(name)?;
        let constant = model.constant(name)?;
        let schema = schema(model, name, shape)?;
        writeln!(written, "\npub static {constant}: Schema = {schema};")?;
    }
    Ok(written)
}

fn schema(model: &Model, name: &str, shape: &Value) -> Result<String, Box<dyn Error>> {
    let part = |key: &str| {
        let part = shape.get(key).ok_or_else(|| format!("{name} has no {key}"))?;
        member(model, key, part, Place::Part)
    };
    let mut schema = match kind(shape) {
        "structure" if flag(shape, "document") => plain(name, "Document"),
        "structure" => structure(model, name, shape)?,
        "list" => plain(name, &format!("List(&{})", part("member")?)),
        "map" => plain(name, &format!("Map(&{}, &{})", part("key")?, part("value")?)),
        "string" => match shape.get("enum").and_then(Value::as_array) {
            Some(values) => plain(name, &format!("Enum(&[{}])", quoted(values))),
            None => plain(name, "String"),
        },
        "boolean" => plain(name, "Boolean"),
        "integer" => plain(name, "Integer"),
        "long" => plain(name, "Long"),
        "double" => plain(name, "Double"),
        "blob" => plain(name, "Blob"),
        "timestamp" => plain(name, "Timestamp"),
        other => return Err(format!("{}: {name} is a {other}", model.name).into()),
    };
    for side in ["min", "max"] {
        if let Some(bound) = shape.get(side).and_then(Value::as_f64) {
            write!(schema, ".{side}({bound:?})")?;
        }
    }
    if let Some(pattern) = text(shape, "pattern") {
        write!(schema, ".pattern({pattern:?})")?;
    }
    if flag(shape, "sensitive") {
        schema.push_str(".sensitive()");
    }
    Ok(schema)
}

fn plain(name: &str, kind: &str) -> String {
    format!("Schema::new({name:?}, Kind::{kind})")
}

fn quoted(values: &[Value]) -> String {
    let texts: Vec<String> = values.iter().map(Value::to_string).collect();
    texts.join(", ")
}

fn structure(model: &Model, name: &str, shape: &Value) -> Result<String, Box<dyn Error>> {
    let required: BTreeSet<&str> = shape
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let payload = text(shape, "payload");
    let mut list = String::new();
    for (key, reference) in members(shape) {
        let place = if payload == Some(key) { Place::Payload } else { Place::Member };
        list.push_str(&member(model, key, reference, place)?);
        if required.contains(key.as_str()) {
            list.push_str(".required()");
        }
        list.push_str(", ");
    }
    if !flag(shape, "exception") {
        let form = if flag(shape, "union") { "union" } else { "structure" };
        return Ok(format!("Schema::{form}({name:?}, &[{list}])"));
    }
    let error = shape.get("error");
    let code = error.and_then(|error| text(error, "code")).unwrap_or(name);
    let fallback = if flag(shape, "fault") { 500 } else { 400 };
    let status = error.and_then(|error| error.get("httpStatusCode")).and_then(Value::as_u64);
    let status = status.unwrap_or(fallback);
    Ok(format!("Schema::error({name:?}, {code:?}, {status}, &[{list}])"))
}

/// What a member is part of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A list or a map.
    Part,
    /// A structure.
    Member,
    /// A structure, of which it is the whole body.
    Payload,
}

fn member(
    model: &Model,
    key: &str,
    reference: &Value,
    place: Place,
) -> Result<String, Box<dyn Error>> {
    let target = target(reference).ok_or("a member has a shape")?;
    let shape = model.shape(target)?;
    let mut member = format!("Member::new({key:?}, &{})", model.constant(target)?);
    // The name may stand on the shape instead of the member, and then holds for every use of it.
    let wire_name = text(reference, "locationName").or_else(|| text(shape, "locationName"));
    if let Some(wire_name) = wire_name.filter(|name| *name != key) {
        write!(member, ".named({wire_name:?})")?;
    }
    if let Some(query_name) = text(reference, "queryName") {
        write!(member, ".query_named({query_name:?})")?;
    }
    if let Some(location) = location(reference, place)? {
        write!(member, ".at(Location::{location})")?;
    }
    if let Some(format) =
        text(reference, "timestampFormat").or_else(|| text(shape, "timestampFormat"))
    {
        write!(member, ".timestamp_as(TimestampFormat::{})", timestamp_format(format)?)?;
    }
    if flag(reference, "flattened") || flag(shape, "flattened") {
        member.push_str(".flattened()");
    }
    if flag(reference, "idempotencyToken") {
        member.push_str(".idempotency_token()");
    }
    Ok(member)
}

fn location(reference: &Value, place: Place) -> Result<Option<&'static str>, Box<dyn Error>> {
    Ok(match text(reference, "location") {
        None if place == Place::Payload => Some("Payload"),
        None => None,
        Some("header") => Some("Header"),
        Some("headers") => Some("HeaderPrefix"),
        Some("querystring") => Some("Query"),
        Some("uri") => Some("Path"),
        Some("statusCode") => Some("Status"),
        Some(other) => return Err(format!("a member stands in {other}").into()),
    })
}

fn timestamp_format(format: &str) -> Result<&'static str, Box<dyn Error>> {
    match format {
        "unixTimestamp" => Ok("EpochSeconds"),
        "iso8601" => Ok("Iso8601"),
        "rfc822" => Ok("HttpDate"),
        other => Err(format!("a timestamp is written as {other}").into()),
    }
}
