//! What must always hold, computed from the tables alone: for the simulator and for operators.

use std::collections::BTreeMap;

use state::{InstanceStatus, State, Task};
use types::{ClusterName, Group, InstanceId, Port};

/// Every promise that some instance made twice, in words; empty if all is well.
///
/// Looks at all instances that have not been deregistered: CPU, memory, GPUs (by number and by
/// identifier), host ports and interfaces. Costs what exists.
pub fn verify(state: &State) -> Vec<String> {
    let mut held: BTreeMap<InstanceId, Vec<&Task>> = BTreeMap::new();
    for task in state.tasks().values().filter(|it| !it.released) {
        held.entry(task.instance).or_default().push(task);
    }
    let mut wrong = Vec::new();
    for (id, tasks) in held {
        let Some(instance) = state.container_instance(id) else { continue };
        if instance.status == InstanceStatus::Inactive {
            continue;
        }
        let has = &instance.resources;
        let mut limit = |what: &str, amount: fn(&Task) -> u64, has: u64| {
            let held: u64 = tasks.iter().map(|it| amount(it)).sum();
            if held > has {
                wrong.push(format!("instance {id} promises {held} of {has} {what}"));
            }
        };
        limit("CPU units", |it| it.demand.cpu.0.into(), has.cpu.0.into());
        limit("MiB of memory", |it| it.demand.memory.0.into(), has.memory.0.into());
        limit("GPUs", |it| it.demand.gpus.into(), has.gpus.len() as u64);
        if let Some(of) = has.interfaces {
            limit("interfaces", |it| it.demand.interface.into(), of.into());
        }
        wrong.extend(shared_ports(id, &has.ports, &tasks));
        wrong.extend(shared_gpus(id, &tasks));
    }
    wrong
}

fn shared_ports(instance: InstanceId, reserved: &[Port], tasks: &[&Task]) -> Vec<String> {
    let mut holders: BTreeMap<Port, u32> = reserved.iter().map(|it| (*it, 1)).collect();
    for port in tasks.iter().flat_map(|it| state::ports_held(it)) {
        *holders.entry(port).or_default() += 1;
    }
    let shared = holders.into_iter().filter(|(_, holders)| *holders > 1);
    shared
        .map(|(it, holders)| {
            let protocol = it.protocol.as_str();
            format!("instance {instance}: {holders} hold port {}/{protocol}", it.number)
        })
        .collect()
}

fn shared_gpus(instance: InstanceId, tasks: &[&Task]) -> Vec<String> {
    let mut holders: BTreeMap<&String, u32> = BTreeMap::new();
    for task in tasks {
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
        if task.cluster == *cluster && task.group == *group && state::is_living(task) {
            *counts.entry(task.instance).or_default() += 1;
        }
    }
    counts.into_iter().filter(|(_, count)| *count > 1).map(|(instance, _)| instance).collect()
}
