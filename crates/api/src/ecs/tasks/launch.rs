//! What RunTask and StartTask have in common: reading a launch, and making its tasks.

mod wishes;

use std::sync::Arc;

use plan::placement::{self, Explanation, FullZone, Misfit, Refusal};
use plan::{credentials, tasks as steps};
use shapes::{ecs as shape, stored};
use state::{
    Change, Container, Context, DefinitionStatus, Demand, Desired, Draft, Health, Interface,
    LaunchType, NetworkMode, Placing, Purpose, Revision, State, Status, Subnet, Tag, Task,
    TaskDefinition,
};
use types::{ClusterName, ContainerName, Family, Group, InstanceId, TaskId, Zone};

use self::wishes::{constraints, strategies};
use super::interface;
use crate::ecs::{Error, find, tags, task_definitions, view};

/// Longest `group` that may be asked for. Source: ECS API Reference, `RunTask`.
const GROUP_MAX: usize = 255;
/// Source: as above.
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

/// A launch that can be carried out: the facts every one of its tasks shares.
pub(super) struct Launch {
    request: placement::Request,
    definition: Arc<TaskDefinition>,
    spec: shape::RegisterTaskDefinitionRequest,
    overrides: Vec<u8>,
    role: Option<String>,
    subnets: Vec<Subnet>,
    security_groups: Vec<String>,
    tags: Vec<Tag>,
    asked: Asked,
}

/// Where a task is made.
struct Place {
    instance: InstanceId,
    zone: Zone,
    interface: Option<Interface>,
    placing: Option<Box<Placing>>,
}

impl Launch {
    /// Looks up and checks everything a launch names.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidParameter`], [`Error::Client`], [`Error::UnsupportedFeature`] as AWS has
    /// them.
    pub(super) fn parse(state: &State, mut asked: Asked) -> Result<Self, Error> {
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
        let group = group(asked.group.as_deref(), &definition.revision.family)?;
        let request = placement::Request {
            cluster: asked.cluster.clone(),
            demand,
            group,
            constraints: constraints(&definition, &asked.constraints)?,
            requires: definition.requires.clone(),
            zones: (definition.network == NetworkMode::Awsvpc)
                .then(|| subnets.iter().map(|it| it.zone.clone()).collect()),
            strategies: strategies(&asked.strategies)?,
        };
        Ok(Self {
            role: role(state, &overrides, &spec),
            overrides: if given { stored::to_vec(&overrides) } else { Vec::new() },
            tags: launch_tags(&asked, &definition)?,
            request,
            definition,
            spec,
            subnets,
            security_groups,
            asked,
        })
    }

    /// Places one task and makes it. Zones whose subnets are full are left out.
    ///
    /// # Errors
    ///
    /// Why no instance can take it; nothing has changed then.
    pub(super) fn place(
        &self,
        draft: &mut Draft<'_>,
        context: &mut Context<'_>,
        audit: u64,
    ) -> Result<TaskId, Refusal> {
        let mut full = Vec::new();
        let mut narrowed: Option<placement::Request> = None;
        loop {
            let request = narrowed.as_ref().unwrap_or(&self.request);
            let placed = placement::place(draft.state(), request, context.dice.bits());
            let placed = placed.map_err(|it| it.for_lack_of_addresses(&full))?;
            match self.interface(draft.state(), &placed.zone, context) {
                Ok(interface) => {
                    let placing = placement::placing(draft.state(), &self.request, &placed);
                    let place = Place {
                        instance: placed.instance,
                        zone: placed.zone,
                        interface,
                        placing: Some(Box::new(placing)),
                    };
                    return Ok(self.make(draft, place, context, audit));
                }
                Err(subnets) => {
                    let rest = narrowed.get_or_insert_with(|| self.request.clone());
                    rest.zones.iter_mut().for_each(|it| it.retain(|zone| *zone != placed.zone));
                    let (zone, instance) = (placed.zone, placed.instance);
                    full.push(FullZone { zone, subnets, instance });
                }
            }
        }
    }

    /// Makes one task on a named instance, whatever the strategies.
    ///
    /// # Errors
    ///
    /// Why the instance cannot take it; nothing has changed then.
    pub(super) fn start(
        &self,
        draft: &mut Draft<'_>,
        instance: InstanceId,
        context: &mut Context<'_>,
        audit: u64,
    ) -> Result<TaskId, Explanation> {
        placement::check(draft.state(), instance, &self.request)?;
        let against = |misfit| Explanation { instance, misfits: vec![misfit] };
        let row = draft.state().container_instance(instance);
        let zone = row.map(|it| it.zone.clone()).ok_or_else(|| against(Misfit::Missing))?;
        let interface = self
            .interface(draft.state(), &zone, context)
            .map_err(|subnets| against(Misfit::Address { subnets }))?;
        let place = Place { instance, zone, interface, placing: None };
        Ok(self.make(draft, place, context, audit))
    }

    /// Makes one task on an instance that can take it.
    fn make(
        &self,
        draft: &mut Draft<'_>,
        place: Place,
        context: &mut Context<'_>,
        audit: u64,
    ) -> TaskId {
        let id = TaskId::new(context.dice.bits());
        let demand = &self.request.demand;
        let gpus = placement::gpus_for(draft.state(), place.instance, demand.gpus);
        let row = Task {
            id,
            cluster: self.asked.cluster.clone(),
            revision: self.definition.revision.clone(),
            instance: place.instance,
            zone: place.zone,
            group: self.request.group.clone(),
            started_by: self.asked.started_by.clone(),
            token: self.asked.token.clone(),
            audit,
            launch: LaunchType::Ec2,
            demand: demand.clone(),
            overrides: self.overrides.clone(),
            tags: self.tags.clone(),
            desired: Desired::Running,
            last: Status::Pending,
            containers: self.containers(gpus, context),
            stop: None,
            created_at: context.now,
            pull_started_at: None,
            pull_stopped_at: None,
            started_at: None,
            stopping_at: None,
            execution_stopped_at: None,
            stopped_at: None,
            connected_at: None,
            version: 1,
            interface: place.interface,
            released: false,
            exec: self.asked.exec,
            reference: self.asked.reference.clone(),
            placing: place.placing,
            service: None,
        };
        draft.change(Change::from(row));
        if let Some(role) = &self.role {
            let purpose = Purpose::Task { task: id, role: role.clone() };
            let life = credentials::TASK_KEY_LIFE;
            let key = credentials::temporary(purpose, life, context.now, context.dice);
            draft.change(Change::from(key));
        }
        steps::raise_assignment(draft, place.instance);
        id
    }

    /// GPUs go to the containers that asked for them, in their order.
    fn containers(&self, gpus: Vec<String>, context: &mut Context<'_>) -> Vec<Container> {
        let mut gpus = gpus.into_iter();
        let specs = self.spec.container_definitions.iter().flatten();
        specs
            .filter_map(|it| Some((it, ContainerName::parse(it.name.as_deref()?).ok()?)))
            .map(|(it, name)| Container {
                name,
                id: context.dice.bits().to_be_bytes().to_vec(),
                gpus: gpus.by_ref().take(task_definitions::gpus(it)).collect(),
                last: Status::Pending,
                runtime_id: None,
                exit_code: None,
                reason: None,
                bindings: Vec::new(),
                image_digest: None,
                health: Health::Unknown,
            })
            .collect()
    }

    /// The interface of a task in a zone, where its network asks for one.
    ///
    /// # Errors
    ///
    /// The subnets of the request that lie in the zone, if none has an address left.
    fn interface(
        &self,
        state: &State,
        zone: &Zone,
        context: &mut Context<'_>,
    ) -> Result<Option<Interface>, Vec<String>> {
        if self.definition.network != NetworkMode::Awsvpc {
            return Ok(None);
        }
        let here = || self.subnets.iter().filter(|it| it.zone == *zone);
        let fresh = |it| interface::fresh(state, it, &self.security_groups, context.dice);
        match here().find_map(fresh) {
            Some(interface) => Ok(Some(interface)),
            None => Err(here().map(|it| it.id.clone()).collect()),
        }
    }
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
fn definition(state: &State, text: &str) -> Result<Arc<TaskDefinition>, Error> {
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

fn network(
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
            let find =
                |id: &String| {
                    let subnets = region.map(|it| it.subnets.as_slice()).unwrap_or_default();
                    subnets.iter().find(|it| it.id == *id).cloned().ok_or_else(|| {
                        Error::invalid(format!("The subnet ID '{id}' does not exist"))
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
                return Err(Error::invalid(format!("The security group '{id}' does not exist")));
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
    Group::parse(text).map_err(|_| Error::invalid("Invalid group."))
}

/// ARN of the role the task acts in; a short name is one of this account.
fn role(
    state: &State,
    overrides: &shape::TaskOverride,
    spec: &shape::RegisterTaskDefinitionRequest,
) -> Option<String> {
    let text = overrides.task_role_arn.as_ref().or(spec.task_role_arn.as_ref())?;
    match text.as_str() {
        "" => None,
        arn if arn.starts_with("arn:") => Some(arn.to_owned()),
        name => Some(state.home().iam(&format!("role/{name}"))),
    }
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
