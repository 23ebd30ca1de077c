//! What a client token means: the same request again, or another one by mistake.
//!
//! Source: ECS Developer Guide, "Ensuring idempotency" (handbook 1.2). Where it is silent we choose
//! what a client survives: a cluster or task definition named by ARN or by name is the same
//! request, and so is a default said aloud.

use core::time::Duration;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use shapes::{ecs, stored};
use state::{State, Token, TokenKey};
use types::{ClusterName, TaskId, Timestamp, short_name};

/// How long a token is remembered at most, whatever its tasks do.
const TOKEN_LIFE: Duration = Duration::from_hours(24);

/// A request, told from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 32]);

/// What the region remembers of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recall {
    /// Nothing: go on.
    New,
    /// The same request; answer as it was answered.
    Same(Arc<Token>),
    /// Another request; these tasks are bound to the token.
    Conflict(Vec<TaskId>),
}

/// The digest of a RunTask request within its cluster.
///
/// The token and the cluster are left out: they are the key. Lists keep their order; maps have
/// none.
pub fn digest(request: &ecs::RunTaskRequest) -> Digest {
    let plain =
        |text: Option<&String>, kind| text.map(|it| short_name(it, kind).unwrap_or(it).to_owned());
    let canonical = ecs::RunTaskRequest {
        client_token: None,
        cluster: None,
        task_definition: plain(request.task_definition.as_ref(), "task-definition"),
        count: Some(request.count.unwrap_or(1)),
        enable_ecs_managed_tags: Some(request.enable_ecs_managed_tags.unwrap_or(false)),
        enable_execute_command: Some(request.enable_execute_command.unwrap_or(false)),
        capacity_provider_strategy: given(request.capacity_provider_strategy.as_ref()),
        placement_constraints: given(request.placement_constraints.as_ref()),
        placement_strategy: given(request.placement_strategy.as_ref()),
        tags: given(request.tags.as_ref()),
        volume_configurations: given(request.volume_configurations.as_ref()),
        overrides: request.overrides.clone().filter(|it| *it != ecs::TaskOverride::default()).map(
            |it| ecs::TaskOverride {
                container_overrides: given(it.container_overrides.as_ref()),
                inference_accelerator_overrides: given(it.inference_accelerator_overrides.as_ref()),
                ..it
            },
        ),
        launch_type: request.launch_type.clone().filter(|it| it.as_str() != "EC2"),
        ..request.clone()
    };
    Digest(Sha256::digest(stored::to_vec(&canonical)).into())
}

/// An empty list says as much as none.
fn given<T: Clone>(list: Option<&Vec<T>>) -> Option<Vec<T>> {
    list.filter(|it| !it.is_empty()).cloned()
}

/// What the region remembers of this token in this cluster. O(log tokens).
pub fn recall(
    state: &State,
    cluster: &ClusterName,
    token: &str,
    digest: Digest,
    now: Timestamp,
) -> Recall {
    let key = TokenKey { cluster: cluster.clone(), token: token.to_owned() };
    match state.tokens().get(&key) {
        Some(row) if row.expires_at <= now => Recall::New,
        Some(row) if row.digest == digest.0 => Recall::Same(row.clone()),
        Some(row) => Recall::Conflict(row.tasks.clone()),
        None => Recall::New,
    }
}

/// The row that remembers a token, its tasks and the failures of its answer.
pub fn remember(
    key: TokenKey,
    digest: Digest,
    tasks: Vec<TaskId>,
    failures: &[ecs::Failure],
    bound: Bound,
) -> Token {
    Token {
        key,
        digest: digest.0.to_vec(),
        tasks,
        failures: failures.iter().map(|it| stored::to_vec(it).into()).collect(),
        created_at: bound.at,
        expires_at: bound.at.after(TOKEN_LIFE),
        audit: bound.audit,
    }
}

/// When a token was bound, and by which request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// When.
    pub at: Timestamp,
    /// The request's audit row.
    pub audit: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask() -> ecs::RunTaskRequest {
        ecs::RunTaskRequest { task_definition: Some("web:3".into()), ..Default::default() }
    }

    #[track_caller]
    fn same(other: ecs::RunTaskRequest) {
        assert_eq!(digest(&ask()), digest(&other));
    }

    #[track_caller]
    fn different(other: ecs::RunTaskRequest) {
        assert_ne!(digest(&ask()), digest(&other));
    }

    #[test]
    fn a_default_said_aloud_is_the_same_request() {
        same(ecs::RunTaskRequest { count: Some(1), ..ask() });
        same(ecs::RunTaskRequest { launch_type: Some("EC2".into()), ..ask() });
        same(ecs::RunTaskRequest { tags: Some(Vec::new()), ..ask() });
        same(ecs::RunTaskRequest { overrides: Some(ecs::TaskOverride::default()), ..ask() });
        same(ecs::RunTaskRequest { enable_execute_command: Some(false), ..ask() });
    }

    #[test]
    fn a_name_and_its_arn_are_the_same_request() {
        let arn = "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:3";
        same(ecs::RunTaskRequest { task_definition: Some(arn.into()), ..ask() });
        same(ecs::RunTaskRequest { cluster: Some("default".into()), ..ask() });
        same(ecs::RunTaskRequest { client_token: Some("t".into()), ..ask() });
    }

    #[test]
    fn another_intent_is_another_request() {
        different(ecs::RunTaskRequest { count: Some(2), ..ask() });
        different(ecs::RunTaskRequest { task_definition: Some("web".into()), ..ask() });
        different(ecs::RunTaskRequest { started_by: Some("me".into()), ..ask() });
        different(ecs::RunTaskRequest { group: Some("g".into()), ..ask() });
    }
}
