//! One record of every kind with every field set, and one with as little as there can be.

mod alarms;
mod balancing;
mod classic;
mod discovery;
mod services;

use std::collections::BTreeMap;

use state::{
    AccessKey, Assignment, Audit, Binding, Cluster, ClusterStatus, Container, ContainerInstance,
    DefinitionStatus, Demand, Desired, FamilyRow, Health, InstanceStatus, Interface, JoinToken,
    LaunchType, NetworkMode, Outcome, Passed, Placing, Purpose, RegionRow, Resources, Revision,
    Setting, SettingKey, Status, Stop, StopCode, Subnet, Tag, Task, TaskDefinition, Token,
    TokenKey,
};
use types::{
    AccountId, ClusterName, ContainerName, Cpu, Family, Group, Home, InstanceId, MemoryMib, Port,
    Region, TaskId, Timestamp, Zone,
};

use super::Named;

const AT: i64 = 1_700_000_000_000;
const TASK: u128 = 0x1111_2222_3333_4444_5555_6666_7777_8888;
const INSTANCE: u128 = 0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100;

/// Every record that has a golden file. Additions go to the end.
pub(crate) fn all() -> Vec<Named> {
    let mut all: Vec<Named> = vec![
        ("01-region", region().into()),
        ("02-cluster", cluster().into()),
        ("03-family", FamilyRow { family: family(), last: 7 }.into()),
        ("04-task-definition", definition().into()),
        ("04-task-definition-least", least_definition().into()),
        ("05-container-instance", instance().into()),
        ("05-container-instance-least", least_instance().into()),
        ("06-task", task().into()),
        ("06-task-least", least_task().into()),
        ("06-task-placed", placed_task().into()),
        ("07-token", token().into()),
        ("08-setting", setting().into()),
        ("09-access-key-root", key("AKIAROOT", Purpose::Root).into()),
        ("09-access-key-agent", key("AKIAAGENT", Purpose::Agent(cluster_name())).into()),
        ("09-access-key-balancer", key("AKIABALANCER", Purpose::Balancer).into()),
        ("09-access-key-task", task_key().into()),
        ("10-join-token", join_token().into()),
        ("11-audit-done", audit(1, Outcome::Done).into()),
        ("11-audit-replayed", audit(2, Outcome::Replayed(1)).into()),
        ("11-audit-refused", refused().into()),
        ("12-assignment", Assignment { instance: InstanceId::new(INSTANCE), version: 9 }.into()),
    ];
    all.extend(balancing::all());
    all.extend(services::all());
    all.extend(classic::all());
    all.extend(discovery::all());
    all.extend(alarms::all());
    all
}

pub(crate) fn home() -> Home {
    Home {
        region: Region::parse("us-east-1").expect("valid"),
        account: AccountId::parse("123456789012").expect("valid"),
    }
}

fn cluster_name() -> ClusterName {
    ClusterName::parse("default").expect("valid")
}

fn family() -> Family {
    Family::parse("web").expect("valid")
}

fn zone() -> Zone {
    Zone::parse("us-east-1a").expect("valid")
}

fn tags() -> Vec<Tag> {
    vec![Tag { key: "team".into(), value: "blue".into() }]
}

fn at(seconds: i64) -> Timestamp {
    Timestamp(AT + seconds * 1000)
}

fn region() -> RegionRow {
    RegionRow {
        vpc: "vpc-0123456789abcdef0".into(),
        vpc_base: 0xac1f_0000,
        vpc_prefix: 16,
        security_group: "sg-0123456789abcdef0".into(),
        subnets: vec![Subnet {
            id: "subnet-0123456789abcdef0".into(),
            zone: zone(),
            base: 0xac1f_0000,
            prefix: 20,
        }],
        audited: 3,
    }
}

fn cluster() -> Cluster {
    Cluster {
        name: cluster_name(),
        status: ClusterStatus::Active,
        spec: vec![1, 2, 3],
        tags: tags(),
        created_at: at(0),
        inactive_at: None,
    }
}

fn definition() -> TaskDefinition {
    TaskDefinition {
        revision: Revision { family: family(), number: 3 },
        status: DefinitionStatus::DeleteInProgress,
        spec: vec![4, 5, 6],
        demand: demand(),
        network: NetworkMode::Awsvpc,
        requires: vec!["ecs.capability.task-eni".into()],
        member_of: vec!["attribute:stack == prod".into()],
        registered_at: at(0),
        registered_by: "arn:aws:iam::123456789012:root".into(),
        deregistered_at: Some(at(1)),
        delete_requested_at: Some(at(2)),
        tags: tags(),
    }
}

fn least_definition() -> TaskDefinition {
    TaskDefinition {
        revision: Revision { family: family(), number: 4 },
        status: DefinitionStatus::Active,
        spec: Vec::new(),
        demand: Demand::default(),
        network: NetworkMode::Bridge,
        requires: Vec::new(),
        member_of: Vec::new(),
        registered_at: at(0),
        registered_by: String::new(),
        deregistered_at: None,
        delete_requested_at: None,
        tags: Vec::new(),
    }
}

fn demand() -> Demand {
    Demand {
        cpu: Cpu(256),
        memory: MemoryMib(512),
        ports: vec![Port::tcp(80), Port::udp(53)],
        gpus: 1,
        interface: true,
    }
}

fn instance() -> ContainerInstance {
    ContainerInstance {
        status: InstanceStatus::Draining,
        attributes: BTreeMap::from([
            ("ecs.capability.container-ordering".to_owned(), None),
            ("stack".to_owned(), Some("prod".to_owned())),
        ]),
        resources: Resources {
            cpu: Cpu(2048),
            memory: MemoryMib(24_105),
            ports: vec![Port::tcp(22), Port::udp(68)],
            gpus: vec!["GPU-1".into(), "GPU-2".into()],
            interfaces: Some(8),
        },
        connected: true,
        given_up_at: Some(at(4)),
        agent_version: "1.105.1".into(),
        agent_hash: "a8b3e7d3".into(),
        docker_version: "DockerVersion: 20.10.24".into(),
        tags: tags(),
        owner: "AKIAAGENT".into(),
        machine: Some("i-0123456789abcdef0".into()),
        status_reason: Some("draining".into()),
        ..least_instance()
    }
}

fn least_instance() -> ContainerInstance {
    ContainerInstance {
        id: InstanceId::new(INSTANCE),
        cluster: cluster_name(),
        status: InstanceStatus::Active,
        ec2_instance_id: "i-0123456789abcdef0".into(),
        zone: zone(),
        attributes: BTreeMap::new(),
        resources: Resources::default(),
        connected: false,
        connected_at: at(1),
        given_up_at: None,
        registered_at: at(0),
        version: 2,
        agent_version: String::new(),
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

fn container() -> Container {
    Container {
        name: ContainerName::parse("app").expect("valid"),
        id: vec![7; 16],
        gpus: vec!["GPU-1".into()],
        last: Status::Stopped,
        runtime_id: Some("c2253402bb9b".into()),
        pinned_digest: None,
        exit_code: Some(137),
        reason: Some("OutOfMemoryError: Container killed due to memory usage".into()),
        bindings: vec![
            Binding {
                address: "0.0.0.0".into(),
                container: 8080,
                host: Port::tcp(32_768),
                container_last: None,
                host_last: None,
            },
            Binding {
                address: "::".into(),
                container: 100,
                host: Port::udp(49_153),
                container_last: Some(199),
                host_last: Some(49_252),
            },
        ],
        image_digest: Some("sha256:00".into()),
        health: Health::Unhealthy,
    }
}

fn task() -> Task {
    Task {
        started_by: Some("me".into()),
        token: Some("t-1".into()),
        demand: demand(),
        overrides: vec![8, 9],
        tags: tags(),
        desired: Desired::Stopped,
        last: Status::Stopped,
        containers: vec![container()],
        stop: Some(Stop { code: StopCode::UserInitiated, reason: "enough".into() }),
        pull_started_at: Some(at(1)),
        pull_stopped_at: Some(at(2)),
        started_at: Some(at(3)),
        stopping_at: Some(at(4)),
        execution_stopped_at: Some(at(5)),
        stopped_at: Some(at(6)),
        connected_at: Some(at(1)),
        interface: Some(Interface {
            attachment: vec![6; 16],
            id: "eni-0123456789abcdef0".into(),
            subnet: "subnet-0123456789abcdef0".into(),
            address: 0xac1f_0005,
            mac: vec![2, 0, 0, 0, 0, 5],
            security_groups: vec!["sg-0123456789abcdef0".into()],
        }),
        released: true,
        exec: true,
        reference: Some("order 66".into()),
        ..least_task()
    }
}

/// One that says why it was placed where it is.
fn placed_task() -> Task {
    let passed =
        Passed { instance: InstanceId::new(7), detail: "its agent is not connected".into() };
    let placing = Placing {
        strategies: vec!["spread(instanceId)".into()],
        instances: 3,
        candidates: 2,
        in_zone: 1,
        on_instance: 1,
        cpu: Cpu(1024),
        memory: MemoryMib(2048),
        refused: vec![passed],
    };
    Task { placing: Some(Box::new(placing)), ..least_task() }
}

fn least_task() -> Task {
    Task {
        id: TaskId::new(TASK),
        cluster: cluster_name(),
        revision: Revision { family: family(), number: 3 },
        instance: InstanceId::new(INSTANCE),
        zone: zone(),
        group: Group::parse("family:web").expect("valid"),
        started_by: None,
        token: None,
        audit: 3,
        launch: LaunchType::Ec2,
        demand: Demand::default(),
        overrides: Vec::new(),
        tags: Vec::new(),
        desired: Desired::Running,
        last: Status::Pending,
        containers: Vec::new(),
        stop: None,
        created_at: at(0),
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

fn token() -> Token {
    Token {
        key: TokenKey { cluster: cluster_name(), token: "t-1".into() },
        digest: vec![5; 32],
        tasks: vec![TaskId::new(TASK)],
        failures: vec![vec![1, 2].into()],
        created_at: at(0),
        expires_at: at(86_400),
        audit: 3,
    }
}

fn setting() -> Setting {
    Setting {
        key: SettingKey { principal: String::new(), name: "containerInsights".into() },
        value: "enabled".into(),
    }
}

fn key(id: &str, purpose: Purpose) -> AccessKey {
    AccessKey {
        id: id.into(),
        secret: "secret".into(),
        session_token: None,
        expires_at: None,
        purpose,
        created_at: at(0),
    }
}

fn task_key() -> AccessKey {
    let role = "arn:aws:iam::123456789012:role/app".into();
    AccessKey {
        session_token: Some("session".into()),
        expires_at: Some(at(21_600)),
        ..key("ASIATASK", Purpose::Task { task: TaskId::new(TASK), role })
    }
}

fn join_token() -> JoinToken {
    JoinToken {
        id: "join".into(),
        digest: vec![3; 32],
        cluster: cluster_name(),
        expires_at: at(3600),
    }
}

fn audit(number: u64, outcome: Outcome) -> Audit {
    Audit {
        number,
        at: at(0),
        request_id: vec![4; 16],
        source: "ecs.amazonaws.com".into(),
        operation: "RunTask".into(),
        caller: "arn:aws:iam::123456789012:root".into(),
        access_key: "AKIAROOT".into(),
        source_ip: "127.0.0.1".into(),
        user_agent: "aws-cli/2".into(),
        token: Some("t-1".into()),
        outcome,
        resources: vec!["arn:aws:ecs:us-east-1:123456789012:task/default/11".into()],
    }
}

fn refused() -> Audit {
    let outcome =
        Outcome::Refused { code: "ClientException".into(), message: "Cluster not found.".into() };
    Audit { token: None, resources: Vec::new(), ..audit(3, outcome) }
}
