//! A service model as it is read from its file.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

use super::names;

/// A service model.
pub(super) struct Model {
    /// The file's name: `application-autoscaling`.
    pub name: String,
    /// The module's name: `application_autoscaling`.
    pub module: String,
    /// What the model says about the service.
    pub metadata: Map<String, Value>,
    /// Operations by name.
    pub operations: Map<String, Value>,
    /// Shapes by name.
    pub shapes: Map<String, Value>,
    /// The name of each shape's static; shapes that differ only in case need two.
    constants: BTreeMap<String, String>,
}

impl Model {
    /// Reads a model.
    pub(super) fn read(path: &Path) -> Result<Self, Box<dyn Error>> {
        let name = path.file_stem().and_then(|stem| stem.to_str()).ok_or("a model has a name")?;
        let mut model: Value = serde_json::from_slice(&fs::read(path)?)?;
        let mut part = |key: &str| match model.get_mut(key).map(Value::take) {
            Some(Value::Object(part)) => Ok(part),
            _ => Err(format!("{name}: no {key}")),
        };
        let (metadata, operations, shapes) =
            (part("metadata")?, part("operations")?, part("shapes")?);
        let constants = constants(&shapes);
        let module = name.replace('-', "_");
        Ok(Self { name: name.to_owned(), module, metadata, operations, shapes, constants })
    }

    /// A text of the metadata.
    pub(super) fn meta(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).and_then(Value::as_str)
    }

    /// A shape of the model.
    pub(super) fn shape(&self, name: &str) -> Result<&Value, String> {
        self.shapes.get(name).ok_or_else(|| format!("{}: no shape {name}", self.name))
    }

    /// The name of a shape's static.
    pub(super) fn constant(&self, shape: &str) -> Result<&str, String> {
        let constant = self.constants.get(shape).map(String::as_str);
        constant.ok_or_else(|| format!("{}: no shape {shape}", self.name))
    }

    /// Every shape that these operations lead to, by name.
    pub(super) fn reachable(
        &self,
        operations: &BTreeSet<String>,
    ) -> Result<BTreeSet<String>, String> {
        let mut found = BTreeSet::new();
        let mut open: Vec<String> = Vec::new();
        for operation in operations.iter().filter_map(|name| self.operations.get(name)) {
            let ends = ["input", "output"].iter().filter_map(|end| operation.get(end));
            let errors = operation.get("errors").and_then(Value::as_array).into_iter().flatten();
            open.extend(ends.chain(errors).filter_map(target).map(str::to_owned));
        }
        while let Some(name) = open.pop() {
            if found.insert(name.clone()) {
                open.extend(targets(self.shape(&name)?));
            }
        }
        Ok(found)
    }
}

/// The shape that a member, input, output or error refers to.
pub(super) fn target(reference: &Value) -> Option<&str> {
    reference.get("shape")?.as_str()
}

/// The members of a structure, in the model's order.
pub(super) fn members(shape: &Value) -> impl Iterator<Item = (&String, &Value)> {
    shape.get("members").and_then(Value::as_object).into_iter().flatten()
}

/// The kind of a shape: `structure`, `string`, ….
pub(super) fn kind(shape: &Value) -> &str {
    shape.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// Whether a flag is set on a shape or member.
pub(super) fn flag(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool).unwrap_or(false)
}

/// A text on a shape or member.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

/// The names of all shapes that a shape refers to.
fn targets(shape: &Value) -> Vec<String> {
    let parts = ["member", "key", "value"].iter().filter_map(|part| shape.get(part));
    let members = members(shape).map(|(_, member)| member);
    parts.chain(members).filter_map(target).map(str::to_owned).collect()
}

fn constants(shapes: &Map<String, Value>) -> BTreeMap<String, String> {
    let mut taken = BTreeSet::new();
    let mut constants = BTreeMap::new();
    for shape in shapes.keys() {
        let mut constant = names::constant(shape);
        while !taken.insert(constant.clone()) {
            constant.push_str("_AGAIN");
        }
        constants.insert(shape.clone(), constant);
    }
    constants
}
