//! `RegisterContainerInstance`.

use std::collections::BTreeMap;

use plan::instances;
use shapes::ecs as shape;
use state::{
    Change, ContainerInstance, Context, Draft, InstanceStatus, Purpose, RegionRow, Resources,
    State, Stop, StopCode,
};
use types::{ClusterName, Cpu, InstanceId, MemoryMib, Port, Zone};

use super::identity::Identity;
use super::view;
use crate::ecs::{Error, find, tags};

const ZONE: &str = "ecs.availability-zone";

/// The genuine agent looks for this text to know that it must register afresh.
const RESIZED: &str = "Container instance type changes are not supported.";

/// `RegisterContainerInstance`: a machine joins a cluster, or its agent comes back.
///
/// An agent that names its ARN comes back with all it had. One that does not, on a machine that is
/// known by its EC2 instance id, has lost its memory: the instance keeps its identity, and the
/// tasks it had are over.
///
/// # Errors
///
/// [`Error::Client`] if the machine's size has changed, [`Error::InvalidParameter`] for anything
/// malformed, [`Error::AccessDenied`] if the caller may not speak for this instance.
///
/// Source: Amazon ECS API Reference, `RegisterContainerInstance`; handbook 6.1.
pub(crate) fn register_container_instance(
    draft: &mut Draft<'_>,
    ask: shape::RegisterContainerInstanceRequest,
    context: &mut Context<'_>,
) -> Result<shape::RegisterContainerInstanceResponse, Error> {
    let cluster = find::cluster(draft.state(), ask.cluster.as_deref())?.name.clone();
    may_join(draft.state(), &cluster, context)?;
    let identity = Identity::parse(ask.instance_identity_document.as_deref());
    let fresh = fresh(draft.state(), &cluster, &ask, &identity, context)?;
    let row = match before(draft.state(), &cluster, &ask, &identity)? {
        Before::Nothing => fresh,
        Before::Same(before) => {
            may_speak_for(draft.state(), &before, context)?;
            returned(before, fresh)?
        }
        Before::Forgetful(before) => {
            may_speak_for(draft.state(), &before, context)?;
            let stop = Stop {
                code: StopCode::InfrastructureHealth,
                reason: format!(
                    "Container instance {} registered anew and does not know its tasks any more",
                    before.id
                ),
            };
            instances::forget_tasks(draft, before.id, &stop, context.now);
            renewed(&before, fresh)
        }
    };
    draft.change(Change::from(row.clone()));
    Ok(shape::RegisterContainerInstanceResponse {
        container_instance: Some(view::instance(draft.state(), &row, view::Tags::Shown)),
    })
}

enum Before {
    Nothing,
    Same(ContainerInstance),
    Forgetful(ContainerInstance),
}

fn before(
    state: &State,
    cluster: &ClusterName,
    ask: &shape::RegisterContainerInstanceRequest,
    identity: &Identity,
) -> Result<Before, Error> {
    if let Some(arn) = ask.container_instance_arn.as_deref().filter(|it| !it.is_empty()) {
        return Ok(Before::Same(find::instance(state, cluster, arn)?.as_ref().clone()));
    }
    let machine = identity.instance_id.as_ref();
    let known = machine.and_then(|it| state.indexes().registered_with(cluster, it));
    Ok(match known.and_then(|id| state.container_instance(id)) {
        Some(row) => Before::Forgetful(row.as_ref().clone()),
        None => Before::Nothing,
    })
}

fn fresh(
    state: &State,
    cluster: &ClusterName,
    ask: &shape::RegisterContainerInstanceRequest,
    identity: &Identity,
    context: &mut Context<'_>,
) -> Result<ContainerInstance, Error> {
    let region = state.region().get(&()).map(AsRef::as_ref);
    let mut attributes = given_attributes(ask)?;
    let zone = zone(region, &attributes, identity)?;
    built_in(&mut attributes, region, &zone, identity);
    let version = ask.version_info.clone().unwrap_or_default();
    let made_up = || format!("i-{:017x}", context.dice.bits() >> 60);
    Ok(ContainerInstance {
        ec2_instance_id: identity.instance_id.clone().unwrap_or_else(made_up),
        id: InstanceId::new(context.dice.bits()),
        cluster: cluster.clone(),
        status: InstanceStatus::Active,
        zone,
        attributes,
        resources: resources(ask.total_resources.as_deref().unwrap_or_default())?,
        // Not before its session stands: nothing is placed where nobody listens.
        connected: false,
        connected_at: context.now,
        given_up_at: None,
        registered_at: context.now,
        version: 1,
        agent_version: version.agent_version.unwrap_or_default(),
        agent_hash: version.agent_hash.unwrap_or_default(),
        docker_version: version.docker_version.unwrap_or_default(),
        tags: tags::parse(ask.tags.clone())?,
        owner: context.caller.access_key.to_string(),
        token: identity.instance_id.clone(),
        incarnation: 1,
        status_reason: None,
    })
}

/// An agent that remembers keeps everything but what it said about itself anew. Attributes that
/// it does not name stay: custom ones are given at the first registration only.
fn returned(
    before: ContainerInstance,
    fresh: ContainerInstance,
) -> Result<ContainerInstance, Error> {
    let size = |it: &Resources| (it.cpu, it.memory);
    if size(&before.resources) != size(&fresh.resources) {
        return Err(Error::client(RESIZED));
    }
    let mut attributes = before.attributes.clone();
    attributes.extend(fresh.attributes);
    Ok(ContainerInstance {
        attributes,
        resources: fresh.resources,
        agent_version: fresh.agent_version,
        agent_hash: fresh.agent_hash,
        docker_version: fresh.docker_version,
        version: before.version + 1,
        incarnation: before.incarnation + 1,
        ..before
    })
}

/// A machine that has forgotten everything keeps its identifier, so that a registration whose
/// answer was lost can be repeated.
fn renewed(before: &ContainerInstance, fresh: ContainerInstance) -> ContainerInstance {
    ContainerInstance {
        id: before.id,
        version: before.version + 1,
        incarnation: before.incarnation + 1,
        ..fresh
    }
}

fn given_attributes(
    ask: &shape::RegisterContainerInstanceRequest,
) -> Result<BTreeMap<String, Option<String>>, Error> {
    let all = ask.attributes.iter().flatten();
    all.map(|it| match it.name.as_deref() {
        Some(name) if !name.is_empty() => Ok((name.to_owned(), it.value.clone())),
        _ => Err(Error::invalid("Attribute name must not be empty.")),
    })
    .collect()
}

/// What a machine says of its place: identity document, else attribute, else the first zone.
fn zone(
    region: Option<&RegionRow>,
    attributes: &BTreeMap<String, Option<String>>,
    identity: &Identity,
) -> Result<Zone, Error> {
    let said = identity.zone.as_ref().or_else(|| attributes.get(ZONE)?.as_ref());
    match said {
        Some(text) => Zone::parse(text)
            .map_err(|_| Error::invalid(format!("Invalid availability zone: '{text}'."))),
        None => region
            .and_then(|it| it.subnets.first())
            .map(|it| it.zone.clone())
            .ok_or_else(|| Error::invalid("The instance does not say its availability zone.")),
    }
}

/// Attributes that every instance has (handbook 4.5), where the agent did not give them.
fn built_in(
    attributes: &mut BTreeMap<String, Option<String>>,
    region: Option<&RegionRow>,
    zone: &Zone,
    identity: &Identity,
) {
    let architecture =
        identity.architecture.as_deref().unwrap_or(match cfg!(target_arch = "aarch64") {
            true => "arm64",
            false => "x86_64",
        });
    let subnet = region.and_then(|it| it.subnets.iter().find(|it| it.zone == *zone));
    let known = [
        (ZONE, Some(zone.to_string())),
        ("ecs.os-type", Some("linux".to_owned())),
        ("ecs.cpu-architecture", Some(architecture.to_owned())),
        ("ecs.instance-type", identity.instance_type.clone()),
        ("ecs.ami-id", identity.image.clone()),
        ("ecs.vpc-id", region.map(|it| it.vpc.clone())),
        ("ecs.subnet-id", subnet.map(|it| it.id.clone())),
    ];
    for (name, value) in known {
        if value.is_some() && attributes.get(name).is_none_or(Option::is_none) {
            attributes.insert(name.to_owned(), value);
        }
    }
}

fn resources(given: &[shape::Resource]) -> Result<Resources, Error> {
    let find = |name: &str| given.iter().find(|it| it.name.as_deref() == Some(name));
    let number = |name: &str| {
        let value = find(name).and_then(|it| it.integer_value);
        value.and_then(|it| u32::try_from(it).ok()).ok_or_else(|| {
            Error::invalid(format!("totalResources must hold {name} as an integer."))
        })
    };
    let ports = |name: &str, make: fn(u16) -> Port| {
        let texts = find(name).and_then(|it| it.string_set_value.as_deref()).unwrap_or_default();
        let one = |text: &String| {
            let wrong = |_| Error::invalid(format!("Invalid port in {name}: '{text}'."));
            text.parse().map(make).map_err(wrong)
        };
        texts.iter().map(one).collect::<Result<Vec<_>, _>>()
    };
    let mut taken = ports("PORTS", Port::tcp)?;
    taken.extend(ports("PORTS_UDP", Port::udp)?);
    taken.sort_unstable();
    let mut gpus: Vec<_> =
        find("GPU").and_then(|it| it.string_set_value.clone()).unwrap_or_default();
    gpus.sort();
    Ok(Resources {
        cpu: Cpu(number("CPU")?),
        memory: MemoryMib(number("MEMORY")?),
        ports: taken,
        gpus,
        interfaces: None,
    })
}

/// An agent's key opens one cluster; any other key of the region opens all.
fn may_join(state: &State, cluster: &ClusterName, context: &Context<'_>) -> Result<(), Error> {
    let key = state.access_keys().get(context.caller.access_key.as_ref());
    match key.map(|it| &it.purpose) {
        Some(Purpose::Agent(of)) if of != cluster => Err(denied(context)),
        Some(Purpose::Task { .. }) => Err(denied(context)),
        Some(Purpose::Agent(_) | Purpose::Root) | None => Ok(()),
    }
}

/// Only who registered an instance, and people, may speak for it.
pub(crate) fn may_speak_for(
    state: &State,
    row: &ContainerInstance,
    context: &Context<'_>,
) -> Result<(), Error> {
    let key = state.access_keys().get(context.caller.access_key.as_ref());
    let mine = row.owner == *context.caller.access_key;
    match key.map(|it| &it.purpose) {
        Some(Purpose::Agent(_) | Purpose::Task { .. }) if !mine => Err(denied(context)),
        _ => Ok(()),
    }
}

fn denied(context: &Context<'_>) -> Error {
    Error::AccessDenied(format!(
        "User: {} is not authorized to act for this container instance.",
        context.caller.arn
    ))
}
