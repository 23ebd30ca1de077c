use std::sync::Arc;

use serde_json::{Value, json};
use shapes::stored;
use state::{
    Container, DefinitionStatus, Demand, Desired, Health, LaunchType, Membership, Revision, Status,
    TaskDefinition,
};
use types::{AccountId, ClusterName, ContainerName, Family, Group, InstanceId, Region, Zone};
use types::{ServiceName, TaskId, Timestamp};

use super::*;

pub(crate) fn home() -> Home {
    Home {
        region: Region::parse("us-east-1").expect("valid"),
        account: AccountId::parse("123456789012").expect("valid"),
    }
}

fn revision() -> Revision {
    Revision { family: Family::parse("web").expect("valid"), number: 3 }
}

pub(crate) fn assigned(
    spec: &ecs::RegisterTaskDefinitionRequest,
    network: NetworkMode,
) -> Assigned {
    let container = Container {
        name: ContainerName::parse("app").expect("valid"),
        id: (0..16).collect(),
        gpus: Vec::new(),
        last: Status::Pending,
        runtime_id: None,
        exit_code: None,
        reason: None,
        bindings: Vec::new(),
        image_digest: None,
        pinned_digest: None,
        health: Health::Unknown,
    };
    let task = Task {
        id: TaskId::new(1),
        cluster: ClusterName::parse("default").expect("valid"),
        revision: revision(),
        instance: InstanceId::new(9),
        zone: Zone::parse("us-east-1a").expect("valid"),
        group: Group::parse("family:web").expect("valid"),
        started_by: None,
        token: None,
        audit: 1,
        launch: LaunchType::Ec2,
        demand: Demand::default(),
        overrides: Vec::new(),
        tags: Vec::new(),
        desired: Desired::Running,
        last: Status::Pending,
        containers: vec![container],
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
    };
    let definition = TaskDefinition {
        revision: revision(),
        status: DefinitionStatus::Active,
        spec: stored::to_vec(spec),
        demand: Demand::default(),
        network,
        requires: Vec::new(),
        member_of: Vec::new(),
        registered_at: Timestamp(0),
        registered_by: String::new(),
        deregistered_at: None,
        delete_requested_at: None,
        tags: Vec::new(),
    };
    Assigned { task: Arc::new(task), definition: Some(Arc::new(definition)), key: None }
}

fn app() -> ecs::ContainerDefinition {
    ecs::ContainerDefinition {
        name: Some("app".into()),
        image: Some("nginx:1".into()),
        ..Default::default()
    }
}

fn request(container: ecs::ContainerDefinition) -> ecs::RegisterTaskDefinitionRequest {
    ecs::RegisterTaskDefinitionRequest {
        container_definitions: Some(vec![container]),
        ..Default::default()
    }
}

fn told(assigned: &Assigned) -> (acs::Task, Value, Value) {
    let home = home();
    let words = task(Surroundings { home: &home, region: None }, assigned).expect("tellable");
    let docker = words.containers.as_ref().and_then(|it| it.first()?.docker_config.clone());
    let docker = docker.expect("one container");
    let parse = |it: Option<String>| serde_json::from_str(&it.expect("given")).expect("JSON");
    (words, parse(docker.config), parse(docker.host_config))
}

#[test]
fn a_plain_container_says_only_what_was_registered() {
    let (words, config, host) = told(&assigned(&request(app()), NetworkMode::Bridge));
    assert_eq!(config, json!({}));
    assert_eq!(host, json!({ "NetworkMode": "bridge" }));
    assert_eq!(
        words.arn.as_deref(),
        Some("arn:aws:ecs:us-east-1:123456789012:task/default/00000000000000000000000000000001")
    );
    let container = words.containers.expect("containers").remove(0);
    assert_eq!(
        container.container_arn.as_deref(),
        Some(
            "arn:aws:ecs:us-east-1:123456789012:container/default/\
             00000000000000000000000000000001/00010203-0405-0607-0809-0a0b0c0d0e0f"
        )
    );
    assert_eq!(container.essential, Some(true));
}

#[test]
fn tasks_of_service_connect_look_names_up_in_their_namespace_first() {
    let own =
        ecs::ContainerDefinition { dns_search_domains: Some(vec!["corp.example".into()]), ..app() };
    for network in [NetworkMode::Bridge, NetworkMode::Awsvpc] {
        let mut assigned = assigned(&request(own.clone()), network);
        let plain = told(&assigned).2;
        assert_eq!(
            (&plain["DnsSearch"], &plain["DnsOptions"]),
            (&json!(["corp.example"]), &Value::Null)
        );
        let mut task = assigned.task.as_ref().clone();
        task.service = Some(Box::new(member("ns-1")));
        assigned.task = Arc::new(task);
        let host = told(&assigned).2;
        assert_eq!(host["DnsSearch"], json!(["ns-1.service-connect.internal", "corp.example"]));
        assert_eq!(host["DnsOptions"], json!(["ndots:15"]));
    }
}

/// What a task of a service that takes part in a namespace belongs to.
fn member(namespace: &str) -> Membership {
    Membership {
        service: ServiceName::parse("web").expect("valid"),
        deployment: 1,
        revision: 1,
        targets: Vec::new(),
        healthy_at: None,
        protected_until: None,
        settled_at: None,
        namespace: Some(namespace.into()),
    }
}

#[test]
fn a_container_that_is_pinned_is_told_with_its_digest() {
    let image = |named: &str, digest: Option<&str>| {
        let spec = request(ecs::ContainerDefinition { image: Some(named.into()), ..app() });
        let mut it = assigned(&spec, NetworkMode::Bridge);
        let task = Arc::make_mut(&mut it.task);
        task.containers[0].pinned_digest = digest.map(Into::into);
        task.containers[0].image_digest = Some("sha256:ff".into());
        told(&it).0.containers.expect("containers").remove(0).image.expect("given")
    };
    assert_eq!(image("nginx:1", Some("sha256:00")), "nginx:1@sha256:00");
    assert_eq!(image("nginx@sha256:11", Some("sha256:00")), "nginx@sha256:11");
    assert_eq!(image("nginx:1", None), "nginx:1", "a task outside services follows its tag");
}

#[test]
fn linux_parameters_and_checks_are_said_in_dockers_words() {
    let container = ecs::ContainerDefinition {
        memory: Some(128),
        health_check: Some(ecs::HealthCheck {
            command: Some(vec!["CMD".into(), "true".into()]),
            interval: Some(5),
            ..Default::default()
        }),
        ulimits: Some(vec![ecs::Ulimit {
            name: Some("nofile".into()),
            soft_limit: Some(10),
            hard_limit: Some(20),
        }]),
        linux_parameters: Some(ecs::LinuxParameters {
            capabilities: Some(ecs::KernelCapabilities {
                add: Some(vec!["NET_ADMIN".into()]),
                drop: None,
            }),
            init_process_enabled: Some(true),
            shared_memory_size: Some(64),
            max_swap: Some(32),
            tmpfs: Some(vec![ecs::Tmpfs {
                container_path: Some("/tmp".into()),
                mount_options: Some(vec!["noexec".into()]),
                size: Some(8),
            }]),
            ..Default::default()
        }),
        log_configuration: Some(ecs::LogConfiguration {
            log_driver: Some("awslogs".into()),
            options: Some(
                [("awslogs-group", "g"), ("awslogs-stream-prefix", "p")]
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .into(),
            ),
            secret_options: None,
        }),
        ..app()
    };
    let (_, config, host) = told(&assigned(&request(container), NetworkMode::Awsvpc));
    assert_eq!(
        config["Healthcheck"],
        json!({
            "Test": ["CMD", "true"], "Interval": 5_000_000_000_i64, "Timeout": 5_000_000_000_i64,
            "Retries": 3, "StartPeriod": 0,
        })
    );
    assert_eq!(
        host,
        json!({
            "NetworkMode": "awsvpc", "Init": true, "ShmSize": 67_108_864, "MemorySwap": 167_772_160,
            "CapAdd": ["NET_ADMIN"], "Tmpfs": { "/tmp": "noexec,size=8m" },
            "Ulimits": [{ "Name": "nofile", "Soft": 10, "Hard": 20 }],
            "LogConfig": { "Type": "awslogs", "Config": {
                "awslogs-group": "g",
                "awslogs-stream": "p/app/00000000000000000000000000000001",
            }},
        })
    );
}

#[test]
fn overrides_win_over_the_definition() {
    let pair = |name: &str, value: &str| ecs::KeyValuePair {
        name: Some(name.into()),
        value: Some(value.into()),
    };
    let container = ecs::ContainerDefinition {
        command: Some(vec!["old".into()]),
        environment: Some(vec![pair("A", "1"), pair("B", "2")]),
        ..app()
    };
    let mut it = assigned(&request(container), NetworkMode::Bridge);
    let overrides = ecs::TaskOverride {
        container_overrides: Some(vec![ecs::ContainerOverride {
            name: Some("app".into()),
            command: Some(vec!["new".into()]),
            environment: Some(vec![pair("B", "3")]),
            cpu: Some(7),
            ..Default::default()
        }]),
        ..Default::default()
    };
    it.task = Arc::new(Task { overrides: stored::to_vec(&overrides), ..it.task.as_ref().clone() });
    let (words, _, _) = told(&it);
    let container = words.containers.expect("containers").remove(0);
    assert_eq!(container.command, Some(vec!["new".into()]));
    assert_eq!(container.cpu, Some(7));
    let environment = container.environment.expect("environment");
    assert_eq!(environment.get("A").map(String::as_str), Some("1"));
    assert_eq!(environment.get("B").map(String::as_str), Some("3"));
}

#[test]
fn an_agent_is_told_the_gpus_of_each_container() {
    let mut assigned =
        assigned(&ecs::RegisterTaskDefinitionRequest::default(), NetworkMode::Bridge);
    let around = Surroundings { home: &home(), region: None };
    assert_eq!(task(around, &assigned).expect("tellable").associations, None);

    let row = Arc::make_mut(&mut assigned.task);
    row.containers[0].gpus = vec!["GPU-1".into(), "GPU-2".into()];
    let told = task(around, &assigned).expect("tellable").associations.expect("two");
    let told: Vec<_> = told
        .iter()
        .map(|it| (it.name.as_deref(), it.containers.as_deref(), it.r#type.clone()))
        .collect();
    let app = ["app".to_owned()];
    let gpu = Some(acs::AssociationType::Gpu);
    assert_eq!(
        told,
        [(Some("GPU-1"), Some(&app[..]), gpu.clone()), (Some("GPU-2"), Some(&app[..]), gpu)]
    );
}

#[test]
fn task_sizes_are_told_however_they_were_written() {
    for (cpu, memory) in [("512", "1024"), (".5 vCPU", "1 GB")] {
        let spec = ecs::RegisterTaskDefinitionRequest {
            cpu: Some(cpu.into()),
            memory: Some(memory.into()),
            ..request(app())
        };
        let mut it = assigned(&spec, NetworkMode::Bridge);
        let demand =
            Demand { cpu: types::Cpu(512), memory: types::MemoryMib(1024), ..Demand::default() };
        it.task = Arc::new(Task { demand, ..it.task.as_ref().clone() });
        let (words, _, _) = told(&it);
        assert_eq!((words.cpu, words.memory), (Some(0.5), Some(1024)), "{cpu}, {memory}");
    }
    let (words, _, _) = told(&assigned(&request(app()), NetworkMode::Bridge));
    assert_eq!((words.cpu, words.memory), (None, None));
}
