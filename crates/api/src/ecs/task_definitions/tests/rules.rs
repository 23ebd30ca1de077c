//! Every rule of registration, broken once.

use super::*;

type Break = fn(&mut Ask, &mut Container);

/// Each of these breaks one rule; the text is part of what the client is told.
const BROKEN: &[(&str, Break)] = &[
    ("Family should not be null or empty.", |ask, _| ask.family = Some(String::new())),
    ("Family contains invalid characters.", |ask, _| ask.family = Some("a b".into())),
    ("Container.name should not be null or empty.", |_, app| app.name = None),
    ("Container.name contains invalid characters.", |_, app| app.name = Some("a.b".into())),
    ("used more than once", |ask, _| ask.container_definitions = Some(vec![container("app")])),
    ("at most 10 containers", |ask, _| {
        ask.container_definitions = Some((0..10).map(|it| container(&format!("c{it}"))).collect());
    }),
    ("Container.image should not be null or empty.", |_, app| app.image = None),
    ("Invalid 'image'", |_, app| app.image = Some("demo@sha256:abc".into())),
    ("Invalid 'image'", |_, app| app.image = Some("a b".into())),
    ("marked as essential", |_, app| app.essential = Some(false)),
    ("Role is not valid", |ask, _| ask.task_role_arn = Some("arn:aws:s3:::role/x".into())),
    ("Role is not valid", |ask, _| ask.execution_role_arn = Some("a b".into())),
    ("At least one of 'memory' or 'memoryReservation' must be specified.", |_, app| {
        app.memory = None;
    }),
    ("'memory' must be at least 6", |_, app| app.memory = Some(5)),
    ("'memoryReservation' must be at least 6", |_, app| app.memory_reservation = Some(-1)),
    ("must be greater than 'memoryReservation'", |_, app| app.memory_reservation = Some(65)),
    ("The 'memory' setting for container 'app' is greater than for the task.", |ask, _| {
        ask.memory = Some("32".into());
    }),
    ("Invalid 'cpu' setting for container 'app'", |_, app| app.cpu = Some(-1)),
    ("Invalid 'cpu' setting for task.", |ask, _| ask.cpu = Some("1".into())),
    ("Invalid 'memory' setting for task.", |ask, _| ask.memory = Some("much".into())),
    ("The sum of the 'cpu' settings", |ask, app| {
        ask.cpu = Some("128".into());
        app.cpu = Some(129);
    }),
    ("Invalid 'resourceRequirements'", |_, app| {
        app.resource_requirements = Some(vec![shape::ResourceRequirement {
            r#type: Some("GPU".into()),
            value: Some("half".into()),
            sharing_strategy: None,
        }]);
    }),
    ("Invalid 'containerPort' setting for container 'app'.", |_, app| {
        app.port_mappings = Some(vec![shape::PortMapping::default()]);
    }),
    ("Invalid 'containerPort' setting", |_, app| app.port_mappings = Some(vec![port(65536, None)])),
    ("Invalid 'hostPort' setting", |_, app| app.port_mappings = Some(vec![port(80, Some(-1))])),
    ("mapped more than once", |_, app| {
        app.port_mappings = Some(vec![port(80, Some(80)), port(81, Some(80))]);
    }),
    ("When networkMode=awsvpc, the host ports and container ports", |ask, app| {
        ask.network_mode = Some("awsvpc".into());
        app.port_mappings = Some(vec![port(80, Some(81))]);
    }),
    ("When networkMode=host, the host ports and container ports", |ask, app| {
        ask.network_mode = Some("host".into());
        app.port_mappings = Some(vec![port(80, Some(81))]);
    }),
    ("networkMode=none", |ask, app| {
        ask.network_mode = Some("none".into());
        app.port_mappings = Some(vec![port(80, None)]);
    }),
    ("Invalid 'containerPortRange'", |_, app| app.port_mappings = Some(vec![range("90-80")])),
    ("Invalid 'containerPortRange'", |_, app| app.port_mappings = Some(vec![range("0-80")])),
    ("Invalid 'containerPortRange'", |_, app| {
        app.port_mappings = Some(vec![range("80-90"), range("90-95")]);
    }),
    ("Invalid 'containerPortRange'", |ask, app| {
        ask.network_mode = Some("host".into());
        app.port_mappings = Some(vec![range("80-90")]);
    }),
    ("Invalid 'name'", |_, app| {
        app.port_mappings =
            Some(vec![shape::PortMapping { name: Some("-x".into()), ..port(80, None) }]);
    }),
    ("cannot depend on itself", |_, app| app.depends_on = Some(waits("app", "START"))),
    ("unknown container 'moon'", |_, app| app.depends_on = Some(waits("moon", "START"))),
    ("has no health check", |ask, app| {
        ask.container_definitions = Some(vec![container("base")]);
        app.depends_on = Some(waits("base", "HEALTHY"));
    }),
    ("because it is essential", |ask, app| {
        ask.container_definitions = Some(vec![container("base")]);
        app.depends_on = Some(waits("base", "SUCCESS"));
    }),
    ("circular dependency", |ask, app| {
        let base = Container { depends_on: Some(waits("app", "START")), ..container("base") };
        ask.container_definitions = Some(vec![base]);
        app.depends_on = Some(waits("base", "START"));
    }),
    ("circular dependency", |ask, app| {
        let base = Container { links: Some(vec!["app:it".into()]), ..container("base") };
        ask.container_definitions = Some(vec![base]);
        app.depends_on = Some(waits("base", "START"));
    }),
    ("Invalid 'stopTimeout'", |_, app| app.stop_timeout = Some(-1)),
    ("Links are not supported when networkMode=awsvpc.", |ask, app| {
        ask.network_mode = Some("awsvpc".into());
        app.links = Some(vec!["base".into()]);
    }),
    ("Links are only supported when networkMode=bridge.", |ask, app| {
        ask.network_mode = Some("host".into());
        app.links = Some(vec!["base".into()]);
    }),
    ("Invalid 'links'", |_, app| app.links = Some(vec!["moon".into()])),
    ("Hostnames are not supported when networkMode=awsvpc.", |ask, app| {
        ask.network_mode = Some("awsvpc".into());
        app.hostname = Some("web".into());
    }),
    ("Unknown volume 'data'.", |_, app| app.mount_points = Some(mount("data", "/data"))),
    ("containerPath should not be null", |ask, app| {
        ask.volumes = Some(vec![volume("data")]);
        app.mount_points = Some(mount("data", ""));
    }),
    ("Invalid volume name", |ask, _| ask.volumes = Some(vec![volume("a/b")])),
    ("Volume name 'data' is used more", |ask, _| {
        ask.volumes = Some(vec![volume("data"), volume("data")]);
    }),
    ("more than one configuration", |ask, _| {
        ask.volumes = Some(vec![shape::Volume {
            configured_at_launch: Some(true),
            docker_volume_configuration: Some(shape::DockerVolumeConfiguration::default()),
            ..volume("data")
        }]);
    }),
    ("'autoprovision'", |ask, _| {
        ask.volumes = Some(vec![shape::Volume {
            docker_volume_configuration: Some(shape::DockerVolumeConfiguration {
                autoprovision: Some(true),
                ..Default::default()
            }),
            ..volume("data")
        }]);
    }),
    ("Invalid EFS volume", |ask, _| {
        let access =
            shape::EFSAuthorizationConfig { access_point_id: Some("fsap-1".into()), iam: None };
        ask.volumes = Some(vec![shape::Volume {
            efs_volume_configuration: Some(shape::EFSVolumeConfiguration {
                file_system_id: Some("fs-1".into()),
                authorization_config: Some(access),
                ..Default::default()
            }),
            ..volume("data")
        }]);
    }),
    ("Invalid 'volumesFrom'", |_, app| {
        app.volumes_from = Some(vec![shape::VolumeFrom {
            source_container: Some("moon".into()),
            read_only: None,
        }]);
    }),
    ("also specify a value for 'executionRoleArn'", |_, app| {
        app.secrets = Some(vec![shape::Secret {
            name: Some("S".into()),
            value_from: Some("parameter".into()),
        }]);
    }),
    ("a name is empty", |_, app| {
        app.environment = Some(vec![shape::KeyValuePair { name: None, value: None }]);
    }),
    ("Invalid environment file", |_, app| {
        app.environment_files = Some(vec![shape::EnvironmentFile {
            r#type: Some("s3".into()),
            value: Some("arn:aws:s3:::bucket/file.txt".into()),
        }]);
    }),
    ("Invalid 'command' setting in healthCheck", |_, app| {
        app.health_check = Some(shape::HealthCheck::default());
    }),
    ("Invalid 'interval' setting in healthCheck", |_, app| {
        app.health_check = Some(shape::HealthCheck {
            command: Some(vec!["CMD".into()]),
            interval: Some(4),
            ..Default::default()
        });
    }),
    ("Invalid 'restartAttemptPeriod'", |_, app| {
        app.restart_policy = Some(shape::ContainerRestartPolicy {
            enabled: Some(true),
            restart_attempt_period: Some(59),
            ..Default::default()
        });
    }),
    ("requires options: awslogs-group", |_, app| {
        app.log_configuration = Some(log("awslogs", &[]));
    }),
    ("not both", |_, app| {
        app.log_configuration = Some(log(
            "awslogs",
            &[
                ("awslogs-group", "g"),
                ("awslogs-datetime-format", "%d"),
                ("awslogs-multiline-pattern", "x"),
            ],
        ));
    }),
    ("log option 'mode'", |_, app| {
        app.log_configuration = Some(log("json-file", &[("mode", "maybe")]));
    }),
    ("FireLens", |_, app| app.log_configuration = Some(log("awsfirelens", &[]))),
    ("Invalid 'swappiness'", |_, app| {
        app.linux_parameters =
            Some(shape::LinuxParameters { swappiness: Some(101), ..Default::default() });
    }),
    ("Invalid capability 'FLY'", |_, app| {
        app.linux_parameters = Some(shape::LinuxParameters {
            capabilities: Some(shape::KernelCapabilities {
                add: Some(vec!["FLY".into()]),
                drop: None,
            }),
            ..Default::default()
        });
    }),
    ("Invalid 'tmpfs'", |_, app| {
        app.linux_parameters = Some(shape::LinuxParameters {
            tmpfs: Some(vec![shape::Tmpfs { size: Some(0), ..Default::default() }]),
            ..Default::default()
        });
    }),
    ("soft limit must not be above", |_, app| {
        app.ulimits = Some(vec![shape::Ulimit {
            name: Some("nofile".into()),
            soft_limit: Some(2),
            hard_limit: Some(1),
        }]);
    }),
    ("when networkMode=host", |ask, app| {
        ask.network_mode = Some("host".into());
        app.system_controls = Some(control("net.core.somaxconn"));
    }),
    ("when ipcMode=host", |ask, app| {
        ask.ipc_mode = Some("host".into());
        app.system_controls = Some(control("kernel.shmmax"));
    }),
    ("not a control of a network or IPC namespace", |_, app| {
        app.system_controls = Some(control("vm.swappiness"));
    }),
    ("must have type memberOf", |ask, _| {
        ask.placement_constraints = Some(vec![shape::TaskDefinitionPlacementConstraint::default()]);
    }),
    ("Invalid placement constraint", |ask, _| {
        ask.placement_constraints = Some(vec![shape::TaskDefinitionPlacementConstraint {
            r#type: Some("memberOf".into()),
            expression: Some("attribute:x ==".into()),
        }]);
    }),
    ("ephemeral storage", |ask, _| {
        ask.ephemeral_storage = Some(shape::EphemeralStorage { size_in_gib: Some(20) });
    }),
    ("Fargate only supports network mode", |ask, _| {
        ask.requires_compatibilities = Some(vec!["FARGATE".into()]);
    }),
    ("Fargate requires that 'cpu' be defined at the task level.", |ask, _| {
        fargate(ask);
        ask.cpu = None;
    }),
    ("Fargate requires that 'memory' be defined at the task level.", |ask, _| {
        fargate(ask);
        ask.memory = None;
    }),
    ("No Fargate configuration exists for given values", |ask, _| {
        fargate(ask);
        ask.memory = Some("4096".into());
    }),
    ("Fargate does not support 'privileged'", |ask, app| {
        fargate(ask);
        app.privileged = Some(true);
    }),
    ("The supported value for pidMode is 'task'.", |ask, _| {
        fargate(ask);
        ask.pid_mode = Some("host".into());
    }),
    ("execution role ARN to support log driver awslogs", |ask, app| {
        fargate(ask);
        app.log_configuration = Some(log("awslogs", &[("awslogs-group", "g")]));
    }),
    ("External instances do not support", |ask, _| {
        ask.network_mode = Some("awsvpc".into());
        ask.requires_compatibilities = Some(vec!["EXTERNAL".into()]);
    }),
    ("no longer available", |ask, _| {
        ask.inference_accelerators = Some(vec![shape::InferenceAccelerator::default()]);
    }),
];

fn fargate(ask: &mut Ask) {
    ask.network_mode = Some("awsvpc".into());
    ask.requires_compatibilities = Some(vec!["FARGATE".into()]);
    ask.cpu = Some("256".into());
    ask.memory = Some("512".into());
}

fn range(text: &str) -> shape::PortMapping {
    shape::PortMapping { container_port_range: Some(text.into()), ..Default::default() }
}

fn volume(name: &str) -> shape::Volume {
    shape::Volume { name: Some(name.into()), ..Default::default() }
}

fn mount(volume: &str, path: &str) -> Vec<shape::MountPoint> {
    vec![shape::MountPoint {
        source_volume: Some(volume.into()),
        container_path: Some(path.into()),
        read_only: None,
    }]
}

fn control(key: &str) -> Vec<shape::SystemControl> {
    vec![shape::SystemControl { namespace: Some(key.into()), value: Some("1".into()) }]
}

#[test]
fn a_broken_rule_is_told_and_nothing_is_registered() {
    let mut region = fixture::region();
    register(&mut region, ask(|_, _| ())).expect("the unbroken one registers");
    for (expected, breaks) in BROKEN {
        match register(&mut region, ask(breaks)) {
            Err(Error::Client(text)) => assert!(text.contains(expected), "{expected}: {text}"),
            other => panic!("{expected}: {other:?}"),
        }
    }
    let none = Ask { family: Some("web".into()), ..Default::default() };
    assert_eq!(register(&mut region, none), Err(Error::client("Container list cannot be empty.")));
    assert_eq!(region.state.task_definitions().len(), 1);
}

#[test]
fn what_looks_odd_but_keeps_the_rules_registers() {
    let mut region = fixture::region();
    let odd: &[Break] = &[
        |_, app| app.port_mappings = Some(vec![port(80, Some(8080)), port(80, Some(8081))]),
        |_, app| {
            let udp = shape::PortMapping { protocol: Some("udp".into()), ..port(53, Some(53)) };
            app.port_mappings = Some(vec![port(53, Some(53)), udp]);
        },
        |_, app| app.port_mappings = Some(vec![range("8000-8100")]),
        |_, app| app.memory_reservation = app.memory,
        |ask, app| {
            app.memory = None;
            ask.memory = Some("64".into());
        },
        |ask, app| {
            let base = Container { essential: Some(false), ..container("base") };
            ask.container_definitions = Some(vec![base]);
            app.depends_on = Some(waits("base", "COMPLETE"));
        },
        |ask, app| {
            ask.volumes = Some(vec![volume("data")]);
            app.mount_points = Some(mount("data", "/data"));
        },
        |ask, app| {
            ask.placement_constraints = Some(vec![shape::TaskDefinitionPlacementConstraint {
                r#type: Some("memberOf".into()),
                expression: Some("attribute:ecs.availability-zone in [us-east-1a]".into()),
            }]);
            app.ulimits = Some(vec![shape::Ulimit {
                name: Some("nofile".into()),
                soft_limit: Some(-1),
                hard_limit: Some(-1),
            }]);
        },
    ];
    for (number, change) in odd.iter().enumerate() {
        let answer = register(&mut region, ask(change));
        assert!(answer.is_ok(), "{number}: {answer:?}");
    }
}
