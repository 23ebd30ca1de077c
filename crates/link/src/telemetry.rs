//! The telemetry conversation (TCS): metrics and health from agents.
//!
//! Each frame of an agent begins with HTTP-like headers and a blank line, then the message. The
//! connection was authenticated when it was made, so the signature in those headers adds nothing.

use core::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use shapes::tcs;
use state::Health;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use types::{InstanceId, TaskId, short_name};

use crate::frames::{self, FrameError};
use crate::hub::Region;
use crate::parting::Parting;

/// Tasks that one instance tells of; those behind them do not count.
const TASKS_MAX: usize = 1_000;
/// Agents hang up after one to two minutes of silence.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(30);

/// Holds one conversation until either end hangs up.
pub(crate) async fn serve<S>(
    region: &dyn Region,
    mut socket: WebSocketStream<S>,
    instance: InstanceId,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let parting = converse(region, &mut socket, instance).await;
    tracing::debug!(%instance, why = parting.why(), "the agent's telemetry has ended");
    parting.say(socket).await;
}

async fn converse<S>(
    region: &dyn Region,
    socket: &mut WebSocketStream<S>,
    instance: InstanceId,
) -> Parting
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut used = Vec::new();
    let mut heartbeat = tokio::time::interval(HEARTBEAT_EVERY);
    heartbeat.tick().await;
    loop {
        let answer = tokio::select! {
            frame = socket.next() => match frame {
                Some(Ok(Message::Close(_))) | None => return Parting::Theirs,
                Some(Ok(frame)) => hear(region, instance, &frame, &mut used).await,
                Some(Err(error)) => return Parting::of(&error),
            },
            _ = heartbeat.tick() => {
                Some(frames::encode("HeartbeatMessage", &tcs::HeartbeatMessage { healthy: Some(true) }))
            }
        };
        if let Some(answer) = answer
            && socket.send(Message::text(answer)).await.is_err()
        {
            return Parting::Theirs;
        }
    }
}

/// Takes in one frame; gives out the acknowledgement that its sender waits for.
async fn hear(
    region: &dyn Region,
    instance: InstanceId,
    frame: &Message,
    used: &mut Vec<TaskUse>,
) -> Option<String> {
    let answer = match frame {
        Message::Text(text) => {
            let body = text.split_once("\r\n\r\n").map_or(text.as_str(), |(_, body)| body);
            acknowledge(region, instance, body, used).await
        }
        Message::Binary(_) => Err(FrameError::Binary),
        _ => return None,
    };
    answer.unwrap_or_else(|error| {
        tracing::warn!(%error, "an agent sent telemetry that is no message");
        Some(frames::bad_request(&error))
    })
}

async fn acknowledge(
    region: &dyn Region,
    instance: InstanceId,
    body: &str,
    used: &mut Vec<TaskUse>,
) -> Result<Option<String>, FrameError> {
    let (kind, message) = frames::take_apart(body)?;
    Ok(match kind.as_str() {
        "PublishMetricsRequest" => {
            let mut request = tcs::PublishMetricsRequest::default();
            shapes::json::decode(message.as_bytes(), &mut request)
                .map_err(|source| FrameError::Message { kind, source })?;
            let tasks = request.task_metrics.iter().flatten().filter_map(task_use);
            used.extend(tasks);
            used.truncate(TASKS_MAX);
            // A long list comes in parts, of which the last says so.
            if request.metadata.and_then(|it| it.fin).unwrap_or(true) {
                region.used(instance, core::mem::take(used)).await;
            }
            Some(frames::encode("AckPublishMetric", &tcs::AckPublishMetric::default()))
        }
        "PublishHealthRequest" => {
            let mut request = tcs::PublishHealthRequest::default();
            shapes::json::decode(message.as_bytes(), &mut request)
                .map_err(|source| FrameError::Message { kind, source })?;
            publish_health(region, instance, &request).await;
            Some(frames::encode("AckPublishHealth", &tcs::AckPublishHealth::default()))
        }
        "PublishInstanceStatusRequest" => Some(frames::encode(
            "AckPublishInstanceStatus",
            &tcs::AckPublishInstanceStatus::default(),
        )),
        _ => None,
    })
}

/// What a task uses of its instance, all its containers together, on average since it was told last.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskUse {
    /// Which task.
    pub task: TaskId,
    /// Percent of one processor.
    pub processor: f64,
    /// Mebibytes of memory.
    pub memory: f64,
}

/// `None` for what is no task, or says nothing of its use.
fn task_use(told: &tcs::TaskMetric) -> Option<TaskUse> {
    let arn = told.task_arn.as_deref().and_then(|it| short_name(it, "task"))?;
    let task = TaskId::parse(arn).ok()?;
    let containers: Vec<_> = told.container_metrics.iter().flatten().collect();
    let sets = |of: fn(&tcs::ContainerMetric) -> Option<&tcs::CWStatsSet>| {
        containers.iter().filter_map(|it| of(it)).filter_map(mean).reduce(|a, b| a + b)
    };
    let processor = sets(|it| it.cpu_stats_set.as_ref());
    let memory = sets(|it| it.memory_stats_set.as_ref());
    let is_sane = |it: &f64| it.is_finite() && *it >= 0.0;
    Some(TaskUse { task, processor: processor.filter(is_sane)?, memory: memory.filter(is_sane)? })
}

fn mean(set: &tcs::CWStatsSet) -> Option<f64> {
    let count = set.sample_count.filter(|it| *it > 0)?;
    Some(set.sum? / f64::from(count))
}

async fn publish_health(
    region: &dyn Region,
    instance: InstanceId,
    request: &tcs::PublishHealthRequest,
) {
    for task in request.tasks.iter().flatten() {
        let arn = task.task_arn.as_deref().and_then(|it| short_name(it, "task"));
        let Some(id) = arn.and_then(|it| TaskId::parse(it).ok()) else { continue };
        let checked = task.containers.iter().flatten().filter_map(|it| {
            let health = match it.health_status.as_ref()?.as_str() {
                "HEALTHY" => Health::Healthy,
                "UNHEALTHY" => Health::Unhealthy,
                _ => Health::Unknown,
            };
            Some((it.container_name.clone()?, health))
        });
        region.health(instance, id, checked.collect()).await;
    }
}
