//! `serviceRegistries`: under which Cloud Map service a service's tasks are discovered.

use shapes::ecs as shape;
use state::ServiceRegistry;

use crate::ecs::Error;

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
