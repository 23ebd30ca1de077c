//! How one instance stands: what it has left and which tasks it holds, read from the tables.

use std::collections::{BTreeMap, BTreeSet};

use state::{ContainerInstance, InstanceStatus, State, Task};
use types::{Cpu, InstanceId, MemoryMib, Port};

use super::{Misfit, Request, living_on};
use crate::query::{self, Subject};

/// What one instance holds and has left. Costs what stands on the instance.
#[derive(Debug)]
pub(super) struct Standing<'a> {
    state: &'a State,
    pub(super) instance: &'a ContainerInstance,
    pub(super) cpu_held: u64,
    pub(super) memory_held: u64,
    pub(super) gpus_held: u64,
    pub(super) interfaces_held: u64,
    /// Holders of each host port.
    pub(super) ports: BTreeMap<Port, u32>,
}

impl<'a> Standing<'a> {
    pub(super) fn of(state: &'a State, instance: &'a ContainerInstance) -> Self {
        let mut standing = Self {
            state,
            instance,
            cpu_held: 0,
            memory_held: 0,
            gpus_held: 0,
            interfaces_held: 0,
            ports: BTreeMap::new(),
        };
        for port in instance.resources.ports.iter().collect::<BTreeSet<_>>() {
            standing.ports.insert(*port, 1);
        }
        for task in held_on(state, instance.id) {
            standing.cpu_held += u64::from(task.demand.cpu.0);
            standing.memory_held += u64::from(task.demand.memory.0);
            standing.gpus_held += u64::from(task.demand.gpus);
            standing.interfaces_held += u64::from(task.demand.interface);
            for port in state::ports_held(task) {
                *standing.ports.entry(port).or_default() += 1;
            }
        }
        standing
    }

    pub(super) fn cpu(&self) -> Cpu {
        Cpu(left(self.instance.resources.cpu.0, self.cpu_held))
    }

    pub(super) fn memory(&self) -> MemoryMib {
        MemoryMib(left(self.instance.resources.memory.0, self.memory_held))
    }

    pub(super) fn gpus(&self) -> u32 {
        left(self.gpus_total(), self.gpus_held)
    }

    pub(super) fn gpus_total(&self) -> u32 {
        u32::try_from(self.instance.resources.gpus.len()).unwrap_or(u32::MAX)
    }

    /// Everything that speaks against this instance, the most fundamental first.
    pub(super) fn misfits(&self, request: &Request) -> Vec<Misfit> {
        let mut misfits: Vec<_> = self.standing_misfit().into_iter().collect();
        misfits.extend(self.constraint_misfits(request));
        misfits.extend(self.shortages(request));
        misfits
    }

    fn standing_misfit(&self) -> Option<Misfit> {
        match self.instance.status {
            InstanceStatus::Inactive => Some(Misfit::Inactive),
            InstanceStatus::Draining => Some(Misfit::Draining),
            InstanceStatus::Active => (!self.instance.connected).then_some(Misfit::Agent),
        }
    }

    fn constraint_misfits(&self, request: &Request) -> Vec<Misfit> {
        let mut misfits = Vec::new();
        let instance = self.instance;
        if !request.allows(&instance.zone) {
            misfits.push(Misfit::Location { zone: instance.zone.clone() });
        }
        let lacks: Vec<_> = request
            .requires
            .iter()
            .filter(|it| query::attribute(instance, it).is_none())
            .cloned()
            .collect();
        if !lacks.is_empty() {
            misfits.push(Misfit::Attribute { lacks });
        }
        let subject = Subject::of(self.state, instance);
        misfits.extend(
            request
                .expressions()
                .filter(|it| !query::matches(it, &subject))
                .map(|it| Misfit::MemberOf { expression: it.as_str().to_owned() }),
        );
        if request.is_distinct()
            && living_on(self.state, instance.id).any(|it| it.group == request.group)
        {
            misfits.push(Misfit::Distinct);
        }
        misfits
    }

    fn shortages(&self, request: &Request) -> Vec<Misfit> {
        let mut misfits = Vec::new();
        let demand = &request.demand;
        let has = &self.instance.resources;
        if self.cpu() < demand.cpu {
            misfits.push(Misfit::Cpu { needs: demand.cpu, free: self.cpu(), of: has.cpu });
        }
        if self.memory() < demand.memory {
            let (needs, free, of) = (demand.memory, self.memory(), has.memory);
            misfits.push(Misfit::Memory { needs, free, of });
        }
        let taken: Vec<_> =
            demand.ports.iter().filter(|it| self.ports.contains_key(it)).copied().collect();
        if !taken.is_empty() {
            misfits.push(Misfit::Ports { taken });
        }
        if let Some(of) = has.interfaces.filter(|_| demand.interface)
            && self.interfaces_held >= u64::from(of)
        {
            misfits.push(Misfit::Interface { of });
        }
        if self.gpus() < u32::from(demand.gpus) {
            let (needs, free, of) = (demand.gpus, self.gpus(), self.gpus_total());
            misfits.push(Misfit::Gpu { needs, free, of });
        }
        misfits
    }
}

/// Tasks that hold resources of an instance.
pub(super) fn held_on(state: &State, instance: InstanceId) -> impl Iterator<Item = &Task> {
    state.indexes().held_on(instance).iter().filter_map(|id| state.task(*id)).map(AsRef::as_ref)
}

fn left(total: u32, held: u64) -> u32 {
    u32::try_from(u64::from(total).saturating_sub(held)).unwrap_or(0)
}

/// Identifiers of `count` GPUs of an instance that no task holds, the first in order; fewer if
/// there are fewer.
pub fn gpus_for(state: &State, instance: InstanceId, count: u16) -> Vec<String> {
    let Some(record) = state.container_instance(instance) else { return Vec::new() };
    let taken: BTreeSet<&String> = held_on(state, instance)
        .flat_map(|task| task.containers.iter().flat_map(|it| &it.gpus))
        .collect();
    let mut free: Vec<_> =
        record.resources.gpus.iter().filter(|it| !taken.contains(it)).cloned().collect();
    free.sort();
    free.truncate(usize::from(count));
    free
}
