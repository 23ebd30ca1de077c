//! Answers of Elastic Load Balancing other than success.

use crate::Fault;
use crate::page::{PageError, Sizes};

/// How many items a page holds. Source: the model's `PageSize`.
pub(super) const PAGE: Sizes = Sizes { default: 400, min: 1, max: 400 };

/// Declares an enumeration of refusals: each with its code, and the text where AWS has one only.
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
    AlpnPolicyNotFound = "ALPNPolicyNotFound",
    AvailabilityZoneNotSupported = "AvailabilityZoneNotSupported",
    CertificateNotFound = "CertificateNotFound",
    DuplicateListener = "DuplicateListener",
    DuplicateLoadBalancerName = "DuplicateLoadBalancerName",
    DuplicateTagKeys = "DuplicateTagKeys",
    DuplicateTargetGroupName = "DuplicateTargetGroupName",
    IncompatibleProtocols = "IncompatibleProtocols",
    InvalidConfigurationRequest = "InvalidConfigurationRequest",
    InvalidLoadBalancerAction = "InvalidLoadBalancerAction",
    InvalidScheme = "InvalidScheme",
    InvalidSecurityGroup = "InvalidSecurityGroup",
    InvalidSubnet = "InvalidSubnet",
    InvalidTarget = "InvalidTarget",
    ListenerNotFound = "ListenerNotFound",
    LoadBalancerNotFound = "LoadBalancerNotFound",
    OperationNotPermitted = "OperationNotPermitted",
    PriorityInUse = "PriorityInUse",
    ResourceInUse = "ResourceInUse",
    RuleNotFound = "RuleNotFound",
    SslPolicyNotFound = "SSLPolicyNotFound",
    SubnetNotFound = "SubnetNotFound",
    TargetGroupAssociationLimit = "TargetGroupAssociationLimit",
    TargetGroupNotFound = "TargetGroupNotFound",
    TooManyActions = "TooManyActions",
    TooManyCertificates = "TooManyCertificates",
    TooManyListeners = "TooManyListeners",
    TooManyLoadBalancers = "TooManyLoadBalancers",
    TooManyRules = "TooManyRules",
    TooManyTags = "TooManyTags",
    TooManyTargetGroups = "TooManyTargetGroups",
    TooManyTargets = "TooManyTargets",
    TooManyUniqueTargetGroups = "TooManyUniqueTargetGroupsPerLoadBalancer",
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

    /// A configuration that makes no sense.
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
        Self::new(error.code(), error.to_string())
    }
}
