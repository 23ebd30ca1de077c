//! Volumes and where containers mount them.
//!
//! Source: handbook 3.9.

use std::collections::BTreeSet;

use shapes::ecs as shape;

use super::asked::{self, Asked};
use crate::ecs::Error;

/// Longest name of a volume.
const NAME_MAX: usize = 255;

/// Checks that every volume is of one kind, and that every mount has a source.
pub(super) fn check(asked: &Asked<'_>) -> Result<(), Error> {
    let volumes = asked.ask.volumes.as_deref().unwrap_or_default();
    let mut names = BTreeSet::new();
    for volume in volumes {
        let name = volume.name.as_deref().unwrap_or_default();
        if !is_name(name) {
            return Err(Error::client(format!("Invalid volume name '{name}'.")));
        }
        if !names.insert(name) {
            return Err(Error::client(format!("Volume name '{name}' is used more than once.")));
        }
        one_kind(name, volume)?;
        docker(name, volume)?;
        efs(name, volume)?;
    }
    if volumes.iter().filter(|it| it.configured_at_launch == Some(true)).count() > 1 {
        return Err(Error::client("At most one volume can be configured at launch."));
    }
    for container in asked.containers {
        mounts(&names, container)?;
        volumes_from(asked, container)?;
    }
    Ok(())
}

fn is_name(text: &str) -> bool {
    let letter = |it: u8| it.is_ascii_alphanumeric() || b"_-".contains(&it);
    (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(letter)
}

/// A volume without any configuration is one on the host without a path.
fn one_kind(name: &str, volume: &shape::Volume) -> Result<(), Error> {
    let kinds = [
        volume.host.as_ref().is_some_and(|it| it.source_path.is_some()),
        volume.docker_volume_configuration.is_some(),
        volume.efs_volume_configuration.is_some(),
        volume.fsx_windows_file_server_volume_configuration.is_some(),
        volume.s3files_volume_configuration.is_some(),
        volume.configured_at_launch == Some(true),
    ];
    if kinds.into_iter().filter(|it| *it).count() > 1 {
        return Err(Error::client(format!("Volume '{name}' has more than one configuration.")));
    }
    let path = volume.host.as_ref().and_then(|it| it.source_path.as_deref());
    match path {
        Some(path) if !path.starts_with('/') => Err(Error::client(format!(
            "Invalid 'sourcePath' setting for volume '{name}': it must be an absolute path."
        ))),
        _ => Ok(()),
    }
}

fn docker(name: &str, volume: &shape::Volume) -> Result<(), Error> {
    let Some(docker) = &volume.docker_volume_configuration else { return Ok(()) };
    let shared = docker.scope == Some(shape::Scope::Shared);
    if docker.autoprovision.is_some() && !shared {
        return Err(Error::client(format!(
            "Volume '{name}': 'autoprovision' is only supported with scope 'shared'."
        )));
    }
    Ok(())
}

fn efs(name: &str, volume: &shape::Volume) -> Result<(), Error> {
    let Some(efs) = &volume.efs_volume_configuration else { return Ok(()) };
    let invalid = |why: &str| Error::client(format!("Invalid EFS volume '{name}': {why}"));
    if efs.transit_encryption_port.is_some_and(|it| !(1..=65535).contains(&it)) {
        return Err(invalid("'transitEncryptionPort' must be between 1 and 65535."));
    }
    let Some(access) = &efs.authorization_config else { return Ok(()) };
    let by_iam = access.iam == Some(shape::EFSAuthorizationConfigIAM::Enabled);
    let encrypted = efs.transit_encryption == Some(shape::EFSTransitEncryption::Enabled);
    if (access.access_point_id.is_some() || by_iam) && !encrypted {
        return Err(invalid("access points and IAM require 'transitEncryption' ENABLED."));
    }
    let root = efs.root_directory.as_deref().unwrap_or("/");
    if access.access_point_id.is_some() && !matches!(root, "" | "/") {
        return Err(invalid("'rootDirectory' must be '/' with an access point."));
    }
    Ok(())
}

fn mounts(volumes: &BTreeSet<&str>, container: &shape::ContainerDefinition) -> Result<(), Error> {
    let name = asked::name(container);
    let mut paths = BTreeSet::new();
    for mount in container.mount_points.as_deref().unwrap_or_default() {
        let source = mount.source_volume.as_deref().unwrap_or_default();
        if !volumes.contains(source) {
            return Err(Error::client(format!("Unknown volume '{source}'.")));
        }
        let path = mount.container_path.as_deref().unwrap_or_default();
        if path.is_empty() {
            return Err(Error::client("MountPoint.containerPath should not be null or empty."));
        }
        if !paths.insert(path) {
            return Err(Error::client(format!(
                "Container '{name}' mounts more than one volume at '{path}'."
            )));
        }
    }
    Ok(())
}

fn volumes_from(asked: &Asked<'_>, container: &shape::ContainerDefinition) -> Result<(), Error> {
    let name = asked::name(container);
    for from in container.volumes_from.as_deref().unwrap_or_default() {
        let source = from.source_container.as_deref().unwrap_or_default();
        if source == name || asked.container(source).is_none() {
            return Err(Error::client(format!(
                "Invalid 'volumesFrom' setting for container '{name}': '{source}'."
            )));
        }
    }
    Ok(())
}
