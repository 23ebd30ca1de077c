//! Tasks as the API shows them.

use plan::payload::dotted;
use shapes::ecs as shape;
use state::{
    Binding, Container, Health, Interface, LaunchType, State, Status, StopCode, Task,
    TaskDefinition,
};
use types::{ClusterName, TaskId, uuid};

use crate::ecs::tags;
use crate::ecs::view::{spec, time};

/// Whether tags are part of what is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tags {
    /// All of them.
    Shown,
    /// An empty list, as AWS has it where nobody asked.
    Hidden,
}

/// A task in full.
pub(crate) fn task(state: &State, row: &Task, with: Tags) -> shape::Task {
    let definition = state.task_definition(&row.revision);
    let asked = definition.map(|it| definitions(it)).unwrap_or_default();
    let home = state.home();
    let overrides = overrides(row, &asked);
    shape::Task {
        task_arn: Some(home.task(&row.cluster, row.id)),
        cluster_arn: Some(home.cluster(&row.cluster)),
        container_instance_arn: Some(home.instance(&row.cluster, row.instance)),
        task_definition_arn: Some(home.task_definition(&row.revision.family, row.revision.number)),
        availability_zone: Some(row.zone.to_string()),
        attachments: Some(row.interface.iter().map(|it| attachment(row, it)).collect()),
        attributes: Some(architecture(state, row)),
        connectivity: row.connected_at.map(|_| connectivity(state, row)),
        connectivity_at: row.connected_at.map(time),
        containers: Some(containers(state, row, &asked, &overrides)),
        cpu: Some(row.demand.cpu.0.to_string()),
        memory: Some(row.demand.memory.0.to_string()),
        created_at: Some(time(row.created_at)),
        desired_status: Some(row.desired.as_str().into()),
        enable_execute_command: Some(row.exec),
        execution_stopped_at: row.execution_stopped_at.map(time),
        group: Some(row.group.to_string()),
        health_status: Some(health(task_health(row, &asked))),
        last_status: Some(row.last.as_str().into()),
        launch_type: Some(match row.launch {
            LaunchType::Ec2 => shape::LaunchType::Ec2,
            LaunchType::External => shape::LaunchType::External,
        }),
        overrides: Some(overrides),
        pull_started_at: row.pull_started_at.map(time),
        pull_stopped_at: row.pull_stopped_at.map(time),
        started_at: row.started_at.map(time),
        started_by: row.started_by.clone(),
        stop_code: row.stop.as_ref().map(|it| stop_code(it.code)),
        stopped_at: row.stopped_at.map(time),
        stopped_reason: row.stop.as_ref().map(|it| it.reason.clone()),
        stopping_at: row.stopping_at.map(time),
        tags: Some(match with {
            Tags::Shown => tags::view(&row.tags),
            Tags::Hidden => Vec::new(),
        }),
        version: i64::try_from(row.version).ok(),
        ..shape::Task::default()
    }
}

/// What a repeated request still says of a task that has stopped.
pub(crate) fn outline(state: &State, cluster: &ClusterName, id: TaskId) -> shape::Task {
    let row = state.task(id);
    shape::Task {
        task_arn: Some(state.home().task(cluster, id)),
        last_status: Some(row.map_or(Status::Stopped, |it| it.last).as_str().into()),
        desired_status: Some(row.map_or(state::Desired::Stopped, |it| it.desired).as_str().into()),
        ..shape::Task::default()
    }
}

fn definitions(definition: &TaskDefinition) -> Vec<shape::ContainerDefinition> {
    let asked: shape::RegisterTaskDefinitionRequest = spec(&definition.spec);
    asked.container_definitions.unwrap_or_default()
}

/// Always an object that names every container (handbook 2.5).
fn overrides(row: &Task, asked: &[shape::ContainerDefinition]) -> shape::TaskOverride {
    let given: shape::TaskOverride = if row.overrides.is_empty() {
        shape::TaskOverride::default()
    } else {
        spec(&row.overrides)
    };
    let mut containers = given.container_overrides.unwrap_or_default();
    for it in asked {
        if !containers.iter().any(|given| given.name == it.name) {
            containers.push(shape::ContainerOverride {
                name: it.name.clone(),
                ..shape::ContainerOverride::default()
            });
        }
    }
    shape::TaskOverride {
        container_overrides: Some(containers),
        inference_accelerator_overrides: Some(Vec::new()),
        ..given
    }
}

fn containers(
    state: &State,
    row: &Task,
    asked: &[shape::ContainerDefinition],
    overrides: &shape::TaskOverride,
) -> Vec<shape::Container> {
    let find =
        |it: &Container| asked.iter().find(|asked| asked.name.as_deref() == Some(it.name.as_str()));
    row.containers
        .iter()
        .map(|it| {
            let named =
                |given: &&shape::ContainerOverride| given.name.as_deref() == Some(it.name.as_str());
            let given = overrides.container_overrides.iter().flatten().find(named);
            container(state, row, it, find(it), given)
        })
        .collect()
}

fn container(
    state: &State,
    row: &Task,
    it: &Container,
    asked: Option<&shape::ContainerDefinition>,
    given: Option<&shape::ContainerOverride>,
) -> shape::Container {
    let Container {
        name,
        id,
        gpus,
        last,
        runtime_id,
        exit_code,
        reason,
        bindings,
        image_digest,
        health: health_of,
        pinned_digest: _,
    } = it;
    let number = |of: fn(&shape::ContainerOverride) -> Option<i32>, or: Option<i32>| {
        given.and_then(of).or(or).map(|it| it.to_string())
    };
    shape::Container {
        container_arn: Some(state.home().container(&row.cluster, row.id, &uuid(id))),
        task_arn: Some(state.home().task(&row.cluster, row.id)),
        name: Some(name.to_string()),
        image: asked.and_then(|it| it.image.clone()),
        image_digest: image_digest.clone(),
        runtime_id: runtime_id.clone(),
        last_status: Some(last.as_str().into()),
        exit_code: *exit_code,
        reason: reason.clone(),
        network_bindings: Some(bindings.iter().map(binding).collect()),
        network_interfaces: Some(row.interface.iter().map(network_interface).collect()),
        health_status: Some(health(*health_of)),
        managed_agents: None,
        cpu: number(|it| it.cpu, asked.and_then(|it| it.cpu)).or(Some("0".into())),
        memory: number(|it| it.memory, asked.and_then(|it| it.memory)),
        memory_reservation: number(
            |it| it.memory_reservation,
            asked.and_then(|it| it.memory_reservation),
        ),
        gpu_ids: (!gpus.is_empty()).then(|| gpus.clone()),
        ..shape::Container::default()
    }
}

pub(crate) fn binding(it: &Binding) -> shape::NetworkBinding {
    let Binding { address, container, host, container_last, host_last } = it;
    let range = |first: u16, last: Option<u16>| last.map(|last| format!("{first}-{last}"));
    let ranged = container_last.is_some();
    shape::NetworkBinding {
        bind_ip: Some(address.clone()),
        container_port: (!ranged).then_some(i32::from(*container)),
        container_port_range: range(*container, *container_last),
        host_port: (!ranged).then_some(i32::from(host.number)),
        host_port_range: range(host.number, *host_last),
        protocol: Some(host.protocol.as_str().into()),
    }
}

fn network_interface(it: &Interface) -> shape::NetworkInterface {
    shape::NetworkInterface {
        attachment_id: Some(uuid(&it.attachment)),
        private_ipv4_address: Some(dotted(it.address)),
        ipv6_address: None,
    }
}

/// How far the interface of a task has come follows from how far the task has.
fn attachment(row: &Task, it: &Interface) -> shape::Attachment {
    let Interface { attachment, id, subnet, address, mac, security_groups: _ } = it;
    let status = match row.last {
        Status::Provisioning | Status::Pending => "PRECREATED",
        Status::Activating => "ATTACHING",
        Status::Running | Status::Deactivating | Status::Stopping => "ATTACHED",
        Status::Deprovisioning => "DETACHING",
        Status::Stopped => "DELETED",
    };
    let detail = |name: &str, value: String| shape::KeyValuePair {
        name: Some(name.into()),
        value: Some(value),
    };
    let address = dotted(*address);
    let dns = format!("ip-{}.ec2.internal", address.replace('.', "-"));
    shape::Attachment {
        id: Some(uuid(attachment)),
        r#type: Some("ElasticNetworkInterface".into()),
        status: Some(status.into()),
        details: Some(vec![
            detail("subnetId", subnet.clone()),
            detail("networkInterfaceId", id.clone()),
            detail("macAddress", plan::payload::mac(mac)),
            detail("privateDnsName", dns),
            detail("privateIPv4Address", address),
        ]),
    }
}

fn architecture(state: &State, row: &Task) -> Vec<shape::Attribute> {
    const NAME: &str = "ecs.cpu-architecture";
    let value =
        state.container_instance(row.instance).and_then(|it| it.attributes.get(NAME).cloned());
    let attribute =
        |value| shape::Attribute { name: Some(NAME.into()), value, ..shape::Attribute::default() };
    value.map(attribute).into_iter().collect()
}

fn connectivity(state: &State, row: &Task) -> shape::Connectivity {
    let connected = state.container_instance(row.instance).is_some_and(|it| it.connected);
    if connected && !row.is_over() {
        shape::Connectivity::Connected
    } else {
        shape::Connectivity::Disconnected
    }
}

/// Essential containers with a check decide: any unhealthy, else any unknown, else healthy
/// (handbook 2.7).
fn task_health(row: &Task, asked: &[shape::ContainerDefinition]) -> Health {
    let counts = |it: &&Container| {
        asked.iter().any(|asked| {
            asked.name.as_deref() == Some(it.name.as_str())
                && asked.health_check.is_some()
                && asked.essential.unwrap_or(true)
        })
    };
    let checks: Vec<_> = row.containers.iter().filter(counts).map(|it| it.health).collect();
    if checks.contains(&Health::Unhealthy) {
        Health::Unhealthy
    } else if checks.is_empty() || checks.contains(&Health::Unknown) {
        Health::Unknown
    } else {
        Health::Healthy
    }
}

fn health(it: Health) -> shape::HealthStatus {
    match it {
        Health::Unknown => shape::HealthStatus::Unknown,
        Health::Healthy => shape::HealthStatus::Healthy,
        Health::Unhealthy => shape::HealthStatus::Unhealthy,
    }
}

fn stop_code(it: StopCode) -> shape::TaskStopCode {
    match it {
        StopCode::TaskFailedToStart => "TaskFailedToStart",
        StopCode::EssentialContainerExited => "EssentialContainerExited",
        StopCode::UserInitiated => "UserInitiated",
        StopCode::ServiceSchedulerInitiated => "ServiceSchedulerInitiated",
        StopCode::SpotInterruption => "SpotInterruption",
        StopCode::TerminationNotice => "TerminationNotice",
        StopCode::InfrastructureHealth => "InfrastructureHealth",
    }
    .into()
}
