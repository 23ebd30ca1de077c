//! A task as the agent protocol tells it (ACS `PayloadMessage`).
//!
//! The protocol carries Docker's container configuration as two JSON strings, because the genuine
//! agent hands them to Docker; ours reads the same subset. Overrides are applied here, so that an
//! agent sees the containers as they shall be.

mod container;
mod docker;

use shapes::{acs, ecs, stored};
use state::{AccessKey, Interface, NetworkMode, Purpose, RegionRow, Task};
use types::Home;

use crate::assignments::Assigned;

/// What a payload says besides the task itself.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// Whose region.
    pub home: &'a Home,
    /// Its subnets, for the gateway of an interface.
    pub region: Option<&'a RegionRow>,
}

/// Why a task cannot be put in words: its stored form is damaged or its definition is gone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("task {task} cannot be told to its agent: {why}")]
pub struct Untellable {
    /// Which task.
    pub task: types::TaskId,
    /// What is missing.
    pub why: String,
}

/// The task as the agent of its instance is told it.
///
/// # Errors
///
/// [`Untellable`] if the definition is gone or unreadable.
pub fn task(around: Surroundings<'_>, assigned: &Assigned) -> Result<acs::Task, Untellable> {
    let row = &assigned.task;
    let untellable = |why: String| Untellable { task: row.id, why };
    let definition =
        assigned.definition.as_ref().ok_or_else(|| untellable("its definition is gone".into()))?;
    let spec: ecs::RegisterTaskDefinitionRequest =
        stored::from_slice(&definition.spec).map_err(|e| untellable(e.to_string()))?;
    let overrides = overrides(row).map_err(untellable)?;

    let containers = spec.container_definitions.as_deref().unwrap_or_default();
    let one = |it| container::container(around.home, row, definition.network, it, &overrides);
    Ok(acs::Task {
        arn: Some(around.home.task(&row.cluster, row.id)),
        task_cluster_arn: Some(around.home.cluster(&row.cluster)),
        family: Some(row.revision.family.to_string()),
        version: Some(row.revision.number.to_string()),
        desired_status: Some(assigned.desired().as_str().into()),
        task_definition_account_id: Some(around.home.account.to_string()),
        launch_type: Some("EC2".into()),
        group: Some(row.group.to_string()),
        network_mode: Some(network_word(definition.network).into()),
        pid_mode: spec.pid_mode.as_ref().map(ToString::to_string),
        ipc_mode: spec.ipc_mode.as_ref().map(ToString::to_string),
        // Sizes come in units or in words; what the task takes is reckoned from them already.
        cpu: overrides.cpu.as_ref().or(spec.cpu.as_ref()).map(|_| vcpus(row.demand.cpu)),
        memory: overrides.memory.as_ref().or(spec.memory.as_ref()).and(mebibytes(row)),
        overrides: Some("{}".into()),
        volumes: Some(spec.volumes.iter().flatten().map(volume).collect()),
        containers: Some(containers.iter().map(one).collect()),
        role_credentials: assigned.key.as_ref().and_then(|it| credentials(it)),
        associations: gpus(row),
        elastic_network_interfaces: row
            .interface
            .as_ref()
            .map(|it| vec![interface(around, row, it)]),
        ..acs::Task::default()
    })
}

/// The least that stops a task whose definition is gone.
pub fn stop_only(home: &Home, row: &Task) -> acs::Task {
    acs::Task {
        arn: Some(home.task(&row.cluster, row.id)),
        task_cluster_arn: Some(home.cluster(&row.cluster)),
        desired_status: Some("STOPPED".into()),
        family: Some(row.revision.family.to_string()),
        version: Some(row.revision.number.to_string()),
        ..acs::Task::default()
    }
}

/// The overrides of a task; none if the request had none.
pub(crate) fn overrides(row: &Task) -> Result<ecs::TaskOverride, String> {
    if row.overrides.is_empty() {
        return Ok(ecs::TaskOverride::default());
    }
    stored::from_slice(&row.overrides).map_err(|e| e.to_string())
}

/// As the protocol spells a network mode.
pub(crate) fn network_word(mode: NetworkMode) -> &'static str {
    match mode {
        NetworkMode::Bridge => "bridge",
        NetworkMode::Host => "host",
        NetworkMode::Awsvpc => "awsvpc",
        NetworkMode::None => "none",
    }
}

/// Credentials in the form of a payload; `None` for a key that no task acts with.
pub fn credentials(key: &AccessKey) -> Option<acs::IAMRoleCredentials> {
    let Purpose::Task { role, .. } = &key.purpose else { return None };
    Some(acs::IAMRoleCredentials {
        credentials_id: Some(key.id.clone()),
        role_arn: Some(role.clone()),
        access_key_id: Some(key.id.clone()),
        secret_access_key: Some(key.secret.clone()),
        session_token: key.session_token.clone(),
        expiration: key.expires_at.map(types::Timestamp::rfc3339),
        ..acs::IAMRoleCredentials::default()
    })
}

/// Task-level `cpu` is told in vCPUs.
fn vcpus(it: types::Cpu) -> f64 {
    f64::from(it.0) / 1024.0
}

fn mebibytes(row: &Task) -> Option<i32> {
    i32::try_from(row.demand.memory.0).ok()
}

fn volume(it: &ecs::Volume) -> acs::Volume {
    let docker = it.docker_volume_configuration.as_ref();
    acs::Volume {
        name: it.name.clone(),
        r#type: Some(if docker.is_some() { "docker".into() } else { "host".into() }),
        host: docker.is_none().then(|| acs::HostVolumeProperties {
            source_path: it.host.as_ref().and_then(|it| it.source_path.clone()),
        }),
        docker_volume_configuration: docker.map(|it| acs::DockerVolumeConfiguration {
            autoprovision: it.autoprovision,
            driver: it.driver.clone(),
            driver_opts: it.driver_opts.clone(),
            labels: it.labels.clone(),
            scope: it.scope.as_ref().map(|it| it.as_str().into()),
        }),
        ..acs::Volume::default()
    }
}

/// The GPUs pinned to the task's containers; none if it has none.
fn gpus(row: &Task) -> Option<Vec<acs::Association>> {
    let all = row.containers.iter().flat_map(|container| {
        container.gpus.iter().map(|gpu| acs::Association {
            containers: Some(vec![container.name.to_string()]),
            name: Some(gpu.clone()),
            r#type: Some(acs::AssociationType::Gpu),
            ..acs::Association::default()
        })
    });
    let all: Vec<_> = all.collect();
    (!all.is_empty()).then_some(all)
}

fn interface(around: Surroundings<'_>, row: &Task, it: &Interface) -> acs::ElasticNetworkInterface {
    // The VPC is one flat network here, so its gateway is every subnet's.
    let gateway = around.region.map(|it| format!("{}/{}", dotted(it.vpc_base + 1), it.vpc_prefix));
    acs::ElasticNetworkInterface {
        attachment_arn: Some(format!(
            "arn:aws:ecs:{}:{}:attachment/{}/{}",
            around.home.region,
            around.home.account,
            row.cluster,
            types::hex(&it.attachment)
        )),
        ec2_id: Some(it.id.clone()),
        mac_address: Some(mac(&it.mac)),
        ipv4_addresses: Some(vec![acs::IPv4AddressAssignment {
            primary: Some(true),
            private_address: Some(dotted(it.address)),
        }]),
        subnet_gateway_ipv4_address: gateway,
        index: Some(0),
        ..acs::ElasticNetworkInterface::default()
    }
}

/// An IPv4 address in the usual form.
pub fn dotted(address: u32) -> String {
    std::net::Ipv4Addr::from(address).to_string()
}

/// A hardware address in the usual form.
pub fn mac(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
pub(crate) mod tests;
