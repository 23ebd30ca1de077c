//! `serviceConnectConfiguration`, read: which endpoints a service asks for.
//!
//! Source: Amazon ECS API Reference, `ServiceConnectConfiguration`; handbook 5.12.

use core::time::Duration;
use std::sync::Arc;

use shapes::ecs as shape;
use shapes::stored;
use state::{Namespace, NetworkMode, State, TaskDefinition, Traffic};

use super::Alias;
use crate::names;

/// Characters of a discovery name.
const DISCOVERY_NAME_MAX: usize = 64;
/// Characters of the name of an alias. Source: ECS API Reference, `ServiceConnectClientAlias`.
const DNS_NAME_MAX: usize = 127;
/// What stands for no end of idleness: it is measured in whole seconds.
const NO_END: Duration = Duration::from_hours(365 * 24);

/// What a service that takes part in Service Connect asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Id of the namespace.
    pub namespace: String,
    /// None of a service that is a client only.
    pub aliases: Vec<Alias>,
}

/// A configuration that nothing can be made of. The texts are for clients.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// There is no such namespace.
    #[error("{0}")]
    Namespace(String),
    /// It makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// Nothing here could act on it.
    #[error("{0} are not supported by this region yet.")]
    Unsupported(&'static str),
}

fn invalid<T>(text: impl Into<String>) -> Result<T, Unfit> {
    Err(Unfit::Invalid(text.into()))
}

/// What a configuration asks for; `None` if it is not enabled.
///
/// # Errors
///
/// What is wrong with it.
pub fn wanted(
    state: &State,
    asked: Option<&shape::ServiceConnectConfiguration>,
    definition: &TaskDefinition,
) -> Result<Option<Wanted>, Unfit> {
    let Some(asked) = asked.filter(|it| it.enabled.unwrap_or(false)) else { return Ok(None) };
    refuse(asked)?;
    if !matches!(definition.network, NetworkMode::Awsvpc | NetworkMode::Bridge) {
        let mode = crate::payload::network_word(definition.network);
        return invalid(format!(
            "Service Connect is not supported for task definitions with network mode {mode}."
        ));
    }
    let Some(name) = asked.namespace.as_deref().filter(|it| !it.is_empty()) else {
        return invalid(
            "A namespace is required for Service Connect: give one in the \
             serviceConnectConfiguration, or as the default of the cluster.",
        );
    };
    let namespace = namespace(state, name)
        .ok_or_else(|| Unfit::Namespace(format!("The namespace {name} was not found.")))?;
    let spec: shape::RegisterTaskDefinitionRequest =
        stored::from_slice(&definition.spec).unwrap_or_default();
    let mut aliases: Vec<Alias> = Vec::new();
    let mut ports: Vec<&str> = Vec::new();
    for it in asked.services.iter().flatten() {
        let port_name = it.port_name.as_deref().unwrap_or_default();
        if ports.contains(&port_name) {
            return invalid(format!(
                "The portName {port_name} is given more than once in the \
                 serviceConnectConfiguration."
            ));
        }
        ports.push(port_name);
        aliases.extend(alias(it, namespace, &spec)?);
    }
    Ok(Some(Wanted { namespace: namespace.id.clone(), aliases }))
}

/// A namespace by its ARN, or by its name.
pub fn namespace<'a>(state: &'a State, text: &str) -> Option<&'a Arc<Namespace>> {
    if text.starts_with("arn:") {
        let (_, id) = text.split_once(":namespace/")?;
        return state.namespaces().get(id);
    }
    let named = |it: &&Arc<Namespace>| it.http_name == text;
    let mut all = state.namespaces().values();
    all.find(named).or_else(|| state.namespaces().values().find(|it| it.name == text))
}

/// Id of the namespace whose names tasks with such a configuration see; `None` if it is not enabled.
pub fn seen(state: &State, asked: Option<&shape::ServiceConnectConfiguration>) -> Option<String> {
    let asked = asked.filter(|it| it.enabled.unwrap_or(false))?;
    Some(namespace(state, asked.namespace.as_deref()?)?.id.clone())
}

/// The ARN of a namespace.
pub fn namespace_arn(state: &State, id: &str) -> String {
    let home = state.home();
    format!("arn:aws:servicediscovery:{}:{}:namespace/{id}", home.region, home.account)
}

/// Refuses what there is nothing for that could act on it: no proxy stands beside the containers.
fn refuse(asked: &shape::ServiceConnectConfiguration) -> Result<(), Unfit> {
    let refused =
        |is_asked: bool, what| if is_asked { Err(Unfit::Unsupported(what)) } else { Ok(()) };
    let configured = asked.container_configurations.as_ref().is_some_and(|it| !it.is_empty());
    refused(asked.log_configuration.is_some(), "Log configurations of Service Connect")?;
    refused(asked.access_log_configuration.is_some(), "Access logs of Service Connect")?;
    refused(configured, "Container configurations of Service Connect")?;
    for it in asked.services.iter().flatten() {
        let aliases = || it.client_aliases.iter().flatten();
        let request = it.timeout.as_ref().and_then(|it| it.per_request_timeout_seconds);
        refused(it.tls.is_some(), "TLS configurations of Service Connect")?;
        refused(it.ingress_port_override.is_some(), "Ingress ports of Service Connect")?;
        refused(request.unwrap_or(0) != 0, "Request timeouts of Service Connect")?;
        refused(
            aliases().any(|it| it.test_traffic_rules.is_some()),
            "Test traffic rules of Service Connect",
        )?;
    }
    Ok(())
}

/// The endpoint that one entry asks for; `None` if it has no client alias.
fn alias(
    it: &shape::ServiceConnectService,
    namespace: &Namespace,
    spec: &shape::RegisterTaskDefinitionRequest,
) -> Result<Option<Alias>, Unfit> {
    let port_name = it.port_name.as_deref().unwrap_or_default();
    if port_name.is_empty() {
        return invalid(
            "A portName is required for each service of a serviceConnectConfiguration.",
        );
    }
    let Some((_, mapping)) = mapping(spec, port_name) else {
        return invalid(format!(
            "portName({port_name}) does not refer to any named PortMapping in the task definition."
        ));
    };
    if mapping.protocol == Some(shape::TransportProtocol::Udp) {
        return invalid(format!(
            "portName({port_name}) is one of UDP; Service Connect is for TCP."
        ));
    }
    let discovery_name = match it.discovery_name.as_deref() {
        None | Some("") => port_name,
        Some(given) if is_discovery_name(given) => given,
        Some(bad) => {
            return invalid(format!(
                "Invalid discoveryName '{bad}'. Up to {DISCOVERY_NAME_MAX} lowercase letters, \
                 numbers, underscores, and hyphens are allowed."
            ));
        }
    };
    let client = match it.client_aliases.as_deref().unwrap_or_default() {
        [] => return Ok(None),
        [one] => one,
        _ => return invalid("clientAliases can have at most 1 items."),
    };
    let default = || format!("{discovery_name}.{}", namespace.name);
    let given = client.dns_name.clone().filter(|it| !it.is_empty());
    Ok(Some(Alias {
        port_name: port_name.to_owned(),
        discovery_name: discovery_name.to_owned(),
        dns_name: dns_name(&given.unwrap_or_else(default))?,
        port: port(client.port)?,
        traffic: match mapping.app_protocol {
            Some(shape::ApplicationProtocol::Http) => Traffic::Requests,
            // A listener without TLS takes HTTP/1.1 only, so what may be HTTP/2 is carried as it is.
            _ => Traffic::Connections,
        },
        idle: idle(it.timeout.as_ref())?,
    }))
}

/// The port mapping of a name, and the container that has it.
pub(super) fn mapping<'a>(
    spec: &'a shape::RegisterTaskDefinitionRequest,
    name: &str,
) -> Option<(&'a str, &'a shape::PortMapping)> {
    let containers = spec.container_definitions.iter().flatten();
    let mut all = containers.flat_map(|container| {
        let mappings = container.port_mappings.iter().flatten();
        mappings.filter_map(|it| Some((container.name.as_deref()?, it)))
    });
    all.find(|(_, it)| it.name.as_deref() == Some(name))
}

fn is_discovery_name(name: &str) -> bool {
    let fits = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || b"-_".contains(&it);
    name.len() <= DISCOVERY_NAME_MAX && name.bytes().all(fits)
}

/// In lower case, without a dot at its end.
fn dns_name(text: &str) -> Result<String, Unfit> {
    let canonical = names::canonical(text).ok().filter(|_| text.len() <= DNS_NAME_MAX);
    match canonical.as_deref().and_then(|it| it.strip_suffix('.')) {
        Some(name) if name.parse::<std::net::IpAddr>().is_err() => Ok(name.to_owned()),
        _ => invalid(format!(
            "Invalid dnsName '{text}'. It must be a name of at most {DNS_NAME_MAX} characters, such \
             as 'database' or 'db.internal'."
        )),
    }
}

fn port(asked: Option<i32>) -> Result<u16, Unfit> {
    match asked.and_then(|it| u16::try_from(it).ok()) {
        Some(port) if port > 0 => Ok(port),
        _ => invalid("The port of a client alias must be between 1 and 65535."),
    }
}

fn idle(asked: Option<&shape::TimeoutConfiguration>) -> Result<Option<Duration>, Unfit> {
    match asked.and_then(|it| it.idle_timeout_seconds).map(u64::try_from) {
        None => Ok(None),
        Some(Ok(0)) => Ok(Some(NO_END)),
        Some(Ok(seconds)) => Ok(Some(Duration::from_secs(seconds))),
        Some(Err(_)) => invalid("idleTimeoutSeconds must be at least 0."),
    }
}
