use std::collections::BTreeMap;

use shapes::ecs as shape;
use state::{AccessKey, Change, Purpose, Task};
use types::{ClusterName, InstanceId, Timestamp};

use super::*;
use crate::ecs::{Error, task_definitions, tasks};
use crate::fixture::{Fixture, home, region};

const DOCUMENT: &str = r#"{"accountId": "123456789012", "architecture": "x86_64",
    "availabilityZone": "us-east-1b", "imageId": "ami-1", "instanceId": "i-0123456789abcdef0",
    "instanceType": "stub.large", "pendingTime": "2026-01-01T00:00:00Z"}"#;

/// What the genuine agent registers with, in short.
fn asked() -> shape::RegisterContainerInstanceRequest {
    let set = |name: &str, values: &[&str]| shape::Resource {
        name: Some(name.into()),
        r#type: Some("STRINGSET".into()),
        string_set_value: Some(values.iter().map(|it| (*it).to_owned()).collect()),
        ..Default::default()
    };
    shape::RegisterContainerInstanceRequest {
        cluster: Some("default".into()),
        client_token: Some("life-1".into()),
        instance_identity_document: Some(DOCUMENT.into()),
        instance_identity_document_signature: Some("unread".into()),
        total_resources: Some(vec![
            number("CPU", 2048),
            number("MEMORY", 24_105),
            set("PORTS", &["22", "2375", "51678"]),
            set("PORTS_UDP", &[]),
        ]),
        attributes: Some(vec![
            attribute("stack", Some("prod")),
            attribute("ecs.capability.container-ordering", None),
            attribute("ecs.os-family", Some("LINUX")),
            attribute("empty", Some("")),
        ]),
        version_info: Some(shape::VersionInfo {
            agent_version: Some("1.105.1".into()),
            agent_hash: Some("a8b3e7d3".into()),
            docker_version: Some("DockerVersion: 20.10.24".into()),
        }),
        ..Default::default()
    }
}

fn number(name: &str, value: i32) -> shape::Resource {
    shape::Resource {
        name: Some(name.into()),
        r#type: Some("INTEGER".into()),
        integer_value: Some(value),
        ..Default::default()
    }
}

fn attribute(name: &str, value: Option<&str>) -> shape::Attribute {
    shape::Attribute { name: Some(name.into()), value: value.map(Into::into), ..Default::default() }
}

/// Registers and checks what must hold after every registration.
fn register(
    world: &mut Fixture,
    ask: shape::RegisterContainerInstanceRequest,
) -> Result<shape::ContainerInstance, Error> {
    let answer = world.write(register_container_instance, ask);
    assert_eq!(plan::placement::verify(&world.state), Vec::<String>::new());
    Ok(answer?.container_instance.expect("an instance"))
}

fn arn(it: &shape::ContainerInstance) -> String {
    it.container_instance_arn.clone().expect("an ARN")
}

fn id(it: &shape::ContainerInstance) -> InstanceId {
    InstanceId::parse(arn(it).rsplit('/').next().expect("a tail")).expect("an id")
}

fn attributes(it: &shape::ContainerInstance) -> BTreeMap<String, Option<String>> {
    let all = it.attributes.clone().expect("attributes");
    all.into_iter().map(|it| (it.name.expect("a name"), it.value)).collect()
}

fn connect(world: &mut Fixture, id: InstanceId) {
    world.step(|draft, context| plan::instances::connect(draft, id, context.now));
}

/// Makes an agent's key for a cluster and signs with it from now on.
fn sign_as_agent(world: &mut Fixture, name: &str, cluster: &str) {
    let cluster = ClusterName::parse(cluster).expect("valid");
    world.state.apply(Change::from(AccessKey {
        id: name.into(),
        secret: "secret".into(),
        session_token: None,
        expires_at: None,
        purpose: Purpose::Agent(cluster),
        created_at: Timestamp(0),
    }));
    world.access_key = name.into();
}

/// Runs so many tasks of 256 CPU units on the one instance that there is.
fn run(world: &mut Fixture, count: i32) -> Vec<Task> {
    let definition = shape::RegisterTaskDefinitionRequest {
        family: Some("web".into()),
        container_definitions: Some(vec![shape::ContainerDefinition {
            name: Some("app".into()),
            image: Some("nginx".into()),
            cpu: Some(256),
            memory: Some(200),
            ..Default::default()
        }]),
        ..Default::default()
    };
    world.write(task_definitions::register_task_definition, definition).expect("registers");
    let ask = shape::RunTaskRequest {
        task_definition: Some("web".into()),
        count: Some(count),
        ..Default::default()
    };
    let answer = world.write(tasks::run_task, ask).expect("answers");
    assert_eq!(answer.failures, Some(vec![]));
    world.state.tasks().values().map(|it| it.as_ref().clone()).collect()
}

#[test]
fn what_an_agent_registers_is_echoed_exactly() {
    let mut world = region();
    let made = register(&mut world, asked()).expect("registers");
    let all = attributes(&made);
    for given in asked().attributes.into_iter().flatten() {
        let name = given.name.expect("a name");
        assert_eq!(all.get(&name), Some(&given.value), "{name}");
    }
    assert_eq!(made.version_info, asked().version_info);
    assert_eq!(made.ec2_instance_id.as_deref(), Some("i-0123456789abcdef0"));
    assert_eq!(made.status.as_deref(), Some("ACTIVE"));
    assert_eq!(made.agent_connected, Some(false), "its session does not stand yet");
    assert_eq!(made.registered_resources, made.remaining_resources);
    let resources = made.registered_resources.expect("resources");
    let names: Vec<_> = resources.iter().filter_map(|it| it.name.as_deref()).collect();
    assert_eq!(names, ["CPU", "MEMORY", "PORTS", "PORTS_UDP"]);
    assert_eq!(resources[0].integer_value, Some(2048));
    let ports = resources[2].string_set_value.clone().expect("ports");
    assert_eq!(ports, ["22", "2375", "51678"]);
}

#[test]
fn the_place_of_a_machine_is_read_from_its_identity_document() {
    let mut world = region();
    let subnet = world.state.region()[&()].subnets[1].id.clone();
    let all = attributes(&register(&mut world, asked()).expect("registers"));
    let wanted = [
        ("ecs.availability-zone", "us-east-1b"),
        ("ecs.instance-type", "stub.large"),
        ("ecs.ami-id", "ami-1"),
        ("ecs.cpu-architecture", "x86_64"),
        ("ecs.os-type", "linux"),
        ("ecs.subnet-id", &subnet),
    ];
    for (name, value) in wanted {
        assert_eq!(all.get(name), Some(&Some(value.to_owned())), "{name}");
    }
}

#[test]
fn a_machine_without_a_document_stands_where_its_attribute_says_else_in_the_first_zone() {
    let place = ("ecs.availability-zone", "us-east-1c");
    for (said, zone) in [(vec![attribute(place.0, Some(place.1))], place.1), (vec![], "us-east-1a")]
    {
        let mut world = region();
        let ask = shape::RegisterContainerInstanceRequest {
            instance_identity_document: None,
            attributes: Some(said),
            ..asked()
        };
        let made = register(&mut world, ask).expect("registers");
        assert_eq!(attributes(&made)["ecs.availability-zone"].as_deref(), Some(zone));
        let made_up = made.ec2_instance_id.expect("an id");
        assert_eq!((&made_up[..2], made_up.len()), ("i-", 19));
    }
}

#[test]
fn an_agent_that_remembers_keeps_its_identity_its_tasks_and_what_users_set() {
    let mut world = region();
    let first = register(&mut world, asked()).expect("registers");
    connect(&mut world, id(&first));
    run(&mut world, 2);
    let put = shape::PutAttributesRequest {
        cluster: None,
        attributes: Some(vec![shape::Attribute {
            target_id: Some(arn(&first)),
            ..attribute("disk", Some("fast"))
        }]),
    };
    world.write(crate::ecs::attributes::put_attributes, put).expect("puts");

    let again = shape::RegisterContainerInstanceRequest {
        container_instance_arn: Some(arn(&first)),
        version_info: Some(shape::VersionInfo {
            agent_version: Some("1.106.0".into()),
            ..Default::default()
        }),
        ..asked()
    };
    let back = register(&mut world, again).expect("registers");
    assert_eq!(arn(&back), arn(&first));
    assert_eq!(attributes(&back)["disk"].as_deref(), Some("fast"));
    assert_eq!(back.version_info.expect("versions").agent_version.as_deref(), Some("1.106.0"));
    assert_eq!(back.registered_at, first.registered_at);
    assert!(back.version > first.version);
    assert_eq!(back.pending_tasks_count, Some(2));
    assert!(world.state.tasks().values().all(|it| !it.is_over()));
    assert_eq!(world.state.container_instances().len(), 1);
}

#[test]
fn a_machine_of_another_size_must_register_afresh() {
    let mut world = region();
    let first = register(&mut world, asked()).expect("registers");
    for (cpu, memory) in [(4096, 24_105), (2048, 24_104)] {
        let again = shape::RegisterContainerInstanceRequest {
            container_instance_arn: Some(arn(&first)),
            total_resources: Some(vec![number("CPU", cpu), number("MEMORY", memory)]),
            ..asked()
        };
        let refused = register(&mut world, again).expect_err("refused");
        let text = "Container instance type changes are not supported.";
        assert_eq!(refused, Error::client(text));
    }
}

#[test]
fn an_arn_that_is_not_known_is_no_way_to_register() {
    let mut world = region();
    let made = register(&mut world, asked()).expect("registers");
    let elsewhere = arn(&made).replace("/default/", "/other/");
    let unknown =
        home().instance(&ClusterName::parse("default").expect("valid"), InstanceId::new(9));
    for arn in [elsewhere, unknown, "nonsense".into()] {
        let ask = shape::RegisterContainerInstanceRequest {
            container_instance_arn: Some(arn.clone()),
            ..asked()
        };
        let refused = register(&mut world, ask);
        assert!(matches!(refused, Err(Error::InvalidParameter(_))), "{arn}");
    }
}

#[test]
fn malformed_registrations_are_refused_and_change_nothing() {
    let resources =
        |it| shape::RegisterContainerInstanceRequest { total_resources: Some(it), ..asked() };
    let set = |name: &str, value: &str| shape::Resource {
        name: Some(name.into()),
        string_set_value: Some(vec![value.into()]),
        ..Default::default()
    };
    let sizes = || vec![number("CPU", 1), number("MEMORY", 1)];
    let cases = [
        resources(vec![]),
        resources(vec![number("CPU", 1)]),
        resources(vec![number("CPU", -1), number("MEMORY", 1)]),
        resources([sizes(), vec![set("PORTS", "ssh")]].concat()),
        resources([sizes(), vec![set("PORTS_UDP", "65536")]].concat()),
        shape::RegisterContainerInstanceRequest {
            attributes: Some(vec![attribute("", Some("x"))]),
            ..asked()
        },
        shape::RegisterContainerInstanceRequest {
            instance_identity_document: Some(r#"{"availabilityZone": "a zone"}"#.into()),
            ..asked()
        },
    ];
    let mut world = region();
    for ask in cases {
        let refused = register(&mut world, ask.clone());
        assert!(matches!(refused, Err(Error::InvalidParameter(_))), "{ask:?}");
    }
    let nowhere =
        shape::RegisterContainerInstanceRequest { cluster: Some("nope".into()), ..asked() };
    assert_eq!(register(&mut world, nowhere), Err(Error::ClusterNotFound));
}

#[test]
fn an_agents_key_opens_its_own_cluster_only() {
    let mut world = region();
    sign_as_agent(&mut world, "AKIAOTHER", "other");
    let refused = register(&mut world, asked());
    assert!(matches!(refused, Err(Error::AccessDenied(_))), "{refused:?}");
    sign_as_agent(&mut world, "AKIAMINE", "default");
    register(&mut world, asked()).expect("registers");
}

#[test]
fn an_agent_cannot_take_over_what_another_registered() {
    let mut world = region();
    sign_as_agent(&mut world, "AKIAFIRST", "default");
    let first = register(&mut world, asked()).expect("registers");
    sign_as_agent(&mut world, "AKIASECOND", "default");
    let by_name = shape::RegisterContainerInstanceRequest {
        container_instance_arn: Some(arn(&first)),
        ..asked()
    };
    // The machine's id is no secret, so it proves nothing either.
    for ask in [by_name, asked()] {
        let refused = register(&mut world, ask);
        assert!(matches!(refused, Err(Error::AccessDenied(_))), "{refused:?}");
    }
    let row = world.state.container_instance(id(&first)).expect("a row");
    assert_eq!(row.owner, "AKIAFIRST");
}

#[test]
fn describe_tells_what_is_there_and_what_is_missing() {
    let mut world = region();
    let ids = [1, 2].map(|it| world.instance(it));
    let cluster = ClusterName::parse("default").expect("valid");
    let missing = home().instance(&cluster, InstanceId::new(9));
    let ask = shape::DescribeContainerInstancesRequest {
        container_instances: Some(vec![
            ids[1].to_string(),
            home().instance(&cluster, ids[0]),
            missing.clone(),
        ]),
        ..Default::default()
    };
    let answer = world.read(describe_container_instances, ask).expect("answers");
    let found: Vec<_> = answer.container_instances.iter().flatten().map(id).collect();
    assert_eq!(found, [ids[1], ids[0]], "in the order asked for");
    let failures = answer.failures.expect("failures");
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].arn, Some(missing));
    assert_eq!(failures[0].reason.as_deref(), Some("MISSING"));

    for count in [0, 101] {
        let ask = shape::DescribeContainerInstancesRequest {
            container_instances: Some(vec![ids[0].to_string(); count]),
            ..Default::default()
        };
        let refused = world.read(describe_container_instances, ask);
        assert!(matches!(refused, Err(Error::InvalidParameter(_))), "{count}");
    }
}

#[test]
fn what_tasks_hold_is_not_remaining() {
    let mut world = region();
    let made = register(&mut world, asked()).expect("registers");
    connect(&mut world, id(&made));
    run(&mut world, 3);
    let ask = shape::DescribeContainerInstancesRequest {
        container_instances: Some(vec![arn(&made)]),
        ..Default::default()
    };
    let answer = world.read(describe_container_instances, ask).expect("answers");
    let now = answer.container_instances.expect("instances").remove(0);
    assert_eq!((now.pending_tasks_count, now.agent_connected), (Some(3), Some(true)));
    assert_eq!(now.registered_resources, made.registered_resources);
    let left = now.remaining_resources.expect("resources");
    assert_eq!(left[0].integer_value, Some(2048 - 3 * 256));
    assert_eq!(left[1].integer_value, Some(24_105 - 3 * 200));
}

mod forgetful;
mod lists_and_states;
