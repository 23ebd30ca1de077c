//! What really runs on a machine: tasks with their networks and containers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use plan::agent::spec::{NetworkMode, TaskSpec};
use plan::agent::{Demand, Exit, Found, FoundContainer, FoundState, Host, NetworkFacts, Running};
use types::{ContainerName, Port};

/// Everything that is there.
#[derive(Debug, Default)]
pub(crate) struct Runtime {
    pub(crate) tasks: BTreeMap<String, Held>,
    /// Tasks whose end the control plane has acknowledged, or whose stop the agent has.
    pub(crate) ended: BTreeSet<String>,
    pub(crate) next_port: u16,
}

/// What is there of one task.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) spec: Arc<TaskSpec>,
    pub(crate) network: Option<NetworkFacts>,
    pub(crate) containers: BTreeMap<ContainerName, Vessel>,
    /// Steps of a task are done one after another: when the last one asked for will be done.
    pub(crate) busy_until: u64,
}

/// What is there of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vessel {
    pub(crate) run: u32,
    pub(crate) state: VesselState,
}

/// How a container is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum VesselState {
    Created,
    /// `doomed` once it has got KILL.
    Running {
        running: Running,
        stubborn: bool,
        doomed: bool,
    },
    Exited(Running, Exit),
}

impl Held {
    pub(crate) fn new(spec: Arc<TaskSpec>) -> Self {
        Self { spec, network: None, containers: BTreeMap::new(), busy_until: 0 }
    }

    /// Whether anything of it runs.
    pub(crate) fn runs(&self) -> bool {
        self.containers.values().any(Vessel::runs)
    }

    /// Host ports that lead to it or that it was promised.
    pub(crate) fn ports(&self) -> BTreeSet<Port> {
        let Some(network) = &self.network else { return BTreeSet::new() };
        let bound = network.bindings.iter().flat_map(|it| {
            (it.host_port..it.host_port.saturating_add(it.count))
                .map(|number| Port { protocol: it.protocol, number })
        });
        bound.collect()
    }

    /// Addresses that are its own.
    pub(crate) fn addresses(&self) -> &[String] {
        self.network.as_ref().map(|it| it.addresses.as_slice()).unwrap_or_default()
    }

    /// What an agent that starts finds of it.
    pub(crate) fn found(&self) -> Found {
        let containers = self.containers.iter().map(|(name, vessel)| FoundContainer {
            container: name.clone(),
            run: vessel.run,
            state: match &vessel.state {
                VesselState::Created => FoundState::Created,
                VesselState::Running { running, .. } => FoundState::Running(running.clone()),
                VesselState::Exited(running, exit) => FoundState::Exited(running.clone(), *exit),
            },
        });
        Found { network: self.network.clone(), containers: containers.collect() }
    }
}

impl Vessel {
    pub(crate) fn runs(&self) -> bool {
        matches!(self.state, VesselState::Running { .. })
    }
}

impl Runtime {
    /// Tasks of which something runs.
    pub(crate) fn running(&self) -> impl Iterator<Item = &str> {
        self.tasks.iter().filter(|(_, it)| it.runs()).map(|(arn, _)| arn.as_str())
    }

    /// Whether anything of a task runs that has not got KILL.
    pub(crate) fn runs_on(&self, id: &str) -> bool {
        let lives = |it: &Vessel| matches!(it.state, VesselState::Running { doomed: false, .. });
        let mut all = self.tasks.iter().filter(|(arn, _)| arn.ends_with(id));
        all.any(|(_, held)| held.containers.values().any(lives))
    }

    /// Binds the ports of a task: those it asks for, and free ones where it leaves the choice.
    pub(crate) fn bind(&mut self, spec: &TaskSpec) -> NetworkFacts {
        let mut bindings = Vec::new();
        for container in &spec.containers {
            for port in &container.ports {
                let host = match (spec.network_mode, port.host) {
                    (NetworkMode::None | NetworkMode::Awsvpc, _) => continue,
                    (NetworkMode::Host, host) => host.unwrap_or(port.container),
                    (NetworkMode::Bridge, Some(host)) => host,
                    (NetworkMode::Bridge, None) => self.free_port(),
                };
                bindings.push(plan::agent::Binding {
                    container: container.name.clone(),
                    protocol: port.protocol,
                    container_port: port.container,
                    host_port: host,
                    count: 1,
                    bind_ip: "0.0.0.0".into(),
                });
            }
        }
        let addresses = spec.interfaces.iter().map(|it| it.address.to_string()).collect();
        NetworkFacts { addresses, bindings }
    }

    fn free_port(&mut self) -> u16 {
        let taken: BTreeSet<u16> =
            self.tasks.values().flat_map(Held::ports).map(|it| it.number).collect();
        loop {
            self.next_port = if self.next_port < 200 { self.next_port + 1 } else { 0 };
            let port = 32_768 + self.next_port;
            if !taken.contains(&port) {
                return port;
            }
        }
    }

    /// What more runs or is bound than the machine has, in words.
    pub(crate) fn excess(&self, host: &Host) -> Option<String> {
        let (mut cpu, mut memory) = (0_u64, 0_u64);
        let mut holders: BTreeMap<Port, &str> = BTreeMap::new();
        let mut pinned: BTreeMap<&str, &str> = BTreeMap::new();
        for (arn, held) in &self.tasks {
            if held.runs() {
                let demand = Demand::of(&held.spec);
                cpu += u64::from(demand.cpu.0);
                memory += u64::from(demand.memory.0);
                for gpu in &held.spec.gpus {
                    if !host.gpus.contains(gpu) {
                        return Some(format!("{arn} runs with GPU {gpu}, which is not there"));
                    }
                    if let Some(other) = pinned.insert(gpu, arn) {
                        return Some(format!("{arn} and {other} both run with GPU {gpu}"));
                    }
                }
            }
            for port in held.ports() {
                if host.reserved_ports.contains(&port) {
                    return Some(format!("{arn} has the reserved port {}", port.number));
                }
                if let Some(other) = holders.insert(port, arn) {
                    return Some(format!("{arn} and {other} both hold port {}", port.number));
                }
            }
        }
        if cpu > u64::from(host.cpu.0) {
            return Some(format!("{cpu} CPU units run, it has {}", host.cpu.0));
        }
        if memory > u64::from(host.memory.0) {
            return Some(format!("{memory} MiB run, it has {}", host.memory.0));
        }
        None
    }
}
