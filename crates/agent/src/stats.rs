//! Counters of running containers: read from shims, told as Docker's API does and as metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use plan::agent::{Core, Task, TaskArn};
use plan::lifecycle::Status;
use serde_json::{Value, json};
use shim::{Command, Reply, Stats};
use types::Timestamp;

use crate::clock;
use crate::line::Line;
use crate::machine::{Machine, runtime_id};

/// A container's counters at one time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) at: Timestamp,
    pub(crate) stats: Stats,
}

/// Counters of one container; `None` if it does not run.
pub(crate) async fn sample(line: &Line, container: &str) -> Option<Sample> {
    let command = Command::Stats { name: container.to_owned() };
    match line.call(command).await {
        Ok(Reply::Stats(stats)) => Some(Sample { at: clock::now(), stats }),
        Ok(_) | Err(_) => None,
    }
}

/// Counters of one container in the form of Docker's API.
pub(crate) async fn container(machine: &Machine, task: &TaskArn, container: &str) -> Option<Value> {
    let line = machine.line(task)?;
    let sample = sample(&line, container).await?;
    Some(as_docker(task, container, &sample))
}

/// Counters of all containers of a task, by their ids; `null` for those that do not run.
pub(crate) async fn task(machine: &Arc<Machine>, task: &TaskArn) -> Value {
    let mut all = BTreeMap::new();
    for name in names(machine, task).await {
        let found = container(machine, task, &name).await;
        all.insert(runtime_id(task, &name), found.unwrap_or(Value::Null));
    }
    json!(all)
}

async fn names(machine: &Machine, task: &TaskArn) -> Vec<String> {
    let task = task.clone();
    let question = move |core: &Core| {
        let containers = core.task(&task).into_iter().flat_map(Task::containers);
        containers.map(|(it, _)| it.name.to_string()).collect::<Vec<_>>()
    };
    machine.inbox.ask(question).await.unwrap_or_default()
}

fn as_docker(task: &TaskArn, container: &str, sample: &Sample) -> Value {
    let stats = &sample.stats;
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let blocks = |op: &str, value: u64| json!({ "major": 0, "minor": 0, "op": op, "value": value });
    json!({
        "id": runtime_id(task, container),
        "name": container,
        "read": sample.at.rfc3339(),
        "num_procs": 0,
        "pids_stats": { "current": stats.pids },
        "cpu_stats": {
            "cpu_usage": { "total_usage": stats.cpu_ns },
            "online_cpus": processors,
        },
        "memory_stats": {
            "usage": stats.memory_bytes,
            "limit": stats.memory_limit_bytes,
            "stats": {},
        },
        "blkio_stats": {
            "io_service_bytes_recursive": [
                blocks("read", stats.read_bytes),
                blocks("write", stats.write_bytes),
            ],
        },
    })
}

/// The running containers of the instance, task by task.
pub(crate) async fn running(machine: &Machine) -> Vec<RunningTask> {
    let question = |core: &Core| {
        let tasks = core.tasks().filter_map(|task| {
            let spec = task.spec()?;
            let containers = task.containers().filter(|(_, it)| it.status == Status::Running);
            let containers: Vec<_> = containers
                .map(|(it, record)| (it.name.to_string(), it.arn.clone(), record.run))
                .collect();
            (!containers.is_empty()).then(|| RunningTask {
                arn: spec.arn.clone(),
                cluster: spec.cluster.clone(),
                family: spec.family.clone(),
                revision: spec.revision.clone(),
                containers,
            })
        });
        tasks.collect()
    };
    machine.inbox.ask(question).await.unwrap_or_default()
}

/// A task of which at least one container runs.
#[derive(Debug, Clone)]
pub(crate) struct RunningTask {
    pub(crate) arn: TaskArn,
    pub(crate) cluster: String,
    pub(crate) family: String,
    pub(crate) revision: String,
    /// Names, ARNs and restarts of those that run.
    pub(crate) containers: Vec<(String, String, u32)>,
}
