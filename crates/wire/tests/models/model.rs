//! Service tables read from the models at run time, as `xtask generate` writes them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use shapes::{
    ErrorTrait, Kind, Location, Member, OperationSchema, Protocol, Schema, Service, Structure,
    TimestampFormat,
};

/// The folder of the models.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models")
}

/// Every vendored service.
pub(crate) fn services() -> Vec<&'static Service> {
    let files = std::fs::read_dir(folder()).expect("the models are there");
    let mut paths: Vec<PathBuf> = files.map(|it| it.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|it| it == "json"));
    paths.sort();
    paths.iter().map(|path| service(path)).collect()
}

fn leak(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

fn text(value: &Json, key: &str) -> Option<&'static str> {
    value[key].as_str().map(leak)
}

fn flag(value: &Json, key: &str) -> bool {
    value[key].as_bool().unwrap_or(false)
}

fn service(path: &Path) -> &'static Service {
    let bytes = std::fs::read(path).expect("a model can be read");
    let model: Json = serde_json::from_slice(&bytes).expect("a model is JSON");
    let name = leak(path.file_stem().and_then(|it| it.to_str()).expect("a model has a name"));
    let meta = &model["metadata"];
    let mut shapes = Shapes { model: &model["shapes"], built: BTreeMap::new() };
    let empty = serde_json::Map::new();
    let operations = model["operations"].as_object().unwrap_or(&empty);
    let mut built: Vec<&'static OperationSchema> = Vec::new();
    for (name, operation) in operations {
        built.push(shapes.operation(name, operation));
    }
    built.sort_by_key(|it| it.name);
    let of_input = operations.values().find_map(|it| text(&it["input"]["xmlNamespace"], "uri"));
    let prefix = text(meta, "endpointPrefix").unwrap_or(name);
    let listed = meta["protocols"].as_array().cloned();
    let protocols = listed.unwrap_or_else(|| vec![meta["protocol"].clone()]);
    let protocols: Vec<Protocol> =
        protocols.iter().filter_map(Json::as_str).map(protocol).collect();
    Box::leak(Box::new(Service {
        name,
        id: text(meta, "serviceId").unwrap_or(name),
        signing_name: text(meta, "signingName").unwrap_or(prefix),
        endpoint_prefix: prefix,
        api_version: text(meta, "apiVersion").unwrap_or_default(),
        target_prefix: text(meta, "targetPrefix"),
        json_version: text(meta, "jsonVersion"),
        xml_namespace: text(meta, "xmlNamespace").or(of_input),
        query_compatible: !meta["awsQueryCompatible"].is_null(),
        protocols: protocols.leak(),
        operations: built.leak(),
    }))
}

fn protocol(name: &str) -> Protocol {
    match name {
        "json" => Protocol::Json,
        "query" => Protocol::Query,
        "ec2" => Protocol::Ec2,
        "rest-json" => Protocol::RestJson,
        "rest-xml" => Protocol::RestXml,
        "smithy-rpc-v2-cbor" => Protocol::Cbor,
        other => panic!("a model speaks {other}"),
    }
}

struct Shapes<'a> {
    model: &'a Json,
    built: BTreeMap<String, &'static Schema>,
}

impl Shapes<'_> {
    fn operation(&mut self, name: &str, operation: &Json) -> &'static OperationSchema {
        let http = &operation["http"];
        let target = |end: &str| operation[end]["shape"].as_str().map(str::to_owned);
        let errors = operation["errors"].as_array().cloned().unwrap_or_default();
        let errors = errors.iter().filter_map(|error| error["shape"].as_str());
        let errors: Vec<&'static Schema> = errors.map(|error| self.schema(error)).collect();
        Box::leak(Box::new(OperationSchema {
            name: leak(name),
            method: text(http, "method").unwrap_or("POST"),
            uri: text(http, "requestUri").unwrap_or("/"),
            status: http["responseCode"]
                .as_u64()
                .map_or(200, |it| it.try_into().expect("a status")),
            input: target("input").map(|it| self.schema(&it)),
            output: target("output").map(|it| self.schema(&it)),
            errors: errors.leak(),
            result_wrapper: text(&operation["output"], "resultWrapper"),
            input_element: text(&operation["input"], "locationName"),
            anonymous: operation["authtype"] == "none",
            compiled: None,
        }))
    }

    /// No shape of the vendored models holds itself, so the schemas can be built bottom up.
    fn schema(&mut self, name: &str) -> &'static Schema {
        if let Some(schema) = self.built.get(name) {
            return schema;
        }
        let shape = &self.model[name];
        let mut schema = Schema::new(leak(name), self.kind(name, shape));
        schema.bounds.min = shape["min"].as_f64();
        schema.bounds.max = shape["max"].as_f64();
        schema.pattern = text(shape, "pattern");
        schema.sensitive = flag(shape, "sensitive");
        let schema: &'static Schema = Box::leak(Box::new(schema));
        self.built.insert(name.to_owned(), schema);
        schema
    }

    fn kind(&mut self, name: &str, shape: &Json) -> Kind {
        let mut part = |key: &str| -> &'static Member {
            Box::leak(Box::new(self.member(key, &shape[key], false)))
        };
        match shape["type"].as_str().expect("a shape has a type") {
            "boolean" => Kind::Boolean,
            "integer" => Kind::Integer,
            "long" => Kind::Long,
            "double" => Kind::Double,
            "blob" => Kind::Blob,
            "timestamp" => Kind::Timestamp,
            "list" => Kind::List(part("member")),
            "map" => Kind::Map(part("key"), part("value")),
            "string" => match shape["enum"].as_array() {
                Some(values) => {
                    let values: Vec<_> = values.iter().filter_map(Json::as_str).map(leak).collect();
                    Kind::Enum(values.leak())
                }
                None => Kind::String,
            },
            "structure" if flag(shape, "document") => Kind::Document,
            "structure" => self.structure(name, shape),
            other => panic!("{name} is a {other}"),
        }
    }

    fn structure(&mut self, name: &str, shape: &Json) -> Kind {
        let required: Vec<&str> =
            shape["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
        let mut members = Vec::new();
        for (key, reference) in shape["members"].as_object().into_iter().flatten() {
            let mut member = self.member(key, reference, shape["payload"] == key.as_str());
            member.required = required.contains(&key.as_str());
            members.push(member);
        }
        let fallback = if flag(shape, "fault") { 500 } else { 400 };
        let status = shape["error"]["httpStatusCode"].as_u64();
        let error = flag(shape, "exception").then(|| ErrorTrait {
            code: text(&shape["error"], "code").unwrap_or(leak(name)),
            status: status.map_or(fallback, |it| it.try_into().expect("a status")),
        });
        Kind::Structure(Structure { members: members.leak(), error, union: flag(shape, "union") })
    }

    fn member(&mut self, key: &str, reference: &Json, is_payload: bool) -> Member {
        let target = reference["shape"].as_str().expect("a member has a shape");
        let shape = &self.model[target];
        let mut member = Member::new(leak(key), self.schema(target));
        let name = text(reference, "locationName").or_else(|| text(shape, "locationName"));
        member.wire_name = name.unwrap_or(member.name);
        member.query_name = text(reference, "queryName");
        member.location = match reference["location"].as_str() {
            None if is_payload => Location::Payload,
            None => Location::Body,
            Some("header") => Location::Header,
            Some("headers") => Location::HeaderPrefix,
            Some("querystring") => Location::Query,
            Some("uri") => Location::Path,
            Some("statusCode") => Location::Status,
            Some(other) => panic!("a member stands in {other}"),
        };
        let format = text(reference, "timestampFormat").or_else(|| text(shape, "timestampFormat"));
        member.timestamp_format = format.map(|format| match format {
            "unixTimestamp" => TimestampFormat::EpochSeconds,
            "iso8601" => TimestampFormat::Iso8601,
            "rfc822" => TimestampFormat::HttpDate,
            other => panic!("a timestamp is written as {other}"),
        });
        member.flattened = flag(reference, "flattened") || flag(shape, "flattened");
        member.idempotency_token = flag(reference, "idempotencyToken");
        member
    }
}

#[test]
fn generated_tables_say_what_the_models_say() {
    for (read, generated) in services().iter().zip(shapes::SERVICES) {
        for (read, generated) in read.operations.iter().zip(generated.operations) {
            assert_eq!(read.name, generated.name);
            assert_eq!(
                (read.method, read.uri, read.status),
                (generated.method, generated.uri, generated.status)
            );
            assert_eq!(read.anonymous, generated.anonymous, "{}", read.name);
            if generated.compiled.is_some() {
                assert_eq!(format!("{:?}", read.input), format!("{:?}", generated.input));
                assert_eq!(format!("{:?}", read.output), format!("{:?}", generated.output));
                assert_eq!(format!("{:?}", read.errors), format!("{:?}", generated.errors));
            }
        }
        assert_eq!(read.operations.len(), generated.operations.len());
        assert_eq!(read.name, generated.name);
        assert_eq!(read.protocols, generated.protocols);
        assert_eq!(read.xml_namespace, generated.xml_namespace);
        assert_eq!(read.signing_name, generated.signing_name);
        assert_eq!(read.target_prefix, generated.target_prefix);
    }
}
