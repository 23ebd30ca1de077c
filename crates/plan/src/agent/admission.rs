//! What of the instance's resources is taken, and who may have the rest.
//!
//! Tasks wait in the order they came, and a task that does not fit makes those behind it wait: a
//! large task cannot be starved by small ones.

use std::collections::{BTreeMap, BTreeSet};

use state::Dice;
use types::{Cpu, MemoryMib, Port};

use super::Core;
use super::effect::Output;
use super::input::FailureClass;
use super::reasons;
use super::settings::Host;
use super::spec::{NetworkMode, TaskArn, TaskSpec};

/// What a task takes of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Demand {
    /// The task's own limit, else the sum over its containers.
    pub cpu: Cpu,
    /// The task's own limit, else the sum over its containers.
    pub memory: MemoryMib,
    /// Ports of the instance that the task definition fixes.
    pub ports: BTreeSet<Port>,
    /// GPUs given to it.
    pub gpus: BTreeSet<String>,
}

const MIB: u64 = 1 << 20;

impl Demand {
    /// What this task takes (handbook 3.3).
    pub fn of(spec: &TaskSpec) -> Self {
        let memory = |it: &super::spec::ContainerSpec| {
            let soft = it.docker.memory_reservation.map(|it| it / MIB);
            let soft = soft.and_then(|it| u32::try_from(it).ok());
            soft.or(it.memory.map(|it| it.0)).unwrap_or(0)
        };
        let containers = &spec.containers;
        let sum = |part: &dyn Fn(&super::spec::ContainerSpec) -> u32| {
            containers.iter().fold(0_u32, |sum, it| sum.saturating_add(part(it)))
        };
        Self {
            cpu: spec.cpu.unwrap_or_else(|| Cpu(sum(&|it| it.cpu.0))),
            memory: spec.memory.unwrap_or_else(|| MemoryMib(sum(&memory))),
            ports: ports(spec),
            gpus: spec.gpus.iter().cloned().collect(),
        }
    }
}

fn ports(spec: &TaskSpec) -> BTreeSet<Port> {
    let mappings = spec.containers.iter().flat_map(|it| &it.ports);
    mappings
        .filter_map(|it| {
            let number = match spec.network_mode {
                NetworkMode::None | NetworkMode::Awsvpc => None,
                NetworkMode::Bridge => it.host,
                NetworkMode::Host => Some(it.host.unwrap_or(it.container)),
            }?;
            Some((it.protocol, number))
        })
        .map(|(protocol, number)| Port { protocol, number })
        .collect()
}

/// Who holds what, and who waits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Admission {
    cpu: u64,
    memory: u64,
    ports: BTreeSet<Port>,
    gpus: BTreeSet<String>,
    holders: BTreeMap<TaskArn, Demand>,
    waiting: BTreeMap<u64, TaskArn>,
}

/// What can be said to a task that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It may go on.
    Fits,
    /// Not before another gives something back.
    NotYet,
    /// Never on this instance; the resource it lacks.
    Never(&'static str),
}

impl Admission {
    /// A task waits from now on.
    pub(super) fn wait(&mut self, order: u64, task: TaskArn) {
        self.waiting.insert(order, task);
    }

    /// A task waits no more.
    pub(super) fn leave(&mut self, order: u64) {
        self.waiting.remove(&order);
    }

    fn verdict(&self, host: &Host, demand: &Demand) -> Verdict {
        let cpu = u64::from(demand.cpu.0);
        let memory = u64::from(demand.memory.0);
        if cpu > u64::from(host.cpu.0) {
            return Verdict::Never("CPU");
        }
        if memory > u64::from(host.memory.0) {
            return Verdict::Never("MEMORY");
        }
        if !demand.ports.is_disjoint(&host.reserved_ports) {
            return Verdict::Never("PORTS");
        }
        if !demand.gpus.is_subset(&host.gpus) {
            return Verdict::Never("GPU");
        }
        let fits = self.cpu + cpu <= u64::from(host.cpu.0)
            && self.memory + memory <= u64::from(host.memory.0)
            && self.ports.is_disjoint(&demand.ports)
            && self.gpus.is_disjoint(&demand.gpus);
        if fits { Verdict::Fits } else { Verdict::NotYet }
    }

    /// A task takes its part.
    pub(super) fn take(&mut self, task: TaskArn, demand: Demand) {
        self.cpu += u64::from(demand.cpu.0);
        self.memory += u64::from(demand.memory.0);
        self.ports.extend(&demand.ports);
        self.gpus.extend(demand.gpus.iter().cloned());
        self.holders.insert(task, demand);
    }

    /// A task gives back what it holds, if it holds anything.
    pub(super) fn give_back(&mut self, task: &TaskArn) {
        let Some(demand) = self.holders.remove(task) else { return };
        self.cpu -= u64::from(demand.cpu.0);
        self.memory -= u64::from(demand.memory.0);
        self.ports.retain(|it| !demand.ports.contains(it));
        self.gpus.retain(|it| !demand.gpus.contains(it));
    }
}

impl Core {
    /// Lets in the tasks that wait, in order, up to the first that does not fit.
    pub(super) fn admit(&mut self, dice: &mut Dice, output: &mut Output) {
        while let Some((order, arn)) = self.admission.waiting.pop_first() {
            let Some(spec) = self.tasks.get(&arn).and_then(|it| it.spec.clone()) else { continue };
            let demand = Demand::of(&spec);
            match self.admission.verdict(&self.settings.host, &demand) {
                Verdict::Fits => {
                    self.admission.take(arn.clone(), demand);
                    self.with(&arn, dice, output, |task, _| task.record.admitted = true);
                }
                Verdict::NotYet => {
                    self.admission.wait(order, arn);
                    return;
                }
                Verdict::Never(resource) => self.with(&arn, dice, output, |task, turn| {
                    let text = format!("the instance never has enough {resource} for the task");
                    let reason = reasons::reason(FailureClass::ResourceInitialization, &text);
                    task.record.reason = Some(reason.clone());
                    task.end_all(&reason, turn);
                }),
            }
        }
    }
}
