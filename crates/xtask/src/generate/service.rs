//! The table of a service and its operations, and the list of a service's files.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write as _;

use serde_json::Value;

use super::model::{Model, flag, target, text};
use super::{ALLOW, names, schemas, structures};

/// The files of a service below `src/`, with their texts.
pub(super) fn files(
    model: &Model,
    chosen: &BTreeSet<String>,
) -> Result<Vec<(String, String)>, Box<dyn Error>> {
    let module = &model.module;
    let shapes = model.reachable(chosen)?;
    let has_enums = structures::has_enums(model, &shapes)?;
    let mut files = vec![
        (format!("{module}.rs"), service(model, chosen, has_enums)?),
        (format!("{module}/operations.rs"), operations(model, chosen)?),
    ];
    if !chosen.is_empty() {
        files.push((format!("{module}/schemas.rs"), schemas::schemas(model, &shapes)?));
        files.push((format!("{module}/structures.rs"), structures::structures(model, &shapes)?));
    }
    if has_enums {
        files.push((format!("{module}/enums.rs"), structures::enums(model, &shapes)?));
    }
    Ok(files)
}

fn service(
    model: &Model,
    chosen: &BTreeSet<String>,
    has_enums: bool,
) -> Result<String, Box<dyn Error>> {
    let full_name = model.meta("serviceFullName").unwrap_or(&model.name);
    let mut text = format!(
        "//! {full_name}, API version {}.\n\n",
        model.meta("apiVersion").unwrap_or_default()
    );
    writeln!(text, "/// Every operation of the model.\npub mod operations;")?;
    if !chosen.is_empty() {
        writeln!(
            text,
            "/// What the model says about the compiled shapes.\npub mod schemas;\nmod structures;"
        )?;
        writeln!(text, "pub use operations::*;\npub use structures::*;")?;
    }
    if has_enums {
        writeln!(text, "mod enums;\npub use enums::*;")?;
    }
    writeln!(
        text,
        "\n/// The service and its operations.\npub static SERVICE: crate::Service = crate::Service {{"
    )?;
    let prefix = model.meta("endpointPrefix").unwrap_or(&model.name);
    let fields = [
        ("name", model.name.as_str()),
        ("id", model.meta("serviceId").unwrap_or(&model.name)),
        ("signing_name", model.meta("signingName").unwrap_or(prefix)),
        ("endpoint_prefix", prefix),
        ("api_version", model.meta("apiVersion").unwrap_or_default()),
    ];
    for (field, value) in fields {
        writeln!(text, "{field}: {value:?},")?;
    }
    let optional = [("target_prefix", "targetPrefix"), ("json_version", "jsonVersion")];
    for (field, key) in optional {
        writeln!(text, "{field}: {:?},", model.meta(key))?;
    }
    writeln!(text, "xml_namespace: {:?},", namespace(model))?;
    let query_compatible = model.metadata.contains_key("awsQueryCompatible");
    writeln!(text, "query_compatible: {query_compatible},\nprotocols: &[")?;
    for protocol in protocols(model)? {
        writeln!(text, "crate::Protocol::{protocol},")?;
    }
    writeln!(text, "],\noperations: operations::OPERATIONS,\n}};")?;
    Ok(text)
}

/// The namespace of XML bodies. REST-XML models have it at the inputs only.
fn namespace(model: &Model) -> Option<&str> {
    let inputs = model.operations.values().filter_map(|operation| operation.get("input"));
    let of_input = |input| Value::get(input, "xmlNamespace");
    let mut given = inputs.filter_map(of_input).filter_map(|namespace| text(namespace, "uri"));
    model.meta("xmlNamespace").or_else(|| given.next())
}

fn protocols(model: &Model) -> Result<Vec<&'static str>, Box<dyn Error>> {
    let listed = model.metadata.get("protocols").and_then(Value::as_array);
    let names: Vec<&str> = match listed {
        Some(listed) => listed.iter().filter_map(Value::as_str).collect(),
        None => model.meta("protocol").into_iter().collect(),
    };
    let protocol = |name: &str| match name {
        "json" => Ok("Json"),
        "query" => Ok("Query"),
        "ec2" => Ok("Ec2"),
        "rest-json" => Ok("RestJson"),
        "rest-xml" => Ok("RestXml"),
        "smithy-rpc-v2-cbor" => Ok("Cbor"),
        other => Err(format!("{} speaks {other}", model.name).into()),
    };
    names.into_iter().map(protocol).collect()
}

fn operations(model: &Model, chosen: &BTreeSet<String>) -> Result<String, Box<dyn Error>> {
    let mut text = format!(
        "//! Operations of the model.\n\n{ALLOW}use crate::OperationSchema;\n\n\
         pub static OPERATIONS: &[&OperationSchema] = &[\n"
    );
    let mut sorted: Vec<_> = model.operations.iter().collect();
    sorted.sort_by_key(|(name, _)| name.as_str());
    for (name, _) in &sorted {
        writeln!(text, "&{},", names::constant(name))?;
    }
    writeln!(text, "];")?;
    for (name, operation) in sorted {
        let compiled = chosen.contains(name);
        let schema = operation_schema(model, name, operation, compiled)?;
        let constant = names::constant(name);
        writeln!(text, "\npub static {constant}: OperationSchema = {schema};")?;
        if compiled {
            operation_type(&mut text, name, operation)?;
        }
    }
    Ok(text)
}

fn operation_type(text: &mut String, name: &str, operation: &Value) -> Result<(), std::fmt::Error> {
    let end = |key: &str| match operation.get(key).and_then(target) {
        Some(shape) => format!("super::{}", names::structure(shape)),
        None => "crate::Empty".to_owned(),
    };
    writeln!(
        text,
        "\n#[derive(Debug, Clone, Copy)]\npub struct {name};

        impl crate::Operation for {name} {{
            const NAME: &'static str = {name:?};
            const SERVICE: &'static crate::Service = &super::SERVICE;
            const SCHEMA: &'static OperationSchema = &{};
            type Input = {};
            type Output = {};
        }}",
        names::constant(name),
        end("input"),
        end("output"),
    )
}

fn operation_schema(
    model: &Model,
    name: &str,
    operation: &Value,
    compiled: bool,
) -> Result<String, Box<dyn Error>> {
    let http = operation.get("http").ok_or("an operation has http")?;
    let method = text(http, "method").unwrap_or("POST");
    let uri = text(http, "requestUri").unwrap_or("/");
    let mut schema = format!("OperationSchema::new({name:?}, {method:?}, {uri:?})");
    if let Some(status) =
        http.get("responseCode").and_then(Value::as_u64).filter(|code| *code != 200)
    {
        write!(schema, ".status({status})")?;
    }
    if let Some(wrapper) = operation.get("output").and_then(|output| text(output, "resultWrapper"))
    {
        write!(schema, ".result_wrapper({wrapper:?})")?;
    }
    if let Some(element) = operation.get("input").and_then(|input| text(input, "locationName")) {
        write!(schema, ".input_element({element:?})")?;
    }
    if text(operation, "authtype") == Some("none") || flag(operation, "noAuth") {
        schema.push_str(".anonymous()");
    }
    if !compiled {
        return Ok(schema);
    }
    for (end, key) in [("input", "input"), ("output", "output")] {
        if let Some(shape) = operation.get(key).and_then(target) {
            write!(schema, ".{end}(&super::schemas::{})", model.constant(shape)?)?;
        }
    }
    let mut errors = String::new();
    let listed = operation.get("errors").and_then(Value::as_array).into_iter().flatten();
    for error in listed.filter_map(target) {
        write!(errors, "&super::schemas::{}, ", model.constant(error)?)?;
    }
    write!(schema, ".compiled::<{name}>(&[{errors}])")?;
    Ok(schema)
}
