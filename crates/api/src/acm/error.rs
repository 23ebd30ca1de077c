//! Answers of Certificate Manager other than success.

use crate::Fault;
use crate::page::PageError;

/// One variant for each exception that this region can answer with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// `InvalidArgsException`.
    #[error("{0}")]
    InvalidArgs(String),
    /// `InvalidArnException`.
    #[error("The ARN '{0}' is not valid.")]
    InvalidArn(String),
    /// `InvalidDomainValidationOptionsException`.
    #[error("{0}")]
    InvalidDomainValidationOptions(String),
    /// `InvalidParameterException`.
    #[error("{0}")]
    InvalidParameter(String),
    /// `InvalidTagException`.
    #[error("{0}")]
    InvalidTag(String),
    /// `LimitExceededException`.
    #[error("{0}")]
    LimitExceeded(String),
    /// `ResourceInUseException`.
    #[error("Certificate {0} is in use.")]
    ResourceInUse(String),
    /// `ResourceNotFoundException`.
    #[error("Could not find certificate {0}.")]
    ResourceNotFound(String),
    /// `TooManyTagsException`.
    #[error("{0}")]
    TooManyTags(String),
    /// `ValidationException`.
    #[error("{0}")]
    Validation(String),
}

impl Error {
    /// A certificate or key that cannot be what it should be.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::Validation(message.into())
    }

    fn code(&self) -> &'static str {
        match self {
            Self::InvalidArgs(_) => "InvalidArgsException",
            Self::InvalidArn(_) => "InvalidArnException",
            Self::InvalidDomainValidationOptions(_) => "InvalidDomainValidationOptionsException",
            Self::InvalidParameter(_) => "InvalidParameterException",
            Self::InvalidTag(_) => "InvalidTagException",
            Self::LimitExceeded(_) => "LimitExceededException",
            Self::ResourceInUse(_) => "ResourceInUseException",
            Self::ResourceNotFound(_) => "ResourceNotFoundException",
            Self::TooManyTags(_) => "TooManyTagsException",
            Self::Validation(_) => "ValidationException",
        }
    }
}

impl From<PageError> for Error {
    fn from(error: PageError) -> Self {
        match error {
            PageError::Size(sizes) => Self::InvalidArgs(format!(
                "MaxItems must be between {} and {}.",
                sizes.min, sizes.max
            )),
            PageError::Token => Self::InvalidArgs("The NextToken is not valid.".to_owned()),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
