use shapes::ecs as shape;
use state::{Desired, Status, Task};
use types::{TaskId, Timestamp};

use super::*;
use crate::ecs::{Error, container_instances, task_definitions};
use crate::fixture::{Fixture, region};
use crate::reports;

/// A region with so many connected instances of 1,024 CPU units and 2,000 MiB, and a family `web`
/// whose tasks take 256 units and 200 MiB.
fn world(instances: usize) -> Fixture {
    let mut world = region();
    let zones = ["us-east-1a", "us-east-1b", "us-east-1c"];
    for zone in zones.iter().cycle().take(instances) {
        join(&mut world, "default", zone);
    }
    define(&mut world, "web", |_| {});
    world
}

fn join(world: &mut Fixture, cluster: &str, zone: &str) -> String {
    let number = |name: &str, value| shape::Resource {
        name: Some(name.into()),
        integer_value: Some(value),
        ..Default::default()
    };
    let ask = shape::RegisterContainerInstanceRequest {
        cluster: Some(cluster.into()),
        instance_identity_document: Some(format!("{{\"availabilityZone\":\"{zone}\"}}")),
        total_resources: Some(vec![number("CPU", 1024), number("MEMORY", 2000)]),
        attributes: Some(
            ["ecs.capability.task-eni", "com.amazonaws.ecs.capability.docker-remote-api.1.18"]
                .map(|name| shape::Attribute { name: Some(name.into()), ..Default::default() })
                .into(),
        ),
        ..Default::default()
    };
    let made = world
        .write(container_instances::register_container_instance, ask)
        .expect("registers")
        .container_instance
        .expect("an instance");
    let arn = made.container_instance_arn.expect("an ARN");
    let id = types::InstanceId::parse(arn.rsplit('/').next().expect("a tail")).expect("an id");
    world.step(|draft, context| plan::instances::connect(draft, id, context.now));
    arn
}

fn define(
    world: &mut Fixture,
    family: &str,
    change: impl FnOnce(&mut shape::RegisterTaskDefinitionRequest),
) {
    let mut ask = shape::RegisterTaskDefinitionRequest {
        family: Some(family.into()),
        container_definitions: Some(vec![shape::ContainerDefinition {
            name: Some("app".into()),
            image: Some("nginx".into()),
            cpu: Some(256),
            memory: Some(200),
            ..Default::default()
        }]),
        ..Default::default()
    };
    change(&mut ask);
    world.write(task_definitions::register_task_definition, ask).expect("registers");
}

fn ask() -> shape::RunTaskRequest {
    shape::RunTaskRequest { task_definition: Some("web".into()), ..Default::default() }
}

fn with_token(count: i32) -> shape::RunTaskRequest {
    shape::RunTaskRequest { count: Some(count), client_token: Some("t-1".into()), ..ask() }
}

fn arns(answer: &shape::RunTaskResponse) -> Vec<String> {
    answer.tasks.iter().flatten().filter_map(|it| it.task_arn.clone()).collect()
}

fn row(world: &Fixture, arn: &str) -> Task {
    let id = TaskId::parse(arn.rsplit('/').next().expect("a tail")).expect("an id");
    world.state.task(id).expect("a task").as_ref().clone()
}

fn stopped(world: &mut Fixture, arn: &str) {
    let report = shape::SubmitTaskStateChangeRequest {
        task: Some(arn.into()),
        status: Some("STOPPED".into()),
        ..Default::default()
    };
    world.write(reports::submit_task_state_change, report).expect("acknowledged");
}

#[test]
fn a_task_waits_for_its_agent_and_holds_its_resources() {
    let mut world = world(1);
    let answer = world.write(run_task, ask()).expect("answers");
    let task = &answer.tasks.as_ref().expect("tasks")[0];
    assert_eq!(task.last_status.as_deref(), Some("PENDING"));
    assert_eq!(task.desired_status.as_deref(), Some("RUNNING"));
    assert_eq!(task.group.as_deref(), Some("family:web"));
    assert_eq!(task.cpu.as_deref(), Some("256"));
    assert_eq!(answer.failures, Some(vec![]));
    assert_eq!(plan::placement::verify(&world.state), Vec::<String>::new());
    let counts = world.state.indexes().cluster_counts(&row(&world, &arns(&answer)[0]).cluster);
    assert_eq!(counts.pending, 1);
}

#[test]
fn a_repeated_token_starts_nothing_new() {
    let mut world = world(2);
    let first = world.write(run_task, with_token(2)).expect("answers");
    let before = world.state.clone();
    let again = world.write(run_task, with_token(2)).expect("answers again");
    assert_eq!(again, first);
    assert!(world.state == before, "nothing changes");
}

#[test]
fn a_token_with_another_request_is_a_conflict_also_after_its_tasks_stopped() {
    let mut world = world(1);
    let first = world.write(run_task, with_token(1)).expect("answers");
    stopped(&mut world, &arns(&first)[0]);
    let refused = world.write(run_task, with_token(2)).expect_err("a conflict");
    let Error::Conflict { resource_ids, .. } = refused else { panic!("{refused}") };
    assert_eq!(resource_ids, arns(&first));
}

#[test]
fn a_refused_call_binds_no_token() {
    let mut world = region();
    define(&mut world, "web", |_| {});
    let refused = world.write(run_task, with_token(1)).expect_err("no instances");
    assert_eq!(refused, Error::invalid("No Container Instances were found in your cluster."));
    join(&mut world, "default", "us-east-1a");
    assert_eq!(arns(&world.write(run_task, with_token(2)).expect("answers")).len(), 2);
}

#[test]
fn a_token_means_something_else_in_another_cluster() {
    let mut world = world(1);
    let create =
        shape::CreateClusterRequest { cluster_name: Some("other".into()), ..Default::default() };
    world.write(crate::ecs::clusters::create_cluster, create).expect("creates");
    join(&mut world, "other", "us-east-1a");
    let first = world.write(run_task, with_token(1)).expect("answers");
    let elsewhere = shape::RunTaskRequest { cluster: Some("other".into()), ..with_token(2) };
    let second = world.write(run_task, elsewhere).expect("answers");
    assert_eq!((arns(&first).len(), arns(&second).len()), (1, 2));
}

#[test]
fn a_partial_success_is_replayed_as_it_was() {
    let mut world = world(1);
    let first = world.write(run_task, with_token(6)).expect("answers");
    assert_eq!(arns(&first).len(), 4, "1,024 CPU units hold four tasks of 256");
    let failures = first.failures.clone().expect("failures");
    assert_eq!(failures.len(), 1, "the one instance that was considered");
    assert_eq!(failures[0].reason.as_deref(), Some("RESOURCE:CPU"));
    assert!(failures[0].detail.as_deref().expect("a detail").contains("needs 256 CPU units"));

    join(&mut world, "default", "us-east-1b");
    assert_eq!(world.write(run_task, with_token(6)).expect("answers"), first);
}

#[test]
fn a_stopped_task_is_replayed_in_outline_and_its_token_dies_an_hour_later() {
    let mut world = world(1);
    let first = world.write(run_task, with_token(1)).expect("answers");
    let arn = arns(&first).remove(0);
    stopped(&mut world, &arn);
    let again = world.write(run_task, with_token(1)).expect("answers");
    let outline = shape::Task {
        task_arn: Some(arn.clone()),
        last_status: Some("STOPPED".into()),
        desired_status: Some("STOPPED".into()),
        ..Default::default()
    };
    assert_eq!(again.tasks, Some(vec![outline]));

    world.now = Timestamp(world.now.0 + 60 * 60 * 1000);
    let fresh = world.write(run_task, with_token(1)).expect("answers");
    assert_ne!(arns(&fresh), [arn]);
}

#[test]
fn tokens_are_printable_and_short() {
    let mut world = world(1);
    for bad in ["a b", "é", "\u{7f}", &"x".repeat(65)] {
        let ask = shape::RunTaskRequest { client_token: Some(bad.into()), ..ask() };
        assert!(matches!(world.write(run_task, ask), Err(Error::InvalidParameter(_))), "{bad}");
    }
}

#[test]
fn what_cannot_be_asked_for_is_refused_in_awss_words() {
    let mut world = world(1);
    let count = shape::RunTaskRequest { count: Some(11), ..ask() };
    assert!(matches!(world.write(run_task, count), Err(Error::InvalidParameter(_))));
    let unknown = shape::RunTaskRequest { task_definition: Some("nope".into()), ..ask() };
    assert_eq!(
        world.write(run_task, unknown).expect_err("refused"),
        Error::client("TaskDefinition not found.")
    );
    let overrides = shape::RunTaskRequest {
        overrides: Some(shape::TaskOverride {
            container_overrides: Some(vec![shape::ContainerOverride {
                name: Some("db".into()),
                ..Default::default()
            }]),
            ..Default::default()
        }),
        ..ask()
    };
    assert_eq!(
        world.write(run_task, overrides).expect_err("refused"),
        Error::invalid("Override for container named db is not a container in the TaskDefinition.")
    );
    let fargate = shape::RunTaskRequest { launch_type: Some("FARGATE".into()), ..ask() };
    assert!(matches!(world.write(run_task, fargate), Err(Error::UnsupportedFeature(_))));
}

#[test]
fn overrides_keep_the_rules_that_registration_has() {
    let mut world = world(1);
    define(&mut world, "sized", |it| it.memory = Some("512".into()));
    let pair = |name: &str| shape::KeyValuePair { name: Some(name.into()), value: None };
    let app = shape::ContainerOverride { name: Some("app".into()), ..Default::default() };
    for (family, bad) in [
        ("web", shape::ContainerOverride { cpu: Some(-1), ..app.clone() }),
        ("web", shape::ContainerOverride { memory: Some(-200), ..app.clone() }),
        ("web", shape::ContainerOverride { memory: Some(5), ..app.clone() }),
        ("web", shape::ContainerOverride { memory_reservation: Some(0), ..app.clone() }),
        ("web", shape::ContainerOverride { memory_reservation: Some(300), ..app.clone() }),
        ("sized", shape::ContainerOverride { memory: Some(513), ..app.clone() }),
        ("web", shape::ContainerOverride { environment: Some(vec![pair("")]), ..app }),
    ] {
        let overrides = shape::TaskOverride {
            container_overrides: Some(vec![bad.clone()]),
            ..Default::default()
        };
        let ask = shape::RunTaskRequest {
            task_definition: Some(family.into()),
            overrides: Some(overrides),
            ..ask()
        };
        let refusal = world.write(run_task, ask).expect_err("refused");
        assert!(matches!(refusal, Error::Client(_)), "{bad:?}: {refusal:?}");
    }
}

#[test]
fn an_awsvpc_task_has_an_address_of_its_own_in_the_zone_it_runs_in() {
    let mut world = world(3);
    define(&mut world, "net", |it| it.network_mode = Some("awsvpc".into()));
    let plain = shape::RunTaskRequest { task_definition: Some("net".into()), ..ask() };
    assert_eq!(
        world.write(run_task, plain.clone()).expect_err("refused"),
        Error::invalid(
            "Network Configuration must be provided when networkMode 'awsvpc' is specified."
        )
    );
    let subnet = world.state.region()[&()].subnets[1].clone();
    let network = shape::NetworkConfiguration {
        awsvpc_configuration: Some(shape::AwsVpcConfiguration {
            subnets: Some(vec![subnet.id.clone()]),
            ..Default::default()
        }),
    };
    let asked =
        shape::RunTaskRequest { network_configuration: Some(network), count: Some(3), ..plain };
    let answer = world.write(run_task, asked).expect("answers");
    let mut addresses: Vec<_> = arns(&answer)
        .iter()
        .map(|arn| row(&world, arn))
        .inspect(|task| assert_eq!(task.zone, subnet.zone))
        .map(|task| task.interface.expect("an interface").address)
        .collect();
    assert!(addresses.iter().all(|it| it >> 12 == subnet.base >> 12), "within the subnet");
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), 3);
}

#[test]
fn where_subnets_are_full_tasks_go_elsewhere_and_then_nowhere() {
    let mut world = world(2);
    define(&mut world, "net", |it| it.network_mode = Some("awsvpc".into()));
    // Two subnets of 16 addresses each: four go to the network, the gateway and its kin.
    let mut region = world.state.region()[&()].as_ref().clone();
    region.subnets.truncate(2);
    region.subnets.iter_mut().for_each(|it| it.prefix = 28);
    let subnets: Vec<String> = region.subnets.iter().map(|it| it.id.clone()).collect();
    world.state.apply(region.into());
    let ask = |subnets: &[String]| shape::RunTaskRequest {
        task_definition: Some("net".into()),
        network_configuration: Some(shape::NetworkConfiguration {
            awsvpc_configuration: Some(shape::AwsVpcConfiguration {
                subnets: Some(subnets.to_vec()),
                ..Default::default()
            }),
        }),
        overrides: Some(shape::TaskOverride {
            container_overrides: Some(vec![shape::ContainerOverride {
                name: Some("app".into()),
                cpu: Some(1),
                memory: Some(8),
                ..Default::default()
            }]),
            ..Default::default()
        }),
        count: Some(6),
        ..Default::default()
    };
    let mut zones = std::collections::BTreeMap::new();
    let mut count = |world: &Fixture, answer: &shape::RunTaskResponse| {
        for arn in arns(answer) {
            let task = row(world, &arn);
            assert!(task.interface.is_some());
            *zones.entry(task.zone.to_string()).or_insert(0) += 1;
        }
        zones.clone()
    };
    // The first subnet is filled on its own, then tasks may go to both.
    for _ in 0..2 {
        let answer = world.write(run_task, ask(&subnets[..1])).expect("answers");
        count(&world, &answer);
    }
    let answer = world.write(run_task, ask(&subnets)).expect("answers");
    let held = count(&world, &answer);
    assert_eq!((held["us-east-1a"], held["us-east-1b"]), (11, 6));
    world.write(run_task, ask(&subnets)).expect("answers");
    let answer = world.write(run_task, ask(&subnets)).expect("answers");
    assert_eq!(arns(&answer).len(), 0);
    let failures = answer.failures.expect("failures");
    assert_eq!(failures.len(), 2);
    for it in failures {
        assert_eq!(it.reason.as_deref(), Some("RESOURCE:ENI"));
        let detail = it.detail.expect("a detail");
        let known = subnets.iter().find(|it| detail.ends_with(*it));
        assert!(known.is_some() && detail.starts_with("needs an address, none is free in "));
    }
    let instance = world.state.container_instances().keys().next().expect("an instance");
    let ask = shape::StartTaskRequest {
        task_definition: Some("net".into()),
        container_instances: Some(vec![instance.to_string()]),
        network_configuration: ask(&subnets).network_configuration,
        ..Default::default()
    };
    let answer = world.write(start_task, ask).expect("answers");
    assert_eq!(answer.tasks.map(|it| it.len()), Some(0));
    assert_eq!(answer.failures.expect("failures")[0].reason.as_deref(), Some("RESOURCE:ENI"));
}

#[test]
fn stop_task_asks_once_and_is_remembered_as_the_reason() {
    let mut world = world(1);
    let arn = arns(&world.write(run_task, ask()).expect("answers")).remove(0);
    let stop = |reason: Option<&str>| shape::StopTaskRequest {
        task: Some(arn.clone()),
        reason: reason.map(Into::into),
        ..Default::default()
    };
    let answer = world.write(stop_task, stop(Some("enough"))).expect("answers");
    let task = answer.task.expect("a task");
    assert_eq!(task.desired_status.as_deref(), Some("STOPPED"));
    assert_eq!(task.last_status.as_deref(), Some("PENDING"));
    let assignment = world.state.assignments().clone();
    world.write(stop_task, stop(Some("again"))).expect("answers");
    assert_eq!(*world.state.assignments(), assignment);

    stopped(&mut world, &arn);
    let task = row(&world, &arn);
    assert_eq!(task.stop.expect("a stop").reason, "enough");
    assert_eq!((task.desired, task.last), (Desired::Stopped, Status::Stopped));
    assert!(task.released);
}

#[test]
fn lists_follow_desired_status_and_filters() {
    let mut world = world(2);
    let mine = shape::RunTaskRequest { started_by: Some("me".into()), count: Some(3), ..ask() };
    let mine = arns(&world.write(run_task, mine).expect("answers"));
    world.write(run_task, ask()).expect("answers");
    let list = |world: &Fixture, ask| {
        world.read(list_tasks, ask).expect("answers").task_arns.expect("ARNs")
    };
    assert_eq!(list(&world, shape::ListTasksRequest::default()).len(), 4);
    let by_me = shape::ListTasksRequest { started_by: Some("me".into()), ..Default::default() };
    let mut sorted = mine.clone();
    sorted.sort();
    assert_eq!(list(&world, by_me.clone()), sorted);
    let both = shape::ListTasksRequest { family: Some("web".into()), ..by_me };
    assert!(world.read(list_tasks, both).is_err(), "startedBy stands alone");

    stopped(&mut world, &mine[0]);
    let over =
        shape::ListTasksRequest { desired_status: Some("STOPPED".into()), ..Default::default() };
    assert_eq!(list(&world, over), [mine[0].clone()]);
    let pending =
        shape::ListTasksRequest { desired_status: Some("PENDING".into()), ..Default::default() };
    assert_eq!(list(&world, pending), Vec::<String>::new());
}

#[test]
fn start_task_goes_where_it_is_told() {
    let mut world = world(1);
    let there = join(&mut world, "default", "us-east-1c");
    let ask = shape::StartTaskRequest {
        task_definition: Some("web".into()),
        container_instances: Some(vec![there.clone(), "0123456789abcdef0123456789abcdef".into()]),
        ..Default::default()
    };
    let answer = world.write(start_task, ask).expect("answers");
    let tasks = answer.tasks.expect("tasks");
    assert_eq!(tasks.len(), 1);
    assert_eq!(tasks[0].container_instance_arn, Some(there));
    let failures = answer.failures.expect("failures");
    assert_eq!(failures[0].reason.as_deref(), Some("MISSING"));
}
