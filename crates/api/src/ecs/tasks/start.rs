//! `StartTask`.

use shapes::ecs as shape;
use state::{Context, Draft};
use types::ClusterName;

use super::launch::{self, Asked};
use super::view;
use crate::audit;
use crate::ecs::view::failure;
use crate::ecs::{Error, find};

/// Most instances of one request. Source: ECS API Reference, `StartTask`.
const INSTANCES_MAX: usize = 10;
/// Longest `startedBy`. Source: as above.
const STARTED_BY_MAX: usize = 36;

/// `StartTask`: one task on each of the named container instances, without a scheduler.
///
/// # Errors
///
/// [`Error::InvalidParameter`], [`Error::Client`] for what a launch names wrongly; an instance
/// that cannot take its task is a failure in the answer.
///
/// Source: Amazon ECS API Reference, `StartTask`.
pub(crate) fn start_task(
    draft: &mut Draft<'_>,
    ask: shape::StartTaskRequest,
    context: &mut Context<'_>,
) -> Result<shape::StartTaskResponse, Error> {
    let cluster = find::cluster(draft.state(), ask.cluster.as_deref())?.name.clone();
    let named = ask.container_instances.clone().unwrap_or_default();
    if named.is_empty() {
        return Err(Error::invalid("Container instances cannot be empty."));
    }
    if named.len() > INSTANCES_MAX {
        return Err(Error::invalid(format!(
            "Container instances cannot have more than {INSTANCES_MAX} entries."
        )));
    }
    let launch = launch::parse(draft.state(), asked(cluster.clone(), ask)?)?;
    let audit = audit::next_audit(draft.state());
    let mut tasks = Vec::new();
    let mut failures = Vec::new();
    for text in named {
        match find::instance_id(draft.state(), &cluster, &text)? {
            None => failures.push(failure(text, "MISSING")),
            Some(instance) => match launch.start(draft, instance, context, audit) {
                Ok(task) => tasks.push(task),
                Err(explanation) => failures.extend(
                    explanation.failure().map(|it| launch::failure(draft.state(), &cluster, it)),
                ),
            },
        }
    }
    let state = draft.state();
    let rows = tasks.iter().filter_map(|id| state.task(*id));
    Ok(shape::StartTaskResponse {
        tasks: Some(rows.map(|it| view::task(state, it, view::Tags::Shown)).collect()),
        failures: Some(failures),
    })
}

fn asked(cluster: ClusterName, ask: shape::StartTaskRequest) -> Result<Asked, Error> {
    launch::started_by(ask.started_by.as_deref(), STARTED_BY_MAX)?;
    Ok(Asked {
        cluster,
        token: None,
        definition: ask.task_definition.unwrap_or_default(),
        group: ask.group,
        started_by: ask.started_by,
        overrides: ask.overrides.unwrap_or_default(),
        network: ask.network_configuration,
        constraints: Vec::new(),
        strategies: Vec::new(),
        tags: ask.tags,
        propagate: ask.propagate_tags,
        managed_tags: ask.enable_ecs_managed_tags.unwrap_or(false),
        exec: ask.enable_execute_command.unwrap_or(false),
        reference: ask.reference_id,
        volumes: ask.volume_configurations.unwrap_or_default(),
    })
}
