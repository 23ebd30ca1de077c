//! What the caller asks for: a task and its containers, as plain data.
//!
//! Agent and shim may be different builds, so every field but the few first ones has a
//! default: an older shim ignores what it does not know, a newer one fills in what is missing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One task: where its control groups, its writable layers and its limits are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskSpec {
    /// The task's id, used in messages and as the prefix of external container ids.
    pub id: String,
    /// Path of the task's control group below the root of each hierarchy, for example
    /// `landfall/us-east-1/i-1/4f2c…`.
    pub cgroup: String,
    /// Folder for writable layers. Made if missing, removed with everything in it at the end.
    /// Must be on a file system that can hold the upper layer of an overlay.
    pub scratch: PathBuf,
    /// Limits of all containers together.
    #[serde(default)]
    pub limits: Limits,
    /// Who runs the containers.
    #[serde(default)]
    pub runtime: RuntimeKind,
}

/// Which runtime makes the containers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum RuntimeKind {
    /// The shim itself.
    #[default]
    Embedded,
    /// An OCI runtime with the command line of `runc`.
    External {
        /// The program, for example `/usr/sbin/runc`.
        program: PathBuf,
    },
}

/// Resource limits. Absent means not limited.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Relative weight, 2 to 262,144 (the unit of ECS `cpu`: 1,024 are one vCPU).
    pub cpu_shares: Option<u64>,
    /// CPU time per period, in microseconds.
    pub cpu_quota: Option<CpuQuota>,
    /// Hard limit of memory, in bytes.
    pub memory_bytes: Option<u64>,
    /// Soft limit of memory, in bytes.
    pub memory_reservation_bytes: Option<u64>,
    /// Swap beyond the memory limit, in bytes; zero forbids swapping.
    pub swap_bytes: Option<u64>,
    /// 0 to 100; only version 1 control groups know it.
    pub swappiness: Option<u8>,
    /// Largest number of processes and threads.
    pub pids: Option<u64>,
}

/// A share of CPU time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuQuota {
    /// Microseconds of CPU time in each period.
    pub quota_us: u64,
    /// Length of the period in microseconds (usually 100,000).
    pub period_us: u64,
}

/// One container, with the image's configuration already merged in by the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// Unique in its task, `[A-Za-z0-9_-]`, at most 255 characters.
    pub name: String,
    /// Unpacked image layers, topmost first.
    pub layers: Vec<PathBuf>,
    /// The command with its arguments; the first is looked up in the container's `PATH`.
    pub argv: Vec<String>,
    /// `NAME=VALUE` entries. `PATH`, `HOME` and `HOSTNAME` are added when missing.
    #[serde(default)]
    pub env: Vec<String>,
    /// Empty means `/`. Made if missing.
    #[serde(default)]
    pub working_dir: String,
    /// `uid`, `uid:gid`, `name`, `name:group`, or empty for root; names are looked up in the
    /// image's own `/etc/passwd` and `/etc/group`.
    #[serde(default)]
    pub user: String,
    /// Supplementary groups beside those that `/etc/group` gives a named user.
    #[serde(default)]
    pub groups: Vec<u32>,
    /// Whether the root file system can be written.
    #[serde(default)]
    pub root: Access,
    /// How much the container may do to the host.
    #[serde(default)]
    pub privilege: Privilege,
    /// Changes to Docker's fourteen default capabilities.
    #[serde(default)]
    pub capabilities: CapabilityChanges,
    /// The system call filter.
    #[serde(default)]
    pub seccomp: Seccomp,
    /// Forbids gaining privileges through set-user-id programs.
    #[serde(default)]
    pub no_new_privileges: bool,
    /// Paths that show nothing; absent means Docker's list.
    #[serde(default)]
    pub masked_paths: Option<Vec<String>>,
    /// Paths that cannot be written; absent means Docker's list.
    #[serde(default)]
    pub readonly_paths: Option<Vec<String>>,
    /// Binds (also of volumes) and temporary file systems.
    #[serde(default)]
    pub mounts: Vec<Mount>,
    /// Size of `/dev/shm` in bytes; absent means Docker's 64 MiB.
    #[serde(default)]
    pub shm_bytes: Option<u64>,
    /// Process 1 is ours: it reaps orphans and passes signals on.
    #[serde(default)]
    pub init: bool,
    /// What it reads from.
    #[serde(default)]
    pub input: Input,
    /// Resource limits of the processes.
    #[serde(default)]
    pub ulimits: Vec<Ulimit>,
    /// Kernel parameters of the container's own namespaces.
    #[serde(default)]
    pub sysctls: BTreeMap<String, String>,
    /// Devices of the host to show inside.
    #[serde(default)]
    pub devices: Vec<Device>,
    /// Host name inside; absent leaves the host's.
    #[serde(default)]
    pub hostname: Option<String>,
    /// Whose network it sees.
    #[serde(default)]
    pub network: Network,
    /// Whose processes it sees.
    #[serde(default)]
    pub pid: Sharing,
    /// Whose shared memory and semaphores it sees.
    #[serde(default)]
    pub ipc: Sharing,
    /// Content of `/etc/hosts`; absent leaves the image's file.
    #[serde(default)]
    pub hosts_file: Option<String>,
    /// Content of `/etc/resolv.conf`; absent leaves the image's file.
    #[serde(default)]
    pub resolv_file: Option<String>,
    /// Content of `/etc/hostname`; absent leaves the image's file.
    #[serde(default)]
    pub hostname_file: Option<String>,
    /// Limits of this container.
    #[serde(default)]
    pub limits: Limits,
    /// Where its output goes.
    #[serde(default)]
    pub log: LogSink,
    /// The signal that asks it to stop (name or number); absent means `SIGTERM`.
    #[serde(default)]
    pub stop_signal: Option<String>,
}

/// What a container reads from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Input {
    /// Nothing: it is at its end at once.
    #[default]
    Closed,
    /// A pipe that stays open, though nobody writes to it.
    Open,
    /// A terminal, which takes its output too; the log sees one stream.
    Terminal,
}

/// Whether something can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Access {
    /// Read and write.
    #[default]
    Writable,
    /// Read only.
    ReadOnly,
}

/// How much a container may do to the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Privilege {
    /// Docker's defaults.
    #[default]
    Confined,
    /// All capabilities and devices, no system call filter, nothing masked.
    Privileged,
}

/// Changes to the default capabilities. Names with or without `CAP_`; `ALL` is understood.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CapabilityChanges {
    /// Granted beside the defaults.
    pub add: Vec<String>,
    /// Taken away; wins over nothing that `add` names, as in Docker.
    pub drop: Vec<String>,
}

/// The system call filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Seccomp {
    /// Docker's default profile.
    #[default]
    Default,
    /// None.
    Unconfined,
}

/// Something mounted into a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mount {
    /// A file or folder of the host, with what is mounted below it; nothing propagates.
    Bind {
        /// Path on the host.
        source: PathBuf,
        /// Absolute path inside; made if missing.
        target: String,
        /// Read-only binds are so recursively.
        #[serde(default)]
        access: Access,
        /// Whether an empty source first receives what the image holds at the target, as
        /// Docker does for a new volume.
        #[serde(default)]
        content: Content,
    },
    /// A temporary file system.
    Tmpfs {
        /// Absolute path inside; made if missing.
        target: String,
        /// Docker's words: `size=64m`, `mode=1777`, `uid=…`, `ro`, `noexec`, `exec`, …
        #[serde(default)]
        options: Vec<String>,
    },
}

/// What an empty bind source begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Content {
    /// What it has.
    #[default]
    AsIs,
    /// A copy of the image's content at the target, if the source is an empty folder.
    CopyFromImage,
}

/// One resource limit of processes, by its ECS name (`nofile`, `nproc`, …).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    /// One of the fifteen ECS names.
    pub name: String,
    /// The limit in force; `-1` is unlimited.
    pub soft: i64,
    /// How far the container may raise it; `-1` is unlimited.
    pub hard: i64,
}

/// A device of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Path on the host.
    pub host: PathBuf,
    /// Absolute path inside.
    pub container: String,
    /// Some of `r`, `w`, `m`.
    pub permissions: String,
}

/// Whose network a container sees.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Network {
    /// An empty one of its own, with loopback.
    #[default]
    None,
    /// That of the shim.
    Host,
    /// The namespace at this path.
    Join(PathBuf),
}

/// Whose processes or shared memory a container sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Sharing {
    /// Its own.
    #[default]
    Private,
    /// Those of all containers of the task that say so.
    Task,
    /// The host's.
    Host,
}

/// Where output goes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum LogSink {
    /// Nowhere.
    #[default]
    None,
    /// A file in Docker's json-file form: one object a line with `log`, `stream`, `time`.
    JsonFile {
        /// The file; rotated ones get `.1`, `.2`, … appended.
        path: PathBuf,
        /// Rotate before the file grows beyond this; absent means never.
        #[serde(default)]
        max_bytes: Option<u64>,
        /// How many files to keep, the current one included; absent means one.
        #[serde(default)]
        max_files: Option<u32>,
    },
}
