//! Answers of Cloud Map other than success.

use shapes::Document;

use crate::Fault;
use crate::page::PageError;

/// One variant for each exception that this region can answer with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// `CustomHealthNotFound`.
    #[error("Service {0} has no custom health check.")]
    CustomHealthNotFound(String),
    /// `DuplicateRequest`: the request id came before with something else, and made this operation.
    #[error("The request id was used before, for operation {0}.")]
    DuplicateRequest(String),
    /// `InstanceNotFound`.
    #[error("Instance not found: {0}")]
    InstanceNotFound(String),
    /// `InvalidInput`.
    #[error("{0}")]
    InvalidInput(String),
    /// `NamespaceAlreadyExists`.
    #[error("Namespace already exists.")]
    NamespaceAlreadyExists(Standing),
    /// `NamespaceNotFound`.
    #[error("Namespace not found: {0}")]
    NamespaceNotFound(String),
    /// `OperationNotFound`.
    #[error("Operation not found: {0}")]
    OperationNotFound(String),
    /// `ResourceInUse`.
    #[error("{0}")]
    ResourceInUse(&'static str),
    /// `ResourceLimitExceeded`.
    #[error("{0}")]
    ResourceLimitExceeded(String),
    /// `ResourceNotFoundException`.
    #[error("Resource not found: {0}")]
    ResourceNotFound(String),
    /// `ServiceAlreadyExists`.
    #[error("Service already exists.")]
    ServiceAlreadyExists(Standing),
    /// `ServiceAttributesLimitExceededException`.
    #[error("A service can have at most {0} attributes.")]
    ServiceAttributesLimitExceeded(usize),
    /// `ServiceNotFound`.
    #[error("Service not found: {0}")]
    ServiceNotFound(String),
    /// `TooManyTagsException`.
    #[error("A resource can have at most {max} tags.")]
    TooManyTags {
        /// ARN of the resource.
        resource: String,
        /// How many it can have.
        max: usize,
    },
}

/// What stands in the way of a creation, so that a client can tell its own work of before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its id.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// The request that made it.
    pub creator_request_id: Option<String>,
}

impl Error {
    /// A request that makes no sense.
    pub(super) fn input(message: impl Into<String>) -> Self {
        Self::InvalidInput(message.into())
    }

    fn code(&self) -> &'static str {
        match self {
            Self::CustomHealthNotFound(_) => "CustomHealthNotFound",
            Self::DuplicateRequest(_) => "DuplicateRequest",
            Self::InstanceNotFound(_) => "InstanceNotFound",
            Self::InvalidInput(_) => "InvalidInput",
            Self::NamespaceAlreadyExists(_) => "NamespaceAlreadyExists",
            Self::NamespaceNotFound(_) => "NamespaceNotFound",
            Self::OperationNotFound(_) => "OperationNotFound",
            Self::ResourceInUse(_) => "ResourceInUse",
            Self::ResourceLimitExceeded(_) => "ResourceLimitExceeded",
            Self::ResourceNotFound(_) => "ResourceNotFoundException",
            Self::ServiceAlreadyExists(_) => "ServiceAlreadyExists",
            Self::ServiceAttributesLimitExceeded(_) => "ServiceAttributesLimitExceededException",
            Self::ServiceNotFound(_) => "ServiceNotFound",
            Self::TooManyTags { .. } => "TooManyTagsException",
        }
    }

    /// What the exception says beside its message.
    fn members(self) -> Vec<(&'static str, String)> {
        let creator = |it: Option<String>| it.map(|it| ("CreatorRequestId", it));
        match self {
            Self::DuplicateRequest(operation) => vec![("DuplicateOperationId", operation)],
            Self::NamespaceAlreadyExists(it) => {
                creator(it.creator_request_id).into_iter().chain([("NamespaceId", it.id)]).collect()
            }
            Self::ServiceAlreadyExists(it) => creator(it.creator_request_id)
                .into_iter()
                .chain([("ServiceId", it.id), ("ServiceArn", it.arn)])
                .collect(),
            Self::TooManyTags { resource, .. } => vec![("ResourceName", resource)],
            _ => Vec::new(),
        }
    }
}

impl From<PageError> for Error {
    fn from(error: PageError) -> Self {
        match error {
            PageError::Size(sizes) => Self::InvalidInput(format!(
                "MaxResults must be between {} and {}.",
                sizes.min, sizes.max
            )),
            PageError::Token => Self::input("The NextToken is not valid."),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let mut fault = Self::new(error.code(), error.to_string());
        let members = error.members().into_iter();
        fault.members = members.map(|(name, text)| (name, Document::String(text))).collect();
        fault
    }
}
