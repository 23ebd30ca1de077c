//! `ListContainerInstances`.

use plan::query::{self, Expression, Subject};
use shapes::ecs as shape;
use state::{ContainerInstance, Context, InstanceStatus, State};
use types::InstanceId;

use crate::ecs::page::{HUNDRED, Page};
use crate::ecs::{Error, find};

/// `ListContainerInstances`: ARNs of the instances of a cluster, by status and filter.
///
/// # Errors
///
/// [`Error::InvalidParameter`] for a filter that is not of the cluster query language.
///
/// Source: Amazon ECS API Reference, `ListContainerInstances`.
pub(crate) fn list_container_instances(
    state: &State,
    ask: shape::ListContainerInstancesRequest,
    _: &Context<'_>,
) -> Result<shape::ListContainerInstancesResponse, Error> {
    let cluster = find::cluster(state, ask.cluster.as_deref())?.name.clone();
    let filter = match ask.filter.as_deref().filter(|it| !it.is_empty()) {
        Some(text) => Some(
            Expression::parse(text)
                .map_err(|error| Error::invalid(format!("Invalid filter: {error}")))?,
        ),
        None => None,
    };
    let wanted = wanted(ask.status.as_ref())?;
    let scope = format!("ListContainerInstances {cluster} {wanted:?} {:?}", ask.filter);
    let page = Page::parse(scope, ask.next_token.as_deref(), ask.max_results, HUNDRED)?;
    let after = page.after().and_then(|it| InstanceId::parse(it).ok());
    let fits = |it: &&ContainerInstance| {
        after.is_none_or(|after| it.id > after)
            && wanted.is_none_or(|status| it.status == status)
            && filter.as_ref().is_none_or(|it_| query::matches(it_, &Subject::of(state, it)))
    };
    let rows = state
        .indexes()
        .instances(&cluster)
        .filter_map(|id| state.container_instance(id))
        .map(AsRef::as_ref)
        .filter(fits);
    let (rows, next_token) = page.cut(rows, |it| it.id.to_string());
    let arns = rows.into_iter().map(|it| state.home().instance(&cluster, it.id));
    Ok(shape::ListContainerInstancesResponse {
        container_instance_arns: Some(arns.collect()),
        next_token,
    })
}

/// `None` is every instance that has not been deregistered. Statuses that instances of this region
/// never have match nothing.
fn wanted(asked: Option<&shape::ContainerInstanceStatus>) -> Result<Option<InstanceStatus>, Error> {
    match asked {
        None => Ok(None),
        Some(shape::ContainerInstanceStatus::Active) => Ok(Some(InstanceStatus::Active)),
        Some(shape::ContainerInstanceStatus::Draining) => Ok(Some(InstanceStatus::Draining)),
        Some(shape::ContainerInstanceStatus::Other(it)) => {
            Err(Error::invalid(format!("Invalid status: '{it}'.")))
        }
        // Registering, deregistering and failed instances do not last here.
        Some(_) => Ok(Some(InstanceStatus::Inactive)),
    }
}
