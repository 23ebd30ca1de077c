//! Instances, tasks and requests with everything filled in that a test does not care about.

use std::collections::BTreeMap;

use state::{
    ContainerInstance, Demand, Desired, InstanceStatus, LaunchType, Resources, Revision, State,
    Status, Task,
};
use types::{
    AccountId, ClusterName, Cpu, Family, Group, Home, InstanceId, MemoryMib, Port, Region, TaskId,
    Timestamp, Zone,
};

use crate::placement::Request;

pub(crate) fn region() -> State {
    State::new(Home {
        region: Region::parse("us-east-1").expect("valid"),
        account: AccountId::parse("123456789012").expect("valid"),
    })
}

pub(crate) fn cluster() -> ClusterName {
    ClusterName::parse("default").expect("valid")
}

pub(crate) fn group(name: &str) -> Group {
    Group::parse(name).expect("valid")
}

pub(crate) fn zone(name: &str) -> Zone {
    Zone::parse(name).expect("valid")
}

pub(crate) fn instance(id: u128, at: &str, cpu: u32, memory: u32) -> ContainerInstance {
    ContainerInstance {
        id: InstanceId::new(id),
        cluster: cluster(),
        status: InstanceStatus::Active,
        ec2_instance_id: format!("i-{id}"),
        zone: zone(at),
        attributes: BTreeMap::new(),
        resources: Resources {
            cpu: Cpu(cpu),
            memory: MemoryMib(memory),
            ports: vec![Port::tcp(22)],
            gpus: Vec::new(),
            interfaces: None,
        },
        connected: true,
        connected_at: Timestamp(0),
        given_up_at: None,
        registered_at: Timestamp(0),
        version: 1,
        agent_version: "1.89.2".to_owned(),
        agent_hash: String::new(),
        docker_version: String::new(),
        tags: Vec::new(),
        owner: String::new(),
        machine: None,
        incarnation: 1,
        status_reason: None,
        registrations: None,
        forgot_at: None,
    }
}

pub(crate) fn demand(cpu: u32, memory: u32) -> Demand {
    Demand { cpu: Cpu(cpu), memory: MemoryMib(memory), ..Demand::default() }
}

/// A task that its agent has not heard of yet.
pub(crate) fn task(id: u128, on: &ContainerInstance, request: &Request) -> Task {
    Task {
        id: TaskId::new(id),
        cluster: on.cluster.clone(),
        revision: Revision { family: Family::parse("web").expect("valid"), number: 1 },
        instance: on.id,
        zone: on.zone.clone(),
        group: request.group.clone(),
        started_by: None,
        token: None,
        audit: 0,
        launch: LaunchType::Ec2,
        demand: request.demand.clone(),
        overrides: Vec::new(),
        tags: Vec::new(),
        desired: Desired::Running,
        last: Status::Pending,
        containers: Vec::new(),
        stop: None,
        created_at: Timestamp(0),
        pull_started_at: None,
        pull_stopped_at: None,
        started_at: None,
        stopping_at: None,
        execution_stopped_at: None,
        stopped_at: None,
        connected_at: None,
        version: 1,
        interface: None,
        released: false,
        exec: false,
        reference: None,
        placing: None,
        service: None,
    }
}

pub(crate) fn request(cpu: u32, memory: u32) -> Request {
    Request {
        cluster: cluster(),
        demand: demand(cpu, memory),
        group: group("family:web"),
        constraints: Vec::new(),
        requires: Vec::new(),
        zones: None,
        strategies: Vec::new(),
    }
}
