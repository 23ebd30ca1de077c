//! `DescribeContainerInstances`.

use shapes::ecs as shape;
use state::{Context, State};

use super::view;
use crate::ecs::view::failure;
use crate::ecs::{Error, find};

/// Most instances of one request. Source: ECS API Reference, `DescribeContainerInstances`.
const INSTANCES_MAX: usize = 100;

/// `DescribeContainerInstances`: instances by id or ARN; unknown ones are failures.
///
/// # Errors
///
/// [`Error::InvalidParameter`] if none or too many are asked for.
///
/// Source: Amazon ECS API Reference, `DescribeContainerInstances`.
pub(crate) fn describe_container_instances(
    state: &State,
    ask: shape::DescribeContainerInstancesRequest,
    _: &Context<'_>,
) -> Result<shape::DescribeContainerInstancesResponse, Error> {
    let cluster = find::cluster(state, ask.cluster.as_deref())?.name.clone();
    let asked = ask.container_instances.unwrap_or_default();
    if asked.is_empty() {
        return Err(Error::invalid("Container instances cannot be empty."));
    }
    if asked.len() > INSTANCES_MAX {
        return Err(Error::invalid(format!(
            "Container instances cannot have more than {INSTANCES_MAX} entries."
        )));
    }
    let include = ask.include.unwrap_or_default();
    let with = match include.contains(&shape::ContainerInstanceField::Tags) {
        true => view::Tags::Shown,
        false => view::Tags::Hidden,
    };
    let mut found = Vec::new();
    let mut failures = Vec::new();
    for text in asked {
        let id = find::instance_id(state, &cluster, &text)?;
        let row = id.and_then(|it| state.container_instance(it));
        match row.filter(|it| it.cluster == cluster) {
            Some(row) => found.push(view::instance(state, row, with)),
            None => {
                let arn = id.map_or(text, |id| state.home().instance(&cluster, id));
                failures.push(failure(arn, "MISSING"));
            }
        }
    }
    Ok(shape::DescribeContainerInstancesResponse {
        container_instances: Some(found),
        failures: Some(failures),
    })
}
