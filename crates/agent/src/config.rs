//! All that an agent is told when it starts; checked in full before anything is done.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use types::{Cpu, MemoryMib, Port};

/// All that an agent is told when it starts.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the region's API answers: `http://HOST:PORT`.
    pub endpoint: String,
    /// The region's name, for signatures and for containers.
    pub region: String,
    /// Name of the cluster to join.
    pub cluster: String,
    /// Why the region lets it in.
    pub admission: Admission,
    /// What must survive a restart of the machine: memory, volumes, writable layers, logs. Not on a
    /// file system in memory.
    pub data: PathBuf,
    /// What need not: sockets of shims and the like. Best on a file system in memory.
    pub run: PathBuf,
    /// The image store; agents of one machine may share it.
    pub images: PathBuf,
    /// Control group of the instance below the root of each hierarchy; its tasks go below.
    pub cgroup: String,
    /// This program, executed again for shims and as the built-in image.
    pub program: PathBuf,
    /// The network of the instance.
    pub network: network::Setup,
    /// The address at which the machine reaches host ports of the instance.
    pub address: Option<Ipv4Addr>,
    /// The region's name server; without one tasks ask those of the machine.
    pub dns: Option<IpAddr>,
    /// Attributes beside those that the agent finds itself.
    pub attributes: BTreeMap<String, String>,
    /// What the instance says it is.
    pub identity: Identity,
    /// What the instance has for tasks.
    pub resources: Resources,
    /// Registries (`host` or `host:port`) that may be reached without TLS.
    pub insecure_registries: Vec<String>,
    /// When registries are asked.
    pub pull: PullBehavior,
    /// Who runs containers.
    pub runtime: shim::RuntimeKind,
    /// How long things take.
    pub timings: Timings,
}

/// Why a region lets an agent in.
#[derive(Debug, Clone)]
pub enum Admission {
    /// It signs with these.
    Keys(Keys),
    /// It shows this join token once, and keeps what it gets for it in the data folder. Region and
    /// cluster are those that the token opens.
    Token(String),
    /// It has shown a token before.
    Joined,
}

/// An access key.
#[derive(Clone)]
pub struct Keys {
    /// Public part.
    pub access_key_id: String,
    /// Secret part.
    pub secret_access_key: String,
    /// Token of a temporary key.
    pub session_token: Option<String>,
}

impl core::fmt::Debug for Keys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Keys").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// The parts of an instance identity document that a region looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `i-` and hexadecimal digits; names the machine. Made up and kept if not given.
    pub instance_id: Option<String>,
    /// Its availability zone.
    pub zone: String,
}

/// What an instance has for tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resources {
    /// CPU.
    pub cpu: Cpu,
    /// Memory.
    pub memory: MemoryMib,
    /// Ports that no task may have.
    pub reserved_ports: BTreeSet<Port>,
    /// Ids of its GPUs.
    pub gpus: BTreeSet<String>,
}

/// When registries are asked (`ECS_IMAGE_PULL_BEHAVIOR`). Images loaded from a file or built in
/// are never asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PullBehavior {
    /// Always; what is here does if the registry does not answer.
    #[default]
    Default,
    /// Always; a failure is one.
    Always,
    /// Only if the image is not here.
    PreferCached,
}

/// How long things take. Defaults are the genuine agent's (handbook 6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timings {
    /// From stop signal to KILL, for containers without their own time.
    pub stop_timeout: Duration,
    /// From the end of a task to the removal of what is left of it.
    pub cleanup_after: Duration,
    /// How often counters are read and published.
    pub metrics_every: Duration,
    /// How often unused images are looked for.
    pub collect_every: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            stop_timeout: Duration::from_secs(30),
            cleanup_after: Duration::from_hours(3),
            metrics_every: Duration::from_secs(20),
            collect_every: images::Policy::INTERVAL,
        }
    }
}
