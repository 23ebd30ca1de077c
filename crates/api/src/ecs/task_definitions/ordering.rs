//! Which container waits for which, and for how long.
//!
//! Source: handbook 3.5.

use std::collections::{BTreeMap, BTreeSet};

use shapes::ecs as shape;

use super::asked::{self, Asked};
use crate::ecs::Error;

/// Checks that every condition can come true, that nothing waits for itself, and the timeouts.
pub(super) fn check(asked: &Asked<'_>) -> Result<(), Error> {
    for container in asked.containers {
        for dependency in container.depends_on.as_deref().unwrap_or_default() {
            self::dependency(asked, container, dependency)?;
        }
        let waits =
            [("startTimeout", container.start_timeout), ("stopTimeout", container.stop_timeout)];
        for (field, seconds) in waits {
            if seconds.is_some_and(|it| it < 0) {
                let name = asked::name(container);
                return Err(Error::client(format!(
                    "Invalid '{field}' setting for container '{name}'."
                )));
            }
        }
    }
    no_cycle(asked)
}

fn dependency(
    asked: &Asked<'_>,
    container: &shape::ContainerDefinition,
    dependency: &shape::ContainerDependency,
) -> Result<(), Error> {
    let name = asked::name(container);
    let on = dependency.container_name.as_deref().unwrap_or_default();
    if on == name {
        return Err(Error::client(format!("Container '{name}' cannot depend on itself.")));
    }
    let Some(target) = asked.container(on) else {
        return Err(Error::client(format!(
            "Container '{name}' depends on unknown container '{on}'."
        )));
    };
    match &dependency.condition {
        Some(shape::ContainerCondition::Healthy) if target.health_check.is_none() => {
            Err(Error::client(format!(
                "Container '{name}' cannot depend on container '{on}' being HEALTHY, because it \
                 has no health check."
            )))
        }
        Some(shape::ContainerCondition::Complete | shape::ContainerCondition::Success)
            if asked::essential(target) =>
        {
            Err(Error::client(format!(
                "Container '{name}' cannot wait for the end of container '{on}', because it is \
                 essential."
            )))
        }
        Some(shape::ContainerCondition::Other(other)) => {
            Err(Error::client(format!("Invalid dependency condition '{other}'.")))
        }
        None => Err(Error::client("A dependency needs a condition.")),
        Some(_) => Ok(()),
    }
}

/// Names of the containers that must have started before this one: by `dependsOn`, by `links` and
/// by `volumesFrom`.
fn before(container: &shape::ContainerDefinition) -> impl Iterator<Item = &str> {
    let depends = container.depends_on.as_deref().unwrap_or_default();
    let depends = depends.iter().filter_map(|it| it.container_name.as_deref());
    let links = container.links.as_deref().unwrap_or_default();
    let links = links.iter().map(|it| it.split(':').next().unwrap_or(it));
    let volumes = container.volumes_from.as_deref().unwrap_or_default();
    let volumes = volumes.iter().filter_map(|it| it.source_container.as_deref());
    depends.chain(links).chain(volumes)
}

/// Starts containers in thought, round by round, until nothing more can start.
fn no_cycle(asked: &Asked<'_>) -> Result<(), Error> {
    let mut waiting: BTreeMap<&str, BTreeSet<&str>> = asked
        .containers
        .iter()
        .map(|it| {
            let known = before(it).filter(|name| asked.container(name).is_some());
            (asked::name(it), known.collect())
        })
        .collect();
    loop {
        let ready: Vec<&str> =
            waiting.iter().filter(|(_, on)| on.is_empty()).map(|(name, _)| *name).collect();
        if ready.is_empty() {
            break;
        }
        for name in ready {
            waiting.remove(name);
            for on in waiting.values_mut() {
                on.remove(name);
            }
        }
    }
    match waiting.keys().next() {
        None => Ok(()),
        Some(name) => {
            Err(Error::client(format!("Container '{name}' is part of a circular dependency.")))
        }
    }
}
