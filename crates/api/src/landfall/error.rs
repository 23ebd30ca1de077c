//! Answers of our own operations other than success.

use crate::page::PageError;
use crate::{Fault, ecs};

/// One variant for each exception of our own model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// `AccessDeniedException`: for people only, not for agents and tasks.
    #[error("The access key of an agent or task may not do this.")]
    AccessDenied,
    /// `ClusterNotFoundException`.
    #[error("Cluster not found.")]
    ClusterNotFound,
    /// `InvalidParameterException`.
    #[error("{0}")]
    InvalidParameter(String),
    /// `InvalidTokenException`: unknown, wrong and expired tokens are not told apart.
    #[error("The join token is not valid, or no longer.")]
    InvalidToken,
    /// `LimitExceededException`.
    #[error("{0}")]
    LimitExceeded(String),
    /// `ServiceUnavailableException`: its disk says no.
    #[error("The history cannot be read.")]
    HistoryUnavailable,
}

impl Error {
    fn code(&self) -> &'static str {
        match self {
            Self::AccessDenied => "AccessDeniedException",
            Self::ClusterNotFound => "ClusterNotFoundException",
            Self::InvalidParameter(_) => "InvalidParameterException",
            Self::InvalidToken => "InvalidTokenException",
            Self::LimitExceeded(_) => "LimitExceededException",
            Self::HistoryUnavailable => "ServiceUnavailableException",
        }
    }
}

impl From<PageError> for Error {
    fn from(error: PageError) -> Self {
        Self::InvalidParameter(error.to_string())
    }
}

impl From<ecs::Error> for Error {
    fn from(error: ecs::Error) -> Self {
        match error {
            ecs::Error::ClusterNotFound => Self::ClusterNotFound,
            other => Self::InvalidParameter(other.to_string()),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let fault = Self::new(error.code(), error.to_string());
        let status = if error == Error::HistoryUnavailable { 500 } else { fault.status };
        Self { status, ..fault }
    }
}
