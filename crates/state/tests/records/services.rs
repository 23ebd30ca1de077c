//! Services, their revisions, deployments and events.

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use state::{
    AlarmWatch, Breaker, Change, ConnectEndpoint, Container, Deployment, DeploymentAlarms,
    Membership, Node, Remark, RemarkKind, Remarks, Rollback, Rollout, Scheduling, Service,
    ServiceDeployment, ServiceDeploymentKey, ServiceDeploymentStatus, ServiceEvent,
    ServiceEventKey, ServiceKey, ServiceRegistry, ServiceRevision, ServiceRevisionKey,
    ServiceStatus, ServiceTarget, Switch, Tag, TargetKey, Task, Threshold, Traffic, Watching,
};
use types::{ClusterName, ContainerName, ServiceName};

use super::{at, container, least_task, zone};

pub(super) fn all() -> Vec<super::Named> {
    vec![
        ("06-task-of-service", serving_task().into()),
        ("30-service", service().into()),
        ("30-service-least", least_service().into()),
        ("31-service-revision", revision().into()),
        ("32-service-deployment", service_deployment().into()),
        ("32-service-deployment-least", least_service_deployment().into()),
        ("30-service-alarms", watched_service().into()),
        ("32-service-deployment-alarms", watched_deployment().into()),
        ("33-service-event", Change::from(event())),
        ("30-service-remarks", remarking_service().into()),
        ("31-service-revision-unresolved", unresolved_revision().into()),
        ("06-task-pinned", pinned_task().into()),
        ("34-connect-endpoint", endpoint().into()),
        ("34-connect-endpoint-least", least_endpoint().into()),
    ]
}

fn key() -> ServiceKey {
    ServiceKey {
        cluster: ClusterName::parse("default").expect("valid"),
        name: ServiceName::parse("web").expect("valid"),
    }
}

fn serving_task() -> Task {
    let member = Membership {
        service: key().name,
        deployment: 1_234_567_890_123_456_789,
        revision: 2_234_567_890_123_456_789,
        targets: vec![TargetKey { group: "arn:group".into(), id: "172.31.16.4".into(), port: 80 }],
        healthy_at: Some(at(3)),
        protected_until: Some(at(7200)),
        settled_at: None,
        namespace: None,
    };
    Task { service: Some(Box::new(member)), ..least_task() }
}

fn deployment() -> Deployment {
    Deployment {
        id: 1_234_567_890_123_456_789,
        revision: 2_234_567_890_123_456_789,
        rollout: Rollout::InProgress,
        reason: "ECS deployment ecs-svc/1234567890123456789 in progress.".into(),
        completed_at: Some(at(9)),
        failed: 2,
        stumbles: 1,
        wait_until: Some(at(12)),
        created_at: at(1),
        updated_at: at(2),
        service_deployment: 3_234_567_890_123_456_789,
        paced_until: None,
    }
}

fn service() -> Service {
    Service {
        breaker: Some(Breaker {
            threshold: Threshold::Bounded(50),
            rollback: Switch::On,
            reset_on_healthy_task: Switch::Off,
        }),
        deployments: vec![
            deployment(),
            Deployment { rollout: Rollout::Completed, wait_until: None, ..deployment() },
            Deployment { rollout: Rollout::Failed, completed_at: None, ..deployment() },
        ],
        completed_revision: Some(2),
        steady_at: Some(at(4)),
        tags: vec![Tag { key: "team".into(), value: "chat".into() }],
        deleted_at: Some(at(99)),
        token: Some("once".into()),
        ..least_service()
    }
}

fn least_service() -> Service {
    Service {
        key: key(),
        status: ServiceStatus::Active,
        spec: vec![1, 2, 3],
        scheduling: Scheduling::Replica,
        desired: 4,
        minimum_percent: 100,
        maximum_percent: 200,
        breaker: None,
        grace: Duration::from_secs(30),
        rebalancing: Switch::On,
        deployments: Vec::new(),
        service_deployment: 3_234_567_890_123_456_789,
        completed_revision: None,
        steady_at: None,
        last_event: 7,
        tags: Vec::new(),
        created_at: at(1),
        created_by: "arn:aws:iam::123456789012:root".into(),
        deleted_at: None,
        remarks: Remarks::default(),
        token: None,
        alarms: None,
    }
}

fn watched_service() -> Service {
    let alarms = DeploymentAlarms { names: vec!["errors".into()], rollback: Switch::On };
    Service { alarms: Some(alarms), ..least_service() }
}

fn watched_deployment() -> ServiceDeployment {
    let watch = AlarmWatch {
        names: vec!["errors".into(), "slow".into()],
        status: Watching::Triggered,
        triggered: vec!["errors".into()],
        baked_at: Some(at(60)),
    };
    ServiceDeployment { watch: Some(watch), ..least_service_deployment() }
}

fn remarking_service() -> Service {
    let remark = |kind, sentence: &str| Remark { kind, sentence: sentence.into() };
    let kinds = [
        RemarkKind::NoPlace,
        RemarkKind::Throttled,
        RemarkKind::Stuck,
        RemarkKind::Protected,
        RemarkKind::Rebalancing,
        RemarkKind::NotMoved,
        RemarkKind::NotRegistered,
        RemarkKind::Unused,
    ];
    let remarks = kinds.into_iter().map(|it| remark(it, "is so.")).collect();
    Service { remarks, ..least_service() }
}

fn unresolved_revision() -> ServiceRevision {
    let digests = BTreeMap::new();
    ServiceRevision { digests, unresolved_at: Some(at(4)), ..revision() }
}

fn pinned_task() -> Task {
    let mut task = least_task();
    let pinned_digest = Some("sha256:00".into());
    task.containers = vec![Container { pinned_digest, ..container() }];
    task
}

fn revision() -> ServiceRevision {
    let container = ContainerName::parse("web").expect("valid");
    ServiceRevision {
        key: ServiceRevisionKey { service: key(), id: 2_234_567_890_123_456_789 },
        definition: least_task().revision,
        spec: vec![4, 5],
        targets: vec![
            ServiceTarget {
                group: Some("arn:group".into()),
                classic: None,
                container: "web".into(),
                port: 3000,
            },
            ServiceTarget {
                group: None,
                classic: Some("old".into()),
                container: "web".into(),
                port: 3001,
            },
        ],
        registries: vec![ServiceRegistry {
            arn: "arn:registry".into(),
            container: Some("web".into()),
            container_port: Some(3000),
            port: None,
        }],
        digests: BTreeMap::from([(container, "sha256:00".to_owned())]),
        unresolved_at: None,
        created_at: at(1),
    }
}

fn service_deployment() -> ServiceDeployment {
    ServiceDeployment {
        status: ServiceDeploymentStatus::RollbackInProgress,
        status_reason: Some("tasks failed to start".into()),
        sources: vec![1, 2],
        rollback: Some(Rollback { reason: "breaker".into(), started_at: at(5), revision: 1 }),
        failures: 3,
        started_at: Some(at(1)),
        finished_at: Some(at(6)),
        stopped_at: Some(at(6)),
        ..least_service_deployment()
    }
}

fn least_service_deployment() -> ServiceDeployment {
    ServiceDeployment {
        key: ServiceDeploymentKey { service: key(), id: 3_234_567_890_123_456_789 },
        status: ServiceDeploymentStatus::Pending,
        status_reason: None,
        sources: Vec::new(),
        target: 2_234_567_890_123_456_789,
        rollback: None,
        failures: 0,
        created_at: at(0),
        started_at: None,
        updated_at: at(0),
        finished_at: None,
        stopped_at: None,
        watch: None,
    }
}

fn event() -> ServiceEvent {
    ServiceEvent {
        key: ServiceEventKey { service: key(), number: 7 },
        at: at(8),
        id: vec![7; 16],
        message: "(service web) has reached a steady state.".into(),
    }
}

fn endpoint() -> ConnectEndpoint {
    ConnectEndpoint {
        discovery_name: "api".into(),
        traffic: Traffic::Requests,
        idle: Some(Duration::from_mins(10)),
        ..least_endpoint()
    }
}

fn least_endpoint() -> ConnectEndpoint {
    ConnectEndpoint {
        arn: "arn:aws:ecs:us-east-1:123456789012:service-connect/default/web/http".into(),
        service: key(),
        port_name: "http".into(),
        namespace: "ns-0123456789abcdef".into(),
        discovery_name: "http".into(),
        dns_name: "web".into(),
        port: 8080,
        traffic: Traffic::Connections,
        node: Node {
            zone: zone(),
            subnet: "subnet-1".into(),
            address: IpAddr::V4(Ipv4Addr::new(172, 31, 15, 7)),
        },
        idle: None,
    }
}
