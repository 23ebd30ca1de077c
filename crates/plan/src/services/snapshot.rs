//! A service as a decision sees it: its row, its tasks and how they stand, and where they may be.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use shapes::{ecs as shape, stored};
use state::{
    InstanceStatus, RemarkKind, Scheduling, Service, ServiceDeployment, ServiceDeploymentKey,
    ServiceKey, ServiceRevision, ServiceRevisionKey, ServiceStatus, State, StopCode, Switch, Task,
};
use types::{ContainerName, InstanceId, TaskId, Timestamp, Zone};

use super::crowd::{Crowd, Muster};
use super::pace::Stumble;
use super::standing::{Standing, Terms, standing};
use super::{Watched, alarms, targets_health};
use crate::agent::FailureClass;
use crate::launch;
use crate::placement::{self, Misfit, Strategy};

/// Ends of tasks that one look takes into account; the rest waits for the next one.
const ENDS_MAX: usize = 15;

/// Exit codes of programs that were sent SIGKILL and SIGTERM.
const KILLED: [i32; 2] = [128 + 9, 128 + 15];

/// A task of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Which.
    pub id: TaskId,
    /// The deployment that it is of.
    pub deployment: u64,
    /// Where it is.
    pub instance: InstanceId,
    /// Zone of that instance.
    pub zone: Zone,
    /// When it was made.
    pub created_at: Timestamp,
    /// How it stands.
    pub standing: Standing,
    /// Whether it has ever counted as healthy.
    pub is_proven: bool,
    /// Whether neither scaling in nor a deployment may stop it now.
    pub is_protected: bool,
    /// Whether its instance drains.
    pub is_draining: bool,
    /// Of one that is over: whether that was a failed launch.
    pub stumble: Option<Stumble>,
}

/// Where tasks of the service are and may be, as far as the decision needs it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scene {
    /// What its tasks are placed by, where tasks have to be scaled in.
    pub strategies: Vec<Strategy>,
    /// CPU units and memory left on the instances of its tasks, where they are packed.
    pub left: BTreeMap<InstanceId, (u32, u32)>,
    /// Zones where tasks may be placed, where tasks are rebalanced.
    pub zones: BTreeSet<Zone>,
    /// Whether tasks are being moved between zones.
    pub is_rebalancing: bool,
    /// Of a daemon: the instances that should have it.
    pub places: BTreeSet<InstanceId>,
    /// Of those: the ones that can take no task at this time.
    pub deaf: BTreeSet<InstanceId>,
    /// Of a daemon: instances that drain, with nothing but daemons left on them.
    pub emptied: BTreeSet<InstanceId>,
}

/// A service as a decision sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Its row.
    pub service: Service,
    /// The rollout that its PRIMARY deployment belongs to.
    pub rollout: Option<ServiceDeployment>,
    /// The revision that a rollback goes back to.
    pub completed: Option<Arc<ServiceRevision>>,
    /// The alarms of a deployment that is under way.
    pub alarms: Vec<Watched>,
    /// Its tasks, the oldest first, but for those whose end was taken into account, and those in
    /// `crowds`.
    pub members: Vec<Member>,
    /// Tasks that nothing is to be decided about one by one.
    pub crowds: Vec<Crowd>,
    /// Where they may be.
    pub scene: Scene,
    /// When a standing changes by itself.
    pub until: Option<Timestamp>,
    /// Whether ends were left for the next look.
    pub has_more: bool,
}

/// Looks at a service, task by task; `None` if there is none. O(its tasks); for a daemon O(instances
/// of the cluster).
pub fn snapshot(
    state: &State,
    key: &ServiceKey,
    observed_for: Duration,
    now: Timestamp,
) -> Option<Snapshot> {
    let service = state.services().get(key)?;
    Some(gather(state, service, Muster::each(state, service), observed_for, now))
}

/// Looks at a service: at what a decision needs of it. It leads to the step that [`snapshot`] leads
/// to. Costs the tasks that something may have to be done about: those that have just begun to run,
/// are not well, protected or over, and so many of those that a step stops that it could stop no
/// more. Of a daemon, and of a deployment that has more tasks than it should, as `snapshot`.
pub fn glance(
    state: &State,
    key: &ServiceKey,
    observed_for: Duration,
    now: Timestamp,
) -> Option<Snapshot> {
    let service = state.services().get(key)?;
    let muster = Muster::of(state, service, observed_for, now);
    Some(gather(state, service, muster, observed_for, now))
}

fn gather(
    state: &State,
    service: &Service,
    muster: Muster,
    observed_for: Duration,
    now: Timestamp,
) -> Snapshot {
    let mut snapshot = Snapshot {
        rollout: rollout(state, service),
        completed: service.completed_revision.and_then(|id| revision(state, &service.key, id)),
        alarms: alarms::watched(state, service),
        members: Vec::new(),
        crowds: muster.crowds,
        scene: Scene::default(),
        until: None,
        has_more: false,
        service: service.clone(),
    };
    members(state, &mut snapshot, &muster.each, observed_for, now);
    if service.status == ServiceStatus::Active {
        match service.scheduling {
            Scheduling::Replica => replica_scene(state, &mut snapshot),
            Scheduling::Daemon => daemon_scene(state, &mut snapshot),
        }
    }
    snapshot
}

fn rollout(state: &State, service: &Service) -> Option<ServiceDeployment> {
    let id = service.deployments.first()?.service_deployment;
    let key = ServiceDeploymentKey { service: service.key.clone(), id };
    state.service_deployments().get(&key).map(|it| it.as_ref().clone())
}

fn revision(state: &State, service: &ServiceKey, id: u64) -> Option<Arc<ServiceRevision>> {
    let key = ServiceRevisionKey { service: service.clone(), id };
    state.service_revisions().get(&key).cloned()
}

fn members(
    state: &State,
    into: &mut Snapshot,
    tasks: &[TaskId],
    observed_for: Duration,
    now: Timestamp,
) {
    let mut terms: BTreeMap<u64, Terms> = BTreeMap::new();
    let mut ends = 0;
    for id in tasks {
        let Some(task) = state.task(*id) else { continue };
        let Some(membership) = &task.service else { continue };
        if task.is_over() {
            ends += 1;
            if ends > ENDS_MAX {
                into.has_more = true;
                continue;
            }
        }
        let terms = terms
            .entry(membership.revision)
            .or_insert_with(|| terms_of(state, &into.service, membership.revision, observed_for));
        let (standing, until) = standing(task, terms, &targets_health(state, task), now);
        let protected_until =
            membership.protected_until.filter(|it| *it > now && standing.is_active());
        into.until = [into.until, until, protected_until].into_iter().flatten().min();
        let instance = state.container_instance(task.instance);
        into.members.push(Member {
            id: task.id,
            deployment: membership.deployment,
            instance: task.instance,
            zone: task.zone.clone(),
            created_at: task.created_at,
            standing,
            is_proven: membership.healthy_at.is_some(),
            is_protected: protected_until.is_some(),
            is_draining: instance.is_some_and(|it| it.status == InstanceStatus::Draining),
            stumble: stumble(task),
        });
    }
    into.members.sort_by_key(|it| (it.created_at, it.id));
}

/// Whether a task that is over was a failed launch: it ended by itself before it ever counted as
/// healthy.
///
/// Differs: AWS counts tasks that never ran and tasks that failed their checks. A program that ends
/// at once is never seen running there, as a launch takes longer; here it would pass for good. One that
/// ran and was killed from outside says nothing of its program.
fn stumble(task: &Task) -> Option<Stumble> {
    let membership = task.service.as_ref()?;
    let by_itself = matches!(
        task.stop.as_ref()?.code,
        StopCode::TaskFailedToStart | StopCode::EssentialContainerExited
    );
    if !task.is_over() || !by_itself || membership.healthy_at.is_some() {
        return None;
    }
    match task.started_at {
        None => Some(Stumble::NeverRan),
        Some(_) if was_killed(task) => None,
        Some(_) => Some(Stumble::EndedEarly),
    }
}

/// Whether somebody killed a container of it, rather than the kernel for want of memory.
fn was_killed(task: &Task) -> bool {
    let by_memory = |it: &str| it.starts_with(FailureClass::OutOfMemory.as_str());
    task.containers.iter().any(|it| {
        it.exit_code.is_some_and(|code| KILLED.contains(&code))
            && !it.reason.as_deref().is_some_and(by_memory)
    })
}

pub(super) fn terms_of(state: &State, service: &Service, id: u64, observed_for: Duration) -> Terms {
    let revision = revision(state, &service.key, id);
    let definition = revision.as_ref().and_then(|it| state.task_definition(&it.definition));
    let spec: shape::RegisterTaskDefinitionRequest =
        definition.and_then(|it| stored::from_slice(&it.spec).ok()).unwrap_or_default();
    let containers = spec.container_definitions.iter().flatten();
    let checked = containers.filter(|it| it.health_check.is_some() && it.essential.unwrap_or(true));
    Terms {
        checks: checked.filter_map(|it| ContainerName::parse(it.name.as_deref()?).ok()).collect(),
        grace: service.grace,
        observed_for,
    }
}

/// Looks up only what this service needs: tasks to be scaled in, tasks to be rebalanced.
fn replica_scene(state: &State, into: &mut Snapshot) {
    let active = into.members.iter().filter(|it| it.standing.is_active()).count();
    let crowds = into.crowds.iter().filter(|it| it.standing.is_active());
    let active = active + crowds.map(|it| it.count as usize).sum::<usize>();
    let is_too_many = active > into.service.desired as usize;
    let may_move = into.service.rebalancing == Switch::On;
    if is_too_many {
        let spec: shape::CreateServiceRequest =
            stored::from_slice(&into.service.spec).unwrap_or_default();
        let asked = spec.placement_strategy.unwrap_or_default();
        into.scene.strategies = launch::strategies(&asked).unwrap_or_default();
    }
    into.scene.is_rebalancing = may_move && into.service.remarks.has(RemarkKind::Rebalancing);
    let pool = state.capacity().pool(&into.service.key.cluster);
    if let (Some(Strategy::Binpack(_)), Some(pool)) = (into.scene.strategies.first(), pool) {
        for member in &into.members {
            if let Some(host) = pool.host_of(member.instance) {
                into.scene.left.insert(member.instance, host.left());
            }
        }
    }
    if let (true, Some(pool)) = (may_move, pool) {
        let zones = pool.zones().iter().filter(|it| it.by_memory().descending().next().is_some());
        into.scene.zones = zones.map(|it| it.name().clone()).collect();
    }
}

fn daemon_scene(state: &State, into: &mut Snapshot) {
    let service = &into.service;
    let launch = service.deployments.first().and_then(|deployment| {
        let revision = revision(state, &service.key, deployment.revision)?;
        super::launch(state, service, &revision, deployment)
    });
    let Some(launch) = launch else { return };
    for id in state.indexes().instances(&service.key.cluster) {
        let misfits = match placement::check(state, id, launch.request()) {
            Ok(()) => Vec::new(),
            Err(it) => it.misfits,
        };
        if misfits.iter().any(is_no_place) {
            continue;
        }
        into.scene.places.insert(id);
        if misfits.contains(&Misfit::Agent) {
            into.scene.deaf.insert(id);
        }
    }
    let draining = into.members.iter().filter(|it| it.is_draining).map(|it| it.instance);
    into.scene.emptied =
        draining.filter(|it| has_only_daemons(state, *it)).collect::<BTreeSet<_>>();
}

/// Whether a daemon has nothing to do on such an instance. Shortages pass.
pub fn is_no_place(misfit: &Misfit) -> bool {
    match misfit {
        Misfit::Missing
        | Misfit::Inactive
        | Misfit::Draining
        | Misfit::Location { .. }
        | Misfit::Attribute { .. }
        | Misfit::MemberOf { .. } => true,
        Misfit::Agent
        | Misfit::Distinct
        | Misfit::Cpu { .. }
        | Misfit::Memory { .. }
        | Misfit::Kept { .. }
        | Misfit::Ports { .. }
        | Misfit::Interface { .. }
        | Misfit::KeptInterface { .. }
        | Misfit::Address { .. }
        | Misfit::Gpu { .. } => false,
    }
}

/// Whether nothing but daemons holds anything of an instance. O(its tasks).
fn has_only_daemons(state: &State, instance: InstanceId) -> bool {
    state.indexes().held_on(instance).iter().filter_map(|it| state.task(*it)).all(|task| {
        let service = task.service_key().and_then(|it| state.services().get(&it));
        service.is_some_and(|it| it.scheduling == Scheduling::Daemon)
    })
}

#[cfg(test)]
mod tests {
    use state::{Container, Health, Membership, Status, Stop};
    use types::ServiceName;

    use super::*;
    use crate::placement::fixture;

    /// A task of a service that ended by itself.
    fn ended(started: bool, exit_code: i32, reason: Option<&str>) -> Task {
        let instance = fixture::instance(1, "a", 1024, 1024);
        let mut task = fixture::task(7, &instance, &fixture::request(1, 1));
        let stop = Stop { code: StopCode::EssentialContainerExited, reason: "over".into() };
        crate::tasks::close(&mut task, stop, Timestamp(9));
        task.started_at = started.then_some(Timestamp(5));
        task.containers = vec![Container {
            name: ContainerName::parse("web").expect("valid"),
            id: vec![7; 16],
            gpus: Vec::new(),
            last: Status::Stopped,
            runtime_id: None,
            exit_code: Some(exit_code),
            reason: reason.map(Into::into),
            bindings: Vec::new(),
            image_digest: None,
            pinned_digest: None,
            health: Health::Unknown,
        }];
        task.service = Some(Box::new(Membership {
            service: ServiceName::parse("web").expect("valid"),
            deployment: 1,
            revision: 1,
            targets: Vec::new(),
            healthy_at: None,
            protected_until: None,
            settled_at: None,
            namespace: None,
        }));
        task
    }

    #[test]
    fn what_was_killed_from_outside_is_no_failed_launch() {
        let memory = Some("OutOfMemoryError: Container killed due to memory usage");
        for (started, code, reason, expected) in [
            (true, 1, None, Some(Stumble::EndedEarly)),
            (true, 0, None, Some(Stumble::EndedEarly)),
            (true, 137, None, None),
            (true, 143, None, None),
            (true, 137, memory, Some(Stumble::EndedEarly)),
            (false, 137, None, Some(Stumble::NeverRan)),
        ] {
            assert_eq!(stumble(&ended(started, code, reason)), expected, "{started} {code}");
        }
        let mut proven = ended(true, 1, None);
        proven.service.as_mut().expect("its service").healthy_at = Some(Timestamp(6));
        assert_eq!(stumble(&proven), None, "it had been healthy");
    }
}
