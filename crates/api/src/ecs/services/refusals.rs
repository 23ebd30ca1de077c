//! What a service can ask for that this region cannot do yet, each refused by name.

use shapes::ecs as shape;

use crate::ecs::Error;

/// Refuses what nothing could act on. What is switched off is no wish.
///
/// # Errors
///
/// [`Error::UnsupportedFeature`]; [`Error::InvalidParameter`] for values that AWS refuses too.
pub(super) fn refuse(ask: &shape::CreateServiceRequest) -> Result<(), Error> {
    controller(ask.deployment_controller.as_ref())?;
    launch_type(ask)?;
    if let Some(it) = &ask.deployment_configuration {
        deployment(it)?;
    }
    let some = |list: Option<usize>| list.is_some_and(|it| it > 0);
    if some(ask.volume_configurations.as_ref().map(Vec::len)) {
        return Err(Error::unsupported("Volumes configured at launch"));
    }
    if some(ask.vpc_lattice_configurations.as_ref().map(Vec::len)) {
        return Err(Error::unsupported("VPC Lattice configurations"));
    }
    if some(ask.gateway_connectors.as_ref().map(Vec::len)) {
        return Err(Error::unsupported("Gateway connectors"));
    }
    if ask.monitoring.as_ref().is_some_and(|it| *it != shape::MonitoringConfiguration::default()) {
        return Err(Error::unsupported("Monitoring configurations"));
    }
    Ok(())
}

/// # Errors
///
/// [`Error::UnsupportedFeature`] for all but `ECS`.
pub(super) fn controller(it: Option<&shape::DeploymentController>) -> Result<(), Error> {
    match it.and_then(|it| it.r#type.as_ref()) {
        None | Some(shape::DeploymentControllerType::Ecs) => Ok(()),
        Some(shape::DeploymentControllerType::Other(it)) => {
            Err(Error::invalid(format!("Invalid deployment controller type: '{it}'.")))
        }
        Some(other) => Err(Error::UnsupportedFeature(format!(
            "Deployment controller {other} is not supported by this region yet: use ECS."
        ))),
    }
}

fn launch_type(ask: &shape::CreateServiceRequest) -> Result<(), Error> {
    let strategy = ask.capacity_provider_strategy.as_deref().unwrap_or_default();
    if ask.launch_type.is_some() && !strategy.is_empty() {
        return Err(Error::invalid(
            "Specifying both a launch type and capacity provider strategy is not supported. \
             Remove one and try again.",
        ));
    }
    if !strategy.is_empty() {
        return Err(Error::unsupported("Capacity providers"));
    }
    match &ask.launch_type {
        None | Some(shape::LaunchType::Ec2) => {}
        Some(shape::LaunchType::Other(it)) => {
            return Err(Error::invalid(format!("Invalid launch type: '{it}'.")));
        }
        Some(other) => {
            return Err(Error::UnsupportedFeature(format!(
                "Launch type {other} is not supported by this region yet: its tasks run on \
                 container instances (launch type EC2)."
            )));
        }
    }
    if ask.platform_version.as_deref().is_some_and(|it| !it.is_empty()) {
        return Err(Error::invalid(
            "The platform version must be null when specifying an EC2 launch type.",
        ));
    }
    Ok(())
}

fn deployment(it: &shape::DeploymentConfiguration) -> Result<(), Error> {
    match &it.strategy {
        None | Some(shape::DeploymentStrategy::Rolling) => {}
        Some(shape::DeploymentStrategy::Other(it)) => {
            return Err(Error::invalid(format!("Invalid deployment strategy: '{it}'.")));
        }
        Some(other) => {
            return Err(Error::UnsupportedFeature(format!(
                "Deployment strategy {other} is not supported by this region yet: use ROLLING."
            )));
        }
    }
    if it.canary_configuration.is_some() || it.linear_configuration.is_some() {
        return Err(Error::unsupported("Canary and linear deployments"));
    }
    if it.bake_time_in_minutes.unwrap_or(0) != 0 {
        return Err(Error::unsupported("Bake times of deployments"));
    }
    if it.lifecycle_hooks.as_ref().is_some_and(|it| !it.is_empty()) {
        return Err(Error::unsupported("Lifecycle hooks of deployments"));
    }
    if it.early_success_criteria.as_ref().is_some_and(|it| it.enable.unwrap_or(false)) {
        return Err(Error::unsupported("Early success criteria of deployments"));
    }
    Ok(())
}
