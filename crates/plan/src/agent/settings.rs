//! What an agent is told once: who it is, what its instance has, and its times.

use core::time::Duration;
use std::collections::BTreeSet;

use types::{Cpu, MemoryMib, Port};

/// What an agent is told once. Times are the genuine agent's (handbook 6.1) unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Cluster, as it goes into submissions.
    pub cluster: String,
    /// ARN of the container instance.
    pub container_instance: String,
    /// What the instance has for tasks.
    pub host: Host,
    /// From stop signal to KILL, for containers without their own time.
    pub stop_timeout: Duration,
    /// From the end of a task to the removal of what is left of it.
    pub cleanup_after: Duration,
    /// A pull that takes longer has failed.
    pub pull_timeout: Duration,
    /// A preparation or creation that takes longer has failed.
    pub create_timeout: Duration,
    /// A start that takes longer has failed.
    pub start_timeout: Duration,
    /// The earliest that container changes alone go upstream; up to twice this is added by lot.
    pub batch_after: Duration,
    /// Silence of the control plane after which the session is closed; up to as much is added by lot.
    pub silence: Duration,
    /// Age at which the agent renews its session; up to a sixth is added by lot.
    pub session_life: Duration,
}

impl Settings {
    /// Everything by default but who and where.
    pub fn new(cluster: String, container_instance: String, host: Host) -> Self {
        Self {
            cluster,
            container_instance,
            host,
            stop_timeout: Duration::from_secs(30),
            cleanup_after: Duration::from_hours(3),
            pull_timeout: Duration::from_hours(2),
            create_timeout: Duration::from_mins(4),
            start_timeout: Duration::from_mins(3),
            batch_after: Duration::from_secs(10),
            silence: Duration::from_mins(1),
            session_life: Duration::from_mins(30),
        }
    }
}

/// What an instance has for tasks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Host {
    /// As registered.
    pub cpu: Cpu,
    /// As registered.
    pub memory: MemoryMib,
    /// Ports that no task may have.
    pub reserved_ports: BTreeSet<Port>,
    /// Ids of its GPUs.
    pub gpus: BTreeSet<String>,
}
