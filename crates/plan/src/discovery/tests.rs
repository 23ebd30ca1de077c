use shapes::ecs as shape;
use state::{Change, Health, ServiceRevision, TaskDefinition};
use types::{TaskId, Timestamp};

use super::*;
use crate::placement::fixture;
use crate::services::fixture as services;

const ARN: &str = "arn:aws:servicediscovery:us-east-1:123456789012:service/srv-web";

/// A task of a service whose revision names a service of Cloud Map.
struct Case {
    network: NetworkMode,
    registry: ServiceRegistry,
    custom_health: bool,
    /// Whether its container is checked, and what its check says.
    check: Option<Health>,
}

fn case(network: NetworkMode, container_port: Option<u16>, port: Option<u16>) -> Case {
    let container = container_port.map(|_| "app".to_owned());
    let registry = ServiceRegistry { arn: ARN.into(), container, container_port, port };
    Case { network, registry, custom_health: true, check: None }
}

impl Case {
    fn state(&self) -> (State, Task) {
        let mut state = fixture::region();
        let mut instance = fixture::instance(1, "a", 1024, 1024);
        instance.attributes.insert("landfall.address".into(), Some("172.31.0.4".into()));
        let task = self.task(&fixture::task(7, &instance, &fixture::request(1, 1)));
        state.apply(Change::from(instance));
        state.apply(Change::from(self.definition(&task)));
        state.apply(Change::from(self.revision(&task)));
        state.apply(Change::from(self.service()));
        state.apply(Change::from(task.clone()));
        (state, task)
    }

    fn task(&self, plain: &Task) -> Task {
        let mut task = services::task(plain, self.network, &[(80, 32768)]);
        task.containers[0].health = self.check.unwrap_or(Health::Unknown);
        task
    }

    fn definition(&self, task: &Task) -> TaskDefinition {
        let health_check = self.check.map(|_| shape::HealthCheck::default());
        let app = shape::ContainerDefinition { health_check, ..Default::default() };
        services::definition(task, self.network, app)
    }

    fn revision(&self, task: &Task) -> ServiceRevision {
        ServiceRevision { registries: vec![self.registry.clone()], ..services::revision(task) }
    }

    fn service(&self) -> DiscoveryService {
        DiscoveryService {
            id: "srv-web".into(),
            namespace: "ns-1".into(),
            name: "web".into(),
            description: None,
            creator_request_id: None,
            dns: None,
            custom_health: self.custom_health,
            attributes: BTreeMap::new(),
            tags: Vec::new(),
            created_at: Timestamp(0),
            revision: 0,
        }
    }

    /// Where it is found: address, port, health.
    #[track_caller]
    fn check(&self, expected: &str) {
        let (state, task) = self.state();
        assert_eq!(shown(&entries(&state, &task)), expected);
    }
}

fn shown(entries: &[Entry]) -> String {
    let [entry] = entries else { return format!("{entries:?}") };
    let Some(it) = &entry.wanted else { return "nowhere".into() };
    assert_eq!(entry.key.id, TaskId::new(7).to_string());
    let attribute = |name: &str| it.attributes.get(name).map_or("-", String::as_str);
    let health = it.health.map_or("-".to_owned(), |it| format!("{it:?}"));
    format!("{}:{} {health}", attribute(IPV4), attribute(PORT))
}

#[test]
fn a_task_with_an_address_is_found_there() {
    case(NetworkMode::Awsvpc, None, None).check("172.31.0.9:- Healthy");
    case(NetworkMode::Awsvpc, Some(80), None).check("172.31.0.9:80 Healthy");
    case(NetworkMode::Awsvpc, None, Some(8080)).check("172.31.0.9:8080 Healthy");
}

#[test]
fn a_task_without_one_is_found_at_its_instance() {
    case(NetworkMode::Bridge, Some(80), None).check("172.31.0.4:32768 Healthy");
    case(NetworkMode::Host, Some(80), None).check("172.31.0.4:80 Healthy");
    // Its agent has not said where that port is.
    case(NetworkMode::Bridge, Some(81), None).check("nowhere");
}

#[test]
fn health_is_that_of_checked_containers_where_it_is_custom() {
    for (check, expected) in [
        (None, "Healthy"),
        (Some(Health::Unknown), "Unhealthy"),
        (Some(Health::Unhealthy), "Unhealthy"),
        (Some(Health::Healthy), "Healthy"),
    ] {
        let case = Case { check, ..case(NetworkMode::Awsvpc, None, None) };
        case.check(&format!("172.31.0.9:- {expected}"));
    }
    let case = Case { custom_health: false, ..case(NetworkMode::Awsvpc, None, None) };
    case.check("172.31.0.9:- -");
}

#[test]
fn a_task_that_does_not_run_or_leaves_is_found_nowhere() {
    let (mut state, task) = case(NetworkMode::Awsvpc, None, None).state();
    for (desired, last) in [
        (Desired::Running, Status::Activating),
        (Desired::Stopped, Status::Running),
        (Desired::Stopped, Status::Deactivating),
        (Desired::Stopped, Status::Stopped),
    ] {
        let task = Task { desired, last, ..task.clone() };
        state.apply(Change::from(task.clone()));
        assert_eq!(shown(&entries(&state, &task)), "nowhere", "{desired:?} {last:?}");
    }
}

#[test]
fn an_instance_says_of_which_service_cluster_and_machine_it_is() {
    let (state, task) = case(NetworkMode::Awsvpc, None, None).state();
    let found = entries(&state, &task).remove(0).wanted.expect("is found").attributes;
    let shown: Vec<String> = found.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(
        shown,
        [
            "AVAILABILITY_ZONE=a".to_owned(),
            "AWS_INSTANCE_IPV4=172.31.0.9".to_owned(),
            format!(
                "EC2_INSTANCE_ID={}",
                state
                    .container_instance(task.instance)
                    .map_or("", |it| { it.ec2_instance_id.as_str() })
            ),
            format!("ECS_CLUSTER_NAME={}", task.cluster),
            "ECS_SERVICE_NAME=web".to_owned(),
            format!("ECS_TASK_DEFINITION_FAMILY={}", task.revision.family),
            "REGION=us-east-1".to_owned(),
        ]
    );
}

#[test]
fn a_registry_that_is_gone_is_passed_over() {
    let (mut state, task) = case(NetworkMode::Awsvpc, None, None).state();
    state.apply(Change::DiscoveryService("srv-web".into(), None));
    assert_eq!(entries(&state, &task), []);
}
