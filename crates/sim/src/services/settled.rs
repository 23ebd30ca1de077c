//! Where services must get once faults have ended: what they want, where they want it.

use std::collections::BTreeMap;

use plan::launch::Launch;
use shapes::{ecs as shape, stored};
use state::{
    Desired, InstanceStatus, Rollout, Scheduling, Service, ServiceRevisionKey, ServiceStatus,
    State, Status, Task,
};
use types::{InstanceId, Zone};

use super::kept;
use crate::balancing::is_reachable;

/// What is not as it should be with a service, if anything is not.
pub(crate) fn unsettled(state: &State) -> Option<String> {
    for service in state.services().values() {
        let name = &service.key.name;
        match service.status {
            ServiceStatus::Inactive => continue,
            ServiceStatus::Draining => return Some(format!("service {name} is not gone")),
            ServiceStatus::Active => {}
        }
        let wrong = unfinished(state, service).or_else(|| match service.scheduling {
            Scheduling::Replica => unbalanced(state, service),
            Scheduling::Daemon => misplaced(state, service),
        });
        if wrong.is_some() {
            return wrong;
        }
    }
    None
}

fn tasks<'a>(state: &'a State, service: &Service) -> Vec<&'a Task> {
    let open = state.indexes().open_tasks(&service.key).iter();
    open.filter_map(|it| state.task(*it)).map(AsRef::as_ref).filter(|it| !it.is_over()).collect()
}

/// A task in a few words.
fn told(task: &Task) -> String {
    let health: Vec<_> = task.containers.iter().map(|it| it.health).collect();
    let of = task.service.as_ref().map(|it| (it.deployment, it.healthy_at.is_some()));
    let (id, last, desired, on) = (task.id, task.last, task.desired, task.instance);
    format!("{id} {last:?} to be {desired:?} on {on}, {health:?}, {of:?}")
}

fn unfinished(state: &State, service: &Service) -> Option<String> {
    let name = &service.key.name;
    let tasks = state.indexes().open_tasks(&service.key).len();
    let done = service.deployments.len() == 1
        && service.deployments.iter().all(|it| it.rollout == Rollout::Completed);
    let wanted = match service.scheduling {
        Scheduling::Replica => service.desired as usize,
        Scheduling::Daemon => tasks,
    };
    if done && tasks == wanted && service.steady_at.is_some() {
        return None;
    }
    // Who has no room, or nobody who sends requests, waits for what nobody here will change.
    let has_room = match service.scheduling {
        Scheduling::Replica => finds(state, launch(state, service).as_ref()),
        Scheduling::Daemon => misplaced(state, service).is_some() || !lacks(state, service),
    };
    let waits = !has_room || !is_reachable(state, service);
    let rollouts: Vec<_> = service.deployments.iter().map(|it| (it.id, it.rollout)).collect();
    let each = || self::tasks(state, service).into_iter().map(told).collect::<Vec<_>>().join("; ");
    (!waits)
        .then(|| format!("service {name} has {tasks} tasks of {wanted}, {rollouts:?}: {}", each()))
}

/// A spread service has not two tasks more in one zone than in another that could take one, where its
/// percentages let it move any.
fn unbalanced(state: &State, service: &Service) -> Option<String> {
    let spec: shape::CreateServiceRequest = stored::from_slice(&service.spec).ok()?;
    let asked = spec.availability_zone_rebalancing.as_ref();
    let most = u64::from(service.desired) * u64::from(service.maximum_percent) / 100;
    let is_free = most > u64::from(service.desired) && service.steady_at.is_some();
    if asked != Some(&shape::AvailabilityZoneRebalancing::Enabled) || !is_free {
        return None;
    }
    let rows = state.container_instances().values();
    let stand = rows.filter(|it| {
        it.cluster == service.key.cluster && it.connected && it.status == InstanceStatus::Active
    });
    let mut zones: BTreeMap<&Zone, usize> = stand.map(|it| (&it.zone, 0)).collect();
    for task in tasks(state, service) {
        *zones.entry(&task.zone).or_default() += 1;
    }
    let most = zones.values().max().copied().unwrap_or(0);
    let launch = launch(state, service)?;
    let is_poor =
        |zone: &Zone, count: usize| count + 1 < most && finds(state, Some(&launch.within(zone)));
    let (zone, count) = zones.iter().find(|(zone, count)| is_poor(zone, **count))?;
    let name = &service.key.name;
    Some(format!("service {name} has {count} tasks in {zone} and {most} elsewhere"))
}

/// A daemon has one task on each instance that can take it, and none elsewhere.
fn misplaced(state: &State, service: &Service) -> Option<String> {
    let name = &service.key.name;
    let launch = launch(state, service)?;
    let mut there: BTreeMap<InstanceId, Vec<&Task>> = BTreeMap::new();
    for task in tasks(state, service) {
        there.entry(task.instance).or_default().push(task);
    }
    let rows = state.container_instances().values();
    for row in rows.filter(|it| it.cluster == service.key.cluster) {
        let is_place = row.status == InstanceStatus::Active && kept::is_able(state, service, row);
        let wanted = usize::from(is_place);
        let here = there.remove(&row.id).unwrap_or_default();
        let runs =
            here.iter().all(|it| (it.last, it.desired) == (Status::Running, Desired::Running));
        let may_come = plan::placement::check(state, row.id, launch.request()).is_ok();
        if here.len() > wanted || !runs || here.len() < wanted && may_come {
            return Some(format!("{} has {} tasks of daemon {name}", row.id, here.len()));
        }
    }
    (!there.is_empty()).then(|| format!("daemon {name} is on an instance that is not there"))
}

/// Whether some instance that should have a daemon's task has none.
fn lacks(state: &State, service: &Service) -> bool {
    let there: Vec<InstanceId> = tasks(state, service).iter().map(|it| it.instance).collect();
    let rows = state.container_instances().values();
    let mut places = rows.filter(|it| {
        it.cluster == service.key.cluster
            && it.status == InstanceStatus::Active
            && kept::is_able(state, service, it)
    });
    places.any(|it| !there.contains(&it.id))
}

/// What another task of a service would be.
fn launch(state: &State, service: &Service) -> Option<Launch> {
    let primary = service.deployments.first()?;
    let key = ServiceRevisionKey { service: service.key.clone(), id: primary.revision };
    let revision = state.service_revisions().get(&key)?;
    plan::services::launch(state, service, revision, primary)
}

/// Whether it would find a place.
fn finds(state: &State, launch: Option<&Launch>) -> bool {
    launch.is_none_or(|it| {
        let placed = plan::placement::choose(state.capacity(), it.request(), 0);
        placed.is_some_and(|placed| {
            plan::launch::kept_for_daemons(state, placed.instance, it.request()).is_none()
        })
    })
}
