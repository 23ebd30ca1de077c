//! `UpdateContainerInstancesState` and `DeregisterContainerInstance`.

use plan::instances;
use shapes::ecs as shape;
use state::{Context, Draft, InstanceStatus};

use super::view;
use crate::ecs::view::failure;
use crate::ecs::{Error, find};

/// Most instances of one request. Source: ECS API Reference, `UpdateContainerInstancesState`.
const INSTANCES_MAX: usize = 10;

/// `UpdateContainerInstancesState`: whether instances take new tasks (ACTIVE) or not (DRAINING).
///
/// # Errors
///
/// [`Error::InvalidParameter`] for any other status, and for none or too many instances. Unknown
/// instances are failures in the answer.
///
/// Source: Amazon ECS API Reference, `UpdateContainerInstancesState`.
pub(crate) fn update_container_instances_state(
    draft: &mut Draft<'_>,
    ask: shape::UpdateContainerInstancesStateRequest,
    _: &mut Context<'_>,
) -> Result<shape::UpdateContainerInstancesStateResponse, Error> {
    let cluster = find::cluster(draft.state(), ask.cluster.as_deref())?.name.clone();
    let status = match ask.status {
        Some(shape::ContainerInstanceStatus::Active) => InstanceStatus::Active,
        Some(shape::ContainerInstanceStatus::Draining) => InstanceStatus::Draining,
        other => {
            return Err(Error::invalid(format!(
                "Container instances status should be one of [ACTIVE, DRAINING], not '{}'.",
                other.as_ref().map_or("", |it| it.as_str())
            )));
        }
    };
    let named = ask.container_instances.unwrap_or_default();
    if named.is_empty() {
        return Err(Error::invalid("Container instances cannot be empty."));
    }
    if named.len() > INSTANCES_MAX {
        return Err(Error::invalid(format!(
            "Container instances cannot have more than {INSTANCES_MAX} entries."
        )));
    }
    let mut changed = Vec::new();
    let mut failures = Vec::new();
    for text in named {
        let id = find::instance_id(draft.state(), &cluster, &text)?;
        let row = id.and_then(|it| draft.state().container_instance(it));
        match row.filter(|it| it.cluster == cluster).cloned() {
            None => failures.push(failure(text, "MISSING")),
            Some(row) if row.status == InstanceStatus::Inactive => {
                failures.push(failure(draft.state().home().instance(&cluster, row.id), "INACTIVE"));
            }
            Some(row) => {
                instances::set_status(draft, &row, status);
                changed.push(row.id);
            }
        }
    }
    let state = draft.state();
    let rows = changed.iter().filter_map(|id| state.container_instance(*id));
    Ok(shape::UpdateContainerInstancesStateResponse {
        container_instances: Some(
            rows.map(|it| view::instance(state, it, view::Tags::Hidden)).collect(),
        ),
        failures: Some(failures),
    })
}

/// `DeregisterContainerInstance`: takes an instance out of its cluster for good.
///
/// Tasks that run on it are orphaned if forced: their containers go on, but count no more. Those
/// of a crowded instance are ended in steps, right after the answer.
///
/// # Errors
///
/// [`Error::InvalidParameter`] if there is no such instance, or it is not forced while a task on it
/// has not stopped: one that is stopping still runs.
///
/// Source: Amazon ECS API Reference, `DeregisterContainerInstance`; handbook 6.1.
pub(crate) fn deregister_container_instance(
    draft: &mut Draft<'_>,
    ask: shape::DeregisterContainerInstanceRequest,
    context: &mut Context<'_>,
) -> Result<shape::DeregisterContainerInstanceResponse, Error> {
    let cluster = find::cluster(draft.state(), ask.cluster.as_deref())?.name.clone();
    let text = ask.container_instance.unwrap_or_default();
    let row = find::instance(draft.state(), &cluster, &text)?.clone();
    let counts = draft.state().indexes().instance_counts(row.id);
    let busy = counts.pending + counts.running > 0;
    if busy && !ask.force.unwrap_or(false) {
        return Err(Error::invalid("Found running tasks on the instance."));
    }
    instances::deregister(draft, &row, context.now);
    let state = draft.state();
    let after = state.container_instance(row.id).unwrap_or(&row);
    Ok(shape::DeregisterContainerInstanceResponse {
        container_instance: Some(view::instance(state, after, view::Tags::Hidden)),
    })
}
