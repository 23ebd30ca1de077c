//! `DeleteService`.

use shapes::ecs as shape;
use state::{Change, Context, Draft, Scheduling, Service, ServiceStatus};

use super::rollout;
use super::view::{self, Tags};
use crate::ecs::{Error, find};

/// `DeleteService`: the service drains; the scheduler stops its tasks and makes it INACTIVE.
/// Deleted again it is shown as it is.
///
/// # Errors
///
/// [`Error::ClusterNotFound`], [`Error::ServiceNotFound`]; [`Error::InvalidParameter`] if it is
/// scaled above zero and not forced.
///
/// Source: Amazon ECS API Reference, `DeleteService`; handbook 5.1.
pub(crate) fn delete_service(
    draft: &mut Draft<'_>,
    ask: shape::DeleteServiceRequest,
    context: &mut Context<'_>,
) -> Result<shape::DeleteServiceResponse, Error> {
    let cluster = find::cluster(draft.state(), ask.cluster.as_deref())?.name.clone();
    let name = ask.service.unwrap_or_default();
    let found = find::service(draft.state(), &cluster, &name)?.ok_or(Error::ServiceNotFound)?;
    let mut service = found.as_ref().clone();
    match service.status {
        ServiceStatus::Inactive => return Err(Error::ServiceNotFound),
        ServiceStatus::Draining => {}
        ServiceStatus::Active => {
            let scaled = service.scheduling == Scheduling::Replica && service.desired > 0;
            if scaled && !ask.force.unwrap_or(false) {
                return Err(Error::invalid(
                    "The service cannot be stopped while it is scaled above 0.",
                ));
            }
            rollout::end(draft, &service, "The service was deleted.".into(), context.now);
            service = Service {
                status: ServiceStatus::Draining,
                desired: 0,
                steady_at: None,
                deleted_at: Some(context.now),
                ..service
            };
            draft.change(Change::from(service.clone()));
        }
    }
    let service = view::service(draft.state(), &service, Tags::Shown);
    Ok(shape::DeleteServiceResponse { service: Some(service) })
}
