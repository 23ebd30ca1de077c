//! Room that is kept for daemons: what a daemon service will take on an instance where its task is
//! yet to come goes to no other task.
//!
//! Source: Amazon ECS Developer Guide, "Amazon ECS services", daemon: CPU, memory and network
//! interfaces are reserved for the daemon's tasks, which start first.

use state::capacity::{Host, Pool};
use state::{Demand, Rollout, Service, ServiceRevisionKey, State};
use types::{Cpu, Group, InstanceId, MemoryMib};

use crate::placement::{self, Constraint, Explanation, Misfit, Request, Resource};
use crate::query::Expression;
use crate::services;

/// Instances that are passed over one by one; then one is looked for that has room for everything.
const PASSED_OVER: usize = 16;

/// Instances that are passed over before it is taken that nobody has an interface to spare: what is
/// looked for has room for every daemon by then, but only one interface.
const PASSED_OVER_MAX: usize = 80;

/// The request without an instance that was passed over. After many of them it is one for the task
/// and all daemons together, so that whatever is found has the room, even if strategies like another
/// one better.
pub(super) fn elsewhere(
    state: &State,
    request: &Request,
    narrowed: Request,
    passed: &[Explanation],
) -> Request {
    let mut narrowed = narrowed;
    if passed.len() >= PASSED_OVER {
        narrowed.demand = with_daemons(state, request);
    }
    if passed.len() >= PASSED_OVER_MAX {
        narrowed.zones = Some(Vec::new());
    }
    let row = passed.last().and_then(|it| state.container_instance(it.instance));
    let text = row.map(|it| format!("not(ec2InstanceId == {})", it.ec2_instance_id));
    let apart = text.and_then(|it| Expression::parse(&it).ok());
    narrowed.constraints.extend(apart.map(Constraint::MemberOf));
    narrowed
}

fn with_daemons(state: &State, request: &Request) -> Demand {
    let services = state.indexes().daemons(&request.cluster).iter();
    let services = services.filter_map(|it| state.services().get(it));
    let mut sum = request.demand.clone();
    for it in services.filter_map(|it| demand(state, it)) {
        sum.cpu = Cpu(sum.cpu.0.saturating_add(it.cpu.0));
        sum.memory = MemoryMib(sum.memory.0.saturating_add(it.memory.0));
    }
    sum
}

/// What speaks against a task on an instance where it would fit, for the sake of daemons that are to
/// come there. A logarithm for each daemon service of the cluster.
pub fn kept_for_daemons(state: &State, instance: InstanceId, request: &Request) -> Option<Misfit> {
    let daemons = state.indexes().daemons(&request.cluster);
    if daemons.is_empty() {
        return None;
    }
    let pool = state.capacity().pool(&request.cluster)?;
    let host = pool.host_of(instance)?;
    let awaited = daemons.iter().filter_map(|it| state.services().get(it));
    let awaited = awaited.map(AsRef::as_ref).filter(|it| !is_there(pool, host, it));
    let awaited: Vec<(&Service, &Demand)> =
        awaited.filter_map(|it| Some((it, demand(state, it)?))).collect();
    // What they need together is known from rows; whether they belong there only where that matters.
    short(host, &request.demand, &awaited)?;
    let belong = awaited.into_iter().filter(|it| belongs(state, it.0, instance));
    short(host, &request.demand, &belong.collect::<Vec<_>>())
}

/// Whether a daemon's task is to stay on an instance.
fn is_there(pool: &Pool, host: &Host, service: &Service) -> bool {
    let group = Group::parse(&format!("service:{}", service.key.name)).ok();
    let at = group.and_then(|it| pool.group(&it));
    at.is_some_and(|(at, _)| host.count(at) > 0)
}

/// What a task of a daemon takes; `None` if none is started.
fn demand<'a>(state: &'a State, service: &Service) -> Option<&'a Demand> {
    let primary = service.deployments.first().filter(|it| it.rollout != Rollout::Failed)?;
    let key = ServiceRevisionKey { service: service.key.clone(), id: primary.revision };
    let revision = state.service_revisions().get(&key)?;
    Some(&state.task_definition(&revision.definition)?.demand)
}

/// Whether a daemon is to come to an instance, and can once others have gone.
fn belongs(state: &State, service: &Service, instance: InstanceId) -> bool {
    let launch = service.deployments.first().and_then(|primary| {
        let key = ServiceRevisionKey { service: service.key.clone(), id: primary.revision };
        services::launch(state, service, state.service_revisions().get(&key)?, primary)
    });
    let never = |it: &Misfit| match it {
        Misfit::Cpu { needs, of, .. } => needs > of,
        Misfit::Memory { needs, of, .. } => needs > of,
        Misfit::Interface { of } => *of == 0,
        it => services::is_no_place(it),
    };
    launch.is_some_and(|it| match placement::check(state, instance, it.request()) {
        Ok(()) => true,
        Err(it) => !it.misfits.iter().any(never),
    })
}

/// What would be missing on an instance that has this task and those daemons.
fn short(host: &Host, task: &Demand, daemons: &[(&Service, &Demand)]) -> Option<Misfit> {
    let (cpu, memory) = host.left();
    let resources = [(Resource::Cpu, cpu, task.cpu.0), (Resource::Memory, memory, task.memory.0)];
    let short_of = |(resource, free, needs): (Resource, u32, u32)| {
        let of = |it: &Demand| match resource {
            Resource::Cpu => it.cpu.0,
            Resource::Memory => it.memory.0,
        };
        let kept = daemons.iter().fold(0_u32, |sum, it| sum.saturating_add(of(it.1)));
        let first = daemons.iter().find(|it| of(it.1) > 0)?;
        let daemon = first.0.key.name.clone();
        let is_short = needs > 0 && free < needs.saturating_add(kept);
        is_short.then_some(Misfit::Kept { resource, needs, free, kept, daemon })
    };
    resources.into_iter().find_map(short_of).or_else(|| short_of_interfaces(host, task, daemons))
}

fn short_of_interfaces(
    host: &Host,
    task: &Demand,
    daemons: &[(&Service, &Demand)],
) -> Option<Misfit> {
    let free = host.interfaces_left().filter(|_| task.interface)?;
    let mut awaited = daemons.iter().filter(|it| it.1.interface).peekable();
    let daemon = awaited.peek()?.0.key.name.clone();
    let kept = u32::try_from(awaited.count()).unwrap_or(u32::MAX);
    (free <= kept).then_some(Misfit::KeptInterface { free, kept, daemon })
}
