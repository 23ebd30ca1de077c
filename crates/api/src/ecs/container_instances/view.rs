//! Container instances as the API shows them.

use shapes::ecs as shape;
use state::{ContainerInstance, InstanceStatus, State};
use types::{Port, Protocol};

use crate::ecs::tags;
use crate::ecs::view::{count, time};

pub(crate) use crate::ecs::tasks::view::Tags;

/// An instance with what it holds.
pub(crate) fn instance(
    state: &State,
    row: &ContainerInstance,
    with: Tags,
) -> shape::ContainerInstance {
    let counts = state.indexes().instance_counts(row.id);
    shape::ContainerInstance {
        container_instance_arn: Some(state.home().instance(&row.cluster, row.id)),
        ec2_instance_id: Some(row.ec2_instance_id.clone()),
        version: i64::try_from(row.version).ok(),
        version_info: Some(shape::VersionInfo {
            agent_hash: Some(row.agent_hash.clone()),
            agent_version: Some(row.agent_version.clone()),
            docker_version: Some(row.docker_version.clone()),
        }),
        registered_resources: Some(registered(row)),
        remaining_resources: Some(remaining(state, row)),
        status: Some(status(row.status).into()),
        status_reason: row.status_reason.clone(),
        agent_connected: Some(row.connected),
        running_tasks_count: Some(count(counts.running)),
        pending_tasks_count: Some(count(counts.pending)),
        attributes: Some(row.attributes.iter().map(attribute).collect()),
        registered_at: Some(time(row.registered_at)),
        attachments: Some(Vec::new()),
        tags: Some(match with {
            Tags::Shown => tags::view(&row.tags),
            Tags::Hidden => Vec::new(),
        }),
        ..shape::ContainerInstance::default()
    }
}

fn attribute((name, value): (&String, &Option<String>)) -> shape::Attribute {
    shape::Attribute {
        name: Some(name.clone()),
        value: value.clone(),
        ..shape::Attribute::default()
    }
}

fn status(it: InstanceStatus) -> &'static str {
    match it {
        InstanceStatus::Active => "ACTIVE",
        InstanceStatus::Draining => "DRAINING",
        InstanceStatus::Inactive => "INACTIVE",
    }
}

fn registered(row: &ContainerInstance) -> Vec<shape::Resource> {
    list(row.resources.cpu.0, row.resources.memory.0, &row.resources.ports, &row.resources.gpus)
}

/// What is registered less what tasks hold. Ports are the ones in use, as everywhere in ECS.
fn remaining(state: &State, row: &ContainerInstance) -> Vec<shape::Resource> {
    let mut ports = row.resources.ports.clone();
    let mut gpus = row.resources.gpus.clone();
    let (mut cpu, mut memory) = (row.resources.cpu.0, row.resources.memory.0);
    let held = state.indexes().held_on(row.id).iter().filter_map(|id| state.task(*id));
    for task in held {
        cpu = cpu.saturating_sub(task.demand.cpu.0);
        memory = memory.saturating_sub(task.demand.memory.0);
        ports.extend(&task.demand.ports);
        let pinned: Vec<_> = task.containers.iter().flat_map(|it| &it.gpus).collect();
        gpus.retain(|it| !pinned.contains(&it));
    }
    ports.sort_unstable();
    ports.dedup();
    list(cpu, memory, &ports, &gpus)
}

fn list(cpu: u32, memory: u32, ports: &[Port], gpus: &[String]) -> Vec<shape::Resource> {
    let numbers = |protocol| {
        ports.iter().filter(|it| it.protocol == protocol).map(|it| it.number.to_string()).collect()
    };
    let mut all = vec![
        integer("CPU", cpu),
        integer("MEMORY", memory),
        set("PORTS", numbers(Protocol::Tcp)),
        set("PORTS_UDP", numbers(Protocol::Udp)),
    ];
    if !gpus.is_empty() {
        all.push(set("GPU", gpus.to_vec()));
    }
    all
}

fn integer(name: &str, value: u32) -> shape::Resource {
    shape::Resource {
        name: Some(name.into()),
        r#type: Some("INTEGER".into()),
        integer_value: Some(count(value)),
        long_value: Some(0),
        double_value: Some(0.0),
        string_set_value: None,
    }
}

fn set(name: &str, values: Vec<String>) -> shape::Resource {
    shape::Resource {
        name: Some(name.into()),
        r#type: Some("STRINGSET".into()),
        integer_value: Some(0),
        long_value: Some(0),
        double_value: Some(0.0),
        string_set_value: Some(values),
    }
}
