//! Reads the tasks of payload messages: what does not parse is refused here, with the field's name.

use core::time::Duration;
use std::collections::BTreeSet;

use shapes::acs;
use types::{ContainerName, Cpu, MemoryMib, Protocol};

use super::docker::{self, DockerError};
use super::spec::{
    Condition, ContainerSpec, Dependency, Interface, Mount, NamespaceMode, NetworkMode,
    PortMapping, RegistryAuthentication, RestartPolicy, Secret, TaskArn, TaskSpec, Volume,
    VolumeSource, VolumesFrom,
};

/// Most containers of a task; AWS's quota is 10, the agent adds none of its own.
const CONTAINERS_MAX: usize = 100;

/// How long a container must have run to be restarted, unless its policy says (handbook 2.7).
const RESTART_ATTEMPT_PERIOD: Duration = Duration::from_mins(5);

const MIB: u64 = 1 << 20;

/// Why a task of a payload cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// A member that every task needs is absent.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A member has a value that this agent does not know or cannot carry out.
    #[error("{field} has the value '{value}'")]
    Value {
        /// Its name in the message.
        field: &'static str,
        /// What it said.
        value: String,
    },
    /// One of Docker's API strings does not read.
    #[error("dockerConfig of container '{container}' does not read")]
    Docker {
        /// Whose.
        container: ContainerName,
        /// What in it.
        source: DockerError,
    },
    /// A dependency on a container that the task does not have, or on itself through others.
    #[error("the dependencies of container '{0}' cannot be met")]
    Dependencies(String),
}

fn unknown(field: &'static str, value: impl ToString) -> SpecError {
    SpecError::Value { field, value: value.to_string() }
}

/// Reads a task that shall run.
///
/// # Errors
///
/// [`SpecError`] names the first member that is missing or says something that cannot be done.
pub(super) fn task(task: &acs::Task) -> Result<TaskSpec, SpecError> {
    let arn = task.arn.as_deref().ok_or(SpecError::Missing("arn"))?;
    let containers = task.containers.as_deref().unwrap_or_default();
    if containers.is_empty() {
        return Err(SpecError::Missing("containers"));
    }
    if containers.len() > CONTAINERS_MAX {
        return Err(unknown("containers", containers.len()));
    }
    let containers = containers.iter().map(container).collect::<Result<Vec<_>, _>>()?;
    check_dependencies(&containers)?;
    let id = |it: &Option<acs::IAMRoleCredentials>| it.as_ref()?.credentials_id.clone();
    Ok(TaskSpec {
        arn: TaskArn::parse(arn).ok_or_else(|| unknown("arn", arn))?,
        cluster: task.task_cluster_arn.clone().unwrap_or_default(),
        family: task.family.clone().unwrap_or_default(),
        revision: task.version.clone().unwrap_or_default(),
        service: task.service_name.clone(),
        launch_type: task.launch_type.clone(),
        cpu: vcpus(task.cpu)?,
        memory: mib("memory", task.memory)?,
        network_mode: network_mode(task, &containers)?,
        pid_mode: namespace("pidMode", task.pid_mode.as_deref())?,
        ipc_mode: namespace("ipcMode", task.ipc_mode.as_deref())?,
        containers,
        volumes: each(task.volumes.as_ref(), volume)?,
        interfaces: each(task.elastic_network_interfaces.as_ref(), interface)?,
        role_credentials: id(&task.role_credentials),
        execution_credentials: id(&task.execution_role_credentials),
        gpus: gpus(task),
    })
}

fn each<T, R>(
    items: Option<&Vec<T>>,
    read: impl Fn(&T) -> Result<R, SpecError>,
) -> Result<Vec<R>, SpecError> {
    items.into_iter().flatten().map(read).collect()
}

/// Task CPU comes in vCPUs, as a fraction.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked against 1e6")]
fn vcpus(cpu: Option<f64>) -> Result<Option<Cpu>, SpecError> {
    match cpu {
        None => Ok(None),
        Some(it) if (0.0..1e6).contains(&it) => {
            Ok(Some(Cpu((it * 1024.0).round() as u32)).filter(|it| it.0 > 0))
        }
        Some(it) => Err(unknown("cpu", it)),
    }
}

fn mib(field: &'static str, memory: Option<i32>) -> Result<Option<MemoryMib>, SpecError> {
    let Some(memory) = memory else { return Ok(None) };
    let memory = u32::try_from(memory).map_err(|_| unknown(field, memory))?;
    Ok(Some(MemoryMib(memory)).filter(|it| it.0 > 0))
}

fn seconds(field: &'static str, span: Option<i32>) -> Result<Option<Duration>, SpecError> {
    let Some(span) = span else { return Ok(None) };
    let span = u64::try_from(span).map_err(|_| unknown(field, span))?;
    Ok(Some(Duration::from_secs(span)).filter(|it| !it.is_zero()))
}

/// The task's own word; without it, what its containers say in Docker's words.
fn network_mode(task: &acs::Task, containers: &[ContainerSpec]) -> Result<NetworkMode, SpecError> {
    let word = task
        .network_mode
        .as_deref()
        .filter(|it| !it.is_empty())
        .or_else(|| containers.iter().find_map(|it| it.docker.network_mode.as_deref()));
    match word {
        Some("none") => Ok(NetworkMode::None),
        Some("bridge" | "default") | None => Ok(NetworkMode::Bridge),
        Some("host") => Ok(NetworkMode::Host),
        Some("awsvpc") => Ok(NetworkMode::Awsvpc),
        Some(other) => Err(unknown("networkMode", other)),
    }
}

fn namespace(field: &'static str, word: Option<&str>) -> Result<NamespaceMode, SpecError> {
    match word {
        None | Some("" | "none") => Ok(NamespaceMode::Private),
        Some("task") => Ok(NamespaceMode::Task),
        Some("host") => Ok(NamespaceMode::Host),
        Some(other) => Err(unknown(field, other)),
    }
}

fn gpus(task: &acs::Task) -> Vec<String> {
    let associations = task.associations.iter().flatten();
    let gpus = associations.filter(|it| it.r#type == Some(acs::AssociationType::Gpu));
    gpus.filter_map(|it| it.name.clone()).collect()
}

fn container(it: &acs::Container) -> Result<ContainerSpec, SpecError> {
    let name = it.name.as_deref().ok_or(SpecError::Missing("container name"))?;
    let name = ContainerName::parse(name).map_err(|_| unknown("container name", name))?;
    let docker = it.docker_config.as_ref();
    let docker = docker::parse(
        docker.and_then(|it| it.config.as_deref()),
        docker.and_then(|it| it.host_config.as_deref()),
    )
    .map_err(|source| SpecError::Docker { container: name.clone(), source })?;
    let memory = mib("container memory", it.memory)?
        .or_else(|| docker.memory.and_then(|it| u32::try_from(it / MIB).ok()).map(MemoryMib));
    Ok(ContainerSpec {
        arn: it.container_arn.clone().unwrap_or_default(),
        image: it.image.clone().filter(|it| !it.is_empty()).ok_or(SpecError::Missing("image"))?,
        registry: it.registry_authentication.as_ref().map(registry).transpose()?,
        entry_point: some(it.entry_point.as_ref()).or_else(|| docker.entry_point.clone()),
        command: overridden_command(it)?
            .or_else(|| some(it.command.as_ref()))
            .or_else(|| docker.command.clone()),
        environment: it.environment.clone().unwrap_or_default(),
        environment_files: it
            .environment_files
            .iter()
            .flatten()
            .filter_map(|it| it.value.clone())
            .collect(),
        secrets: each(it.secrets.as_ref(), secret)?,
        cpu: Cpu(u32::try_from(it.cpu.unwrap_or(0)).unwrap_or(0)),
        memory,
        essential: it.essential.unwrap_or(true),
        ports: each(it.port_mappings.as_ref(), port)?,
        mounts: each(it.mount_points.as_ref(), mount)?,
        volumes_from: each(it.volumes_from.as_ref(), volumes_from)?,
        links: it.links.clone().unwrap_or_default(),
        depends_on: dependencies(it)?,
        start_timeout: seconds("startTimeout", it.start_timeout)?,
        stop_timeout: seconds("stopTimeout", it.stop_timeout)?,
        restart: it.restart_policy.as_ref().map(restart).transpose()?.flatten(),
        health: docker.health.clone(),
        name,
        docker,
    })
}

fn some(words: Option<&Vec<String>>) -> Option<Vec<String>> {
    words.filter(|it| !it.is_empty()).cloned()
}

/// Overrides come as JSON text; the command is the only one that is left to the agent.
fn overridden_command(it: &acs::Container) -> Result<Option<Vec<String>>, SpecError> {
    let Some(text) = it.overrides.as_deref().filter(|it| !it.trim().is_empty()) else {
        return Ok(None);
    };
    let malformed = || unknown("overrides", text);
    let value: serde_json::Value = serde_json::from_str(text).map_err(|_| malformed())?;
    match value.get("command") {
        None | Some(serde_json::Value::Null) => Ok(None),
        Some(serde_json::Value::Array(words)) => {
            let words = words.iter().map(|it| it.as_str().map(str::to_owned));
            words.collect::<Option<Vec<_>>>().map(Some).ok_or_else(malformed)
        }
        Some(_) => Err(malformed()),
    }
}

fn registry(it: &acs::RegistryAuthenticationData) -> Result<RegistryAuthentication, SpecError> {
    if let Some(ecr) = &it.ecr_auth_data {
        return Ok(RegistryAuthentication::Ecr {
            region: ecr.region.clone().unwrap_or_default(),
            registry: ecr.registry_id.clone().unwrap_or_default(),
            endpoint: ecr.endpoint_override.clone().filter(|it| !it.is_empty()),
        });
    }
    let secret = it.asm_auth_data.as_ref().ok_or(SpecError::Missing("registryAuthentication"))?;
    Ok(RegistryAuthentication::Secret {
        parameter: secret
            .credentials_parameter
            .clone()
            .ok_or(SpecError::Missing("credentialsParameter"))?,
        region: secret.region.clone().unwrap_or_default(),
    })
}

fn secret(it: &acs::Secret) -> Result<Secret, SpecError> {
    Ok(Secret {
        name: it.name.clone().ok_or(SpecError::Missing("secret name"))?,
        value_from: it.value_from.clone().ok_or(SpecError::Missing("secret valueFrom"))?,
        region: it.region.clone().unwrap_or_default(),
        provider: it.provider.as_ref().map(ToString::to_string).unwrap_or_default(),
        for_log_driver: it.target == Some(acs::SecretTarget::LogDriver),
    })
}

fn port(it: &acs::PortMapping) -> Result<PortMapping, SpecError> {
    let number = |it: i32| u16::try_from(it).map_err(|_| unknown("port", it));
    let protocol = it.protocol.as_ref().map_or("tcp", acs::TransportProtocol::as_str);
    let (first, last) = match it.container_port_range.as_deref().filter(|it| !it.is_empty()) {
        None => {
            let port = number(it.container_port.unwrap_or(0))?;
            (port, port)
        }
        Some(range) => range
            .split_once('-')
            .and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)))
            .ok_or_else(|| unknown("containerPortRange", range))?,
    };
    if first == 0 || first > last {
        return Err(unknown("containerPort", first));
    }
    Ok(PortMapping {
        protocol: Protocol::parse(protocol),
        container: first,
        container_last: last,
        host: Some(number(it.host_port.unwrap_or(0))?).filter(|it| *it > 0),
    })
}

fn mount(it: &acs::MountPoint) -> Result<Mount, SpecError> {
    Ok(Mount {
        volume: it.source_volume.clone().ok_or(SpecError::Missing("sourceVolume"))?,
        path: it.container_path.clone().ok_or(SpecError::Missing("containerPath"))?,
        read_only: it.read_only.unwrap_or(false),
    })
}

fn volumes_from(it: &acs::VolumeFrom) -> Result<VolumesFrom, SpecError> {
    Ok(VolumesFrom {
        container: it.source_container.clone().ok_or(SpecError::Missing("sourceContainer"))?,
        read_only: it.read_only.unwrap_or(false),
    })
}

fn volume(it: &acs::Volume) -> Result<Volume, SpecError> {
    let name = it.name.clone().ok_or(SpecError::Missing("volume name"))?;
    let source = if let Some(docker) = &it.docker_volume_configuration {
        VolumeSource::Named {
            shared: docker.scope == Some(acs::Scope::Shared),
            autoprovision: docker.autoprovision.unwrap_or(false),
            driver: docker.driver.clone().unwrap_or_else(|| "local".into()),
            options: docker.driver_opts.clone().unwrap_or_default(),
        }
    } else {
        match &it.r#type {
            None | Some(acs::VolumeType::Host) => {
                let path = it.host.as_ref().and_then(|it| it.source_path.clone());
                path.filter(|it| !it.is_empty()).map_or(VolumeSource::Empty, VolumeSource::Host)
            }
            Some(other) => VolumeSource::Unsupported(other.to_string()),
        }
    };
    Ok(Volume { name, source })
}

/// Reads an interface of a task.
pub(super) fn interface(it: &acs::ElasticNetworkInterface) -> Result<Interface, SpecError> {
    let addresses = it.ipv4_addresses.as_deref().unwrap_or_default();
    let address = addresses
        .iter()
        .find(|it| it.primary == Some(true))
        .or_else(|| addresses.first())
        .and_then(|it| it.private_address.as_deref())
        .ok_or(SpecError::Missing("ipv4Addresses"))?;
    let subnet = it
        .subnet_gateway_ipv4_address
        .as_deref()
        .ok_or(SpecError::Missing("subnetGatewayIpv4Address"))?;
    let (gateway, prefix) = subnet
        .split_once('/')
        .and_then(|(gateway, bits)| Some((gateway.parse().ok()?, bits.parse::<u8>().ok()?)))
        .filter(|(_, bits)| *bits <= 32)
        .ok_or_else(|| unknown("subnetGatewayIpv4Address", subnet))?;
    Ok(Interface {
        attachment: it.attachment_arn.clone().unwrap_or_default(),
        id: it.ec2_id.clone().ok_or(SpecError::Missing("ec2Id"))?,
        mac: it.mac_address.clone().ok_or(SpecError::Missing("macAddress"))?,
        address: address.parse().map_err(|_| unknown("privateAddress", address))?,
        gateway,
        prefix,
        name_servers: it.domain_name_servers.clone().unwrap_or_default(),
        search_domains: it.domain_name.clone().unwrap_or_default(),
        private_dns_name: it.private_dns_name.clone(),
    })
}

fn restart(it: &acs::RestartPolicy) -> Result<Option<RestartPolicy>, SpecError> {
    if it.enabled != Some(true) {
        return Ok(None);
    }
    Ok(Some(RestartPolicy {
        ignored_exit_codes: it.ignored_exit_codes.clone().unwrap_or_default(),
        attempt_period: seconds("restartAttemptPeriod", it.restart_attempt_period)?
            .unwrap_or(RESTART_ATTEMPT_PERIOD),
    }))
}

/// `dependsOn`, and what links and `volumesFrom` imply (handbook 3.5).
fn dependencies(it: &acs::Container) -> Result<Vec<Dependency>, SpecError> {
    let mut all = each(it.depends_on.as_ref(), |it| {
        let container = it.container_name.clone().ok_or(SpecError::Missing("containerName"))?;
        let condition = match &it.condition {
            Some(acs::ContainerCondition::Start) | None => Condition::Start,
            Some(acs::ContainerCondition::Complete) => Condition::Complete,
            Some(acs::ContainerCondition::Success) => Condition::Success,
            Some(acs::ContainerCondition::Healthy) => Condition::Healthy,
            Some(acs::ContainerCondition::Other(word)) => return Err(unknown("condition", word)),
        };
        Ok(Dependency { container, condition })
    })?;
    for link in it.links.iter().flatten() {
        let container = link.split(':').next().unwrap_or_default().to_owned();
        all.push(Dependency { container, condition: Condition::Start });
    }
    for source in it.volumes_from.iter().flatten() {
        let container = source.source_container.clone().unwrap_or_default();
        all.push(Dependency { container, condition: Condition::Created });
    }
    Ok(all)
}

/// Takes away containers that wait for nothing left, until none is left or nothing moves.
fn check_dependencies(containers: &[ContainerSpec]) -> Result<(), SpecError> {
    let names: BTreeSet<&str> = containers.iter().map(|it| it.name.as_str()).collect();
    if names.len() != containers.len() {
        return Err(unknown("containers", "the same name twice"));
    }
    let mut left: Vec<&ContainerSpec> = containers.iter().collect();
    while let Some(first) = left.first() {
        let waiting: BTreeSet<&str> = left.iter().map(|it| it.name.as_str()).collect();
        let meets = |it: &Dependency| {
            names.contains(it.container.as_str()) && !waiting.contains(it.container.as_str())
        };
        let before = left.len();
        let stuck = first.name.to_string();
        left.retain(|it| !it.depends_on.iter().all(meets));
        if left.len() == before {
            return Err(SpecError::Dependencies(stuck));
        }
    }
    Ok(())
}
