//! Answers of Route 53 other than success.

use crate::Fault;

/// One variant for each exception that this region can answer with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// `AccessDenied`, HTTP 403: the zone with this id belongs to the resource with this ARN.
    #[error("The resource hostedzone/{0} can only be managed through AWS Cloud Map ({1})")]
    AccessDenied(String, String),
    /// `HostedZoneAlreadyExists`, HTTP 409.
    #[error("A hosted zone has already been created with the specified caller reference.")]
    HostedZoneAlreadyExists,
    /// `HostedZoneNotEmpty`.
    #[error(
        "The specified hosted zone contains non-required resource record sets and so cannot be \
         deleted."
    )]
    HostedZoneNotEmpty,
    /// `InvalidChangeBatch`: what is wrong with its changes.
    #[error("[{}]", .0.join(", "))]
    InvalidChangeBatch(Vec<String>),
    /// `InvalidDomainName`.
    #[error("{0} is not a valid domain name")]
    InvalidDomainName(String),
    /// `InvalidInput`.
    #[error("{0}")]
    InvalidInput(String),
    /// `InvalidVPCId`.
    #[error("The VPC: {0} you provided is not authorized to make the association.")]
    InvalidVpcId(String),
    /// `NoSuchChange`, HTTP 404.
    #[error("A change with id {0} does not exist")]
    NoSuchChange(String),
    /// `NoSuchDelegationSet`.
    #[error("No delegation set found with ID: {0}")]
    NoSuchDelegationSet(String),
    /// `NoSuchHealthCheck`, HTTP 404.
    #[error("No health check exists with the specified ID: {0}")]
    NoSuchHealthCheck(String),
    /// `NoSuchHostedZone`, HTTP 404.
    #[error("No hosted zone found with ID: {0}")]
    NoSuchHostedZone(String),
    /// `TooManyHostedZones`.
    #[error("Limits Exceeded: MaxHostedZonesByAccount - Cannot create more hosted zones.")]
    TooManyHostedZones,
}

impl Error {
    /// A request that makes no sense.
    pub(super) fn input(message: impl Into<String>) -> Self {
        Self::InvalidInput(message.into())
    }

    fn code(&self) -> (&'static str, u16) {
        match self {
            Self::AccessDenied(..) => ("AccessDenied", 403),
            Self::HostedZoneAlreadyExists => ("HostedZoneAlreadyExists", 409),
            Self::HostedZoneNotEmpty => ("HostedZoneNotEmpty", 400),
            Self::InvalidChangeBatch(_) => ("InvalidChangeBatch", 400),
            Self::InvalidDomainName(_) => ("InvalidDomainName", 400),
            Self::InvalidInput(_) => ("InvalidInput", 400),
            Self::InvalidVpcId(_) => ("InvalidVPCId", 400),
            Self::NoSuchChange(_) => ("NoSuchChange", 404),
            Self::NoSuchDelegationSet(_) => ("NoSuchDelegationSet", 400),
            Self::NoSuchHealthCheck(_) => ("NoSuchHealthCheck", 404),
            Self::NoSuchHostedZone(_) => ("NoSuchHostedZone", 404),
            Self::TooManyHostedZones => ("TooManyHostedZones", 400),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let (code, status) = error.code();
        let mut fault = Self::new(code, error.to_string());
        fault.status = status;
        fault
    }
}
