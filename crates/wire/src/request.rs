//! Requests: which operation of which service they ask for, in which protocol, and their input.

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use shapes::{DecodeError, OperationSchema, Protocol, SERVICES, Service, Shape, cbor};

use crate::fault::Fault;
use crate::form::Form;
use crate::query::{self, Dialect};
use crate::rest::{self, BodyForm, Bound};
use crate::sigv4;
use shapes::json;

/// A request as it arrived.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// HTTP method.
    pub method: &'a str,
    /// The path, still percent-encoded.
    pub path: &'a str,
    /// The query string, without its question mark.
    pub query: &'a str,
    /// All headers.
    pub headers: &'a HeaderMap,
    /// The whole body.
    pub body: &'a [u8],
}

/// What a request asks for, and the protocol that the answer must have.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The service.
    pub service: &'static Service,
    /// The operation.
    pub operation: &'static OperationSchema,
    /// The protocol.
    pub protocol: Protocol,
}

/// A request that asks for nothing that exists, with the form that the answer must have.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The protocol as far as it can be told.
    pub protocol: Protocol,
    /// Why.
    pub fault: Fault,
}

impl<'a> Incoming<'a> {
    /// The head of an HTTP request with its body.
    pub fn new(parts: &'a http::request::Parts, body: &'a [u8]) -> Self {
        Self {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            headers: &parts.headers,
            body,
        }
    }

    /// A header as text; the first one if there are more.
    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The parameters of a Query request: the form in the body, or the query string.
    fn form(&self) -> Result<Form<'a>, DecodeError> {
        if self.body.is_empty() {
            return Form::parse(self.query);
        }
        let text = std::str::from_utf8(self.body)
            .map_err(|_| DecodeError::Syntax { offset: 0, problem: "not UTF-8" })?;
        Form::parse(text)
    }
}

/// Finds what a request asks for, among the services of the vendored models.
///
/// Nothing is verified here; the signature is, with [`crate::sigv4`].
pub fn route(request: &Incoming<'_>) -> Result<Route, Refusal> {
    route_among(SERVICES, request)
}

/// Finds what a request asks for, among these services.
pub fn route_among(
    services: &[&'static Service],
    request: &Incoming<'_>,
) -> Result<Route, Refusal> {
    if request.header("smithy-protocol") == Some("rpc-v2-cbor") {
        return cbor_route(services, request);
    }
    if let Some(target) = request.header("x-amz-target") {
        return target_route(services, target);
    }
    if is_form(request) || names_action(request.query) {
        return action_route(services, request);
    }
    path_route(services, request)
}

fn refused(protocol: Protocol, name: &str) -> Refusal {
    Refusal { protocol, fault: Fault::unknown_operation(protocol, name) }
}

/// `POST /service/GraniteServiceVersion20100801/operation/PutMetricData`.
fn cbor_route(services: &[&'static Service], request: &Incoming<'_>) -> Result<Route, Refusal> {
    let protocol = Protocol::Cbor;
    let unknown = || refused(protocol, request.path);
    let mut steps = request.path.rsplit('/');
    let (Some(name), Some("operation"), Some(prefix), Some("service")) =
        (steps.next(), steps.next(), steps.next(), steps.next())
    else {
        return Err(unknown());
    };
    let service = with_target_prefix(services, prefix, protocol).ok_or_else(unknown)?;
    let operation = service.operation(name).ok_or_else(unknown)?;
    Ok(Route { service, operation, protocol })
}

/// `X-Amz-Target: AmazonEC2ContainerServiceV20141113.RunTask`. A prefix may hold dots.
fn target_route(services: &[&'static Service], target: &str) -> Result<Route, Refusal> {
    let protocol = Protocol::Json;
    let unknown = || refused(protocol, target);
    let (prefix, name) = target.rsplit_once('.').ok_or_else(unknown)?;
    let service = with_target_prefix(services, prefix, protocol).ok_or_else(unknown)?;
    let operation = service.operation(name).ok_or_else(unknown)?;
    Ok(Route { service, operation, protocol })
}

fn with_target_prefix(
    services: &[&'static Service],
    prefix: &str,
    protocol: Protocol,
) -> Option<&'static Service> {
    let fits = |service: &&&'static Service| {
        service.target_prefix == Some(prefix) && service.protocols.contains(&protocol)
    };
    services.iter().find(fits).copied()
}

/// Media types are written in letters of any size. Source: RFC 9110, 8.3.1.
fn is_form(request: &Incoming<'_>) -> bool {
    let kind = request.header(CONTENT_TYPE.as_str()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn names_action(query: &str) -> bool {
    query.split('&').any(|pair| pair.starts_with("Action="))
}

/// `Action=DescribeVpcs&Version=2016-11-15`. Services that share a version, or a name in
/// signatures, are told apart by the other of the two.
fn action_route(services: &[&'static Service], request: &Incoming<'_>) -> Result<Route, Refusal> {
    let signing_name = sigv4::claimed_service(request);
    let query_protocol = |service: &Service| {
        let spoken = |it: &&Protocol| matches!(it, Protocol::Query | Protocol::Ec2);
        service.protocols.iter().find(spoken).copied()
    };
    // Who is asked by a name alone still answers in its own form.
    let named = services.iter().filter(|service| signing_name == Some(service.signing_name));
    let mut protocol = named.copied().find_map(query_protocol).unwrap_or(Protocol::Query);
    let form = request
        .form()
        .map_err(|error| Refusal { protocol, fault: Fault::unreadable(protocol, &error) })?;
    let version = form.value("Version");
    let candidates = services.iter().copied().filter(|service| {
        signing_name.is_none_or(|name| name == service.signing_name)
            && version.is_none_or(|version| version == service.api_version)
    });
    let action = form.value("Action");
    for service in candidates {
        let Some(spoken) = query_protocol(service) else { continue };
        protocol = spoken;
        if let Some(operation) = action.and_then(|action| service.operation(action)) {
            return Ok(Route { service, operation, protocol });
        }
    }
    if let Some(action) = action {
        return Err(refused(protocol, action));
    }
    let text = "The request must contain the parameter Action";
    Err(Refusal { protocol, fault: Fault::new("MissingAction", text) })
}

/// A method and a path. The signature says which service; without one the path has to do.
fn path_route(services: &[&'static Service], request: &Incoming<'_>) -> Result<Route, Refusal> {
    let signing_name = sigv4::claimed_service(request);
    let mut protocol = Protocol::RestJson;
    for service in services {
        if signing_name.is_some_and(|name| name != service.signing_name) {
            continue;
        }
        let spoken = |it: &&Protocol| matches!(it, Protocol::RestJson | Protocol::RestXml);
        let Some(spoken) = service.protocols.iter().find(spoken).copied() else { continue };
        protocol = spoken;
        let fits = service.operations.iter().filter(|operation| {
            operation.method == request.method
                && rest::matches(operation.uri, request.path).is_some()
                && rest::has_fixed_query(operation.uri, request.query)
        });
        // Where several fit, the one is meant that leaves less open.
        let openness = |uri: &str| (uri.matches('{').count(), !uri.contains('?'));
        if let Some(operation) = fits.min_by_key(|operation| openness(operation.uri)) {
            return Ok(Route { service, operation, protocol });
        }
    }
    Err(refused(protocol, &format!("{} {}", request.method, request.path)))
}

impl Route {
    /// Reads the input of the operation. The shape must be the operation's own.
    pub fn decode<T: Shape + Default>(&self, request: &Incoming<'_>) -> Result<T, Fault> {
        let mut shape = T::default();
        let read = self.decode_into(request, &mut shape);
        read.map(|()| shape).map_err(|error| Fault::unreadable(self.protocol, &error))
    }

    /// Reads the input of the operation into a shape. [`Fault::unreadable`] tells what failed.
    pub fn decode_into(
        &self,
        request: &Incoming<'_>,
        into: &mut dyn Shape,
    ) -> Result<(), DecodeError> {
        let rest = |form, into: &mut dyn Shape| {
            let labels = rest::matches(self.operation.uri, request.path).unwrap_or_default();
            let Incoming { query, headers, body, .. } = *request;
            rest::decode(&Bound { labels, query, headers, body }, form, into)
        };
        match self.protocol {
            Protocol::Json => json::decode(request.body, into),
            Protocol::Cbor => cbor::decode(request.body, into),
            Protocol::RestJson => rest(BodyForm::Json, into),
            Protocol::RestXml => rest(BodyForm::Xml, into),
            Protocol::Query => {
                request.form().and_then(|form| query::decode(&form, Dialect::Query, into))
            }
            Protocol::Ec2 => {
                request.form().and_then(|form| query::decode(&form, Dialect::Ec2, into))
            }
        }
    }

    /// The refusal of an operation that is not built.
    pub fn unsupported(&self) -> Fault {
        Fault::unsupported(self.service, self.operation)
    }
}

#[cfg(test)]
mod tests;
