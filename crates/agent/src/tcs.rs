//! The telemetry session: metrics and health of containers.

use core::time::Duration;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use link::frames::encode;
use plan::agent::Core;
use plan::lifecycle::Health;
use shapes::tcs;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};
use tokio_tungstenite::tungstenite::Message;
use types::{Timestamp, hex};

use crate::acs::{Address, Socket, Unopened, open, poll_endpoint};
use crate::clock;
use crate::machine::Machine;
use crate::register;
use crate::stats::{self, RunningTask, Sample};

/// Waits between attempts, from the first failure on (agent source).
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_mins(1);
/// A session that stood this long was a good one.
const STABLE: Duration = Duration::from_mins(1);
/// Silence after which the session is given up; the other end speaks every half minute.
const SILENCE: Duration = Duration::from_secs(90);
/// Tasks in one message (agent source).
const TASKS_MAX: usize = 10;
/// How often counters are read for each time they are published.
const SAMPLES: u32 = 4;

/// Keeps a telemetry session, for ever.
pub(crate) async fn keep(machine: Arc<Machine>, health: Arc<Notify>) {
    machine.registered().await;
    let mut wait = RETRY_FIRST;
    loop {
        let begun = Instant::now();
        match open_tcs(&machine).await {
            Ok((socket, address)) => {
                let session =
                    Session { machine: &machine, address, socket, taken: Taken::default() };
                session.converse(&health).await;
            }
            Err(error) => tracing::debug!(%error, "no telemetry session"),
        }
        if begun.elapsed() > STABLE {
            wait = RETRY_FIRST;
        }
        sleep(wait).await;
        wait = (wait * 2).min(RETRY_LAST);
    }
}

async fn open_tcs(machine: &Machine) -> Result<(Socket, Address), Unopened> {
    let found = poll_endpoint(machine).await?;
    let query = [
        ("agentHash", register::AGENT_HASH),
        ("agentVersion", register::AGENT_VERSION),
        ("cluster", &machine.config.cluster),
        ("containerInstance", &machine.instance),
        ("dockerVersion", register::RUNTIME_VERSION),
    ];
    let endpoint = found.telemetry_endpoint.unwrap_or_default();
    let address = Address::below(&endpoint, &query)?;
    Ok((open(machine, &address).await?, address))
}

/// The connection broke.
struct Broke;

struct Session<'a> {
    machine: &'a Machine,
    address: Address,
    socket: Socket,
    taken: Taken,
}

impl Session<'_> {
    async fn converse(mut self, health: &Notify) {
        let every = self.machine.config.timings.metrics_every / SAMPLES;
        let mut clock = interval(every.max(Duration::from_millis(100)));
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut silent_at = Instant::now() + SILENCE;
        let mut ticks = 0_u32;
        loop {
            let done = tokio::select! {
                frame = self.socket.next() => match frame {
                    Some(Ok(Message::Close(_)) | Err(_)) | None => Err(Broke),
                    Some(Ok(_)) => {
                        silent_at = Instant::now() + SILENCE;
                        Ok(())
                    }
                },
                _ = clock.tick() => {
                    self.taken.sample(self.machine).await;
                    let due = ticks.is_multiple_of(SAMPLES);
                    ticks = ticks.wrapping_add(1);
                    if due { self.publish().await } else { Ok(()) }
                }
                () = health.notified() => self.publish_health().await,
                () = sleep_until(silent_at) => Err(Broke),
            };
            if let Err(Broke) = done {
                return;
            }
        }
    }

    async fn publish(&mut self) -> Result<(), Broke> {
        let tasks = self.taken.metrics();
        let message_id = Some(message_id());
        let metadata = |fin: bool, idle: bool| tcs::MetricsMetadata {
            cluster: Some(self.machine.config.cluster.clone()),
            container_instance: Some(self.machine.instance.clone()),
            fin: Some(fin),
            idle: Some(idle),
            message_id: message_id.clone(),
        };
        let timestamp = Some(shapes::Timestamp(clock::now().0));
        let mut all = Vec::new();
        if tasks.is_empty() {
            let metadata = Some(metadata(true, true));
            all.push(tcs::PublishMetricsRequest { metadata, timestamp, ..Default::default() });
        }
        let count = tasks.chunks(TASKS_MAX).count();
        for (index, some) in tasks.chunks(TASKS_MAX).enumerate() {
            all.push(tcs::PublishMetricsRequest {
                metadata: Some(metadata(index + 1 == count, false)),
                task_metrics: Some(some.to_vec()),
                timestamp,
                ..Default::default()
            });
        }
        for request in all {
            self.send(encode("PublishMetricsRequest", &request)).await?;
        }
        self.publish_health().await
    }

    async fn publish_health(&mut self) -> Result<(), Broke> {
        let tasks = self.machine.inbox.ask(health_of).await.unwrap_or_default();
        let count = tasks.chunks(TASKS_MAX).count();
        let message_id = message_id();
        for (index, some) in tasks.chunks(TASKS_MAX).enumerate() {
            let request = tcs::PublishHealthRequest {
                metadata: Some(tcs::HealthMetadata {
                    cluster: Some(self.machine.config.cluster.clone()),
                    container_instance: Some(self.machine.instance.clone()),
                    fin: Some(index + 1 == count),
                    message_id: Some(message_id.clone()),
                }),
                tasks: Some(some.to_vec()),
                timestamp: Some(shapes::Timestamp(clock::now().0)),
            };
            self.send(encode("PublishHealthRequest", &request)).await?;
        }
        Ok(())
    }

    /// Each frame begins with headers that sign it.
    async fn send(&mut self, body: String) -> Result<(), Broke> {
        let Address { authority, path, query } = &self.address;
        let headers = self.machine.api.signed_get(authority, path, query, body.as_bytes());
        let mut frame = String::new();
        for (name, value) in &headers {
            let value = String::from_utf8_lossy(value.as_bytes());
            let _ = write!(frame, "{name}: {value}\r\n");
        }
        frame.push_str("\r\n");
        frame.push_str(&body);
        self.socket.send(Message::text(frame)).await.map_err(|_| Broke)
    }
}

fn message_id() -> String {
    let mut bytes = [0; 16];
    // Ids only tell messages apart in logs.
    let _ = getrandom::fill(&mut bytes);
    hex(&bytes)
}

/// What health checks found, task by task.
fn health_of(core: &Core) -> Vec<tcs::TaskHealth> {
    let mut tasks: BTreeMap<_, tcs::TaskHealth> = BTreeMap::new();
    for report in core.health_reports() {
        let Some(spec) = core.task(report.task).and_then(|it| it.spec()) else { continue };
        let task = tasks.entry(report.task.clone()).or_insert_with(|| tcs::TaskHealth {
            cluster_arn: Some(spec.cluster.clone()),
            containers: Some(Vec::new()),
            task_arn: Some(spec.arn.to_string()),
            task_definition_family: Some(spec.family.clone()),
            task_definition_version: Some(spec.revision.clone()),
        });
        task.containers.get_or_insert_default().push(tcs::ContainerHealth {
            container_name: Some(report.container.to_string()),
            health_status: Some(
                match report.health {
                    Health::Unknown => "UNKNOWN",
                    Health::Healthy => "HEALTHY",
                    Health::Unhealthy => "UNHEALTHY",
                }
                .into(),
            ),
            status_since: report.since.map(|it: Timestamp| shapes::Timestamp(it.0)),
            status_message: None,
        });
    }
    tasks.into_values().collect()
}

/// Samples taken since the last publication.
#[derive(Debug, Default)]
struct Taken {
    /// By task and container: the last sample, and what came of those since the publication.
    containers: BTreeMap<(plan::agent::TaskArn, String), Series>,
    running: Vec<RunningTask>,
}

#[derive(Debug, Clone)]
struct Series {
    last: Sample,
    /// Percent of one processor.
    cpu: Vec<f64>,
    /// Mebibytes.
    memory: Vec<f64>,
}

impl Taken {
    async fn sample(&mut self, machine: &Machine) {
        self.running = stats::running(machine).await;
        let mut kept = BTreeMap::new();
        for task in &self.running {
            let Some(line) = machine.line(&task.arn) else { continue };
            for (name, _, _) in &task.containers {
                let Some(sample) = stats::sample(&line, name).await else { continue };
                let key = (task.arn.clone(), name.clone());
                let series = match self.containers.remove(&key) {
                    Some(series) => series.with(sample),
                    None => Series { last: sample, cpu: vec![], memory: vec![mebibytes(&sample)] },
                };
                kept.insert(key, series);
            }
        }
        self.containers = kept;
    }

    /// What is to be published; the next publication begins with nothing.
    fn metrics(&mut self) -> Vec<tcs::TaskMetric> {
        let mut all = Vec::new();
        for task in &self.running {
            let mut containers = Vec::new();
            for (name, arn, run) in &task.containers {
                let key = (task.arn.clone(), name.clone());
                let Some(series) = self.containers.get_mut(&key) else { continue };
                let cpu = core::mem::take(&mut series.cpu);
                let memory = core::mem::take(&mut series.memory);
                containers.push(tcs::ContainerMetric {
                    container_arn: Some(arn.clone()),
                    container_name: Some(name.clone()),
                    cpu_stats_set: set(&cpu),
                    memory_stats_set: set(&memory),
                    restart_stats_set: (*run > 0).then(|| tcs::RestartStatsSet {
                        restart_count: i64::from(*run).try_into().ok(),
                    }),
                    ..Default::default()
                });
            }
            if !containers.is_empty() {
                all.push(tcs::TaskMetric {
                    cluster_arn: Some(task.cluster.clone()),
                    container_metrics: Some(containers),
                    task_arn: Some(task.arn.to_string()),
                    task_definition_family: Some(task.family.clone()),
                    task_definition_version: Some(task.revision.clone()),
                    ..Default::default()
                });
            }
        }
        all
    }
}

impl Series {
    #[expect(clippy::cast_precision_loss, reason = "counters of years fit")]
    fn with(mut self, sample: Sample) -> Self {
        let time = sample.at.since(self.last.at).as_nanos() as f64;
        if time > 0.0 {
            let used = sample.stats.cpu_ns.saturating_sub(self.last.stats.cpu_ns) as f64;
            self.cpu.push(used / time * 100.0);
        }
        self.memory.push(mebibytes(&sample));
        self.last = sample;
        self
    }
}

#[expect(clippy::cast_precision_loss, reason = "mebibytes are few")]
fn mebibytes(sample: &Sample) -> f64 {
    (sample.stats.memory_bytes / (1024 * 1024)) as f64
}

fn set(values: &[f64]) -> Option<tcs::CWStatsSet> {
    let count = i32::try_from(values.len()).ok().filter(|it| *it > 0)?;
    Some(tcs::CWStatsSet {
        max: values.iter().copied().reduce(f64::max),
        min: values.iter().copied().reduce(f64::min),
        sample_count: Some(count),
        sum: Some(values.iter().sum()),
    })
}
