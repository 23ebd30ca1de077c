//! On what a task definition can run, and whether that is what was demanded.
//!
//! Source: handbook 3.1, 3.2, 12.1.

use shapes::ecs as shape;
use state::NetworkMode;

use super::asked::Asked;
use super::fargate;
use crate::ecs::Error;

/// Checks what the request demands.
pub(super) fn check(asked: &Asked<'_>) -> Result<(), Error> {
    for wanted in asked.ask.requires_compatibilities.as_deref().unwrap_or_default() {
        match wanted {
            shape::Compatibility::Ec2 => {}
            shape::Compatibility::Fargate => fargate::check(asked)?,
            shape::Compatibility::External => external(asked)?,
            shape::Compatibility::ManagedInstances => managed(asked)?,
            shape::Compatibility::Other(other) => {
                return Err(Error::client(format!("Invalid compatibility '{other}'.")));
            }
        }
    }
    storage(asked)
}

/// Everything that the definition could run on, in AWS's order.
pub(super) fn all(asked: &Asked<'_>) -> Vec<shape::Compatibility> {
    let possible = [
        (shape::Compatibility::External, external(asked).is_ok()),
        (shape::Compatibility::Ec2, true),
        (
            shape::Compatibility::ManagedInstances,
            asked.requires(&shape::Compatibility::ManagedInstances),
        ),
        (shape::Compatibility::Fargate, fargate::check(asked).is_ok()),
    ];
    possible.into_iter().filter(|(_, possible)| *possible).map(|(it, _)| it).collect()
}

fn external(asked: &Asked<'_>) -> Result<(), Error> {
    let volumes = asked.ask.volumes.as_deref().unwrap_or_default();
    if asked.network == NetworkMode::Awsvpc {
        return Err(Error::client("External instances do not support networkMode=awsvpc."));
    }
    if volumes.iter().any(|it| it.efs_volume_configuration.is_some()) {
        return Err(Error::client("External instances do not support EFS volumes."));
    }
    Ok(())
}

fn managed(asked: &Asked<'_>) -> Result<(), Error> {
    match asked.network {
        NetworkMode::Awsvpc | NetworkMode::Host => Ok(()),
        NetworkMode::Bridge | NetworkMode::None => {
            Err(Error::client("Managed instances only support networkMode awsvpc and host."))
        }
    }
}

/// Storage of the task's own is 21 to 200 GiB.
fn storage(asked: &Asked<'_>) -> Result<(), Error> {
    let Some(storage) = &asked.ask.ephemeral_storage else { return Ok(()) };
    match storage.size_in_gib {
        Some(21..=200) => Ok(()),
        _ => Err(Error::client("The ephemeral storage size must be between 21 GiB and 200 GiB.")),
    }
}
