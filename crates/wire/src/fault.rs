//! Answers other than success, before they take the form of a protocol.

use shapes::{DecodeError, Document, OperationSchema, Protocol, Service};

/// An error as a client sees it: its code is what clients match on.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// For example `ClusterNotFoundException`.
    pub code: String,
    /// For people; some scripts match on it too.
    pub message: String,
    /// HTTP status.
    pub status: u16,
    /// Members that the error has beside its message, by their names in the model.
    pub members: Vec<(String, Document)>,
}

impl Fault {
    /// A fault with status 400 and nothing but a message.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), status: 400, members: Vec::new() }
    }

    /// Sets the HTTP status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Adds a member.
    #[must_use]
    pub fn with_member(mut self, name: impl Into<String>, value: Document) -> Self {
        self.members.push((name.into(), value));
        self
    }

    /// Adds a member that is a list of texts, as `resourceIds` of `ConflictException`.
    #[must_use]
    pub fn with_texts(
        self,
        name: impl Into<String>,
        texts: impl IntoIterator<Item = String>,
    ) -> Self {
        let texts = texts.into_iter().map(Document::String).collect();
        self.with_member(name, Document::List(texts))
    }

    /// The request's body or parameters do not say what the operation's shape asks for.
    pub fn unreadable(protocol: Protocol, error: &DecodeError) -> Self {
        // The Query protocols and REST-XML call it by a name of their own.
        let code = match protocol {
            Protocol::Json | Protocol::RestJson | Protocol::Cbor => "SerializationException",
            Protocol::Query | Protocol::Ec2 | Protocol::RestXml => "MalformedInput",
        };
        Self::new(code, error.to_string())
    }

    /// An operation of the model that is not built.
    ///
    /// A 4xx, never a 5xx: clients retry the latter until they give up.
    pub fn unsupported(service: &Service, operation: &OperationSchema) -> Self {
        let code = match service.name {
            "ecs" => "UnsupportedFeatureException",
            _ => "UnsupportedOperationException",
        };
        let name = operation.name;
        Self::new(
            code,
            format!("Landfall does not support the operation {name} of {}.", service.id),
        )
    }

    /// An operation that no model has.
    pub(crate) fn unknown_operation(protocol: Protocol, name: &str) -> Self {
        match protocol {
            Protocol::Query | Protocol::Ec2 => {
                let text = format!("Could not find operation {name} for the requested version.");
                Self::new("InvalidAction", text)
            }
            Protocol::Json | Protocol::Cbor => {
                let text = format!("The requested operation is not known: {name}");
                Self::new("UnknownOperationException", text)
            }
            Protocol::RestJson | Protocol::RestXml => {
                let text = format!("No operation answers at {name}");
                Self::new("UnknownOperationException", text).with_status(404)
            }
        }
    }
}
