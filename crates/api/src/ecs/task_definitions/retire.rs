//! The end of a revision: `DeregisterTaskDefinition` and `DeleteTaskDefinitions`.

use std::sync::Arc;

use shapes::ecs as shape;
use state::{Change, Context, DefinitionStatus, Draft, State, TaskDefinition};
use types::Family;

use super::view;
use crate::ecs::{Error, find};

/// How many definitions one call deletes. Source: handbook 2.1.
const DELETED_MAX: usize = 10;

/// `DeregisterTaskDefinition`: nothing new starts from it. A repeat changes nothing.
///
/// # Errors
///
/// [`Error::Client`] without a revision, for an unknown one, and for one that is being deleted.
pub(crate) fn deregister_task_definition(
    draft: &mut Draft<'_>,
    ask: shape::DeregisterTaskDefinitionRequest,
    context: &mut Context<'_>,
) -> Result<shape::DeregisterTaskDefinitionResponse, Error> {
    let text = ask.task_definition.unwrap_or_default();
    if !has_revision(draft.state(), &text)? {
        return Err(Error::client("Revision is missing."));
    }
    let definition = find::definition(draft.state(), &text)?
        .ok_or_else(|| Error::client("The specified task definition does not exist."))?
        .clone();
    let definition = match definition.status {
        DefinitionStatus::Inactive => definition,
        DefinitionStatus::DeleteInProgress => {
            return Err(Error::client(
                "The specified task definition is in the process of being deleted.",
            ));
        }
        DefinitionStatus::Active => {
            let after = Arc::new(TaskDefinition {
                status: DefinitionStatus::Inactive,
                deregistered_at: Some(context.now),
                ..definition.as_ref().clone()
            });
            draft.change(Change::from(after.clone()));
            after
        }
    };
    let shown = view::definition(draft.state().home(), &definition);
    Ok(shape::DeregisterTaskDefinitionResponse { task_definition: Some(shown) })
}

/// `DeleteTaskDefinitions`: INACTIVE ones go as soon as nothing refers to them; the others are
/// failures.
///
/// # Errors
///
/// [`Error::InvalidParameter`] for none or too many; [`Error::Client`] without a revision.
pub(crate) fn delete_task_definitions(
    draft: &mut Draft<'_>,
    ask: shape::DeleteTaskDefinitionsRequest,
    context: &mut Context<'_>,
) -> Result<shape::DeleteTaskDefinitionsResponse, Error> {
    let wanted = ask.task_definitions.unwrap_or_default();
    if wanted.is_empty() {
        return Err(Error::invalid("Task definitions cannot be empty."));
    }
    if wanted.len() > DELETED_MAX {
        return Err(Error::invalid(format!(
            "Task definitions cannot exceed {DELETED_MAX} elements."
        )));
    }
    let mut deleted = Vec::new();
    let mut failures = Vec::new();
    for text in wanted {
        match delete(draft, &text, context)? {
            Ok(definition) => deleted.push(view::definition(draft.state().home(), &definition)),
            Err(reason) => failures.push(shape::Failure {
                arn: Some(arn(draft.state(), text)),
                reason: Some(reason.to_owned()),
                detail: None,
            }),
        }
    }
    Ok(shape::DeleteTaskDefinitionsResponse {
        task_definitions: Some(deleted),
        failures: Some(failures),
    })
}

/// Asks for one deletion; the inner error says why this one cannot be deleted.
fn delete(
    draft: &mut Draft<'_>,
    text: &str,
    context: &Context<'_>,
) -> Result<Result<Arc<TaskDefinition>, &'static str>, Error> {
    if !has_revision(draft.state(), text)? {
        return Ok(Err(
            "The specified task definition identifier is invalid. Specify a valid name \
                       or ARN and try again.",
        ));
    }
    let Some(definition) = find::definition(draft.state(), text)?.cloned() else {
        return Ok(Err("The specified task definition does not exist. Specify a valid account, \
                       family, revision and try again."));
    };
    Ok(match definition.status {
        DefinitionStatus::Active => Err("The specified task definition is still in ACTIVE \
                                         status. Please deregister the target and try again."),
        DefinitionStatus::DeleteInProgress => Ok(definition),
        DefinitionStatus::Inactive => {
            let after = Arc::new(TaskDefinition {
                status: DefinitionStatus::DeleteInProgress,
                delete_requested_at: Some(context.now),
                ..definition.as_ref().clone()
            });
            draft.change(Change::from(after.clone()));
            Ok(after)
        }
    })
}

/// Whether this names one revision; the family alone names none.
fn has_revision(state: &State, text: &str) -> Result<bool, Error> {
    Ok(find::tail(state, text, "task-definition")?.contains(':'))
}

fn arn(state: &State, text: String) -> String {
    let parts = text.split_once(':').and_then(|(family, number)| {
        Some((Family::parse(family).ok()?, number.parse::<u32>().ok()?))
    });
    match parts {
        Some((family, number)) => state.home().task_definition(&family, number),
        None => text,
    }
}
