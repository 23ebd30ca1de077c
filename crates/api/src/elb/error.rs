//! Answers of Classic Load Balancers other than success.

use crate::Fault;
use crate::page::{PageError, Sizes};

/// How many items a page holds. Source: the model's `PageSize`.
pub(super) const PAGE: Sizes = Sizes { default: 400, min: 1, max: 400 };

/// HTTP status of what does not go together with what is there. Source: the model.
const CONFLICT: u16 = 409;

/// Declares an enumeration of refusals, each with its code.
macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// One variant for each exception that this region can answer with.
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        pub enum Error {
            $(
                $(#[$doc])*
                #[doc = concat!("`", $code, "`.")]
                #[error("{0}")]
                $name(String),
            )*
        }

        impl Error {
            fn code(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => $code,)*
                }
            }
        }
    };
}

refusals! {
    CertificateNotFound = "CertificateNotFound",
    DuplicateListener = "DuplicateListener",
    DuplicateLoadBalancerName = "DuplicateLoadBalancerName",
    DuplicatePolicyName = "DuplicatePolicyName",
    DuplicateTagKeys = "DuplicateTagKeys",
    InvalidConfigurationRequest = "InvalidConfigurationRequest",
    InvalidInstance = "InvalidInstance",
    InvalidScheme = "InvalidScheme",
    InvalidSecurityGroup = "InvalidSecurityGroup",
    InvalidSubnet = "InvalidSubnet",
    ListenerNotFound = "ListenerNotFound",
    LoadBalancerAttributeNotFound = "LoadBalancerAttributeNotFound",
    LoadBalancerNotFound = "LoadBalancerNotFound",
    PolicyNotFound = "PolicyNotFound",
    PolicyTypeNotFound = "PolicyTypeNotFound",
    SubnetNotFound = "SubnetNotFound",
    TooManyLoadBalancers = "TooManyLoadBalancers",
    TooManyPolicies = "TooManyPolicies",
    TooManyTags = "TooManyTags",
    UnsupportedProtocol = "UnsupportedProtocol",
    /// Something of the request makes no sense.
    Validation = "ValidationError",
    /// This region cannot do it yet.
    Unsupported = "UnsupportedOperationException",
}

impl Error {
    /// A request that makes no sense.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::Validation(message.into())
    }

    /// A request that does not go together with what is there.
    pub(super) fn configuration(message: impl Into<String>) -> Self {
        Self::InvalidConfigurationRequest(message.into())
    }

    /// Something that this region cannot do yet, with a name in the plural.
    pub(super) fn unsupported(what: &str) -> Self {
        Self::Unsupported(format!("{what} are not supported by this region yet."))
    }
}

impl From<PageError> for Error {
    fn from(error: PageError) -> Self {
        Self::Validation(match error {
            PageError::Size(sizes) => {
                format!("The page size must be between {} and {}.", sizes.min, sizes.max)
            }
            PageError::Token => "The specified marker is not valid.".to_owned(),
        })
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let fault = Self::new(error.code(), error.to_string());
        match error {
            Error::InvalidConfigurationRequest(_) => Self { status: CONFLICT, ..fault },
            _ => fault,
        }
    }
}
