//! Payload tasks as they are read.

use core::time::Duration;
use std::sync::Arc;

use shapes::acs;
use types::{Cpu, MemoryMib, Protocol};

use super::bench::arn;
use super::{container, task};
use crate::agent::spec::{Condition, NetworkMode, PortMapping, Probe, TaskSpec};
use crate::agent::{Demand, parse};

fn read(it: acs::Task) -> Result<TaskSpec, String> {
    let it = acs::Task { arn: Some(arn("t1").to_string()), ..it };
    parse::task(&it).map_err(|it| crate::agent::reasons::chain(&it))
}

fn with_docker(config: &str, host_config: &str) -> acs::Task {
    task([acs::Container {
        docker_config: Some(acs::DockerConfig {
            config: Some(config.into()),
            host_config: Some(host_config.into()),
            version: Some("1.24".into()),
        }),
        ..container("app")
    }])
}

#[test]
fn dockers_strings_carry_what_the_protocol_has_no_words_for() {
    let config = r#"{"User":"1000:1000","WorkingDir":"/srv","Hostname":"web","Tty":true,
        "Labels":{"a":"b"},"Env":["A=1"],"Cmd":["serve"],"Entrypoint":["/init"],
        "StopSignal":"SIGINT","Healthcheck":{"Test":["CMD-SHELL","curl -f localhost"],
        "Interval":10000000000,"Timeout":2000000000,"Retries":4,"StartPeriod":1000000000},
        "Later":"unknown members change nothing"}"#;
    let host = r#"{"NetworkMode":"host","Memory":67108864,"MemoryReservation":33554432,
        "CpuShares":128,"MemorySwap":-1,"MemorySwappiness":0,"PidsLimit":50,
        "Ulimits":[{"Name":"nofile","Soft":1024,"Hard":2048}],"CapAdd":["NET_ADMIN"],
        "CapDrop":["ALL"],"Privileged":false,"ReadonlyRootfs":true,
        "LogConfig":{"Type":"awslogs","Config":{"awslogs-group":"g"}},"ShmSize":1048576,
        "Tmpfs":{"/run":"size=1m"},"Devices":[{"PathOnHost":"/dev/fuse"}],"Init":true,
        "Sysctls":{"net.core.somaxconn":"10"},"SecurityOpt":["no-new-privileges"],
        "Dns":["10.0.0.2"],"DnsSearch":["x"],"DnsOptions":["ndots:1"],"ExtraHosts":["a:1.2.3.4"]}"#;
    let mut given = with_docker(config, host);
    given.network_mode = None;
    for it in given.containers.iter_mut().flatten() {
        it.memory = None;
    }
    let spec = read(given).expect("it reads");
    assert_eq!(spec.network_mode, NetworkMode::Host);
    let app = spec.container("app").expect("there is one");
    assert_eq!(app.memory, Some(MemoryMib(64)));
    assert_eq!(app.command.as_deref(), Some(["serve".to_owned()].as_slice()));
    assert_eq!(app.entry_point.as_deref(), Some(["/init".to_owned()].as_slice()));
    let health = app.health.as_ref().expect("it is checked");
    assert_eq!(health.probe, Probe::Shell("curl -f localhost".into()));
    assert_eq!((health.interval, health.retries), (Duration::from_secs(10), 4));
    let docker = &app.docker;
    assert_eq!(docker.user.as_deref(), Some("1000:1000"));
    assert_eq!(docker.log.driver, "awslogs");
    assert_eq!(docker.devices[0].container_path, "/dev/fuse");
    assert_eq!(docker.devices[0].permissions, "rwm");
    assert_eq!((docker.ulimits[0].soft, docker.ulimits[0].hard), (1024, 2048));
    assert_eq!(docker.memory_swap, Some(-1));
    assert_eq!(docker.memory_swappiness, Some(0));
    assert!(docker.read_only_root && docker.init && docker.terminal && !docker.privileged);
}

#[test]
fn the_payloads_own_words_win_over_dockers() {
    let mut given = with_docker(r#"{"Cmd":["docker"]}"#, "{}");
    for it in given.containers.iter_mut().flatten() {
        it.command = Some(vec!["payload".into()]);
    }
    let command =
        |it: &acs::Task| read(it.clone()).expect("it reads").containers[0].command.clone();
    assert_eq!(command(&given), Some(vec!["payload".into()]));
    for it in given.containers.iter_mut().flatten() {
        it.overrides = Some(r#"{"command":["override"]}"#.into());
    }
    assert_eq!(command(&given), Some(vec!["override".into()]));
}

#[test]
fn what_does_not_read_is_refused_by_name() {
    let first = |change: fn(&mut acs::Container)| {
        let mut it = container("app");
        change(&mut it);
        task([it])
    };
    let depending = |on: &str| acs::Container {
        depends_on: Some(vec![acs::ContainerDependency {
            container_name: Some(on.into()),
            condition: Some("START".into()),
        }]),
        ..container("app")
    };
    for (given, expected) in [
        (task([]), "containers is missing"),
        (
            acs::Task { network_mode: Some("moon".into()), ..task([container("a")]) },
            "networkMode has the value 'moon'",
        ),
        (acs::Task { cpu: Some(f64::NAN), ..task([container("a")]) }, "cpu has the value 'NaN'"),
        (first(|it| it.name = Some("a b".into())), "container name has the value 'a b'"),
        (first(|it| it.image = None), "image is missing"),
        (first(|it| it.memory = Some(-1)), "container memory has the value '-1'"),
        (first(|it| it.overrides = Some("[".into())), "overrides has the value '['"),
        (
            with_docker("[]", "{}"),
            "dockerConfig of container 'app' does not read: config is not a JSON object",
        ),
        (
            with_docker("{}", r#"{"CapAdd":"ALL"}"#),
            "dockerConfig of container 'app' does not read: CapAdd is not a list of texts",
        ),
        (
            with_docker(r#"{"Healthcheck":{"Test":["RUN","x"]}}"#, "{}"),
            "dockerConfig of container 'app' does not read: Healthcheck.Test is not CMD or CMD-SHELL",
        ),
        (
            task([container("app"), container("app")]),
            "containers has the value 'the same name twice'",
        ),
        (task([depending("moon")]), "the dependencies of container 'app' cannot be met"),
        (task([depending("app")]), "the dependencies of container 'app' cannot be met"),
    ] {
        assert_eq!(read(given).err().as_deref(), Some(expected));
    }
}

#[test]
fn an_arn_that_is_not_a_safe_file_name_is_no_task() {
    for bad in [
        "",
        "x",
        "arn:aws:ecs:r:a:task/c/..",
        "arn:aws:ecs:r:a:task/c/a b",
        "arn:aws:ecs:r:a:cluster/c",
        "arn:aws:ecs:r:a:task/c/",
    ] {
        assert_eq!(crate::agent::TaskArn::parse(bad), None, "{bad}");
    }
    assert_eq!(arn("0123-ab").id(), "0123-ab");
}

#[test]
fn ports_are_single_or_ranges_fixed_or_chosen_later() {
    let mapping = |port, range: Option<&str>, host| acs::PortMapping {
        container_port: port,
        container_port_range: range.map(str::to_owned),
        host_port: host,
        protocol: Some("udp".into()),
    };
    let read_port = |it| {
        let port_mappings = Some(vec![it]);
        read(task([acs::Container { port_mappings, ..container("app") }]))
            .map(|it| it.containers[0].ports[0])
    };
    let port = |container, container_last, host| PortMapping {
        protocol: Protocol::Udp,
        container,
        container_last,
        host,
    };
    assert_eq!(read_port(mapping(Some(53), None, Some(0))), Ok(port(53, 53, None)));
    assert_eq!(read_port(mapping(Some(53), None, Some(5353))), Ok(port(53, 53, Some(5353))));
    assert_eq!(read_port(mapping(None, Some("80-90"), None)), Ok(port(80, 90, None)));
    for bad in [
        mapping(None, None, None),
        mapping(Some(70_000), None, None),
        mapping(None, Some("90-80"), None),
        mapping(None, Some("many"), None),
    ] {
        assert!(read_port(bad.clone()).is_err(), "{bad:?}");
    }
}

#[test]
fn links_and_volumes_from_imply_an_order() {
    let user = acs::Container {
        links: Some(vec!["db:database".into()]),
        volumes_from: Some(vec![acs::VolumeFrom {
            source_container: Some("data".into()),
            read_only: Some(true),
        }]),
        ..container("app")
    };
    let spec = read(task([container("db"), container("data"), user])).expect("it reads");
    let conditions: Vec<_> = spec.containers[2]
        .depends_on
        .iter()
        .map(|it| (it.container.as_str(), it.condition))
        .collect();
    assert_eq!(conditions, [("db", Condition::Start), ("data", Condition::Created)]);
}

#[test]
fn a_task_takes_its_own_limit_or_the_sum_of_its_containers() {
    let soft = with_docker("{}", r#"{"MemoryReservation":33554432}"#);
    let demand = |it: acs::Task| Demand::of(&read(it).expect("it reads"));
    let both = demand(task([container("a"), container("b")]));
    assert_eq!((both.cpu, both.memory), (Cpu(128), MemoryMib(128)));
    let limited = acs::Task { cpu: Some(0.25), memory: Some(512), ..task([container("a")]) };
    let limited = demand(limited);
    assert_eq!((limited.cpu, limited.memory), (Cpu(256), MemoryMib(512)));
    assert_eq!(demand(soft).memory, MemoryMib(32), "what is reserved, not what is allowed");
}

#[test]
fn an_interface_comes_with_its_address_and_gateway() {
    let eni = acs::ElasticNetworkInterface {
        ec2_id: Some("eni-1".into()),
        mac_address: Some("02:00:00:00:00:01".into()),
        ipv4_addresses: Some(vec![acs::IPv4AddressAssignment {
            primary: Some(true),
            private_address: Some("10.0.1.7".into()),
        }]),
        subnet_gateway_ipv4_address: Some("10.0.1.1/24".into()),
        ..acs::ElasticNetworkInterface::default()
    };
    let with = |eni| acs::Task {
        network_mode: Some("awsvpc".into()),
        elastic_network_interfaces: Some(vec![eni]),
        ..task([container("app")])
    };
    let spec = read(with(eni.clone())).expect("it reads");
    let interface = &spec.interfaces[0];
    assert_eq!((interface.address.to_string().as_str(), interface.prefix), ("10.0.1.7", 24));
    for bad in ["10.0.1.1", "10.0.1.1/40", "gate/24"] {
        let eni = acs::ElasticNetworkInterface {
            subnet_gateway_ipv4_address: Some(bad.into()),
            ..eni.clone()
        };
        assert!(read(with(eni)).is_err(), "{bad}");
    }
}

#[test]
fn what_our_own_control_plane_says_is_understood() {
    use crate::payload::tests::{assigned, home};
    use shapes::ecs;

    let container = ecs::ContainerDefinition {
        name: Some("app".into()),
        image: Some("nginx:1".into()),
        memory: Some(128),
        memory_reservation: Some(64),
        health_check: Some(ecs::HealthCheck {
            command: Some(vec!["CMD-SHELL".into(), "true".into()]),
            ..ecs::HealthCheck::default()
        }),
        linux_parameters: Some(ecs::LinuxParameters {
            init_process_enabled: Some(true),
            max_swap: Some(32),
            devices: Some(vec![ecs::Device {
                host_path: Some("/dev/fuse".into()),
                ..ecs::Device::default()
            }]),
            ..ecs::LinuxParameters::default()
        }),
        ..ecs::ContainerDefinition::default()
    };
    let request = ecs::RegisterTaskDefinitionRequest {
        container_definitions: Some(vec![container]),
        cpu: Some("256".into()),
        ..ecs::RegisterTaskDefinitionRequest::default()
    };
    let home = home();
    let around = crate::payload::Surroundings { home: &home, region: None };
    let mut assigned = assigned(&request, state::NetworkMode::Bridge);
    let demand = state::Demand { cpu: Cpu(256), ..state::Demand::default() };
    assigned.task = Arc::new(state::Task { demand, ..assigned.task.as_ref().clone() });
    let told = crate::payload::task(around, &assigned);
    let spec = parse::task(&told.expect("it can be told")).expect("it reads");
    assert_eq!((spec.cpu, spec.network_mode), (Some(Cpu(256)), NetworkMode::Bridge));
    let app = spec.container("app").expect("there is one");
    assert_eq!(app.memory, Some(MemoryMib(128)));
    assert_eq!(app.docker.memory_reservation, Some(64 << 20));
    assert_eq!(app.docker.memory_swap, Some(160 << 20));
    assert!(app.docker.init && app.essential);
    assert_eq!(app.health.as_ref().map(|it| it.interval), Some(Duration::from_secs(30)));
}
