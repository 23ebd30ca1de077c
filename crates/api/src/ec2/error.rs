//! Answers of EC2 other than success.
//!
//! Source: Amazon EC2 API Reference, "Error codes".

use crate::Fault;
use crate::page::{PageError, Sizes};

/// How many items a page holds. Source: API Reference, `DescribeSubnets`.
pub(super) const PAGE: Sizes = Sizes { default: 1000, min: 5, max: 1000 };

/// HTTP status of a rehearsal that would have succeeded.
const PRECONDITION_FAILED: u16 = 412;

/// One variant for each error code that this region can answer with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// `DryRunOperation`: it would have succeeded.
    #[error("Request would have succeeded, but DryRun flag is set.")]
    DryRun,
    /// `InvalidGroup.NotFound`.
    #[error("The security group '{0}' does not exist")]
    GroupNotFound(String),
    /// `InvalidParameterValue`.
    #[error("{0}")]
    InvalidParameterValue(String),
    /// `InvalidNetworkInterfaceID.NotFound`.
    #[error("The networkInterface ID '{0}' does not exist")]
    InterfaceNotFound(String),
    /// `InvalidRouteTableID.NotFound`.
    #[error("The routeTable ID '{0}' does not exist")]
    RouteTableNotFound(String),
    /// `InvalidNextToken`.
    #[error("The pagination token is not valid.")]
    InvalidNextToken,
    /// `InvalidSubnetID.NotFound`.
    #[error("The subnet ID '{0}' does not exist")]
    SubnetNotFound(String),
    /// `InvalidVpcID.NotFound`.
    #[error("The vpc ID '{0}' does not exist")]
    VpcNotFound(String),
}

impl Error {
    fn code(&self) -> &'static str {
        match self {
            Self::DryRun => "DryRunOperation",
            Self::InterfaceNotFound(_) => "InvalidNetworkInterfaceID.NotFound",
            Self::RouteTableNotFound(_) => "InvalidRouteTableID.NotFound",
            Self::GroupNotFound(_) => "InvalidGroup.NotFound",
            Self::InvalidParameterValue(_) => "InvalidParameterValue",
            Self::InvalidNextToken => "InvalidNextToken",
            Self::SubnetNotFound(_) => "InvalidSubnetID.NotFound",
            Self::VpcNotFound(_) => "InvalidVpcID.NotFound",
        }
    }
}

impl From<PageError> for Error {
    fn from(error: PageError) -> Self {
        match error {
            PageError::Size(_) => Self::InvalidParameterValue(error.to_string()),
            PageError::Token => Self::InvalidNextToken,
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let mut fault = Self::new(error.code(), error.to_string());
        if error == Error::DryRun {
            fault.status = PRECONDITION_FAILED;
        }
        fault
    }
}

/// Ends a rehearsal: all these operations only look, so it would have succeeded.
pub(super) fn rehearse(dry_run: Option<bool>) -> Result<(), Error> {
    if dry_run == Some(true) { Err(Error::DryRun) } else { Ok(()) }
}
