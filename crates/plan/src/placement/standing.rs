//! How one instance stands to a request: everything that speaks against it.

use std::collections::BTreeSet;

use state::capacity::{Host, Pool};
use state::{ContainerInstance, InstanceStatus, State};
use types::{Cpu, InstanceId, MemoryMib};

use super::{Misfit, Request};
use crate::query::{self, Subject};

/// Everything that speaks against this instance, the most fundamental first.
pub(super) fn misfits(pool: &Pool, host: &Host, request: &Request) -> Vec<Misfit> {
    let Some(instance) = host.record() else { return vec![Misfit::Missing] };
    let mut misfits = Vec::new();
    match instance.status {
        // Whatever else it lacks is of no interest any more.
        InstanceStatus::Inactive => return vec![Misfit::Inactive],
        InstanceStatus::Draining => misfits.push(Misfit::Draining),
        InstanceStatus::Active => misfits.extend((!instance.listens()).then_some(Misfit::Agent)),
    }
    constraints(pool, host, instance, request, &mut misfits);
    shortages(host, instance, request, &mut misfits);
    misfits
}

fn constraints(
    pool: &Pool,
    host: &Host,
    instance: &ContainerInstance,
    request: &Request,
    misfits: &mut Vec<Misfit>,
) {
    if !request.allows(&instance.zone) {
        misfits.push(Misfit::Location { zone: instance.zone.clone() });
    }
    let has = |name: &String| query::attribute(instance, name).is_some();
    let lacks: Vec<_> = request.requires.iter().filter(|it| !has(it)).cloned().collect();
    if !lacks.is_empty() {
        misfits.push(Misfit::Attribute { lacks });
    }
    let subject = Subject::on_host(pool, host, instance);
    let broken = request.expressions().filter(|it| !query::matches(it, &subject));
    misfits.extend(broken.map(|it| Misfit::MemberOf { expression: it.as_str().to_owned() }));
    let group = pool.group(&request.group).filter(|_| request.is_distinct());
    if group.is_some_and(|(at, _)| host.count(at) > 0) {
        misfits.push(Misfit::Distinct);
    }
}

fn shortages(
    host: &Host,
    instance: &ContainerInstance,
    request: &Request,
    misfits: &mut Vec<Misfit>,
) {
    let demand = &request.demand;
    let has = &instance.resources;
    let (cpu, memory) = host.left();
    let (cpu, memory) = (Cpu(cpu), MemoryMib(memory));
    if cpu < demand.cpu {
        misfits.push(Misfit::Cpu { needs: demand.cpu, free: cpu, of: has.cpu });
    }
    if memory < demand.memory {
        misfits.push(Misfit::Memory { needs: demand.memory, free: memory, of: has.memory });
    }
    let taken: Vec<_> = demand.ports.iter().filter(|it| host.holds(**it)).copied().collect();
    if !taken.is_empty() {
        misfits.push(Misfit::Ports { taken });
    }
    if let Some(of) = has.interfaces.filter(|_| demand.interface && !host.has_interface()) {
        misfits.push(Misfit::Interface { of });
    }
    let free = host.gpus_left();
    if free < u32::from(demand.gpus) {
        let of = u32::try_from(has.gpus.len()).unwrap_or(u32::MAX);
        misfits.push(Misfit::Gpu { needs: demand.gpus, free, of });
    }
}

/// Identifiers of `count` GPUs of an instance that no task holds, the first in order; fewer if
/// there are fewer. O(tasks of the instance), and nothing for a task without GPUs.
pub fn gpus_for(state: &State, instance: InstanceId, count: u16) -> Vec<String> {
    if count == 0 {
        return Vec::new();
    }
    let Some(record) = state.container_instance(instance) else { return Vec::new() };
    let held = state.indexes().held_on(instance).iter().filter_map(|id| state.task(*id));
    let taken: BTreeSet<&String> =
        held.flat_map(|task| task.containers.iter().flat_map(|it| &it.gpus)).collect();
    let free: BTreeSet<&String> =
        record.resources.gpus.iter().filter(|it| !taken.contains(it)).collect();
    free.into_iter().take(usize::from(count)).cloned().collect()
}
