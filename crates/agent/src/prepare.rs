//! What a task needs before its first container: network, volumes, shim.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use network::{Attached, Connection, Host, HostPorts, Id, PortSpan};
use plan::agent::spec::{NetworkMode, VolumeSource};
use plan::agent::{Binding, Failure, FailureClass, NetworkFacts, TaskArn, TaskSpec};
use shim::{Client, CpuQuota, Limits, RecoverError};

use crate::api::chain;
use crate::machine::{Machine, blocking, task_folder};
use crate::worker::Worker;

/// CPU time is given out in periods of this many microseconds, as Docker has it.
const PERIOD_US: u64 = 100_000;
/// CPU units of one processor.
const UNITS: u64 = 1_024;
/// Bytes of a mebibyte.
pub(crate) const MIB: u64 = 1024 * 1024;

/// Makes what the task needs, or finds it made.
pub(crate) async fn task(
    worker: &mut Worker,
    spec: &Arc<TaskSpec>,
) -> Result<NetworkFacts, Failure> {
    let folders = {
        let (machine, spec) = (worker.machine.clone(), spec.clone());
        blocking(move || folders(&machine, &spec))
    };
    let network = {
        let (host, spec) = (worker.machine.host.clone(), spec.clone());
        blocking(move || network(&host, &spec))
    };
    let (folders, facts) = tokio::join!(folders, network);
    folders?;
    let facts = facts?;
    if worker.line.is_none() && worker.connect().await.is_err() {
        spawn(&worker.machine, spec).await?;
        let failed = |it: io::Error| failure(FailureClass::ResourceInitialization, &it);
        worker.connect().await.map_err(failed)?;
    }
    Ok(facts)
}

/// A failure with all its causes.
pub(crate) fn failure(class: FailureClass, error: &dyn core::error::Error) -> Failure {
    Failure { class, text: chain(error) }
}

/// Starts the task's shim.
async fn spawn(machine: &Arc<Machine>, spec: &TaskSpec) -> Result<(), Failure> {
    let task = shim::TaskSpec {
        id: spec.arn.id().to_owned(),
        cgroup: format!("{}/{}", machine.config.cgroup, spec.arn.id()),
        scratch: machine.task_folder(&spec.arn).join("scratch"),
        limits: limits(spec),
        runtime: machine.config.runtime.clone(),
    };
    let (program, folder) = (machine.config.program.clone(), machine.shim_folder(&spec.arn));
    let spawned = blocking(move || {
        // What an agent that died here was starting either came to life, or has left its folder.
        if folder.exists()
            && let Err(RecoverError::Alive(_)) =
                shim::recover(&folder).and_then(shim::Recovery::finish)
        {
            return Ok(());
        }
        Client::spawn(&program, &folder, &task).map(drop)
    });
    spawned.await.map_err(|it| failure(FailureClass::ResourceInitialization, &it))
}

/// Limits of all containers together (handbook 3.3).
fn limits(spec: &TaskSpec) -> Limits {
    let shares = |it: u32| u64::from(it).clamp(2, 262_144);
    let of_containers =
        spec.containers.iter().map(|it| it.cpu.0.max(2)).fold(0, u32::saturating_add);
    Limits {
        cpu_shares: Some(shares(spec.cpu.map_or(of_containers, |it| it.0))),
        cpu_quota: spec.cpu.map(|it| CpuQuota {
            quota_us: (u64::from(it.0) * PERIOD_US / UNITS).max(1_000),
            period_us: PERIOD_US,
        }),
        memory_bytes: spec.memory.map(|it| u64::from(it.0) * MIB),
        ..Limits::default()
    }
}

/// Makes the task's folders and those behind its volumes.
fn folders(machine: &Machine, spec: &TaskSpec) -> Result<(), Failure> {
    let own = machine.task_folder(&spec.arn);
    let make = |path: PathBuf, class| {
        fs::create_dir_all(&path)
            .map_err(|it| Failure { class, text: format!("cannot make {}: {it}", path.display()) })
    };
    make(own.join("logs"), FailureClass::ResourceInitialization)?;
    fs::write(own.join("arn"), spec.arn.as_str())
        .map_err(|it| failure(FailureClass::ResourceInitialization, &it))?;
    for volume in &spec.volumes {
        if let VolumeSource::Named { driver, shared, autoprovision, .. } = &volume.source {
            let refused =
                |text: String| Err(Failure { class: FailureClass::CannotCreateVolume, text });
            if driver != "local" {
                return refused(format!("volume {}: no driver {driver} here", volume.name));
            }
            let missing = !volume_folder(machine, spec, &volume.name).is_some_and(|it| it.exists());
            if *shared && !autoprovision && missing {
                return refused(format!(
                    "volume {} does not exist and is not to be made",
                    volume.name
                ));
            }
        }
        let Some(path) = volume_folder(machine, spec, &volume.name) else {
            let text =
                format!("volume {}: of a kind that this instance does not have", volume.name);
            return Err(Failure { class: FailureClass::InvalidVolume, text });
        };
        make(path, FailureClass::CannotCreateVolume)?;
    }
    Ok(())
}

/// The folder behind a volume of a task; `None` if it has no such volume or one of another kind.
pub(crate) fn volume_folder(machine: &Machine, spec: &TaskSpec, name: &str) -> Option<PathBuf> {
    let volume = spec.volumes.iter().find(|it| it.name == name)?;
    let plain = !name.is_empty()
        && name.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_' | b'.'))
        && !name.starts_with('.');
    let own = || plain.then(|| machine.task_folder(&spec.arn).join("volumes").join(name));
    match &volume.source {
        VolumeSource::Empty | VolumeSource::Named { shared: false, .. } => own(),
        VolumeSource::Host(path) => path.starts_with('/').then(|| PathBuf::from(path)),
        VolumeSource::Named { shared: true, .. } => {
            plain.then(|| machine.config.data.join("volumes").join(name))
        }
        VolumeSource::Unsupported(_) => None,
    }
}

/// Connects the task, and tells how.
fn network(host: &Host, spec: &TaskSpec) -> Result<NetworkFacts, Failure> {
    let mut facts = NetworkFacts::default();
    match spec.network_mode {
        NetworkMode::None => {}
        NetworkMode::Host => facts.bindings = host_bindings(spec),
        NetworkMode::Awsvpc => {
            let attached = attach_task(host, spec)?;
            facts.addresses.extend(attached.address().map(|it| it.to_string()));
        }
        NetworkMode::Bridge => {
            for container in &spec.containers {
                let Some(attached) = attach_container(host, spec, container)? else { continue };
                facts.addresses.extend(attached.address().map(|it| it.to_string()));
                facts.bindings.extend(attached.bindings.iter().map(|it| Binding {
                    container: container.name.clone(),
                    protocol: it.protocol,
                    container_port: it.container.first(),
                    host_port: it.host.first(),
                    count: u16::try_from(it.host.count()).unwrap_or(u16::MAX),
                    bind_ip: "0.0.0.0".into(),
                }));
            }
        }
    }
    Ok(facts)
}

/// In the instance's own network every port is where it says.
fn host_bindings(spec: &TaskSpec) -> Vec<Binding> {
    let ports = spec.containers.iter().flat_map(|it| it.ports.iter().map(move |port| (it, port)));
    ports
        .map(|(container, port)| Binding {
            container: container.name.clone(),
            protocol: port.protocol,
            container_port: port.container,
            host_port: port.host.unwrap_or(port.container),
            count: port.container_last.saturating_sub(port.container).saturating_add(1),
            bind_ip: "0.0.0.0".into(),
        })
        .collect()
}

fn network_failure(error: network::Error) -> Failure {
    failure(FailureClass::ContainerNetworking, &error)
}

/// The name of a container's attachment: the task's id and the container's place in it.
pub(crate) fn attachment_name(
    spec: &TaskSpec,
    container: &plan::agent::spec::ContainerSpec,
) -> String {
    let place = spec.containers.iter().position(|it| it.name == container.name).unwrap_or(0);
    format!("{}-{place}", spec.arn.id())
}

/// Whether an attachment is one of the task with this id.
pub(crate) fn is_attachment_of(id: &Id, task: &str) -> bool {
    let rest = id.as_str().strip_prefix(task);
    rest.is_some_and(|it| it.is_empty() || it.strip_prefix('-').is_some_and(is_number))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit())
}

/// Connects a container in bridge mode; `None` if it wants no network.
pub(crate) fn attach_container(
    host: &Host,
    spec: &TaskSpec,
    container: &plan::agent::spec::ContainerSpec,
) -> Result<Option<Attached>, Failure> {
    if container.docker.network_disabled {
        return Ok(None);
    }
    let mapping = |it: &plan::agent::spec::PortMapping| {
        let container = PortSpan::new(it.container, it.container_last)?;
        let host = it.host.map_or(HostPorts::Dynamic, HostPorts::Static);
        Ok(network::PortMapping { protocol: it.protocol, container, host })
    };
    let mappings: Result<Vec<_>, network::Error> = container.ports.iter().map(mapping).collect();
    let mappings = mappings.map_err(network_failure)?;
    let id = Id::parse(&attachment_name(spec, container)).map_err(network_failure)?;
    host.attach_bridge(&id, &mappings).map(Some).map_err(network_failure)
}

/// Connects a task in awsvpc mode.
pub(crate) fn attach_task(host: &Host, spec: &TaskSpec) -> Result<Attached, Failure> {
    let refused =
        |text: &str| Failure { class: FailureClass::ContainerNetworking, text: text.to_owned() };
    let given = spec.interfaces.first().ok_or_else(|| refused("the task has no interface"))?;
    let interface = network::Interface {
        mac: given.mac.parse().map_err(|it: network::ParseError| refused(&it.to_string()))?,
        address: given.address,
        prefix: given.prefix,
        gateway: given.gateway,
    };
    let id = Id::parse(spec.arn.id()).map_err(network_failure)?;
    host.attach_vpc(&id, interface).map_err(network_failure)
}

/// The network of a container as its shim is told.
pub(crate) fn network_of(
    host: &Host,
    spec: &TaskSpec,
    container: &plan::agent::spec::ContainerSpec,
) -> Result<(shim::Network, Option<std::net::Ipv4Addr>), Failure> {
    if container.docker.network_disabled {
        return Ok((shim::Network::None, None));
    }
    let attached = match spec.network_mode {
        NetworkMode::None => return Ok((shim::Network::None, None)),
        NetworkMode::Host => {
            let own = host.netns().map(|it| shim::Network::Join(it.to_owned()));
            return Ok((own.unwrap_or(shim::Network::Host), None));
        }
        NetworkMode::Awsvpc => attach_task(host, spec)?,
        NetworkMode::Bridge => match attach_container(host, spec, container)? {
            Some(attached) => attached,
            None => return Ok((shim::Network::None, None)),
        },
    };
    let address = match attached.connection {
        Connection::Bridge { address } => Some(address),
        Connection::Vpc(interface) => Some(interface.address),
        Connection::Isolated => None,
    };
    Ok((shim::Network::Join(attached.netns), address))
}

/// The tasks that have a folder in `data`, by their ARNs.
pub(crate) fn tasks_on_disk(data: &std::path::Path) -> Vec<TaskArn> {
    let Ok(entries) = fs::read_dir(data.join("tasks")) else { return Vec::new() };
    let arn = |it: fs::DirEntry| {
        let id = it.file_name().to_str()?.to_owned();
        let text = fs::read_to_string(task_folder(data, &id).join("arn")).ok()?;
        TaskArn::parse(&text).filter(|it| it.id() == id)
    };
    entries.filter_map(|it| arn(it.ok()?)).collect()
}
