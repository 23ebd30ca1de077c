//! Names, images and roles: what is called what, and called so only once.
//!
//! Source: handbook 3.1, 3.2, 3.3.

use std::collections::BTreeSet;

use types::{Arn, ContainerName, Family};

use super::asked::{self, Asked};
use crate::ecs::Error;

/// How many containers a task has at most. Source: ECS service quotas.
const CONTAINERS_MAX: usize = 10;

/// Longest image reference. Source: API Reference, `ContainerDefinition`.
const IMAGE_MAX: usize = 255;

/// Checks family, container names, images and roles, and that the task has an essential container.
pub(super) fn check(asked: &Asked<'_>) -> Result<(), Error> {
    family(asked.ask.family.as_deref().unwrap_or_default())?;
    if asked.containers.len() > CONTAINERS_MAX {
        return Err(Error::client(format!(
            "A task definition can have at most {CONTAINERS_MAX} containers."
        )));
    }
    let mut seen = BTreeSet::new();
    for container in asked.containers {
        let name = asked::name(container);
        container_name(name)?;
        if !seen.insert(name) {
            return Err(Error::client(format!("Container name '{name}' is used more than once.")));
        }
        image(name, container.image.as_deref().unwrap_or_default())?;
    }
    if !asked.containers.iter().any(asked::essential) {
        return Err(Error::client("At least one container must be marked as essential."));
    }
    role(asked.ask.task_role_arn.as_deref())?;
    role(asked.ask.execution_role_arn.as_deref())
}

fn family(text: &str) -> Result<(), Error> {
    if text.is_empty() {
        return Err(Error::client("Family should not be null or empty."));
    }
    Family::parse(text).map(drop).map_err(|_| Error::client("Family contains invalid characters."))
}

fn container_name(text: &str) -> Result<(), Error> {
    if text.is_empty() {
        return Err(Error::client("Container.name should not be null or empty."));
    }
    ContainerName::parse(text)
        .map(drop)
        .map_err(|_| Error::client("Container.name contains invalid characters."))
}

fn image(name: &str, text: &str) -> Result<(), Error> {
    if text.is_empty() {
        return Err(Error::client("Container.image should not be null or empty."));
    }
    let letter = |it: char| it.is_ascii_alphanumeric() || "-_./:@#+".contains(it);
    let digest = text.split_once('@').map(|(_, digest)| digest);
    let sound = digest.is_none_or(|it| {
        it.strip_prefix("sha256:")
            .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
    });
    if text.len() > IMAGE_MAX || !text.chars().all(letter) || !sound {
        return Err(Error::client(format!("Invalid 'image' setting for container '{name}'.")));
    }
    Ok(())
}

/// A role is named by its ARN, or by its name alone.
fn role(text: Option<&str>) -> Result<(), Error> {
    let Some(text) = text.filter(|it| !it.is_empty()) else { return Ok(()) };
    let name = if text.starts_with("arn:") {
        let arn = Arn::parse(text).filter(|it| it.service == "iam");
        arn.and_then(|it| it.resource.strip_prefix("role/"))
    } else {
        Some(text)
    };
    let letter = |it: char| it.is_ascii_alphanumeric() || "+=,.@_-/".contains(it);
    match name {
        Some(name) if !name.is_empty() && name.chars().all(letter) => Ok(()),
        _ => Err(Error::client("Role is not valid")),
    }
}
