//! Every operation of every model, both ways, in every protocol that the model lists.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use serde_json::{Value as Json, json};
use shapes::{Location, OperationSchema, Protocol, Service, Shape, cbor};
use wire::{Fault, Incoming, Route};

use crate::botocore::{ask, is_installed, parameters};
use crate::dynamic::{Dynamic, document};
use crate::model;
use crate::sample::{Extent, structure};

const REQUEST_ID: &str = "0b1c2d3e-0000-4000-8000-00000000000f";

/// One thing that is asked of botocore, and what the answer has to be.
struct Case {
    route: Route,
    extent: Extent,
    check: Check,
    question: Json,
}

enum Check {
    Input(Option<Dynamic>),
    Output(Dynamic),
    Error(Fault, Dynamic),
}

fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Json => "json",
        Protocol::Query => "query",
        Protocol::Ec2 => "ec2",
        Protocol::RestJson => "rest-json",
        Protocol::RestXml => "rest-xml",
        Protocol::Cbor => "smithy-rpc-v2-cbor",
    }
}

/// Whether an answer is a stream of events, which is framed outside of these codecs.
fn is_stream(operation: &OperationSchema) -> bool {
    matches!(operation.name, "StartLiveTail" | "InvokeWithResponseStream")
}

fn routes(services: &[&'static Service]) -> Vec<Route> {
    let mut routes = Vec::new();
    for service in services {
        for protocol in service.protocols {
            for operation in service.operations {
                routes.push(Route { service, operation, protocol: *protocol });
            }
        }
    }
    routes
}

fn question(route: &Route, ask: &str, more: Json) -> Json {
    let mut question = json!({
        "ask": ask,
        "service": route.service.name,
        "operation": route.operation.name,
        "protocol": protocol_name(route.protocol),
    });
    question.as_object_mut().expect("an object").extend(more.as_object().expect("one").clone());
    question
}

fn answer_parts(response: &Response<Vec<u8>>) -> Json {
    let headers = response.headers().iter();
    let headers: Vec<_> =
        headers.map(|(name, it)| json!([name.as_str(), it.to_str().expect("text")])).collect();
    json!({
        "status": response.status().as_u16(),
        "headers": headers,
        "body": STANDARD.encode(response.body()),
    })
}

fn input_case(route: Route, extent: Extent) -> Case {
    let input = route.operation.input.map(|schema| structure(schema, extent));
    let given = input.as_ref().map_or_else(|| json!({}), parameters);
    let question = question(&route, "serialise", json!({ "parameters": given }));
    Case { route, extent, check: Check::Input(input), question }
}

fn output_case(route: Route, extent: Extent) -> Option<Case> {
    let output = structure(route.operation.output?, extent);
    let response = route.success(&output, REQUEST_ID);
    check_compiled_output(&route, &output, &response);
    let question = question(&route, "parse", answer_parts(&response));
    Some(Case { route, extent, check: Check::Output(output), question })
}

fn error_case(route: Route, schema: &'static shapes::Schema) -> Case {
    let error = structure(schema, Extent::Full);
    let shown = schema.error_trait().expect("it is an error");
    let mut fault = Fault::new(schema.name, "told").with_status(shown.status);
    for (member, value) in error.given() {
        match value {
            crate::dynamic::Any::String(text) if member.name.eq_ignore_ascii_case("message") => {
                fault.message.clone_from(text);
            }
            value => fault = fault.with_member(member.wire_name, document(value)),
        }
    }
    let response = route.failure(&fault, REQUEST_ID);
    let question = question(&route, "parse_error", answer_parts(&response));
    Case { route, extent: Extent::Full, check: Check::Error(fault, error), question }
}

#[test]
fn every_operation_of_every_model_round_trips_against_botocore() {
    if !is_installed() {
        return;
    }
    let services = model::services();
    let mut cases = Vec::new();
    for route in routes(&services) {
        for extent in [Extent::Full, Extent::Required] {
            cases.push(input_case(route, extent));
            cases.extend(output_case(route, extent).filter(|_| !is_stream(route.operation)));
        }
        cases.extend(route.operation.errors.iter().map(|schema| error_case(route, schema)));
    }
    let answers = ask(cases.iter_mut().map(|case| case.question.take()).collect());
    let mut wrong = Vec::new();
    for (case, answer) in cases.iter().zip(&answers) {
        if let Err(problem) = judge(&services, case, answer) {
            let Route { service, operation, protocol } = case.route;
            let what = match case.check {
                Check::Input(_) => "input",
                Check::Output(_) => "output",
                Check::Error(..) => "error",
            };
            wrong.push(format!(
                "{} {} {protocol:?} {what} {:?}: {problem}",
                service.name, operation.name, case.extent
            ));
        }
    }
    let count = |fits: fn(&Check) -> bool| cases.iter().filter(|case| fits(&case.check)).count();
    println!(
        "{} inputs, {} outputs, {} errors",
        count(|it| matches!(it, Check::Input(_))),
        count(|it| matches!(it, Check::Output(_))),
        count(|it| matches!(it, Check::Error(..)))
    );
    let shown: Vec<&str> = wrong.iter().take(20).map(String::as_str).collect();
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), shown.join("\n"));
}

fn judge(services: &[&'static Service], case: &Case, answer: &Json) -> Result<(), String> {
    if let Some(failed) = answer["failed"].as_str() {
        return Err(format!("botocore: {failed}"));
    }
    match &case.check {
        Check::Input(input) => judge_input(services, case, input.as_ref(), answer),
        Check::Output(output) => judge_output(case, output, answer),
        Check::Error(fault, error) => judge_error(case, fault, error, answer),
    }
}

fn same(found: &Json, expected: &Json) -> Result<(), String> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("\n  found    {found}\n  expected {expected}"))
    }
}

fn judge_input(
    services: &[&'static Service],
    case: &Case,
    input: Option<&Dynamic>,
    answer: &Json,
) -> Result<(), String> {
    let sent = Sent::new(answer, case.route.service);
    let found = wire::request::route_among(services, &sent.incoming());
    let found = found.map_err(|refusal| format!("no route: {refusal:?} {answer}"))?;
    same(
        &json!([found.service.name, found.operation.name, protocol_name(found.protocol)]),
        &json!([
            case.route.service.name,
            case.route.operation.name,
            protocol_name(case.route.protocol)
        ]),
    )?;
    let Some(input) = input else { return Ok(()) };
    let mut decoded = Dynamic::new(input.schema);
    found.decode_into(&sent.incoming(), &mut decoded).map_err(|error| error.to_string())?;
    let (mut found_input, mut sent_input) = (parameters(&decoded), parameters(input));
    if matches!(case.route.protocol, Protocol::Query | Protocol::Ec2 | Protocol::RestJson) {
        // Forms cannot say that a structure is there and empty, and an absent body is sent as an
        // empty one.
        prune(&mut found_input);
        prune(&mut sent_input);
    }
    same(&found_input, &sent_input)?;

    let compiled = shapes::SERVICES.iter().find(|it| it.name == case.route.service.name);
    let compiled = compiled.and_then(|it| it.operation(case.route.operation.name));
    if let Some(types) = compiled.and_then(|operation| operation.compiled) {
        let mut typed = (types.input)();
        found.decode_into(&sent.incoming(), typed.as_mut()).map_err(|error| error.to_string())?;
        assert_eq!(
            cbor::encode(typed.as_ref()),
            cbor::encode(&decoded),
            "{}",
            found.operation.name
        );
    }
    Ok(())
}

/// Takes out empty structures, and lists that hold nothing else.
fn prune(value: &mut Json) {
    let is_empty = |value: &Json| {
        value.as_object().is_some_and(serde_json::Map::is_empty) || *value == json!([])
    };
    if let Some(members) = value.as_object_mut() {
        members.values_mut().for_each(prune);
        members.retain(|_, value| !is_empty(value));
    } else if let Some(items) = value.as_array_mut() {
        items.iter_mut().for_each(prune);
        items.retain(|value| !is_empty(value));
    }
}

/// The generated type of an answer writes what the dynamic one writes.
fn check_compiled_output(route: &Route, output: &Dynamic, response: &Response<Vec<u8>>) {
    let service = shapes::SERVICES.iter().find(|it| it.name == route.service.name);
    let operation = service.and_then(|it| it.operation(route.operation.name));
    let Some(types) = operation.and_then(|operation| operation.compiled) else { return };
    let mut typed = (types.output)();
    cbor::decode(&cbor::encode(output), typed.as_mut()).expect("it was just written");
    let found = route.success(typed.as_ref(), REQUEST_ID);
    assert_eq!(found.body(), response.body(), "{}", route.operation.name);
}

fn judge_output(case: &Case, output: &Dynamic, answer: &Json) -> Result<(), String> {
    let expected = output.clone().without(Location::Query).without(Location::Path);
    same(&answer["parsed"], &parameters(&expected))?;
    same(&answer["request_id"], &json!(REQUEST_ID)).map_err(|it| format!("{:?} {it}", case.extent))
}

fn judge_error(case: &Case, fault: &Fault, error: &Dynamic, answer: &Json) -> Result<(), String> {
    let shown = error.schema().error_trait().expect("it is an error");
    let speaks_shape_names = match case.route.protocol {
        Protocol::RestJson => true,
        Protocol::Json | Protocol::Cbor => !case.route.service.query_compatible,
        Protocol::Query | Protocol::Ec2 | Protocol::RestXml => false,
    };
    let code = if speaks_shape_names { error.schema.name } else { shown.code };
    same(&answer["code"], &json!(code))?;
    same(&answer["message"], &json!(fault.message))?;
    same(&answer["request_id"], &json!(REQUEST_ID))?;
    if answer["shape"] != json!(error.schema.name) {
        return Ok(());
    }
    let mut expected = parameters(error);
    if matches!(case.route.protocol, Protocol::Query | Protocol::Ec2 | Protocol::RestXml) {
        // There the element is always `Message`, whatever the model calls the member.
        let members = expected.as_object_mut().expect("an object");
        members.retain(|name, _| name != "message");
    }
    same(&answer["parsed"], &expected)
}

/// A request of botocore's, unsigned but with the service that it would be signed for.
pub(crate) struct Sent {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Sent {
    pub(crate) fn new(answer: &Json, service: &Service) -> Self {
        let mut sent = Self::signed(answer);
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/{}/aws4_request",
            service.signing_name
        );
        let value = HeaderValue::from_str(&scope).expect("text");
        sent.headers.entry("authorization").or_insert(value);
        sent
    }

    pub(crate) fn signed(answer: &Json) -> Self {
        let text = |key: &str| answer[key].as_str().expect("a text").to_owned();
        let url = text("url");
        let behind = url.split_once("://").map_or(url.as_str(), |(_, it)| it);
        let target = behind.find('/').map_or("/", |at| &behind[at..]);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers = HeaderMap::new();
        for pair in answer["headers"].as_array().expect("a list") {
            let (name, value) = (pair[0].as_str().expect("text"), pair[1].as_str().expect("text"));
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).expect("a name"),
                HeaderValue::from_bytes(value.as_bytes()).expect("a value"),
            );
        }
        Self {
            method: text("method"),
            path: path.to_owned(),
            query: query.to_owned(),
            headers,
            body: STANDARD.decode(text("body")).expect("base64"),
        }
    }

    pub(crate) fn incoming(&self) -> Incoming<'_> {
        Incoming {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: &self.headers,
            body: &self.body,
        }
    }
}
