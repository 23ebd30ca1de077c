//! `ListServices`.

use core::ops::Bound;

use shapes::ecs as shape;
use state::{Context, Scheduling, Service, ServiceKey, ServiceStatus, State};
use types::ServiceName;

use crate::ecs::page::{Page, TEN};
use crate::ecs::{Error, find};

/// `ListServices`: ARNs of the ACTIVE services of a cluster, by name.
///
/// # Errors
///
/// [`Error::ClusterNotFound`]; [`Error::InvalidParameter`] for a bad page or filter.
///
/// Source: Amazon ECS API Reference, `ListServices`.
pub(crate) fn list_services(
    state: &State,
    ask: shape::ListServicesRequest,
    _: &Context<'_>,
) -> Result<shape::ListServicesResponse, Error> {
    let cluster = find::cluster(state, ask.cluster.as_deref())?.name.clone();
    let scheduling = scheduling(ask.scheduling_strategy.as_ref())?;
    // All services of this region are of launch type EC2 and managed by their owner.
    let some = is_ec2(ask.launch_type.as_ref())? && is_own(ask.resource_management_type.as_ref())?;
    let scope = format!("ListServices {cluster} {scheduling:?} {some}");
    let page = Page::parse(scope, ask.next_token.as_deref(), ask.max_results, TEN)?;
    let key = |name: ServiceName| ServiceKey { cluster: cluster.clone(), name };
    let from = match page.after().and_then(|it| ServiceName::parse(it).ok()) {
        Some(name) => Bound::Excluded(key(name)),
        None => Bound::Included(key(first())),
    };
    let matching = |it: &&Service| {
        some && it.status == ServiceStatus::Active
            && scheduling.is_none_or(|wanted| it.scheduling == wanted)
    };
    let rows = state.services().range((from, Bound::Unbounded));
    let rows = rows.take_while(|(key, _)| key.cluster == cluster).map(|(_, it)| &**it);
    let (services, next_token) = page.cut(rows.filter(matching), |it| it.key.name.to_string());
    let arns = services.iter().map(|it| state.home().service(&cluster, &it.key.name)).collect();
    Ok(shape::ListServicesResponse { service_arns: Some(arns), next_token })
}

/// The name that sorts before every other: `-` is the least of the characters of names.
fn first() -> ServiceName {
    ServiceName::parse("-").expect("a valid name")
}

fn scheduling(asked: Option<&shape::SchedulingStrategy>) -> Result<Option<Scheduling>, Error> {
    match asked {
        None => Ok(None),
        Some(shape::SchedulingStrategy::Replica) => Ok(Some(Scheduling::Replica)),
        Some(shape::SchedulingStrategy::Daemon) => Ok(Some(Scheduling::Daemon)),
        Some(shape::SchedulingStrategy::Other(it)) => {
            Err(Error::invalid(format!("Invalid scheduling strategy: '{it}'.")))
        }
    }
}

fn is_ec2(asked: Option<&shape::LaunchType>) -> Result<bool, Error> {
    match asked {
        None | Some(shape::LaunchType::Ec2) => Ok(true),
        Some(shape::LaunchType::Other(it)) => {
            Err(Error::invalid(format!("Invalid launch type: '{it}'.")))
        }
        Some(_) => Ok(false),
    }
}

fn is_own(asked: Option<&shape::ResourceManagementType>) -> Result<bool, Error> {
    match asked {
        None | Some(shape::ResourceManagementType::Customer) => Ok(true),
        Some(shape::ResourceManagementType::Ecs) => Ok(false),
        Some(shape::ResourceManagementType::Other(it)) => {
            Err(Error::invalid(format!("Invalid resource management type: '{it}'.")))
        }
    }
}
