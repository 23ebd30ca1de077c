use shapes::ecs as shape;

use super::*;
use crate::ecs::Error;
use crate::fixture::{self, Fixture};

type Ask = shape::RegisterTaskDefinitionRequest;
type Container = shape::ContainerDefinition;

/// A container that keeps all rules.
fn container(name: &str) -> Container {
    Container {
        name: Some(name.into()),
        image: Some("landfall/demo:latest".into()),
        memory: Some(64),
        ..Default::default()
    }
}

/// A definition of one such container, in family `web`.
fn ask(change: impl FnOnce(&mut Ask, &mut Container)) -> Ask {
    let mut ask = Ask { family: Some("web".into()), ..Default::default() };
    let mut app = container("app");
    change(&mut ask, &mut app);
    let others = ask.container_definitions.take().unwrap_or_default();
    ask.container_definitions = Some([vec![app], others].concat());
    ask
}

fn register(region: &mut Fixture, ask: Ask) -> Result<shape::TaskDefinition, Error> {
    let answer = region.write(register_task_definition, ask)?;
    Ok(answer.task_definition.expect("a definition"))
}

fn port(container: i32, host: Option<i32>) -> shape::PortMapping {
    shape::PortMapping { container_port: Some(container), host_port: host, ..Default::default() }
}

fn log(driver: &str, options: &[(&str, &str)]) -> shape::LogConfiguration {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    shape::LogConfiguration {
        log_driver: Some(driver.into()),
        options: Some(options.iter().map(pair).collect()),
        secret_options: None,
    }
}

fn waits(on: &str, condition: &str) -> Vec<shape::ContainerDependency> {
    vec![shape::ContainerDependency {
        container_name: Some(on.into()),
        condition: Some(condition.into()),
    }]
}

mod life;
mod rules;

#[test]
fn defaults_are_echoed_as_aws_echoes_them() {
    let mut region = fixture::region();
    let shown = register(
        &mut region,
        ask(|ask, app| {
            ask.cpu = Some(".5 vCPU".into());
            ask.memory = Some("1GB".into());
            app.port_mappings = Some(vec![port(80, None)]);
            app.health_check = Some(shape::HealthCheck {
                command: Some(vec!["CMD".into(), "true".into()]),
                ..Default::default()
            });
        }),
    )
    .expect("registers");
    assert_eq!(
        shown.task_definition_arn.as_deref(),
        Some("arn:aws:ecs:us-east-1:123456789012:task-definition/web:1")
    );
    assert_eq!((shown.cpu.as_deref(), shown.memory.as_deref()), (Some("512"), Some("1024")));
    assert_eq!(shown.network_mode, None);
    assert_eq!(shown.volumes, Some(vec![]));
    assert_eq!(shown.placement_constraints, Some(vec![]));
    assert_eq!(shown.compatibilities, Some(vec!["EXTERNAL".into(), "EC2".into()]));
    assert_eq!(shown.requires_compatibilities, None);
    assert_eq!(shown.registered_by.as_deref(), Some("arn:aws:iam::123456789012:root"));
    let app = shown.container_definitions.expect("containers").remove(0);
    assert_eq!((app.cpu, app.essential), (Some(0), Some(true)));
    assert_eq!(app.environment, Some(vec![]));
    assert_eq!(app.mount_points, Some(vec![]));
    assert_eq!(app.volumes_from, Some(vec![]));
    assert_eq!(app.system_controls, Some(vec![]));
    let mapping = app.port_mappings.expect("mappings").remove(0);
    assert_eq!((mapping.host_port, mapping.protocol), (Some(0), Some("tcp".into())));
    let check = app.health_check.expect("a check");
    assert_eq!((check.interval, check.timeout, check.retries), (Some(30), Some(5), Some(3)));
    assert_eq!(check.start_period, None);
}

#[test]
fn a_definition_that_is_registered_as_it_was_described_is_shown_the_same() {
    let mut region = fixture::region();
    let first = register(&mut region, ask(|_, app| app.port_mappings = Some(vec![port(80, None)])))
        .expect("registers");
    let again = Ask {
        family: first.family.clone(),
        container_definitions: first.container_definitions.clone(),
        volumes: first.volumes.clone(),
        placement_constraints: first.placement_constraints.clone(),
        ..Default::default()
    };
    let second = register(&mut region, again).expect("registers again");
    assert_eq!(second.container_definitions, first.container_definitions);
    assert_eq!(second.revision, Some(2));
}

#[test]
fn what_a_task_takes_is_the_reservation_else_the_limit() {
    let mut region = fixture::region();
    let mut demand = |ask: Ask| {
        register(&mut region, ask).expect("registers");
        let (_, row) = region.state.task_definitions().last_key_value().expect("a row");
        let ports: Vec<_> = row.demand.ports.iter().map(|it| it.number).collect();
        (row.demand.cpu.0, row.demand.memory.0, row.demand.gpus, ports, row.demand.interface)
    };
    let two = |ask: &mut Ask, app: &mut Container| {
        app.cpu = Some(256);
        app.memory_reservation = Some(32);
        app.port_mappings = Some(vec![port(80, Some(8080)), port(81, None), port(82, Some(0))]);
        let more = Container { cpu: Some(128), ..container("more") };
        ask.container_definitions = Some(vec![more]);
    };
    assert_eq!(demand(ask(two)), (384, 96, 0, vec![8080], false));
    let sized = ask(|ask, app| {
        two(ask, app);
        ask.cpu = Some("512".into());
        ask.memory = Some("200".into());
    });
    assert_eq!(demand(sized), (512, 200, 0, vec![8080], false));
    let host = ask(|ask, app| {
        ask.network_mode = Some("host".into());
        app.port_mappings = Some(vec![port(80, None), port(53, Some(53))]);
        app.resource_requirements = Some(vec![shape::ResourceRequirement {
            r#type: Some("GPU".into()),
            value: Some("2".into()),
            sharing_strategy: None,
        }]);
    });
    assert_eq!(demand(host), (0, 64, 2, vec![53, 80], false));
    let own = ask(|ask, app| {
        ask.network_mode = Some("awsvpc".into());
        app.port_mappings = Some(vec![port(80, None)]);
    });
    assert_eq!(demand(own), (0, 64, 0, vec![], true));
}

#[test]
fn a_definition_needs_exactly_the_attributes_of_what_it_uses() {
    let mut region = fixture::region();
    let mut needs = |ask: Ask| {
        let shown = register(&mut region, ask).expect("registers");
        let names = shown.requires_attributes.expect("attributes").into_iter();
        let short = |it: String| it.replace("com.amazonaws.", "").replace("ecs.capability.", "");
        names.map(|it| short(it.name.expect("a name"))).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(needs(ask(|_, _| ())), "");
    let logging = ask(|ask, app| {
        ask.network_mode = Some("awsvpc".into());
        ask.execution_role_arn = Some("runner".into());
        app.log_configuration = Some(log("awslogs", &[("awslogs-group", "g")]));
    });
    assert_eq!(
        needs(logging),
        "docker-remote-api.1.18 docker-remote-api.1.19 logging-driver.awslogs \
         execution-role-awslogs task-eni"
    );
    let much = ask(|ask, app| {
        ask.task_role_arn = Some("arn:aws:iam::123456789012:role/app".into());
        ask.execution_role_arn = Some("runner".into());
        app.privileged = Some(true);
        app.image = Some("123456789012.dkr.ecr.us-east-1.amazonaws.com/app:1".into());
        app.secrets = Some(vec![shape::Secret {
            name: Some("S".into()),
            value_from: Some("arn:aws:secretsmanager:us-east-1:123456789012:secret:s".into()),
        }]);
        app.restart_policy =
            Some(shape::ContainerRestartPolicy { enabled: Some(true), ..Default::default() });
    });
    assert_eq!(
        needs(much),
        "ecr-auth privileged-container task-iam-role container-restart-policy \
         execution-role-ecr-pull secrets.asm.environment-variables"
    );
}

#[test]
fn what_cannot_be_run_yet_is_registered_and_fits_nowhere() {
    let mut region = fixture::region();
    let secret = ask(|ask, app| {
        ask.execution_role_arn = Some("runner".into());
        app.secrets = Some(vec![shape::Secret {
            name: Some("S".into()),
            value_from: Some("parameter".into()),
        }]);
    });
    register(&mut region, secret).expect("registers");
    let (_, row) = region.state.task_definitions().last_key_value().expect("a row");
    let needs = ["ecs.capability.secrets.ssm.environment-variables", "landfall.capability.secrets"];
    assert_eq!(row.requires, needs);
}

#[test]
fn a_fargate_definition_can_be_registered() {
    let mut region = fixture::region();
    let shown = register(
        &mut region,
        ask(|ask, _| {
            ask.network_mode = Some("awsvpc".into());
            ask.requires_compatibilities = Some(vec!["FARGATE".into()]);
            ask.cpu = Some("256".into());
            ask.memory = Some("512".into());
        }),
    )
    .expect("registers");
    assert_eq!(shown.compatibilities, Some(vec!["EC2".into(), "FARGATE".into()]));
    assert_eq!(shown.requires_compatibilities, Some(vec!["FARGATE".into()]));
}

#[test]
fn a_definition_has_at_most_64_kib() {
    let mut region = fixture::region();
    let large = ask(|_, app| app.command = Some(vec!["x".repeat(70_000)]));
    let error = register(&mut region, large).expect_err("refused");
    assert!(error.to_string().contains("Max allowed length is '65536' bytes."), "{error}");
}
