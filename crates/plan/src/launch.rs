//! A launch: what all tasks of one request, or of one revision of a service, have in common, and
//! how they are made.

mod daemons;
mod interface;
mod wishes;

use std::collections::BTreeMap;
use std::sync::Arc;

use shapes::ecs as shape;
use state::{
    Change, Container, Context, Demand, Desired, Draft, Health, Interface, LaunchType, Membership,
    NetworkMode, Placing, Purpose, State, Status, Subnet, Tag, Task, TaskDefinition,
};
use types::{ClusterName, ContainerName, Group, InstanceId, TaskId, Zone};

pub use daemons::kept_for_daemons;
pub use wishes::{constraints, strategies};

use crate::placement::{self, Constraint, Explanation, FullZone, Misfit, Refusal, Strategy};
use crate::{credentials, tasks as steps};

/// A wish for a place that nothing can be made of. Its text is for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadWish(String);

impl BadWish {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// Where tasks are wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct Wishes {
    /// Whose instances.
    pub cluster: ClusterName,
    /// What spreading counts.
    pub group: Group,
    /// What each task takes.
    pub demand: Demand,
    /// Those of the task definition too.
    pub constraints: Vec<Constraint>,
    /// In order of weight.
    pub strategies: Vec<Strategy>,
    /// Of `awsvpc` tasks.
    pub subnets: Vec<Subnet>,
    /// Of `awsvpc` tasks.
    pub security_groups: Vec<String>,
}

/// What its tasks say of where they come from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Origin {
    /// Free text of the caller; a service's tasks have their deployment here.
    pub started_by: Option<String>,
    /// Client token of the request.
    pub token: Option<String>,
    /// Reference of the caller, echoed.
    pub reference: Option<String>,
    /// The TaskOverride of the request in stored form; empty if there was none.
    pub overrides: Vec<u8>,
    /// ARN of the role its tasks act in.
    pub role: Option<String>,
    /// Of each task.
    pub tags: Vec<Tag>,
    /// Whether the caller asked for ExecuteCommand.
    pub exec: bool,
    /// Of a service.
    pub service: Option<Membership>,
    /// Digests that images are to have, by their containers.
    pub digests: BTreeMap<ContainerName, String>,
}

/// A container that each task has, and how many GPUs it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Slot {
    name: ContainerName,
    gpus: usize,
}

/// A launch that can be carried out.
#[derive(Debug, Clone, PartialEq)]
pub struct Launch {
    request: placement::Request,
    definition: Arc<TaskDefinition>,
    slots: Vec<Slot>,
    subnets: Vec<Subnet>,
    security_groups: Vec<String>,
    origin: Origin,
}

/// Where a task is made.
struct Place {
    instance: InstanceId,
    zone: Zone,
    interface: Option<Interface>,
    placing: Option<Box<Placing>>,
}

impl Launch {
    /// A launch of a definition. `spec` is the definition's own, overridden where the caller has
    /// asked for it.
    pub fn new(
        definition: Arc<TaskDefinition>,
        spec: &shape::RegisterTaskDefinitionRequest,
        wishes: Wishes,
        origin: Origin,
    ) -> Self {
        let containers = spec.container_definitions.iter().flatten();
        let slot = |it: &shape::ContainerDefinition| {
            Some(Slot { name: ContainerName::parse(it.name.as_deref()?).ok()?, gpus: gpus(it) })
        };
        let zones = || wishes.subnets.iter().map(|it| it.zone.clone()).collect();
        Self {
            request: placement::Request {
                cluster: wishes.cluster,
                demand: wishes.demand,
                group: wishes.group,
                constraints: wishes.constraints,
                requires: definition.requires.clone(),
                zones: (definition.network == NetworkMode::Awsvpc).then(zones),
                strategies: wishes.strategies,
            },
            slots: containers.filter_map(slot).collect(),
            definition,
            subnets: wishes.subnets,
            security_groups: wishes.security_groups,
            origin,
        }
    }

    /// What each of its tasks asks of its instance.
    pub fn request(&self) -> &placement::Request {
        &self.request
    }

    /// The same launch in one zone only.
    #[must_use]
    pub fn within(&self, zone: &Zone) -> Self {
        let mut launch = self.clone();
        launch.request.zones = match self.request.allows(zone) {
            true => Some(vec![zone.clone()]),
            false => Some(Vec::new()),
        };
        launch
    }

    /// Places one task and makes it. Zones whose subnets are full are left out, and instances where
    /// the room is kept for daemons.
    ///
    /// # Errors
    ///
    /// Why no instance can take it; nothing has changed then.
    pub fn place(
        &self,
        draft: &mut Draft<'_>,
        context: &mut Context<'_>,
        audit: u64,
    ) -> Result<TaskId, Refusal> {
        let (mut full, mut kept) = (Vec::new(), Vec::new());
        let mut narrowed: Option<placement::Request> = None;
        loop {
            let request = narrowed.as_ref().unwrap_or(&self.request);
            let placed = placement::place(draft.state(), request, context.dice.bits());
            let placed = placed.map_err(|it| it.for_lack_of_addresses(&full).for_daemons(&kept))?;
            let instance = placed.instance;
            if let Some(misfit) = kept_for_daemons(draft.state(), instance, &self.request) {
                kept.push(Explanation { instance, misfits: vec![misfit] });
                let before = narrowed.take().unwrap_or_else(|| self.request.clone());
                narrowed = Some(daemons::elsewhere(draft.state(), &self.request, before, &kept));
                continue;
            }
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
    pub fn start(
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
        let origin = &self.origin;
        let row = Task {
            id,
            cluster: self.request.cluster.clone(),
            revision: self.definition.revision.clone(),
            instance: place.instance,
            zone: place.zone,
            group: self.request.group.clone(),
            started_by: origin.started_by.clone(),
            token: origin.token.clone(),
            audit,
            launch: LaunchType::Ec2,
            demand: demand.clone(),
            overrides: origin.overrides.clone(),
            tags: origin.tags.clone(),
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
            exec: origin.exec,
            reference: origin.reference.clone(),
            placing: place.placing,
            service: origin.service.clone().map(Box::new),
        };
        draft.change(Change::from(row));
        if let Some(role) = &origin.role {
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
        let container = |it: &Slot| Container {
            name: it.name.clone(),
            id: context.dice.bits().to_be_bytes().to_vec(),
            gpus: gpus.by_ref().take(it.gpus).collect(),
            last: Status::Pending,
            runtime_id: None,
            exit_code: None,
            reason: None,
            bindings: Vec::new(),
            image_digest: None,
            health: Health::Unknown,
            pinned_digest: self.origin.digests.get(&it.name).cloned(),
        };
        self.slots.iter().map(container).collect()
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

/// How many GPUs a registered container asks for.
fn gpus(container: &shape::ContainerDefinition) -> usize {
    let requirements = container.resource_requirements.iter().flatten();
    let gpus = requirements.filter(|it| it.r#type == Some(shape::ResourceType::Gpu));
    gpus.filter_map(|it| it.value.as_deref()?.parse::<usize>().ok()).sum()
}

/// ARN of the role that tasks of a definition act in; a short name is one of this account.
pub fn role(state: &State, text: Option<&str>) -> Option<String> {
    match text? {
        "" => None,
        arn if arn.starts_with("arn:") => Some(arn.to_owned()),
        name => Some(state.home().iam(&format!("role/{name}"))),
    }
}
