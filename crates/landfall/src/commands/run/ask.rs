//! What `run` asks the region for: flags become a task definition.

use core::str::FromStr;
use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use shapes::ecs::{
    AwsVpcConfiguration, ContainerDefinition, KeyValuePair, LogConfiguration, NetworkConfiguration,
    NetworkMode, PortMapping, RegisterTaskDefinitionRequest, TransportProtocol,
};
use types::Family;

use super::{Driver, Mode, RunFlags};
use crate::commands::tasks::Seats;

/// What the names of log streams begin with.
const STREAM_PREFIX: &str = "run";

/// Most subnets of one request. Source: ECS API Reference, `AwsVpcConfiguration`.
const SUBNETS_MAX: usize = 16;

/// `-p`: a port of the container, and where on the instance it is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Port {
    /// A free one if none is given.
    host: Option<u16>,
    container: u16,
    protocol: types::Protocol,
}

/// What is no `-p`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum PortError {
    #[error("{0:?} is no port: use CONTAINER or HOST:CONTAINER with numbers from 1 to 65535")]
    Number(String),
    #[error("{0:?} is no protocol: use tcp or udp")]
    Protocol(String),
}

impl FromStr for Port {
    type Err = PortError;

    fn from_str(text: &str) -> Result<Self, PortError> {
        let (ports, protocol) = match text.split_once('/') {
            None | Some((_, "tcp")) => (text.trim_end_matches("/tcp"), types::Protocol::Tcp),
            Some((ports, "udp")) => (ports, types::Protocol::Udp),
            Some((_, other)) => return Err(PortError::Protocol(other.to_owned())),
        };
        let number = |it: &str| {
            let found = it.parse().ok().filter(|it| *it > 0);
            found.ok_or_else(|| PortError::Number(text.to_owned()))
        };
        let (host, container) = match ports.split_once(':') {
            None => (None, number(ports)?),
            Some((host, container)) => (Some(number(host)?), number(container)?),
        };
        Ok(Self { host, container, protocol })
    }
}

/// `-e`: an environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Variable {
    name: String,
    value: String,
}

/// What is no `-e`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no variable: use NAME=VALUE")]
pub(super) struct VariableError(String);

impl FromStr for Variable {
    type Err = VariableError;

    fn from_str(text: &str) -> Result<Self, VariableError> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                Ok(Self { name: name.to_owned(), value: value.to_owned() })
            }
            _ => Err(VariableError(text.to_owned())),
        }
    }
}

/// The family that the flags name, or the last word of the image's name.
pub(super) fn family(flags: &RunFlags) -> anyhow::Result<String> {
    let name = match &flags.name {
        Some(name) => name.clone(),
        None => word_of(&flags.image),
    };
    Family::parse(&name)
        .with_context(|| format!("{name:?} is no family: give one with --name"))
        .map(|it| it.to_string())
}

/// `registry.test:5000/team/web.app:1.2@sha256:…` is `web-app`.
fn word_of(image: &str) -> String {
    let image = image.split('@').next().unwrap_or_default();
    let last = image.rsplit('/').next().unwrap_or_default();
    let word = last.split(':').next().unwrap_or_default();
    word.replace(|it: char| !it.is_ascii_alphanumeric() && it != '-' && it != '_', "-")
}

/// The log group of a family's output.
pub(super) fn log_group(family: &str) -> String {
    format!("/landfall/{family}")
}

/// The task definition: one container of the family's name.
pub(super) fn definition(
    flags: &RunFlags,
    family: &str,
    region: &str,
) -> RegisterTaskDefinitionRequest {
    let container = ContainerDefinition {
        name: Some(family.to_owned()),
        image: Some(flags.image.clone()),
        essential: Some(true),
        command: (!flags.command.is_empty()).then(|| flags.command.clone()),
        cpu: i32::try_from(flags.cpu).ok(),
        memory: i32::try_from(flags.memory).ok(),
        environment: some(flags.env.iter().map(variable).collect()),
        port_mappings: some(flags.publish.iter().copied().map(mapping).collect()),
        log_configuration: Some(log(flags.log_driver, family, region)),
        ..ContainerDefinition::default()
    };
    RegisterTaskDefinitionRequest {
        family: Some(family.to_owned()),
        network_mode: Some(match flags.network_mode {
            Mode::Bridge => NetworkMode::Bridge,
            Mode::Awsvpc => NetworkMode::Awsvpc,
            Mode::Host => NetworkMode::Host,
            Mode::None => NetworkMode::None,
        }),
        container_definitions: Some(vec![container]),
        ..RegisterTaskDefinitionRequest::default()
    }
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn variable(it: &Variable) -> KeyValuePair {
    KeyValuePair { name: Some(it.name.clone()), value: Some(it.value.clone()) }
}

fn mapping(it: Port) -> PortMapping {
    PortMapping {
        container_port: Some(it.container.into()),
        host_port: it.host.map(i32::from),
        protocol: Some(TransportProtocol::from(it.protocol.as_str())),
        ..PortMapping::default()
    }
}

fn log(driver: Driver, family: &str, region: &str) -> LogConfiguration {
    let (name, options) = match driver {
        Driver::Awslogs => (
            "awslogs",
            vec![
                ("awslogs-group", log_group(family)),
                ("awslogs-region", region.to_owned()),
                ("awslogs-stream-prefix", STREAM_PREFIX.to_owned()),
            ],
        ),
        Driver::JsonFile => ("json-file", Vec::new()),
        Driver::None => ("none", Vec::new()),
    };
    let options: BTreeMap<String, String> =
        options.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    LogConfiguration {
        log_driver: Some(name.into()),
        options: (!options.is_empty()).then_some(options),
        ..LogConfiguration::default()
    }
}

/// The subnets of the cluster's instances: an `awsvpc` task may go to each of them.
pub(super) fn network(seats: &Seats) -> anyhow::Result<NetworkConfiguration> {
    let mut subnets: Vec<String> =
        seats.values().map(|it| it.subnet.clone()).filter(|it| !it.is_empty()).collect();
    subnets.sort_unstable();
    subnets.dedup();
    subnets.truncate(SUBNETS_MAX);
    if subnets.is_empty() {
        bail!(
            "no container instance of the cluster says which subnet it is in, which \
             --network-mode awsvpc needs; is an instance registered? See `aws ecs \
             list-container-instances`"
        );
    }
    let configuration =
        AwsVpcConfiguration { subnets: Some(subnets), ..AwsVpcConfiguration::default() };
    Ok(NetworkConfiguration { awsvpc_configuration: Some(configuration) })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use shapes::json;

    use super::*;
    use crate::args::{Args, Command};

    fn flags(line: &str) -> RunFlags {
        let words = ["landfall", "run"].into_iter().chain(line.split_whitespace());
        match Args::try_parse_from(words).expect("parses").command {
            Command::Run(flags) => flags,
            other => unreachable!("{other:?}"),
        }
    }

    fn asked(line: &str) -> serde_json::Value {
        let flags = flags(line);
        let family = family(&flags).expect("a family");
        let request = definition(&flags, &family, "us-east-1");
        serde_json::from_slice(&json::encode(&request)).expect("JSON")
    }

    #[test]
    fn ports_are_read_as_docker_users_write_them() {
        let port = |host, container| Port { host, container, protocol: types::Protocol::Tcp };
        for (text, expected) in [
            ("80", Ok(port(None, 80))),
            ("8080:80", Ok(port(Some(8080), 80))),
            ("8080:80/tcp", Ok(port(Some(8080), 80))),
            ("53/udp", Ok(Port { host: None, container: 53, protocol: types::Protocol::Udp })),
            ("0", Err(PortError::Number("0".into()))),
            ("65536", Err(PortError::Number("65536".into()))),
            ("a:80", Err(PortError::Number("a:80".into()))),
            ("1:2:3", Err(PortError::Number("1:2:3".into()))),
            ("", Err(PortError::Number(String::new()))),
            ("80/sctp", Err(PortError::Protocol("sctp".into()))),
        ] {
            assert_eq!(text.parse(), expected, "{text}");
        }
    }

    #[test]
    fn the_family_is_the_last_word_of_the_image() {
        for (image, expected) in [
            ("nginx", "nginx"),
            ("nginx:1.27", "nginx"),
            ("landfall/demo", "demo"),
            ("registry.test:5000/team/web.app:1@sha256:00", "web-app"),
        ] {
            assert_eq!(family(&flags(image)).expect("a family"), expected, "{image}");
        }
        assert_eq!(family(&flags("nginx --name front")).expect("given"), "front");
        assert!(family(&flags("nginx --name a/b")).is_err());
    }

    #[test]
    fn flags_become_a_task_definition() {
        let asked = asked("nginx:1 -p 80 -p 8443:443 -e A=b=c --memory 64 -- sh -c exit");
        let container = &asked["containerDefinitions"][0];
        assert_eq!(container["command"], serde_json::json!(["sh", "-c", "exit"]));
        assert_eq!(container["memory"], 64);
        assert_eq!(container["environment"][0]["value"], "b=c");
        assert_eq!(container["portMappings"][0].get("hostPort"), None);
        assert_eq!(container["portMappings"][1]["hostPort"], 8443);
        assert_eq!(container["logConfiguration"]["options"]["awslogs-group"], "/landfall/nginx");
        assert_eq!(asked["networkMode"], "bridge");
    }

    #[test]
    fn output_may_go_nowhere() {
        let asked = asked("nginx --log-driver none");
        let log = &asked["containerDefinitions"][0]["logConfiguration"];
        assert_eq!(*log, serde_json::json!({ "logDriver": "none" }));
    }

    #[test]
    fn variables_need_a_name() {
        assert!("A=".parse::<Variable>().is_ok());
        for bad in ["A", "=b", ""] {
            assert!(bad.parse::<Variable>().is_err(), "{bad}");
        }
    }
}
