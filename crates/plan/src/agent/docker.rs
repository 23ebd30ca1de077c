//! Docker's API strings: the defined subset of `Config` and `HostConfig` that payloads carry.
//!
//! Capabilities, ulimits, log driver, health check and the like reach an agent only through the two
//! JSON texts of `dockerConfig`. Members not listed here change nothing.
//! Source: Docker Engine API 1.18 to 1.44, `ContainerCreate`.

use core::time::Duration;
use std::collections::BTreeMap;

use serde_json::Value;

use super::spec::{HealthCheck, Probe};

/// What the two strings asked for.
#[expect(clippy::struct_excessive_bools, reason = "they are Docker's own, and independent")]
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Docker {
    /// `user[:group]`, names or numbers.
    pub user: Option<String>,
    /// Replaces the image's working directory.
    pub working_directory: Option<String>,
    /// Host name inside.
    pub hostname: Option<String>,
    /// Domain name inside.
    pub domain_name: Option<String>,
    /// Labels beside the agent's own.
    pub labels: BTreeMap<String, String>,
    /// `NAME=value` pairs; the payload's own environment wins.
    pub environment: Vec<String>,
    /// Replaces the image's command, unless the payload does.
    pub command: Option<Vec<String>>,
    /// Replaces the image's entry point, unless the payload does.
    pub entry_point: Option<Vec<String>>,
    /// Replaces the image's stop signal.
    pub stop_signal: Option<String>,
    /// The container gets a terminal.
    pub terminal: bool,
    /// Its standard input stays open.
    pub open_stdin: bool,
    /// No network at all.
    pub network_disabled: bool,
    /// How to see that it is well.
    pub health: Option<HealthCheck>,
    /// Hard limit in bytes.
    pub memory: Option<u64>,
    /// Soft limit in bytes.
    pub memory_reservation: Option<u64>,
    /// Memory and swap together in bytes; -1 is no limit.
    pub memory_swap: Option<i64>,
    /// 0 to 100.
    pub memory_swappiness: Option<u64>,
    /// Relative share of the CPU.
    pub cpu_shares: Option<u64>,
    /// Most processes; absent is the runtime's default.
    pub pids_limit: Option<i64>,
    /// Limits of its processes.
    pub ulimits: Vec<Ulimit>,
    /// Added to the default capabilities.
    pub capabilities_added: Vec<String>,
    /// Taken from the default capabilities.
    pub capabilities_dropped: Vec<String>,
    /// Everything allowed.
    pub privileged: bool,
    /// Its root cannot be written.
    pub read_only_root: bool,
    /// Network mode in Docker's words.
    pub network_mode: Option<String>,
    /// Where its output goes.
    pub log: LogConfig,
    /// Size of `/dev/shm` in bytes.
    pub shm_size: Option<u64>,
    /// Path to mount options.
    pub tmpfs: BTreeMap<String, String>,
    /// Devices of the instance.
    pub devices: Vec<Device>,
    /// An init process reaps and forwards signals.
    pub init: bool,
    /// Kernel parameters of its namespaces.
    pub sysctls: BTreeMap<String, String>,
    /// `no-new-privileges`, `seccomp=…`, ….
    pub security_options: Vec<String>,
    /// Name servers.
    pub dns: Vec<String>,
    /// Search domains.
    pub dns_search: Vec<String>,
    /// Resolver options.
    pub dns_options: Vec<String>,
    /// `name:address` lines for `/etc/hosts`.
    pub extra_hosts: Vec<String>,
}

/// Limit of a process, as `setrlimit` has it; -1 is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ulimit {
    /// `nofile`, `nproc`, ….
    pub name: String,
    /// Where it bites.
    pub soft: i64,
    /// How far it may be raised.
    pub hard: i64,
}

/// A device of the instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Path on the instance.
    pub host_path: String,
    /// Path in the container.
    pub container_path: String,
    /// Out of `r`, `w`, `m`.
    pub permissions: String,
}

/// Where the output of a container goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// `json-file`, `awslogs`, `none`, ….
    pub driver: String,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { driver: "json-file".into(), options: BTreeMap::new() }
    }
}

/// What in the strings could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DockerError {
    /// Not JSON, or not an object.
    #[error("{0} is not a JSON object")]
    NotAnObject(&'static str),
    /// A member of the wrong kind.
    #[error("{0} is not {1}")]
    Member(&'static str, &'static str),
}

/// Docker's defaults for a health check that does not say (Docker Engine API, `HealthConfig`).
const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(30);
const RETRIES: u32 = 3;

/// Reads the two strings; absent or empty ones ask for nothing.
///
/// # Errors
///
/// [`DockerError`] names the first thing that is not as Docker's API defines it.
pub(super) fn parse(
    config: Option<&str>,
    host_config: Option<&str>,
) -> Result<Docker, DockerError> {
    let config = Object::read("config", config)?;
    let host = Object::read("hostConfig", host_config)?;
    Ok(Docker {
        user: config.text("User")?,
        working_directory: config.text("WorkingDir")?,
        hostname: config.text("Hostname")?,
        domain_name: config.text("Domainname")?,
        labels: config.texts_by_name("Labels")?,
        environment: config.texts("Env")?,
        command: config.words("Cmd")?,
        entry_point: config.words("Entrypoint")?,
        stop_signal: config.text("StopSignal")?,
        terminal: config.flag("Tty")?,
        open_stdin: config.flag("OpenStdin")?,
        network_disabled: config.flag("NetworkDisabled")?,
        health: health(&config)?,
        memory: host.amount("Memory")?,
        memory_reservation: host.amount("MemoryReservation")?,
        memory_swap: host.whole("MemorySwap")?.filter(|it| *it != 0),
        memory_swappiness: host
            .whole("MemorySwappiness")?
            .and_then(|it| u64::try_from(it).ok())
            .filter(|it| *it <= 100),
        cpu_shares: host.amount("CpuShares")?,
        pids_limit: host.whole("PidsLimit")?.filter(|it| *it > 0),
        ulimits: host.items("Ulimits", |it| {
            Ok(Ulimit {
                name: it.text("Name")?.unwrap_or_default(),
                soft: it.whole("Soft")?.unwrap_or(-1),
                hard: it.whole("Hard")?.unwrap_or(-1),
            })
        })?,
        capabilities_added: host.texts("CapAdd")?,
        capabilities_dropped: host.texts("CapDrop")?,
        privileged: host.flag("Privileged")?,
        read_only_root: host.flag("ReadonlyRootfs")?,
        network_mode: host.text("NetworkMode")?,
        log: log(&host)?,
        shm_size: host.amount("ShmSize")?,
        tmpfs: host.texts_by_name("Tmpfs")?,
        devices: host.items("Devices", device)?,
        init: host.flag("Init")?,
        sysctls: host.texts_by_name("Sysctls")?,
        security_options: host.texts("SecurityOpt")?,
        dns: host.texts("Dns")?,
        dns_search: host.texts("DnsSearch")?,
        dns_options: host.texts("DnsOptions")?,
        extra_hosts: host.texts("ExtraHosts")?,
    })
}

fn device(it: &Object<'_>) -> Result<Device, DockerError> {
    let host_path =
        it.text("PathOnHost")?.ok_or(DockerError::Member("Devices.PathOnHost", "given"))?;
    Ok(Device {
        container_path: it.text("PathInContainer")?.unwrap_or_else(|| host_path.clone()),
        permissions: it.text("CgroupPermissions")?.unwrap_or_else(|| "rwm".into()),
        host_path,
    })
}

fn log(host: &Object<'_>) -> Result<LogConfig, DockerError> {
    let Some(object) = host.object("LogConfig")? else { return Ok(LogConfig::default()) };
    let Some(driver) = object.text("Type")? else { return Ok(LogConfig::default()) };
    Ok(LogConfig { driver, options: object.texts_by_name("Config")? })
}

fn health(config: &Object<'_>) -> Result<Option<HealthCheck>, DockerError> {
    let Some(object) = config.object("Healthcheck")? else { return Ok(None) };
    let test = object.texts("Test")?;
    let probe = match test.split_first() {
        None => return Ok(None),
        Some((kind, [line])) if kind == "CMD-SHELL" => Probe::Shell(line.clone()),
        // Further words are the line's own arguments, as Docker passes them on.
        Some((kind, words)) if kind == "CMD-SHELL" && !words.is_empty() => {
            let shell = ["/bin/sh".to_owned(), "-c".to_owned()];
            Probe::Command(shell.into_iter().chain(words.iter().cloned()).collect())
        }
        Some((kind, words)) if kind == "CMD" && !words.is_empty() => Probe::Command(words.to_vec()),
        Some((kind, _)) if kind == "NONE" => return Ok(None),
        Some(_) => return Err(DockerError::Member("Healthcheck.Test", "CMD or CMD-SHELL")),
    };
    let span = |name| Ok(object.amount(name)?.map(Duration::from_nanos));
    Ok(Some(HealthCheck {
        probe,
        interval: span("Interval")?.unwrap_or(INTERVAL),
        timeout: span("Timeout")?.unwrap_or(TIMEOUT),
        retries: object.amount("Retries")?.and_then(|it| u32::try_from(it).ok()).unwrap_or(RETRIES),
        start_period: span("StartPeriod")?.unwrap_or_default(),
    }))
}

/// A JSON object whose members are read by kind; null is the same as absent.
struct Object<'a>(std::borrow::Cow<'a, serde_json::Map<String, Value>>);

impl Object<'_> {
    fn read(name: &'static str, text: Option<&str>) -> Result<Self, DockerError> {
        match text.map(str::trim).filter(|it| !it.is_empty() && *it != "null") {
            None => Ok(Self(std::borrow::Cow::default())),
            Some(text) => match serde_json::from_str(text) {
                Ok(Value::Object(map)) => Ok(Self(std::borrow::Cow::Owned(map))),
                Ok(_) | Err(_) => Err(DockerError::NotAnObject(name)),
            },
        }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|it| !it.is_null())
    }

    /// Text; an empty one counts as absent, as in Docker.
    fn text(&self, name: &'static str) -> Result<Option<String>, DockerError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let text = value.as_str().ok_or(DockerError::Member(name, "text"))?;
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    fn flag(&self, name: &'static str) -> Result<bool, DockerError> {
        let Some(value) = self.get(name) else { return Ok(false) };
        value.as_bool().ok_or(DockerError::Member(name, "a boolean"))
    }

    fn whole(&self, name: &'static str) -> Result<Option<i64>, DockerError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.as_i64().map(Some).ok_or(DockerError::Member(name, "a whole number"))
    }

    /// A positive number; zero counts as absent, as in Docker.
    fn amount(&self, name: &'static str) -> Result<Option<u64>, DockerError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = value.as_u64().ok_or(DockerError::Member(name, "a positive whole number"))?;
        Ok((number > 0).then_some(number))
    }

    fn texts(&self, name: &'static str) -> Result<Vec<String>, DockerError> {
        let Some(value) = self.get(name) else { return Ok(Vec::new()) };
        let list = value.as_array().ok_or(DockerError::Member(name, "a list of texts"))?;
        list.iter()
            .map(|it| {
                it.as_str().map(str::to_owned).ok_or(DockerError::Member(name, "a list of texts"))
            })
            .collect()
    }

    /// A list of words, or one text that is a single word; empty counts as absent.
    fn words(&self, name: &'static str) -> Result<Option<Vec<String>>, DockerError> {
        if let Some(Value::String(word)) = self.get(name) {
            return Ok((!word.is_empty()).then(|| vec![word.clone()]));
        }
        Ok(Some(self.texts(name)?).filter(|it| !it.is_empty()))
    }

    fn texts_by_name(&self, name: &'static str) -> Result<BTreeMap<String, String>, DockerError> {
        let Some(value) = self.get(name) else { return Ok(BTreeMap::new()) };
        let map = value.as_object().ok_or(DockerError::Member(name, "texts by name"))?;
        map.iter()
            .map(|(key, value)| {
                let text = value.as_str().ok_or(DockerError::Member(name, "texts by name"))?;
                Ok((key.clone(), text.to_owned()))
            })
            .collect()
    }

    fn object(&self, name: &'static str) -> Result<Option<Object<'_>>, DockerError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let map = value.as_object().ok_or(DockerError::Member(name, "an object"))?;
        Ok(Some(Object(std::borrow::Cow::Borrowed(map))))
    }

    fn items<T>(
        &self,
        name: &'static str,
        read: impl Fn(&Object<'_>) -> Result<T, DockerError>,
    ) -> Result<Vec<T>, DockerError> {
        let Some(value) = self.get(name) else { return Ok(Vec::new()) };
        let list = value.as_array().ok_or(DockerError::Member(name, "a list of objects"))?;
        list.iter()
            .map(|it| {
                let map = it.as_object().ok_or(DockerError::Member(name, "a list of objects"))?;
                read(&Object(std::borrow::Cow::Borrowed(map)))
            })
            .collect()
    }
}
