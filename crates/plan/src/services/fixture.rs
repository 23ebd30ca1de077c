//! A task of a service, as tests see it: one container `app` in the service `web`.

use std::collections::BTreeMap;

use shapes::{ecs as shape, stored};
use state::{
    Binding, Container, DefinitionStatus, Demand, Health, Interface, Membership, NetworkMode,
    ServiceRevision, ServiceRevisionKey, Status, Task, TaskDefinition,
};
use types::{ContainerName, Port, Protocol, ServiceName, TaskId, Timestamp};

/// A running task of revision 1. Its ports are given as inside and outside, as its agent said.
pub(crate) fn task(plain: &Task, network: NetworkMode, bindings: &[(u16, u16)]) -> Task {
    let binding = |(container, host): &(u16, u16)| Binding {
        address: "0.0.0.0".into(),
        container: *container,
        host: Port { protocol: Protocol::Tcp, number: *host },
        container_last: None,
        host_last: None,
    };
    let container = Container {
        name: ContainerName::parse("app").expect("valid"),
        id: vec![1; 16],
        gpus: Vec::new(),
        last: Status::Running,
        runtime_id: None,
        exit_code: None,
        reason: None,
        bindings: bindings.iter().map(binding).collect(),
        image_digest: None,
        health: Health::Unknown,
        pinned_digest: None,
    };
    let interface = Interface {
        attachment: vec![1; 16],
        id: "eni-1".into(),
        subnet: "subnet-1".into(),
        address: 0xac1f_0009,
        mac: vec![2; 6],
        security_groups: Vec::new(),
    };
    Task {
        id: TaskId::new(7),
        last: Status::Running,
        containers: vec![container],
        interface: (network == NetworkMode::Awsvpc).then_some(interface),
        service: Some(Box::new(Membership {
            service: ServiceName::parse("web").expect("valid"),
            deployment: 1,
            revision: 1,
            targets: Vec::new(),
            healthy_at: None,
            protected_until: None,
            settled_at: None,
            namespace: None,
        })),
        ..plain.clone()
    }
}

/// What a task runs: its container is `app` with what is given.
pub(crate) fn definition(
    task: &Task,
    network: NetworkMode,
    app: shape::ContainerDefinition,
) -> TaskDefinition {
    let app = shape::ContainerDefinition { name: Some("app".into()), ..app };
    let spec = shape::RegisterTaskDefinitionRequest {
        container_definitions: Some(vec![app]),
        ..Default::default()
    };
    TaskDefinition {
        revision: task.revision.clone(),
        status: DefinitionStatus::Active,
        spec: stored::to_vec(&spec),
        demand: Demand::default(),
        network,
        requires: Vec::new(),
        member_of: Vec::new(),
        registered_at: Timestamp(0),
        registered_by: String::new(),
        deregistered_at: None,
        delete_requested_at: None,
        tags: Vec::new(),
    }
}

/// The service revision that a task is of.
pub(crate) fn revision(task: &Task) -> ServiceRevision {
    let service = task.service_key().expect("is of a service");
    ServiceRevision {
        key: ServiceRevisionKey { service, id: 1 },
        definition: task.revision.clone(),
        spec: Vec::new(),
        targets: Vec::new(),
        registries: Vec::new(),
        digests: BTreeMap::new(),
        created_at: Timestamp(0),
        unresolved_at: None,
    }
}
