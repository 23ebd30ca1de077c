//! `RunTask`.

use plan::idempotency::{self, Bound, Recall};
use shapes::ecs as shape;
use state::{Change, Context, Draft, Replay, State, Token, TokenKey};
use types::{ClusterName, Timestamp};

use super::launch::{self, Asked};
use super::view;
use crate::audit;
use crate::ecs::{Error, find};

/// Most tasks of one request. Source: ECS API Reference, `RunTask`.
const COUNT_MAX: i32 = 10;
/// Longest client token, in characters. Source: as above.
const TOKEN_MAX: usize = 64;
/// Longest `startedBy`. Source: as above.
const STARTED_BY_MAX: usize = 128;
/// How long the failures of an answer can be given again in full.
const FAILURES_KEPT: core::time::Duration = core::time::Duration::from_hours(1);

/// `RunTask`: places up to ten tasks and answers before they start.
///
/// Tasks without room come back as failures, not as an error. A repeated client token starts
/// nothing and gives the first answer again.
///
/// # Errors
///
/// - [`Error::InvalidParameter`] for anything malformed, and for a cluster without instances.
/// - [`Error::Client`] if there is no such task definition.
/// - [`Error::Conflict`] if the token came with other parameters before.
///
/// Source: Amazon ECS API Reference, `RunTask`.
pub(crate) fn run_task(
    draft: &mut Draft<'_>,
    ask: shape::RunTaskRequest,
    context: &mut Context<'_>,
) -> Result<shape::RunTaskResponse, Error> {
    let cluster = find::cluster(draft.state(), ask.cluster.as_deref())?.name.clone();
    let token = client_token(ask.client_token.as_deref())?.map(str::to_owned);
    let digest = idempotency::digest(&ask);
    if let Some(token) = &token {
        match idempotency::recall(draft.state(), &cluster, token, digest, context.now) {
            Recall::New => {}
            Recall::Same(row) => {
                let made = row.tasks.iter().map(|it| draft.state().home().task(&cluster, *it));
                draft.replay(Replay { audit: row.audit, resources: made.collect() });
                return Ok(replayed(draft.state(), &row, context.now));
            }
            Recall::Conflict(tasks) => {
                return Err(conflict(draft.state(), &cluster, &tasks));
            }
        }
    }

    let count = count(ask.count)?;
    let launch = launch::parse(draft.state(), asked(cluster.clone(), token.clone(), ask)?)?;
    if draft.state().indexes().instances(&cluster).next().is_none() {
        return Err(Error::invalid("No Container Instances were found in your cluster."));
    }
    let audit = audit::next_audit(draft.state());
    let mut tasks = Vec::new();
    let mut failures = Vec::new();
    for _ in 0..count {
        match launch.place(draft, context, audit) {
            Ok(task) => tasks.push(task),
            Err(refusal) => {
                // What did not fit once does not fit the next time either.
                failures = launch::failures(draft.state(), &cluster, &refusal);
                break;
            }
        }
    }
    if let Some(token) = token {
        let key = TokenKey { cluster, token };
        let bound = Bound { at: context.now, audit };
        draft.change(Change::from(idempotency::remember(
            key,
            digest,
            tasks.clone(),
            &failures,
            bound,
        )));
    }
    let state = draft.state();
    let rows = tasks.iter().filter_map(|id| state.task(*id));
    Ok(shape::RunTaskResponse {
        tasks: Some(rows.map(|it| view::task(state, it, view::Tags::Shown)).collect()),
        failures: Some(failures),
    })
}

fn asked(
    cluster: ClusterName,
    token: Option<String>,
    ask: shape::RunTaskRequest,
) -> Result<Asked, Error> {
    let strategy = ask.capacity_provider_strategy.as_deref().unwrap_or_default();
    if ask.launch_type.is_some() && !strategy.is_empty() {
        return Err(Error::invalid(
            "Specifying both a launch type and capacity provider strategy is not supported. \
             Remove one and try again.",
        ));
    }
    if !strategy.is_empty() {
        return Err(Error::unsupported("Capacity providers"));
    }
    match ask.launch_type {
        None | Some(shape::LaunchType::Ec2) => {}
        Some(other) => {
            return Err(Error::UnsupportedFeature(format!(
                "Launch type {other} is not supported by this region yet: its tasks run on \
                 container instances (launch type EC2)."
            )));
        }
    }
    if ask.platform_version.is_some() {
        return Err(Error::invalid(
            "The platform version must be null when specifying an EC2 launch type.",
        ));
    }
    launch::started_by(ask.started_by.as_deref(), STARTED_BY_MAX)?;
    Ok(Asked {
        cluster,
        token,
        definition: ask.task_definition.unwrap_or_default(),
        group: ask.group,
        started_by: ask.started_by,
        overrides: ask.overrides.unwrap_or_default(),
        network: ask.network_configuration,
        constraints: ask.placement_constraints.unwrap_or_default(),
        strategies: ask.placement_strategy.unwrap_or_default(),
        tags: ask.tags,
        propagate: ask.propagate_tags,
        managed_tags: ask.enable_ecs_managed_tags.unwrap_or(false),
        exec: ask.enable_execute_command.unwrap_or(false),
        reference: ask.reference_id,
        volumes: ask.volume_configurations.unwrap_or_default(),
    })
}

fn count(asked: Option<i32>) -> Result<i32, Error> {
    match asked.unwrap_or(1) {
        count @ 1..=COUNT_MAX => Ok(count),
        _ => Err(Error::invalid(format!("Count must be between 1 and {COUNT_MAX}."))),
    }
}

/// Printable ASCII without spaces, as the API asks for. An empty token is none.
fn client_token(token: Option<&str>) -> Result<Option<&str>, Error> {
    let Some(token) = token.filter(|it| !it.is_empty()) else { return Ok(None) };
    if token.len() > TOKEN_MAX || !token.bytes().all(|it| it.is_ascii_graphic()) {
        return Err(Error::invalid(format!(
            "clientToken must have at most {TOKEN_MAX} printable ASCII characters (33 to 126)."
        )));
    }
    Ok(Some(token))
}

fn conflict(state: &State, cluster: &ClusterName, tasks: &[types::TaskId]) -> Error {
    Error::Conflict {
        message: "The clientToken was used before with other parameters. Use a new token, or the \
                  parameters of the first request."
            .into(),
        resource_ids: tasks.iter().map(|it| state.home().task(cluster, *it)).collect(),
    }
}

/// The first answer again: tasks as they are now, of those that have stopped only the outline.
fn replayed(state: &State, row: &Token, now: Timestamp) -> shape::RunTaskResponse {
    let one = |id: &types::TaskId| match state.task(*id) {
        Some(task) if !task.is_over() => view::task(state, task, view::Tags::Shown),
        _ => view::outline(state, &row.key.cluster, *id),
    };
    let recent = now.since(row.created_at) < FAILURES_KEPT;
    let failure = |bytes: &minicbor::bytes::ByteVec| match recent {
        true => shapes::stored::from_slice(bytes).unwrap_or_default(),
        false => shape::Failure::default(),
    };
    shape::RunTaskResponse {
        tasks: Some(row.tasks.iter().map(one).collect()),
        failures: Some(row.failures.iter().map(failure).collect()),
    }
}
