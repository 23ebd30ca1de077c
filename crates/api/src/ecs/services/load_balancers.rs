//! `loadBalancers`: which ports of a service's tasks become targets of which groups.

use shapes::ecs as shape;
use state::{NetworkMode, ServiceTarget, State, TargetType, TaskDefinition};

use crate::ecs::{Error, view};

/// Most entries of one service. Source: handbook 5.12.
const ENTRIES_MAX: usize = 5;

/// What the entries say, as they are. Nothing is looked up.
///
/// # Errors
///
/// [`Error::InvalidParameter`] for too many, or parts that are missing or do not go together.
pub(super) fn parse(asked: &[shape::LoadBalancer]) -> Result<Vec<ServiceTarget>, Error> {
    if asked.len() > ENTRIES_MAX {
        return Err(Error::invalid(format!(
            "load balancers can have at most {ENTRIES_MAX} items."
        )));
    }
    let targets: Vec<ServiceTarget> = asked.iter().map(parse_one).collect::<Result<_, _>>()?;
    if targets.len() > 1 && targets.iter().any(|it| it.classic.is_some()) {
        return Err(Error::invalid("load balancers can have at most 1 items."));
    }
    Ok(targets)
}

fn parse_one(it: &shape::LoadBalancer) -> Result<ServiceTarget, Error> {
    if it.advanced_configuration.is_some() {
        return Err(Error::unsupported("Advanced configurations of load balancers"));
    }
    let text = |it: &Option<String>| it.clone().filter(|it| !it.is_empty());
    let (group, classic) = (text(&it.target_group_arn), text(&it.load_balancer_name));
    match (&group, &classic) {
        (Some(_), Some(_)) => {
            return Err(Error::invalid(
                "loadBalancerName and targetGroupArn cannot both be specified. You must specify \
                 either a loadBalancerName or a targetGroupArn.",
            ));
        }
        (None, None) => {
            return Err(Error::invalid(
                "Either loadBalancerName or targetGroupArn must be specified for a load balancer.",
            ));
        }
        _ => {}
    }
    let container = text(&it.container_name)
        .ok_or_else(|| Error::invalid("Container Name can not be blank."))?;
    let port = it.container_port.and_then(|it| u16::try_from(it).ok()).filter(|it| *it > 0);
    let port = port.ok_or_else(|| Error::invalid("Container Port must be between 1 and 65535."))?;
    Ok(ServiceTarget { group, classic, container, port })
}

/// Looks up what the entries name.
///
/// # Errors
///
/// [`Error::InvalidParameter`] in AWS's words.
pub(super) fn check(
    state: &State,
    definition: &TaskDefinition,
    targets: &[ServiceTarget],
) -> Result<(), Error> {
    let spec: shape::RegisterTaskDefinitionRequest = view::spec(&definition.spec);
    for target in targets {
        container(&spec, &target.container, target.port)?;
        match (&target.group, &target.classic) {
            (Some(arn), _) => group(state, definition.network, arn)?,
            (None, name) => {
                classic(state, definition.network, name.as_deref().unwrap_or_default())?;
                host_port(&spec, definition.network, target)?;
            }
        }
    }
    Ok(())
}

/// Whether a task definition has a container of that name with that port.
///
/// # Errors
///
/// [`Error::InvalidParameter`] in AWS's words.
pub(super) fn container(
    spec: &shape::RegisterTaskDefinitionRequest,
    name: &str,
    port: u16,
) -> Result<(), Error> {
    let mut containers = spec.container_definitions.iter().flatten();
    let Some(found) = containers.find(|it| it.name.as_deref() == Some(name)) else {
        return Err(Error::invalid(format!(
            "The container {name} does not exist in the task definition."
        )));
    };
    let mut mappings = found.port_mappings.iter().flatten();
    if mappings.any(|it| it.container_port == Some(i32::from(port))) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "The container {name} did not have a container port {port} defined."
    )))
}

fn classic(state: &State, mode: NetworkMode, name: &str) -> Result<(), Error> {
    if !state.classic_load_balancers().contains_key(name) {
        return Err(Error::invalid(format!("The load balancer {name} does not exist.")));
    }
    match mode {
        NetworkMode::Bridge | NetworkMode::Host => Ok(()),
        NetworkMode::Awsvpc | NetworkMode::None => Err(Error::invalid(format!(
            "The Classic Load Balancer {name} is incompatible with the {} network mode specified in \
             the task definition.",
            if mode == NetworkMode::Awsvpc { "awsvpc" } else { "none" }
        ))),
    }
}

/// A Classic Load Balancer leads to one port of its instances, the same of all of them.
fn host_port(
    spec: &shape::RegisterTaskDefinitionRequest,
    mode: NetworkMode,
    target: &ServiceTarget,
) -> Result<(), Error> {
    let containers = spec.container_definitions.iter().flatten();
    let container = containers.filter(|it| it.name.as_ref() == Some(&target.container));
    let mut mappings = container.flat_map(|it| it.port_mappings.iter().flatten());
    let is_static = |it: &shape::PortMapping| {
        it.container_port == Some(i32::from(target.port)) && it.host_port.is_some_and(|it| it > 0)
    };
    if mode == NetworkMode::Host || mappings.any(is_static) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "A host port mapping for the container port {} is required.",
        target.port
    )))
}

fn group(state: &State, mode: NetworkMode, arn: &str) -> Result<(), Error> {
    let Some(group) = state.target_groups().get(arn) else {
        return Err(Error::invalid(format!(
            "The target group with targetGroupArn {arn} does not exist."
        )));
    };
    let (fits, mode) = match mode {
        NetworkMode::Awsvpc => (group.target_type == TargetType::Ip, "awsvpc"),
        NetworkMode::Bridge => (group.target_type == TargetType::Instance, "bridge"),
        NetworkMode::Host => (group.target_type == TargetType::Instance, "host"),
        NetworkMode::None => (false, "none"),
    };
    if !fits {
        let kind = match group.target_type {
            TargetType::Instance => "instance",
            TargetType::Ip => "ip",
            TargetType::Alb => "alb",
        };
        return Err(Error::invalid(format!(
            "The provided target group {arn} has target type {kind}, which is incompatible with \
             the {mode} network mode specified in the task definition."
        )));
    }
    if !used(state, arn) {
        return Err(Error::invalid(format!(
            "The target group with targetGroupArn {arn} does not have an associated load balancer."
        )));
    }
    Ok(())
}

/// Whether a rule of a listener of a load balancer names the group.
fn used(state: &State, arn: &str) -> bool {
    let mut rules = state.indexes().rules_of_group(arn).filter_map(|it| state.rules().get(it));
    rules.any(|rule| {
        let listener = state.listeners().get(&rule.listener);
        listener.is_some_and(|it| state.load_balancers().contains_key(&it.load_balancer))
    })
}
