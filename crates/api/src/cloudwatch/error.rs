//! Answers of CloudWatch other than success.

use std::collections::BTreeMap;

use shapes::Document;

use crate::Fault;

/// One variant for each exception that this region can answer with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// `InvalidFormat`: what was said of why is no JSON.
    #[error("{0}")]
    InvalidFormat(String),
    /// `InvalidNextToken`.
    #[error("The next token is invalid.")]
    InvalidNextToken,
    /// `InvalidParameterCombination`.
    #[error("{0}")]
    InvalidParameterCombination(String),
    /// `InvalidParameterValue`.
    #[error("{0}")]
    InvalidParameterValue(String),
    /// `LimitExceeded`.
    #[error("You have reached the limit of {0} alarms in this region.")]
    LimitExceeded(usize),
    /// `MissingParameter`.
    #[error("The parameter {0} is required.")]
    MissingParameter(&'static str),
    /// `ResourceNotFound`, HTTP 404: an operation on an alarm.
    #[error("Alarm(s) not found: {0}")]
    ResourceNotFound(String),
    /// `ResourceNotFoundException`, HTTP 404: an operation on an ARN.
    #[error("The resource {0} does not exist.")]
    ArnNotFound(String),
    /// `UnsupportedOperationException`: what this region does not do yet.
    #[error("{0} are not supported by this region yet.")]
    Unsupported(&'static str),
}

impl Error {
    /// A value that makes no sense.
    pub(super) fn value(message: impl Into<String>) -> Self {
        Self::InvalidParameterValue(message.into())
    }

    fn code(&self) -> (&'static str, u16) {
        match self {
            Self::InvalidFormat(_) => ("InvalidFormat", 400),
            Self::InvalidNextToken => ("InvalidNextToken", 400),
            Self::InvalidParameterCombination(_) => ("InvalidParameterCombination", 400),
            Self::InvalidParameterValue(_) => ("InvalidParameterValue", 400),
            Self::LimitExceeded(_) => ("LimitExceeded", 400),
            Self::MissingParameter(_) => ("MissingParameter", 400),
            Self::ResourceNotFound(_) => ("ResourceNotFound", 404),
            Self::ArnNotFound(_) => ("ResourceNotFoundException", 404),
            Self::Unsupported(_) => ("UnsupportedOperationException", 400),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let (code, status) = error.code();
        let mut fault = Self::new(code, error.to_string());
        fault.status = status;
        if let Error::ArnNotFound(arn) = error {
            fault.members = BTreeMap::from([
                ("ResourceType", Document::String("Alarm".into())),
                ("ResourceId", Document::String(arn)),
            ]);
        }
        fault
    }
}
