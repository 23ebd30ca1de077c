//! What a task shall be, as typed facts read once from the payload that brought it.
//!
//! The payload's own shape is what is kept on disk; this is what decisions and steps read.

use core::fmt;
use core::time::Duration;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use types::{Arn, ContainerName, Cpu, MemoryMib, Protocol};

use super::docker::Docker;

/// Name of a task: its ARN. Any agent-side name (folder, cgroup) derives from [`TaskArn::id`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskArn(Arc<str>);

/// Longest task ARN taken in; AWS's own are about 100 bytes.
const ARN_MAX: usize = 512;

impl TaskArn {
    /// Reads an ECS task ARN whose last part is safe as a file name; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let tail = Arn::parse(text)?.ecs("task")?;
        let id = tail.rsplit('/').next()?;
        let safe = !id.is_empty()
            && id.len() <= 64
            && id.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
        (safe && text.len() <= ARN_MAX).then(|| Self(text.into()))
    }

    /// The whole ARN.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part: letters, digits and `-` only, at most 64.
    pub fn id(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

impl fmt::Display for TaskArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TaskArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A task as asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskSpec {
    /// Its name.
    pub arn: TaskArn,
    /// ARN or name of its cluster, empty if the payload did not say.
    pub cluster: String,
    /// Family of its task definition.
    pub family: String,
    /// Revision of its task definition, as text.
    pub revision: String,
    /// The service it belongs to.
    pub service: Option<String>,
    /// `EC2`, `EXTERNAL`, ….
    pub launch_type: Option<String>,
    /// Limit for all containers together.
    pub cpu: Option<Cpu>,
    /// Limit for all containers together.
    pub memory: Option<MemoryMib>,
    /// How its containers reach the network.
    pub network_mode: NetworkMode,
    /// Whose processes its containers see.
    pub pid_mode: NamespaceMode,
    /// Whose System V IPC objects its containers see.
    pub ipc_mode: NamespaceMode,
    /// Its containers, in the order of the task definition.
    pub containers: Vec<ContainerSpec>,
    /// Volumes that mount points name.
    pub volumes: Vec<Volume>,
    /// Interfaces given to it (`awsvpc`).
    pub interfaces: Vec<Interface>,
    /// Id under which its containers fetch credentials.
    pub role_credentials: Option<String>,
    /// Id of the credentials for pulling and logging.
    pub execution_credentials: Option<String>,
    /// Ids of the GPUs given to it.
    pub gpus: Vec<String>,
}

impl TaskSpec {
    /// The container of that name.
    pub fn container(&self, name: &str) -> Option<&ContainerSpec> {
        self.containers.iter().find(|it| it.name.as_str() == name)
    }
}

/// Network mode of a task (handbook 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkMode {
    /// Loopback only.
    None,
    /// Behind the instance's address, with mapped ports. The default.
    Bridge,
    /// The instance's own network.
    Host,
    /// An interface and address of its own.
    Awsvpc,
}

/// Reach of a namespace (handbook 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamespaceMode {
    /// Each container its own; for IPC `none` too, without a shared `/dev/shm`.
    Private,
    /// One for all containers of the task.
    Task,
    /// The instance's.
    Host,
}

/// A container as asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerSpec {
    /// Its name within the task.
    pub name: ContainerName,
    /// Its ARN, empty if the payload did not say.
    pub arn: String,
    /// Reference of its image.
    pub image: String,
    /// How to prove oneself to the registry.
    pub registry: Option<RegistryAuthentication>,
    /// Replaces the image's entry point.
    pub entry_point: Option<Vec<String>>,
    /// Replaces the image's command.
    pub command: Option<Vec<String>>,
    /// Added to the image's environment.
    pub environment: BTreeMap<String, String>,
    /// ARNs of environment files in S3, in order.
    pub environment_files: Vec<String>,
    /// Values to be fetched before the start.
    pub secrets: Vec<Secret>,
    /// Share of the CPU; 0 is the kernel's minimum.
    pub cpu: Cpu,
    /// Hard limit.
    pub memory: Option<MemoryMib>,
    /// Its end is the end of the task.
    pub essential: bool,
    /// Ports to be reachable from outside the task.
    pub ports: Vec<PortMapping>,
    /// Volumes and where they appear.
    pub mounts: Vec<Mount>,
    /// Containers whose mounts it takes over.
    pub volumes_from: Vec<VolumesFrom>,
    /// `container[:alias]` (bridge only).
    pub links: Vec<String>,
    /// What must have happened before it is created; links and `volumesFrom` included.
    pub depends_on: Vec<Dependency>,
    /// How long others wait for it to meet their condition; counted from its start.
    pub start_timeout: Option<Duration>,
    /// From stop signal to KILL.
    pub stop_timeout: Option<Duration>,
    /// Restart in place.
    pub restart: Option<RestartPolicy>,
    /// How to see that it is well.
    pub health: Option<HealthCheck>,
    /// What came through Docker's API strings.
    pub docker: Docker,
}

/// How to prove oneself to a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryAuthentication {
    /// By ECR's `GetAuthorizationToken`.
    Ecr {
        /// Region of the registry.
        region: String,
        /// Account of the registry.
        registry: String,
        /// Where its API answers, if not at AWS's.
        endpoint: Option<String>,
    },
    /// By a user name and password kept as a secret.
    Secret {
        /// Name or ARN of the secret.
        parameter: String,
        /// Region of the secret.
        region: String,
    },
}

/// A value that is fetched with the execution role before the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Name of the environment variable or log option.
    pub name: String,
    /// Where the value is kept.
    pub value_from: String,
    /// Region of the keeper.
    pub region: String,
    /// `ssm` or `asm`.
    pub provider: String,
    /// Whether the log driver gets it instead of the container.
    pub for_log_driver: bool,
}

/// A port, or a range of ports, of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortMapping {
    /// Which port space.
    pub protocol: Protocol,
    /// First port inside.
    pub container: u16,
    /// Last port inside; equal to `container` for a single port.
    pub container_last: u16,
    /// Port of the instance; `None` is chosen by the agent.
    pub host: Option<u16>,
}

/// Where a volume appears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Name of the volume.
    pub volume: String,
    /// Path in the container.
    pub path: String,
    /// Whether writing is refused.
    pub read_only: bool,
}

/// A container whose mounts are taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumesFrom {
    /// Whose.
    pub container: String,
    /// Whether writing is refused.
    pub read_only: bool,
}

/// A volume of the task (handbook 3.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Its name within the task.
    pub name: String,
    /// What stands behind it.
    pub source: VolumeSource,
}

/// What stands behind a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeSource {
    /// An empty folder that goes with the task.
    Empty,
    /// A folder of the instance.
    Host(String),
    /// A named volume of the instance.
    Named {
        /// Outlives the task.
        shared: bool,
        /// Made if it does not exist (shared only).
        autoprovision: bool,
        /// Driver, `local` by default.
        driver: String,
        /// Options of the driver.
        options: BTreeMap<String, String>,
    },
    /// A kind that this agent has no means for; its name.
    Unsupported(String),
}

/// An interface of an `awsvpc` task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// ARN of its attachment.
    pub attachment: String,
    /// Id of the interface, `eni-…`.
    pub id: String,
    /// Its hardware address.
    pub mac: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// The gateway of its subnet.
    pub gateway: Ipv4Addr,
    /// Bits of the subnet's prefix.
    pub prefix: u8,
    /// Name servers for the task.
    pub name_servers: Vec<String>,
    /// Search domains for the task.
    pub search_domains: Vec<String>,
    /// Name of its address.
    pub private_dns_name: Option<String>,
}

/// What must have happened to another container first (handbook 3.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// The other container.
    pub container: String,
    /// What must have happened to it.
    pub condition: Condition,
}

/// Condition of a dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// It exists; implied by `volumesFrom`.
    Created,
    /// It runs, or did.
    Start,
    /// It ended, whatever the code.
    Complete,
    /// It ended with 0.
    Success,
    /// Its health check passes.
    Healthy,
}

/// Restart in place (handbook 2.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestartPolicy {
    /// Ends that are wanted.
    pub ignored_exit_codes: Vec<i32>,
    /// It must have run this long to be started again.
    pub attempt_period: Duration,
}

/// How to see that a container is well (handbook 2.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// What to execute in the container.
    pub probe: Probe,
    /// From the end of one probe to the next.
    pub interval: Duration,
    /// A probe that takes longer has failed.
    pub timeout: Duration,
    /// This many failures in a row make it unhealthy.
    pub retries: u32,
    /// Failures this soon after the start do not count.
    pub start_period: Duration,
}

/// What a health check executes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// These words.
    Command(Vec<String>),
    /// This line, by `/bin/sh -c`.
    Shell(String),
}

impl Probe {
    /// The words to execute.
    pub fn words(&self) -> Vec<String> {
        match self {
            Self::Command(words) => words.clone(),
            Self::Shell(line) => vec!["/bin/sh".into(), "-c".into(), line.clone()],
        }
    }
}
