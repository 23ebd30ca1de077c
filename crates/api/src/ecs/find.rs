//! Finding what a request names: by short name, id or ARN.
//!
//! The region in an ARN is ignored, because one region answers under every region's name
//! (handbook 12.1); the account is not.

use std::sync::Arc;

use state::{Cluster, ClusterStatus, State};
use types::{Arn, ClusterName};

use super::Error;

/// The cluster of a request that names none.
pub(crate) const DEFAULT_CLUSTER: &str = "default";

/// What follows `kind/` in an ECS ARN of this account, or the text itself if it is no ARN.
///
/// # Errors
///
/// [`Error::InvalidParameter`] for ARNs of something or somebody else.
pub(crate) fn tail<'a>(state: &State, text: &'a str, kind: &str) -> Result<&'a str, Error> {
    if !text.starts_with("arn:") {
        return Ok(text);
    }
    let wrong =
        || Error::invalid(format!("Invalid identifier: {text} is not the ARN of a {kind}."));
    let arn = Arn::parse(text).ok_or_else(wrong)?;
    if arn.account != state.home().account.as_str() {
        return Err(Error::invalid("Identifiers contain other account IDs."));
    }
    arn.ecs(kind).ok_or_else(wrong)
}

/// A cluster in any status.
///
/// # Errors
///
/// [`Error::ClusterNotFound`] if there is none of that name.
pub(crate) fn known_cluster<'a>(
    state: &'a State,
    text: Option<&str>,
) -> Result<&'a Arc<Cluster>, Error> {
    let name = tail(state, text.unwrap_or(DEFAULT_CLUSTER), "cluster")?;
    let name = ClusterName::parse(name).map_err(|_| Error::ClusterNotFound)?;
    state.cluster(&name).ok_or(Error::ClusterNotFound)
}

/// An ACTIVE cluster; `default` if none is named.
///
/// # Errors
///
/// [`Error::ClusterNotFound`] if there is none of that name.
pub(crate) fn cluster<'a>(state: &'a State, text: Option<&str>) -> Result<&'a Arc<Cluster>, Error> {
    let cluster = known_cluster(state, text)?;
    match cluster.status {
        ClusterStatus::Active => Ok(cluster),
        ClusterStatus::Inactive => Err(Error::ClusterNotFound),
    }
}
