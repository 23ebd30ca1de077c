//! What must always hold, computed from the tables alone: for the simulator and for operators.

use std::collections::BTreeMap;

use state::{InstanceStatus, State};
use types::{ClusterName, Group, InstanceId};

use super::is_living;
use super::standing::{Standing, held_on};

/// Every promise that some instance made twice, in words; empty if all is well.
///
/// Looks at all instances that have not been deregistered: CPU, memory, GPUs (by number and by
/// identifier), host ports and interfaces. Costs what exists.
pub fn verify(state: &State) -> Vec<String> {
    let mut wrong = Vec::new();
    for instance in state.container_instances().values() {
        if instance.status == InstanceStatus::Inactive {
            continue;
        }
        let id = instance.id;
        let it = Standing::of(state, instance);
        let mut limit = |what: &str, held: u64, has: u64| {
            if held > has {
                wrong.push(format!("instance {id} promises {held} of {has} {what}"));
            }
        };
        limit("CPU units", it.cpu_held, instance.resources.cpu.0.into());
        limit("MiB of memory", it.memory_held, instance.resources.memory.0.into());
        limit("GPUs", it.gpus_held, it.gpus_total().into());
        if let Some(of) = instance.resources.interfaces {
            limit("interfaces", it.interfaces_held, of.into());
        }
        for (port, holders) in it.ports.iter().filter(|(_, holders)| **holders > 1) {
            let protocol = port.protocol.as_str();
            wrong.push(format!("instance {id}: {holders} hold {}/{protocol}", port.number));
        }
        wrong.extend(shared_gpus(state, id));
    }
    wrong
}

fn shared_gpus(state: &State, instance: InstanceId) -> Vec<String> {
    let mut holders: BTreeMap<&String, u32> = BTreeMap::new();
    for task in held_on(state, instance) {
        for gpu in task.containers.iter().flat_map(|it| &it.gpus) {
            *holders.entry(gpu).or_default() += 1;
        }
    }
    holders
        .into_iter()
        .filter(|(_, holders)| *holders > 1)
        .map(|(gpu, holders)| format!("instance {instance}: {holders} hold GPU {gpu}"))
        .collect()
}

/// Instances with two or more living tasks of a group, which `distinctInstance` forbids.
///
/// Tasks do not remember their constraints, so the caller names the group that had it.
pub fn doubled(state: &State, cluster: &ClusterName, group: &Group) -> Vec<InstanceId> {
    let mut counts: BTreeMap<InstanceId, u32> = BTreeMap::new();
    for task in state.tasks().values() {
        if task.cluster == *cluster && task.group == *group && is_living(task) {
            *counts.entry(task.instance).or_default() += 1;
        }
    }
    counts.into_iter().filter(|(_, count)| *count > 1).map(|(instance, _)| instance).collect()
}
