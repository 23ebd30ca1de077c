//! Task scale-in protection: `$ECS_AGENT_URI/task-protection/v1/state`, by which a task of a service
//! says that it must not be stopped now.
//!
//! The region is asked with the task's own credentials, as it is its role that has to permit it.
//! Source: Amazon ECS Developer Guide, "Task scale-in protection endpoint".

use std::sync::Arc;

use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use plan::agent::{Core, Role, TaskArn};
use serde::Deserialize;
use serde_json::{Value, json};
use shapes::ecs;
use types::{Arn, Timestamp};

use super::{Asker, STOPPING, UNKNOWN_ID, find};
use crate::api::{Api, CallError};
use crate::config::Keys;
use crate::machine::Machine;

/// Largest body that is read, in bytes.
const BODY_MAX: usize = 4 * 1024;

/// What a task may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Wish {
    protection_enabled: Option<bool>,
    expires_in_minutes: Option<i32>,
}

/// The id of the container that asks, if the path is the one of this endpoint.
pub(super) fn container(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("/api/")?.strip_suffix("/task-protection/v1/state")?;
    (!rest.contains('/')).then_some(rest)
}

/// Says how the asker's task is protected, or changes it.
pub(super) async fn answer(
    machine: &Arc<Machine>,
    asker: Asker,
    id: &str,
    request: Request<Incoming>,
) -> Result<(StatusCode, Value), (StatusCode, &'static str)> {
    let (task, _) = find(machine, asker, id.to_owned()).await?.ok_or(UNKNOWN_ID)?;
    let wish = match *request.method() {
        Method::PUT => match wish(request.into_body()).await {
            Ok(wish) => Some(wish),
            Err(message) => {
                return Ok(error(
                    &task,
                    StatusCode::BAD_REQUEST,
                    "InvalidParameterException",
                    message,
                ));
            }
        },
        _ => None,
    };
    let Some(keys) = keys(machine, &task).await? else {
        let message = "Invalid Request: no task IAM role credentials available for task";
        return Ok(error(&task, StatusCode::FORBIDDEN, "AccessDeniedException", message));
    };
    let api = machine.api.with_keys(keys);
    let said = match wish {
        Some(wish) => update(&api, &task, wish).await,
        None => get(&api, &task).await,
    };
    Ok(match said {
        Ok(said) => (StatusCode::OK, shown(&task, said)),
        Err(failed) => refused(&task, &failed),
    })
}

async fn wish(body: Incoming) -> Result<Wish, &'static str> {
    let read = Limited::new(body, BODY_MAX).collect().await;
    let bytes = read.map_err(|_| "Invalid request: the body cannot be read")?.to_bytes();
    parse(&bytes)
}

fn parse(body: &[u8]) -> Result<Wish, &'static str> {
    let wish: Wish = serde_json::from_slice(body)
        .map_err(|_| "UpdateTaskProtection: failed to decode request")?;
    match wish.protection_enabled {
        Some(_) => Ok(wish),
        None => Err("Invalid request: does not contain 'ProtectionEnabled' field"),
    }
}

/// The credentials of the task's role.
async fn keys(
    machine: &Machine,
    task: &TaskArn,
) -> Result<Option<Keys>, (StatusCode, &'static str)> {
    let task = task.clone();
    let question = move |core: &Core| {
        core.role_credentials(&task, Role::Application).map(|it| Keys {
            access_key_id: it.access_key_id.clone(),
            secret_access_key: it.secret_access_key.clone(),
            session_token: Some(it.session_token.clone()),
        })
    };
    machine.inbox.ask(question).await.ok_or(STOPPING)
}

/// What the region said of one task.
type Said = (Option<ecs::ProtectedTask>, Option<ecs::Failure>);

async fn update(api: &Api, task: &TaskArn, wish: Wish) -> Result<Said, CallError> {
    let ask = ecs::UpdateTaskProtectionRequest {
        cluster: cluster(task),
        tasks: Some(vec![task.as_str().to_owned()]),
        protection_enabled: wish.protection_enabled,
        expires_in_minutes: wish.expires_in_minutes,
    };
    let answer = api.call::<ecs::UpdateTaskProtection>(&ask).await?;
    Ok((first(answer.protected_tasks), first(answer.failures)))
}

async fn get(api: &Api, task: &TaskArn) -> Result<Said, CallError> {
    let ask = ecs::GetTaskProtectionRequest {
        cluster: cluster(task),
        tasks: Some(vec![task.as_str().to_owned()]),
    };
    let answer = api.call::<ecs::GetTaskProtection>(&ask).await?;
    Ok((first(answer.protected_tasks), first(answer.failures)))
}

fn first<T>(all: Option<Vec<T>>) -> Option<T> {
    all.into_iter().flatten().next()
}

/// The cluster in a task's ARN.
fn cluster(task: &TaskArn) -> Option<String> {
    let tail = Arn::parse(task.as_str())?.ecs("task")?;
    tail.split_once('/').map(|(cluster, _)| cluster.to_owned())
}

fn shown(task: &TaskArn, (protected, failure): Said) -> Value {
    if let Some(it) = failure {
        return json!({ "failure": { "Arn": it.arn, "Reason": it.reason, "Detail": it.detail } });
    }
    let it = protected.unwrap_or_default();
    let until = it.expiration_date.map(|it| Timestamp(it.0).rfc3339());
    let mut shown = json!({
        "ProtectionEnabled": it.protection_enabled.unwrap_or(false),
        "TaskArn": it.task_arn.unwrap_or_else(|| task.as_str().to_owned()),
        "ExpirationDate": until,
    });
    if let Some(members) = shown.as_object_mut() {
        members.retain(|_, it| !it.is_null());
    }
    json!({ "protection": shown })
}

fn refused(task: &TaskArn, failed: &CallError) -> (StatusCode, Value) {
    match failed {
        CallError::Answer(wire::client::CallError::Refused(fault)) => {
            let status = StatusCode::from_u16(fault.status).unwrap_or(StatusCode::BAD_REQUEST);
            error(task, status, &fault.code, &fault.message)
        }
        other => {
            let text = other.to_string();
            error(task, StatusCode::INTERNAL_SERVER_ERROR, "ServerException", &text)
        }
    }
}

fn error(task: &TaskArn, status: StatusCode, code: &str, message: &str) -> (StatusCode, Value) {
    let error = json!({ "Arn": task.as_str(), "Code": code, "Message": message });
    (status, json!({ "error": error }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_names_one_container() {
        assert_eq!(container("/api/0af/task-protection/v1/state"), Some("0af"));
        for other in
            ["/api/task-protection/v1/state", "/api/a/b/task-protection/v1/state", "/v4/0af"]
        {
            assert_eq!(container(other), None, "{other}");
        }
    }

    #[test]
    fn a_wish_says_whether_and_may_say_how_long() {
        let wish = |enabled, minutes| {
            Ok(Wish { protection_enabled: Some(enabled), expires_in_minutes: minutes })
        };
        assert_eq!(parse(br#"{"ProtectionEnabled": true}"#), wish(true, None));
        let timed = br#"{"ProtectionEnabled": false, "ExpiresInMinutes": 5}"#;
        assert_eq!(parse(timed), wish(false, Some(5)));
        let lacking = Err("Invalid request: does not contain 'ProtectionEnabled' field");
        assert_eq!(parse(br#"{"ExpiresInMinutes": 5}"#), lacking);
        for bad in [&b""[..], b"{", b"[]", br#"{"ProtectionEnabled": "yes"}"#, br#"{"Other": 1}"#] {
            assert_eq!(parse(bad), Err("UpdateTaskProtection: failed to decode request"));
        }
    }

    #[test]
    fn what_the_region_says_is_told_in_the_words_of_the_endpoint() {
        let arn = "arn:aws:ecs:us-east-1:123456789012:task/web/0123456789abcdef0123456789abcdef";
        let task = TaskArn::parse(arn).expect("an ARN");
        assert_eq!(cluster(&task).as_deref(), Some("web"));
        let protected = ecs::ProtectedTask {
            task_arn: Some(arn.into()),
            protection_enabled: Some(true),
            expiration_date: Some(shapes::Timestamp(1_700_000_000_000)),
        };
        let told = shown(&task, (Some(protected), None));
        let expected = json!({"protection": {"ExpirationDate": "2023-11-14T22:13:20Z",
            "ProtectionEnabled": true, "TaskArn": arn}});
        assert_eq!(told["protection"]["TaskArn"], expected["protection"]["TaskArn"]);
        assert!(
            told["protection"]["ExpirationDate"]
                .as_str()
                .is_some_and(|it| { it.starts_with("2023-11-14T22:13:20") })
        );
        let failure = ecs::Failure {
            arn: Some(arn.into()),
            reason: Some("TASK_NOT_VALID".into()),
            detail: Some("no".into()),
        };
        let told = shown(&task, (None, Some(failure)));
        let expected = json!({"failure": {"Arn": arn, "Reason": "TASK_NOT_VALID", "Detail": "no"}});
        assert_eq!(told, expected);
    }
}
