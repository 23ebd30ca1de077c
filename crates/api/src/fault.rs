//! A refusal as every protocol can carry it.

use std::collections::BTreeMap;

use shapes::{Document, OperationSchema, Protocol, Service};

/// HTTP status of everything that the client can mend.
const BAD_REQUEST: u16 = 400;

/// Code, message and HTTP status of a refusal; `wire` knows how each protocol writes it down.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Fault {
    /// The code that clients match on, such as `ClusterNotFoundException`.
    pub code: String,
    /// For people, but matched by scripts too: AWS's words where they are known.
    pub message: String,
    /// HTTP status.
    pub status: u16,
    /// Members of the exception beside its message, by name, such as `resourceIds`.
    pub members: BTreeMap<&'static str, Document>,
}

impl Fault {
    /// A refusal that the client can mend: HTTP 400, no members but the message.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            status: BAD_REQUEST,
            members: BTreeMap::new(),
        }
    }

    /// The refusal of an operation that the model has and this region does not answer yet.
    pub fn unsupported(service: &Service, operation: &OperationSchema) -> Self {
        let code = match service.name {
            "ecs" => "UnsupportedFeatureException",
            _ => "UnsupportedOperationException",
        };
        let message =
            format!("{} of {} is not supported by this region yet.", operation.name, service.id);
        Self::new(code, message)
    }

    /// The refusal of an operation that the service's model does not have.
    pub fn unknown(service: &Service, operation: &str) -> Self {
        match service.protocols.first() {
            Some(Protocol::Query | Protocol::Ec2) => Self::new(
                "InvalidAction",
                format!("The action {operation} is not valid for this web service."),
            ),
            _ => Self::new(
                "UnknownOperationException",
                format!("{} has no operation {operation}.", service.id),
            ),
        }
    }

    /// The refusal of a request that breaks the limits of its shape.
    pub fn invalid(service: &Service, message: String) -> Self {
        let code = match service.name {
            "ecs" | "landfall" | "logs" => "InvalidParameterException",
            "ec2" => "InvalidParameterValue",
            "cloudwatch" | "elb" | "elbv2" | "sts" => "ValidationError",
            "route53" | "servicediscovery" => "InvalidInput",
            _ => "ValidationException",
        };
        Self::new(code, message)
    }
}
