//! Answers: outputs and faults in the form of a protocol.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use shapes::{Document, OperationSchema, Protocol, Service, Shape, cbor};

use crate::fault::Fault;
use crate::request::{Refusal, Route};
use crate::rest::{self, BodyForm};
use crate::xml;
use shapes::json;

/// The header that names the request; SDKs show it beside errors.
const REQUEST_ID: &str = "x-amzn-requestid";

impl Route {
    /// The answer to a request that succeeded.
    pub fn success(&self, output: &dyn Shape, request_id: &str) -> Response<Vec<u8>> {
        let Self { service, operation, protocol } = *self;
        let json_type = || format!("application/x-amz-json-{}", json_version(Some(service)));
        let (content_type, body) = match protocol {
            Protocol::Json => (json_type(), json::encode(output)),
            Protocol::Cbor => ("application/cbor".to_owned(), cbor::encode(output)),
            Protocol::Query => {
                ("text/xml".to_owned(), query_success(service, operation, output, request_id))
            }
            Protocol::Ec2 => (
                "text/xml;charset=UTF-8".to_owned(),
                ec2_success(service, operation, output, request_id),
            ),
            Protocol::RestJson => return self.rest(BodyForm::Json, output, request_id),
            Protocol::RestXml => return self.rest(BodyForm::Xml, output, request_id),
        };
        let mut answer = answer(operation.status, &content_type, body, request_id);
        if protocol == Protocol::Cbor {
            mark_cbor(answer.headers_mut());
        }
        answer
    }

    /// The answer to a request that failed.
    pub fn failure(&self, fault: &Fault, request_id: &str) -> Response<Vec<u8>> {
        failure(self.protocol, Some((self.service, self.operation)), fault, request_id)
    }

    fn rest(&self, form: BodyForm, output: &dyn Shape, request_id: &str) -> Response<Vec<u8>> {
        let parts = rest::encode(output, form, self.service.xml_namespace);
        let status = parts.status.unwrap_or(self.operation.status);
        let mut answer = Response::new(parts.body);
        *answer.headers_mut() = parts.headers;
        finish(answer, status, request_id)
    }
}

impl Refusal {
    /// The answer to a request that asks for nothing that exists.
    pub fn response(&self, request_id: &str) -> Response<Vec<u8>> {
        failure(self.protocol, None, &self.fault, request_id)
    }
}

fn answer(status: u16, content_type: &str, body: Vec<u8>, request_id: &str) -> Response<Vec<u8>> {
    let mut answer = Response::new(body);
    if let Ok(value) = HeaderValue::from_str(content_type) {
        answer.headers_mut().insert(CONTENT_TYPE, value);
    }
    finish(answer, status, request_id)
}

fn finish(mut answer: Response<Vec<u8>>, status: u16, request_id: &str) -> Response<Vec<u8>> {
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    if let Ok(value) = HeaderValue::from_str(request_id) {
        answer.headers_mut().insert(REQUEST_ID, value);
    }
    answer
}

fn mark_cbor(headers: &mut HeaderMap) {
    headers.insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
}

fn json_version(service: Option<&Service>) -> &'static str {
    service.and_then(|service| service.json_version).unwrap_or("1.1")
}

fn query_success(
    service: &Service,
    operation: &OperationSchema,
    output: &dyn Shape,
    request_id: &str,
) -> Vec<u8> {
    let mut writer = xml::Writer::new();
    writer.rooted(&format!("{}Response", operation.name), service.xml_namespace, |inner| {
        if let Some(wrapper) = operation.result_wrapper {
            inner.wrapped(wrapper, |inner| inner.members(output));
        }
        inner.wrapped("ResponseMetadata", |inner| inner.text("RequestId", request_id));
    });
    writer.into_bytes()
}

fn ec2_success(
    service: &Service,
    operation: &OperationSchema,
    output: &dyn Shape,
    request_id: &str,
) -> Vec<u8> {
    let mut writer = xml::Writer::new();
    writer.declaration();
    writer.rooted(&format!("{}Response", operation.name), service.xml_namespace, |inner| {
        inner.text("requestId", request_id);
        inner.members(output);
    });
    writer.into_bytes()
}

/// The form of a fault; the operation says how its members are called.
fn failure(
    protocol: Protocol,
    asked: Option<(&'static Service, &'static OperationSchema)>,
    fault: &Fault,
    request_id: &str,
) -> Response<Vec<u8>> {
    let service = asked.map(|(service, _)| service);
    let modelled = asked.and_then(|(_, operation)| modelled(operation, &fault.code));
    // What SDKs call the error: the shape's name, where Query has a shorter code.
    let name = modelled.map_or(fault.code.as_str(), |schema| schema.name);
    let message_name = modelled
        .and_then(|schema| schema.members().iter().find(|it| is_message(it.wire_name)))
        .map_or("message", |member| member.wire_name);
    let query_code = modelled.and_then(shapes::Schema::error_trait).map_or(name, |it| it.code);
    let status = fault.status;
    let mut response = match protocol {
        Protocol::Json => {
            let kind = format!("application/x-amz-json-{}", json_version(service));
            let body = typed(fault, Some(name), message_name, json::encode_entries);
            answer(status, &kind, body, request_id)
        }
        Protocol::RestJson => {
            let body = typed(fault, None, message_name, json::encode_entries);
            let mut response = answer(status, "application/json", body, request_id);
            if let Ok(value) = HeaderValue::from_str(name) {
                response.headers_mut().insert("x-amzn-errortype", value);
            }
            response
        }
        Protocol::Cbor => {
            let body = typed(fault, Some(name), message_name, cbor::encode_entries);
            let mut response = answer(status, "application/cbor", body, request_id);
            mark_cbor(response.headers_mut());
            response
        }
        Protocol::Query | Protocol::RestXml => {
            let body = error_response(service, query_code, fault, request_id);
            answer(status, "text/xml", body, request_id)
        }
        Protocol::Ec2 => {
            let body = ec2_failure(query_code, fault, request_id);
            answer(status, "text/xml;charset=UTF-8", body, request_id)
        }
    };
    let speaks_codes = matches!(protocol, Protocol::Json | Protocol::Cbor);
    if speaks_codes && service.is_some_and(|service| service.query_compatible) {
        let value = HeaderValue::from_str(&format!("{query_code};{}", side(status)));
        if let Ok(value) = value {
            response.headers_mut().insert("x-amzn-query-error", value);
        }
    }
    response
}

/// The error shape of an operation that goes by this name or code.
fn modelled(operation: &OperationSchema, code: &str) -> Option<&'static shapes::Schema> {
    let goes_by = |schema: &&&'static shapes::Schema| {
        schema.name == code || schema.error_trait().is_some_and(|error| error.code == code)
    };
    operation.errors.iter().find(goes_by).copied()
}

fn is_message(name: &str) -> bool {
    name.eq_ignore_ascii_case("message")
}

/// Whose mistake it was.
fn side(status: u16) -> &'static str {
    if status < 500 { "Sender" } else { "Receiver" }
}

/// A fault as an object: its type, its message, its members.
fn typed(
    fault: &Fault,
    name: Option<&str>,
    message_name: &str,
    encode: fn(&[(&str, &Document)]) -> Vec<u8>,
) -> Vec<u8> {
    let kind = name.map(|name| Document::String(name.to_owned()));
    let message = Document::String(fault.message.clone());
    let members = fault.members.iter().map(|(name, value)| (name.as_str(), value));
    let entries: Vec<(&str, &Document)> = kind
        .iter()
        .map(|kind| ("__type", kind))
        .chain([(message_name, &message)])
        .chain(members)
        .collect();
    encode(&entries)
}

fn error_response(
    service: Option<&Service>,
    code: &str,
    fault: &Fault,
    request_id: &str,
) -> Vec<u8> {
    let mut writer = xml::Writer::new();
    let namespace = service.and_then(|service| service.xml_namespace);
    writer.rooted("ErrorResponse", namespace, |inner| {
        inner.wrapped("Error", |inner| {
            inner.text("Type", side(fault.status));
            error_members(inner, code, fault);
        });
        inner.text("RequestId", request_id);
    });
    writer.into_bytes()
}

fn ec2_failure(code: &str, fault: &Fault, request_id: &str) -> Vec<u8> {
    let mut writer = xml::Writer::new();
    writer.declaration();
    writer.wrapped("Response", |inner| {
        inner.wrapped("Errors", |inner| {
            inner.wrapped("Error", |inner| error_members(inner, code, fault));
        });
        inner.text("RequestID", request_id);
    });
    writer.into_bytes()
}

fn error_members(writer: &mut xml::Writer, code: &str, fault: &Fault) {
    writer.text("Code", code);
    writer.text("Message", &fault.message);
    for (name, value) in &fault.members {
        writer.any(name, value);
    }
}

#[cfg(test)]
mod tests;
