//! Finding what a request names: by short name, id or ARN.
//!
//! The region in an ARN is ignored, because one region answers under every region's name
//! (handbook 12.1); the account is not.

use std::sync::Arc;

use state::{
    Cluster, ClusterStatus, ContainerInstance, DefinitionStatus, InstanceStatus, Revision, Service,
    ServiceKey, State, Task, TaskDefinition,
};
use types::{Arn, ClusterName, Family, InstanceId, ServiceName, TaskId};

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

/// A task definition by `family` (its latest ACTIVE revision), `family:revision` or ARN, in any
/// status; `None` if there is no such thing.
///
/// # Errors
///
/// [`Error::InvalidParameter`] for ARNs of something or somebody else, [`Error::Client`] for a
/// revision that is no number.
pub(crate) fn definition<'a>(
    state: &'a State,
    text: &str,
) -> Result<Option<&'a Arc<TaskDefinition>>, Error> {
    let tail = tail(state, text, "task-definition")?;
    let (family, number) = match tail.split_once(':') {
        None => (tail, None),
        Some((family, number)) => (family, Some(revision_number(number)?)),
    };
    let Ok(family) = Family::parse(family) else { return Ok(None) };
    let latest = || {
        let active = state.indexes().revisions(DefinitionStatus::Active, &family)?;
        active.last().copied()
    };
    let number = number.or_else(latest);
    Ok(number.and_then(|number| state.task_definition(&Revision { family, number })))
}

fn revision_number(text: &str) -> Result<u32, Error> {
    let number = text.parse().ok().filter(|it| *it > 0);
    number.ok_or_else(|| Error::client(format!("Invalid revision number. Number: {text}")))
}

/// The id of a task of that cluster, if the text has the form of one.
///
/// # Errors
///
/// [`Error::InvalidParameter`] for ARNs of something else or of another cluster.
pub(crate) fn task_id(
    state: &State,
    cluster: &ClusterName,
    text: &str,
) -> Result<Option<TaskId>, Error> {
    Ok(TaskId::parse(within(cluster, tail(state, text, "task")?)?).ok())
}

/// A task of that cluster by id or ARN.
///
/// # Errors
///
/// [`Error::InvalidParameter`] if there is none.
pub(crate) fn task<'a>(
    state: &'a State,
    cluster: &ClusterName,
    text: &str,
) -> Result<&'a Arc<Task>, Error> {
    task_id(state, cluster, text)?
        .and_then(|id| state.task(id))
        .filter(|it| it.cluster == *cluster)
        .ok_or_else(|| Error::invalid("The referenced task was not found."))
}

/// The id of a container instance of that cluster, if the text has the form of one.
///
/// # Errors
///
/// [`Error::InvalidParameter`] for ARNs of something else or of another cluster.
pub(crate) fn instance_id(
    state: &State,
    cluster: &ClusterName,
    text: &str,
) -> Result<Option<InstanceId>, Error> {
    Ok(InstanceId::parse(within(cluster, tail(state, text, "container-instance")?)?).ok())
}

/// A container instance of that cluster by id or ARN that has not been deregistered.
///
/// # Errors
///
/// [`Error::InvalidParameter`] if there is none.
pub(crate) fn instance<'a>(
    state: &'a State,
    cluster: &ClusterName,
    text: &str,
) -> Result<&'a Arc<ContainerInstance>, Error> {
    instance_id(state, cluster, text)?
        .and_then(|id| state.container_instance(id))
        .filter(|it| it.cluster == *cluster && it.status != InstanceStatus::Inactive)
        .ok_or_else(|| Error::invalid("The specified container instance was not found."))
}

/// A service of that cluster by name or ARN, in any status; `None` if there is none, or if the ARN
/// is of another cluster.
///
/// # Errors
///
/// [`Error::InvalidParameter`] for ARNs of something or somebody else.
pub(crate) fn service<'a>(
    state: &'a State,
    cluster: &ClusterName,
    text: &str,
) -> Result<Option<&'a Arc<Service>>, Error> {
    let tail = tail(state, text, "service")?;
    let name = match tail.split_once('/') {
        None => tail,
        Some((of, name)) if of == cluster.as_str() => name,
        Some(_) => return Ok(None),
    };
    let Ok(name) = ServiceName::parse(name) else { return Ok(None) };
    Ok(state.services().get(&ServiceKey { cluster: cluster.clone(), name }))
}

/// The id in a long tail (`CLUSTER/ID`), checked against the cluster, or in a short one.
fn within<'a>(cluster: &ClusterName, tail: &'a str) -> Result<&'a str, Error> {
    match tail.split_once('/') {
        None => Ok(tail),
        Some((of, id)) if of == cluster.as_str() => Ok(id),
        Some((of, _)) => Err(Error::invalid(format!(
            "Invalid identifier: it belongs to cluster {of}, not to {cluster}."
        ))),
    }
}
