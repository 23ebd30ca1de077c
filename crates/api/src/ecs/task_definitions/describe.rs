//! `DescribeTaskDefinition`.

use shapes::ecs as shape;
use state::{Context, State};

use super::view;
use crate::ecs::{Error, find, tags};

/// `DescribeTaskDefinition`: any revision that has not been deleted; the latest ACTIVE one for a
/// family alone.
///
/// # Errors
///
/// [`Error::Client`] if there is none; [`Error::InvalidParameter`] for ARNs of something else.
pub(crate) fn describe_task_definition(
    state: &State,
    ask: shape::DescribeTaskDefinitionRequest,
    _: &Context<'_>,
) -> Result<shape::DescribeTaskDefinitionResponse, Error> {
    let text = ask.task_definition.unwrap_or_default();
    let include = ask.include.unwrap_or_default();
    if let Some(other) = include.iter().find(|it| **it != shape::TaskDefinitionField::Tags) {
        return Err(Error::invalid(format!("Invalid include: '{other}'.")));
    }
    let definition = find::definition(state, &text)?
        .ok_or_else(|| Error::client("Unable to describe task definition."))?;
    Ok(shape::DescribeTaskDefinitionResponse {
        task_definition: Some(view::definition(state.home(), definition)),
        tags: (!include.is_empty()).then(|| tags::view(&definition.tags)),
    })
}
