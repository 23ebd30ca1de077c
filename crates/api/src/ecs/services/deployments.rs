//! `ListServiceDeployments`, `StopServiceDeployment`: rollouts of a service, as the record of each
//! says.
//!
//! Source: Amazon ECS API Reference; handbook 5.8.

use core::cmp::Reverse;
use std::sync::Arc;

use shapes::ecs as shape;
use state::{
    Change, Context, Draft, ServiceDeployment, ServiceDeploymentKey, ServiceDeploymentStatus,
    ServiceKey, State,
};
use types::{Arn, ClusterName, ServiceName, Timestamp};

use super::view::when;
use crate::ecs::page::{HUNDRED, Page};
use crate::ecs::view::time;
use crate::ecs::{Error, find};

/// `ListServiceDeployments`: those of one service, newest first.
///
/// # Errors
///
/// [`Error::ClusterNotFound`], [`Error::ServiceNotFound`]; [`Error::InvalidParameter`] for a bad
/// page or filter.
pub(crate) fn list_service_deployments(
    state: &State,
    ask: shape::ListServiceDeploymentsRequest,
    _: &Context<'_>,
) -> Result<shape::ListServiceDeploymentsResponse, Error> {
    let cluster = find::cluster(state, ask.cluster.as_deref())?.name.clone();
    let name = ask.service.unwrap_or_default();
    let service = find::service(state, &cluster, &name)?.ok_or(Error::ServiceNotFound)?;
    let wanted = statuses(ask.status.as_deref().unwrap_or_default())?;
    let (after, before) = match &ask.created_at {
        None => (None, None),
        Some(it) => (it.after.map(|it| it.0), it.before.map(|it| it.0)),
    };
    let scope = format!("ListServiceDeployments {:?} {wanted:?} {after:?} {before:?}", service.key);
    let page = Page::parse(scope, ask.next_token.as_deref(), ask.max_results, HUNDRED)?;
    let matching = |it: &&Arc<ServiceDeployment>| {
        (wanted.is_empty() || wanted.contains(&it.status))
            && after.is_none_or(|at| it.created_at.0 >= at)
            && before.is_none_or(|at| it.created_at.0 <= at)
    };
    let mut rows: Vec<_> = of(state, &service.key).filter(matching).collect();
    rows.sort_by_key(|it| Reverse(place(it)));
    let last = page.after().map(str::to_owned);
    let rest = rows.into_iter().filter(|it| last.as_ref().is_none_or(|last| text(it) < *last));
    let (rows, next_token) = page.cut(rest, |it| text(it));
    let briefs = rows.into_iter().map(|it| brief(state, it)).collect();
    Ok(shape::ListServiceDeploymentsResponse { service_deployments: Some(briefs), next_token })
}

/// `StopServiceDeployment`: asks the scheduler to go back, or to leave everything as it stands.
///
/// # Errors
///
/// [`Error::ServiceDeploymentNotFound`]; [`Error::Conflict`] if it has ended, or was asked to
/// already; [`Error::InvalidParameter`] for what is no ARN of one.
pub(crate) fn stop_service_deployment(
    draft: &mut Draft<'_>,
    ask: shape::StopServiceDeploymentRequest,
    context: &mut Context<'_>,
) -> Result<shape::StopServiceDeploymentResponse, Error> {
    use ServiceDeploymentStatus as Status;
    let arn = ask.service_deployment_arn.unwrap_or_default();
    let key = key(draft.state(), &arn)?.ok_or(Error::ServiceDeploymentNotFound)?;
    let row = draft.state().service_deployments().get(&key);
    let row = row.ok_or(Error::ServiceDeploymentNotFound)?.clone();
    let status = match &ask.stop_type {
        None | Some(shape::StopServiceDeploymentStopType::Rollback) => Status::RollbackRequested,
        Some(shape::StopServiceDeploymentStopType::Abort) => Status::StopRequested,
        Some(shape::StopServiceDeploymentStopType::Other(it)) => {
            return Err(Error::invalid(format!("Invalid stopType: '{it}'.")));
        }
    };
    if !matches!(row.status, Status::Pending | Status::InProgress) {
        return Err(Error::Conflict {
            message: format!(
                "The service deployment cannot be stopped: its status is {}.",
                word(row.status).as_str()
            ),
            resource_ids: vec![arn],
        });
    }
    let row = ServiceDeployment { status, updated_at: context.now, ..row.as_ref().clone() };
    draft.change(Change::from(row));
    // The scheduler looks at services: this one has something new to be looked at.
    if let Some(service) = draft.state().services().get(&key.service).cloned() {
        draft.change(Change::from(service));
    }
    Ok(shape::StopServiceDeploymentResponse { service_deployment_arn: Some(arn) })
}

/// The records of a service, in no order.
fn of<'a>(
    state: &'a State,
    service: &'a ServiceKey,
) -> impl Iterator<Item = &'a Arc<ServiceDeployment>> {
    let from = ServiceDeploymentKey { service: service.clone(), id: 0 };
    let rows = state.service_deployments().range(from..);
    rows.take_while(move |(key, _)| key.service == *service).map(|(_, it)| it)
}

/// By age, then by number.
fn place(it: &ServiceDeployment) -> (Timestamp, u64) {
    (it.created_at, it.key.id)
}

/// The same as text whose order is that of the list, for its tokens.
fn text(it: &ServiceDeployment) -> String {
    format!("{:020} {:020}", it.created_at.0, it.key.id)
}

fn brief(state: &State, it: &ServiceDeployment) -> shape::ServiceDeploymentBrief {
    let home = state.home();
    let ServiceKey { cluster, name } = &it.key.service;
    shape::ServiceDeploymentBrief {
        cluster_arn: Some(home.cluster(cluster)),
        created_at: Some(time(it.created_at)),
        finished_at: when(it.finished_at),
        service_arn: Some(home.service(cluster, name)),
        service_deployment_arn: Some(home.service_deployment(cluster, name, it.key.id)),
        started_at: when(it.started_at),
        status: Some(word(it.status)),
        status_reason: it.status_reason.clone(),
        target_service_revision_arn: Some(home.service_revision(cluster, name, it.target)),
    }
}

/// The key in the ARN of a service deployment; `None` if it is not one of a service that could be.
///
/// # Errors
///
/// [`Error::InvalidParameter`] for what is no ARN of one in this account.
pub(super) fn key(state: &State, arn: &str) -> Result<Option<ServiceDeploymentKey>, Error> {
    let found = numbered(state, arn, "service-deployment")?;
    Ok(found.map(|(service, id)| ServiceDeploymentKey { service, id }))
}

/// Service and number in an ARN `KIND/CLUSTER/SERVICE/NUMBER`.
///
/// # Errors
///
/// [`Error::InvalidParameter`] for what is no ARN of that kind in this account.
pub(super) fn numbered(
    state: &State,
    arn: &str,
    kind: &str,
) -> Result<Option<(ServiceKey, u64)>, Error> {
    if Arn::parse(arn).is_none() {
        return Err(Error::invalid(format!(
            "Invalid identifier: {arn} is not the ARN of a {kind}."
        )));
    }
    let tail = find::tail(state, arn, kind)?;
    let parts: Vec<_> = tail.split('/').collect();
    let [cluster, name, id] = parts[..] else { return Ok(None) };
    let parsed = (ClusterName::parse(cluster), ServiceName::parse(name), id.parse());
    let (Ok(cluster), Ok(name), Ok(id)) = parsed else { return Ok(None) };
    Ok(Some((ServiceKey { cluster, name }, id)))
}

fn statuses(
    asked: &[shape::ServiceDeploymentStatus],
) -> Result<Vec<ServiceDeploymentStatus>, Error> {
    let one = |it: &shape::ServiceDeploymentStatus| {
        let known = ALL.into_iter().find(|known| word(*known) == *it);
        known.ok_or_else(|| {
            Error::invalid(format!("Invalid service deployment status: '{}'.", it.as_str()))
        })
    };
    asked.iter().map(one).collect()
}

const ALL: [ServiceDeploymentStatus; 9] = [
    ServiceDeploymentStatus::Pending,
    ServiceDeploymentStatus::InProgress,
    ServiceDeploymentStatus::Successful,
    ServiceDeploymentStatus::Stopped,
    ServiceDeploymentStatus::StopRequested,
    ServiceDeploymentStatus::RollbackRequested,
    ServiceDeploymentStatus::RollbackInProgress,
    ServiceDeploymentStatus::RollbackSuccessful,
    ServiceDeploymentStatus::RollbackFailed,
];

/// AWS's word for a status.
pub(super) fn word(it: ServiceDeploymentStatus) -> shape::ServiceDeploymentStatus {
    use shape::ServiceDeploymentStatus as Word;
    match it {
        ServiceDeploymentStatus::Pending => Word::Pending,
        ServiceDeploymentStatus::InProgress => Word::InProgress,
        ServiceDeploymentStatus::Successful => Word::Successful,
        ServiceDeploymentStatus::Stopped => Word::Stopped,
        ServiceDeploymentStatus::StopRequested => Word::StopRequested,
        ServiceDeploymentStatus::RollbackRequested => Word::RollbackRequested,
        ServiceDeploymentStatus::RollbackInProgress => Word::RollbackInProgress,
        ServiceDeploymentStatus::RollbackSuccessful => Word::RollbackSuccessful,
        ServiceDeploymentStatus::RollbackFailed => Word::RollbackFailed,
    }
}
