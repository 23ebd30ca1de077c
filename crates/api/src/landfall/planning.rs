//! What a change of a service, or draining instances, would start and stop. Nothing is changed.

use plan::rehearsal::{Action, Move, Rehearsal};
use shapes::{ecs, landfall as shape};
use state::{
    ContainerInstance, Context, Desired, Dice, Draft, InstanceStatus, Scheduling, ServiceKey,
    ServiceStatus, State,
};
use types::{ClusterName, Timestamp};

use super::{Error, trail};
use crate::ecs::{find, services};

/// The shortest part of an id that names an instance.
const SHORTEST: usize = 4;

/// A change that was made on a copy of the state, and the services that it concerns.
#[derive(Debug)]
pub struct PlanQuestion {
    copy: State,
    now: Timestamp,
    services: Vec<ServiceKey>,
}

/// Takes in `PlanServices`: makes the change on a copy, by the operation that makes it.
///
/// # Errors
///
/// [`Error::AccessDenied`] to agents and tasks, [`Error::ClusterNotFound`],
/// [`Error::InvalidParameter`] for whatever UpdateService would refuse, for instances that are not
/// there, and for neither or both of them.
pub fn plan_question(
    state: &State,
    ask: shape::PlanServicesRequest,
    context: &Context<'_>,
) -> Result<PlanQuestion, Error> {
    trail::people_only(state, context)?;
    let cluster = find::cluster(state, ask.cluster.as_deref())?.name.clone();
    let mut copy = state.clone();
    let services = match (&ask.service, &ask.drain) {
        (Some(_), None) => vec![update(&mut copy, ask, &cluster, context)?],
        (None, Some(drain)) => drained(&mut copy, drain, &cluster)?,
        _ => {
            let text = "Say either which service is changed, or what is drained.";
            return Err(Error::InvalidParameter(text.into()));
        }
    };
    Ok(PlanQuestion { copy, now: context.now, services })
}

fn update(
    copy: &mut State,
    ask: shape::PlanServicesRequest,
    cluster: &ClusterName,
    context: &Context<'_>,
) -> Result<ServiceKey, Error> {
    let name = ask.service.clone().unwrap_or_default();
    let found = find::service(copy, cluster, &name)?;
    let key = found.map(|it| it.key.clone());
    let key = key.ok_or_else(|| Error::InvalidParameter("Service not found.".into()))?;
    let update = ecs::UpdateServiceRequest {
        cluster: ask.cluster,
        service: ask.service,
        task_definition: ask.task_definition,
        desired_count: ask.desired_count,
        force_new_deployment: ask.force_new_deployment,
        ..ecs::UpdateServiceRequest::default()
    };
    let mut dice = Dice::of(1);
    let mut context = Context {
        now: context.now,
        caller: context.caller.clone(),
        request_id: context.request_id,
        dice: &mut dice,
    };
    let mut draft = Draft::new(copy);
    services::update_service(&mut draft, update, &mut context)?;
    drop(draft.keep());
    Ok(key)
}

/// Drains instances; the services that have tasks there.
fn drained(
    copy: &mut State,
    names: &[String],
    cluster: &ClusterName,
) -> Result<Vec<ServiceKey>, Error> {
    let mut services = Vec::new();
    for name in names {
        let all = copy.indexes().instances(cluster).filter_map(|it| copy.container_instance(it));
        let home = copy.home();
        let meant = all.filter(|it| is_meant(it, name, &home.instance(cluster, it.id)));
        let meant: Vec<_> = meant.cloned().collect();
        if meant.is_empty() {
            let text = format!("{name} is no container instance of {cluster}, and no zone of one.");
            return Err(Error::InvalidParameter(text));
        }
        for instance in meant {
            let tasks = copy.indexes().tasks_on(instance.id, Desired::Running);
            let tasks = tasks.iter().filter_map(|it| copy.task(*it));
            services.extend(tasks.filter_map(|it| it.service_key()));
            let draining =
                ContainerInstance { status: InstanceStatus::Draining, ..instance.as_ref().clone() };
            copy.apply(draining.into());
        }
    }
    // Daemons leave an instance last, when nothing else is there.
    let row = |it: &ServiceKey| copy.services().get(it);
    let is_daemon = |it: &ServiceKey| row(it).map(|it| it.scheduling) == Some(Scheduling::Daemon);
    services.sort_unstable_by(|a, b| (is_daemon(a), a).cmp(&(is_daemon(b), b)));
    services.dedup();
    services.retain(|it| row(it).is_some_and(|it| it.status == ServiceStatus::Active));
    Ok(services)
}

/// Whether a name means an instance: its ARN, its id or the start of it, what people call it, its
/// zone or the last letter of that.
fn is_meant(it: &ContainerInstance, name: &str, arn: &str) -> bool {
    let called = it.attributes.get("landfall.name").and_then(Option::as_deref);
    let zone = it.zone.as_str();
    let letter = zone.char_indices().next_back().and_then(|(at, _)| zone.get(at..));
    let id = it.id.to_string();
    name == arn
        || called == Some(name)
        || name == zone
        || letter == Some(name)
        || (name.len() >= SHORTEST && id.starts_with(name))
}

impl PlanQuestion {
    /// Has each service played through, one after the other on the same copy.
    pub fn answer(
        mut self,
        play: impl Fn(&mut State, &ServiceKey, Timestamp) -> Rehearsal,
    ) -> shape::PlanServicesResponse {
        let mut plans = Vec::new();
        for key in &self.services {
            let seen = play(&mut self.copy, key, self.now);
            plans.push(view(&self.copy, &seen));
        }
        shape::PlanServicesResponse { plans: Some(plans) }
    }
}

fn view(state: &State, seen: &Rehearsal) -> shape::ServicePlan {
    let small = |it: u64| Some(i32::try_from(it).unwrap_or(i32::MAX));
    let Rehearsal { service, tasks, moves, peak, fewest, stuck } = seen;
    let row = state.services().get(service);
    shape::ServicePlan {
        service_arn: Some(state.home().service(&service.cluster, &service.name)),
        fits: Some(stuck.is_none()),
        reason: stuck.clone(),
        moves: Some(moves.iter().map(|it| planned(state, service, it)).collect()),
        tasks: small(u64::from(*tasks)),
        desired_count: row.and_then(|it| small(u64::from(it.desired))),
        peak_tasks: small(u64::from(peak.0)),
        peak_cpu: small(peak.1),
        peak_memory: small(peak.2),
        fewest_tasks: small(u64::from(*fewest)),
    }
}

fn planned(state: &State, service: &ServiceKey, it: &Move) -> shape::PlannedMove {
    let home = state.home();
    let instance = state.container_instance(it.instance);
    let called = instance.and_then(|it| it.attributes.get("landfall.name").cloned().flatten());
    let stops = it.action == Action::Stop;
    shape::PlannedMove {
        action: Some(if stops { "STOP" } else { "START" }.to_owned()),
        container_instance_arn: Some(home.instance(&service.cluster, it.instance)),
        availability_zone: Some(it.zone.to_string()),
        instance: Some(called.unwrap_or_else(|| it.instance.to_string())),
        task_definition: Some(it.revision.to_string()),
        task_arn: stops.then(|| home.task(&service.cluster, it.task)),
        reason: it.reason.clone(),
    }
}
