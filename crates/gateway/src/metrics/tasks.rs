//! What tasks use of their instances, told as `AWS/ECS`.
//!
//! Of a cluster: what its tasks on an instance use of what the instance has registered. Of a service:
//! what each of its tasks uses of what is reserved for it. Source: Amazon ECS Developer Guide,
//! "Amazon ECS CloudWatch metrics".

use link::TaskUse;
use state::State;
use telemetry::metrics::{MetricStore, Resolution, Sample, Series, Statistics};
use types::{InstanceId, Timestamp};

/// CPU units of a processor, as [`TaskUse`] counts it.
const UNITS: f64 = 1024.0 / 100.0;

/// A part of what was promised that is used.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Used {
    metric: &'static str,
    cluster: String,
    service: Option<String>,
    percent: f64,
}

/// What the tasks of an instance use. Of others' tasks it has nothing to say.
pub(crate) fn used(state: &State, instance: InstanceId, tasks: &[TaskUse]) -> Vec<Used> {
    let Some(machine) = state.container_instances().get(&instance) else { return Vec::new() };
    let cluster = machine.cluster.as_str();
    let (mut units, mut memory) = (0.0, 0.0);
    let mut all = Vec::new();
    for told in tasks {
        let task = state.tasks().get(&told.task).filter(|it| it.instance == instance);
        let Some(task) = task else { continue };
        units += told.processor * UNITS;
        memory += told.memory;
        let Some(service) = task.group.as_str().strip_prefix("service:") else { continue };
        let of = |used: f64, reserved: u32| (cluster, Some(service), used, reserved);
        let demand = &task.demand;
        all.extend(one("CPUUtilization", of(told.processor * UNITS, demand.cpu.0)));
        all.extend(one("MemoryUtilization", of(told.memory, demand.memory.0)));
    }
    let registered = &machine.resources;
    all.extend(one("CPUUtilization", (cluster, None, units, registered.cpu.0)));
    all.extend(one("MemoryUtilization", (cluster, None, memory, registered.memory.0)));
    all
}

/// `None` where nothing was promised that could be a whole.
fn one(
    metric: &'static str,
    (cluster, service, used, promised): (&str, Option<&str>, f64, u32),
) -> Option<Used> {
    let (cluster, service) = (cluster.to_owned(), service.map(str::to_owned));
    let percent = used / f64::from(promised) * 100.0;
    (promised > 0).then_some(Used { metric, cluster, service, percent })
}

/// Puts what tasks use into the store. What the disk does not take is lost.
pub(crate) fn put_used(store: &MetricStore, all: &[Used], now: Timestamp) {
    let samples: Vec<Sample> = all.iter().map(|it| sample(it, now)).collect();
    if let Err(error) = store.put(&samples, now.0) {
        let source = &error.source;
        tracing::error!(%error, %source, lost = samples.len(), "metrics of tasks are lost");
    }
}

fn sample(used: &Used, now: Timestamp) -> Sample {
    let cluster = ("ClusterName".to_owned(), used.cluster.clone());
    let service = used.service.iter().map(|it| ("ServiceName".to_owned(), it.clone()));
    let dimensions = core::iter::once(cluster).chain(service);
    Sample {
        series: Series::new("AWS/ECS", used.metric, dimensions, "Percent"),
        at: now.0,
        resolution: Resolution::Minute,
        statistics: Statistics::of(used.percent),
    }
}
