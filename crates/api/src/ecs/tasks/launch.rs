//! What RunTask and StartTask have in common: reading a launch.

use std::collections::BTreeMap;
use std::sync::Arc;

use plan::launch::{self, Launch, Origin, Wishes};
use plan::placement::{self, Refusal};
use shapes::{ecs as shape, stored};
use state::{DefinitionStatus, Demand, NetworkMode, Revision, State, Subnet, Tag, TaskDefinition};
use types::{ClusterName, Family, Group};

use crate::ecs::{Error, find, tags, task_definitions, view};

/// Longest `group` that may be asked for. Source: ECS API Reference, `RunTask`.
const GROUP_MAX: usize = 255;
/// Overrides in total, in bytes of their stored form. Source: as above (8,192 characters).
const OVERRIDES_MAX: usize = 8192;

/// A launch as asked for, before anything is looked up.
pub(super) struct Asked {
    pub(super) cluster: ClusterName,
    pub(super) token: Option<String>,
    pub(super) definition: String,
    pub(super) group: Option<String>,
    pub(super) started_by: Option<String>,
    pub(super) overrides: shape::TaskOverride,
    pub(super) network: Option<shape::NetworkConfiguration>,
    pub(super) constraints: Vec<shape::PlacementConstraint>,
    pub(super) strategies: Vec<shape::PlacementStrategy>,
    pub(super) tags: Option<Vec<shape::Tag>>,
    pub(super) propagate: Option<shape::PropagateTags>,
    pub(super) managed_tags: bool,
    pub(super) exec: bool,
    pub(super) reference: Option<String>,
    pub(super) volumes: Vec<shape::TaskVolumeConfiguration>,
}

/// Looks up and checks everything a launch names.
///
/// # Errors
///
/// [`Error::InvalidParameter`], [`Error::Client`], [`Error::UnsupportedFeature`] as AWS has them.
pub(super) fn parse(state: &State, mut asked: Asked) -> Result<Launch, Error> {
    limited("group", asked.group.as_deref(), GROUP_MAX)?;
    if !asked.volumes.is_empty() {
        return Err(Error::unsupported("Volumes configured at launch"));
    }
    let definition = definition(state, &asked.definition)?;
    let mut spec: shape::RegisterTaskDefinitionRequest = view::spec(&definition.spec);
    let overrides = core::mem::take(&mut asked.overrides);
    let given = overrides != shape::TaskOverride::default();
    let demand = match given {
        true => overridden(&mut spec, &overrides)?,
        false => definition.demand.clone(),
    };
    let (subnets, security_groups) = network(state, definition.network, asked.network.take())?;
    let wishes = Wishes {
        cluster: asked.cluster.clone(),
        group: group(asked.group.as_deref(), &definition.revision.family)?,
        demand,
        constraints: launch::constraints(&definition, &asked.constraints)?,
        strategies: launch::strategies(&asked.strategies)?,
        subnets,
        security_groups,
    };
    let role = overrides.task_role_arn.as_deref().or(spec.task_role_arn.as_deref());
    let origin = Origin {
        role: launch::role(state, role),
        overrides: if given { stored::to_vec(&overrides) } else { Vec::new() },
        tags: launch_tags(&asked, &definition)?,
        started_by: asked.started_by,
        token: asked.token,
        reference: asked.reference,
        exec: asked.exec,
        service: None,
        // What the tag means is what it is made of.
        digests: BTreeMap::new(),
    };
    Ok(Launch::new(definition, &spec, wishes, origin))
}

/// Refuses a text of more characters than that.
pub(super) fn limited(name: &str, text: Option<&str>, most: usize) -> Result<(), Error> {
    match text {
        Some(text) if text.chars().count() > most => {
            Err(Error::invalid(format!("{name} must not exceed {most} characters.")))
        }
        _ => Ok(()),
    }
}

/// Letters, digits, `-`, `/` and `_` only. Source: ECS API Reference, `RunTask`.
pub(super) fn started_by(text: Option<&str>, most: usize) -> Result<(), Error> {
    limited("startedBy", text, most)?;
    let allowed = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '/' | '_');
    match text {
        Some(text) if !text.chars().all(allowed) => Err(Error::invalid(
            "startedBy can hold letters, numbers, hyphens, forward slashes and underscores only.",
        )),
        _ => Ok(()),
    }
}

/// The instances of a refusal, closest first, as `failures`.
pub(super) fn failures(
    state: &State,
    cluster: &ClusterName,
    refusal: &Refusal,
) -> Vec<shape::Failure> {
    refusal.failures().into_iter().map(|it| failure(state, cluster, it)).collect()
}

/// One instance that cannot take a task, and why.
pub(super) fn failure(
    state: &State,
    cluster: &ClusterName,
    it: placement::Failure,
) -> shape::Failure {
    shape::Failure {
        arn: Some(state.home().instance(cluster, it.instance)),
        reason: Some(it.reason.into()),
        detail: Some(it.detail),
    }
}

/// `family` is its latest ACTIVE revision; revisions may be named by `family:revision` or ARN.
///
/// # Errors
///
/// [`Error::Client`] if there is none, [`Error::InvalidParameter`] if it is not ACTIVE.
pub(in crate::ecs) fn definition(state: &State, text: &str) -> Result<Arc<TaskDefinition>, Error> {
    let unknown = || Error::client("TaskDefinition not found.");
    let tail = find::tail(state, text, "task-definition")?;
    let revision = match tail.split_once(':') {
        Some((family, number)) => Revision {
            family: Family::parse(family).map_err(|_| unknown())?,
            number: number.parse().map_err(|_| unknown())?,
        },
        None => {
            let family = Family::parse(tail).map_err(|_| unknown())?;
            let active = state.indexes().revisions(DefinitionStatus::Active, &family);
            let number = *active.and_then(|it| it.last()).ok_or_else(unknown)?;
            Revision { family, number }
        }
    };
    let definition = state.task_definition(&revision).ok_or_else(unknown)?;
    match definition.status {
        DefinitionStatus::Active => Ok(definition.clone()),
        DefinitionStatus::Inactive | DefinitionStatus::DeleteInProgress => {
            Err(Error::invalid("TaskDefinition is inactive"))
        }
    }
}

/// Applies what overrides say about resources, and reckons anew what a task takes.
fn overridden(
    spec: &mut shape::RegisterTaskDefinitionRequest,
    overrides: &shape::TaskOverride,
) -> Result<Demand, Error> {
    if stored::to_vec(overrides).len() > OVERRIDES_MAX {
        return Err(Error::invalid(format!(
            "Overrides must not exceed {OVERRIDES_MAX} characters in total."
        )));
    }
    spec.cpu = overrides.cpu.clone().or(spec.cpu.take());
    spec.memory = overrides.memory.clone().or(spec.memory.take());
    for it in overrides.container_overrides.iter().flatten() {
        let mut containers = spec.container_definitions.iter_mut().flatten();
        let Some(container) = containers.find(|container| container.name == it.name) else {
            let name = it.name.as_deref().unwrap_or_default();
            return Err(Error::invalid(format!(
                "Override for container named {name} is not a container in the TaskDefinition."
            )));
        };
        named(it)?;
        container.cpu = it.cpu.or(container.cpu);
        container.memory = it.memory.or(container.memory);
        container.memory_reservation = it.memory_reservation.or(container.memory_reservation);
        if it.resource_requirements.is_some() {
            container.resource_requirements.clone_from(&it.resource_requirements);
        }
    }
    task_definitions::demand(spec)
}

fn named(it: &shape::ContainerOverride) -> Result<(), Error> {
    let mut names = it.environment.iter().flatten().map(|it| it.name.as_deref());
    if names.any(|it| it.unwrap_or_default().is_empty()) {
        let name = it.name.as_deref().unwrap_or_default();
        return Err(Error::client(format!(
            "Invalid 'environment' setting for container '{name}': a name is empty."
        )));
    }
    Ok(())
}

/// The subnets and security groups of a network configuration.
///
/// # Errors
///
/// [`Error::InvalidParameter`] if it names what is not there, or does not go with the mode.
pub(in crate::ecs) fn network(
    state: &State,
    mode: NetworkMode,
    given: Option<shape::NetworkConfiguration>,
) -> Result<(Vec<Subnet>, Vec<String>), Error> {
    let given = given.and_then(|it| it.awsvpc_configuration);
    match (mode, given) {
        (NetworkMode::Awsvpc, None) => Err(Error::invalid(
            "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
        )),
        (NetworkMode::Awsvpc, Some(it)) => {
            let region = state.region().get(&());
            let find = |id: &String| {
                let subnets = region.map(|it| it.subnets.as_slice()).unwrap_or_default();
                subnets.iter().find(|it| it.id == *id).cloned().ok_or_else(|| {
                    Error::invalid(format!(
                        "Error retrieving subnet information for [{id}]: The subnet ID '{id}' \
                         does not exist (ErrorCode: InvalidSubnetID.NotFound)"
                    ))
                })
            };
            let asked = it.subnets.unwrap_or_default();
            if asked.is_empty() {
                return Err(Error::invalid("subnets can not be empty."));
            }
            let subnets = asked.iter().map(find).collect::<Result<_, _>>()?;
            let groups = it.security_groups.unwrap_or_default();
            let known = |id: &&String| region.is_some_and(|it| it.security_group == **id);
            if let Some(id) = groups.iter().find(|id| !known(id)) {
                return Err(Error::invalid(format!(
                    "Error retrieving security group information for [{id}]: The security group \
                     '{id}' does not exist (ErrorCode: InvalidGroup.NotFound)"
                )));
            }
            let usual = || region.map(|it| it.security_group.clone()).into_iter().collect();
            Ok((subnets, if groups.is_empty() { usual() } else { groups }))
        }
        (_, Some(_)) => Err(Error::invalid(
            "Network Configuration is not valid for the given networkMode of this task definition.",
        )),
        (_, None) => Ok((Vec::new(), Vec::new())),
    }
}

fn group(asked: Option<&str>, family: &Family) -> Result<Group, Error> {
    let usual = format!("family:{family}");
    let text = asked.filter(|it| !it.is_empty()).unwrap_or(&usual);
    // Groups of services belong to the scheduler.
    if text.starts_with("service:") {
        return Err(Error::invalid("Invalid namespace for group."));
    }
    Group::parse(text).map_err(|_| Error::invalid("Invalid group."))
}

fn launch_tags(asked: &Asked, definition: &TaskDefinition) -> Result<Vec<Tag>, Error> {
    let given = tags::parse(asked.tags.clone())?;
    let mut all = match &asked.propagate {
        Some(shape::PropagateTags::TaskDefinition) => tags::merge(&definition.tags, given)?,
        None | Some(shape::PropagateTags::None) => given,
        Some(other) => {
            return Err(Error::invalid(format!(
                "propagateTags {other} is not valid for a task that stands alone."
            )));
        }
    };
    if asked.managed_tags {
        let cluster = asked.cluster.to_string();
        all.push(Tag { key: "aws:ecs:clusterName".into(), value: cluster });
    }
    Ok(all)
}
