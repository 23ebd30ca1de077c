//! One container of a payload.

use std::collections::BTreeMap;

use shapes::{acs, ecs};
use state::{NetworkMode, Task};
use types::{Home, uuid};

use super::docker;

/// The version of Docker's API that the two strings are written for.
const DOCKER_API: &str = "1.24";

/// A container of the definition with the task's overrides applied.
pub(super) fn container(
    home: &Home,
    row: &Task,
    network: NetworkMode,
    spec: &ecs::ContainerDefinition,
    overrides: &ecs::TaskOverride,
) -> acs::Container {
    let name = spec.name.clone().unwrap_or_default();
    let spec = overridden(spec, overrides);
    let kept = row.containers.iter().find(|it| it.name.as_str() == name);
    let id = kept.map(|it| uuid(&it.id));
    let digest = kept.and_then(|it| it.pinned_digest.as_deref());
    acs::Container {
        container_arn: id.map(|it| home.container(&row.cluster, row.id, &it)),
        image: spec.image.as_deref().map(|it| pinned(it, digest)),
        command: spec.command.clone(),
        entry_point: spec.entry_point.clone(),
        environment: Some(environment(&spec)),
        cpu: Some(spec.cpu.unwrap_or(0)),
        memory: Some(spec.memory.unwrap_or(0)),
        essential: Some(spec.essential.unwrap_or(true)),
        privileged: spec.privileged,
        links: Some(spec.links.clone().unwrap_or_default()),
        overrides: Some("{}".into()),
        port_mappings: Some(spec.port_mappings.iter().flatten().map(port).collect()),
        mount_points: Some(spec.mount_points.iter().flatten().map(mount).collect()),
        volumes_from: Some(spec.volumes_from.iter().flatten().map(volumes_from).collect()),
        depends_on: spec.depends_on.as_ref().map(|it| it.iter().map(dependency).collect()),
        restart_policy: spec.restart_policy.as_ref().map(|it| acs::RestartPolicy {
            enabled: it.enabled,
            ignored_exit_codes: it.ignored_exit_codes.clone(),
            restart_attempt_period: it.restart_attempt_period,
        }),
        start_timeout: spec.start_timeout,
        stop_timeout: spec.stop_timeout,
        health_check_type: spec.health_check.as_ref().map(|_| "docker".into()),
        docker_config: Some(acs::DockerConfig {
            config: Some(docker::config(&spec)),
            host_config: Some(docker::host_config(row, network, &spec)),
            version: Some(DOCKER_API.into()),
        }),
        name: Some(name),
        ..acs::Container::default()
    }
}

/// The image with its digest behind its tag, as Docker reads it: the digest decides.
fn pinned(image: &str, digest: Option<&str>) -> String {
    match digest {
        Some(digest) if !image.contains('@') => format!("{image}@{digest}"),
        _ => image.to_owned(),
    }
}

fn overridden(
    spec: &ecs::ContainerDefinition,
    overrides: &ecs::TaskOverride,
) -> ecs::ContainerDefinition {
    let mut spec = spec.clone();
    let all = overrides.container_overrides.iter().flatten();
    for it in all.filter(|it| it.name == spec.name) {
        spec.command = it.command.clone().or(spec.command);
        spec.cpu = it.cpu.or(spec.cpu);
        spec.memory = it.memory.or(spec.memory);
        spec.memory_reservation = it.memory_reservation.or(spec.memory_reservation);
        spec.environment.get_or_insert_default().extend(it.environment.clone().unwrap_or_default());
    }
    spec
}

/// Entries are merged by name; a later one wins, so overrides do.
fn environment(spec: &ecs::ContainerDefinition) -> BTreeMap<String, String> {
    let given = spec.environment.iter().flatten();
    let mut all: BTreeMap<String, String> = given
        .filter_map(|it| Some((it.name.clone()?, it.value.clone().unwrap_or_default())))
        .collect();
    all.entry("AWS_EXECUTION_ENV".into()).or_insert_with(|| "AWS_ECS_EC2".into());
    all
}

fn port(it: &ecs::PortMapping) -> acs::PortMapping {
    acs::PortMapping {
        container_port: it.container_port,
        container_port_range: it.container_port_range.clone(),
        host_port: it.host_port,
        protocol: Some(it.protocol.as_ref().map_or("tcp", |it| it.as_str()).into()),
    }
}

fn mount(it: &ecs::MountPoint) -> acs::MountPoint {
    acs::MountPoint {
        container_path: it.container_path.clone(),
        read_only: it.read_only,
        source_volume: it.source_volume.clone(),
    }
}

fn volumes_from(it: &ecs::VolumeFrom) -> acs::VolumeFrom {
    acs::VolumeFrom { read_only: it.read_only, source_container: it.source_container.clone() }
}

fn dependency(it: &ecs::ContainerDependency) -> acs::ContainerDependency {
    acs::ContainerDependency {
        condition: it.condition.as_ref().map(|it| it.as_str().into()),
        container_name: it.container_name.clone(),
    }
}
