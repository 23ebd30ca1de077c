//! Port mappings, and the host ports that a task holds.
//!
//! Source: handbook 3.4.

use std::collections::BTreeSet;

use shapes::ecs as shape;
use state::NetworkMode;
use types::{Port, Protocol};

use super::asked::{self, Asked};
use crate::ecs::Error;

/// How many port ranges a container can have.
const RANGES_MAX: usize = 100;

/// Longest name of a mapping.
const NAME_MAX: usize = 64;

/// Checks every mapping, and that no two of them want one host port.
pub(super) fn check(asked: &Asked<'_>) -> Result<(), Error> {
    let mut held = BTreeSet::new();
    let mut names = BTreeSet::new();
    for container in asked.containers {
        let mappings = container.port_mappings.as_deref().unwrap_or_default();
        if !mappings.is_empty() && asked.network == NetworkMode::None {
            return Err(Error::client("Port mappings are not supported when networkMode=none."));
        }
        for mapping in mappings {
            self::mapping(asked.network, asked::name(container), mapping)?;
            if let Some(port) = fixed(asked.network, mapping)
                && !held.insert(port)
            {
                return Err(Error::client(format!(
                    "Host port {} ({}) is mapped more than once.",
                    port.number,
                    port.protocol.as_str()
                )));
            }
            if let Some(name) = &mapping.name
                && !names.insert(name.as_str())
            {
                return Err(Error::client(format!(
                    "Port mapping name '{name}' is used more than once."
                )));
            }
        }
        ranges(asked::name(container), mappings)?;
    }
    Ok(())
}

/// Ports of the instance that one task holds alone, sorted. With an interface of its own it holds
/// none.
pub(super) fn held(asked: &Asked<'_>) -> Vec<Port> {
    if asked.network == NetworkMode::Awsvpc {
        return Vec::new();
    }
    let mappings =
        asked.containers.iter().flat_map(|it| it.port_mappings.as_deref().unwrap_or_default());
    let ports: BTreeSet<Port> = mappings.filter_map(|it| fixed(asked.network, it)).collect();
    ports.into_iter().collect()
}

/// The port that a mapping takes in the network it lands in; `None` if the agent picks one.
fn fixed(network: NetworkMode, mapping: &shape::PortMapping) -> Option<Port> {
    let number = match network {
        NetworkMode::Bridge => mapping.host_port,
        NetworkMode::Host | NetworkMode::Awsvpc => mapping.container_port,
        NetworkMode::None => None,
    };
    let number = number.and_then(|it| u16::try_from(it).ok()).filter(|it| *it > 0)?;
    Some(Port { protocol: protocol(mapping), number })
}

fn protocol(mapping: &shape::PortMapping) -> Protocol {
    mapping.protocol.as_ref().map_or(Protocol::Tcp, |it| Protocol::parse(it.as_str()))
}

fn mapping(
    network: NetworkMode,
    container: &str,
    mapping: &shape::PortMapping,
) -> Result<(), Error> {
    let invalid =
        |field| Error::client(format!("Invalid '{field}' setting for container '{container}'."));
    match (mapping.container_port, &mapping.container_port_range) {
        (Some(1..=65535), None) => {}
        (None, Some(_)) if mapping.host_port.is_none() => match network {
            NetworkMode::Bridge | NetworkMode::Awsvpc => {}
            NetworkMode::Host | NetworkMode::None => return Err(invalid("containerPortRange")),
        },
        (_, Some(_)) => return Err(invalid("containerPortRange")),
        (_, None) => return Err(invalid("containerPort")),
    }
    host_port(network, container, mapping)?;
    match &mapping.name {
        Some(name) if !is_name(name) => Err(invalid("name")),
        _ => Ok(()),
    }
}

fn host_port(
    network: NetworkMode,
    container: &str,
    mapping: &shape::PortMapping,
) -> Result<(), Error> {
    let mode = match (network, mapping.host_port) {
        (_, None) | (NetworkMode::Bridge | NetworkMode::None, Some(0..=65535)) => return Ok(()),
        (NetworkMode::Bridge | NetworkMode::None, Some(_)) => {
            return Err(Error::client(format!(
                "Invalid 'hostPort' setting for container '{container}'."
            )));
        }
        (NetworkMode::Awsvpc, _) => "awsvpc",
        (NetworkMode::Host, _) => "host",
    };
    // 0 means that none was given.
    if mapping.host_port == Some(0) || mapping.host_port == mapping.container_port {
        return Ok(());
    }
    Err(Error::client(format!(
        "When networkMode={mode}, the host ports and container ports in port mappings must match."
    )))
}

fn is_name(text: &str) -> bool {
    let letter = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || b"_-".contains(&it);
    (1..=NAME_MAX).contains(&text.len()) && !text.starts_with('-') && text.bytes().all(letter)
}

/// Ranges are ordered, within the ports there are, and do not overlap.
fn ranges(container: &str, mappings: &[shape::PortMapping]) -> Result<(), Error> {
    let invalid = |text: &str| {
        Error::client(format!(
            "Invalid 'containerPortRange' setting for container '{container}': '{text}'."
        ))
    };
    let mut taken: Vec<(Protocol, u16, u16)> = Vec::new();
    for mapping in mappings {
        let Some(text) = &mapping.container_port_range else { continue };
        let ends = text.split_once('-').and_then(|(first, last)| {
            Some((first.parse::<u16>().ok()?, last.parse::<u16>().ok()?))
        });
        let Some((first, last)) = ends.filter(|(first, last)| *first > 0 && first <= last) else {
            return Err(invalid(text));
        };
        let protocol = protocol(mapping);
        let overlaps = |(of, from, to): &(Protocol, u16, u16)| {
            *of == protocol && *from <= last && first <= *to
        };
        if taken.iter().any(overlaps) || taken.len() == RANGES_MAX {
            return Err(invalid(text));
        }
        taken.push((protocol, first, last));
    }
    Ok(())
}
