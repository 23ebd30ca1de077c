//! Environment, secrets, health checks and restarts of containers.
//!
//! Source: handbook 3.7; API Reference, `HealthCheck`, `ContainerRestartPolicy`.

use core::ops::RangeInclusive;

use shapes::ecs as shape;

use super::asked::{self, Asked};
use crate::ecs::Error;

/// How many environment files a container can have.
const FILES_MAX: usize = 10;

/// How many exit codes a restart policy can ignore.
const IGNORED_CODES_MAX: usize = 50;

/// Seconds between restarts.
const RESTART_PERIOD: RangeInclusive<i32> = 60..=1800;

/// Checks every container.
pub(super) fn check(asked: &Asked<'_>) -> Result<(), Error> {
    for container in asked.containers {
        names(container)?;
        files(container)?;
        execution_role(asked, container)?;
        health(container)?;
        restarts(container)?;
    }
    Ok(())
}

fn names(container: &shape::ContainerDefinition) -> Result<(), Error> {
    let name = asked::name(container);
    let environment = container.environment.as_deref().unwrap_or_default();
    let secrets = container.secrets.as_deref().unwrap_or_default();
    let empty = |it: Option<&str>| it.unwrap_or_default().is_empty();
    if environment.iter().any(|it| empty(it.name.as_deref())) {
        return Err(Error::client(format!(
            "Invalid 'environment' setting for container '{name}': a name is empty."
        )));
    }
    for secret in secrets {
        if empty(secret.name.as_deref()) || empty(secret.value_from.as_deref()) {
            return Err(Error::client(format!(
                "Invalid 'secrets' setting for container '{name}': name and valueFrom must not \
                 be empty."
            )));
        }
        if environment.iter().any(|it| it.name == secret.name) {
            return Err(Error::client(format!(
                "The secret name must be unique and not shared with any new or existing \
                 environment variables set on the container, such as '{}'.",
                secret.name.as_deref().unwrap_or_default()
            )));
        }
    }
    Ok(())
}

fn files(container: &shape::ContainerDefinition) -> Result<(), Error> {
    let name = asked::name(container);
    let files = container.environment_files.as_deref().unwrap_or_default();
    if files.len() > FILES_MAX {
        return Err(Error::client(format!(
            "Container '{name}' has more than {FILES_MAX} environment files."
        )));
    }
    for file in files {
        let value = file.value.as_deref().unwrap_or_default();
        let object = types::Arn::parse(value).is_some_and(|it| it.service == "s3");
        if !object || !value.to_ascii_lowercase().ends_with(".env") {
            return Err(Error::client(format!(
                "Invalid environment file for container '{name}': '{value}' is not the ARN of an \
                 S3 object that ends with .env."
            )));
        }
    }
    Ok(())
}

/// Secrets and registry credentials are fetched in the name of the execution role.
fn execution_role(asked: &Asked<'_>, container: &shape::ContainerDefinition) -> Result<(), Error> {
    if asked.ask.execution_role_arn.as_ref().is_some_and(|it| !it.is_empty()) {
        return Ok(());
    }
    if container.secrets.as_ref().is_some_and(|it| !it.is_empty()) {
        return Err(Error::client(
            "When you are specifying container secrets, you must also specify a value for \
             'executionRoleArn'.",
        ));
    }
    if container.repository_credentials.is_some() {
        return Err(Error::client(
            "When you are specifying 'repositoryCredentials', you must also specify a value for \
             'executionRoleArn'.",
        ));
    }
    Ok(())
}

fn health(container: &shape::ContainerDefinition) -> Result<(), Error> {
    let Some(check) = &container.health_check else { return Ok(()) };
    let name = asked::name(container);
    let invalid = |field: &str| {
        Error::client(format!("Invalid '{field}' setting in healthCheck of container '{name}'."))
    };
    let command = check.command.as_deref().unwrap_or_default();
    if command.first().is_none_or(String::is_empty) {
        return Err(invalid("command"));
    }
    let limits: [(&str, Option<i32>, RangeInclusive<i32>); 4] = [
        ("interval", check.interval, 5..=300),
        ("timeout", check.timeout, 2..=60),
        ("retries", check.retries, 1..=10),
        ("startPeriod", check.start_period, 0..=300),
    ];
    match limits.iter().find(|(_, value, range)| value.is_some_and(|it| !range.contains(&it))) {
        Some((field, _, _)) => Err(invalid(field)),
        None => Ok(()),
    }
}

fn restarts(container: &shape::ContainerDefinition) -> Result<(), Error> {
    let Some(policy) = &container.restart_policy else { return Ok(()) };
    let name = asked::name(container);
    if policy.restart_attempt_period.is_some_and(|it| !RESTART_PERIOD.contains(&it)) {
        return Err(Error::client(format!(
            "Invalid 'restartAttemptPeriod' setting for container '{name}': it must be between \
             {} and {} seconds.",
            RESTART_PERIOD.start(),
            RESTART_PERIOD.end()
        )));
    }
    if policy.ignored_exit_codes.as_ref().is_some_and(|it| it.len() > IGNORED_CODES_MAX) {
        return Err(Error::client(format!(
            "Invalid 'ignoredExitCodes' setting for container '{name}': at most \
             {IGNORED_CODES_MAX} exit codes can be ignored."
        )));
    }
    Ok(())
}
