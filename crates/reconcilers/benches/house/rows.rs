//! The rows of that region.

use core::time::Duration;
use std::collections::BTreeMap;

use shapes::{ecs as shape, stored};
use state::{
    Action, Balancer, Cluster, ClusterStatus, ContainerInstance, DefinitionStatus, Demand,
    Deployment, HealthCheck, InstanceStatus, IpAddressType, NetworkMode, Remarks, Resources,
    Revision, Rollout, Rule, Scheduling, Service, ServiceDeployment, ServiceDeploymentKey,
    ServiceDeploymentStatus, ServiceKey, ServiceRevision, ServiceRevisionKey, ServiceStatus,
    ServiceTarget, Switch, TargetGroup, TargetProtocol, TargetType, TaskDefinition, WeightedGroup,
};
use types::{ClusterName, Cpu, Family, InstanceId, MemoryMib, ServiceName, Timestamp, Zone};

pub const ZONES: [&str; 3] = ["us-east-1a", "us-east-1b", "us-east-1c"];
pub const BALANCER: &str = "balancer";
pub const CONTAINER_PORT: u16 = 80;
const GROUP: &str = "group";

fn cluster_name() -> ClusterName {
    ClusterName::parse("default").expect("valid")
}

pub fn cluster() -> Cluster {
    Cluster {
        name: cluster_name(),
        status: ClusterStatus::Active,
        spec: Vec::new(),
        tags: Vec::new(),
        created_at: Timestamp(0),
        inactive_at: None,
    }
}

fn revision() -> Revision {
    Revision { family: Family::parse("web").expect("valid"), number: 1 }
}

pub fn instance(bits: u128) -> ContainerInstance {
    let zone = ZONES[usize::try_from(bits).expect("few") % 3];
    ContainerInstance {
        id: InstanceId::new(bits),
        cluster: cluster_name(),
        status: InstanceStatus::Active,
        ec2_instance_id: format!("i-{bits:017x}"),
        zone: Zone::parse(zone).expect("valid"),
        attributes: BTreeMap::new(),
        resources: Resources {
            cpu: Cpu(200 * 64),
            memory: MemoryMib(200 * 64),
            ..Resources::default()
        },
        connected: true,
        connected_at: Timestamp(0),
        given_up_at: None,
        registered_at: Timestamp(0),
        version: 1,
        agent_version: "1.0.0".into(),
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

pub fn definition() -> TaskDefinition {
    let mapping =
        shape::PortMapping { container_port: Some(CONTAINER_PORT.into()), ..Default::default() };
    let container = shape::ContainerDefinition {
        name: Some("app".into()),
        port_mappings: Some(vec![mapping]),
        ..Default::default()
    };
    let spec = shape::RegisterTaskDefinitionRequest {
        container_definitions: Some(vec![container]),
        ..Default::default()
    };
    TaskDefinition {
        revision: revision(),
        status: DefinitionStatus::Active,
        spec: stored::to_vec(&spec),
        demand: Demand { cpu: Cpu(64), memory: MemoryMib(64), ..Demand::default() },
        network: NetworkMode::Bridge,
        requires: Vec::new(),
        member_of: Vec::new(),
        registered_at: Timestamp(0),
        registered_by: String::new(),
        deregistered_at: None,
        delete_requested_at: None,
        tags: Vec::new(),
    }
}

pub fn group() -> TargetGroup {
    TargetGroup {
        arn: GROUP.into(),
        name: GROUP.into(),
        target_type: TargetType::Instance,
        protocol: TargetProtocol::Tcp,
        port: 80,
        version: None,
        ip_address_type: IpAddressType::Ipv4,
        vpc: String::new(),
        health_check: HealthCheck {
            enabled: true,
            protocol: TargetProtocol::Tcp,
            port: None,
            path: None,
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
            healthy_threshold: 3,
            unhealthy_threshold: 3,
            matcher: None,
        },
        attributes: BTreeMap::new(),
        tags: Vec::new(),
        created_at: Timestamp(0),
    }
}

pub fn rule() -> Rule {
    Rule {
        arn: "rule".into(),
        listener: "listener".into(),
        priority: None,
        conditions: Vec::new(),
        action: Action::Forward {
            groups: vec![WeightedGroup { group: GROUP.into(), weight: 1 }],
            stickiness: None,
        },
        transforms: Vec::new(),
        spec: Vec::new(),
        tags: Vec::new(),
    }
}

pub fn balancer() -> Balancer {
    Balancer {
        name: BALANCER.into(),
        created_at: Timestamp(0),
        connected: true,
        connected_at: Timestamp(0),
        addresses: Vec::new(),
        refused: BTreeMap::new(),
    }
}

pub fn key(number: u64) -> ServiceKey {
    let name = ServiceName::parse(&format!("s{number}")).expect("valid");
    ServiceKey { cluster: cluster_name(), name }
}

pub fn service_revision(
    key: &ServiceKey,
    id: u64,
    is_balanced: bool,
    now: Timestamp,
) -> ServiceRevision {
    let target = ServiceTarget {
        group: Some(GROUP.into()),
        classic: None,
        container: "app".into(),
        port: CONTAINER_PORT,
    };
    ServiceRevision {
        key: ServiceRevisionKey { service: key.clone(), id },
        definition: revision(),
        spec: stored::to_vec(&shape::CreateServiceRequest::default()),
        targets: is_balanced.then_some(target).into_iter().collect(),
        registries: Vec::new(),
        digests: BTreeMap::new(),
        unresolved_at: None,
        created_at: now,
    }
}

pub fn service_deployment(key: &ServiceKey, id: u64, now: Timestamp) -> ServiceDeployment {
    ServiceDeployment {
        key: ServiceDeploymentKey { service: key.clone(), id },
        status: ServiceDeploymentStatus::Pending,
        status_reason: None,
        sources: Vec::new(),
        target: id,
        rollback: None,
        failures: 0,
        created_at: now,
        started_at: None,
        updated_at: now,
        finished_at: None,
        stopped_at: None,
        watch: None,
    }
}

pub fn deployment(id: u64, now: Timestamp) -> Deployment {
    Deployment {
        id,
        revision: id,
        rollout: Rollout::InProgress,
        reason: String::new(),
        completed_at: None,
        failed: 0,
        stumbles: 0,
        wait_until: None,
        created_at: now,
        updated_at: now,
        service_deployment: id,
        paced_until: None,
    }
}

pub fn service(key: ServiceKey, deployment: Deployment, desired: u32, now: Timestamp) -> Service {
    Service {
        key,
        status: ServiceStatus::Active,
        spec: stored::to_vec(&shape::CreateServiceRequest::default()),
        scheduling: Scheduling::Replica,
        desired,
        minimum_percent: 100,
        maximum_percent: 200,
        breaker: None,
        grace: Duration::ZERO,
        rebalancing: Switch::Off,
        service_deployment: deployment.id,
        deployments: vec![deployment],
        completed_revision: None,
        steady_at: None,
        last_event: 0,
        tags: Vec::new(),
        created_at: now,
        created_by: String::new(),
        deleted_at: None,
        remarks: Remarks::default(),
        token: None,
        alarms: None,
    }
}
