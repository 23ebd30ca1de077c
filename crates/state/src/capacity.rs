//! What tasks take from their instances.

use std::collections::BTreeSet;

use types::Port;

use crate::record::Task;

/// Host ports that a task holds on its instance: those it asked for, and those its agent published.
///
/// A task with an address of its own holds none.
pub fn ports_held(task: &Task) -> BTreeSet<Port> {
    let mut ports: BTreeSet<Port> = task.demand.ports.iter().copied().collect();
    if task.demand.interface {
        return ports;
    }
    for binding in task.containers.iter().flat_map(|it| &it.bindings) {
        let first = binding.host.number;
        for number in first..=binding.host_last.unwrap_or(first) {
            ports.insert(Port { protocol: binding.host.protocol, number });
        }
    }
    ports
}
