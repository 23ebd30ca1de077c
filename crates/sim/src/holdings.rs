//! What must hold of interfaces, GPUs and capabilities, and of what agents are told of them.

use std::collections::{BTreeMap, BTreeSet};

use shapes::acs;
use state::{ContainerInstance, State, Task};
use types::TaskId;

use crate::violation::{Checked, Invariant, broken};
use crate::world::World;

/// The most rows that one transaction may change. Source: etcd takes 128 operations at once.
pub(crate) const CHANGES_MAX: usize = 100;

impl World {
    /// No address is held twice: by what is promised, by what the index says, by what really runs.
    pub(crate) fn check_addresses(&self) -> Checked {
        let Some(process) = &self.region.process else { return Ok(()) };
        let state = process.core.state();
        let mut holders: BTreeMap<u32, TaskId> = BTreeMap::new();
        for task in state.tasks().values().filter(|it| !it.released) {
            let Some(interface) = &task.interface else { continue };
            if let Some(other) = holders.insert(interface.address, task.id) {
                let detail = format!("{} and {other} hold {:x}", task.id, interface.address);
                return broken(Invariant::Addresses, detail);
            }
            check_subnet(state, task)?;
        }
        let taken: BTreeSet<u32> = state.indexes().addresses_from(0).collect();
        if !taken.iter().eq(holders.keys()) {
            return broken(
                Invariant::Addresses,
                format!("{taken:x?} are taken, {holders:x?} held"),
            );
        }
        self.check_real_addresses()
    }

    /// A copy of a machine says what it likes, and an orphan of an instance that was deregistered by
    /// force has lost its claim.
    fn check_real_addresses(&self) -> Checked {
        if self.copied {
            return Ok(());
        }
        let mut holders: BTreeMap<&str, &str> = BTreeMap::new();
        for machine in self.machines.values().filter(|it| it.exists) {
            for (arn, held) in &machine.runtime.tasks {
                let id = arn.rsplit('/').next().and_then(|it| TaskId::parse(it).ok());
                let row = id.and_then(|it| self.region.shadow.task(it));
                if row.is_none_or(|it| it.released) {
                    continue;
                }
                for address in held.addresses() {
                    if let Some(other) = holders.insert(address, arn) {
                        let detail = format!("{arn} and {other} really have {address}");
                        return broken(Invariant::Addresses, detail);
                    }
                }
            }
        }
        Ok(())
    }
}

/// An address lies in the subnet that the task names, which is one of the task's zone.
fn check_subnet(state: &State, task: &Task) -> Checked {
    let (Some(interface), Some(region)) = (&task.interface, state.region().get(&())) else {
        return Ok(());
    };
    let subnet = region.subnets.iter().find(|it| it.id == interface.subnet);
    let right = subnet.is_some_and(|it| {
        let size = 1_u32 << (32 - u32::from(it.prefix));
        let within = interface.address.checked_sub(it.base).is_some_and(|it| it < size);
        within && it.zone == task.zone
    });
    if right {
        return Ok(());
    }
    broken(Invariant::Addresses, format!("task {} has {interface:x?} in {}", task.id, task.zone))
}

/// An agent is told the GPUs and the address that the task holds.
pub(crate) fn check_told_holdings(row: &Task, told: &acs::Task) -> Checked {
    let held: BTreeSet<(&str, &str)> = row
        .containers
        .iter()
        .flat_map(|it| it.gpus.iter().map(|gpu| (it.name.as_str(), gpu.as_str())))
        .collect();
    let gpus = told.associations.iter().flatten();
    let gpus = gpus.filter(|it| it.r#type == Some(acs::AssociationType::Gpu));
    let pinned: BTreeSet<(&str, &str)> = gpus
        .flat_map(|it| {
            let name = it.name.as_deref().unwrap_or_default();
            it.containers.iter().flatten().map(move |container| (container.as_str(), name))
        })
        .collect();
    if held != pinned {
        let detail = format!("task {} holds GPUs {held:?}, its agent is told {pinned:?}", row.id);
        return broken(Invariant::Told, detail);
    }
    let interfaces = told.elastic_network_interfaces.iter().flatten();
    let addresses: Vec<_> = interfaces
        .flat_map(|it| it.ipv4_addresses.iter().flatten())
        .filter_map(|it| it.private_address.clone())
        .collect();
    let held: Vec<_> = row.interface.iter().map(|it| plan::payload::dotted(it.address)).collect();
    if held != addresses {
        let detail = format!("task {} holds {held:?}, its agent is told {addresses:?}", row.id);
        return broken(Invariant::Told, detail);
    }
    Ok(())
}

/// A task is placed only where its agent can do what the definition needs.
pub(crate) fn check_capable(state: &State, task: &Task, on: &ContainerInstance) -> Checked {
    let Some(definition) = state.task_definition(&task.revision) else { return Ok(()) };
    match definition.requires.iter().find(|it| !on.attributes.contains_key(*it)) {
        Some(lacks) => {
            let detail = format!("task {} is on {}, which lacks {lacks}", task.id, on.id);
            broken(Invariant::Capable, detail)
        }
        None => Ok(()),
    }
}
