//! Structs and open enums.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write as _;

use serde_json::Value;

use super::model::{Model, flag, kind, members, target};
use super::{ALLOW, names};

/// The text of a service's `structures.rs`.
pub(super) fn structures(
    model: &Model,
    shapes: &BTreeSet<String>,
) -> Result<String, Box<dyn Error>> {
    let mut text = format!(
        "//! Structures of the model.\n\n{ALLOW}use super::schemas;\nuse crate::value::{{given, take}};\nuse crate::{{DecodeError, Decoder, Schema, Shape, Value}};\n"
    );
    if has_enums(model, shapes)? {
        text.push_str("#[allow(unused_imports, reason = \"not every service uses its enums\")]\nuse super::enums::*;\n");
    }
    for name in shapes {
        let shape = model.shape(name)?;
        if is_structure(shape) {
            structure(&mut text, model, name, shape)?;
        }
    }
    Ok(text)
}

/// The text of a service's `enums.rs`.
pub(super) fn enums(model: &Model, shapes: &BTreeSet<String>) -> Result<String, Box<dyn Error>> {
    let mut text =
        format!("//! Enumerations of the model.\n\n{ALLOW}use crate::open_enum::open_enum;\n");
    for name in shapes {
        let shape = model.shape(name)?;
        if let Some(values) = shape.get("enum").and_then(Value::as_array) {
            writeln!(text, "\nopen_enum!({} {{", names::structure(name))?;
            let mut taken = BTreeSet::new();
            for value in values.iter().filter_map(Value::as_str) {
                let mut variant = names::variant(value);
                while !taken.insert(variant.clone()) {
                    variant.push_str("Again");
                }
                writeln!(text, "    {variant} = {value:?},")?;
            }
            writeln!(text, "}});")?;
        }
    }
    Ok(text)
}

/// Whether any of the shapes is an enumeration.
pub(super) fn has_enums(model: &Model, shapes: &BTreeSet<String>) -> Result<bool, Box<dyn Error>> {
    for name in shapes {
        if model.shape(name)?.get("enum").is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_structure(shape: &Value) -> bool {
    kind(shape) == "structure" && !flag(shape, "document")
}

fn structure(
    text: &mut String,
    model: &Model,
    name: &str,
    shape: &Value,
) -> Result<(), Box<dyn Error>> {
    let struct_name = names::structure(name);
    let mut fields = Vec::new();
    for (member, reference) in members(shape) {
        let target = target(reference).ok_or("a member has a shape")?;
        fields.push((names::field(member), rust_type(model, target)?));
    }
    writeln!(text, "\n#[derive(Debug, Clone, PartialEq, Default)]\npub struct {struct_name} {{")?;
    for (field, kind) in &fields {
        writeln!(text, "    pub {field}: Option<{kind}>,")?;
    }
    let constant = model.constant(name)?;
    let (index, decoder) =
        if fields.is_empty() { ("_index", "_decoder") } else { ("index", "decoder") };
    writeln!(
        text,
        "}}\n\nimpl Shape for {struct_name} {{
            fn schema(&self) -> &'static Schema {{ &schemas::{constant} }}

            fn member(&self, {index}: usize) -> Option<&dyn Value> {{"
    )?;
    arms(text, &fields, "None", |field| format!("given(&self.{field})"))?;
    writeln!(
        text,
        "}}

            fn read_member(
                &mut self,
                {index}: usize,
                {decoder}: &mut dyn Decoder,
            ) -> Result<(), DecodeError> {{"
    )?;
    arms(text, &fields, "Ok(())", |field| format!("take(&mut self.{field}, decoder)"))?;
    writeln!(text, "}}\n}}")?;
    Ok(())
}

/// A match over the index, one arm for each field.
fn arms(
    text: &mut String,
    fields: &[(String, String)],
    otherwise: &str,
    arm: impl Fn(&str) -> String,
) -> Result<(), std::fmt::Error> {
    if fields.is_empty() {
        return writeln!(text, "{otherwise}");
    }
    writeln!(text, "match index {{")?;
    for (index, (field, _)) in fields.iter().enumerate() {
        writeln!(text, "{index} => {},", arm(field))?;
    }
    writeln!(text, "_ => {otherwise},\n}}")
}

/// The Rust type of a shape.
fn rust_type(model: &Model, name: &str) -> Result<String, Box<dyn Error>> {
    let shape = model.shape(name)?;
    let part = |key: &str| {
        let part = shape.get(key).and_then(target).ok_or("a list or map has a shape")?;
        rust_type(model, part)
    };
    Ok(match kind(shape) {
        "boolean" => "bool".to_owned(),
        "integer" => "i32".to_owned(),
        "long" => "i64".to_owned(),
        "double" => "f64".to_owned(),
        "string" if shape.get("enum").is_some() => names::structure(name),
        "string" => "String".to_owned(),
        "blob" => "crate::Blob".to_owned(),
        "timestamp" => "crate::Timestamp".to_owned(),
        "list" => format!("Vec<{}>", part("member")?),
        "map" => format!("std::collections::BTreeMap<String, {}>", part("value")?),
        "structure" if flag(shape, "document") => "crate::Document".to_owned(),
        "structure" => names::structure(name),
        other => return Err(format!("{}: {name} is a {other}", model.name).into()),
    })
}
