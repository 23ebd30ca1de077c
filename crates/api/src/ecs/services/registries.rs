//! `serviceRegistries`: under which Cloud Map service a service's tasks are discovered.

use shapes::ecs as shape;
use state::{DnsRecordKind, NetworkMode, ServiceRegistry, State, TaskDefinition};
use types::Arn;

use super::load_balancers::container;
use crate::ecs::{Error, view};

/// Most entries of one service. Source: handbook 5.12.
const ENTRIES_MAX: usize = 1;

/// What the entries say, as they are. Nothing is looked up.
///
/// # Errors
///
/// [`Error::InvalidParameter`] for too many, or parts that are missing.
pub(super) fn parse(asked: &[shape::ServiceRegistry]) -> Result<Vec<ServiceRegistry>, Error> {
    if asked.len() > ENTRIES_MAX {
        return Err(Error::invalid(format!(
            "service registries can have at most {ENTRIES_MAX} items."
        )));
    }
    asked.iter().map(parse_one).collect()
}

fn parse_one(it: &shape::ServiceRegistry) -> Result<ServiceRegistry, Error> {
    let text = |it: &Option<String>| it.clone().filter(|it| !it.is_empty());
    let Some(arn) = text(&it.registry_arn) else {
        return Err(Error::invalid("The registryArn of a service registry must be specified."));
    };
    Ok(ServiceRegistry {
        arn,
        container: text(&it.container_name),
        container_port: port("containerPort", it.container_port)?,
        port: port("port", it.port)?,
    })
}

fn port(name: &str, asked: Option<i32>) -> Result<Option<u16>, Error> {
    let Some(asked) = asked else { return Ok(None) };
    match u16::try_from(asked) {
        Ok(port) if port > 0 => Ok(Some(port)),
        _ => Err(Error::invalid(format!(
            "The {name} of a service registry must be between 1 and 65535."
        ))),
    }
}

/// Looks up what the entries name, and whether it goes with the task definition.
///
/// # Errors
///
/// [`Error::InvalidParameter`].
pub(super) fn check(
    state: &State,
    definition: &TaskDefinition,
    registries: &[ServiceRegistry],
) -> Result<(), Error> {
    registries.iter().try_for_each(|it| check_one(state, definition, it))
}

fn check_one(
    state: &State,
    definition: &TaskDefinition,
    it: &ServiceRegistry,
) -> Result<(), Error> {
    let arn = Arn::parse(&it.arn).filter(|it| it.service == "servicediscovery");
    let id = arn.and_then(|it| it.resource.strip_prefix("service/"));
    let service = id.and_then(|it| state.discovery_services().get(it));
    let service = service.ok_or_else(|| {
        Error::invalid(format!("The service registry with registryArn {} does not exist.", it.arn))
    })?;
    match (&it.container, it.container_port) {
        (Some(name), Some(port)) => container(&view::spec(&definition.spec), name, port)?,
        (None, None) => {}
        _ => {
            return Err(Error::invalid(
                "The containerName and containerPort of a service registry must be specified \
                 together.",
            ));
        }
    }
    if it.container.is_some() && it.port.is_some() {
        return Err(Error::invalid(
            "A service registry can have either a port or a containerName and containerPort, not \
             both.",
        ));
    }
    let Some(dns) = &service.dns else { return Ok(()) };
    let has_srv = dns.records.iter().any(|it| it.kind == DnsRecordKind::Srv);
    match definition.network {
        NetworkMode::Awsvpc if has_srv && it.container.is_none() && it.port.is_none() => {
            Err(Error::invalid(
                "A service registry of type SRV must have either a port or a containerName and \
                 containerPort.",
            ))
        }
        NetworkMode::Bridge | NetworkMode::Host if !has_srv => Err(Error::invalid(
            "Only service registries of type SRV are supported with the bridge and host network \
             modes.",
        )),
        NetworkMode::Bridge | NetworkMode::Host if it.container.is_none() => Err(Error::invalid(
            "A service registry must have a containerName and containerPort with the bridge and \
             host network modes.",
        )),
        NetworkMode::Awsvpc | NetworkMode::Bridge | NetworkMode::Host => Ok(()),
        NetworkMode::None => {
            Err(Error::invalid("Service registries are not supported with the none network mode."))
        }
    }
}
