//! Where containers log to.
//!
//! Source: handbook 3.8.

use std::collections::BTreeMap;

use shapes::ecs as shape;

use super::asked::{self, Asked};
use crate::ecs::Error;

/// Checks the options that a driver needs, and that FireLens has one container.
pub(super) fn check(asked: &Asked<'_>) -> Result<(), Error> {
    let routers = asked.containers.iter().filter(|it| it.firelens_configuration.is_some()).count();
    if routers > 1 {
        return Err(Error::client("At most one container can have a FireLens configuration."));
    }
    for container in asked.containers {
        let Some(log) = &container.log_configuration else { continue };
        let none = BTreeMap::new();
        let options = log.options.as_ref().unwrap_or(&none);
        mode(asked::name(container), options)?;
        match &log.log_driver {
            Some(shape::LogDriver::Awslogs) => awslogs(options)?,
            Some(shape::LogDriver::Awsfirelens) if routers == 0 => {
                return Err(Error::client(
                    "When a container uses log driver awsfirelens, one container must have a \
                     FireLens configuration.",
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

fn mode(container: &str, options: &BTreeMap<String, String>) -> Result<(), Error> {
    match options.get("mode").map(String::as_str) {
        None | Some("blocking" | "non-blocking") => Ok(()),
        Some(other) => Err(Error::client(format!(
            "Invalid log option 'mode' for container '{container}': '{other}'."
        ))),
    }
}

fn awslogs(options: &BTreeMap<String, String>) -> Result<(), Error> {
    let given = |name: &str| options.get(name).filter(|it| !it.is_empty());
    if given("awslogs-group").is_none() {
        return Err(Error::client("Log driver awslogs requires options: awslogs-group."));
    }
    if given("awslogs-datetime-format").is_some() && given("awslogs-multiline-pattern").is_some() {
        return Err(Error::client(
            "Log driver awslogs takes awslogs-datetime-format or awslogs-multiline-pattern, not \
             both.",
        ));
    }
    match options.get("awslogs-create-group").map(String::as_str) {
        None | Some("true" | "false") => Ok(()),
        Some(other) => {
            Err(Error::client(format!("Invalid log option 'awslogs-create-group': '{other}'.")))
        }
    }
}
