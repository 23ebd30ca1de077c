//! `RegisterContainerInstance`.

use std::collections::BTreeMap;
use std::sync::Arc;

use plan::instances;
use shapes::ecs as shape;
use state::{
    ContainerInstance, Context, Draft, InstanceStatus, Purpose, RegionRow, Resources, State,
};
use types::{ClusterName, Cpu, InstanceId, MemoryMib, Port, Timestamp, Zone};

use super::identity::Identity;
use super::view;
use crate::ecs::{Error, find, tags};

const ZONE: &str = "ecs.availability-zone";

/// The genuine agent looks for this text to know that it must register afresh.
const RESIZED: &str = "Container instance type changes are not supported.";

/// Why a call is refused that might be an agent without memory, or a late copy.
const NO_TOKEN: &str = "The container instance of this machine has tasks. \
    Name it with containerInstanceArn, or say with a clientToken that its agent does not know them.";

/// How many registrations without ARN an instance remembers. A copy can be late by the minutes that
/// a signature is valid; an agent that loses its memory more often in these is not trusted with tasks.
const REGISTRATIONS_MAX: usize = 16;

/// Longest client token, in bytes. Agents use UUIDs.
const TOKEN_MAX: usize = 64;

/// `RegisterContainerInstance`: a machine joins a cluster, or its agent comes back.
///
/// An agent that names its ARN comes back with all it had. One that does not, on a machine that is
/// known by its EC2 instance id, with a client token that was not used before, has lost its memory:
/// the instance keeps its identity, and the tasks it had are over. A token that was used before is
/// the same call once more, and changes nothing (decision 10).
///
/// # Errors
///
/// [`Error::Client`] if the machine's size has changed, [`Error::InvalidParameter`] for anything
/// malformed, and for a call with neither ARN nor client token about a machine that has tasks;
/// [`Error::AccessDenied`] if the caller may not speak for this instance.
///
/// Source: Amazon ECS API Reference, `RegisterContainerInstance`; handbook 6.1; `clientToken` is in
/// the agent's model of the API only.
pub(crate) fn register_container_instance(
    draft: &mut Draft<'_>,
    ask: shape::RegisterContainerInstanceRequest,
    context: &mut Context<'_>,
) -> Result<shape::RegisterContainerInstanceResponse, Error> {
    let cluster = find::cluster(draft.state(), ask.cluster.as_deref())?.name.clone();
    may_join(draft.state(), &cluster, context)?;
    let identity = Identity::parse(ask.instance_identity_document.as_deref());
    let fresh = fresh(draft.state(), &cluster, &ask, &identity, context)?;
    let id = match before(draft.state(), &cluster, &ask, &identity)? {
        Before::Nothing => {
            let id = fresh.id;
            instances::register(draft, fresh, context.now);
            id
        }
        Before::Repeated(before) => {
            may_speak_for(draft.state(), &before, context)?;
            before.id
        }
        Before::Same(before) => {
            may_speak_for(draft.state(), &before, context)?;
            instances::register(draft, returned(&before, fresh)?, context.now);
            before.id
        }
        Before::Forgetful(before) => {
            may_speak_for(draft.state(), &before, context)?;
            if ask.client_token.is_none() && holds_tasks(draft.state(), before.id) {
                return Err(Error::invalid(NO_TOKEN));
            }
            instances::register(draft, renewed(&before, fresh, context.now), context.now);
            before.id
        }
    };
    let state = draft.state();
    let row = state.container_instance(id).map(|it| view::instance(state, it, view::Tags::Shown));
    Ok(shape::RegisterContainerInstanceResponse { container_instance: row })
}

/// How a registration stands to what is registered already.
enum Before {
    /// The machine is new.
    Nothing,
    /// This very call has been answered before.
    Repeated(Arc<ContainerInstance>),
    /// The agent knows which instance it is.
    Same(Arc<ContainerInstance>),
    /// The machine is known and its agent does not know it.
    Forgetful(Arc<ContainerInstance>),
}

/// An agent makes up a client token with each life of its process and keeps it through its
/// attempts: one that has forgotten everything has a new one, a late copy has an old one.
fn before(
    state: &State,
    cluster: &ClusterName,
    ask: &shape::RegisterContainerInstanceRequest,
    identity: &Identity,
) -> Result<Before, Error> {
    if let Some(arn) = ask.container_instance_arn.as_deref().filter(|it| !it.is_empty()) {
        return Ok(Before::Same(find::instance(state, cluster, arn)?.clone()));
    }
    let row = |id| state.container_instance(id).cloned();
    let token = ask.client_token.as_deref();
    let repeated = token.and_then(|it| state.indexes().registered_with(cluster, it));
    if let Some(before) = repeated.and_then(row) {
        return Ok(Before::Repeated(before));
    }
    let machine = identity.instance_id.as_deref();
    let known = machine.and_then(|it| state.indexes().on_machine(cluster, it));
    Ok(known.and_then(row).map_or(Before::Nothing, Before::Forgetful))
}

fn holds_tasks(state: &State, id: InstanceId) -> bool {
    !state.indexes().held_on(id).is_empty()
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
        machine: identity.instance_id.clone(),
        incarnation: 1,
        status_reason: None,
        registrations: token(ask)?.map(|it| vec![it]),
        forgot_at: None,
    })
}

/// An agent that remembers keeps everything but what it said about itself anew. Attributes that
/// it does not name stay: custom ones are given at the first registration only.
fn returned(
    before: &ContainerInstance,
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
        ..before.clone()
    })
}

/// A machine that has forgotten everything keeps its identifier: a machine is one instance.
fn renewed(
    before: &ContainerInstance,
    fresh: ContainerInstance,
    now: Timestamp,
) -> ContainerInstance {
    let mut registrations = before.registrations.clone().unwrap_or_default();
    registrations.extend(fresh.registrations.into_iter().flatten());
    let old = registrations.len().saturating_sub(REGISTRATIONS_MAX);
    registrations.drain(..old);
    ContainerInstance {
        id: before.id,
        version: before.version + 1,
        incarnation: before.incarnation + 1,
        registrations: Some(registrations).filter(|it| !it.is_empty()),
        forgot_at: Some(now),
        // An operator's word outlives what a machine remembers.
        status: before.status,
        // Whoever called may be late or a copy: only sessions say whether somebody listens.
        connected: before.connected,
        connected_at: before.connected_at,
        ..fresh
    }
}

/// The client token of a registration that does not name its instance.
fn token(ask: &shape::RegisterContainerInstanceRequest) -> Result<Option<String>, Error> {
    let named = ask.container_instance_arn.as_ref().is_some_and(|it| !it.is_empty());
    match ask.client_token.as_ref().filter(|_| !named) {
        Some(token) if token.is_empty() || token.len() > TOKEN_MAX => {
            Err(Error::invalid(format!("clientToken must have 1 to {TOKEN_MAX} characters.")))
        }
        token => Ok(token.cloned()),
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
        Some(Purpose::Task { .. } | Purpose::Balancer) => Err(denied(context)),
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
