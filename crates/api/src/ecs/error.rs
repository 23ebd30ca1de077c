//! Answers of ECS other than success.

use shapes::Document;

use crate::Fault;
use crate::page::PageError;

/// HTTP status of the one error that is not the client's.
const SERVER_ERROR: u16 = 500;

/// One variant for each exception of the ECS API that this region can answer with.
///
/// A variant carries its text where AWS has more than one for it; fixed texts are AWS's own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// `AccessDeniedException`: the caller may not do this.
    #[error("{0}")]
    AccessDenied(String),
    /// `AttributeLimitExceededException`: too many custom attributes on one resource.
    #[error("{0}")]
    AttributeLimitExceeded(String),
    /// `ClientException`: the request makes no sense on this resource.
    #[error("{0}")]
    Client(String),
    /// `ClusterContainsContainerInstancesException`.
    #[error("The Cluster cannot be deleted while Container Instances are active or draining.")]
    ClusterContainsContainerInstances,
    /// `ClusterContainsServicesException`.
    #[error("The Cluster cannot be deleted while Services are active.")]
    ClusterContainsServices,
    /// `ClusterContainsTasksException`.
    #[error("The Cluster cannot be deleted while Tasks are active.")]
    ClusterContainsTasks,
    /// `ClusterNotFoundException`.
    #[error("Cluster not found.")]
    ClusterNotFound,
    /// `ConflictException`: a client token that stands for another request.
    #[error("{message}")]
    Conflict {
        /// What the client is told.
        message: String,
        /// ARNs of the tasks that the token stands for.
        resource_ids: Vec<String>,
    },
    /// `InvalidParameterException`: a parameter is missing, malformed or out of range.
    #[error("{0}")]
    InvalidParameter(String),
    /// `LimitExceededException`: a quota of the region is used up.
    #[error("{0}")]
    LimitExceeded(String),
    /// `NamespaceNotFoundException`: no Cloud Map namespace of that name or ARN.
    #[error("{0}")]
    NamespaceNotFound(String),
    /// `ResourceNotFoundException`: what an ARN names is not there.
    #[error("{0}")]
    ResourceNotFound(String),
    /// `ServerException`: our fault.
    #[error("{0}")]
    Server(String),
    /// `ServiceDeploymentNotFoundException`.
    #[error("The service deployment was not found.")]
    ServiceDeploymentNotFound,
    /// `ServiceNotActiveException`: the service was deleted.
    #[error("Service was not ACTIVE.")]
    ServiceNotActive,
    /// `ServiceNotFoundException`.
    #[error("Service not found.")]
    ServiceNotFound,
    /// `TargetNotFoundException`: the target of an attribute is not there.
    #[error("{0}")]
    TargetNotFound(String),
    /// `UnsupportedFeatureException`: this region cannot do it yet.
    #[error("{0}")]
    UnsupportedFeature(String),
}

impl Error {
    /// An `InvalidParameterException`.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::InvalidParameter(message.into())
    }

    /// A `ClientException`.
    pub(crate) fn client(message: impl Into<String>) -> Self {
        Self::Client(message.into())
    }

    /// An `UnsupportedFeatureException` about something with a name in the plural.
    pub(crate) fn unsupported(what: &str) -> Self {
        Self::UnsupportedFeature(format!("{what} are not supported by this region yet."))
    }

    fn code(&self) -> &'static str {
        match self {
            Self::AccessDenied(_) => "AccessDeniedException",
            Self::AttributeLimitExceeded(_) => "AttributeLimitExceededException",
            Self::Client(_) => "ClientException",
            Self::ClusterContainsContainerInstances => "ClusterContainsContainerInstancesException",
            Self::ClusterContainsServices => "ClusterContainsServicesException",
            Self::ClusterContainsTasks => "ClusterContainsTasksException",
            Self::ClusterNotFound => "ClusterNotFoundException",
            Self::Conflict { .. } => "ConflictException",
            Self::InvalidParameter(_) => "InvalidParameterException",
            Self::LimitExceeded(_) => "LimitExceededException",
            Self::NamespaceNotFound(_) => "NamespaceNotFoundException",
            Self::ResourceNotFound(_) => "ResourceNotFoundException",
            Self::Server(_) => "ServerException",
            Self::ServiceDeploymentNotFound => "ServiceDeploymentNotFoundException",
            Self::ServiceNotActive => "ServiceNotActiveException",
            Self::ServiceNotFound => "ServiceNotFoundException",
            Self::TargetNotFound(_) => "TargetNotFoundException",
            Self::UnsupportedFeature(_) => "UnsupportedFeatureException",
        }
    }
}

impl From<plan::launch::BadWish> for Error {
    fn from(error: plan::launch::BadWish) -> Self {
        Self::InvalidParameter(error.to_string())
    }
}

impl From<PageError> for Error {
    fn from(error: PageError) -> Self {
        Self::InvalidParameter(error.to_string())
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let mut fault = Self::new(error.code(), error.to_string());
        match error {
            Error::Server(_) => fault.status = SERVER_ERROR,
            Error::Conflict { resource_ids, .. } => {
                let ids = resource_ids.into_iter().map(Document::String).collect();
                fault.members.insert("resourceIds", Document::List(ids));
            }
            _ => {}
        }
        fault
    }
}
