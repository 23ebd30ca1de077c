//! Instances of load balancers: registered, deregistered, and how they are.

use std::collections::{BTreeMap, BTreeSet};

use plan::{classic, targets};
use shapes::elb as shape;
use state::{
    Change, ClassicInstance, ClassicInstanceKey, ClassicLoadBalancer, Context, Draft, Draining,
    State,
};

use super::limits::INSTANCES_MAX;
use super::{Error, find};

/// `RegisterInstancesWithLoadBalancer`: one that is registered stays as it is; one that drains takes
/// requests again.
///
/// # Errors
///
/// [`Error::InvalidInstance`] for one that is no container instance of this region.
pub(super) fn register_instances_with_load_balancer(
    draft: &mut Draft<'_>,
    ask: shape::RegisterEndPointsInput,
    context: &mut Context<'_>,
) -> Result<shape::RegisterEndPointsOutput, Error> {
    let state = draft.state();
    let found = find::load_balancer(state, ask.load_balancer_name.as_deref())?.clone();
    let mut fresh = Vec::new();
    for id in ids(ask.instances) {
        let Some(machine) = state.indexes().ec2_instance(&id) else { return Err(unknown(&id)) };
        let key = ClassicInstanceKey { load_balancer: found.name.clone(), id };
        if state.classic_instances().get(&key).is_some_and(|it| it.draining.is_none()) {
            continue;
        }
        let machine = state.container_instance(machine);
        let (address, zone) = machine.map(|it| targets::instance_place(it)).unwrap_or_default();
        fresh.push(ClassicInstance {
            key,
            address,
            zone,
            registered_at: context.now,
            draining: None,
            seen: BTreeMap::new(),
            service: None,
        });
    }
    for instance in fresh {
        draft.change(Change::from(instance));
    }
    let instances = registered(draft.state(), &found);
    if instances.len() > INSTANCES_MAX {
        return Err(Error::invalid(format!(
            "A load balancer can have at most {INSTANCES_MAX} registered instances"
        )));
    }
    Ok(shape::RegisterEndPointsOutput { instances: Some(instances) })
}

/// `DeregisterInstancesFromLoadBalancer`: what they have under way may end, if connections are to be
/// drained. One that is not registered does not matter.
///
/// # Errors
///
/// [`Error::InvalidInstance`] for one that is neither registered nor a container instance.
pub(super) fn deregister_instances_from_load_balancer(
    draft: &mut Draft<'_>,
    ask: shape::DeregisterEndPointsInput,
    context: &mut Context<'_>,
) -> Result<shape::DeregisterEndPointsOutput, Error> {
    let found = find::load_balancer(draft.state(), ask.load_balancer_name.as_deref())?.clone();
    for id in ids(ask.instances) {
        let key = ClassicInstanceKey { load_balancer: found.name.clone(), id };
        let state = draft.state();
        let Some(instance) = state.classic_instances().get(&key) else {
            if state.indexes().ec2_instance(&key.id).is_none() {
                return Err(unknown(&key.id));
            }
            continue;
        };
        if instance.draining.is_some() {
            continue;
        }
        let change = match classic::draining(&found.attributes) {
            Some(timeout) => {
                let until = context.now.after(timeout);
                let draining = Some(Draining { since: context.now, until });
                Change::from(ClassicInstance { draining, ..instance.as_ref().clone() })
            }
            None => Change::ClassicInstance(key, None),
        };
        draft.change(change);
    }
    let instances = Some(registered(draft.state(), &found));
    Ok(shape::DeregisterEndPointsOutput { instances })
}

/// `DescribeInstanceHealth`: of all that are registered or drain, or of those named.
///
/// # Errors
///
/// [`Error::InvalidInstance`] for one that is neither registered nor a container instance.
pub(super) fn describe_instance_health(
    state: &State,
    ask: shape::DescribeEndPointStateInput,
    _: &Context<'_>,
) -> Result<shape::DescribeEndPointStateOutput, Error> {
    let found = find::load_balancer(state, ask.load_balancer_name.as_deref())?;
    let all = || classic::instances(state, &found.name).map(|it| it.key.id.clone());
    let wanted: Vec<String> = match ids(ask.instances) {
        none if none.is_empty() => all().collect(),
        named => named.into_iter().collect(),
    };
    let describe = |id: String| {
        let key = ClassicInstanceKey { load_balancer: found.name.clone(), id };
        let is_registered = state.classic_instances().contains_key(&key);
        if !is_registered && state.indexes().ec2_instance(&key.id).is_none() {
            return Err(unknown(&key.id));
        }
        let standing = classic::standing(state, found, &key.id);
        Ok(shape::InstanceState {
            instance_id: Some(key.id),
            state: Some(standing.state.to_owned()),
            reason_code: Some(standing.reason_code.to_owned()),
            description: Some(standing.description.to_owned()),
        })
    };
    let instance_states = wanted.into_iter().map(describe).collect::<Result<_, _>>()?;
    Ok(shape::DescribeEndPointStateOutput { instance_states: Some(instance_states) })
}

/// The instances that a load balancer sends to, in order of their ids.
pub(super) fn registered(state: &State, of: &ClassicLoadBalancer) -> Vec<shape::Instance> {
    let stays = classic::instances(state, &of.name).filter(|it| it.draining.is_none());
    stays.map(|it| shape::Instance { instance_id: Some(it.key.id.clone()) }).collect()
}

/// Each once, in order.
fn ids(asked: Option<Vec<shape::Instance>>) -> BTreeSet<String> {
    asked.unwrap_or_default().into_iter().filter_map(|it| it.instance_id).collect()
}

fn unknown(id: &str) -> Error {
    Error::InvalidInstance(format!("Could not find EC2 instance {id}."))
}
