//! Task definitions as the API shows them: what was asked, with AWS's defaults filled in, so that a
//! client that compares finds no difference (handbook 3.1, 12.1).

use shapes::ecs as shape;
use state::{DefinitionStatus, NetworkMode, TaskDefinition};
use types::Home;

use super::asked::Asked;
use super::{capabilities, compatibilities};
use crate::ecs::view::{spec, time};

/// Seconds and tries of a health check that does not say. Source: API Reference, `HealthCheck`.
const INTERVAL: i32 = 30;
const TIMEOUT: i32 = 5;
const RETRIES: i32 = 3;

/// A task definition with everything but its tags.
pub(super) fn definition(home: &Home, definition: &TaskDefinition) -> shape::TaskDefinition {
    let TaskDefinition {
        revision,
        status,
        spec: bytes,
        demand: _,
        network,
        requires,
        member_of: _,
        registered_at,
        registered_by,
        deregistered_at,
        delete_requested_at,
        tags: _,
    } = definition;
    let ask: shape::RegisterTaskDefinitionRequest = spec(bytes);
    let asked = Asked::read(&ask).ok();
    let attribute =
        |name: &String| shape::Attribute { name: Some(name.clone()), ..Default::default() };
    shape::TaskDefinition {
        task_definition_arn: Some(home.task_definition(&revision.family, revision.number)),
        family: Some(revision.family.to_string()),
        revision: i32::try_from(revision.number).ok(),
        status: Some(self::status(*status)),
        requires_attributes: Some(capabilities::shown(requires).map(attribute).collect()),
        compatibilities: asked.as_ref().map(compatibilities::all),
        cpu: asked.as_ref().and_then(|it| it.cpu).map(|it| it.to_string()),
        memory: asked.as_ref().and_then(|it| it.memory).map(|it| it.to_string()),
        registered_at: Some(time(*registered_at)),
        registered_by: Some(registered_by.clone()),
        deregistered_at: deregistered_at.map(time),
        delete_requested_at: delete_requested_at.map(time),
        container_definitions: Some(containers(*network, ask.container_definitions)),
        volumes: Some(ask.volumes.unwrap_or_default().into_iter().map(volume).collect()),
        placement_constraints: Some(ask.placement_constraints.unwrap_or_default()),
        requires_compatibilities: ask.requires_compatibilities.filter(|it| !it.is_empty()),
        network_mode: ask.network_mode,
        enable_fault_injection: Some(ask.enable_fault_injection.unwrap_or(false)),
        ephemeral_storage: ask.ephemeral_storage,
        execution_role_arn: ask.execution_role_arn,
        task_role_arn: ask.task_role_arn,
        ipc_mode: ask.ipc_mode,
        pid_mode: ask.pid_mode,
        proxy_configuration: ask.proxy_configuration,
        runtime_platform: ask.runtime_platform,
        inference_accelerators: None,
        trusted_execution_configuration: None,
    }
}

fn status(status: DefinitionStatus) -> shape::TaskDefinitionStatus {
    match status {
        DefinitionStatus::Active => shape::TaskDefinitionStatus::Active,
        DefinitionStatus::Inactive => shape::TaskDefinitionStatus::Inactive,
        DefinitionStatus::DeleteInProgress => shape::TaskDefinitionStatus::DeleteInProgress,
    }
}

fn containers(
    network: NetworkMode,
    containers: Option<Vec<shape::ContainerDefinition>>,
) -> Vec<shape::ContainerDefinition> {
    let one = |it: shape::ContainerDefinition| shape::ContainerDefinition {
        cpu: Some(it.cpu.unwrap_or(0)),
        essential: Some(it.essential.unwrap_or(true)),
        environment: Some(it.environment.unwrap_or_default()),
        mount_points: Some(it.mount_points.unwrap_or_default()),
        volumes_from: Some(it.volumes_from.unwrap_or_default()),
        system_controls: Some(it.system_controls.unwrap_or_default()),
        port_mappings: Some(
            it.port_mappings.unwrap_or_default().into_iter().map(|it| port(network, it)).collect(),
        ),
        health_check: it.health_check.map(health),
        ..it
    };
    containers.unwrap_or_default().into_iter().map(one).collect()
}

fn port(network: NetworkMode, mapping: shape::PortMapping) -> shape::PortMapping {
    let usual = match network {
        NetworkMode::Bridge | NetworkMode::None => Some(0),
        NetworkMode::Host | NetworkMode::Awsvpc => mapping.container_port,
    };
    let given = mapping.host_port.filter(|it| *it != 0);
    let ranged = mapping.container_port_range.is_some();
    shape::PortMapping {
        host_port: given.or(usual).filter(|_| !ranged),
        protocol: Some(mapping.protocol.unwrap_or(shape::TransportProtocol::Tcp)),
        ..mapping
    }
}

fn health(check: shape::HealthCheck) -> shape::HealthCheck {
    shape::HealthCheck {
        interval: Some(check.interval.unwrap_or(INTERVAL)),
        timeout: Some(check.timeout.unwrap_or(TIMEOUT)),
        retries: Some(check.retries.unwrap_or(RETRIES)),
        ..check
    }
}

fn volume(volume: shape::Volume) -> shape::Volume {
    let docker = volume.docker_volume_configuration.map(|it| shape::DockerVolumeConfiguration {
        scope: Some(it.scope.unwrap_or(shape::Scope::Task)),
        ..it
    });
    let efs = volume.efs_volume_configuration.map(|it| shape::EFSVolumeConfiguration {
        root_directory: Some(it.root_directory.unwrap_or_else(|| "/".to_owned())),
        ..it
    });
    shape::Volume { docker_volume_configuration: docker, efs_volume_configuration: efs, ..volume }
}
